/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The decapsulator as the agent runs it, in a network namespace with addresses of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/ipv6.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "agent/decap.h"
#include "common/util.h"
#include "lib/fixture.h"
#include "lib/packet.h"

#define EDGE  "192.0.2.1" /* inside of the told sources */
#define EDGE6 "2001:db8:ffff::1"
#define SELF  "10.3.0.1"
#define SELF6 "2001:db8:3::1"
#define C4    "198.51.100.7"
#define C6    "2001:db8:c::7"
#define V4    "203.0.113.10"
#define V6    "2001:db8::10"
#define TCP   pkt_tcp(4000, 80, TH_ACK), pkt_payload(50)

#define WAIT_US (5 * 1000000ULL) /* for news of an address */

#define NO_ECN 0
#define ECT1   1
#define ECT0   2
#define CE     3

static struct decap *decap;
static sd_event *loop;

/* One packet, why it leaves, and how, where its bytes change. */
struct row {
	const char *name;
	struct layer in[PACKET_LAYERS_MAX];
	enum decap_reason reason;
	struct layer out[PACKET_LAYERS_MAX];
};

static const char *reason_name(int reason)
{
	static const char *const names[] = {
#define X(name, NAME) [DECAP_##NAME] = #name,
		DECAP_REASONS(X)
#undef X
	};

	return reason >= 0 ? names[reason] : "nothing, or several";
}

static int send_packet(const struct packet *in, uint32_t *ret_action, struct packet *ret_out)
{
	struct decap_reasons before, after;
	int reason = -1;

	decap_count(decap, &before);
	fixture_run_program(decap_program_fd(decap), in, ret_action, ret_out);
	decap_count(decap, &after);
	for (int i = 0; i < DECAP_REASON_MAX; i++) {
		if ((&after.decapsulated)[i] == (&before.decapsulated)[i])
			continue;
		if (reason >= 0)
			return -1;
		reason = i;
	}
	return reason;
}

static bool is_passed(enum decap_reason reason)
{
	return reason == DECAP_DECAPSULATED || reason == DECAP_NOT_TUNNEL ||
	       reason == DECAP_NOT_LOCAL;
}

static void check_row(const struct row *row)
{
	struct packet in, out = {}, expected = {};
	uint32_t action;
	int reason;

	packet_build_layers(&in, row->in);
	packet_build_layers(&expected, row->out[0].kind == LAYER_END ? row->in : row->out);
	reason = send_packet(&in, &action, &out);
	if (reason != (int)row->reason ||
	    action != (uint32_t)(is_passed(row->reason) ? XDP_PASS : XDP_DROP))
		fail_msg("%s: %s and action %u, not %s", row->name, reason_name(reason), action,
			 reason_name((int)row->reason));
	if (action != XDP_DROP && packet_differs(&expected, &out))
		fail_msg("%s: other bytes than expected", row->name);
}

#define CHECK(...)                                                                                 \
	do {                                                                                       \
		const struct row rows_[] = {__VA_ARGS__};                                          \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(rows_); i_++)                                  \
			check_row(&rows_[i_]);                                                     \
	} while (0)

static void takes_off_the_outer_header(void **state)
{
	(void)state;
	CHECK({"4-in-4",
	       {pkt_eth(), pkt_ip4(EDGE, SELF), pkt_ip4(C4, V4, .options = 2, .ttl = 9), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_ip4(C4, V4, .options = 2, .ttl = 9), TCP}},
	      {"4-in-6",
	       {pkt_eth(), pkt_ip6(EDGE6, SELF6), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_ip4(C4, V4), TCP}},
	      {"6-in-6",
	       {pkt_eth(), pkt_ip6(EDGE6, SELF6), pkt_ip6(C6, V6, .flow_label = 0x54321), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_ip6(C6, V6, .flow_label = 0x54321), TCP}},
	      {"6-in-4",
	       {pkt_eth(), pkt_ip4(EDGE, SELF), pkt_ip6(C6, V6), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_ip6(C6, V6), TCP}},
	      {"outer options",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .options = 10), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_ip4(C4, V4), TCP}},
	      {"a source at the prefix's end",
	       {pkt_eth(), pkt_ip4("192.0.2.255", SELF), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_ip4(C4, V4), TCP}},
	      {"padding",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .length = 60), pkt_ip4(C4, V4, .length = 40),
		pkt_tcp(4000, 80, TH_ACK), pkt_payload(6)},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_ip4(C4, V4, .length = 40), pkt_tcp(4000, 80, TH_ACK),
		pkt_payload(6)}});
}

static void keeps_vlan_tags(void **state)
{
	(void)state;
	CHECK({"one, 4-in-4",
	       {pkt_eth(), pkt_vlan(0x2123), pkt_ip4(EDGE, SELF), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_vlan(0x2123), pkt_ip4(C4, V4), TCP}},
	      {"two, 4-in-4",
	       {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8), pkt_ip4(EDGE, SELF),
		pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(.protocol = 0x88a8), pkt_vlan(7), pkt_vlan(8), pkt_ip4(C4, V4), TCP}},
	      {"one, 4-in-6",
	       {pkt_eth(), pkt_vlan(7), pkt_ip6(EDGE6, SELF6), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_vlan(7), pkt_ip4(C4, V4), TCP}},
	      {"two, 6-in-6",
	       {pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_ip6(EDGE6, SELF6), pkt_ip6(C6, V6), TCP},
	       .reason = DECAP_DECAPSULATED,
	       {pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_ip6(C6, V6), TCP}});
}

static void passes_what_is_no_tunnel_to_this_host(void **state)
{
	(void)state;
	CHECK({"TCP", {pkt_eth(), pkt_ip4(C4, SELF), TCP}, .reason = DECAP_NOT_TUNNEL},
	      {"IPv6", {pkt_eth(), pkt_ip6(C6, SELF6), TCP}, .reason = DECAP_NOT_TUNNEL},
	      {"ARP", {pkt_eth(.protocol = 0x0806), pkt_payload(28)}, .reason = DECAP_NOT_TUNNEL},
	      {"GRE",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .protocol = 47), pkt_payload(40)},
	       .reason = DECAP_NOT_TUNNEL},
	      {"three tags",
	       {pkt_eth(), pkt_vlan(1), pkt_vlan(2), pkt_vlan(3), pkt_ip4(EDGE, SELF),
		pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_NOT_TUNNEL},
	      {"an extension header",
	       {pkt_eth(), pkt_ip6(EDGE6, SELF6), pkt_ext(EXT_DESTINATION), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_NOT_TUNNEL},
	      {"another host's",
	       {pkt_eth(), pkt_ip4(EDGE, "10.3.0.9"), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_NOT_LOCAL},
	      {"another host's, IPv6",
	       {pkt_eth(), pkt_ip6(EDGE6, "2001:db8:3::9"), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_NOT_LOCAL},
	      {"loopback's",
	       {pkt_eth(), pkt_ip4(EDGE, "127.0.0.1"), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_NOT_LOCAL},
	      {"loopback's, IPv6",
	       {pkt_eth(), pkt_ip6(EDGE6, "::1"), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_NOT_LOCAL},
	      {"another host's, from anywhere",
	       {pkt_eth(), pkt_ip4(C4, "10.3.0.9"), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_NOT_LOCAL});
}

static void drops_tunnels_from_sources_it_was_not_told_of(void **state)
{
	(void)state;
	CHECK({"IPv4",
	       {pkt_eth(), pkt_ip4("192.0.3.1", SELF), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_UNKNOWN_SOURCE},
	      {"IPv4, the inner one is known",
	       {pkt_eth(), pkt_ip4(C4, SELF), pkt_ip4(EDGE, V4), TCP},
	       .reason = DECAP_UNKNOWN_SOURCE},
	      {"IPv6",
	       {pkt_eth(), pkt_ip6("2001:db8:fffe::1", SELF6), pkt_ip6(C6, V6), TCP},
	       .reason = DECAP_UNKNOWN_SOURCE},
	      {"malformed inside",
	       {pkt_eth(), pkt_ip4(C4, SELF, .protocol = 4), pkt_payload(3)},
	       .reason = DECAP_UNKNOWN_SOURCE});
}

static void drops_what_is_malformed(void **state)
{
	(void)state;
	CHECK({"no inner packet",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .protocol = 4), pkt_payload(0)},
	       .reason = DECAP_MALFORMED},
	      {"half an inner header",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .protocol = 4), pkt_payload(19)},
	       .reason = DECAP_MALFORMED},
	      {"inner version",
	       {pkt_eth(), pkt_ip4(EDGE, SELF), pkt_ip4(C4, V4, .version = 6), TCP},
	       .reason = DECAP_MALFORMED},
	      {"inner header under 20 bytes",
	       {pkt_eth(), pkt_ip4(EDGE, SELF), pkt_ip4(C4, V4, .ihl = 4), TCP},
	       .reason = DECAP_MALFORMED},
	      {"inner shorter than its header",
	       {pkt_eth(), pkt_ip4(EDGE, SELF), pkt_ip4(C4, V4, .length = 19), TCP},
	       .reason = DECAP_MALFORMED},
	      {"inner longer than the outer has room for",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .length = 100), pkt_ip4(C4, V4, .length = 81), TCP},
	       .reason = DECAP_MALFORMED},
	      {"IPv6 inner longer",
	       {pkt_eth(), pkt_ip6(EDGE6, SELF6), pkt_ip6(C6, V6, .length = 71), TCP},
	       .reason = DECAP_MALFORMED},
	      {"IPv6 inner version",
	       {pkt_eth(), pkt_ip6(EDGE6, SELF6), pkt_ip6(C6, V6, .version = 4), TCP},
	       .reason = DECAP_MALFORMED},
	      {"family other than the outer says",
	       {pkt_eth(), pkt_ip6(EDGE6, SELF6, .protocol = 41), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_MALFORMED},
	      {"outer longer than the frame",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .length = 111), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_MALFORMED},
	      {"outer shorter than its header",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .length = 19), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_MALFORMED},
	      {"a fragment",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .fragment = 0x2000), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_FRAGMENT},
	      {"a later fragment",
	       {pkt_eth(), pkt_ip4(EDGE, SELF, .fragment = 0x0010), pkt_ip4(C4, V4), TCP},
	       .reason = DECAP_FRAGMENT});
}

static void drops_an_outer_header_with_a_wrong_checksum(void **state)
{
	struct packet in, out;
	uint32_t action;

	(void)state;
	for (size_t bit = 0; bit < 16; bit++) {
		packet_build(&in, pkt_eth(), pkt_ip4(EDGE, SELF), pkt_ip4(C4, V4), TCP);
		in.data[14 + 10 + bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(send_packet(&in, &action, &out), DECAP_MALFORMED);
		assert_int_equal(action, XDP_DROP);
	}
}

static void never_takes_the_header_off_a_packet_cut_short(void **state)
{
	const struct layer whole[][PACKET_LAYERS_MAX] = {
		{pkt_eth(), pkt_ip4(EDGE, SELF, .options = 1), pkt_ip4(C4, V4), TCP},
		{pkt_eth(), pkt_vlan(7), pkt_ip6(EDGE6, SELF6), pkt_ip4(C4, V4), TCP},
		{pkt_eth(), pkt_vlan(7), pkt_vlan(8), pkt_ip6(EDGE6, SELF6), pkt_ip6(C6, V6), TCP},
	};
	struct packet in, out;
	uint32_t action;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		size_t size;

		packet_build_layers(&in, whole[i]);
		size = in.size;
		assert_int_equal(send_packet(&in, &action, &out), DECAP_DECAPSULATED);
		for (in.size = 14; in.size < size; in.size++) {
			int reason = send_packet(&in, &action, &out);

			if (reason != DECAP_MALFORMED && reason != DECAP_NOT_TUNNEL)
				fail_msg("packet %zu cut to %zu of %zu bytes: %s", i, in.size, size,
					 reason_name(reason));
		}
	}
}

/* The table of RFC 6040, section 4.2: by inner, then outer; -1: to be dropped. */
static void hands_congestion_on_to_the_inner_packet(void **state)
{
	static const int become[4][4] = {
		[NO_ECN] = {[NO_ECN] = NO_ECN, [ECT0] = NO_ECN, [ECT1] = NO_ECN, [CE] = -1},
		[ECT0] = {[NO_ECN] = ECT0, [ECT0] = ECT0, [ECT1] = ECT1, [CE] = CE},
		[ECT1] = {[NO_ECN] = ECT1, [ECT0] = ECT1, [ECT1] = ECT1, [CE] = CE},
		[CE] = {[NO_ECN] = CE, [ECT0] = CE, [ECT1] = CE, [CE] = CE},
	};

	(void)state;
	for (uint8_t inner = 0; inner < 4; inner++)
		for (uint8_t outer = 0; outer < 4; outer++) {
			int now = become[inner][outer];
			enum decap_reason reason = now < 0 ? DECAP_CONGESTED : DECAP_DECAPSULATED;
			uint8_t tos = (uint8_t)(0xb8 | inner), left = (uint8_t)(0xb8 | (now & 3));

			CHECK({"4-in-4",
			       {pkt_eth(), pkt_ip4(EDGE, SELF, .tos = outer),
				pkt_ip4(C4, V4, .tos = tos), TCP},
			       reason,
			       {pkt_eth(), pkt_ip4(C4, V4, .tos = left), TCP}},
			      {"6-in-6",
			       {pkt_eth(), pkt_ip6(EDGE6, SELF6, .tos = outer),
				pkt_ip6(C6, V6, .tos = tos, .flow_label = 0xfffff), TCP},
			       reason,
			       {pkt_eth(), pkt_ip6(C6, V6, .tos = left, .flow_label = 0xfffff),
				TCP}},
			      {"4-in-6",
			       {pkt_eth(), pkt_ip6(EDGE6, SELF6, .tos = outer),
				pkt_ip4(C4, V4, .tos = tos), TCP},
			       reason,
			       {pkt_eth(), pkt_ip4(C4, V4, .tos = left), TCP}});
		}
}

static void set_flags(int fd, const char *interface, short flags)
{
	struct ifreq request = {.ifr_flags = flags};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

/* alias: an interface with a colon and a number, each of which has one IPv4 address. */
static void add_ipv4(const char *alias, const char *text)
{
	struct ifreq request = {.ifr_addr.sa_family = AF_INET};
	struct sockaddr_in *address = (void *)&request.ifr_addr;
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", alias);
	inet_pton(AF_INET, text, &address->sin_addr);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
}

static void remove_ipv4(const char *alias)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM, 0);

	set_flags(fd, alias, 0);
}

static void change_ipv6(unsigned long command, const char *text)
{
	struct in6_ifreq request = {.ifr6_prefixlen = 128,
				    .ifr6_ifindex = (int)if_nametoindex("lo")};
	CLEANUP_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	inet_pton(AF_INET6, text, &request.ifr6_addr);
	assert_int_equal(ioctl(fd, command, &request), 0);
}

/* Runs the loop until a tunnel to the address ends so. */
static void wait_for(const struct packet *tunnel, enum decap_reason wanted)
{
	uint64_t now, deadline;
	struct packet out;
	uint32_t action;
	int reason;

	sd_event_now(loop, CLOCK_MONOTONIC, &now);
	deadline = now + WAIT_US;
	while ((reason = send_packet(tunnel, &action, &out)) != (int)wanted) {
		if (now > deadline)
			fail_msg("still %s, not %s", reason_name(reason), reason_name((int)wanted));
		assert_true(sd_event_run(loop, 100000) >= 0);
		sd_event_now(loop, CLOCK_MONOTONIC, &now);
	}
}

static void follows_this_hosts_addresses(void **state)
{
	struct packet to_ipv4, to_ipv6;

	(void)state;
	packet_build(&to_ipv4, pkt_eth(), pkt_ip4(EDGE, "10.3.0.77"), pkt_ip4(C4, V4), TCP);
	packet_build(&to_ipv6, pkt_eth(), pkt_ip6(EDGE6, "2001:db8:3::77"), pkt_ip6(C6, V6), TCP);
	wait_for(&to_ipv4, DECAP_NOT_LOCAL);
	wait_for(&to_ipv6, DECAP_NOT_LOCAL);
	add_ipv4("lo:7", "10.3.0.77");
	change_ipv6(SIOCSIFADDR, "2001:db8:3::77");
	wait_for(&to_ipv4, DECAP_DECAPSULATED);
	wait_for(&to_ipv6, DECAP_DECAPSULATED);
	remove_ipv4("lo:7");
	change_ipv6(SIOCDIFADDR, "2001:db8:3::77");
	wait_for(&to_ipv4, DECAP_NOT_LOCAL);
	wait_for(&to_ipv6, DECAP_NOT_LOCAL);
}

static char pin_dir[64];

static const char *const pins[] = {"decap_prog", "decap_local", "decap_sources", "decap_reasons",
				   "link_lo"};

static int remove_pins(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
		CLEANUP_FREE char *path = util_format("%s/%s", pin_dir, pins[i]);

		unlink(path);
	}
	rmdir(pin_dir);
	return 0;
}

static struct bpf_link_info pinned_link(void)
{
	CLEANUP_FREE char *path = util_format("%s/link_lo", pin_dir);
	CLEANUP_CLOSE int fd = bpf_obj_get(path);
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	return info;
}

static struct decap *open_pinned(void)
{
	char lo[1][IF_NAMESIZE] = {"lo"};
	const struct decap_options options = {
		.pin_dir = pin_dir, .mode = XDP_MODE_GENERIC, .interfaces = lo, .interfaces_n = 1};
	struct decap *opened = NULL;

	assert_int_equal(decap_open(loop, &options, &opened), 0);
	return opened;
}

static void a_restart_keeps_the_link_and_the_counters(void **state)
{
	struct decap_reasons counted, later;
	struct bpf_link_info first, second;
	struct decap *one, *two;
	struct packet in, out;
	struct statfs fs;
	uint32_t action;

	(void)state;
	if (statfs("/sys/fs/bpf", &fs) || fs.f_type != BPF_FS_MAGIC) {
		print_message("no BPF file system is mounted on /sys/fs/bpf\n");
		skip();
	}
	snprintf(pin_dir, sizeof(pin_dir), "/sys/fs/bpf/test_decap_%d", (int)getpid());
	assert_int_equal(mkdir(pin_dir, 0700), 0);
	one = open_pinned();
	packet_build(&in, pkt_eth(), pkt_ip4(EDGE, SELF), pkt_ip4(C4, V4), TCP);
	fixture_run_program(decap_program_fd(one), &in, &action, &out);
	decap_count(one, &counted);
	assert_int_equal(counted.unknown_source, 1);
	first = pinned_link();
	decap_free(one);

	two = open_pinned();
	second = pinned_link();
	decap_count(two, &later);
	decap_free(two);
	assert_int_equal(first.id, second.id);
	assert_int_not_equal(first.prog_id, second.prog_id);
	assert_memory_equal(&counted, &later, sizeof(counted));
}

static void make_namespace(void)
{
	CLEANUP_CLOSE int fd = -1;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	set_flags(fd, "lo", IFF_UP);
	add_ipv4("lo:1", SELF);
	change_ipv6(SIOCSIFADDR, SELF6);
}

static int open_decap(void **state)
{
	struct address_prefix sources[] = {{.bits = 96 + 24}, {.bits = 48}};
	struct decap_options options = {.sources = sources, .sources_n = ARRAY_SIZE(sources)};

	(void)state;
	make_namespace();
	address_parse("192.0.2.0", &sources[0].address);
	address_parse("2001:db8:ffff::", &sources[1].address);
	fixture_bind_cpu();
	assert_true(sd_event_new(&loop) >= 0);
	return decap_open(loop, &options, &decap);
}

static int close_decap(void **state)
{
	(void)state;
	decap_free(decap);
	sd_event_unref(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_off_the_outer_header),
		cmocka_unit_test(keeps_vlan_tags),
		cmocka_unit_test(passes_what_is_no_tunnel_to_this_host),
		cmocka_unit_test(drops_tunnels_from_sources_it_was_not_told_of),
		cmocka_unit_test(drops_what_is_malformed),
		cmocka_unit_test(drops_an_outer_header_with_a_wrong_checksum),
		cmocka_unit_test(never_takes_the_header_off_a_packet_cut_short),
		cmocka_unit_test(hands_congestion_on_to_the_inner_packet),
		cmocka_unit_test(follows_this_hosts_addresses),
		cmocka_unit_test_teardown(a_restart_keeps_the_link_and_the_counters, remove_pins),
	};

	return cmocka_run_group_tests(tests, open_decap, close_decap);
}
