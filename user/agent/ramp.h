/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slow start of a backend: the part of its slots in its stack's ring that it has, growing in
 * RAMP_STEPS steps of equal length. Pure: `now_ms` is any clock that does not go back.
 */
#ifndef STEER_RAMP_H
#define STEER_RAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/ring.h"

#define RAMP_STEPS 10

struct ramp {
	bool running;
	uint64_t began_ms;
	uint32_t length_ms; /* not 0 while it runs */
};

/*
 * Of RING_WHOLE. Step k, from 0, has what a straight line has in its middle: 5 %, 15 %, … 95 %.
 * All of it where no ramp runs, or it is over.
 */
uint32_t ramp_part(const struct ramp *ramp, uint64_t now_ms);

/* When the next step is due; UINT64_MAX: never. */
uint64_t ramp_next_ms(const struct ramp *ramp, uint64_t now_ms);

uint32_t ramp_left_ms(const struct ramp *ramp, uint64_t now_ms);

/*
 * Whether one that begins now is of an age with this one, and shall share its beginning: a stack
 * whose backends come up together, but not in the same millisecond, keeps its shares.
 */
bool ramp_is_of_an_age(const struct ramp *ramp, uint32_t length_ms, uint64_t now_ms);

#endif
