/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/sampling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/node_config.h"

/* Runs for so many seconds at a rate of new flows; how often the number changed. */
static unsigned int run(struct sampling *s, unsigned int seconds, uint64_t rate)
{
	unsigned int changes = 0;

	if (!s->begun)
		sampling_step(s, 0, 1000);
	while (seconds--) {
		uint32_t before = s->one_in;

		sampling_step(s, s->flows + rate, s->now_ms + 1000);
		changes += s->one_in != before;
	}
	return changes;
}

static struct sampling automatic(void)
{
	struct sampling s = {};

	sampling_set(&s, NODE_SAMPLE_AUTO);
	return s;
}

static void a_quiet_host_measures_every_flow(void **state)
{
	struct sampling s = automatic();

	(void)state;
	assert_int_equal(s.one_in, 1);
	assert_int_equal(run(&s, 60, SAMPLING_TARGET), 0);
	assert_int_equal(s.one_in, 1);
}

static void a_busy_host_measures_about_the_target(void **state)
{
	(void)state;
	for (uint64_t rate = 4000; rate < 100000000; rate = rate * 3 / 2) {
		struct sampling s = automatic();

		assert_int_equal(run(&s, 60, rate), 1);
		assert_int_equal(s.one_in & (s.one_in - 1), 0);
		assert_in_range(rate / s.one_in, SAMPLING_TARGET / 2 - 1, SAMPLING_TARGET);
	}
}

static void a_flood_is_answered_within_a_second(void **state)
{
	struct sampling s = automatic();

	(void)state;
	run(&s, 10, 100);
	run(&s, 1, 1000000);
	assert_int_equal(s.one_in, 512);
}

static void a_rate_that_swings_by_a_half_changes_nothing(void **state)
{
	struct sampling s = automatic();

	(void)state;
	for (uint64_t rate = 2000; rate < 2000000; rate += rate / 7) {
		run(&s, 60, rate);
		for (int i = 0; i < 100; i++)
			run(&s, 1, i % 2 ? rate : rate * 3 / 4);
		assert_int_equal(run(&s, 1, rate), 0);
		for (int i = 0; i < 100; i++)
			assert_int_equal(run(&s, 1, i % 2 ? rate : rate * 2 / 3), 0);
	}
}

static void long_swings_change_it_once_at_most(void **state)
{
	(void)state;
	for (uint64_t rate = 2000; rate < 2000000; rate += rate / 7) {
		struct sampling s = automatic();
		unsigned int changes = 0;

		run(&s, 60, rate);
		for (int i = 0; i < 10; i++)
			changes += run(&s, 30, i % 2 ? rate : rate * 2 / 3);
		assert_true(changes <= 1);
	}
}

static void it_goes_back_only_after_a_quiet_run(void **state)
{
	struct sampling s = automatic();

	(void)state;
	run(&s, 1, 1000000);
	assert_int_equal(run(&s, SAMPLING_QUIET - 1, 1000), 0);
	assert_int_equal(run(&s, 1, 1000), 1);
	assert_int_equal(s.one_in, 1);
}

static void it_goes_back_by_the_busiest_second_of_the_run(void **state)
{
	struct sampling s = automatic();

	(void)state;
	run(&s, 1, 1000000);
	run(&s, 1, 24000);
	run(&s, SAMPLING_QUIET - 1, 10);
	assert_int_equal(s.one_in, 16);
}

static void the_rate_minds_how_long_a_step_took(void **state)
{
	struct sampling s = automatic();

	(void)state;
	sampling_step(&s, 0, 1000);
	sampling_step(&s, 20000, 11000);
	assert_int_equal(s.one_in, 1);
	sampling_step(&s, 40000, 11500);
	assert_int_equal(s.one_in, 32);
}

static void flows_from_before_the_first_step_are_no_rate(void **state)
{
	struct sampling s = automatic();

	(void)state;
	sampling_step(&s, 1ULL << 40, 1000);
	assert_int_equal(s.one_in, 1);
}

static void a_number_is_rounded_up_and_stays(void **state)
{
	struct sampling s = {};

	(void)state;
	sampling_set(&s, 100);
	assert_int_equal(s.one_in, 128);
	assert_int_equal(run(&s, 60, 1000000), 0);
	sampling_set(&s, SAMPLING_MAX);
	assert_int_equal(s.one_in, SAMPLING_MAX);
}

static void off_stays_off(void **state)
{
	struct sampling s = {};

	(void)state;
	sampling_set(&s, NODE_SAMPLE_OFF);
	assert_int_equal(run(&s, 60, 10), 0);
	assert_int_equal(s.one_in, 0);
}

static void automatic_again_goes_on_from_where_it_is(void **state)
{
	struct sampling s = {};

	(void)state;
	sampling_set(&s, 64);
	sampling_set(&s, NODE_SAMPLE_AUTO);
	assert_int_equal(s.one_in, 64);
	run(&s, SAMPLING_QUIET, 10);
	assert_int_equal(s.one_in, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_host_measures_every_flow),
		cmocka_unit_test(a_busy_host_measures_about_the_target),
		cmocka_unit_test(a_flood_is_answered_within_a_second),
		cmocka_unit_test(a_rate_that_swings_by_a_half_changes_nothing),
		cmocka_unit_test(long_swings_change_it_once_at_most),
		cmocka_unit_test(it_goes_back_only_after_a_quiet_run),
		cmocka_unit_test(it_goes_back_by_the_busiest_second_of_the_run),
		cmocka_unit_test(the_rate_minds_how_long_a_step_took),
		cmocka_unit_test(flows_from_before_the_first_step_are_no_rate),
		cmocka_unit_test(a_number_is_rounded_up_and_stays),
		cmocka_unit_test(off_stays_off),
		cmocka_unit_test(automatic_again_goes_on_from_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
