/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's latency buckets in the shapes that others want histograms in. Every mapping takes a
 * whole kernel bucket to one place, so that what counts up in the kernel never goes down in there.
 */
#ifndef STEER_LATENCY_BOUNDS_H
#define STEER_LATENCY_BOUNDS_H

#include <stdint.h>

#include "abi.h"

/*
 * Classic histograms: two bounds to an octave, each a kernel bucket's edge, so that the counts
 * under them are exact. A value on a bound is counted above it, which 1 ns makes no difference to.
 */
#define LATENCY_BOUNDS (2 * LATENCY_OCTAVES + 1)

struct latency_bounds {
	uint64_t ns[LATENCY_BOUNDS]; /* 32768 to 34359738368 */
};
const struct latency_bounds *latency_bounds(void);

/* Counts below each bound, and last all of them. */
void latency_cumulate(const uint64_t bucket[LATENCY_BUCKETS], uint64_t ret[LATENCY_BOUNDS + 1]);

/*
 * Exponential histograms of base 2^(1/8) (Prometheus: schema 3, OpenTelemetry: scale 3): index i
 * is for (base^(i-1), base^i] seconds. Below the first bound is the zero bucket, exactly; any
 * other kernel bucket goes where its middle lies, which is within 6.25 % of what is in it; the
 * last one, open to the top, goes where its floor lies. Since an index is 9.05 % wide, a quantile
 * read from there is within 16 % at worst, and within 6 % as a rule.
 */
#define LATENCY_EXPONENTIAL_SCALE 3
#define LATENCY_EXPONENTIAL_MAX	  (LATENCY_OCTAVES * LATENCY_SUB + 2) /* indexes, at most */

struct latency_exponential {
	uint64_t zero;
	int32_t first; /* index of count[0] */
	uint32_t n;    /* up to the last that is not 0; 0: all are */
	uint64_t count[LATENCY_EXPONENTIAL_MAX];
};
double latency_zero_threshold(void); /* seconds */
void latency_exponential(const uint64_t bucket[LATENCY_BUCKETS], struct latency_exponential *ret);

#endif
