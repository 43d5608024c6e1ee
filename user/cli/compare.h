/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether two latency histograms differ, where, and by how much. Pure. */
#ifndef STEER_CLI_COMPARE_H
#define STEER_CLI_COMPARE_H

#include "cli/distribution.h"

#define COMPARE_QUANTILES 4

struct compare_quantile {
	const char *name; /* "p50" */
	double p;
	double ns[2];
	struct distribution_bounds bounds[2];
	bool is_apart; /* the bounds have nothing in common but an end */
};

struct compare {
	/* All eight intervals hold the true quantiles at once with a probability of 99 %. */
	struct compare_quantile quantile[COMPARE_QUANTILES];
	double mean_ns[2];
	uint64_t n[2];
	double ks_distance;
	double ks_probability; /* see distribution_ks() */
	bool differs;	       /* ks_probability < 1 %, or a quantile is apart */
};

extern const double compare_quantiles[COMPARE_QUANTILES];
extern const char *const compare_quantile_names[COMPARE_QUANTILES];

void compare_distributions(const struct distribution *a, const struct distribution *b,
			   struct compare *ret);

/*
 * What follows from it, one sentence a line; the caller frees. "green's p50 is 30.1 ms above
 * blue's (blue 1.18-1.31 ms, green 31.5-33.6 ms, with 99 % confidence)."
 */
char *compare_verdict(const struct compare *compare, const char *a, const char *b);

#endif
