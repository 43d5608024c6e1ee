/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
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

enum input { END, OK, FAIL, HOP, NO_HOP, AUTO, FORCE_UP, FORCE_DOWN, DRAIN };

/* One input, and what must be seen after it. */
struct step {
	enum input input;
	const char *detail;
	uint8_t bits;
	const char *reason;
	unsigned int changed;
};

static unsigned int order(struct health_state *state, enum health_override override, uint64_t now)
{
	return health_state_order(state, (struct health_order){.override = override}, now);
}

static unsigned int step_apply(struct health_state *state, const struct step *step, uint64_t now)
{
	switch (step->input) {
	case OK:
	case FAIL:
		return health_state_check(state, step->input == OK, step->detail, now);
	case HOP:
	case NO_HOP:
		return health_state_route(state, step->input == HOP, step->detail, now);
	case AUTO:
		return order(state, HEALTH_OVERRIDE_AUTO, now);
	case FORCE_UP:
		return order(state, HEALTH_OVERRIDE_UP, now);
	case FORCE_DOWN:
		return order(state, HEALTH_OVERRIDE_DOWN, now);
	default:
		return order(state, HEALTH_OVERRIDE_DRAIN, now);
	}
}

/* Steps are a second apart, the first at 1001. */
static void walk(struct health_state *state, const struct step *steps)
{
	uint64_t now = 1001, since = state->since_ms;

	for (const struct step *step = steps; step->input != END; step++, now += 1000) {
		uint8_t bits = state->bits;
		unsigned int changed = step_apply(state, step, now);

		if (changed != step->changed || state->bits != step->bits ||
		    strcmp(state->reason, step->reason))
			fail_msg("step %d: bits %x for %x, reason '%s' for '%s', changed %x for %x",
				 (int)(step - steps) + 1, state->bits, step->bits, state->reason,
				 step->reason, changed, step->changed);
		if ((state->bits ^ bits) & ~BACKEND_KEEP)
			since = now;
		assert_int_equal(state->since_ms, since);
	}
}

static void walk_new(bool checked, uint32_t fall, uint32_t rise, const struct step *steps)
{
	struct health_state state;

	health_state_init(&state, checked, fall, rise, 1);
	assert_int_equal(state.bits, 0);
	assert_string_equal(state.reason, "no next hop: not looked up yet");
	assert_int_equal(state.since_ms, 1);
	walk(&state, steps);
}

static void without_checks_the_next_hop_decides_alone(void **unused)
{
	(void)unused;
	walk_new(false, 2, 3,
		 (const struct step[]){
			 {HOP, NULL, UP, "", BITS | WHY},
			 {HOP, NULL, UP, "", 0},
			 {FAIL, "refused", UP, "", 0},
			 {FAIL, "refused", UP, "", 0},
			 {NO_HOP, "eth1 is down", 0, "no next hop: eth1 is down", BITS | WHY},
			 {NO_HOP, "no route", 0, "no next hop: no route", WHY},
			 {HOP, NULL, UP, "", BITS | WHY},
			 {},
		 });
}

static void first_success_brings_a_new_backend_up_at_once(void **unused)
{
	(void)unused;
	walk_new(true, 2, 3,
		 (const struct step[]){
			 {HOP, NULL, ROUTE, "health check: no result yet", BITS | WHY},
			 {OK, NULL, UP, "", BITS | WHY},
			 {OK, NULL, UP, "", 0},
			 {},
		 });
}

static void first_failure_takes_a_new_backend_down_at_once(void **unused)
{
	(void)unused;
	walk_new(true, 3, 2,
		 (const struct step[]){
			 {HOP, NULL, ROUTE, "health check: no result yet", BITS | WHY},
			 {FAIL, "refused", ROUTE, "health check: refused", WHY},
			 {OK, NULL, ROUTE, "health check: refused", 0},
			 {OK, NULL, UP, "", BITS | WHY},
			 {},
		 });
}

static void fall_failures_in_a_row_take_down(void **unused)
{
	(void)unused;
	walk_new(true, 3, 1,
		 (const struct step[]){
			 {HOP, NULL, ROUTE, "health check: no result yet", BITS | WHY},
			 {OK, NULL, UP, "", BITS | WHY},
			 {FAIL, "a", UP, "", 0},
			 {FAIL, "b", UP, "", 0},
			 {OK, NULL, UP, "", 0},
			 {FAIL, "c", UP, "", 0},
			 {FAIL, "d", UP, "", 0},
			 {FAIL, "e", ROUTE, "health check: e", BITS | WHY},
			 {FAIL, "e", ROUTE, "health check: e", 0},
			 {FAIL, "f", ROUTE, "health check: f", WHY},
			 {OK, NULL, UP, "", BITS | WHY},
			 {},
		 });
}

static void rise_successes_in_a_row_bring_back(void **unused)
{
	(void)unused;
	walk_new(true, 1, 3,
		 (const struct step[]){
			 {HOP, NULL, ROUTE, "health check: no result yet", BITS | WHY},
			 {FAIL, "x", ROUTE, "health check: x", WHY},
			 {OK, NULL, ROUTE, "health check: x", 0},
			 {OK, NULL, ROUTE, "health check: x", 0},
			 {FAIL, "x", ROUTE, "health check: x", 0},
			 {OK, NULL, ROUTE, "health check: x", 0},
			 {OK, NULL, ROUTE, "health check: x", 0},
			 {OK, NULL, UP, "", BITS | WHY},
			 {FAIL, "y", ROUTE, "health check: y", BITS | WHY},
			 {},
		 });
}

static void drain_keeps_flows_but_not_those_of_a_dead_backend(void **unused)
{
	(void)unused;
	walk_new(true, 1, 1,
		 (const struct step[]){
			 {DRAIN, NULL, 0, "no next hop: not looked up yet", 0},
			 {HOP, NULL, KEEP, "drained by operator", BITS | WHY},
			 {OK, NULL, KEEP, "drained by operator", 0},
			 {FAIL, "x", ROUTE, "drained by operator; health check: x", BITS | WHY},
			 {OK, NULL, KEEP, "drained by operator", BITS | WHY},
			 {AUTO, NULL, UP, "", BITS | WHY},
			 {DRAIN, NULL, KEEP, "drained by operator", BITS | WHY},
			 {DRAIN, NULL, KEEP, "drained by operator", 0},
			 {},
		 });
}

static void drain_whose_time_is_up_lets_flows_go(void **unused)
{
	const struct health_order over = {.override = HEALTH_OVERRIDE_DRAIN, .over = true};
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 1, 1, 1);
	health_state_route(&state, true, NULL, 1);
	health_state_check(&state, true, NULL, 1);
	order(&state, HEALTH_OVERRIDE_DRAIN, 2);
	assert_int_equal(state.bits, KEEP);
	assert_int_equal(health_state_order(&state, over, 3), BITS | WHY);
	assert_int_equal(state.bits, ROUTE);
	assert_string_equal(state.reason, "drained by operator, time is up");
	health_state_check(&state, false, "x", 4);
	assert_string_equal(state.reason, "drained by operator, time is up; health check: x");
	assert_int_equal(state.failovers, 0);
}

static void reason_says_when_it_was_a_controller(void **unused)
{
	struct health_order view = {.override = HEALTH_OVERRIDE_DOWN, .by_controller = true};
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 1, 1, 1);
	health_state_route(&state, true, NULL, 1);
	health_state_check(&state, true, NULL, 1);
	health_state_order(&state, view, 2);
	assert_int_equal(state.bits, ROUTE);
	assert_string_equal(state.reason, "down by controller");
	view.override = HEALTH_OVERRIDE_DRAIN;
	health_state_order(&state, view, 3);
	assert_int_equal(state.bits, KEEP);
	assert_string_equal(state.reason, "drained by controller");
	assert_int_equal(state.failovers, 0);
}

static void down_by_operator_leaves_only_the_route(void **unused)
{
	(void)unused;
	walk_new(true, 1, 1,
		 (const struct step[]){
			 {HOP, NULL, ROUTE, "health check: no result yet", BITS | WHY},
			 {OK, NULL, UP, "", BITS | WHY},
			 {FORCE_DOWN, NULL, ROUTE, "down by operator", BITS | WHY},
			 {FAIL, "x", ROUTE, "down by operator", 0},
			 {OK, NULL, ROUTE, "down by operator", 0},
			 {AUTO, NULL, UP, "", BITS | WHY},
			 {},
		 });
}

static void up_by_operator_beats_checks_but_not_a_missing_next_hop(void **unused)
{
	(void)unused;
	walk_new(true, 1, 1,
		 (const struct step[]){
			 {FORCE_UP, NULL, 0, "no next hop: not looked up yet", 0},
			 {HOP, NULL, UP, "up by operator although health check: no result yet",
			  BITS | WHY},
			 {FAIL, "x", UP, "up by operator although health check: x", WHY},
			 {OK, NULL, UP, "up by operator", WHY},
			 {NO_HOP, "no route", 0, "no next hop: no route", BITS | WHY},
			 {HOP, NULL, UP, "up by operator", BITS | WHY},
			 {FAIL, "y", UP, "up by operator although health check: y", WHY},
			 {AUTO, NULL, ROUTE, "health check: y", BITS | WHY},
			 {},
		 });
}

static void checks_count_while_there_is_no_next_hop(void **unused)
{
	(void)unused;
	walk_new(true, 2, 1,
		 (const struct step[]){
			 {OK, NULL, 0, "no next hop: not looked up yet", 0},
			 {HOP, NULL, UP, "", BITS | WHY},
			 {NO_HOP, "z", 0, "no next hop: z", BITS | WHY},
			 {FAIL, "x", 0, "no next hop: z", 0},
			 {FAIL, "x", 0, "no next hop: z", 0},
			 {HOP, NULL, ROUTE, "health check: x", BITS | WHY},
			 {},
		 });
}

static void backend_presumed_up_stays_so_until_told_otherwise(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 2, 1, 1);
	health_state_presume_up(&state);
	assert_int_equal(state.bits, UP);
	assert_string_equal(state.reason, "");
	walk(&state, (const struct step[]){
			     {FAIL, "x", UP, "", 0},
			     {HOP, NULL, UP, "", 0},
			     {FAIL, "x", ROUTE, "health check: x", BITS | WHY},
			     {NO_HOP, "y", 0, "no next hop: y", BITS | WHY},
			     {},
		     });
}

static void drained_backend_found_in_the_kernel_keeps_its_flows(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 2, 3, 1);
	health_state_presume(&state, KEEP | BACKEND_HELD);
	order(&state, HEALTH_OVERRIDE_DRAIN, 1);
	assert_int_equal(state.bits, KEEP);
}

static void backend_found_declared_in_the_kernel_keeps_its_flows_until_a_check_fails(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 2, 3, 1);
	health_state_presume(&state, KEEP);
	assert_int_equal(state.bits, KEEP);
	health_state_configure(&state, true, 2, 3, 2);
	assert_string_equal(state.reason, "passive: so it was when steerd started");
	health_state_check(&state, false, "timed out", 3);
	assert_int_equal(state.bits, ROUTE);
}

static void backend_found_down_in_the_kernel_waits_for_its_first_check(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 2, 3, 1);
	health_state_presume(&state, ROUTE);
	assert_int_equal(state.bits, ROUTE);
	assert_string_equal(state.reason, "health check: no result yet");
	assert_int_equal(health_state_check(&state, true, NULL, 2), BITS | WHY);
	assert_int_equal(state.bits, UP);
	health_state_init(&state, true, 2, 3, 1);
	health_state_presume(&state, 0);
	assert_int_equal(state.bits, 0);
}

static void new_settings_keep_the_verdict_while_checks_go_on(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 2, 2, 1);
	health_state_route(&state, true, NULL, 2);
	health_state_check(&state, false, "x", 3);
	assert_int_equal(health_state_configure(&state, true, 1, 1, 4), 0);
	assert_int_equal(state.bits, ROUTE);
	assert_int_equal(health_state_check(&state, true, NULL, 5), BITS | WHY);
	assert_int_equal(state.bits, UP);
	assert_int_equal(health_state_check(&state, false, "y", 6), BITS | WHY);
	assert_int_equal(state.bits, ROUTE);
}

static void ending_checks_lifts_what_they_found(void **unused)
{
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 1, 1, 1);
	health_state_route(&state, true, NULL, 2);
	health_state_check(&state, false, "x", 3);
	assert_int_equal(health_state_configure(&state, false, 0, 0, 7), BITS | WHY);
	assert_int_equal(state.bits, UP);
	assert_int_equal(state.since_ms, 7);
	assert_int_equal(health_state_configure(&state, true, 2, 1, 8), 0);
	assert_int_equal(health_state_check(&state, false, "x", 9), 0);
	assert_int_equal(state.bits, UP);
	assert_int_equal(health_state_check(&state, false, "x", 10), BITS | WHY);
	assert_int_equal(state.bits, ROUTE);
}

static void only_a_healthy_backend_that_failed_last_is_in_doubt(void **unused)
{
	static const struct {
		bool ok;
		bool doubt;
	} checks[] = {{true, false},  {false, true}, {true, false}, {false, true}, {false, true},
		      {false, false}, {true, false}, {true, false}, {false, true}};
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 3, 2, 1);
	assert_false(health_state_in_doubt(&state));
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		health_state_check(&state, checks[i].ok, "refused", 1);
		if (health_state_in_doubt(&state) != checks[i].doubt)
			fail_msg("after check %zu", i);
	}
	health_state_configure(&state, false, 3, 2, 1);
	assert_false(health_state_in_doubt(&state));
}

static void zero_thresholds_count_as_one(void **unused)
{
	(void)unused;
	walk_new(true, 0, 0,
		 (const struct step[]){
			 {HOP, NULL, ROUTE, "health check: no result yet", BITS | WHY},
			 {OK, NULL, UP, "", BITS | WHY},
			 {FAIL, "x", ROUTE, "health check: x", BITS | WHY},
			 {OK, NULL, UP, "", BITS | WHY},
			 {},
		 });
}

static void long_details_are_cut_and_stay_terminated(void **unused)
{
	struct health_state state;
	char detail[1000];

	(void)unused;
	memset(detail, 'x', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	health_state_init(&state, true, 1, 1, 1);
	health_state_route(&state, true, NULL, 2);
	health_state_check(&state, false, detail, 3);
	assert_int_equal(strlen(state.reason), strlen("health check: ") + HEALTH_DETAIL_MAX - 1);
	order(&state, HEALTH_OVERRIDE_UP, 4);
	assert_true(strlen(state.reason) < HEALTH_REASON_MAX);
	health_state_route(&state, false, detail, 5);
	assert_int_equal(strlen(state.reason), strlen("no next hop: ") + HEALTH_DETAIL_MAX - 1);
}

/* Each step is followed by the count so far. */
static void only_health_counts_as_failover(void **unused)
{
	static const struct {
		enum input input;
		uint64_t failovers;
	} steps[] = {
		{FAIL, 0},   {HOP, 0},	    {OK, 0},	     {FAIL, 1}, {FAIL, 1},     {OK, 1},
		{NO_HOP, 2}, {FAIL, 2},	    {HOP, 2},	     {OK, 2},	{DRAIN, 2},    {FAIL, 2},
		{OK, 2},     {AUTO, 2},	    {FORCE_DOWN, 2}, {AUTO, 2}, {FORCE_UP, 2}, {FAIL, 2},
		{AUTO, 3},   {FORCE_UP, 3}, {NO_HOP, 4},
	};
	struct health_state state;

	(void)unused;
	health_state_init(&state, true, 1, 1, 1);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct step step = {.input = steps[i].input, .detail = "x"};

		step_apply(&state, &step, i);
		if (state.failovers != steps[i].failovers)
			fail_msg("step %zu: %d for %d", i + 1, (int)state.failovers,
				 (int)steps[i].failovers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_checks_the_next_hop_decides_alone),
		cmocka_unit_test(first_success_brings_a_new_backend_up_at_once),
		cmocka_unit_test(first_failure_takes_a_new_backend_down_at_once),
		cmocka_unit_test(fall_failures_in_a_row_take_down),
		cmocka_unit_test(rise_successes_in_a_row_bring_back),
		cmocka_unit_test(drain_keeps_flows_but_not_those_of_a_dead_backend),
		cmocka_unit_test(drain_whose_time_is_up_lets_flows_go),
		cmocka_unit_test(reason_says_when_it_was_a_controller),
		cmocka_unit_test(down_by_operator_leaves_only_the_route),
		cmocka_unit_test(up_by_operator_beats_checks_but_not_a_missing_next_hop),
		cmocka_unit_test(checks_count_while_there_is_no_next_hop),
		cmocka_unit_test(backend_presumed_up_stays_so_until_told_otherwise),
		cmocka_unit_test(drained_backend_found_in_the_kernel_keeps_its_flows),
		cmocka_unit_test(
			backend_found_declared_in_the_kernel_keeps_its_flows_until_a_check_fails),
		cmocka_unit_test(backend_found_down_in_the_kernel_waits_for_its_first_check),
		cmocka_unit_test(new_settings_keep_the_verdict_while_checks_go_on),
		cmocka_unit_test(ending_checks_lifts_what_they_found),
		cmocka_unit_test(only_a_healthy_backend_that_failed_last_is_in_doubt),
		cmocka_unit_test(zero_thresholds_count_as_one),
		cmocka_unit_test(only_health_counts_as_failover),
		cmocka_unit_test(long_details_are_cut_and_stay_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
