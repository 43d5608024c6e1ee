/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a backend that was out comes back: after flapping, and after it was declared dead. */
#include "agent/health_state.h"

#include "abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define UP    (BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)
#define KEEP  (BACKEND_KEEP | BACKEND_ROUTE)
#define ROUTE BACKEND_ROUTE
#define BITS  HEALTH_CHANGED_BITS
#define WHY   HEALTH_CHANGED_REASON

static unsigned int order(struct health_state *state, enum health_override override, uint64_t now)
{
	return health_state_order(state, (struct health_order){.override = override}, now);
}

/* Up at 1, then down and up again at once so often; down at last, at `*now`. */
static void flap(struct health_state *state, int times, uint64_t *now)
{
	health_state_init(state, true, 1, 2, 1);
	health_state_route(state, true, NULL, 1);
	health_state_check(state, true, NULL, 1);
	for (*now = 1000; times; times--) {
		health_state_check(state, false, "x", *now += 100);
		while (times > 1 && !(state->bits & BACKEND_NEW))
			health_state_check(state, true, NULL, *now += 100);
	}
}

static void flapping_backend_must_stay_good_for_longer_each_time(void **unused)
{
	static const uint64_t waits[] = {200, 1100, 2100, 4100, 8100};
	struct health_state state;
	uint64_t now, down;

	(void)unused;
	for (int times = 1; times <= 5; times++) {
		flap(&state, times, &now);
		down = now;
		assert_int_equal(state.bits, ROUTE);
		while (!(state.bits & BACKEND_NEW))
			health_state_check(&state, true, NULL, now += 100);
		if (now - down != waits[times - 1])
			fail_msg("down %d times: back after %d ms", times, (int)(now - down));
	}
}

static void held_backend_says_how_long_and_why(void **unused)
{
	struct health_state state;
	uint64_t now;

	(void)unused;
	flap(&state, 3, &now);
	health_state_check(&state, true, NULL, now + 1);
	assert_string_equal(state.reason, "health check: x");
	assert_int_equal(health_state_check(&state, true, NULL, now + 2), WHY);
	assert_string_equal(state.reason, "held down for 2 s more: went down 3 times in 2 s");
	assert_int_equal(state.bits, ROUTE);
	assert_int_equal(health_state_check(&state, true, NULL, now + 3), 0);
	health_state_check(&state, true, NULL, now + 1200);
	assert_string_equal(state.reason, "held down for 1 s more: went down 3 times in 3 s");
	order(&state, HEALTH_OVERRIDE_DRAIN, now + 1201);
	assert_string_equal(state.reason, "drained by operator; held down for 1 s more: went down "
					  "3 times in 3 s");
	assert_int_equal(state.bits, ROUTE);
}

static void failure_while_held_starts_the_wait_again(void **unused)
{
	struct health_state state;
	uint64_t now;

	(void)unused;
	flap(&state, 3, &now);
	for (int i = 0; i < 19; i++)
		health_state_check(&state, true, NULL, now += 100);
	health_state_check(&state, false, "y", now += 100);
	assert_string_equal(state.reason, "health check: y");
	for (int i = 0; i < 20; i++)
		health_state_check(&state, true, NULL, now += 100);
	assert_int_equal(state.bits, ROUTE);
	health_state_check(&state, true, NULL, now += 100);
	assert_int_equal(state.bits, UP);
	assert_int_equal(state.damping.downs, 3);
}

static void forgiven_backend_returns_as_if_it_had_not_flapped(void **unused)
{
	struct health_state state;
	uint64_t now;

	(void)unused;
	flap(&state, 5, &now);
	health_state_check(&state, true, NULL, now + 1);
	health_state_check(&state, true, NULL, now + 2);
	assert_int_equal(state.bits, ROUTE);
	health_state_forgive(&state);
	health_state_check(&state, true, NULL, now + 3);
	assert_int_equal(state.bits, UP);
}

static void operators_orders_are_no_flapping(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 1, 1, 1);
	health_state_route(&state, true, NULL, 1);
	health_state_check(&state, true, NULL, 1);
	for (uint64_t now = 2; now < 20; now += 2) {
		order(&state, HEALTH_OVERRIDE_DOWN, now);
		order(&state, HEALTH_OVERRIDE_AUTO, now + 1);
		assert_int_equal(state.bits, UP);
	}
	assert_int_equal(state.damping.downs, 0);
}

static void backend_has_been_up_once_it_took_new_flows(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 1, 1, 1);
	health_state_check(&state, false, "x", 2);
	health_state_check(&state, true, NULL, 3);
	assert_false(state.been_up);
	health_state_route(&state, true, NULL, 4);
	assert_true(state.been_up);
	health_state_check(&state, false, "x", 5);
	assert_true(state.been_up);
	health_state_init(&state, true, 1, 1, 1);
	assert_false(state.been_up);
	health_state_presume_up(&state);
	assert_true(state.been_up);
}

/* Since 2. */
static void be_up(struct health_state *state, uint32_t fall, uint32_t rise)
{
	health_state_init(state, true, fall, rise, 0);
	health_state_route(state, true, "", 1);
	health_state_check(state, true, "", 2);
}

static void a_declared_backend_returns_by_good_checks_since(void **unused)
{
	struct health_state state;

	(void)unused;
	be_up(&state, 2, 3);
	assert_int_equal(health_state_declare(&state, false, "no handshake in 84 ms", 100),
			 HEALTH_CHANGED_BITS | HEALTH_CHANGED_REASON);
	assert_int_equal(state.bits, KEEP);
	assert_string_equal(state.reason, "passive: no handshake in 84 ms");
	assert_int_equal(state.failovers, 1);
	assert_int_equal(health_state_declare(&state, false, "once more", 101), 0);
	for (uint64_t now = 200; now < 500; now += 100) {
		health_state_check(&state, true, "", now); /* the first had begun before */
		assert_int_equal(state.bits, KEEP);
	}
	health_state_check(&state, true, "", 500);
	assert_int_equal(state.bits, BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE);
	assert_string_equal(state.reason, "");
}

static void a_check_that_fails_is_the_reason_from_then_on(void **unused)
{
	struct health_state state;
	uint64_t since;

	(void)unused;
	be_up(&state, 2, 2);
	health_state_declare(&state, false, "no handshake in 84 ms", 100);
	health_state_check(&state, true, "", 200);
	since = state.since_ms;
	assert_int_equal(state.bits, KEEP); /* established flows have nothing to fear yet */
	health_state_check(&state, false, "timed out", 300);
	assert_string_equal(state.reason, "health check: timed out");
	assert_int_equal(state.bits, BACKEND_ROUTE);
	assert_int_equal(state.since_ms, since);
	health_state_check(&state, true, "", 400);
	assert_int_equal(state.bits, BACKEND_ROUTE);
	health_state_check(&state, true, "", 500);
	assert_int_not_equal(state.bits, BACKEND_ROUTE);
}

/* Until new flows are let in, or 1000; every check is good. */
static unsigned int good_checks(struct health_state *state)
{
	unsigned int n = 0;

	while (!(state->bits & BACKEND_NEW) && n++ < 1000)
		health_state_check(state, true, "", 1000 + n);
	return n;
}

/* What loses some packets passes a few checks in a row. */
static void one_that_works_partly_must_be_good_for_many_checks(void **unused)
{
	struct health_state state;

	(void)unused;
	be_up(&state, 2, 3);
	health_state_declare(&state, true, "22 of 400", 100);
	assert_string_equal(state.reason, "passive: 22 of 400");
	assert_false(health_state_in_doubt(&state));
	for (int i = 0; i < 5; i++)
		assert_int_equal(health_state_check(&state, true, "", 200), WHY);
	assert_string_equal(state.reason, "passive: 22 of 400; 5 of 25 good checks");
	assert_true(health_state_in_doubt(&state));
	health_state_check(&state, false, "timed out", 300);
	assert_string_equal(state.reason, "health check: timed out");
	assert_false(health_state_in_doubt(&state));
	health_state_check(&state, true, "", 400);
	assert_string_equal(state.reason, "health check: timed out; 1 of 24 good checks");
	assert_int_equal(good_checks(&state), 23);
	assert_string_equal(state.reason, "");
	assert_false(health_state_in_doubt(&state));
	/* The next time it is gone altogether. */
	health_state_check(&state, false, "timed out", 5000);
	health_state_check(&state, false, "timed out", 5001);
	health_state_forgive(&state);
	assert_int_equal(good_checks(&state), 3);
}

static void checks_that_fail_after_good_ones_show_that_it_works_partly(void **unused)
{
	struct health_state state;

	(void)unused;
	be_up(&state, 1, 2);
	health_state_check(&state, false, "timed out", 3);
	health_state_check(&state, true, "", 4);
	assert_string_equal(state.reason, "health check: timed out");
	health_state_check(&state, false, "refused", 5);
	health_state_check(&state, false, "refused", 6);
	assert_int_equal(good_checks(&state), 2 * HEALTH_PARTLY_RISES);
}

static void a_drain_of_a_declared_backend_keeps_its_flows(void **unused)
{
	struct health_state state;

	(void)unused;
	be_up(&state, 2, 3);
	health_state_declare(&state, false, "why", 3);
	order(&state, HEALTH_OVERRIDE_DRAIN, 4);
	assert_int_equal(state.bits, KEEP);
	assert_string_equal(state.reason, "drained by operator; passive: why");
	health_state_check(&state, false, "timed out", 5);
	assert_int_equal(state.bits, BACKEND_ROUTE);
}

/* Weights are changed every second somewhere. */
static void the_same_settings_again_begin_nothing_anew(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 2, 3, 0);
	health_state_route(&state, true, "", 1);
	health_state_check(&state, false, "timed out", 2);
	for (uint64_t now = 3; now < 6; now++) {
		health_state_configure(&state, true, 2, 3, now);
		health_state_check(&state, true, "", now);
	}
	assert_int_equal(state.bits, UP);
}

static void what_is_not_up_cannot_be_declared(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 2, 2, 0);
	health_state_route(&state, true, "", 1);
	assert_int_equal(health_state_declare(&state, false, "why", 2), 0);
	assert_string_equal(state.reason, "health check: no result yet");
}

static void wait_unchecked(bool partly, uint64_t hold)
{
	struct health_state state;
	uint64_t now = 100;

	health_state_init(&state, false, 1, 1, 0);
	health_state_route(&state, true, "", 1);
	for (uint64_t damped = DAMPING_FIRST_MS, i = 0; i < 4; i++) {
		assert_int_not_equal(health_state_declare(&state, partly, "why", now), 0);
		assert_int_equal(health_state_wait(&state, now + hold - 1), 0);
		assert_int_equal(state.bits, BACKEND_ROUTE);
		assert_int_not_equal(health_state_wait(&state, now + hold), 0);
		assert_int_equal(state.bits, BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE);
		now += hold + 10;
		damped = i ? 2 * damped : damped; /* damping.h: the first time is free */
		hold = damped > hold ? damped : hold;
	}
}

static void without_checks_a_declared_backend_returns_after_a_while(void **unused)
{
	(void)unused;
	wait_unchecked(false, HEALTH_PASSIVE_MS);
	wait_unchecked(true, HEALTH_PARTLY_MS);
}

static void an_operator_keeps_a_declared_backend_up(void **unused)
{
	struct health_state state;

	(void)unused;
	be_up(&state, 1, 1);
	order(&state, HEALTH_OVERRIDE_UP, 3);
	health_state_declare(&state, false, "why", 4);
	assert_int_equal(state.bits, BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE);
	assert_string_equal(state.reason, "up by operator although passive: why");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flapping_backend_must_stay_good_for_longer_each_time),
		cmocka_unit_test(held_backend_says_how_long_and_why),
		cmocka_unit_test(failure_while_held_starts_the_wait_again),
		cmocka_unit_test(forgiven_backend_returns_as_if_it_had_not_flapped),
		cmocka_unit_test(operators_orders_are_no_flapping),
		cmocka_unit_test(backend_has_been_up_once_it_took_new_flows),
		cmocka_unit_test(a_declared_backend_returns_by_good_checks_since),
		cmocka_unit_test(a_check_that_fails_is_the_reason_from_then_on),
		cmocka_unit_test(one_that_works_partly_must_be_good_for_many_checks),
		cmocka_unit_test(checks_that_fail_after_good_ones_show_that_it_works_partly),
		cmocka_unit_test(a_drain_of_a_declared_backend_keeps_its_flows),
		cmocka_unit_test(the_same_settings_again_begin_nothing_anew),
		cmocka_unit_test(what_is_not_up_cannot_be_declared),
		cmocka_unit_test(without_checks_a_declared_backend_returns_after_a_while),
		cmocka_unit_test(an_operator_keeps_a_declared_backend_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
