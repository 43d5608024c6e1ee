/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which stack and which backend a new flow gets, in health and without, over thousands of flows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "common/util.h"
#include "lib/fixture.h"
#include "lib/flow.h"

#define V4 "203.0.113.10"
#define V6 "2001:db8::10"

#define UP   (BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)
#define DOWN BACKEND_ROUTE
#define LOST BACKEND_NEW /* healthy, but nobody knows the way */

#define FLOWS  3000
#define SIGMAS 5.0 /* of a binomial count, before a test says that weights do not hold */

#define ROUTES(SPLIT)                                                                              \
	"stacks:\n"                                                                                \
	"  blue:\n"                                                                                \
	"    backends:\n"                                                                          \
	"      - {address: 10.1.0.1, weight: 300}\n"                                               \
	"      - {address: 10.1.0.2, weight: 200}\n"                                               \
	"      - {address: 10.1.0.3, weight: 100}\n"                                               \
	"  green: {backends: [{address: 10.2.0.1}, {address: 10.2.0.2}]}\n"                        \
	"  red: {backends: [{address: 10.3.0.1}, {address: 10.3.0.2, weight: 0}]}\n"               \
	"services:\n"                                                                              \
	"  shop: {vips: [203.0.113.10, '2001:db8::10'], ports: [80], split: {" SPLIT "}}\n"        \
	"  udp: {vips: [203.0.113.10, '2001:db8::10'], protocol: udp, ports: [80], split: {" SPLIT \
	"}}\n"                                                                                     \
	"  sticky: {vips: [203.0.113.10, '2001:db8::10'], ports: [81], split: {" SPLIT             \
	"}, sticky: {by: client}}\n"                                                               \
	"  blue-only: {vips: [203.0.113.10], ports: [82], split: {blue: 1}}\n"
#define MIXED "blue: 60, green: 30, red: 10"

static struct fixture fixture;
static uint64_t seed = 4711;

static const char *stack_of(uint32_t slot)
{
	return fixture.view->backends[slot].stack;
}

static struct flow random_flow(uint16_t port, enum protocol protocol)
{
	return flow_random(&seed, flow_random_number(&seed) % 2 ? V4 : V6, port, protocol);
}

static struct flow client_of_blue(void)
{
	return flow_random(&seed, V4, 82, PROTOCOL_TCP);
}

/* Fails unless `got` of `n` is what a share p of independent flows may well be. */
static void check_share(const char *what, unsigned int got, unsigned int n, double p)
{
	double sigma = sqrt(n * p * (1 - p));

	if (fabs(got - n * p) > SIGMAS * sigma + 1)
		fail_msg("%s: %u of %u, not %.0f", what, got, n, n * p);
}

static void picks_what_the_tables_say(void **state)
{
	const struct {
		const char *service;
		uint16_t port;
		enum protocol protocol;
		bool sticky;
	} services[] = {
		{"shop", 80, PROTOCOL_TCP, false},
		{"udp", 80, PROTOCOL_UDP, false},
		{"sticky", 81, PROTOCOL_TCP, true},
	};

	(void)state;
	for (int i = 0; i < FLOWS; i++) {
		size_t s = (size_t)i % ARRAY_SIZE(services);
		struct flow flow = random_flow(services[s].port, services[s].protocol);
		struct flow_pick pick = flow_expect(&fixture, services[s].service, &flow,
						    services[s].sticky);

		assert_int_equal(flow_send(&fixture, &flow, TH_SYN), pick.slot);
	}
}

static void flows_spread_by_weight_over_stacks_and_backends(void **state)
{
	unsigned int blue = 0, green = 0, red = 0, heavy = 0, light = 0;

	(void)state;
	for (int i = 0; i < FLOWS; i++) {
		struct flow flow = random_flow(80, PROTOCOL_TCP);
		uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

		blue += !strcmp(stack_of(slot), "blue");
		green += !strcmp(stack_of(slot), "green");
		red += !strcmp(stack_of(slot), "red");
		heavy += slot == fixture_slot(&fixture, "blue", "10.1.0.1");
		light += slot == fixture_slot(&fixture, "blue", "10.1.0.3");
	}
	check_share("blue", blue, FLOWS, 0.6);
	check_share("green", green, FLOWS, 0.3);
	check_share("red", red, FLOWS, 0.1);
	check_share("10.1.0.1", heavy, FLOWS, 0.6 * 3 / 6);
	check_share("10.1.0.3", light, FLOWS, 0.6 * 1 / 6);
}

static void a_client_has_one_stack_and_its_flows_several_backends(void **state)
{
	(void)state;
	for (int client = 0; client < 30; client++) {
		struct flow flow = random_flow(80, PROTOCOL_TCP);
		uint32_t first = flow_send(&fixture, &flow, TH_SYN);
		bool spread = !strcmp(stack_of(first), "red");

		for (int i = 0; i < 40; i++) {
			uint32_t slot;

			flow.client_port++;
			slot = flow_send(&fixture, &flow, TH_SYN);
			assert_string_equal(stack_of(slot), stack_of(first));
			spread |= slot != first;
		}
		assert_true(spread);
	}
}

static void a_client_has_one_backend_where_the_service_is_sticky(void **state)
{
	(void)state;
	for (int client = 0; client < 30; client++) {
		struct flow flow = random_flow(81, PROTOCOL_TCP);
		uint32_t first = flow_send(&fixture, &flow, TH_SYN);

		for (int i = 0; i < 20; i++) {
			flow.client_port++;
			assert_int_equal(flow_send(&fixture, &flow, TH_SYN), first);
		}
	}
}

/* Where each of these flows goes, met for the first time. */
static void send_all(const struct flow *flows, size_t n, uint32_t *ret_slots)
{
	fixture_forget_flows(&fixture);
	for (size_t i = 0; i < n; i++)
		ret_slots[i] = flow_send(&fixture, &flows[i], TH_SYN);
}

static void growing_a_stack_takes_clients_only_for_it(void **state)
{
	static struct flow flows[FLOWS];
	static uint32_t small[FLOWS], large[FLOWS], rest[FLOWS];
	unsigned int moved = 0, moved_more = 0;

	(void)state;
	for (int i = 0; i < FLOWS; i++)
		flows[i] = random_flow(80, PROTOCOL_TCP);
	fixture_apply(&fixture, ROUTES("blue: 95, green: 5"));
	send_all(flows, FLOWS, small);
	fixture_apply(&fixture, ROUTES("blue: 80, green: 20"));
	send_all(flows, FLOWS, large);
	fixture_apply(&fixture, ROUTES("blue: 0, green: 100"));
	send_all(flows, FLOWS, rest);
	for (int i = 0; i < FLOWS; i++) {
		if (!strcmp(stack_of(small[i]), "green"))
			assert_int_equal(small[i], large[i]);
		if (!strcmp(stack_of(large[i]), "green"))
			assert_int_equal(large[i], rest[i]);
		moved += small[i] != large[i];
		moved_more += large[i] != rest[i];
	}
	check_share("moved from 5 to 20", moved, FLOWS, 0.15);
	check_share("moved from 20 to 100", moved_more, FLOWS, 0.80);
}

static void a_dead_backends_flows_spread_by_weight_and_others_stay(void **state)
{
	static struct flow flows[FLOWS];
	static uint32_t healthy[FLOWS], failed[FLOWS];
	uint32_t dead = fixture_slot(&fixture, "blue", "10.1.0.1");
	uint32_t heir = fixture_slot(&fixture, "blue", "10.1.0.2");
	unsigned int moved = 0, inherited = 0;

	(void)state;
	for (int i = 0; i < FLOWS; i++)
		flows[i] = client_of_blue();
	send_all(flows, FLOWS, healthy);
	fixture_set_state(&fixture, "blue", "10.1.0.1", DOWN);
	send_all(flows, FLOWS, failed);
	for (int i = 0; i < FLOWS; i++) {
		assert_int_not_equal(failed[i], dead);
		if (healthy[i] != dead) {
			assert_int_equal(failed[i], healthy[i]);
			continue;
		}
		moved++;
		inherited += failed[i] == heir;
	}
	check_share("of the dead backend", moved, FLOWS, 0.5);
	check_share("inherited by the heavier", inherited, moved, 2.0 / 3);
}

static void a_dead_stacks_clients_spread_by_weight_and_others_stay(void **state)
{
	static struct flow flows[FLOWS];
	static uint32_t healthy[FLOWS], failed[FLOWS];
	unsigned int moved = 0, inherited = 0;

	(void)state;
	for (int i = 0; i < FLOWS; i++)
		flows[i] = random_flow(80, PROTOCOL_TCP);
	send_all(flows, FLOWS, healthy);
	fixture_set_stack_state(&fixture, "blue", DOWN);
	send_all(flows, FLOWS, failed);
	for (int i = 0; i < FLOWS; i++) {
		assert_string_not_equal(stack_of(failed[i]), "blue");
		if (strcmp(stack_of(healthy[i]), "blue")) {
			assert_int_equal(failed[i], healthy[i]);
			continue;
		}
		moved++;
		inherited += !strcmp(stack_of(failed[i]), "green");
	}
	check_share("of the dead stack", moved, FLOWS, 0.6);
	check_share("inherited by green", inherited, moved, 0.75);
}

/* The agent's overlay only spares packets the walk; it must not send anybody elsewhere. */
static void the_overlay_of_health_sends_flows_where_the_walk_did(void **state)
{
	static struct flow flows[FLOWS];
	static uint32_t walked[FLOWS], overlaid[FLOWS];
	struct reasons before, after;

	(void)state;
	for (int i = 0; i < FLOWS; i++)
		flows[i] = random_flow(80, PROTOCOL_TCP);
	fixture_set_state(&fixture, "blue", "10.1.0.2", DOWN);
	fixture_set_state(&fixture, "green", "10.2.0.1", LOST);
	fixture_set_stack_state(&fixture, "red", DOWN);
	send_all(flows, FLOWS, walked);
	fixture_overlay(&fixture, "blue");
	fixture_overlay(&fixture, "green");
	fixture_overlay(&fixture, "red");
	before = fixture_reasons(&fixture);
	send_all(flows, FLOWS, overlaid);
	after = fixture_reasons(&fixture);
	assert_memory_equal(walked, overlaid, sizeof(walked));
	assert_int_equal(after.repicks, before.repicks);
}

static void recovery_brings_every_flow_back(void **state)
{
	static struct flow flows[FLOWS];
	static uint32_t before[FLOWS], after[FLOWS];

	(void)state;
	for (int i = 0; i < FLOWS; i++)
		flows[i] = random_flow(80, PROTOCOL_TCP);
	send_all(flows, FLOWS, before);
	fixture_set_stack_state(&fixture, "blue", DOWN);
	fixture_overlay(&fixture, "blue");
	fixture_set_stack_state(&fixture, "blue", UP);
	fixture_overlay(&fixture, "blue");
	send_all(flows, FLOWS, after);
	assert_memory_equal(before, after, sizeof(before));
}

static void health_is_ignored_when_everything_is_down(void **state)
{
	static struct flow flows[200];
	static uint32_t healthy[200], panicked[200];
	struct reasons before;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
		flows[i] = random_flow(80, PROTOCOL_TCP);
	send_all(flows, ARRAY_SIZE(flows), healthy);
	fixture_set_stack_state(&fixture, "blue", DOWN);
	fixture_set_stack_state(&fixture, "green", DOWN);
	fixture_set_stack_state(&fixture, "red", DOWN);
	before = fixture_reasons(&fixture);
	send_all(flows, ARRAY_SIZE(flows), panicked);
	assert_memory_equal(healthy, panicked, sizeof(healthy));
	assert_true(fixture_reasons(&fixture).panics >= before.panics + ARRAY_SIZE(flows));
}

static int reason_of(const struct flow *flow)
{
	struct outcome outcome;
	struct packet packet;

	flow_packet(flow, TH_SYN, &packet);
	fixture_send(&fixture, &packet, &outcome);
	assert_int_equal(outcome.action == XDP_DROP, outcome.reason == REASON_NO_BACKEND);
	return outcome.reason;
}

static void drops_a_flow_only_when_nothing_could_be_sent_to(void **state)
{
	struct flow flow = client_of_blue();

	(void)state;
	fixture_set_stack_state(&fixture, "blue", LOST);
	assert_int_equal(reason_of(&flow), REASON_NO_BACKEND);
	assert_null(flow_find(&fixture, &flow));
	fixture_set_state(&fixture, "blue", "10.1.0.3", DOWN);
	assert_int_equal(flow_send(&fixture, &flow, TH_SYN),
			 fixture_slot(&fixture, "blue", "10.1.0.3"));
}

static void a_weightless_backend_gets_no_flow(void **state)
{
	uint32_t weightless = fixture_slot(&fixture, "red", "10.3.0.2");

	(void)state;
	for (int i = 0; i < FLOWS; i++) {
		struct flow flow = random_flow(80, PROTOCOL_TCP);

		assert_int_not_equal(flow_send(&fixture, &flow, TH_SYN), weightless);
	}
}

static void counters_add_up(void **state)
{
	const uint32_t ip_size = 20 + 20 + 16;
	struct traffic shop = fixture_service_traffic(&fixture, "blue-only");
	struct traffic backends = {}, before = {};
	uint64_t flows = fixture_new_flows(&fixture, "blue-only", "blue");
	static const char *const addresses[] = {"10.1.0.1", "10.1.0.2", "10.1.0.3"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		uint32_t slot = fixture_slot(&fixture, "blue", addresses[i]);

		before.packets += fixture_backend_traffic(&fixture, slot).packets;
		before.bytes += fixture_backend_traffic(&fixture, slot).bytes;
	}
	for (int i = 0; i < 100; i++) {
		struct flow flow = client_of_blue();

		flow_send(&fixture, &flow, TH_SYN);
		flow_send(&fixture, &flow, TH_ACK);
		flow_send(&fixture, &flow, TH_FIN | TH_ACK);
	}
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		uint32_t slot = fixture_slot(&fixture, "blue", addresses[i]);

		backends.packets += fixture_backend_traffic(&fixture, slot).packets;
		backends.bytes += fixture_backend_traffic(&fixture, slot).bytes;
	}
	assert_int_equal(backends.packets - before.packets, 300);
	assert_int_equal(backends.bytes - before.bytes, 300 * ip_size);
	assert_int_equal(fixture_service_traffic(&fixture, "blue-only").packets - shop.packets,
			 300);
	assert_int_equal(fixture_service_traffic(&fixture, "blue-only").bytes - shop.bytes,
			 300 * ip_size);
	assert_int_equal(fixture_new_flows(&fixture, "blue-only", "blue") - flows, 100);
}

static int open_fixture(void **state)
{
	const struct fixture_sizes sizes = {.flows = 4 * FLOWS};

	(void)state;
	fixture_open(&fixture, &sizes);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

/* Each test starts with the same weights, every backend up, and no flow. */
static int start_afresh(void **state)
{
	static const char *const stacks[] = {"blue", "green", "red"};

	(void)state;
	fixture_apply(&fixture, ROUTES(MIXED));
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
		AFRESH(picks_what_the_tables_say),
		AFRESH(flows_spread_by_weight_over_stacks_and_backends),
		AFRESH(a_client_has_one_stack_and_its_flows_several_backends),
		AFRESH(a_client_has_one_backend_where_the_service_is_sticky),
		AFRESH(growing_a_stack_takes_clients_only_for_it),
		AFRESH(a_dead_backends_flows_spread_by_weight_and_others_stay),
		AFRESH(a_dead_stacks_clients_spread_by_weight_and_others_stay),
		AFRESH(the_overlay_of_health_sends_flows_where_the_walk_did),
		AFRESH(recovery_brings_every_flow_back),
		AFRESH(health_is_ignored_when_everything_is_down),
		AFRESH(drops_a_flow_only_when_nothing_could_be_sent_to),
		AFRESH(a_weightless_backend_gets_no_flow),
		AFRESH(counters_add_up),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
