/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the flows of a whole stack go that is out, before and after the agent knows; and panic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/explain.h"
#include "agent/ring.h"
#include "common/util.h"
#include "lib/fixture.h"
#include "lib/flow.h"

#define VIP   "203.0.113.10"
#define FLOWS 600

#define UP	(BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)
#define DOWN	BACKEND_ROUTE
#define DRAINED (BACKEND_KEEP | BACKEND_ROUTE | BACKEND_HELD)
#define NEWBORN (BACKEND_ROUTE | BACKEND_WAITS)
#define LOST	0

/* Blue has ten backends, 10.1.0.1 to 10.1.0.10, the others two each. */
#define ROUTES                                                                                     \
	"stacks:\n"                                                                                \
	"  blue:\n"                                                                                \
	"    backends: [{address: 10.1.0.1}, {address: 10.1.0.2}, {address: 10.1.0.3},\n"          \
	"      {address: 10.1.0.4}, {address: 10.1.0.5}, {address: 10.1.0.6},\n"                   \
	"      {address: 10.1.0.7}, {address: 10.1.0.8}, {address: 10.1.0.9},\n"                   \
	"      {address: 10.1.0.10}]\n"                                                            \
	"  green: {backends: [{address: 10.2.0.1}, {address: 10.2.0.2}]}\n"                        \
	"  red: {backends: [{address: 10.3.0.1}, {address: 10.3.0.2}]}\n"                          \
	"  violet: {backends: [{address: 10.4.0.1}, {address: 10.4.0.2}]}\n"                       \
	"services:\n"                                                                              \
	"  plain: {vips: [203.0.113.10], ports: [80], split: {blue: 60, green: 30, red: 10, "      \
	"violet: 0}}\n"                                                                            \
	"  list: {vips: [203.0.113.10], ports: [81], split: {blue: 60, green: 30, red: 10},\n"     \
	"    failover: [red, violet]}\n"                                                           \
	"  single: {vips: [203.0.113.10], ports: [82], split: {blue: 1}, panic: 30%}\n"            \
	"  calm: {vips: [203.0.113.10], ports: [83], split: {blue: 1}, panic: 0%}\n"               \
	"  pair: {vips: [203.0.113.10], ports: [84], split: {blue: 1, green: 1}, panic: 30%}\n"

enum { PLAIN = 80, LIST, SINGLE, CALM, PAIR };

static struct fixture fixture;
static uint64_t seed = 4711;
static struct flow flows[FLOWS];
static uint32_t before[FLOWS], after[FLOWS];

static const char *stack_of(uint32_t slot)
{
	return fixture.view->backends[slot].stack;
}

static bool is_in(uint32_t slot, const char *stack)
{
	return !strcmp(stack_of(slot), stack);
}

static void meet(uint16_t port)
{
	for (int i = 0; i < FLOWS; i++)
		flows[i] = flow_random(&seed, VIP, port, PROTOCOL_TCP);
}

/* Where each of the flows goes, met for the first time. */
static void send_all(uint32_t *ret_slots)
{
	fixture_forget_flows(&fixture);
	for (int i = 0; i < FLOWS; i++)
		ret_slots[i] = flow_send(&fixture, &flows[i], TH_SYN);
}

static unsigned int count(const uint32_t *slots, const char *stack)
{
	unsigned int n = 0;

	for (int i = 0; i < FLOWS; i++)
		n += is_in(slots[i], stack);
	return n;
}

/* The first n backends of blue. */
static void set_blues(unsigned int n, uint8_t state)
{
	char address[ADDRESS_TEXT_MAX];

	for (unsigned int i = 1; i <= n; i++) {
		snprintf(address, sizeof(address), "10.1.0.%u", i);
		fixture_set_state(&fixture, "blue", address, state);
	}
	fixture_overlay(&fixture, "blue");
}

static bool panics(const char *service)
{
	unsigned int bank = fixture.view->control->active;

	return fixture.view
		->services[bank * fixture.view->service_slots + fixture_service(&fixture, service)]
		.panic;
}

static void packets_know_the_heirs_of_a_stack_before_the_agent_acts(void **state)
{
	static const uint16_t ports[] = {PLAIN, LIST, PAIR};

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(ports); p++) {
		meet(ports[p]);
		fixture_set_stack_state(&fixture, "blue", DOWN);
		send_all(before);
		assert_int_equal(count(before, "blue"), 0);
		fixture_overlay(&fixture, "blue");
		send_all(after);
		assert_memory_equal(before, after, sizeof(before));
		fixture_set_stack_state(&fixture, "blue", UP);
		fixture_overlay(&fixture, "blue");
	}
}

static void packets_pass_over_heirs_that_fail_as_well(void **state)
{
	(void)state;
	meet(LIST);
	fixture_set_stack_state(&fixture, "blue", DOWN);
	fixture_set_stack_state(&fixture, "red", DOWN);
	send_all(before);
	assert_int_equal(count(before, "blue") + count(before, "red"), 0);
	fixture_set_stack_state(&fixture, "green", DOWN);
	send_all(before);
	assert_int_equal(count(before, "violet"), FLOWS);
}

/* Of plain, violet is none: it has no weight there, and nobody names it. */
static void packets_never_go_to_stacks_that_do_not_stand_by(void **state)
{
	(void)state;
	meet(PLAIN);
	fixture_set_stack_state(&fixture, "blue", DOWN);
	fixture_set_stack_state(&fixture, "red", DOWN);
	fixture_set_stack_state(&fixture, "green", DOWN);
	send_all(before);
	assert_int_equal(count(before, "violet"), 0);
}

static void the_list_is_gone_down_in_its_order_and_clients_come_back(void **state)
{
	(void)state;
	meet(LIST);
	send_all(before);
	assert_int_equal(count(before, "violet"), 0);

	set_blues(10, DOWN);
	send_all(after);
	for (int i = 0; i < FLOWS; i++) {
		if (is_in(before[i], "blue"))
			assert_string_equal(stack_of(after[i]), "red");
		else
			assert_int_equal(before[i], after[i]);
	}

	fixture_set_stack_state(&fixture, "red", DOWN);
	fixture_overlay(&fixture, "red");
	send_all(after);
	for (int i = 0; i < FLOWS; i++)
		assert_string_equal(stack_of(after[i]),
				    is_in(before[i], "green") ? "green" : "violet");

	fixture_set_stack_state(&fixture, "violet", DOWN);
	fixture_overlay(&fixture, "violet");
	send_all(after);
	assert_int_equal(count(after, "green"), FLOWS);

	set_blues(10, UP);
	fixture_set_stack_state(&fixture, "red", UP);
	fixture_overlay(&fixture, "red");
	send_all(after);
	assert_memory_equal(before, after, sizeof(before));
}

static void flows_of_a_standby_are_counted_as_its_own(void **state)
{
	uint64_t had = fixture_new_flows(&fixture, "list", "violet");

	(void)state;
	meet(LIST);
	set_blues(10, DOWN);
	fixture_set_stack_state(&fixture, "red", DOWN);
	fixture_overlay(&fixture, "red");
	send_all(after);
	assert_int_equal(fixture_new_flows(&fixture, "list", "violet") - had,
			 count(after, "violet"));
}

static void a_stack_below_the_panic_share_fails_over_while_another_is_fit(void **state)
{
	(void)state;
	meet(PAIR);
	set_blues(7, DOWN); /* 30 % are left: just enough */
	send_all(before);
	assert_int_not_equal(count(before, "blue"), 0);
	set_blues(8, DOWN);
	send_all(after);
	assert_int_equal(count(after, "green"), FLOWS);
	assert_false(panics("pair"));
	meet(PLAIN); /* which asks for 10 % */
	send_all(after);
	assert_int_not_equal(count(after, "blue"), 0);
}

static void a_service_panics_when_no_stack_is_fit(void **state)
{
	unsigned int dead = 0;
	struct reasons was;

	(void)state;
	meet(SINGLE);
	send_all(before);
	set_blues(8, DOWN);
	assert_true(panics("single"));
	assert_false(panics("calm"));
	assert_false(panics("pair"));
	was = fixture_reasons(&fixture);
	send_all(after);
	assert_memory_equal(before, after, sizeof(before)); /* as if nothing were wrong */
	for (int i = 0; i < FLOWS; i++)
		dead += !(fixture.view->backends[after[i]].state & BACKEND_NEW);
	assert_true(dead > FLOWS * 7 / 10);
	assert_int_equal(fixture_reasons(&fixture).panics - was.panics, FLOWS);

	set_blues(7, UP);
	assert_false(panics("single"));
	send_all(after);
	for (int i = 0; i < FLOWS; i++)
		assert_true(fixture.view->backends[after[i]].state & BACKEND_NEW);
}

static void panic_of_one_service_is_not_anothers(void **state)
{
	(void)state;
	set_blues(8, DOWN);
	assert_true(panics("single"));
	meet(CALM);
	send_all(after);
	for (int i = 0; i < FLOWS; i++)
		before[i] = fixture.view->backends[after[i]].state & BACKEND_NEW;
	/* The walk is short: with a fifth left, 1 of 36 flows finds nobody in its 16 steps. */
	for (int i = 0, lost = 0; i < FLOWS; i++) {
		lost += !before[i];
		assert_true(lost < FLOWS / 10);
	}
}

static void what_operators_hold_counts_neither_way_and_is_used_last(void **state)
{
	(void)state;
	meet(SINGLE);
	set_blues(8, DRAINED);
	assert_false(panics("single")); /* both that count are healthy */
	send_all(after);
	for (int i = 0; i < FLOWS; i++)
		assert_true(fixture.view->backends[after[i]].state & BACKEND_NEW);

	fixture_set_state(&fixture, "blue", "10.1.0.9", DOWN);
	fixture_set_state(&fixture, "blue", "10.1.0.10", DOWN);
	fixture_overlay(&fixture, "blue");
	assert_true(panics("single"));
	send_all(after);
	for (int i = 0; i < FLOWS; i++)
		assert_int_equal(fixture.view->backends[after[i]].state, DOWN);

	set_blues(10, DRAINED);
	send_all(after);
	for (int i = 0; i < FLOWS; i++)
		assert_int_equal(fixture.view->backends[after[i]].state, DRAINED);
}

static void backends_before_their_first_check_do_not_count(void **state)
{
	(void)state;
	set_blues(8, NEWBORN);
	assert_false(panics("single"));
	set_blues(8, DOWN);
	assert_true(panics("single"));
}

static void in_panic_clients_leave_a_stack_that_nothing_can_be_sent_to(void **state)
{
	(void)state;
	meet(PAIR);
	fixture_set_stack_state(&fixture, "green", DOWN);
	fixture_overlay(&fixture, "green");
	set_blues(10, LOST);
	assert_true(panics("pair"));
	send_all(after);
	assert_int_equal(count(after, "green"), FLOWS);
}

/* In any state, also half way between a fault and what the agent makes of it. */
static void explain_says_what_packets_do(void **state)
{
	static const uint8_t states[] = {UP, UP, DOWN, DOWN, DRAINED, LOST};
	static const char *const stacks[] = {"blue", "green", "red", "violet"};

	(void)state;
	for (int round = 0; round < 60; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
			uint64_t number = flow_random_number(&seed);
			unsigned int odds = number % 4;

			for (uint32_t slot = 0; slot < fixture.view->backend_slots; slot++)
				if (is_in(slot, stacks[i]) && flow_random_number(&seed) % 4 <= odds)
					fixture.view->backends[slot].state =
						states[flow_random_number(&seed) %
						       ARRAY_SIZE(states)];
			if (number >> 8 & 1)
				fixture_overlay(&fixture, stacks[i]);
		}
		fixture_forget_flows(&fixture);
		for (int i = 0; i < 100; i++) {
			struct flow flow = flow_random(
				&seed, VIP, (uint16_t)(PLAIN + (unsigned int)i % 5), PROTOCOL_TCP);
			struct flow_tuple tuple = flow_tuple_of(&flow);
			struct explanation told;
			struct outcome outcome;
			struct packet packet;

			explain_packet(fixture.view, fixture.banks[fixture.view->control->active],
				       &tuple, &told);
			flow_packet(&flow, TH_SYN, &packet);
			fixture_send(&fixture, &packet, &outcome);
			assert_int_equal(told.reason, outcome.reason);
			if (told.has_backend)
				assert_int_equal(told.slot, fixture_receiver(&outcome));
		}
	}
}

static void explain_says_why(void **state)
{
	struct flow_tuple tuple;
	struct explanation told;

	(void)state;
	meet(LIST);
	send_all(before);
	for (int i = 0; i < FLOWS; i++)
		if (is_in(before[i], "blue"))
			tuple = flow_tuple_of(&flows[i]);
	fixture_forget_flows(&fixture);
	fixture_set_stack_state(&fixture, "blue", DOWN);
	explain_packet(fixture.view, fixture.banks[fixture.view->control->active], &tuple, &told);
	assert_non_null(strstr(told.stages[2].verdict, "of stack blue"));
	assert_string_equal(told.stages[3].verdict,
			    "stack blue has nobody left (16 tries met one that is down, 0 one "
			    "whose breaker is open): stack red has its clients");
	fixture_overlay(&fixture, "blue");
	explain_packet(fixture.view, fixture.banks[fixture.view->control->active], &tuple, &told);
	assert_string_equal(told.stages[3].verdict,
			    "stack blue is out: stack red has these of its clients");
	assert_string_equal(told.stack, "red");
}

static void explain_says_in_whose_place_a_backend_is(void **state)
{
	uint32_t slot = 0;
	int stay = 0, go = 0;

	(void)state;
	meet(LIST);
	send_all(before);
	for (int i = 0; i < FLOWS; i++)
		if (is_in(before[i], "blue"))
			slot = before[i];
	fixture_forget_flows(&fixture);
	fixture.view->backends[slot].ramp_lacks = RING_WHOLE / 4;
	fixture_overlay(&fixture, "blue");
	for (int i = 0; i < FLOWS; i++) {
		struct flow_tuple tuple = flow_tuple_of(&flows[i]);
		struct explanation told;
		bool lacking;

		explain_packet(fixture.view, fixture.banks[fixture.view->control->active], &tuple,
			       &told);
		lacking = strstr(told.stages[4].verdict, ", which has 75 % of its share");
		assert_int_equal(lacking, before[i] == slot && told.slot != slot);
		stay += told.slot == slot;
		go += lacking;
	}
	assert_in_range(go, 1, stay);
	fixture.view->backends[slot].ramp_lacks = 0;
	fixture_overlay(&fixture, "blue");
}

static int open_fixture(void **state)
{
	const struct fixture_sizes sizes = {.flows = 4 * FLOWS};

	(void)state;
	fixture_open(&fixture, &sizes);
	fixture_apply(&fixture, ROUTES);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static int start_afresh(void **state)
{
	static const char *const stacks[] = {"blue", "green", "red", "violet"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		fixture_set_stack_state(&fixture, stacks[i], UP);
		fixture_overlay(&fixture, stacks[i]);
	}
	fixture_forget_flows(&fixture);
	return 0;
}

#define AFRESH(TEST) cmocka_unit_test_setup(TEST, start_afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AFRESH(packets_know_the_heirs_of_a_stack_before_the_agent_acts),
		AFRESH(packets_pass_over_heirs_that_fail_as_well),
		AFRESH(packets_never_go_to_stacks_that_do_not_stand_by),
		AFRESH(the_list_is_gone_down_in_its_order_and_clients_come_back),
		AFRESH(flows_of_a_standby_are_counted_as_its_own),
		AFRESH(a_stack_below_the_panic_share_fails_over_while_another_is_fit),
		AFRESH(a_service_panics_when_no_stack_is_fit),
		AFRESH(panic_of_one_service_is_not_anothers),
		AFRESH(what_operators_hold_counts_neither_way_and_is_used_last),
		AFRESH(backends_before_their_first_check_do_not_count),
		AFRESH(in_panic_clients_leave_a_stack_that_nothing_can_be_sent_to),
		AFRESH(explain_says_what_packets_do),
		AFRESH(explain_says_why),
		AFRESH(explain_says_in_whose_place_a_backend_is),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
