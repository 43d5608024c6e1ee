/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which flows are remembered, for how long, and what becomes of them when things change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/util.h"
#include "lib/fixture.h"
#include "lib/flow.h"

#define V4 "203.0.113.10"
#define V6 "2001:db8::10"

#define UP	(BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)
#define DRAINED (BACKEND_KEEP | BACKEND_ROUTE)
#define DOWN	BACKEND_ROUTE

/* Two stacks of two backends; services that differ in what becomes of a dead backend's flows. */
#define ROUTES(SPLIT)                                                                              \
	"stacks:\n"                                                                                \
	"  blue: {backends: [{address: 10.1.0.1}, {address: 10.1.0.2}]}\n"                         \
	"  green: {backends: [{address: 10.2.0.1}, {address: 10.2.0.2}]}\n"                        \
	"services:\n"                                                                              \
	"  moves: {vips: [203.0.113.10, '2001:db8::10'], ports: [80], split: {" SPLIT "}}\n"       \
	"  keeps: {vips: [203.0.113.10], ports: [81], split: {" SPLIT "}, on_backend_down: "       \
	"keep}\n"                                                                                  \
	"  datagrams: {vips: [203.0.113.10, '2001:db8::10'], protocol: udp, ports: [80], split: "  \
	"{" SPLIT "}}\n"
#define ALL_BLUE  "blue: 1, green: 0"
#define ALL_GREEN "blue: 0, green: 1"

static const char *const blue[] = {"10.1.0.1", "10.1.0.2"};

static struct fixture fixture;
static uint64_t seed = 42;

static bool is_in(uint32_t slot, const char *stack)
{
	return !strcmp(fixture.view->backends[slot].stack, stack);
}

static void set_state(uint32_t slot, uint8_t state)
{
	__atomic_store_n(&fixture.view->backends[slot].state, state, __ATOMIC_RELEASE);
}

static struct flow new_flow(uint16_t port)
{
	return flow_random(&seed, V4, port, PROTOCOL_TCP);
}

static void a_flow_stays_where_it_is_when_weights_change(void **state)
{
	struct flow flows[40];
	uint32_t slots[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		flows[i] = flow_random(&seed, i % 2 ? V6 : V4, 80,
				       i % 4 < 2 ? PROTOCOL_TCP : PROTOCOL_UDP);
		slots[i] = flow_send(&fixture, &flows[i], TH_SYN);
		assert_true(is_in(slots[i], "blue"));
	}
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		struct flow fresh = flow_random(&seed, i % 2 ? V6 : V4, 80, flows[i].protocol);

		assert_int_equal(flow_send(&fixture, &flows[i], TH_ACK), slots[i]);
		assert_true(is_in(flow_send(&fixture, &fresh, TH_SYN), "green"));
	}
}

static void a_rollback_reaches_new_flows_alone(void **state)
{
	struct flow before = new_flow(80), between = new_flow(80), after = new_flow(80);

	(void)state;
	assert_true(is_in(flow_send(&fixture, &before, TH_SYN), "blue"));
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	assert_true(is_in(flow_send(&fixture, &between, TH_SYN), "green"));
	bank_activate(fixture.view, !fixture.view->control->active);
	assert_true(is_in(flow_send(&fixture, &after, TH_SYN), "blue"));
	assert_true(is_in(flow_send(&fixture, &between, TH_ACK), "green"));
	assert_true(is_in(flow_send(&fixture, &before, TH_ACK), "blue"));
}

static void a_flow_met_in_its_middle_is_remembered_too(void **state)
{
	struct flow flow = new_flow(80);
	uint32_t slot = flow_send(&fixture, &flow, TH_ACK);

	(void)state;
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
}

static void a_syn_sent_again_stays(void **state)
{
	struct flow flow = new_flow(80);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	assert_int_equal(flow_send(&fixture, &flow, TH_SYN), slot);
}

static void a_syn_after_a_fin_or_rst_starts_anew(void **state)
{
	const uint8_t ends[] = {TH_FIN | TH_ACK, TH_RST, TH_RST | TH_ACK};
	struct flow flows[ARRAY_SIZE(ends)];
	uint32_t slots[ARRAY_SIZE(ends)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		flows[i] = new_flow(80);
		slots[i] = flow_send(&fixture, &flows[i], TH_SYN);
	}
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		assert_int_equal(flow_send(&fixture, &flows[i], ends[i]), slots[i]);
		assert_int_equal(flow_send(&fixture, &flows[i], TH_ACK), slots[i]);
		assert_true(is_in(flow_send(&fixture, &flows[i], TH_SYN), "green"));
		assert_true(is_in(flow_send(&fixture, &flows[i], TH_SYN), "green"));
	}
}

static void a_silent_udp_flow_is_a_new_one(void **state)
{
	struct flow flow = flow_random(&seed, V4, 80, PROTOCOL_UDP);
	uint32_t slot = flow_send(&fixture, &flow, 0);

	(void)state;
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	flow_age(flow_find(&fixture, &flow), FLOW_UDP_IDLE_TICKS - 1);
	assert_int_equal(flow_send(&fixture, &flow, 0), slot);
	flow_age(flow_find(&fixture, &flow), FLOW_UDP_IDLE_TICKS - 1);
	assert_int_equal(flow_send(&fixture, &flow, 0), slot);
	flow_age(flow_find(&fixture, &flow), FLOW_UDP_IDLE_TICKS + 1);
	assert_true(is_in(flow_send(&fixture, &flow, 0), "green"));
}

static void a_silent_tcp_flow_stays(void **state)
{
	struct flow flow = new_flow(80);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	flow_age(flow_find(&fixture, &flow), 30000);
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
}

static void a_slot_of_another_generation_forgets_its_flows_at_once(void **state)
{
	struct flow flow = new_flow(80);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	fixture.view->backends[slot].generation++;
	assert_true(is_in(flow_send(&fixture, &flow, TH_ACK), "green"));
}

static void flows_of_a_dead_backend_move_and_stay_there(void **state)
{
	struct reasons before = fixture_reasons(&fixture);
	struct flow flow = new_flow(80);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN), other;

	(void)state;
	set_state(slot, DOWN);
	other = flow_send(&fixture, &flow, TH_ACK);
	assert_int_not_equal(other, slot);
	assert_true(is_in(other, "blue"));
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), other);
	set_state(slot, UP);
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), other);
	assert_int_equal(fixture_reasons(&fixture).flow_moves, before.flow_moves + 1);
}

static void flows_of_a_dead_backend_stay_where_the_service_says_keep(void **state)
{
	struct flow flow = new_flow(81);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	set_state(slot, DOWN);
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
	for (int i = 0; i < 20; i++) {
		struct flow fresh = new_flow(81);

		assert_int_not_equal(flow_send(&fixture, &fresh, TH_SYN), slot);
	}
}

static void flows_move_wherever_no_packet_could_be_sent(void **state)
{
	struct flow flow = new_flow(81);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	set_state(slot, UP & ~BACKEND_ROUTE);
	assert_int_not_equal(flow_send(&fixture, &flow, TH_ACK), slot);
}

static void a_drained_backend_keeps_its_flows_and_gets_no_more(void **state)
{
	struct flow flow = new_flow(80);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	set_state(slot, DRAINED);
	for (int i = 0; i < 20; i++) {
		struct flow fresh = new_flow(80);

		assert_int_not_equal(flow_send(&fixture, &fresh, TH_SYN), slot);
		assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
	}
}

/* From a router on the way, about a packet that the backend sent. */
static uint32_t send_icmp_error(const struct flow *flow)
{
	char client[ADDRESS_TEXT_MAX];
	struct outcome outcome;
	struct packet packet;

	packet_build(&packet, pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(3, 4, .rest = 1400),
		     pkt_ip4(V4, address_text(&flow->client, client)),
		     pkt_tcp(flow->vip_port, flow->client_port, TH_ACK), pkt_payload(20));
	fixture_send(&fixture, &packet, &outcome);
	assert_int_equal(outcome.reason, REASON_FORWARDED);
	return (uint32_t)fixture_receiver(&outcome);
}

static void an_icmp_error_follows_its_flow(void **state)
{
	struct flow flow = new_flow(80);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	fixture_apply(&fixture, ROUTES(ALL_GREEN));
	assert_int_equal(send_icmp_error(&flow), slot);
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
}

static void an_icmp_error_makes_no_flow(void **state)
{
	struct flow flow = new_flow(80);
	struct reasons before = fixture_reasons(&fixture);
	struct flow_pick pick = flow_expect(&fixture, "moves", &flow, false);

	(void)state;
	assert_int_equal(send_icmp_error(&flow), pick.slot);
	assert_null(flow_find(&fixture, &flow));
	assert_int_equal(fixture_reasons(&fixture).flow_inserts, before.flow_inserts);
}

static void flows_that_differ_in_anything_are_different_flows(void **state)
{
	struct flow one = new_flow(80), others[4] = {one, one, one, one};

	(void)state;
	others[0].client.bytes[15] ^= 1;
	others[1].client_port ^= 1;
	others[2].protocol = PROTOCOL_UDP;
	others[3].vip_port = 81;
	flow_send(&fixture, &one, TH_SYN);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_null(flow_find(&fixture, &others[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		flow_send(&fixture, &others[i], TH_SYN);
		assert_ptr_not_equal(flow_find(&fixture, &others[i]), flow_find(&fixture, &one));
	}
}

static void a_packet_makes_its_flow_young(void **state)
{
	struct flow flow = new_flow(80);
	uint16_t seen;

	(void)state;
	flow_send(&fixture, &flow, TH_SYN);
	seen = flow_find(&fixture, &flow)->data.seen;
	flow_age(flow_find(&fixture, &flow), 1000);
	flow_send(&fixture, &flow, TH_ACK);
	assert_in_range((uint16_t)(flow_find(&fixture, &flow)->data.seen - seen), 0, 100);
}

/* A table of one bucket: every flow meets every other. */
static void a_full_bucket_evicts_its_oldest(void **state)
{
	const struct fixture_sizes sizes = {.flows = STEER_BUCKET_ENTRIES};
	struct flow flows[STEER_BUCKET_ENTRIES + 1];
	struct fixture one;

	(void)state;
	fixture_open(&one, &sizes);
	fixture_apply(&one, ROUTES(ALL_BLUE));
	for (int oldest = 0; oldest < STEER_BUCKET_ENTRIES; oldest++) {
		fixture_forget_flows(&one);
		for (int i = 0; i <= STEER_BUCKET_ENTRIES; i++)
			flows[i] = new_flow(80);
		for (int i = 0; i < STEER_BUCKET_ENTRIES; i++) {
			flow_send(&one, &flows[i], TH_SYN);
			flow_age(flow_find(&one, &flows[i]), i == oldest ? 500 : 400);
		}
		flow_send(&one, &flows[STEER_BUCKET_ENTRIES], TH_SYN);
		for (int i = 0; i <= STEER_BUCKET_ENTRIES; i++)
			assert_int_equal(flow_find(&one, &flows[i]) == NULL, i == oldest);
	}
	assert_int_equal(fixture_reasons(&one).flow_evictions, STEER_BUCKET_ENTRIES);
	assert_int_equal(fixture_reasons(&one).flow_inserts, STEER_BUCKET_ENTRIES * 5);
	fixture_close(&one);
}

/* How many of `n` new flows were remembered; -1: they were not all sent within one tick. */
static int remembered_in_a_tick(struct fixture *one, int n)
{
	struct reasons *r = &one->view->reasons[one->cpu];
	int found = 0;
	uint64_t tick = 0;

	fixture_forget_flows(one);
	r->ration_tick = 0;
	for (int i = 0; i < n; i++) {
		struct flow flow = new_flow(80);

		flow_send(one, &flow, TH_SYN);
		if (i == 0)
			tick = r->ration_tick;
		found += flow_find(one, &flow) != NULL;
	}
	return r->ration_tick == tick ? found : -1;
}

static void a_cpu_remembers_so_many_new_flows_in_a_tick_and_steers_the_others(void **state)
{
	const struct fixture_sizes sizes = {.flow_ration = 7};
	struct reasons before, after;
	struct fixture one;
	int found;

	(void)state;
	fixture_open(&one, &sizes);
	fixture_apply(&one, ROUTES(ALL_BLUE));
	do {
		before = fixture_reasons(&one);
		found = remembered_in_a_tick(&one, 20);
		after = fixture_reasons(&one);
	} while (found < 0);
	assert_int_equal(found, 7);
	assert_int_equal(after.flow_inserts - before.flow_inserts, 7);
	assert_int_equal(after.flow_rationed - before.flow_rationed, 13);
	assert_int_equal(after.forwarded - before.forwarded, 20);
	fixture_close(&one);
}

static void new_flows_are_counted_once_and_for_their_stack(void **state)
{
	uint64_t blue_before = fixture_new_flows(&fixture, "moves", "blue");
	uint64_t green_before = fixture_new_flows(&fixture, "moves", "green");
	struct flow flow = new_flow(80), ended = new_flow(80), middle = new_flow(80);
	uint32_t slot;

	(void)state;
	slot = flow_send(&fixture, &flow, TH_SYN);
	flow_send(&fixture, &flow, TH_SYN);
	flow_send(&fixture, &flow, TH_ACK);
	flow_send(&fixture, &middle, TH_ACK);
	set_state(slot, DOWN);
	flow_send(&fixture, &flow, TH_SYN);
	set_state(slot, UP);
	flow_send(&fixture, &ended, TH_SYN);
	flow_send(&fixture, &ended, TH_FIN | TH_ACK);
	flow_send(&fixture, &ended, TH_SYN);
	assert_int_equal(fixture_new_flows(&fixture, "moves", "blue") - blue_before, 3);
	assert_int_equal(fixture_new_flows(&fixture, "moves", "green") - green_before, 0);
}

static int open_fixture(void **state)
{
	const struct fixture_sizes sizes = {};

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

/* Each test starts with blue live, every backend up, and no flow. */
static int start_afresh(void **state)
{
	(void)state;
	fixture_apply(&fixture, ROUTES(ALL_BLUE));
	fixture_apply(&fixture, ROUTES(ALL_BLUE));
	for (size_t i = 0; i < ARRAY_SIZE(blue); i++)
		fixture_set_state(&fixture, "blue", blue[i], UP);
	fixture_forget_flows(&fixture);
	return 0;
}

#define AFRESH(TEST) cmocka_unit_test_setup(TEST, start_afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AFRESH(a_flow_stays_where_it_is_when_weights_change),
		AFRESH(a_rollback_reaches_new_flows_alone),
		AFRESH(a_flow_met_in_its_middle_is_remembered_too),
		AFRESH(a_syn_sent_again_stays),
		AFRESH(a_syn_after_a_fin_or_rst_starts_anew),
		AFRESH(a_silent_udp_flow_is_a_new_one),
		AFRESH(a_silent_tcp_flow_stays),
		AFRESH(a_slot_of_another_generation_forgets_its_flows_at_once),
		AFRESH(flows_of_a_dead_backend_move_and_stay_there),
		AFRESH(flows_of_a_dead_backend_stay_where_the_service_says_keep),
		AFRESH(flows_move_wherever_no_packet_could_be_sent),
		AFRESH(a_drained_backend_keeps_its_flows_and_gets_no_more),
		AFRESH(an_icmp_error_follows_its_flow),
		AFRESH(an_icmp_error_makes_no_flow),
		AFRESH(flows_that_differ_in_anything_are_different_flows),
		AFRESH(a_packet_makes_its_flow_young),
		AFRESH(a_full_bucket_evicts_its_oldest),
		AFRESH(a_cpu_remembers_so_many_new_flows_in_a_tick_and_steers_the_others),
		AFRESH(new_flows_are_counted_once_and_for_their_stack),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
