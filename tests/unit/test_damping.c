/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/damping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Down for 100 ms, then up for up_ms; returns the time at which it goes down next. */
static uint64_t flap(struct damping *d, uint64_t now, uint64_t up_ms)
{
	damping_down(d, now);
	damping_up(d, now + 100);
	return now + 100 + up_ms;
}

static void the_first_time_down_is_not_held(void **state)
{
	struct damping d = {};

	(void)state;
	damping_up(&d, 5);
	damping_down(&d, 10);
	assert_int_equal(damping_hold_ms(&d), 0);
	assert_int_equal(d.downs, 1);
	assert_int_equal(d.first_ms, 10);
}

static void each_quick_relapse_doubles_the_hold_up_to_a_bound(void **state)
{
	static const uint32_t holds[] = {0,	1000,  2000,  4000,  8000,
					 16000, 32000, 64000, 64000, 64000};
	struct damping d = {};
	uint64_t now = 1000;

	(void)state;
	damping_up(&d, 0);
	for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
		now = flap(&d, now, DAMPING_WHILE_MS - 1);
		assert_int_equal(damping_hold_ms(&d), holds[i]);
		assert_int_equal(d.downs, i + 1);
	}
	assert_int_equal(d.first_ms, 1000);
}

static void staying_up_takes_doublings_back(void **state)
{
	struct damping d = {};
	uint64_t now = 0;

	(void)state;
	damping_up(&d, 0);
	for (int i = 0; i < 4; i++)
		now = flap(&d, now, i < 3 ? 50 : 2 * DAMPING_WHILE_MS);
	assert_int_equal(damping_hold_ms(&d), 4000);
	now = flap(&d, now, 50);
	assert_int_equal(damping_hold_ms(&d), 1000);
	assert_int_equal(d.downs, 5);
	flap(&d, now, 0);
	assert_int_equal(damping_hold_ms(&d), 2000);
}

static void a_spell_ends_when_it_stays_up_beyond_the_last_doubling(void **state)
{
	struct damping d = {};
	uint64_t now;

	(void)state;
	damping_up(&d, 0);
	now = flap(&d, 0, 50);
	now = flap(&d, now, 2 * DAMPING_WHILE_MS);
	assert_int_equal(damping_hold_ms(&d), 1000);
	damping_down(&d, now);
	assert_int_equal(damping_hold_ms(&d), 0);
	assert_int_equal(d.downs, 1);
	assert_int_equal(d.first_ms, now);
}

static void once_a_while_is_no_flapping(void **state)
{
	struct damping d = {};
	uint64_t now = 0;

	(void)state;
	damping_up(&d, 0);
	for (int i = 0; i < 20; i++) {
		now = flap(&d, now, DAMPING_WHILE_MS);
		assert_int_equal(damping_hold_ms(&d), 0);
		assert_int_equal(d.downs, 1);
	}
}

static void what_is_forgotten_begins_anew(void **state)
{
	struct damping d = {};
	uint64_t now;

	(void)state;
	damping_up(&d, 0);
	now = flap(&d, 0, 50);
	now = flap(&d, now, 50);
	damping_forget(&d);
	assert_int_equal(damping_hold_ms(&d), 0);
	damping_down(&d, now);
	assert_int_equal(damping_hold_ms(&d), 0);
	assert_int_equal(d.first_ms, now);
}

static void hearing_the_same_twice_counts_once(void **state)
{
	struct damping d = {};

	(void)state;
	damping_down(&d, 0);
	assert_int_equal(d.downs, 0);
	damping_up(&d, 10);
	damping_up(&d, 20);
	assert_int_equal(d.up_ms, 10);
	damping_down(&d, 30);
	damping_down(&d, 40);
	assert_int_equal(d.downs, 1);
	assert_int_equal(d.first_ms, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_time_down_is_not_held),
		cmocka_unit_test(each_quick_relapse_doubles_the_hold_up_to_a_bound),
		cmocka_unit_test(staying_up_takes_doublings_back),
		cmocka_unit_test(a_spell_ends_when_it_stays_up_beyond_the_last_doubling),
		cmocka_unit_test(once_a_while_is_no_flapping),
		cmocka_unit_test(what_is_forgotten_begins_anew),
		cmocka_unit_test(hearing_the_same_twice_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
