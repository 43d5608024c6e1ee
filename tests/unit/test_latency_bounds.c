/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/latency_bounds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BASE 1.0905077326652577 /* 2^(1/8) */

static void each_bound_is_the_edge_of_a_bucket(void **state)
{
	const uint64_t *ns = latency_bounds()->ns;

	(void)state;
	assert_int_equal(ns[0], 32768);
	assert_int_equal(ns[LATENCY_BOUNDS - 1], 34359738368);
	for (size_t i = 0; i < LATENCY_BOUNDS; i++) {
		assert_int_equal(latency_bucket(ns[i]), latency_bucket(ns[i] - 1) + 1);
		if (i)
			assert_true(ns[i] == ns[i - 1] * 3 / 2 || ns[i] == ns[i - 1] * 4 / 3);
	}
}

/* One sample in each bucket in turn, at its lowest and its highest value. */
static void a_sample_counts_below_exactly_the_bounds_above_it(void **state)
{
	const uint64_t *ns = latency_bounds()->ns;

	(void)state;
	for (uint32_t b = 0; b < LATENCY_BUCKETS; b++) {
		uint64_t lowest = b ? latency_bucket_floor(b) : 0, below[LATENCY_BOUNDS + 1];
		uint64_t bucket[LATENCY_BUCKETS] = {};

		bucket[b] = 3;
		latency_cumulate(bucket, below);
		for (size_t i = 0; i < LATENCY_BOUNDS; i++)
			assert_int_equal(below[i], lowest < ns[i] ? 3 : 0);
		assert_int_equal(below[LATENCY_BOUNDS], 3);
	}
}

static double top_of(int32_t index)
{
	return pow(BASE, index);
}

static void a_sample_lies_in_or_beside_its_exponential_bucket(void **state)
{
	struct latency_exponential counts;

	(void)state;
	for (uint32_t b = 1; b < LATENCY_BUCKETS - 1; b++) {
		double low = (double)latency_bucket_floor(b) / 1e9;
		double high = (double)latency_bucket_floor(b + 1) / 1e9;
		double middle = (low + high) / 2;
		uint64_t bucket[LATENCY_BUCKETS] = {};

		bucket[b] = 7;
		latency_exponential(bucket, &counts);
		assert_int_equal(counts.n, 1);
		assert_int_equal(counts.count[0], 7);
		assert_int_equal(counts.zero, 0);
		assert_true(middle <= top_of(counts.first) * (1 + 1e-9));
		assert_true(middle > top_of(counts.first - 1) * (1 - 1e-9));
		/* the bound that the header promises */
		assert_true(middle / low <= 1.0626 && high / middle <= 1.0626);
		assert_true(top_of(counts.first) / low < 1.16);
		assert_true(high / top_of(counts.first - 1) < 1.16);
	}
}

static void the_ends_have_their_own_places(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS] = {[0] = 5, [LATENCY_BUCKETS - 1] = 6};
	struct latency_exponential counts;

	(void)state;
	latency_exponential(bucket, &counts);
	assert_int_equal(counts.zero, 5);
	assert_true(latency_zero_threshold() == 32768e-9);
	assert_int_equal(counts.n, 1);
	assert_int_equal(counts.count[0], 6);
	assert_true(top_of(counts.first) > 34.359 && top_of(counts.first - 1) < 34.36);
}

static void nothing_is_lost_or_counted_twice(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS], sum = 0, wanted = 0;
	struct latency_exponential counts;

	(void)state;
	for (uint32_t b = 0; b < LATENCY_BUCKETS; b++)
		wanted += bucket[b] = 1ULL << (b % 40);
	latency_exponential(bucket, &counts);
	assert_in_range(counts.n, 1, LATENCY_EXPONENTIAL_MAX);
	for (uint32_t i = 0; i < counts.n; i++)
		sum += counts.count[i];
	assert_int_equal(counts.zero + sum, wanted);
	assert_int_not_equal(counts.count[counts.n - 1], 0);
	assert_int_not_equal(counts.count[0], 0);
}

static void no_samples_are_no_buckets(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS] = {};
	struct latency_exponential counts;

	(void)state;
	latency_exponential(bucket, &counts);
	assert_int_equal(counts.n, 0);
	assert_int_equal(counts.zero, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bound_is_the_edge_of_a_bucket),
		cmocka_unit_test(a_sample_counts_below_exactly_the_bounds_above_it),
		cmocka_unit_test(a_sample_lies_in_or_beside_its_exponential_bucket),
		cmocka_unit_test(the_ends_have_their_own_places),
		cmocka_unit_test(nothing_is_lost_or_counted_twice),
		cmocka_unit_test(no_samples_are_no_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
