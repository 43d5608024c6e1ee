/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maths of latency histograms, against values from tables and against chance. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/compare.h"
#include "common/util.h"

#define EXPERIMENTS 2000

static void assert_near(double value, double wanted, double tolerance)
{
	if (!(fabs(value - wanted) <= tolerance))
		fail_msg("%.17g is not %.17g", value, wanted);
}

static void add(struct distribution *d, double ns, uint64_t n)
{
	d->count += n;
	d->sum_ns += n * (uint64_t)ns;
	d->bucket[latency_bucket((uint64_t)ns)] += n;
}

/* One sample in each of the buckets 1 to n, so that a bucket tells a rank. */
static struct distribution ranks(size_t n)
{
	struct distribution d = {0};

	for (size_t i = 1; i <= n; i++)
		add(&d, distribution_floor_ns(i), 1);
	return d;
}

static void buckets_meet_without_a_gap(void **state)
{
	(void)state;
	assert_near(distribution_floor_ns(0), 0, 0);
	assert_near(distribution_ceiling_ns(0), 32768, 0);
	for (size_t i = 1; i < LATENCY_BUCKETS; i++) {
		assert_near(distribution_floor_ns(i), distribution_ceiling_ns(i - 1), 0);
		assert_int_equal(latency_bucket((uint64_t)distribution_floor_ns(i)), i);
	}
	assert_true(isinf(distribution_ceiling_ns(LATENCY_BUCKETS - 1)));
}

static void quantiles_are_interpolated_within_a_bucket(void **state)
{
	struct distribution d = {0};
	size_t bucket = latency_bucket(1000000);
	double floor_ns = distribution_floor_ns(bucket), width;

	(void)state;
	width = distribution_ceiling_ns(bucket) - floor_ns;
	add(&d, 1000000, 4);
	assert_near(distribution_quantile_ns(&d, 0), floor_ns, 0);
	assert_near(distribution_quantile_ns(&d, 0.25), floor_ns + width / 4, 1e-6);
	assert_near(distribution_quantile_ns(&d, 1), floor_ns + width, 1e-6);
	add(&d, 64e6, 4);
	assert_near(distribution_quantile_ns(&d, 0.5), floor_ns + width, 1e-6);
	assert_true(distribution_quantile_ns(&d, 0.51) >= 62e6);
	assert_near(distribution_mean_ns(&d), 32.5e6, 1);
}

static void the_first_and_the_last_bucket_have_quantiles_too(void **state)
{
	struct distribution low = {0}, high = {0};

	(void)state;
	add(&low, 5000, 2);
	assert_near(distribution_quantile_ns(&low, 0.5), 16384, 1e-6);
	add(&high, 60e9, 2);
	assert_near(distribution_quantile_ns(&high, 0.5), 34359738368.0, 1e-3);
}

static void no_samples_have_no_quantile_and_no_bounds(void **state)
{
	const struct distribution d = {0};
	struct distribution_bounds bounds = distribution_bounds(&d, 0.5, 0.99);
	size_t first, last;

	(void)state;
	assert_true(isnan(distribution_quantile_ns(&d, 0.5)));
	assert_true(isnan(distribution_mean_ns(&d)));
	assert_false(distribution_range(&d, &first, &last));
	assert_near(bounds.low_ns, 0, 0);
	assert_true(isinf(bounds.high_ns));
}

static void merging_adds_bucket_by_bucket(void **state)
{
	struct distribution a = {0}, b = {0};
	size_t first, last;

	(void)state;
	add(&a, 1e6, 3);
	add(&b, 1e6, 2);
	add(&b, 9e9, 1);
	distribution_add(&a, &b);
	assert_int_equal(a.count, 6);
	assert_int_equal(distribution_total(&a), 6);
	assert_int_equal(a.sum_ns, 9005000000);
	assert_int_equal(a.bucket[latency_bucket(1000000)], 5);
	assert_true(distribution_range(&a, &first, &last));
	assert_int_equal(first, latency_bucket(1000000));
	assert_int_equal(last, latency_bucket(9000000000));
}

/* Ranks as tables of distribution-free intervals for the median have them. */
static void bounds_lie_at_the_ranks_of_tables(void **state)
{
	static const struct {
		size_t n, low, high;
		double p, confidence;
	} cases[] = {
		{10, 2, 9, 0.5, 0.95},	  {20, 6, 15, 0.5, 0.95},  {100, 40, 61, 0.5, 0.95},
		{100, 37, 64, 0.5, 0.99}, {50, 16, 35, 0.5, 0.99},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct distribution d = ranks(cases[i].n);
		struct distribution_bounds bounds = distribution_bounds(&d, cases[i].p,
									cases[i].confidence);

		assert_near(bounds.low_ns, distribution_floor_ns(cases[i].low), 0);
		assert_near(bounds.high_ns, distribution_ceiling_ns(cases[i].high), 0);
	}
}

static void few_samples_set_no_bounds(void **state)
{
	struct distribution five = ranks(5), hundred = ranks(100);
	struct distribution_bounds bounds = distribution_bounds(&five, 0.5, 0.95);

	(void)state;
	assert_near(bounds.low_ns, 0, 0);
	assert_true(isinf(bounds.high_ns));
	bounds = distribution_bounds(&hundred, 0.99, 0.99);
	assert_true(bounds.low_ns >= distribution_floor_ns(90));
	assert_true(isinf(bounds.high_ns));
}

static void bounds_of_very_many_samples_are_narrow(void **state)
{
	struct distribution d = {0};
	struct distribution_bounds bounds;

	(void)state;
	for (size_t i = 1; i <= 160; i++)
		add(&d, distribution_floor_ns(i), 100000000);
	bounds = distribution_bounds(&d, 0.999, 0.99);
	/* Rank 0.999 n, give or take 2.6 sigmas of 4 thousand: all in one bucket. */
	assert_near(bounds.low_ns, distribution_floor_ns(160), 0);
	assert_near(bounds.high_ns, distribution_ceiling_ns(160), 0);
}

static double random_share(uint64_t *seed)
{
	*seed += 0x9e3779b97f4a7c15;
	return (double)(hash_finish(hash_finish(*seed)) >> 11) / 9007199254740992.0;
}

/* An exponential distribution with a mean of a millisecond. */
static struct distribution draw_samples(uint64_t *seed, size_t n)
{
	struct distribution d = {0};

	for (size_t i = 0; i < n; i++)
		add(&d, -log1p(-random_share(seed)) * 1e6, 1);
	return d;
}

static void bounds_hold_the_true_quantile_as_often_as_they_say(void **state)
{
	double true_ns = -log(0.1) * 1e6;
	uint64_t seed = 1;
	int missed = 0;

	(void)state;
	for (int i = 0; i < EXPERIMENTS; i++) {
		struct distribution d = draw_samples(&seed, 200);
		struct distribution_bounds bounds = distribution_bounds(&d, 0.9, 0.95);

		missed += true_ns < bounds.low_ns || true_ns >= bounds.high_ns;
	}
	assert_true(missed <= EXPERIMENTS * 5 / 100);
}

static void a_kolmogorov_distance_has_the_probability_of_tables(void **state)
{
	struct distribution a = {0}, b = {0};
	double distance;

	(void)state;
	add(&a, 1e6, 100);
	add(&a, 9e6, 100);
	add(&b, 1e6, 73);
	add(&b, 9e6, 127);
	/* 1.35 in the limit: 2 exp(-2 * 1.35^2) and a bit. */
	assert_near(distribution_ks(&a, &b, &distance), 0.05224, 1e-4);
	assert_near(distance, 0.135, 1e-9);
	assert_near(distribution_ks(&a, &a, &distance), 1, 0);
	assert_near(distribution_ks(&a, &(struct distribution){0}, &distance), 1, 0);
}

static void equal_stacks_are_seldom_told_apart(void **state)
{
	uint64_t seed = 7;
	int apart = 0;

	(void)state;
	for (int i = 0; i < EXPERIMENTS; i++) {
		struct distribution a = draw_samples(&seed, 150), b = draw_samples(&seed, 90);
		struct compare compare;

		compare_distributions(&a, &b, &compare);
		apart += compare.differs;
	}
	assert_true(apart <= EXPERIMENTS * 2 / 100);
}

static void a_stack_that_is_thirty_milliseconds_slower_is_told_apart(void **state)
{
	struct distribution blue = {0}, green = {0};
	CLEANUP_FREE char *verdict = NULL;
	struct compare compare;

	(void)state;
	for (int i = 0; i < 400; i++) {
		add(&blue, 1.2e6 + i * 200, 1);
		add(&green, 31.2e6 + i * 200, 1);
	}
	compare_distributions(&blue, &green, &compare);
	assert_true(compare.differs);
	assert_true(compare.quantile[0].is_apart);
	assert_near(compare.quantile[0].ns[1] - compare.quantile[0].ns[0], 30e6, 1e6);
	verdict = compare_verdict(&compare, "blue", "green");
	/* As exact as buckets of an eighth of an octave are. */
	assert_ptr_equal(strstr(verdict, "green's p50 is 29.2 ms above blue's (blue 1.18-1.31 ms, "
					 "green 29.4-31.5 ms, with 99 % confidence).\n"),
			 verdict);
	assert_non_null(strstr(verdict, "green's p90 is "));
}

static void a_difference_below_a_bucket_is_said_to_be_one(void **state)
{
	struct distribution a = {0}, b = {0};
	CLEANUP_FREE char *verdict = NULL;
	struct compare compare;

	(void)state;
	add(&a, 1.2e6, 6000);
	add(&a, 1.4e6, 4000);
	add(&b, 1.2e6, 5500);
	add(&b, 1.4e6, 4500);
	compare_distributions(&a, &b, &compare);
	verdict = compare_verdict(&compare, "a", "b");
	assert_string_equal(verdict, "a and b differ with 99 % confidence (their shares below some "
				     "latency by 5.0 %), but no percentile by more than the "
				     "histogram tells apart.\n");
}

static void too_few_samples_tell_nothing_apart(void **state)
{
	struct distribution a = {0}, b = {0};
	CLEANUP_FREE char *verdict = NULL, *none = NULL;
	struct compare compare;

	(void)state;
	add(&a, 1e6, 3);
	compare_distributions(&a, &b, &compare);
	none = compare_verdict(&compare, "a", "b");
	assert_string_equal(none, "a and b cannot be compared: b has no samples.\n");
	add(&b, 40e6, 2);
	compare_distributions(&a, &b, &compare);
	verdict = compare_verdict(&compare, "a", "b");
	assert_string_equal(verdict,
			    "a and b are not told apart with 99 % confidence (3 and 2 samples).\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_meet_without_a_gap),
		cmocka_unit_test(quantiles_are_interpolated_within_a_bucket),
		cmocka_unit_test(the_first_and_the_last_bucket_have_quantiles_too),
		cmocka_unit_test(no_samples_have_no_quantile_and_no_bounds),
		cmocka_unit_test(merging_adds_bucket_by_bucket),
		cmocka_unit_test(bounds_lie_at_the_ranks_of_tables),
		cmocka_unit_test(few_samples_set_no_bounds),
		cmocka_unit_test(bounds_of_very_many_samples_are_narrow),
		cmocka_unit_test(bounds_hold_the_true_quantile_as_often_as_they_say),
		cmocka_unit_test(a_kolmogorov_distance_has_the_probability_of_tables),
		cmocka_unit_test(equal_stacks_are_seldom_told_apart),
		cmocka_unit_test(a_stack_that_is_thirty_milliseconds_slower_is_told_apart),
		cmocka_unit_test(a_difference_below_a_bucket_is_said_to_be_one),
		cmocka_unit_test(too_few_samples_tell_nothing_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
