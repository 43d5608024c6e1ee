/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bytes that leave, by each way to a backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <arpa/inet.h>

#include "common/util.h"
#include "lib/fixture.h"
#include "lib/flow.h"

#define C4	"198.51.100.7"
#define C6	"2001:db8:c::7"
#define DIRECT4 "203.0.113.1" /* a VIP for each stack */
#define DIRECT6 "2001:db8::1"
#define OVER4	"203.0.113.2"
#define OVER6	"203.0.113.3"
#define OVER66	"2001:db8::3"
#define HERE	"203.0.113.4"
#define B4	"10.3.0.1" /* backends of the tunnels */
#define B6	"2001:db8:3::1"

static const char routes[] = "stacks:\n"
			     "  direct: {backends: [{address: 10.1.0.1}]}\n"
			     "  tunnel4: {forward: ipip, backends: [{address: 10.3.0.1}]}\n"
			     "  tunnel6: {forward: ipip, backends: [{address: '2001:db8:3::1'}]}\n"
			     "  here: {forward: local}\n"
			     "services:\n"
			     "  direct: {vips: [203.0.113.1, '2001:db8::1'], split: {direct: 1}}\n"
			     "  over4: {vips: [203.0.113.2], split: {tunnel4: 1}}\n"
			     "  over6: {vips: [203.0.113.3, '2001:db8::3'], split: {tunnel6: 1}}\n"
			     "  here: {vips: [203.0.113.4], split: {here: 1}}\n";

static struct fixture fixture;

/* One packet in and, but for the MACs, which follow from the backend, out. */
struct way {
	const char *name, *stack, *backend;
	struct layer in[PACKET_LAYERS_MAX], out[PACKET_LAYERS_MAX];
};

static void build_expected(const struct way *way, struct packet *ret)
{
	uint32_t slot = fixture_slot(&fixture, way->stack, way->backend);
	struct layer layers[PACKET_LAYERS_MAX];
	char dst[32], src[32];

	snprintf(dst, sizeof(dst), "06:00:00:00:%02x:%02x", slot >> 8, slot & 255);
	snprintf(src, sizeof(src), "02:00:00:00:%02x:%02x", slot >> 8, slot & 255);
	memcpy(layers, way->out, sizeof(layers));
	layers[0].dst = dst;
	layers[0].src = src;
	packet_build_layers(ret, layers);
}

static void check_way(const struct way *way)
{
	struct packet in, expected = {};
	struct outcome outcome;

	packet_build_layers(&in, way->in);
	build_expected(way, &expected);
	fixture_send(&fixture, &in, &outcome);
	if (outcome.reason != REASON_FORWARDED || outcome.action != XDP_TX)
		fail_msg("%s: %s, action %u", way->name, fixture_reason_name(outcome.reason),
			 outcome.action);
	if (packet_differs(&expected, &outcome.out))
		fail_msg("%s: other bytes than expected", way->name);
}

#define CHECK_WAYS(...)                                                                            \
	do {                                                                                       \
		const struct way ways_[] = {__VA_ARGS__};                                          \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(ways_); i_++)                                  \
			check_way(&ways_[i_]);                                                     \
	} while (0)

#define TCP	      pkt_tcp(4000, 80, TH_ACK, .options = 3), pkt_payload(100)
#define EDGE	      FIXTURE_SOURCE4
#define DONT_FRAGMENT .fragment = 0x4000

static void l2_rewrites_the_macs_and_nothing_else(void **state)
{
	(void)state;
	CHECK_WAYS(
		{"IPv4",
		 "direct",
		 "10.1.0.1",
		 {pkt_eth(), pkt_ip4(C4, DIRECT4, .tos = 0xb9, .ttl = 3), TCP},
		 {pkt_eth(), pkt_ip4(C4, DIRECT4, .tos = 0xb9, .ttl = 3), TCP}},
		{"IPv6",
		 "direct",
		 "10.1.0.1",
		 {pkt_eth(), pkt_ip6(C6, DIRECT6, .flow_label = 0xabcde), TCP},
		 {pkt_eth(), pkt_ip6(C6, DIRECT6, .flow_label = 0xabcde), TCP}},
		{"tags",
		 "direct",
		 "10.1.0.1",
		 {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8), pkt_ip4(C4, DIRECT4), TCP},
		 {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8), pkt_ip4(C4, DIRECT4),
		  TCP}});
}

static void ipip_puts_one_outer_header_in_front(void **state)
{
	(void)state;
	CHECK_WAYS({"4-in-4",
		    "tunnel4",
		    B4,
		    {pkt_eth(), pkt_ip4(C4, OVER4), TCP},
		    {pkt_eth(), pkt_ip4(EDGE, B4, DONT_FRAGMENT), pkt_ip4(C4, OVER4), TCP}},
		   {"4-in-6",
		    "tunnel6",
		    B6,
		    {pkt_eth(), pkt_ip4(C4, OVER6), TCP},
		    {pkt_eth(), pkt_ip6(FIXTURE_SOURCE6, B6), pkt_ip4(C4, OVER6), TCP}},
		   {"6-in-6",
		    "tunnel6",
		    B6,
		    {pkt_eth(), pkt_ip6(C6, OVER66), TCP},
		    {pkt_eth(), pkt_ip6(FIXTURE_SOURCE6, B6), pkt_ip6(C6, OVER66), TCP}});
}

static void ipip_leaves_the_inner_packet_alone(void **state)
{
	(void)state;
	CHECK_WAYS({"options and an id",
		    "tunnel4",
		    B4,
		    {pkt_eth(), pkt_ip4(C4, OVER4, .options = 10, .ip_id = 77, .ttl = 2), TCP},
		    {pkt_eth(), pkt_ip4(EDGE, B4, DONT_FRAGMENT),
		     pkt_ip4(C4, OVER4, .options = 10, .ip_id = 77, .ttl = 2), TCP}},
		   {"extension headers",
		    "tunnel6",
		    B6,
		    {pkt_eth(), pkt_ip6(C6, OVER66, .flow_label = 0x12345),
		     pkt_ext(EXT_DESTINATION), TCP},
		    {pkt_eth(), pkt_ip6(FIXTURE_SOURCE6, B6),
		     pkt_ip6(C6, OVER66, .flow_label = 0x12345), pkt_ext(EXT_DESTINATION), TCP}},
		   {"an ICMP error",
		    "tunnel4",
		    B4,
		    {pkt_eth(), pkt_ip4("192.0.2.50", OVER4), pkt_icmp4(3, 4, .rest = 1400),
		     pkt_ip4(OVER4, C4), pkt_tcp(80, 4000, TH_ACK)},
		    {pkt_eth(), pkt_ip4(EDGE, B4, DONT_FRAGMENT), pkt_ip4("192.0.2.50", OVER4),
		     pkt_icmp4(3, 4, .rest = 1400), pkt_ip4(OVER4, C4), pkt_tcp(80, 4000, TH_ACK)}},
		   {"the smallest packet there is",
		    "tunnel4",
		    B4,
		    {pkt_eth(), pkt_ip4(C4, OVER4), pkt_tcp(4000, 80, TH_SYN)},
		    {pkt_eth(), pkt_ip4(EDGE, B4, DONT_FRAGMENT), pkt_ip4(C4, OVER4),
		     pkt_tcp(4000, 80, TH_SYN)}},
		   {"padding stays behind the packet",
		    "tunnel4",
		    B4,
		    {pkt_eth(), pkt_ip4(C4, OVER4, .length = 40), pkt_tcp(4000, 80, TH_SYN),
		     pkt_payload(6)},
		    {pkt_eth(), pkt_ip4(EDGE, B4, DONT_FRAGMENT, .length = 60),
		     pkt_ip4(C4, OVER4, .length = 40), pkt_tcp(4000, 80, TH_SYN), pkt_payload(6)}});
}

static void ipip_keeps_vlan_tags_in_front_of_the_outer_header(void **state)
{
	(void)state;
	CHECK_WAYS(
		{"one, 4-in-4",
		 "tunnel4",
		 B4,
		 {pkt_eth(), pkt_vlan(0x2123), pkt_ip4(C4, OVER4), TCP},
		 {pkt_eth(), pkt_vlan(0x2123), pkt_ip4(EDGE, B4, DONT_FRAGMENT), pkt_ip4(C4, OVER4),
		  TCP}},
		{"two, 4-in-4",
		 "tunnel4",
		 B4,
		 {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8), pkt_ip4(C4, OVER4), TCP},
		 {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8),
		  pkt_ip4(EDGE, B4, DONT_FRAGMENT), pkt_ip4(C4, OVER4), TCP}},
		{"one, 4-in-6",
		 "tunnel6",
		 B6,
		 {pkt_eth(), pkt_vlan(7), pkt_ip4(C4, OVER6), TCP},
		 {pkt_eth(), pkt_vlan(7), pkt_ip6(FIXTURE_SOURCE6, B6), pkt_ip4(C4, OVER6), TCP}},
		{"two, 6-in-6",
		 "tunnel6",
		 B6,
		 {pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_ip6(C6, OVER66), TCP},
		 {pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_ip6(FIXTURE_SOURCE6, B6),
		  pkt_ip6(C6, OVER66), TCP}});
}

/* RFC 6040, normal mode; and the classes of service of RFC 2983, uniform model. */
static void ipip_copies_dscp_and_ecn_to_the_outer_header(void **state)
{
	(void)state;
	for (unsigned int tos = 0; tos < 256; tos++)
		CHECK_WAYS({"4-in-4",
			    "tunnel4",
			    B4,
			    {pkt_eth(), pkt_ip4(C4, OVER4, .tos = (uint8_t)tos), TCP},
			    {pkt_eth(), pkt_ip4(EDGE, B4, DONT_FRAGMENT, .tos = (uint8_t)tos),
			     pkt_ip4(C4, OVER4, .tos = (uint8_t)tos), TCP}},
			   {"4-in-6",
			    "tunnel6",
			    B6,
			    {pkt_eth(), pkt_ip4(C4, OVER6, .tos = (uint8_t)tos), TCP},
			    {pkt_eth(), pkt_ip6(FIXTURE_SOURCE6, B6, .tos = (uint8_t)tos),
			     pkt_ip4(C4, OVER6, .tos = (uint8_t)tos), TCP}},
			   {"6-in-6",
			    "tunnel6",
			    B6,
			    {pkt_eth(), pkt_ip6(C6, OVER66, .tos = (uint8_t)tos), TCP},
			    {pkt_eth(), pkt_ip6(FIXTURE_SOURCE6, B6, .tos = (uint8_t)tos),
			     pkt_ip6(C6, OVER66, .tos = (uint8_t)tos), TCP}});
}

static void local_passes_the_packet_up_as_it_came(void **state)
{
	struct outcome outcome;
	struct packet in;

	(void)state;
	packet_build(&in, pkt_eth(), pkt_vlan(7), pkt_ip4(C4, HERE), TCP);
	fixture_send(&fixture, &in, &outcome);
	assert_int_equal(outcome.reason, REASON_LOCAL);
	assert_int_equal(outcome.action, XDP_PASS);
	assert_int_equal(outcome.out.size, in.size);
	assert_memory_equal(outcome.out.data, in.data, in.size);
}

static void another_interface_is_reached_by_redirect(void **state)
{
	struct backend *b = fixture_backend(&fixture, "direct", "10.1.0.1");
	struct outcome outcome;
	struct packet in;

	(void)state;
	b->ifindex = FIXTURE_IFINDEX + 1;
	packet_build(&in, pkt_eth(), pkt_ip4(C4, DIRECT4), TCP);
	fixture_send(&fixture, &in, &outcome);
	b->ifindex = FIXTURE_IFINDEX;
	assert_int_equal(outcome.reason, REASON_FORWARDED);
	assert_int_equal(outcome.action, XDP_REDIRECT);
}

static void a_changed_neighbour_is_used_by_the_next_packet(void **state)
{
	struct backend *b = fixture_backend(&fixture, "direct", "10.1.0.1");
	const uint8_t mac[6] = {0xaa, 1, 2, 3, 4, 5}, before[6] = {6, 0, 0, 0, 0, b->dst_mac[5]};
	struct outcome outcome;
	struct packet in;

	(void)state;
	packet_build(&in, pkt_eth(), pkt_ip4(C4, DIRECT4), TCP);
	fixture_send(&fixture, &in, &outcome);
	assert_memory_equal(outcome.out.data, before, 6);
	memcpy(b->dst_mac, mac, 6);
	fixture_send(&fixture, &in, &outcome);
	assert_memory_equal(outcome.out.data, mac, 6);
	memcpy(b->dst_mac, before, 6);
}

/* size: of the whole packet from its IP header on. */
static int reason_of_size(const char *vip, bool v6, size_t size)
{
	struct outcome outcome;
	struct packet in;

	if (v6)
		packet_build(&in, pkt_eth(), pkt_ip6(C6, vip), pkt_tcp(4000, 80, TH_ACK),
			     pkt_payload((uint16_t)(size - 60)));
	else
		packet_build(&in, pkt_eth(), pkt_ip4(C4, vip), pkt_tcp(4000, 80, TH_ACK),
			     pkt_payload((uint16_t)(size - 40)));
	fixture_send(&fixture, &in, &outcome);
	return outcome.reason;
}

static void drops_what_the_way_to_the_backend_cannot_carry(void **state)
{
	(void)state;
	assert_int_equal(reason_of_size(DIRECT4, false, 1500), REASON_FORWARDED);
	assert_int_equal(reason_of_size(DIRECT4, false, 1501), REASON_TOO_BIG);
	assert_int_equal(reason_of_size(DIRECT6, true, 1500), REASON_FORWARDED);
	assert_int_equal(reason_of_size(DIRECT6, true, 1501), REASON_TOO_BIG);
	assert_int_equal(reason_of_size(OVER4, false, 1480), REASON_FORWARDED);
	assert_int_equal(reason_of_size(OVER4, false, 1481), REASON_TOO_BIG);
	assert_int_equal(reason_of_size(OVER6, false, 1460), REASON_FORWARDED);
	assert_int_equal(reason_of_size(OVER6, false, 1461), REASON_TOO_BIG);
	assert_int_equal(reason_of_size(OVER66, true, 1460), REASON_FORWARDED);
	assert_int_equal(reason_of_size(OVER66, true, 1461), REASON_TOO_BIG);
	assert_int_equal(reason_of_size(HERE, false, 2000), REASON_LOCAL);
}

static uint32_t outer_source(const struct packet *out, bool v6)
{
	uint32_t be;

	memcpy(&be, out->data + 14 + (v6 ? 8 + 12 : 12), sizeof(be));
	return be32toh(be);
}

/* How many different outer sources `bits` bits gave to 300 flows; all inside of base's prefix. */
static size_t count_sources(const char *stack, const char *backend, const char *base, uint8_t bits,
			    const char *vip)
{
	uint32_t slot = fixture_slot(&fixture, stack, backend), seen[300];
	uint32_t mask = bits == 32 ? UINT32_MAX : (1U << bits) - 1, low;
	bool v6 = strchr(base, ':');
	struct outcome outcome, again;
	struct packet in;
	uint64_t seed = bits;
	size_t n = 0;

	fixture_set_source(&fixture, slot, base, bits);
	memcpy(&low, fixture.view->backends[slot].outer_src + 12, sizeof(low));
	for (int i = 0; i < 300; i++) {
		struct flow flow = flow_random(&seed, vip, 80, PROTOCOL_TCP);
		uint32_t source;
		size_t j = 0;

		flow_packet(&flow, TH_ACK, &in);
		fixture_send(&fixture, &in, &outcome);
		fixture_send(&fixture, &in, &again);
		assert_int_equal(outcome.reason, REASON_FORWARDED);
		source = outer_source(&outcome.out, v6);
		assert_int_equal(source, outer_source(&again.out, v6));
		assert_int_equal(source & ~mask, be32toh(low) & ~mask);
		if (!v6)
			assert_int_equal(packet_checksum(outcome.out.data + 14, 20, 0), 0);
		while (j < n && seen[j] != source)
			j++;
		if (j == n)
			seen[n++] = source;
	}
	fixture_set_source(&fixture, slot, v6 ? FIXTURE_SOURCE6 : FIXTURE_SOURCE4, 0);
	return n;
}

static void the_outer_source_varies_by_flow_inside_its_prefix(void **state)
{
	(void)state;
	assert_int_equal(count_sources("tunnel4", B4, "172.16.0.9", 0, OVER4), 1);
	assert_int_equal(count_sources("tunnel4", B4, "172.16.0.8", 1, OVER4), 2);
	assert_int_equal(count_sources("tunnel4", B4, "172.16.0.0", 3, OVER4), 8);
	assert_in_range(count_sources("tunnel4", B4, "172.16.0.0", 16, OVER4), 280, 300);
	assert_in_range(count_sources("tunnel4", B4, "0.0.0.0", 32, OVER4), 295, 300);
	assert_int_equal(count_sources("tunnel6", B6, "fd00::10", 4, OVER66), 16);
	assert_in_range(count_sources("tunnel6", B6, "fd00::", 32, OVER66), 295, 300);
}

/* One's complement sums carry; all that varies in the header is varied at random. */
static void the_outer_checksum_is_right_whatever_the_packet(void **state)
{
	uint32_t slot = fixture_slot(&fixture, "tunnel4", B4);
	struct backend *b = &fixture.view->backends[slot];
	struct outcome outcome;
	uint64_t seed = 7;
	struct packet in;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		uint64_t r = flow_random_number(&seed);
		struct in_addr address = {.s_addr = (uint32_t)(r >> 32)};
		char text[INET_ADDRSTRLEN];

		memcpy(b->address + 12, &r, 4);
		inet_ntop(AF_INET, &address, text, sizeof(text));
		fixture_set_source(&fixture, slot, text, 0);
		packet_build(&in, pkt_eth(), pkt_ip4(C4, OVER4, .tos = (uint8_t)(r >> 8)),
			     pkt_tcp(4000, 80, TH_ACK), pkt_payload((uint16_t)(r >> 16 & 1023)));
		fixture_send(&fixture, &in, &outcome);
		assert_int_equal(outcome.reason, REASON_FORWARDED);
		if (packet_checksum(outcome.out.data + 14, 20, 0)) {
			packet_dump("out", outcome.out.data, 34);
			fail_msg("the checksum is wrong");
		}
	}
	inet_pton(AF_INET, B4, b->address + 12);
	fixture_set_source(&fixture, slot, FIXTURE_SOURCE4, 0);
}

/* Metadata in front of the packet takes the room that an outer header would need. */
static void drops_a_packet_without_room_for_the_outer_header(void **state)
{
	enum { META = 200 };
	uint8_t data[META + PACKET_MAX] = {}, out[META + PACKET_MAX + 64];
	struct xdp_md context = {.data = META};
	struct reasons before, after;
	struct packet in;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = data, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	(void)state;
	packet_build(&in, pkt_eth(), pkt_ip4(C4, OVER4), TCP);
	memcpy(data + META, in.data, in.size);
	run.data_size_in = (uint32_t)(META + in.size);
	context.data_end = run.data_size_in;
	before = fixture_reasons(&fixture);
	if (bpf_prog_test_run_opts(datapath_program_fd(fixture.datapath), &run)) {
		print_message("this kernel's test runs take no %d bytes of metadata\n", META);
		skip();
	}
	after = fixture_reasons(&fixture);
	assert_int_equal(run.retval, XDP_DROP);
	assert_int_equal(after.no_headroom, before.no_headroom + 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l2_rewrites_the_macs_and_nothing_else),
		cmocka_unit_test(ipip_puts_one_outer_header_in_front),
		cmocka_unit_test(ipip_leaves_the_inner_packet_alone),
		cmocka_unit_test(ipip_keeps_vlan_tags_in_front_of_the_outer_header),
		cmocka_unit_test(ipip_copies_dscp_and_ecn_to_the_outer_header),
		cmocka_unit_test(local_passes_the_packet_up_as_it_came),
		cmocka_unit_test(another_interface_is_reached_by_redirect),
		cmocka_unit_test(a_changed_neighbour_is_used_by_the_next_packet),
		cmocka_unit_test(drops_what_the_way_to_the_backend_cannot_carry),
		cmocka_unit_test(the_outer_source_varies_by_flow_inside_its_prefix),
		cmocka_unit_test(the_outer_checksum_is_right_whatever_the_packet),
		cmocka_unit_test(drops_a_packet_without_room_for_the_outer_header),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
