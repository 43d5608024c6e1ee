/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/ramp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_part_grows_in_ten_steps_to_the_whole(void **state)
{
	const struct ramp ramp = {.running = true, .began_ms = 5000, .length_ms = 30000};

	(void)state;
	for (uint32_t step = 0; step < RAMP_STEPS; step++) {
		uint32_t part = RING_WHOLE * (2 * step + 1) / 20;

		assert_int_equal(ramp_part(&ramp, 5000 + step * 3000), part);
		assert_int_equal(ramp_part(&ramp, 5000 + step * 3000 + 2999), part);
		assert_int_equal(ramp_next_ms(&ramp, 5000 + step * 3000), 8000 + step * 3000);
	}
	assert_int_equal(ramp_part(&ramp, 35000), RING_WHOLE);
	assert_true(ramp_next_ms(&ramp, 35000) == UINT64_MAX);
	assert_int_equal(ramp_left_ms(&ramp, 34000), 1000);
	assert_int_equal(ramp_left_ms(&ramp, 36000), 0);
}

/* A timer that waits until each next step comes through, whatever the length. */
static void every_step_is_met_by_waiting_for_the_next(void **state)
{
	static const uint32_t lengths[] = {1, 7, 10, 999, 1000, 1001, 12345, 3600000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const struct ramp ramp = {.running = true, .began_ms = 3, .length_ms = lengths[i]};
		uint32_t last = 0, steps = 0;

		for (uint64_t now = 3; now != UINT64_MAX; now = ramp_next_ms(&ramp, now)) {
			assert_true(ramp_part(&ramp, now) > last);
			last = ramp_part(&ramp, now);
			steps++;
		}
		assert_int_equal(last, RING_WHOLE);
		assert_true(steps <= RAMP_STEPS + 1);
		assert_true(lengths[i] < 10 || steps == RAMP_STEPS + 1);
	}
}

static void no_ramp_is_the_whole(void **state)
{
	const struct ramp none = {};

	(void)state;
	assert_int_equal(ramp_part(&none, 17), RING_WHOLE);
	assert_true(ramp_next_ms(&none, 17) == UINT64_MAX);
	assert_int_equal(ramp_left_ms(&none, 17), 0);
	assert_false(ramp_is_of_an_age(&none, 30000, 17));
}

static void those_within_a_step_are_of_an_age(void **state)
{
	const struct ramp ramp = {.running = true, .began_ms = 5000, .length_ms = 30000};

	(void)state;
	assert_true(ramp_is_of_an_age(&ramp, 30000, 5000));
	assert_true(ramp_is_of_an_age(&ramp, 30000, 8000));
	assert_false(ramp_is_of_an_age(&ramp, 30000, 8001));
	assert_false(ramp_is_of_an_age(&ramp, 20000, 5001));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_part_grows_in_ten_steps_to_the_whole),
		cmocka_unit_test(every_step_is_met_by_waiting_for_the_next),
		cmocka_unit_test(no_ramp_is_the_whole),
		cmocka_unit_test(those_within_a_step_are_of_an_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
