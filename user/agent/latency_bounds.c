/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/latency_bounds.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define BUCKETS_TO_BOUND (LATENCY_SUB / 2)

static_assert(LATENCY_BUCKETS == 2 + (LATENCY_BOUNDS - 1) * BUCKETS_TO_BOUND, "no bucket is cut");

const struct latency_bounds *latency_bounds(void)
{
	static struct latency_bounds bounds;

	if (!bounds.ns[0])
		for (uint32_t i = 0; i < LATENCY_BOUNDS; i++)
			bounds.ns[i] = latency_bucket_floor(1 + i * BUCKETS_TO_BOUND);
	return &bounds;
}

void latency_cumulate(const uint64_t bucket[LATENCY_BUCKETS], uint64_t ret[LATENCY_BOUNDS + 1])
{
	uint64_t sum = bucket[0];

	ret[0] = sum;
	for (uint32_t i = 1; i < LATENCY_BOUNDS; i++) {
		for (uint32_t j = 0; j < BUCKETS_TO_BOUND; j++)
			sum += bucket[1 + (i - 1) * BUCKETS_TO_BOUND + j];
		ret[i] = sum;
	}
	ret[LATENCY_BOUNDS] = sum + bucket[LATENCY_BUCKETS - 1];
}

static int32_t exponential_index(double seconds)
{
	return (int32_t)ceil(log2(seconds) * (1 << LATENCY_EXPONENTIAL_SCALE));
}

/* By kernel bucket, from 1 on. */
static const int32_t *exponential_indexes(void)
{
	static int32_t indexes[LATENCY_BUCKETS];
	static bool is_made;

	for (uint32_t i = 1; i < LATENCY_BUCKETS && !is_made; i++) {
		uint64_t floor_ns = latency_bucket_floor(i), next_ns = floor_ns;

		if (i < LATENCY_BUCKETS - 1)
			next_ns = latency_bucket_floor(i + 1);
		indexes[i] = exponential_index((double)(floor_ns + next_ns) / 2e9);
	}
	is_made = true;
	return indexes;
}

double latency_zero_threshold(void)
{
	return (double)latency_bounds()->ns[0] / 1e9;
}

void latency_exponential(const uint64_t bucket[LATENCY_BUCKETS], struct latency_exponential *ret)
{
	const int32_t *indexes = exponential_indexes();

	memset(ret, 0, sizeof(*ret));
	ret->zero = bucket[0];
	for (uint32_t i = 1; i < LATENCY_BUCKETS; i++) {
		if (!bucket[i])
			continue;
		if (!ret->n)
			ret->first = indexes[i];
		ret->n = (uint32_t)(indexes[i] - ret->first) + 1;
		ret->count[ret->n - 1] += bucket[i];
	}
}
