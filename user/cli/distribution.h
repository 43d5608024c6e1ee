/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maths of latency histograms: quantiles, how sure they are, whether two differ. Pure. The
 * buckets are those of abi.h; times are nanoseconds.
 */
#ifndef STEER_CLI_DISTRIBUTION_H
#define STEER_CLI_DISTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

struct distribution {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t bucket[LATENCY_BUCKETS];
};

void distribution_add(struct distribution *to, const struct distribution *more);

/* Where a bucket begins: 0 for the first; and ends: INFINITY for the last. */
double distribution_floor_ns(size_t bucket);
double distribution_ceiling_ns(size_t bucket);

/* Samples in buckets; may differ from `count` by those that were on their way. */
uint64_t distribution_total(const struct distribution *d);

/* NAN of no samples. */
double distribution_mean_ns(const struct distribution *d);

/* The p-quantile, p from 0 to 1, interpolated within its bucket; NAN of no samples. */
double distribution_quantile_ns(const struct distribution *d, double p);

/* The first and the last bucket that hold a sample. False, and nothing set: there is none. */
bool distribution_range(const struct distribution *d, size_t *ret_first, size_t *ret_last);

/* What lies between, ends included; high_ns is INFINITY where too few samples set no limit. */
struct distribution_bounds {
	double low_ns;
	double high_ns;
};

/*
 * A confidence interval for the p-quantile, 0 < p < 1, that assumes nothing of the distribution:
 * between two order statistics whose ranks the binomial distribution gives (David and Nagaraja,
 * "Order Statistics", 3rd ed., 2003, section 7.1). The ends are those of the buckets they lie in,
 * so the interval is never too narrow. The samples are taken as independent.
 */
struct distribution_bounds distribution_bounds(const struct distribution *d, double p,
					       double confidence);

/*
 * Two-sample Kolmogorov-Smirnov test: the probability of a difference as large as this, or larger,
 * if both were samples of one distribution. *ret_distance is the largest difference of the shares
 * below any bucket's end: on grouped data that is at most the distance of the samples themselves,
 * which makes the test err to the side of not telling apart (Noether, "Note on the Kolmogorov
 * statistic in the discrete case", Metrika 7, 1963). 1 where either has no samples. The limiting
 * distribution is Smirnov's ("Table for estimating the goodness of fit of empirical
 * distributions", Ann. Math. Statist. 19, 1948).
 */
double distribution_ks(const struct distribution *a, const struct distribution *b,
		       double *ret_distance);

#endif
