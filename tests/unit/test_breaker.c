/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/breaker.h"
#include "agent/breaker_tune.h"

#define NS_PER_MS 1000000ULL

static void starts_closed_and_with_cautious_limits(void **state)
{
	struct backend_watch watch = {.handshakes = {.n = 99}, .trial_ns = 7};
	char text[BREAKER_TEXT_MAX];

	(void)state;
	breaker_start(&watch, 3);
	assert_int_equal(watch.generation, 3);
	assert_int_equal(watch.handshakes.n, 0);
	assert_false(breaker_is_open(&watch, UINT64_MAX));
	assert_string_equal(breaker_text(&watch, UINT64_MAX, text), "");
}

static void opens_when_both_limits_are_reached(void **state)
{
	struct backend_watch watch;

	(void)state;
	breaker_start(&watch, 1);
	watch.handshakes.first_ns = 5;
	watch.handshakes.n = BREAKER_LIMIT - 1;
	assert_false(breaker_is_open(&watch, 5 + BREAKER_HANDSHAKE_NS));
	watch.handshakes.n = BREAKER_LIMIT;
	assert_false(breaker_is_open(&watch, 4 + BREAKER_HANDSHAKE_NS));
	assert_true(breaker_is_open(&watch, 5 + BREAKER_HANDSHAKE_NS));
}

static void says_what_is_owed_and_for_how_long(void **state)
{
	struct backend_watch watch;
	char text[BREAKER_TEXT_MAX];

	(void)state;
	breaker_start(&watch, 1);
	watch.answers.n = 40;
	watch.answers.first_ns = 10 * NS_PER_MS;
	assert_string_equal(breaker_text(&watch, 10 * NS_PER_MS + BREAKER_ANSWER_NS, text),
			    "breaker open: 40 first answers owed, the first for 2000 ms");
	watch.handshakes.n = 33;
	watch.handshakes.first_ns = 10 * NS_PER_MS;
	assert_string_equal(breaker_text(&watch, 11 * NS_PER_MS + BREAKER_HANDSHAKE_NS, text),
			    "breaker open: 33 handshakes owed, the first for 1001 ms");
}

static void closes_when_the_backend_is_well(void **state)
{
	struct backend_watch watch;

	(void)state;
	breaker_start(&watch, 1);
	watch.handshakes.n = watch.answers.n = 40;
	breaker_close(&watch);
	assert_false(breaker_is_open(&watch, UINT64_MAX));
	assert_int_equal(watch.handshakes.limit, BREAKER_LIMIT);
}

static void a_limit_leaves_time_for_the_clients_that_are_far_away(void **state)
{
	const uint64_t least = 25 * NS_PER_MS, most = 1000 * NS_PER_MS;

	(void)state;
	assert_int_equal(breaker_limit_ns(0, 5000, least, most), most);
	assert_int_equal(breaker_limit_ns(NS_PER_MS, 5000, least, most), least);
	assert_int_equal(breaker_limit_ns(100 * NS_PER_MS, 5000, least, most), 300 * NS_PER_MS);
	assert_int_equal(breaker_limit_ns(400 * NS_PER_MS, 5000, least, most), most);
}

static void a_limit_leaves_time_for_twenty_successes(void **state)
{
	const uint64_t least = 25 * NS_PER_MS, most = 1000 * NS_PER_MS;

	(void)state;
	assert_int_equal(breaker_limit_ns(NS_PER_MS, 100, least, most), 200 * NS_PER_MS);
	assert_int_equal(breaker_limit_ns(NS_PER_MS, 20, least, most), most);
	assert_int_equal(breaker_limit_ns(NS_PER_MS, 1, least, most), most);
	assert_int_equal(breaker_limit_ns(NS_PER_MS, 0, least, most), most);
}

static void the_ninetieth_percentile_is_rounded_up_to_its_bucket(void **state)
{
	uint32_t bucket[LATENCY_BUCKETS] = {};

	(void)state;
	assert_int_equal(breaker_p90_ns(bucket), 0);
	bucket[latency_bucket(NS_PER_MS)] = 90;
	bucket[latency_bucket(500 * NS_PER_MS)] = 10;
	assert_in_range(breaker_p90_ns(bucket), NS_PER_MS, NS_PER_MS * 9 / 8);
	bucket[latency_bucket(500 * NS_PER_MS)] = 11;
	assert_in_range(breaker_p90_ns(bucket), 500 * NS_PER_MS, 500 * NS_PER_MS * 9 / 8);
	bucket[LATENCY_BUCKETS - 1] = 1000;
	assert_in_range(breaker_p90_ns(bucket), 34 * 1000 * NS_PER_MS, 35 * 1000 * NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_closed_and_with_cautious_limits),
		cmocka_unit_test(opens_when_both_limits_are_reached),
		cmocka_unit_test(says_what_is_owed_and_for_how_long),
		cmocka_unit_test(closes_when_the_backend_is_well),
		cmocka_unit_test(a_limit_leaves_time_for_the_clients_that_are_far_away),
		cmocka_unit_test(a_limit_leaves_time_for_twenty_successes),
		cmocka_unit_test(the_ninetieth_percentile_is_rounded_up_to_its_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
