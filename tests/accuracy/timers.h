/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A clock, a heap of deadlines, and chance that comes out the same from the same seed. */
#ifndef STEER_ACCURACY_TIMERS_H
#define STEER_ACCURACY_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ULL
#define NS_PER_S  1000000000ULL

/* Part of what is to be done at due_ns (CLOCK_MONOTONIC), which must outlive its being set. */
struct timer {
	uint64_t due_ns;
	size_t place; /* in the heap, from 1; 0: not set */
};

struct timers {
	struct timer **heap; /* heap[1] is due first */
	size_t n, size;
};

uint64_t clock_now_ns(void);

int timers_set(struct timers *timers, struct timer *timer, uint64_t due_ns);
void timers_cancel(struct timers *timers, struct timer *timer); /* one not set: nothing */
/* The one that is due first, if it is due by now; it is no longer set then. NULL: none is. */
struct timer *timers_take_due(struct timers *timers, uint64_t now_ns);
/* How long until that may be waited; NULL: for ever. Into *space, which must live that long. */
const struct timespec *timers_wait(const struct timers *timers, struct timespec *space);
void timers_free(struct timers *timers);

/* Lets timers of this process end when they are due, and not up to 50 us later. */
void timers_be_precise(void);

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
uint64_t chance_next(uint64_t *state);
double chance_share(uint64_t *state);			 /* uniform, above 0 and up to 1 */
double chance_exponential(uint64_t *state, double mean); /* of a Poisson process */
double chance_lognormal(uint64_t *state, double median, double sigma);

#endif
