/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a backend that keeps going down must stay good before it returns. Pure: `now_ms` is
 * any clock that does not go back.
 *
 * The first time down costs nothing beyond `rise`. Whoever goes down again within DAMPING_WHILE_MS
 * of its return must then stay good for DAMPING_FIRST_MS, and each further time for twice as long
 * as before, DAMPING_MOST_MS at most. Each DAMPING_WHILE_MS that it stays up takes one doubling
 * back, and after the last one all is forgotten.
 */
#ifndef STEER_DAMPING_H
#define STEER_DAMPING_H

#include <stdbool.h>
#include <stdint.h>

#define DAMPING_WHILE_MS 60000
#define DAMPING_FIRST_MS 1000
#define DAMPING_MOST_MS	 64000

/* Zero-initialise: never up. The fields are for reading. */
struct damping {
	bool up;
	uint64_t up_ms;	    /* since when, if up */
	uint32_t downs;	    /* of this spell; 0: none yet */
	uint64_t first_ms;  /* the first of them */
	uint32_t doublings; /* 0: no hold-off */
};

/* It takes flows again, or for the first time. Once more while it is up: nothing. */
void damping_up(struct damping *damping, uint64_t now_ms);

/* It was up, and is found bad. While it is down: nothing. */
void damping_down(struct damping *damping, uint64_t now_ms);

/* An operator has seen to it: what was before does not count. */
void damping_forget(struct damping *damping);

/* How long without a failure before it may return; 0: as soon as it is good. */
uint32_t damping_hold_ms(const struct damping *damping);

#endif
