/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_schedule.h"
#include "agent/mix.h"
#include "common/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START_US 5000000

static struct check_schedule schedule_of(uint8_t host, uint16_t port, uint32_t interval_ms)
{
	struct address address = {{10, 1, 0, host}};
	struct check_schedule schedule;

	check_schedule_init(&schedule, &address, port, interval_ms);
	return schedule;
}

/* The wait after the n-th start. */
static uint64_t wait_us(uint32_t interval_ms, unsigned int n, bool doubted, uint64_t random)
{
	struct check_schedule schedule = schedule_of(1, 80, interval_ms);

	schedule.doubted = doubted;
	for (unsigned int i = 1; i <= n; i++)
		check_schedule_start(&schedule, START_US - n + i);
	return check_schedule_next_us(&schedule, random) - START_US;
}

static void checks_are_an_interval_apart_give_or_take_a_twentieth(void **state)
{
	uint64_t least = UINT64_MAX, most = 0, sum = 0;
	enum { N = 10000 };

	(void)state;
	for (uint64_t i = 0; i < N; i++) {
		uint64_t wait = wait_us(100, 2, false, mix64(i));

		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		sum += wait;
	}
	assert_in_range(least, 95000, 95100);
	assert_in_range(most, 104900, 105000);
	assert_in_range(sum / N, 99800, 100200);
}

static void in_doubt_it_is_a_quarter(void **state)
{
	(void)state;
	assert_int_equal(wait_us(1000, 5, true, 7), 250000);
	assert_int_equal(wait_us(100, 1, true, 7), 25000);
	assert_int_equal(wait_us(3600000, 5, true, 7), 900000000);
}

static void no_two_starts_are_closer_than_20_ms(void **state)
{
	static const uint32_t intervals[] = {20, 21, 40, 79, 80};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
		for (unsigned int n = 1; n <= 3; n++) {
			for (uint64_t random = 0; random < 9000; random += 100) {
				assert_true(wait_us(intervals[i], n, false, random) >= 20000);
				assert_true(wait_us(intervals[i], n, true, random) >= 20000);
			}
		}
	}
	assert_int_equal(wait_us(20, 2, true, 0), 20000);
}

/* However many begin at once: each tenth of an interval gets its tenth of the second checks. */
static void checks_that_begin_together_are_spread_over_an_interval(void **state)
{
	enum { HOSTS = 250, PORTS = 16 };
	unsigned int tenths[10] = {};

	(void)state;
	for (unsigned int i = 0; i < HOSTS * PORTS; i++) {
		struct check_schedule schedule = schedule_of((uint8_t)(i % HOSTS),
							     (uint16_t)(8000 + i / HOSTS), 100);

		check_schedule_start(&schedule, START_US);
		tenths[(check_schedule_next_us(&schedule, 0) - START_US - CHECK_GAP_US) / 10000]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(tenths); i++)
		assert_in_range(tenths[i], HOSTS * PORTS / 10 * 8 / 10,
				HOSTS * PORTS / 10 * 12 / 10);
}

/* Whose part of the interval it is, and not what is left of an overflow. */
static void the_spread_grows_with_the_interval(void **state)
{
	uint64_t part_us = (wait_us(1000, 1, false, 0) - CHECK_GAP_US) / 1000;

	(void)state;
	assert_in_range(wait_us(UINT32_MAX, 1, false, 0) / UINT32_MAX, part_us, part_us + 1);
}

static void the_spread_is_the_same_after_every_start(void **state)
{
	(void)state;
	assert_int_equal(wait_us(1000, 1, false, 1), wait_us(1000, 1, false, 99));
}

static void doubt_counts_from_the_last_start_and_ends(void **state)
{
	struct check_schedule schedule = schedule_of(1, 80, 1000);

	(void)state;
	check_schedule_start(&schedule, START_US);
	check_schedule_start(&schedule, START_US + 1000000);
	schedule.doubted = true;
	assert_int_equal(check_schedule_next_us(&schedule, 0), START_US + 1250000);
	schedule.doubted = false;
	assert_int_equal(check_schedule_next_us(&schedule, 0), START_US + 1950000);
	assert_int_equal(check_schedule_earliest_us(&schedule), START_US + 1020000);
}

static void the_first_check_waits_for_nothing(void **state)
{
	struct check_schedule schedule = schedule_of(1, 80, 1000);

	(void)state;
	assert_int_equal(check_schedule_earliest_us(&schedule), 0);
}

/* Ten checks of one port that all want to start at once, and one that comes later. */
static void checks_of_one_port_take_turns(void **state)
{
	uint64_t free_us = 0;

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(check_schedule_turn_us(&free_us, START_US + i),
				 START_US + i * 20000);
	assert_int_equal(check_schedule_turn_us(&free_us, START_US + 199999), START_US + 200000);
	assert_int_equal(check_schedule_turn_us(&free_us, START_US + 900000), START_US + 900000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_are_an_interval_apart_give_or_take_a_twentieth),
		cmocka_unit_test(in_doubt_it_is_a_quarter),
		cmocka_unit_test(no_two_starts_are_closer_than_20_ms),
		cmocka_unit_test(checks_that_begin_together_are_spread_over_an_interval),
		cmocka_unit_test(the_spread_grows_with_the_interval),
		cmocka_unit_test(the_spread_is_the_same_after_every_start),
		cmocka_unit_test(doubt_counts_from_the_last_start_and_ends),
		cmocka_unit_test(the_first_check_waits_for_nothing),
		cmocka_unit_test(checks_of_one_port_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
