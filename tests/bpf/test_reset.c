/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What clients are answered whose flow's backend is down, where the service says `reset`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>

#include "common/util.h"
#include "lib/fixture.h"
#include "lib/flow.h"

#define C4	"198.51.100.7"
#define C6	"2001:db8:c::7"
#define DIRECT4 "203.0.113.1"
#define DIRECT6 "2001:db8::1"
#define OVER4	"203.0.113.2"
#define OVER6	"2001:db8::2"

#define UP   (BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)
#define DOWN BACKEND_ROUTE

static const char routes[] =
	"stacks:\n"
	"  direct: {backends: [{address: 10.1.0.1}, {address: 10.1.0.2}]}\n"
	"  tunnel: {forward: ipip, backends: [{address: '2001:db8:3::1'}, "
	"{address: '2001:db8:3::2'}]}\n"
	"services:\n"
	"  direct: {vips: [203.0.113.1, '2001:db8::1'], ports: [80], split: {direct: 1}, "
	"on_backend_down: reset}\n"
	"  over: {vips: [203.0.113.2, '2001:db8::2'], ports: [80], split: {tunnel: 1}, "
	"on_backend_down: reset}\n"
	"  datagrams: {vips: [203.0.113.1], protocol: udp, ports: [80], split: {direct: 1}, "
	"on_backend_down: reset}\n";

static struct fixture fixture;
static uint64_t seed = 7;

static void set_state(uint32_t slot, uint8_t state)
{
	__atomic_store_n(&fixture.view->backends[slot].state, state, __ATOMIC_RELEASE);
}

static struct flow new_flow(enum protocol protocol)
{
	return flow_random(&seed, DIRECT4, 80, protocol);
}

static struct outcome answer_to(const struct flow *flow, uint8_t tcp_flags)
{
	struct outcome outcome;
	struct packet packet;

	flow_packet(flow, tcp_flags, &packet);
	fixture_send(&fixture, &packet, &outcome);
	return outcome;
}

/* A flow with a completed handshake whose backend is down by now; that backend's slot. */
static uint32_t flow_bereft(const struct flow *flow)
{
	uint32_t slot = flow_send(&fixture, flow, TH_SYN);

	assert_int_equal(flow_send(&fixture, flow, TH_ACK), slot);
	set_state(slot, DOWN);
	return slot;
}

/* A client's packet, and the answer. */
struct exchange {
	const char *name;
	struct layer in[PACKET_LAYERS_MAX], out[PACKET_LAYERS_MAX];
};

static const struct layer *layer_of(const struct layer *layers, enum layer_kind a,
				    enum layer_kind b)
{
	while (layers->kind != a && layers->kind != b)
		layers++;
	return layers;
}

/* The slot that the flow of this packet has in its entry, once a SYN has made one. */
static uint32_t establish(const struct layer *in)
{
	const struct layer *ip = layer_of(in, LAYER_IP4, LAYER_IP6);
	struct flow flow = {
		.client_port = 4000,
		.vip_port = 80,
		.protocol = PROTOCOL_TCP,
	};
	struct outcome outcome;
	struct packet syn;

	assert_int_equal(address_parse(ip->src, &flow.client), 0);
	assert_int_equal(address_parse(ip->dst, &flow.vip), 0);
	flow_packet(&flow, TH_SYN, &syn);
	fixture_send(&fixture, &syn, &outcome);
	assert_int_equal(outcome.reason, REASON_FORWARDED);
	return flow_find(&fixture, &flow)->data.backend;
}

static void check_exchange(const struct exchange *e)
{
	struct packet in, expected = {};
	struct outcome outcome;
	uint32_t slot;

	fixture_forget_flows(&fixture);
	packet_build_layers(&in, e->in);
	packet_build_layers(&expected, e->out);
	slot = establish(e->in);
	set_state(slot, DOWN);
	fixture_send(&fixture, &in, &outcome);
	set_state(slot, UP);
	if (outcome.reason != REASON_RESET || outcome.action != XDP_TX)
		fail_msg("%s: %s, action %u", e->name, fixture_reason_name(outcome.reason),
			 outcome.action);
	if (packet_differs(&expected, &outcome.out))
		fail_msg("%s: other bytes than expected", e->name);
}

#define CHECK_EXCHANGES(...)                                                                       \
	do {                                                                                       \
		const struct exchange exchanges_[] = {__VA_ARGS__};                                \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(exchanges_); i_++)                             \
			check_exchange(&exchanges_[i_]);                                           \
	} while (0)

#define IN4(FLAGS, ...)	   pkt_eth(), pkt_ip4(C4, DIRECT4), pkt_tcp(4000, 80, FLAGS, ##__VA_ARGS__)
#define IN6(FLAGS, ...)	   pkt_eth(), pkt_ip6(C6, DIRECT6), pkt_tcp(4000, 80, FLAGS, ##__VA_ARGS__)
#define BACK		   pkt_eth(.dst = PKT_MAC_CLIENT, .src = PKT_MAC_EDGE)
#define PLAIN4(VIP)	   pkt_ip4(VIP, C4, .fragment = 0x4000)
#define RST_TO(FLAGS, ...) pkt_tcp(80, 4000, FLAGS, .window = -1, ##__VA_ARGS__)
#define OUT4(...)	   BACK, PLAIN4(DIRECT4), RST_TO(__VA_ARGS__)
#define OUT6(...)	   BACK, pkt_ip6(DIRECT6, C6), RST_TO(__VA_ARGS__)

static void a_segment_with_an_ack_gets_a_rst_that_begins_there(void **state)
{
	(void)state;
	CHECK_EXCHANGES({"IPv4",
			 {IN4(TH_ACK, .seq = 7, .ack = 0x89abcdef)},
			 {OUT4(TH_RST, .seq = 0x89abcdef)}},
			{"IPv6",
			 {IN6(TH_ACK, .seq = 7, .ack = 0x89abcdef)},
			 {OUT6(TH_RST, .seq = 0x89abcdef)}},
			{"FIN", {IN4(TH_FIN | TH_ACK, .ack = 1)}, {OUT4(TH_RST, .seq = 1)}},
			{"SYN and ACK", {IN4(TH_SYN | TH_ACK, .ack = 5)}, {OUT4(TH_RST, .seq = 5)}},
			{"data",
			 {IN4(TH_PUSH | TH_ACK, .seq = 9, .ack = 0xffffffff, .options = 3),
			  pkt_payload(1000)},
			 {OUT4(TH_RST, .seq = 0xffffffff)}},
			{"data, IPv6",
			 {IN6(TH_PUSH | TH_ACK, .seq = 9, .ack = 6, .options = 10), pkt_payload(1)},
			 {OUT6(TH_RST, .seq = 6)}});
}

static void a_segment_without_an_ack_is_acknowledged_whole(void **state)
{
	(void)state;
	CHECK_EXCHANGES({"data",
			 {IN4(TH_PUSH, .seq = 1000, .options = 3), pkt_payload(11)},
			 {OUT4(TH_RST | TH_ACK, .ack = 1011)}},
			{"FIN",
			 {IN4(TH_FIN, .seq = 1000), pkt_payload(11)},
			 {OUT4(TH_RST | TH_ACK, .ack = 1012)}},
			{"over the end of the numbers",
			 {IN6(0, .seq = 0xffffffff), pkt_payload(3)},
			 {OUT6(TH_RST | TH_ACK, .ack = 2)}},
			{"its own ack number, unused",
			 {IN6(TH_FIN, .seq = 1, .ack = 99)},
			 {OUT6(TH_RST | TH_ACK, .ack = 2)}});
}

static void the_answer_has_plain_headers_and_the_tags_it_came_with(void **state)
{
	(void)state;
	CHECK_EXCHANGES(
		{"one tag",
		 {pkt_eth(), pkt_vlan(7), pkt_ip4(C4, DIRECT4), pkt_tcp(4000, 80, TH_ACK, .ack = 3),
		  pkt_payload(100)},
		 {BACK, pkt_vlan(7), PLAIN4(DIRECT4), RST_TO(TH_RST, .seq = 3)}},
		{"two tags, IPv6",
		 {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8), pkt_ip6(C6, DIRECT6),
		  pkt_tcp(4000, 80, TH_ACK, .ack = 3)},
		 {pkt_eth(.dst = PKT_MAC_CLIENT, .src = PKT_MAC_EDGE, .protocol = 0x88a8),
		  pkt_vlan(7), pkt_vlan(8), pkt_ip6(DIRECT6, C6), RST_TO(TH_RST, .seq = 3)}},
		{"IPv4 options, TOS, TTL",
		 {pkt_eth(), pkt_ip4(C4, DIRECT4, .options = 4, .tos = 0xb8, .ttl = 3, .ip_id = 77),
		  pkt_tcp(4000, 80, TH_ACK, .ack = 3), pkt_payload(5)},
		 {OUT4(TH_RST, .seq = 3)}},
		{"IPv6 extension headers",
		 {pkt_eth(), pkt_ip6(C6, DIRECT6, .tos = 0xb8, .flow_label = 5, .ttl = 3),
		  pkt_ext(EXT_HOP_BY_HOP), pkt_ext(EXT_DESTINATION, .options = 2),
		  pkt_tcp(4000, 80, TH_ACK, .ack = 3), pkt_payload(5)},
		 {OUT6(TH_RST, .seq = 3)}},
		{"padding of the frame",
		 {pkt_eth(), pkt_ip4(C4, DIRECT4, .length = 40),
		  pkt_tcp(4000, 80, TH_FIN, .seq = 1), pkt_payload(6)},
		 {OUT4(TH_RST | TH_ACK, .ack = 2)}});
}

static void the_way_to_the_backend_makes_no_difference(void **state)
{
	(void)state;
	CHECK_EXCHANGES({"tunnel",
			 {pkt_eth(), pkt_ip4(C4, OVER4), pkt_tcp(4000, 80, TH_ACK, .ack = 4),
			  pkt_payload(1400)},
			 {BACK, PLAIN4(OVER4), RST_TO(TH_RST, .seq = 4)}},
			{"tunnel, IPv6",
			 {pkt_eth(), pkt_ip6(C6, OVER6), pkt_tcp(4000, 80, TH_ACK, .ack = 4)},
			 {BACK, pkt_ip6(OVER6, C6), RST_TO(TH_RST, .seq = 4)}});
}

/* The next connection, too: on other ports, or on the same ones. */
static void the_next_connection_goes_to_another_backend_at_once(void **state)
{
	uint64_t before = fixture_new_flows(&fixture, "direct", "direct");
	struct flow flow = new_flow(PROTOCOL_TCP), next = flow;
	uint32_t slot = flow_bereft(&flow), other;

	(void)state;
	assert_int_equal(answer_to(&flow, TH_ACK).reason, REASON_RESET);
	next.client_port ^= 1;
	assert_int_not_equal(flow_send(&fixture, &next, TH_SYN), slot);
	other = flow_send(&fixture, &flow, TH_SYN);
	assert_int_not_equal(other, slot);
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), other);
	assert_int_equal(fixture_new_flows(&fixture, "direct", "direct") - before, 3);
}

static void what_was_on_its_way_is_answered_likewise(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	struct reasons before;

	(void)state;
	flow_bereft(&flow);
	before = fixture_reasons(&fixture);
	for (int i = 0; i < 3; i++)
		assert_int_equal(answer_to(&flow, TH_ACK).reason, REASON_RESET);
	assert_int_equal(fixture_reasons(&fixture).reset - before.reset, 3);
	assert_int_equal(fixture_reasons(&fixture).flow_moves, before.flow_moves);
}

static void a_backend_that_is_back_gets_what_is_left_of_its_flows(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	uint32_t slot = flow_bereft(&flow);

	(void)state;
	assert_int_equal(answer_to(&flow, TH_ACK).reason, REASON_RESET);
	set_state(slot, UP);
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
}

static void a_backend_without_a_next_hop_is_down_too(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	set_state(slot, UP & ~BACKEND_ROUTE);
	assert_int_equal(answer_to(&flow, TH_ACK).reason, REASON_RESET);
}

static void a_drained_backend_keeps_its_flows(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

	(void)state;
	set_state(slot, UP & ~BACKEND_NEW);
	assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
}

static void a_rst_or_a_syn_is_not_answered_but_moves(void **state)
{
	const uint8_t flags[] = {TH_RST, TH_RST | TH_ACK, TH_RST | TH_SYN | TH_ACK, TH_SYN,
				 TH_SYN | TH_PUSH};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct reasons before = fixture_reasons(&fixture);
		struct flow flow = new_flow(PROTOCOL_TCP);
		uint32_t slot = flow_bereft(&flow);

		assert_int_not_equal(flow_send(&fixture, &flow, flags[i]), slot);
		assert_int_equal(fixture_reasons(&fixture).flow_moves, before.flow_moves + 1);
		set_state(slot, UP);
	}
}

static void datagrams_move(void **state)
{
	struct flow flow = new_flow(PROTOCOL_UDP);
	uint32_t slot = flow_send(&fixture, &flow, 0);

	(void)state;
	set_state(slot, DOWN);
	assert_int_not_equal(flow_send(&fixture, &flow, 0), slot);
}

static void an_icmp_error_about_the_flow_is_not_answered(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	char client[ADDRESS_TEXT_MAX];
	struct outcome outcome;
	struct packet packet;

	(void)state;
	flow_bereft(&flow);
	packet_build(&packet, pkt_eth(), pkt_ip4("192.0.2.50", DIRECT4),
		     pkt_icmp4(3, 4, .rest = 1400),
		     pkt_ip4(DIRECT4, address_text(&flow.client, client)),
		     pkt_tcp(80, flow.client_port, TH_ACK), pkt_payload(20));
	fixture_send(&fixture, &packet, &outcome);
	assert_int_equal(outcome.reason, REASON_FORWARDED);
}

static void what_is_unusual_moves(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	struct outcome outcome;
	struct packet packet;
	uint32_t slot;

	(void)state;
	slot = flow_bereft(&flow);
	flow_packet(&flow, TH_ACK, &packet);
	packet.data[14 + 20 + 12] = 4 << 4; /* a TCP header of 16 bytes */
	fixture_send(&fixture, &packet, &outcome);
	assert_int_not_equal(fixture_receiver(&outcome), slot);
	assert_int_equal(outcome.reason, REASON_FORWARDED);
	fixture_forget_flows(&fixture);
	set_state(slot, UP);
	slot = flow_bereft(&flow);
	flow_packet(&flow, TH_ACK, &packet);
	packet.data[0] |= 1; /* to a group of hosts */
	fixture_send(&fixture, &packet, &outcome);
	assert_int_equal(outcome.reason, REASON_FORWARDED);
}

/* Or no connection could be made while health is ignored. */
static void where_every_backend_is_down_flows_go_on(void **state)
{
	(void)state;
	fixture_set_stack_state(&fixture, "direct", DOWN);
	for (int i = 0; i < 20; i++) {
		struct flow flow = new_flow(PROTOCOL_TCP);
		uint32_t slot = flow_send(&fixture, &flow, TH_SYN);

		assert_int_equal(flow_send(&fixture, &flow, TH_ACK), slot);
		assert_int_equal(flow_send(&fixture, &flow, TH_FIN | TH_ACK), slot);
	}
}

static void where_no_packet_can_be_sent_the_client_is_told(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);

	(void)state;
	flow_send(&fixture, &flow, TH_SYN);
	fixture_set_stack_state(&fixture, "direct", 0);
	assert_int_equal(answer_to(&flow, TH_ACK).reason, REASON_RESET);
	assert_int_equal(answer_to(&flow, TH_SYN).reason, REASON_NO_BACKEND);
}

static uint64_t traffic_of_all(void)
{
	uint64_t sum = fixture_service_traffic(&fixture, "direct").packets;

	for (uint32_t i = 0; i < fixture.view->backend_slots; i++)
		sum += fixture_backend_traffic(&fixture, i).packets;
	return sum;
}

static uint64_t flow_counts_of_all(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < fixture.view->cpus * fixture.view->backend_slots; i++) {
		const struct flow_counts *c = &fixture.view->flow_counts[i];

		sum += c->syns + c->syn_retransmits + c->handshakes + c->resets +
		       c->resets_connecting + c->fins + c->taken_over;
	}
	return sum;
}

static void an_answer_is_no_traffic_of_any_backend(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	uint64_t traffic, counts;

	(void)state;
	flow_bereft(&flow);
	traffic = traffic_of_all();
	counts = flow_counts_of_all();
	assert_int_equal(answer_to(&flow, TH_ACK).reason, REASON_RESET);
	assert_int_equal(answer_to(&flow, TH_FIN | TH_ACK).reason, REASON_RESET);
	assert_int_equal(traffic_of_all(), traffic);
	assert_int_equal(flow_counts_of_all(), counts);
}

static void a_sampled_flow_that_was_answered_is_not_measured_on(void **state)
{
	struct flow flow = new_flow(PROTOCOL_TCP);
	struct flow_tuple tuple = flow_tuple_of(&flow);
	uint64_t fingerprint = flow_fingerprint(&fixture.view->control->node_key, &tuple);
	uint32_t mask = fixture.view->control->sample_mask, slot;
	struct flow_sample *s = &fixture.view->samples[((hash_finish(fingerprint) >> 32) *
							(uint64_t)fixture.view->sample_slots) >>
						       32];

	(void)state;
	fixture.view->control->sample_mask = 0;
	memset(s, 0, sizeof(*s));
	s->key = fingerprint;
	slot = flow_bereft(&flow);
	assert_int_equal(flow_find(&fixture, &flow)->data.flags & FLOW_SAMPLED, FLOW_SAMPLED);
	assert_int_equal(s->key, fingerprint);
	assert_int_equal(answer_to(&flow, TH_ACK).reason, REASON_RESET);
	assert_int_equal(s->key, 0);
	assert_int_equal(flow_find(&fixture, &flow)->data.flags, FLOW_CLOSING);
	assert_int_equal(flow_find(&fixture, &flow)->data.backend, slot);
	fixture.view->control->sample_mask = mask;
}

static int open_fixture(void **state)
{
	const struct fixture_sizes sizes = {};

	(void)state;
	fixture_open(&fixture, &sizes);
	fixture_apply(&fixture, routes);
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
	(void)state;
	fixture_set_stack_state(&fixture, "direct", UP);
	fixture_set_stack_state(&fixture, "tunnel", UP);
	fixture_forget_flows(&fixture);
	return 0;
}

#define AFRESH(TEST) cmocka_unit_test_setup(TEST, start_afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AFRESH(a_segment_with_an_ack_gets_a_rst_that_begins_there),
		AFRESH(a_segment_without_an_ack_is_acknowledged_whole),
		AFRESH(the_answer_has_plain_headers_and_the_tags_it_came_with),
		AFRESH(the_way_to_the_backend_makes_no_difference),
		AFRESH(the_next_connection_goes_to_another_backend_at_once),
		AFRESH(what_was_on_its_way_is_answered_likewise),
		AFRESH(a_backend_that_is_back_gets_what_is_left_of_its_flows),
		AFRESH(a_backend_without_a_next_hop_is_down_too),
		AFRESH(a_drained_backend_keeps_its_flows),
		AFRESH(a_rst_or_a_syn_is_not_answered_but_moves),
		AFRESH(datagrams_move),
		AFRESH(an_icmp_error_about_the_flow_is_not_answered),
		AFRESH(what_is_unusual_moves),
		AFRESH(where_every_backend_is_down_flows_go_on),
		AFRESH(where_no_packet_can_be_sent_the_client_is_told),
		AFRESH(an_answer_is_no_traffic_of_any_backend),
		AFRESH(a_sampled_flow_that_was_answered_is_not_measured_on),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
