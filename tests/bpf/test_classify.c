/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which packets are for a service, and what becomes of those that are not or cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/util.h"
#include "lib/fixture.h"

#define C4  "198.51.100.7"
#define C6  "2001:db8:c::7"
#define V4  "203.0.113.10"
#define V6  "2001:db8::10"
#define ALL "203.0.113.20" /* a VIP with every port, but for one */

#define OUT(REASON) .reason = REASON_##REASON

static const char routes[] =
	"stacks:\n"
	"  blue: {backends: [{address: 10.1.0.1}]}\n"
	"  green: {backends: [{address: 10.2.0.1}]}\n"
	"services:\n"
	"  web: {vips: [203.0.113.10, '2001:db8::10'], ports: [80, 443], split: {blue: 1}}\n"
	"  dns: {vips: [203.0.113.10, '2001:db8::10'], protocol: udp, ports: [53], "
	"split: {green: 1}}\n"
	"  rest: {vips: [203.0.113.20], split: {blue: 1}}\n"
	"  exact: {vips: [203.0.113.20], ports: [8080], split: {green: 1}}\n";

static struct fixture fixture;

/* One packet, and how it leaves. */
struct table_row {
	const char *name;
	struct layer layers[PACKET_LAYERS_MAX];
	int reason;
	const char *stack; /* that it is forwarded to; NULL: blue */
};

static bool is_drop(int reason)
{
	return reason == REASON_FRAGMENT || reason == REASON_NO_BACKEND ||
	       reason == REASON_TOO_BIG || reason == REASON_NO_HEADROOM || reason == REASON_TABLE;
}

/* A forwarded packet differs in its MACs alone, a passed one in nothing. */
static void check_outcome(const char *name, const struct packet *in, const struct outcome *outcome,
			  int reason, const char *stack)
{
	size_t same = reason == REASON_FORWARDED ? 12 : 0;
	uint32_t action = reason == REASON_FORWARDED ? XDP_TX
			  : is_drop(reason)	     ? XDP_DROP
						     : XDP_PASS;

	if (outcome->reason != reason || outcome->action != action)
		fail_msg("%s: %s and action %u, not %s and %u", name,
			 fixture_reason_name(outcome->reason), outcome->action,
			 fixture_reason_name(reason), action);
	if (action == XDP_DROP)
		return;
	if (outcome->out.size != in->size ||
	    memcmp(outcome->out.data + same, in->data + same, in->size - same)) {
		packet_dump("in", in->data, in->size);
		packet_dump("out", outcome->out.data, outcome->out.size);
		fail_msg("%s: its bytes were changed", name);
	}
	if (reason == REASON_FORWARDED) {
		const char *address = strcmp(stack, "blue") ? "10.2.0.1" : "10.1.0.1";

		assert_int_equal(fixture_receiver(outcome), fixture_slot(&fixture, stack, address));
	}
}

static void check_table(const struct table_row *rows, size_t n)
{
	struct outcome outcome;
	struct packet in;

	for (size_t i = 0; i < n; i++) {
		packet_build_layers(&in, rows[i].layers);
		fixture_send(&fixture, &in, &outcome);
		check_outcome(rows[i].name, &in, &outcome, rows[i].reason,
			      rows[i].stack ? rows[i].stack : "blue");
	}
}

#define CHECK_TABLE(...)                                                                           \
	do {                                                                                       \
		const struct table_row rows_[] = {__VA_ARGS__};                                    \
		check_table(rows_, ARRAY_SIZE(rows_));                                             \
	} while (0)

static void finds_the_service_by_address_protocol_and_port(void **state)
{
	(void)state;
	CHECK_TABLE(
		{"tcp 80", {pkt_eth(), pkt_ip4(C4, V4), pkt_tcp(4000, 80, TH_SYN)}, OUT(FORWARDED)},
		{"tcp 443",
		 {pkt_eth(), pkt_ip4(C4, V4), pkt_tcp(4000, 443, TH_ACK)},
		 OUT(FORWARDED)},
		{"tcp 81", {pkt_eth(), pkt_ip4(C4, V4), pkt_tcp(4000, 81, TH_SYN)}, OUT(NOT_VIP)},
		{"tcp 53", {pkt_eth(), pkt_ip4(C4, V4), pkt_tcp(4000, 53, TH_SYN)}, OUT(NOT_VIP)},
		{"udp 53",
		 {pkt_eth(), pkt_ip4(C4, V4), pkt_udp(4000, 53)},
		 OUT(FORWARDED),
		 "green"},
		{"udp 443", {pkt_eth(), pkt_ip4(C4, V4), pkt_udp(4000, 443)}, OUT(NOT_VIP)},
		{"source port",
		 {pkt_eth(), pkt_ip4(C4, V4), pkt_tcp(80, 4000, TH_ACK)},
		 OUT(NOT_VIP)},
		{"reply", {pkt_eth(), pkt_ip4(V4, C4), pkt_tcp(80, 4000, TH_ACK)}, OUT(NOT_VIP)},
		{"address",
		 {pkt_eth(), pkt_ip4(C4, "203.0.113.11"), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(NOT_VIP)},
		{"v6 tcp", {pkt_eth(), pkt_ip6(C6, V6), pkt_tcp(4000, 80, TH_SYN)}, OUT(FORWARDED)},
		{"v6 udp",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_udp(4000, 53)},
		 OUT(FORWARDED),
		 "green"},
		{"v6 port", {pkt_eth(), pkt_ip6(C6, V6), pkt_tcp(4000, 81, TH_SYN)}, OUT(NOT_VIP)},
		{"v6 address",
		 {pkt_eth(), pkt_ip6(C6, "2001:db8::11"), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(NOT_VIP)});
}

static void an_exact_port_goes_before_every_port(void **state)
{
	(void)state;
	CHECK_TABLE(
		{"any", {pkt_eth(), pkt_ip4(C4, ALL), pkt_tcp(4000, 1, TH_SYN)}, OUT(FORWARDED)},
		{"last",
		 {pkt_eth(), pkt_ip4(C4, ALL), pkt_tcp(4000, 65535, TH_SYN)},
		 OUT(FORWARDED)},
		{"exact",
		 {pkt_eth(), pkt_ip4(C4, ALL), pkt_tcp(4000, 8080, TH_SYN)},
		 OUT(FORWARDED),
		 "green"},
		{"udp", {pkt_eth(), pkt_ip4(C4, ALL), pkt_udp(4000, 8080)}, OUT(NOT_VIP)});
}

static void reads_up_to_two_vlan_tags(void **state)
{
	(void)state;
	CHECK_TABLE({"one",
		     {pkt_eth(), pkt_vlan(7), pkt_ip4(C4, V4), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(FORWARDED)},
		    {"two",
		     {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8), pkt_ip4(C4, V4),
		      pkt_tcp(4000, 80, TH_SYN)},
		     OUT(FORWARDED)},
		    {"three",
		     {pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_vlan(9), pkt_ip4(C4, V4),
		      pkt_tcp(4000, 80, TH_SYN)},
		     OUT(NOT_IP)},
		    {"one, IPv6",
		     {pkt_eth(), pkt_vlan(7), pkt_ip6(C6, V6), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(FORWARDED)},
		    {"two, IPv6",
		     {pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_ip6(C6, V6), pkt_udp(4000, 53)},
		     OUT(FORWARDED),
		     "green"},
		    {"no VIP behind a tag",
		     {pkt_eth(), pkt_vlan(7), pkt_ip4(C4, C4), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(NOT_VIP)});
}

static void passes_what_is_not_ip(void **state)
{
	(void)state;
	CHECK_TABLE({"arp", {pkt_eth(.protocol = 0x0806), pkt_payload(28)}, OUT(NOT_IP)},
		    {"lldp", {pkt_eth(.protocol = 0x88cc), pkt_payload(50)}, OUT(NOT_IP)},
		    {"802.3 length", {pkt_eth(.protocol = 40), pkt_payload(46)}, OUT(NOT_IP)},
		    {"arp behind a tag",
		     {pkt_eth(), pkt_vlan(7, .protocol = 0x0806), pkt_payload(28)},
		     OUT(NOT_IP)});
}

static void reads_past_ipv4_options(void **state)
{
	struct layer layers[] = {pkt_eth(), pkt_ip4(C4, V4), pkt_tcp(4000, 80, TH_SYN), {}};
	struct outcome outcome;
	struct packet in;

	(void)state;
	for (uint8_t words = 0; words <= 10; words++) {
		layers[1].options = words;
		packet_build_layers(&in, layers);
		fixture_send(&fixture, &in, &outcome);
		check_outcome("options", &in, &outcome, REASON_FORWARDED, "blue");
	}
}

static void reads_past_ipv6_extension_headers(void **state)
{
	(void)state;
	CHECK_TABLE(
		{"hop by hop",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_HOP_BY_HOP), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(FORWARDED)},
		{"routing",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_ROUTING), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(FORWARDED)},
		{"destination",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_DESTINATION), pkt_udp(4000, 53)},
		 OUT(FORWARDED),
		 "green"},
		{"long ones",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_HOP_BY_HOP, .options = 20),
		  pkt_ext(EXT_DESTINATION, .options = 70), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(FORWARDED)},
		{"the longest",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_DESTINATION, .options = 140),
		  pkt_tcp(4000, 80, TH_SYN)},
		 OUT(FORWARDED)},
		{"four",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_HOP_BY_HOP), pkt_ext(EXT_DESTINATION),
		  pkt_ext(EXT_ROUTING), pkt_ext(EXT_DESTINATION), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(FORWARDED)},
		{"five are too many",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_HOP_BY_HOP), pkt_ext(EXT_DESTINATION),
		  pkt_ext(EXT_ROUTING), pkt_ext(EXT_DESTINATION), pkt_ext(EXT_DESTINATION),
		  pkt_tcp(4000, 80, TH_SYN)},
		 OUT(NOT_VIP)},
		{"authentication is not looked through",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_AUTHENTICATION, .options = 4),
		  pkt_tcp(4000, 80, TH_SYN)},
		 OUT(NOT_VIP)},
		{"mobility is not looked through",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_MOBILITY), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(NOT_VIP)},
		{"nothing behind it",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_DESTINATION, .protocol = 59),
		  pkt_payload(20)},
		 OUT(NOT_VIP)});
}

static void drops_fragments_for_a_vip_and_passes_others(void **state)
{
	(void)state;
	CHECK_TABLE(
		{"first",
		 {pkt_eth(), pkt_ip4(C4, V4, .fragment = 0x2000), pkt_tcp(4000, 80, TH_ACK)},
		 OUT(FRAGMENT)},
		{"middle",
		 {pkt_eth(), pkt_ip4(C4, V4, .fragment = 0x2010, .protocol = 6), pkt_payload(64)},
		 OUT(FRAGMENT)},
		{"last",
		 {pkt_eth(), pkt_ip4(C4, V4, .fragment = 0x0010, .protocol = 17), pkt_payload(8)},
		 OUT(FRAGMENT)},
		{"of ICMP",
		 {pkt_eth(), pkt_ip4(C4, V4, .fragment = 0x2000), pkt_icmp4(8, 0)},
		 OUT(FRAGMENT)},
		{"do not fragment",
		 {pkt_eth(), pkt_ip4(C4, V4, .fragment = 0x4000), pkt_tcp(4000, 80, TH_ACK)},
		 OUT(FORWARDED)},
		{"for another",
		 {pkt_eth(), pkt_ip4(C4, C4, .fragment = 0x2000), pkt_tcp(4000, 80, TH_ACK)},
		 OUT(NOT_VIP)},
		{"IPv6 first",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_FRAGMENT, .fragment = 0x0001),
		  pkt_tcp(4000, 80, TH_ACK)},
		 OUT(FRAGMENT)},
		{"IPv6 last",
		 {pkt_eth(), pkt_ip6(C6, V6),
		  pkt_ext(EXT_FRAGMENT, .fragment = 0x0100, .protocol = 6), pkt_payload(8)},
		 OUT(FRAGMENT)},
		{"IPv6 behind others",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_HOP_BY_HOP), pkt_ext(EXT_ROUTING),
		  pkt_ext(EXT_FRAGMENT, .fragment = 0x0001), pkt_udp(4000, 53)},
		 OUT(FRAGMENT)},
		{"IPv6 for another",
		 {pkt_eth(), pkt_ip6(C6, C6), pkt_ext(EXT_FRAGMENT, .fragment = 0x0001),
		  pkt_tcp(4000, 80, TH_ACK)},
		 OUT(NOT_VIP)});
}

static void passes_other_protocols(void **state)
{
	(void)state;
	CHECK_TABLE(
		{"gre",
		 {pkt_eth(), pkt_ip4(C4, V4, .protocol = 47), pkt_payload(40)},
		 OUT(NOT_VIP)},
		{"sctp",
		 {pkt_eth(), pkt_ip4(C4, V4, .protocol = 132), pkt_payload(40)},
		 OUT(NOT_VIP)},
		{"ipip",
		 {pkt_eth(), pkt_ip4(C4, V4), pkt_ip4(C4, V4), pkt_tcp(4000, 80, TH_SYN)},
		 OUT(NOT_VIP)},
		{"esp",
		 {pkt_eth(), pkt_ip6(C6, V6, .protocol = 50), pkt_payload(40)},
		 OUT(NOT_VIP)},
		{"ICMPv6 in IPv4", {pkt_eth(), pkt_ip4(C4, V4), pkt_icmp6(128, 0)}, OUT(NOT_VIP)},
		{"ICMP in IPv6", {pkt_eth(), pkt_ip6(C6, V6), pkt_icmp4(8, 0)}, OUT(NOT_VIP)});
}

static void passes_icmp_that_is_about_no_flow(void **state)
{
	(void)state;
	CHECK_TABLE(
		{"echo", {pkt_eth(), pkt_ip4(C4, V4), pkt_icmp4(8, 0), pkt_payload(32)}, OUT(ICMP)},
		{"echo reply",
		 {pkt_eth(), pkt_ip4(C4, V4), pkt_icmp4(0, 0), pkt_payload(32)},
		 OUT(ICMP)},
		{"redirect",
		 {pkt_eth(), pkt_ip4(C4, V4), pkt_icmp4(5, 1), pkt_ip4(V4, C4),
		  pkt_tcp(80, 4000, TH_ACK)},
		 OUT(ICMP)},
		{"IPv6 echo",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_icmp6(128, 0), pkt_payload(32)},
		 OUT(ICMP)},
		{"neighbour solicitation",
		 {pkt_eth(), pkt_ip6(C6, V6), pkt_icmp6(135, 0), pkt_payload(24)},
		 OUT(ICMP)},
		{"echo to another",
		 {pkt_eth(), pkt_ip4(C4, C4), pkt_icmp4(8, 0), pkt_payload(32)},
		 OUT(NOT_VIP)},
		{"IPv6 echo to another",
		 {pkt_eth(), pkt_ip6(C6, C6), pkt_icmp6(128, 0), pkt_payload(32)},
		 OUT(NOT_VIP)});
}

/* The quoted packet is what the backend sent: from the VIP, to the client. */
static void sends_icmp_errors_where_their_flow_goes(void **state)
{
	(void)state;
	CHECK_TABLE({"fragmentation needed",
		     {pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(3, 4, .rest = 1400),
		      pkt_ip4(V4, C4), pkt_tcp(80, 4000, TH_ACK), pkt_payload(500)},
		     OUT(FORWARDED)},
		    {"time exceeded",
		     {pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(11, 0), pkt_ip4(V4, C4),
		      pkt_udp(53, 4000), pkt_payload(20)},
		     OUT(FORWARDED),
		     "green"},
		    {"parameter problem",
		     {pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(12, 0), pkt_ip4(V4, C4),
		      pkt_tcp(443, 4000, TH_ACK)},
		     OUT(FORWARDED)},
		    {"eight bytes of the packet are enough",
		     {pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(3, 4, .rest = 1400),
		      pkt_ip4(V4, C4, .protocol = 6, .length = 1500), pkt_payload(8, .seed = 0)},
		     OUT(NOT_VIP)}, /* ports 0x0001 and 0x0203 */
		    {"quoted options",
		     {pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(3, 4, .rest = 1400),
		      pkt_ip4(V4, C4, .options = 3), pkt_tcp(80, 4000, TH_ACK)},
		     OUT(FORWARDED)},
		    {"behind a tag",
		     {pkt_eth(), pkt_vlan(7), pkt_ip4("192.0.2.50", V4),
		      pkt_icmp4(3, 4, .rest = 1400), pkt_ip4(V4, C4), pkt_tcp(80, 4000, TH_ACK)},
		     OUT(FORWARDED)},
		    {"another port",
		     {pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(3, 4), pkt_ip4(V4, C4),
		      pkt_tcp(81, 4000, TH_ACK)},
		     OUT(NOT_VIP)},
		    {"about a packet of ours, to another",
		     {pkt_eth(), pkt_ip4("192.0.2.50", C4), pkt_icmp4(3, 4), pkt_ip4(V4, C4),
		      pkt_tcp(80, 4000, TH_ACK)},
		     OUT(NOT_VIP)},
		    {"about a packet from the client",
		     {pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(3, 4), pkt_ip4(C4, V4),
		      pkt_tcp(4000, 80, TH_ACK)},
		     OUT(NOT_VIP)});
}

static void sends_icmpv6_errors_where_their_flow_goes(void **state)
{
	(void)state;
	CHECK_TABLE({"packet too big",
		     {pkt_eth(), pkt_ip6("2001:db8:50::1", V6), pkt_icmp6(2, 0, .rest = 1400),
		      pkt_ip6(V6, C6), pkt_tcp(80, 4000, TH_ACK), pkt_payload(500)},
		     OUT(FORWARDED)},
		    {"unreachable",
		     {pkt_eth(), pkt_ip6("2001:db8:50::1", V6), pkt_icmp6(1, 0), pkt_ip6(V6, C6),
		      pkt_udp(53, 4000), pkt_payload(20)},
		     OUT(FORWARDED),
		     "green"},
		    {"behind extension headers, quoting some",
		     {pkt_eth(), pkt_ip6("2001:db8:50::1", V6), pkt_ext(EXT_HOP_BY_HOP),
		      pkt_icmp6(3, 0), pkt_ip6(V6, C6), pkt_ext(EXT_DESTINATION),
		      pkt_tcp(443, 4000, TH_ACK)},
		     OUT(FORWARDED)},
		    {"to another",
		     {pkt_eth(), pkt_ip6("2001:db8:50::1", C6), pkt_icmp6(2, 0), pkt_ip6(V6, C6),
		      pkt_tcp(80, 4000, TH_ACK)},
		     OUT(NOT_VIP)},
		    {"another port",
		     {pkt_eth(), pkt_ip6("2001:db8:50::1", V6), pkt_icmp6(2, 0), pkt_ip6(V6, C6),
		      pkt_tcp(81, 4000, TH_ACK)},
		     OUT(NOT_VIP)});
}

static void passes_headers_that_contradict_themselves(void **state)
{
	(void)state;
	CHECK_TABLE({"version",
		     {pkt_eth(), pkt_ip4(C4, V4, .version = 5), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"header under 20 bytes",
		     {pkt_eth(), pkt_ip4(C4, V4, .ihl = 4), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"header beyond the packet",
		     {pkt_eth(), pkt_ip4(C4, V4, .ihl = 15), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"longer than the frame",
		     {pkt_eth(), pkt_ip4(C4, V4, .length = 41), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"shorter than its headers",
		     {pkt_eth(), pkt_ip4(C4, V4, .length = 39), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"UDP shorter than its header",
		     {pkt_eth(), pkt_ip4(C4, V4, .length = 27), pkt_udp(4000, 53)},
		     OUT(MALFORMED)},
		    {"padding after the packet",
		     {pkt_eth(), pkt_ip4(C4, V4, .length = 40), pkt_tcp(4000, 80, TH_SYN),
		      pkt_payload(6)},
		     OUT(FORWARDED)},
		    {"IPv6 version",
		     {pkt_eth(), pkt_ip6(C6, V6, .version = 4), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"IPv6 longer than the frame",
		     {pkt_eth(), pkt_ip6(C6, V6, .length = 21), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"IPv6 shorter than its headers",
		     {pkt_eth(), pkt_ip6(C6, V6, .length = 19), pkt_tcp(4000, 80, TH_SYN)},
		     OUT(MALFORMED)},
		    {"IPv6 padding",
		     {pkt_eth(), pkt_ip6(C6, V6, .length = 20), pkt_tcp(4000, 80, TH_SYN),
		      pkt_payload(6)},
		     OUT(FORWARDED)},
		    {"extension header beyond the packet",
		     {pkt_eth(), pkt_ip6(C6, V6), pkt_ext(EXT_DESTINATION, .protocol = 6)},
		     OUT(MALFORMED)},
		    {"ICMP error that quotes nothing",
		     {pkt_eth(), pkt_ip4(C4, V4), pkt_icmp4(3, 4)},
		     OUT(MALFORMED)},
		    {"ICMP error that quotes no ports",
		     {pkt_eth(), pkt_ip4(C4, V4), pkt_icmp4(3, 4), pkt_ip4(V4, C4, .protocol = 6),
		      pkt_payload(3)},
		     OUT(MALFORMED)},
		    {"ICMPv6 error that quotes nothing",
		     {pkt_eth(), pkt_ip6(C6, V6), pkt_icmp6(2, 0)},
		     OUT(MALFORMED)});
}

/* Every frame that lost its end somewhere: passed as it is, by a reason, and never forwarded. */
static void never_forwards_a_packet_cut_short(void **state)
{
	const struct layer whole[][PACKET_LAYERS_MAX] = {
		{pkt_eth(), pkt_ip4(C4, V4), pkt_tcp(4000, 80, TH_SYN, .options = 5),
		 pkt_payload(9)},
		{pkt_eth(), pkt_ip4(C4, V4, .options = 4), pkt_udp(4000, 53), pkt_payload(9)},
		{pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_ip4(C4, V4), pkt_tcp(4000, 80, TH_SYN)},
		{pkt_eth(), pkt_ip6(C6, V6), pkt_tcp(4000, 80, TH_SYN), pkt_payload(9)},
		{pkt_eth(), pkt_vlan(7), pkt_ip6(C6, V6), pkt_ext(EXT_HOP_BY_HOP),
		 pkt_ext(EXT_DESTINATION, .options = 2), pkt_udp(4000, 53), pkt_payload(3)},
		{pkt_eth(), pkt_ip4("192.0.2.50", V4), pkt_icmp4(3, 4),
		 pkt_ip4(V4, C4, .options = 2), pkt_tcp(80, 4000, TH_ACK)},
		{pkt_eth(), pkt_ip6("2001:db8:50::1", V6), pkt_icmp6(2, 0), pkt_ip6(V6, C6),
		 pkt_ext(EXT_DESTINATION), pkt_tcp(80, 4000, TH_ACK)},
	};
	struct outcome outcome;
	struct packet in;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		size_t size;

		packet_build_layers(&in, whole[i]);
		size = in.size;
		fixture_send(&fixture, &in, &outcome);
		assert_int_equal(outcome.reason, REASON_FORWARDED);
		for (in.size = 14; in.size < size; in.size++) {
			fixture_send(&fixture, &in, &outcome);
			if (outcome.reason != REASON_MALFORMED || outcome.action != XDP_PASS ||
			    outcome.out.size != in.size ||
			    memcmp(outcome.out.data, in.data, in.size))
				fail_msg("packet %zu cut to %zu of %zu bytes: %s, action %u", i,
					 in.size, size, fixture_reason_name(outcome.reason),
					 outcome.action);
		}
	}
}

static void every_packet_is_counted_once(void **state)
{
	struct reasons before = fixture_reasons(&fixture), after;
	uint64_t seed = 1, sum = 0;
	struct outcome outcome;
	struct packet in;

	(void)state;
	packet_build(&in, pkt_eth(), pkt_ip4(C4, V4, .options = 1), pkt_tcp(4000, 80, TH_SYN),
		     pkt_payload(80));
	for (int i = 0; i < 4000; i++) {
		struct packet noise = in;

		for (int flips = 0; flips < 1 + i % 4; flips++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			noise.data[12 + (seed >> 33) % 60] ^= (uint8_t)(seed >> 56);
		}
		noise.size = 14 + (seed >> 40) % (in.size - 13);
		fixture_send(&fixture, &noise, &outcome);
		if (outcome.reason < 0) {
			packet_dump("noise", noise.data, noise.size);
			fail_msg("no reason, or several");
		}
	}
	after = fixture_reasons(&fixture);
	for (int i = 0; i < REASON_MAX; i++)
		sum += (&after.forwarded)[i] - (&before.forwarded)[i];
	assert_int_equal(sum, 4000);
	assert_int_equal(after.table, before.table);
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
		cmocka_unit_test(finds_the_service_by_address_protocol_and_port),
		cmocka_unit_test(an_exact_port_goes_before_every_port),
		cmocka_unit_test(reads_up_to_two_vlan_tags),
		cmocka_unit_test(passes_what_is_not_ip),
		cmocka_unit_test(reads_past_ipv4_options),
		cmocka_unit_test(reads_past_ipv6_extension_headers),
		cmocka_unit_test(drops_fragments_for_a_vip_and_passes_others),
		cmocka_unit_test(passes_other_protocols),
		cmocka_unit_test(passes_icmp_that_is_about_no_flow),
		cmocka_unit_test(sends_icmp_errors_where_their_flow_goes),
		cmocka_unit_test(sends_icmpv6_errors_where_their_flow_goes),
		cmocka_unit_test(passes_headers_that_contradict_themselves),
		cmocka_unit_test(never_forwards_a_packet_cut_short),
		cmocka_unit_test(every_packet_is_counted_once),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
