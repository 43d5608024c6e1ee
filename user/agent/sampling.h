/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One new flow in how many is measured: a fixed number, or by the rate of new flows, so that a
 * quiet host measures all of them and a busy one about SAMPLING_TARGET a second. Pure: time and
 * counts come in as parameters.
 */
#ifndef STEER_SAMPLING_H
#define STEER_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#define SAMPLING_TARGET 2000 /* sampled new flows a second that are enough and cheap */
#define SAMPLING_RAISE	3000 /* above this many the number goes up, at once */
#define SAMPLING_LOWER	1500 /* at most this many may it be after going down */
#define SAMPLING_QUIET	10   /* steps in a row that would allow it before it goes down */
#define SAMPLING_MAX	65536

struct sampling {
	bool automatic;
	uint32_t one_in; /* 1, 2, 4, … SAMPLING_MAX; 0: none */
	bool begun;
	uint64_t flows;	 /* at the last step */
	uint64_t now_ms; /* of the last step */
	unsigned int quiet;
	uint64_t peak; /* new flows a second, the most of any step of the quiet run */
};

/*
 * wanted: NODE_SAMPLE_AUTO, NODE_SAMPLE_OFF or a number that is rounded up to a power of two and
 * down to SAMPLING_MAX. Automatic sampling goes on from one_in as it is, or from 1 where it is 0.
 */
void sampling_set(struct sampling *sampling, uint32_t wanted);

/* About once a second. flows: how many began so far, ever; what holds now is in one_in. */
void sampling_step(struct sampling *sampling, uint64_t flows, uint64_t now_ms);

#endif
