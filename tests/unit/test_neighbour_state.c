/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/neighbour_state.h"

#include <linux/neighbour.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define START	       1000000ULL
#define EARLIEST       0u /* chances that make intervals shortest, and in the middle */
#define MIDDLE	       (NEIGHBOUR_ASK_MS / 10)
#define CONFIRM_MIDDLE (NEIGHBOUR_CONFIRM_MS / 10)

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 2};

static struct neighbour_state state_new(void)
{
	struct neighbour_state state;

	neighbour_state_init(&state, START);
	return state;
}

static struct neighbour_state state_reachable(void)
{
	struct neighbour_state state = state_new();

	neighbour_state_input(&state, NUD_REACHABLE, mac_a, START, MIDDLE);
	return state;
}

static void every_usable_state_with_a_mac_answers(void **unused)
{
	static const uint16_t usable[] = {NUD_REACHABLE, NUD_STALE,	NUD_DELAY,
					  NUD_PROBE,	 NUD_PERMANENT, NUD_NOARP};

	(void)unused;
	for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++) {
		struct neighbour_state state = state_new();

		neighbour_state_input(&state, usable[i], mac_a, START, MIDDLE);
		assert_int_equal(state.answer, NEIGHBOUR_ANSWERS);
		assert_memory_equal(state.mac, mac_a, 6);
	}
}

static void unusable_states_decide_nothing_at_first(void **unused)
{
	static const uint16_t unusable[] = {0, NUD_INCOMPLETE, NUD_FAILED};

	(void)unused;
	for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
		struct neighbour_state state = state_new();

		neighbour_state_input(&state, unusable[i], NULL, START, MIDDLE);
		assert_int_equal(state.answer, NEIGHBOUR_UNKNOWN);
	}
}

static void usable_state_without_a_mac_is_not_resolved(void **unused)
{
	struct neighbour_state state = state_new();

	(void)unused;
	neighbour_state_input(&state, NUD_REACHABLE, NULL, START, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_UNKNOWN);
}

static void nothing_is_asked_before_the_kernel_was_heard(void **unused)
{
	struct neighbour_state state = state_new();

	(void)unused;
	assert_false(neighbour_state_tick(&state, START + 1, MIDDLE));
	neighbour_state_hurry(&state, START + 2);
	assert_false(neighbour_state_tick(&state, START + 3, MIDDLE));
}

static void unresolved_is_asked_for_at_once_and_then_every_second(void **unused)
{
	struct neighbour_state state = state_new();

	(void)unused;
	neighbour_state_input(&state, 0, NULL, START, MIDDLE);
	assert_int_equal(neighbour_state_next(&state), START);
	assert_true(neighbour_state_tick(&state, START, MIDDLE));
	neighbour_state_input(&state, NUD_INCOMPLETE, NULL, START + 1, MIDDLE);
	assert_int_equal(neighbour_state_next(&state), START + 1000);
	assert_false(neighbour_state_tick(&state, START + 999, MIDDLE));
	assert_true(neighbour_state_tick(&state, START + 1000, EARLIEST));
	assert_int_equal(neighbour_state_next(&state), START + 1900);
	assert_true(neighbour_state_tick(&state, START + 50000, MIDDLE));
	assert_int_equal(state.answer, NEIGHBOUR_SILENT);
	assert_int_equal(neighbour_state_next(&state), START + 51000);
}

static void jitter_stays_within_a_tenth(void **unused)
{
	(void)unused;
	for (uint32_t chance = 0; chance < 100000; chance += 7) {
		struct neighbour_state state = state_new();

		neighbour_state_input(&state, 0, NULL, START, chance);
		neighbour_state_tick(&state, START, chance);
		assert_in_range(state.ask_ms, START + 900, START + 1100);
	}
}

static void one_never_heard_of_is_silent_after_the_hold(void **unused)
{
	struct neighbour_state state = state_new();

	(void)unused;
	neighbour_state_input(&state, NUD_INCOMPLETE, NULL, START, MIDDLE);
	neighbour_state_tick(&state, START + NEIGHBOUR_HOLD_MS - 1, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_UNKNOWN);
	assert_int_equal(neighbour_state_next(&state), START + NEIGHBOUR_HOLD_MS);
	neighbour_state_tick(&state, START + NEIGHBOUR_HOLD_MS, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_SILENT);
}

static void failure_counts_once_we_have_asked(void **unused)
{
	struct neighbour_state state = state_new();

	(void)unused;
	neighbour_state_input(&state, NUD_FAILED, NULL, START, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_UNKNOWN);
	assert_true(neighbour_state_tick(&state, START, MIDDLE));
	neighbour_state_input(&state, NUD_FAILED, NULL, START + 500, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_SILENT);
}

static void lost_neighbour_keeps_its_mac_for_the_hold(void **unused)
{
	struct neighbour_state state = state_reachable();
	uint64_t lost = START + 5000;

	(void)unused;
	neighbour_state_input(&state, NUD_FAILED, NULL, lost, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_ANSWERS);
	assert_true(neighbour_state_tick(&state, lost, MIDDLE));
	/* What the requests lead to does not prolong it. */
	neighbour_state_input(&state, NUD_INCOMPLETE, NULL, lost + 1, MIDDLE);
	neighbour_state_input(&state, NUD_FAILED, NULL, lost + 2000, MIDDLE);
	neighbour_state_tick(&state, lost + NEIGHBOUR_HOLD_MS - 1, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_ANSWERS);
	assert_memory_equal(state.mac, mac_a, 6);
	neighbour_state_tick(&state, lost + NEIGHBOUR_HOLD_MS, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_SILENT);
}

static void hiccup_within_the_hold_changes_nothing(void **unused)
{
	struct neighbour_state state = state_reachable();

	(void)unused;
	neighbour_state_input(&state, 0, NULL, START + 100, MIDDLE);
	assert_true(neighbour_state_tick(&state, START + 100, MIDDLE));
	neighbour_state_input(&state, NUD_REACHABLE, mac_a, START + 200, MIDDLE);
	assert_int_equal(neighbour_state_next(&state), NEIGHBOUR_NEVER);
	neighbour_state_tick(&state, START + 60000, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_ANSWERS);
}

static void silent_neighbour_comes_back_with_its_answer(void **unused)
{
	struct neighbour_state state = state_new();

	(void)unused;
	neighbour_state_input(&state, 0, NULL, START, MIDDLE);
	neighbour_state_tick(&state, START + NEIGHBOUR_HOLD_MS, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_SILENT);
	neighbour_state_input(&state, NUD_STALE, mac_b, START + 9000, MIDDLE);
	assert_int_equal(state.answer, NEIGHBOUR_ANSWERS);
	assert_memory_equal(state.mac, mac_b, 6);
}

static void another_mac_is_taken_over(void **unused)
{
	struct neighbour_state state = state_reachable();

	(void)unused;
	neighbour_state_input(&state, NUD_REACHABLE, mac_b, START + 1, MIDDLE);
	assert_memory_equal(state.mac, mac_b, 6);
}

static void stale_neighbour_is_confirmed_from_time_to_time(void **unused)
{
	struct neighbour_state state = state_reachable();
	uint64_t stale = START + 30000;

	(void)unused;
	assert_int_equal(neighbour_state_next(&state), NEIGHBOUR_NEVER);
	neighbour_state_input(&state, NUD_STALE, mac_a, stale, CONFIRM_MIDDLE);
	assert_int_equal(neighbour_state_next(&state), stale + NEIGHBOUR_CONFIRM_MS);
	/* Hearing of it again does not put the request off. */
	neighbour_state_input(&state, NUD_STALE, mac_a, stale + 5000, CONFIRM_MIDDLE);
	assert_false(neighbour_state_tick(&state, stale + NEIGHBOUR_CONFIRM_MS - 1, MIDDLE));
	assert_true(neighbour_state_tick(&state, stale + NEIGHBOUR_CONFIRM_MS, CONFIRM_MIDDLE));
	assert_int_equal(neighbour_state_next(&state), stale + 2 * NEIGHBOUR_CONFIRM_MS);
	neighbour_state_input(&state, NUD_DELAY, mac_a, stale + 15001, MIDDLE);
	assert_int_equal(neighbour_state_next(&state), NEIGHBOUR_NEVER);
	assert_int_equal(state.answer, NEIGHBOUR_ANSWERS);
}

static void hurry_asks_for_the_unresolved_only(void **unused)
{
	struct neighbour_state state = state_new();

	(void)unused;
	neighbour_state_input(&state, 0, NULL, START, MIDDLE);
	neighbour_state_tick(&state, START, MIDDLE);
	neighbour_state_hurry(&state, START + 10);
	assert_true(neighbour_state_tick(&state, START + 10, MIDDLE));
	state = state_reachable();
	neighbour_state_hurry(&state, START + 10);
	assert_false(neighbour_state_tick(&state, START + 10, MIDDLE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_usable_state_with_a_mac_answers),
		cmocka_unit_test(unusable_states_decide_nothing_at_first),
		cmocka_unit_test(usable_state_without_a_mac_is_not_resolved),
		cmocka_unit_test(nothing_is_asked_before_the_kernel_was_heard),
		cmocka_unit_test(unresolved_is_asked_for_at_once_and_then_every_second),
		cmocka_unit_test(jitter_stays_within_a_tenth),
		cmocka_unit_test(one_never_heard_of_is_silent_after_the_hold),
		cmocka_unit_test(failure_counts_once_we_have_asked),
		cmocka_unit_test(lost_neighbour_keeps_its_mac_for_the_hold),
		cmocka_unit_test(hiccup_within_the_hold_changes_nothing),
		cmocka_unit_test(silent_neighbour_comes_back_with_its_answer),
		cmocka_unit_test(another_mac_is_taken_over),
		cmocka_unit_test(stale_neighbour_is_confirmed_from_time_to_time),
		cmocka_unit_test(hurry_asks_for_the_unresolved_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
