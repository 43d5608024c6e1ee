/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/distribution.h"

#include <math.h>

#define TAIL_SIGMAS 12 /* what lies farther out weighs less than a double resolves */

void distribution_add(struct distribution *to, const struct distribution *more)
{
	to->count += more->count;
	to->sum_ns += more->sum_ns;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		to->bucket[i] += more->bucket[i];
}

double distribution_floor_ns(size_t bucket)
{
	return bucket ? (double)latency_bucket_floor((uint32_t)bucket) : 0;
}

double distribution_ceiling_ns(size_t bucket)
{
	return bucket + 1 < LATENCY_BUCKETS ? distribution_floor_ns(bucket + 1) : INFINITY;
}

uint64_t distribution_total(const struct distribution *d)
{
	uint64_t total = 0;

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		total += d->bucket[i];
	return total;
}

double distribution_mean_ns(const struct distribution *d)
{
	return d->count ? (double)d->sum_ns / (double)d->count : NAN;
}

double distribution_quantile_ns(const struct distribution *d, double p)
{
	uint64_t total = distribution_total(d), below = 0;
	double rank = p * (double)total, floor_ns, ceiling_ns;
	size_t bucket;

	if (!total)
		return NAN;
	for (bucket = 0; bucket + 1 < LATENCY_BUCKETS; bucket++) {
		if (d->bucket[bucket] && (double)(below + d->bucket[bucket]) >= rank)
			break;
		below += d->bucket[bucket];
	}
	floor_ns = distribution_floor_ns(bucket);
	ceiling_ns = distribution_ceiling_ns(bucket);
	if (isinf(ceiling_ns))
		return floor_ns;
	return floor_ns +
	       (ceiling_ns - floor_ns) * (rank - (double)below) / (double)d->bucket[bucket];
}

bool distribution_range(const struct distribution *d, size_t *ret_first, size_t *ret_last)
{
	size_t first = 0, last = LATENCY_BUCKETS;

	while (first < LATENCY_BUCKETS && !d->bucket[first])
		first++;
	if (first == LATENCY_BUCKETS)
		return false;
	while (!d->bucket[last - 1])
		last--;
	*ret_first = first;
	*ret_last = last - 1;
	return true;
}

/* Of n tries with chance p, k succeed: the logarithm of the probability. */
static double log_binomial(double n, double k, double p)
{
	int sign;

	return lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) - lgamma_r(n - k + 1, &sign) +
	       k * log(p) + (n - k) * log1p(-p);
}

/*
 * The least k at which the probability of k or fewer successes exceeds `share`. Each term of the
 * sum follows from the one before.
 */
static uint64_t binomial_quantile(uint64_t n, double p, double share)
{
	double mean = (double)n * p, reach = TAIL_SIGMAS * sqrt(mean * (1 - p)) + TAIL_SIGMAS;
	uint64_t k = mean > reach ? (uint64_t)(mean - reach) : 0;
	double term = exp(log_binomial((double)n, (double)k, p)), sum = term;

	while (sum <= share && k < n) {
		term *= (double)(n - k) / (double)(k + 1) * (p / (1 - p));
		sum += term;
		k++;
	}
	return k;
}

/* Of the sample with this rank, from 1. */
static size_t bucket_of_rank(const struct distribution *d, uint64_t rank)
{
	uint64_t below = 0;
	size_t bucket = 0;

	while (bucket + 1 < LATENCY_BUCKETS && below + d->bucket[bucket] < rank)
		below += d->bucket[bucket++];
	return bucket;
}

struct distribution_bounds distribution_bounds(const struct distribution *d, double p,
					       double confidence)
{
	struct distribution_bounds bounds = {0, INFINITY};
	double miss = (1 - confidence) / 2; /* on either side */
	uint64_t n = distribution_total(d), low, high;

	if (!n)
		return bounds;
	/* P(successes < low) <= miss, P(successes < high) >= 1 - miss. */
	low = binomial_quantile(n, p, miss);
	high = binomial_quantile(n, p, 1 - miss) + 1;
	if (low > 0)
		bounds.low_ns = distribution_floor_ns(bucket_of_rank(d, low));
	if (high <= n)
		bounds.high_ns = distribution_ceiling_ns(bucket_of_rank(d, high));
	return bounds;
}

/* P(the limit of the scaled distance > x). */
static double kolmogorov_tail(double x)
{
	double sum = 0, sign = 1;

	if (x < 0.2) /* differs from 1 by less than 1e-12 */
		return 1;
	for (int j = 1; j <= 20; j++, sign = -sign)
		sum += sign * exp(-2.0 * j * j * x * x);
	return fmin(1, fmax(0, 2 * sum));
}

double distribution_ks(const struct distribution *a, const struct distribution *b,
		       double *ret_distance)
{
	double n = (double)distribution_total(a), m = (double)distribution_total(b);
	double below_a = 0, below_b = 0, distance = 0;

	*ret_distance = 0;
	if (n == 0 || m == 0)
		return 1;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		below_a += (double)a->bucket[i];
		below_b += (double)b->bucket[i];
		distance = fmax(distance, fabs(below_a / n - below_b / m));
	}
	*ret_distance = distance;
	return kolmogorov_tail(distance * sqrt(n * m / (n + m)));
}
