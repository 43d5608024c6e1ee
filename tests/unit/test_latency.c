/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms of latency: where buckets begin and end, and what can be read from them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/telemetry.h"

#define VALUES 20000

/* Spread evenly over octaves, from 1 ns to 2 minutes. */
static uint64_t random_ns(void)
{
	return (uint64_t)exp(drand48() * log(120e9));
}

static void a_bucket_begins_where_the_last_one_ends(void **state)
{
	(void)state;
	for (uint32_t b = 1; b < LATENCY_BUCKETS; b++) {
		uint64_t floor = latency_bucket_floor(b);

		assert_int_equal(latency_bucket(floor), b);
		assert_int_equal(latency_bucket(floor - 1), b - 1);
	}
}

static void every_value_lies_in_its_bucket(void **state)
{
	(void)state;
	for (int i = 0; i < VALUES; i++) {
		uint64_t ns = random_ns();
		uint32_t b = latency_bucket(ns);

		assert_true(b < LATENCY_BUCKETS);
		assert_true(!b || ns >= latency_bucket_floor(b));
		assert_true(b == LATENCY_BUCKETS - 1 || ns < latency_bucket_floor(b + 1));
	}
}

static void the_ends_are_32_us_and_34_s(void **state)
{
	(void)state;
	assert_int_equal(latency_bucket(0), 0);
	assert_int_equal(latency_bucket(32767), 0);
	assert_int_equal(latency_bucket(32768), 1);
	assert_int_equal(latency_bucket_floor(LATENCY_BUCKETS - 1), 1ULL << 35);
	assert_int_equal(latency_bucket((1ULL << 35) - 1), LATENCY_BUCKETS - 2);
	assert_int_equal(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void quantiles_are_those_of_the_sorted_values(void **state)
{
	static const double p[] = {0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999};
	static uint64_t values[VALUES];
	uint64_t bucket[LATENCY_BUCKETS] = {};

	(void)state;
	for (int i = 0; i < VALUES; i++) {
		/* a body around 8 ms, and a tail */
		values[i] = (uint64_t)(8e6 * exp(0.6 * (drand48() + drand48() + drand48() - 1.5)) *
				       (i % 50 ? 1 : 12));
		bucket[latency_bucket(values[i])]++;
	}
	qsort(values, VALUES, sizeof(values[0]), compare);
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		double truth = (double)values[(size_t)(p[i] * VALUES)] / 1e9;
		double got = latency_quantile(bucket, p[i]);

		if (fabs(got / truth - 1) > 0.02)
			fail_msg("p%g: %g s, not %g s", 100 * p[i], got, truth);
	}
}

static void within_a_bucket_it_is_interpolated(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS] = {[1] = 100};
	double from = 32768e-9, to = 36864e-9;

	(void)state;
	assert_true(fabs(latency_quantile(bucket, 0) - from) < 1e-12);
	assert_true(fabs(latency_quantile(bucket, 0.5) - (from + to) / 2) < 1e-12);
	assert_true(fabs(latency_quantile(bucket, 1) - to) < 1e-12);
}

static void nothing_measured_has_no_quantile(void **state)
{
	const uint64_t bucket[LATENCY_BUCKETS] = {};

	(void)state;
	assert_true(isnan(latency_quantile(bucket, 0.5)));
}

static void the_open_end_is_its_least_value(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS] = {[LATENCY_BUCKETS - 1] = 3};

	(void)state;
	assert_true(fabs(latency_quantile(bucket, 0.99) - (double)(1ULL << 35) / 1e9) < 1e-6);
}

static void quantiles_rise_with_p(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS] = {};
	double last = 0;

	(void)state;
	for (int i = 0; i < 500; i++)
		bucket[latency_bucket(random_ns())]++;
	for (double p = 0; p <= 1; p += 0.001) {
		double now = latency_quantile(bucket, p);

		assert_true(now >= last);
		last = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_begins_where_the_last_one_ends),
		cmocka_unit_test(every_value_lies_in_its_bucket),
		cmocka_unit_test(the_ends_are_32_us_and_34_s),
		cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
		cmocka_unit_test(within_a_bucket_it_is_interpolated),
		cmocka_unit_test(nothing_measured_has_no_quantile),
		cmocka_unit_test(the_open_end_is_its_least_value),
		cmocka_unit_test(quantiles_rise_with_p),
	};

	srand48(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
