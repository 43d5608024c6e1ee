/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each test has two network namespaces of its own, this process's and one held by a child; both
 * go when the test ends:
 *
 *   here   eth1 10.1.0.1/24 fd00:1::1/64 ──── peer1 10.1.0.11/24 fd00:1::11/64   there
 *          eth2 10.2.0.1/24              ──── peer2 10.2.0.11/24
 */
#include "agent/nexthop.h"
#include "agent/nexthop_judge.h"
#include "agent/rtnl.h"
#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <net/if_arp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#define PATIENCE_MS 20000
#define MAC_1	    "02:00:00:00:01:01" /* eth1, and so on */
#define MAC_2	    "02:00:00:00:02:01"
#define PEER_MAC_1  "02:00:00:00:01:11"
#define PEER_MAC_2  "02:00:00:00:02:11"
#define OTHER_MAC   "02:00:00:00:01:99"

struct lab {
	pid_t peer; /* holds the other namespace */
	sd_event *event;
	struct nexthop_table *table;
};

/* What a watch has been told. */
struct told {
	unsigned int n;
	struct nexthop last;
	uint64_t last_ms;
	char reasons[512];		/* each that was told, with a ";" behind it */
	struct nexthop_watch **unwatch; /* in the callback */
};

static void on_nexthop(void *userdata, const struct nexthop *nexthop)
{
	struct told *told = userdata;
	size_t used = strlen(told->reasons);

	told->n++;
	told->last = *nexthop;
	told->last_ms = util_now_ms();
	if (!nexthop->resolved)
		snprintf(told->reasons + used, sizeof(told->reasons) - used, "%s;",
			 nexthop->reason);
	if (told->unwatch) {
		nexthop_unwatch(TAKE(*told->unwatch));
		told->unwatch = NULL;
	}
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A shell command in this namespace that must succeed. */
static void run(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

#define run_there(lab, format, ...)                                                                \
	run("nsenter --net=/proc/%d/ns/net " format, (int)(lab)->peer, ##__VA_ARGS__)

static pid_t namespace_fork(void)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_return_code(pipe2(ready, O_CLOEXEC), errno);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void lab_connect(struct lab *lab, int n, const char *mac, const char *peer_mac)
{
	run("ip link add eth%d address %s type veth peer name peer%d address %s netns %d", n, mac,
	    n, peer_mac, (int)lab->peer);
	/* Addresses that the kernel makes by itself are news seconds later, when none is expected. */
	run("ip link set eth%d addrgenmode none", n);
	run_there(lab, "ip link set peer%d addrgenmode none", n);
	run("ip address add 10.%d.0.1/24 dev eth%d && ip link set eth%d up", n, n, n);
	run_there(lab, "ip address add 10.%d.0.11/24 dev peer%d", n, n);
	run_there(lab, "ip link set peer%d up", n);
}

static int lab_setup(void **state)
{
	struct lab *lab;

	*state = NULL;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return 0;
	lab = util_calloc(1, sizeof(*lab));
	lab->peer = namespace_fork();
	run("ip link set lo up");
	lab_connect(lab, 1, MAC_1, PEER_MAC_1);
	lab_connect(lab, 2, MAC_2, PEER_MAC_2);
	/* Neighbour discovery goes out from link-local addresses. */
	run("ip address add fd00:1::1/64 dev eth1 nodad && "
	    "ip address add fe80::1/64 dev eth1 nodad");
	run_there(lab, "ip address add fd00:1::11/64 dev peer1 nodad");
	run_there(lab, "ip address add fe80::11/64 dev peer1 nodad");
	/* An unanswered request is over sooner than the kernel's three seconds. */
	run("echo 200 > /proc/sys/net/ipv4/neigh/eth1/retrans_time_ms");
	run("echo 1 > /proc/sys/net/ipv4/neigh/eth1/mcast_solicit");
	assert_true(sd_event_new(&lab->event) >= 0);
	assert_int_equal(nexthop_new(lab->event, &lab->table), 0);
	*state = lab;
	return 0;
}

static int lab_teardown(void **state)
{
	struct lab *lab = *state;

	if (!lab)
		return 0;
	nexthop_free(lab->table);
	sd_event_unref(lab->event);
	kill(lab->peer, SIGKILL);
	waitpid(lab->peer, NULL, 0);
	free(lab);
	return 0;
}

static struct lab *lab_of(void **state)
{
	if (!*state) {
		print_message("skipped: network namespaces need root\n");
		skip();
	}
	return *state;
}

static struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static struct nexthop_watch *watch(struct lab *lab, const char *text, struct told *told)
{
	struct address address = address_of(text);
	struct nexthop_watch *watch = NULL;

	assert_int_equal(nexthop_watch(lab->table, &address, on_nexthop, told, &watch), 0);
	return watch;
}

#define lab_wait(lab, condition)                                                                   \
	do {                                                                                       \
		uint64_t end_ms_ = util_now_ms() + PATIENCE_MS;                                    \
		while (!(condition)) {                                                             \
			if (util_now_ms() > end_ms_)                                               \
				fail_msg("never came true: %s", #condition);                       \
			assert_true(sd_event_run((lab)->event, 20000) >= 0);                       \
		}                                                                                  \
	} while (0)

static void lab_run_for(struct lab *lab, uint64_t ms)
{
	for (uint64_t end_ms = util_now_ms() + ms; util_now_ms() < end_ms;)
		assert_true(sd_event_run(lab->event, 20000) >= 0);
}

/* Lets requests that are still under way be answered: what comes then is heard, not asked for. */
static void lab_settle(struct lab *lab)
{
	lab_run_for(lab, 100);
}

static bool mac_is(const uint8_t mac[6], const char *text)
{
	CLEANUP_FREE char *mac_text = util_format("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
						  mac[2], mac[3], mac[4], mac[5]);

	return !strcmp(mac_text, text);
}

static void assert_address(const struct address *address, const char *expected)
{
	char text[ADDRESS_TEXT_MAX];

	assert_string_equal(address_text(address, text), expected);
}

static void neighbour_on_the_link_is_resolved(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};

	watch(lab, "10.1.0.11", &told);
	assert_int_equal(told.n, 0);
	lab_wait(lab, told.n);
	assert_true(told.last.resolved);
	assert_string_equal(told.last.reason, "");
	assert_true(mac_is(told.last.dst_mac, PEER_MAC_1));
	assert_true(mac_is(told.last.src_mac, MAC_1));
	assert_string_equal(told.last.ifname, "eth1");
	assert_int_equal(told.last.ifindex, if_nametoindex("eth1"));
	assert_int_equal(told.last.mtu, 1500);
	assert_address(&told.last.source, "10.1.0.1");
	assert_false(told.last.has_gateway);
}

static void ipv6_neighbour_is_resolved(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};

	watch(lab, "fd00:1::11", &told);
	lab_wait(lab, told.n);
	assert_true(told.last.resolved);
	assert_true(mac_is(told.last.dst_mac, PEER_MAC_1));
	assert_address(&told.last.source, "fd00:1::1");
}

static void address_behind_a_gateway_gets_the_gateways_mac(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {}, other = {};

	run("ip route add 10.9.0.0/16 via 10.1.0.11 src 10.2.0.1 mtu 1400");
	run("ip route add 10.8.0.0/16 via inet6 fd00:1::11");
	watch(lab, "10.9.1.2", &told);
	watch(lab, "10.8.1.2", &other);
	lab_wait(lab, told.n && other.n);
	assert_true(told.last.resolved);
	assert_true(mac_is(told.last.dst_mac, PEER_MAC_1));
	assert_true(told.last.has_gateway);
	assert_address(&told.last.gateway, "10.1.0.11");
	assert_address(&told.last.source, "10.2.0.1");
	assert_int_equal(told.last.mtu, 1400);
	assert_true(other.last.resolved);
	assert_true(mac_is(other.last.dst_mac, PEER_MAC_1));
	assert_address(&other.last.gateway, "fd00:1::11");
}

static void changed_mac_of_the_neighbour_is_followed(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.n);
	lab_settle(lab);
	/* The peer tells of its new address by a gratuitous ARP. */
	run_there(lab, "sh -c 'echo 1 > /proc/sys/net/ipv4/conf/peer1/arp_notify'");
	run_there(lab, "ip link set peer1 address " OTHER_MAC);
	lab_wait(lab, mac_is(told.last.dst_mac, OTHER_MAC));
	assert_true(told.last.resolved);
	assert_string_equal(told.reasons, "");
}

static void changed_mac_and_mtu_of_the_interface_are_followed(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.n);
	lab_settle(lab);
	run("ip link set eth1 address " OTHER_MAC);
	lab_wait(lab, mac_is(told.last.src_mac, OTHER_MAC));
	run("ip link set eth1 mtu 1450");
	lab_wait(lab, told.last.mtu == 1450);
	assert_true(told.last.resolved);
}

static void interface_going_down_counts_at_once(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};
	uint64_t down_ms;

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.last.resolved);
	run("ip link set eth1 down");
	down_ms = util_now_ms();
	lab_wait(lab, !told.last.resolved);
	assert_true(told.last_ms - down_ms < 1500);
	assert_memory_equal(told.reasons, "interface eth1 is down;", 23);
	run("ip link set eth1 up");
	lab_wait(lab, told.last.resolved);
	assert_true(mac_is(told.last.dst_mac, PEER_MAC_1));
}

static void lost_carrier_counts_at_once(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};
	uint64_t down_ms;

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.last.resolved);
	run_there(lab, "ip link set peer1 down");
	down_ms = util_now_ms();
	lab_wait(lab, !told.last.resolved);
	assert_true(told.last_ms - down_ms < 1500);
	assert_string_equal(told.last.reason, "interface eth1 has no carrier");
	run_there(lab, "ip link set peer1 up");
	lab_wait(lab, told.last.resolved);
}

static void interface_going_away_counts_at_once(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};
	uint64_t gone_ms;

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.last.resolved);
	run("ip link del eth1");
	gone_ms = util_now_ms();
	lab_wait(lab, !told.last.resolved);
	assert_true(told.last_ms - gone_ms < 1500);
	lab_wait(lab, !strcmp(told.last.reason, "no route to 10.1.0.11"));
}

static void replaced_route_is_followed(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};

	run("ip route add 10.9.0.0/16 via 10.1.0.11");
	watch(lab, "10.9.1.2", &told);
	lab_wait(lab, told.n);
	assert_string_equal(told.last.ifname, "eth1");
	lab_settle(lab);
	run("ip route replace 10.9.0.0/16 via 10.2.0.11");
	lab_wait(lab, !strcmp(told.last.ifname, "eth2"));
	assert_true(mac_is(told.last.dst_mac, PEER_MAC_2));
	assert_true(mac_is(told.last.src_mac, MAC_2));
	/* The old way stood until the new one was known. */
	assert_string_equal(told.reasons, "");
	run("ip route del 10.9.0.0/16");
	lab_wait(lab, !told.last.resolved);
	assert_string_equal(told.last.reason, "no route to 10.9.1.2");
	run("ip route add 10.9.1.0/24 via 10.1.0.11");
	lab_wait(lab, told.last.resolved);
	assert_string_equal(told.last.ifname, "eth1");
}

static void changed_source_address_is_followed(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.n);
	run("ip address add 10.1.0.2/24 dev eth1 && ip address del 10.1.0.1/24 dev eth1; "
	    "ip address add 10.1.0.2/24 dev eth1 2> /dev/null; true");
	lab_wait(lab, told.last.resolved && told.last.source.bytes[15] == 2);
}

static void silent_neighbour_is_named_and_found_once_it_answers(void **state)
{
	struct lab *lab = lab_of(state);
	struct told direct = {}, behind = {};

	run("ip route add 10.9.0.0/16 via 10.1.0.78");
	watch(lab, "10.1.0.77", &direct);
	watch(lab, "10.9.1.2", &behind);
	lab_wait(lab, direct.n && behind.n);
	assert_false(direct.last.resolved);
	assert_string_equal(direct.last.reason, "10.1.0.77 does not answer on eth1");
	assert_string_equal(behind.last.reason, "gateway 10.1.0.78 does not answer on eth1");
	run_there(lab, "ip address add 10.1.0.77/24 dev peer1");
	run_there(lab, "ip address add 10.1.0.78/24 dev peer1");
	lab_wait(lab, direct.last.resolved && behind.last.resolved);
	assert_true(mac_is(direct.last.dst_mac, PEER_MAC_1));
}

static void lost_neighbour_is_reported_after_the_hold(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};
	uint64_t lost_ms;

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.last.resolved);
	run_there(lab, "ip address del 10.1.0.11/24 dev peer1");
	run("ip neigh del 10.1.0.11 dev eth1");
	lost_ms = util_now_ms();
	lab_wait(lab, !told.last.resolved);
	assert_in_range(told.last_ms - lost_ms, 2500, 10000);
	assert_string_equal(told.last.reason, "10.1.0.11 does not answer on eth1");
}

static void forgotten_neighbour_is_resolved_again_unnoticed(void **state)
{
	struct lab *lab = lab_of(state);
	struct told told = {};

	watch(lab, "10.1.0.11", &told);
	lab_wait(lab, told.last.resolved);
	run("ip neigh del 10.1.0.11 dev eth1");
	lab_run_for(lab, 3500);
	assert_int_equal(told.n, 1);
	run("ip neigh show 10.1.0.11 dev eth1 | grep -q " PEER_MAC_1);
}

static void addresses_that_lead_nowhere_are_explained(void **state)
{
	static const struct {
		const char *address;
		const char *reason;
	} cases[] = {
		{"192.0.2.1", "no route to 192.0.2.1"},
		{"2001:db8::1", "no route to 2001:db8::1"},
		{"10.50.0.1", "the route to 10.50.0.1 is of type blackhole"},
		{"10.51.0.1", "the route to 10.51.0.1 is of type unreachable"},
		{"10.52.0.1", "the route to 10.52.0.1 is of type prohibit"},
		{"fd00:50::1", "the route to fd00:50::1 is of type blackhole"},
		{"fd00:51::1", "the route to fd00:51::1 is of type unreachable"},
		{"10.1.0.1", "10.1.0.1 is an address of this host"},
		{"127.0.0.1", "127.0.0.1 is an address of this host"},
		{"fd00:1::1", "fd00:1::1 is an address of this host"},
		{"10.1.0.255", "10.1.0.255 is not the address of one host"},
		{"10.53.0.1", "egress interface lo is not Ethernet"},
	};
	struct lab *lab = lab_of(state);

	run("ip route add blackhole 10.50.0.0/16 && ip route add unreachable 10.51.0.0/16 && "
	    "ip route add prohibit 10.52.0.0/16 && ip route add 10.53.0.0/16 dev lo && "
	    "ip route add blackhole fd00:50::/32 && ip route add unreachable fd00:51::/32");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct told told = {};
		struct nexthop_watch *w = watch(lab, cases[i].address, &told);

		lab_wait(lab, told.n);
		assert_false(told.last.resolved);
		assert_string_equal(told.last.reason, cases[i].reason);
		nexthop_unwatch(w);
	}
}

/* As the kernel describes eth0.100; by hand, since not every kernel here can make one. */
static void vlan_interface_is_refused_by_name(void **state)
{
	const struct address address = address_of("10.3.0.11");
	const struct rtnl_route route = {.type = RTN_UNICAST, .ifindex = 7};
	struct rtnl_link link;
	struct nexthop_facts facts = {
		.address = &address, .asked = true, .route = &route, .link = &link};
	struct nexthop nexthop;
	_Alignas(struct nlmsghdr) char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct nlattr *nest;

	(void)state;
	info->ifi_index = 7;
	info->ifi_type = ARPHRD_ETHER;
	info->ifi_flags = IFF_UP | IFF_RUNNING;
	mnl_attr_put_strz(message, IFLA_IFNAME, "eth0.100");
	nest = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vlan");
	mnl_attr_nest_end(message, nest);
	assert_int_equal(rtnl_parse_link(message, &link), 0);
	assert_true(nexthop_judge(&facts, &nexthop));
	assert_string_equal(nexthop.reason,
			    "egress interface eth0.100 is a VLAN device; not supported yet");
	assert_false(nexthop_facts_want_neighbour(&facts));
}

static void every_watch_of_an_address_is_told(void **state)
{
	struct lab *lab = lab_of(state);
	struct told first = {}, second = {}, late = {};
	struct nexthop_watch *w = watch(lab, "10.1.0.11", &first);

	watch(lab, "10.1.0.11", &second);
	assert_string_equal(nexthop_watch_current(w)->reason, "not looked up yet");
	lab_wait(lab, first.n && second.n);
	watch(lab, "10.1.0.11", &late);
	assert_int_equal(late.n, 0);
	lab_wait(lab, late.n);
	assert_true(late.last.resolved);
	nexthop_unwatch(w);
	lab_settle(lab);
	run("ip neigh replace 10.1.0.11 lladdr " OTHER_MAC " dev eth1 nud permanent");
	lab_wait(lab, second.n == 2 && late.n == 2);
	assert_int_equal(first.n, 1);
}

static void watches_may_be_ended_from_callbacks(void **state)
{
	struct lab *lab = lab_of(state);
	struct told own = {}, other = {}, ended = {};
	struct nexthop_watch *own_watch, *ended_watch;

	own_watch = watch(lab, "10.1.0.11", &own);
	own.unwatch = &own_watch;
	lab_wait(lab, own.n);
	assert_null(own_watch);
	/* Whichever is told first ends the other, which is then never told. */
	own_watch = watch(lab, "10.1.0.11", &other);
	ended_watch = watch(lab, "10.1.0.11", &ended);
	other.unwatch = &ended_watch;
	ended.unwatch = &own_watch;
	lab_wait(lab, other.n + ended.n);
	lab_run_for(lab, 50);
	assert_int_equal(other.n + ended.n, 1);
}

struct crowd {
	unsigned int told;
	unsigned int resolved;
};

static void on_crowd(void *userdata, const struct nexthop *nexthop)
{
	struct crowd *crowd = userdata;

	crowd->told++;
	crowd->resolved += nexthop->resolved && mac_is(nexthop->dst_mac, PEER_MAC_1);
}

static void sixteen_thousand_addresses_are_followed(void **state)
{
	enum { N = 16384 };
	struct lab *lab = lab_of(state);
	struct crowd crowd = {};

	run("ip route add 10.64.0.0/10 via 10.1.0.11");
	for (unsigned int i = 0; i < N; i++) {
		struct address address = address_of("10.64.0.0");
		struct nexthop_watch *unused;

		address.bytes[14] = (uint8_t)(i >> 8);
		address.bytes[15] = (uint8_t)i;
		assert_int_equal(nexthop_watch(lab->table, &address, on_crowd, &crowd, &unused), 0);
	}
	lab_wait(lab, crowd.told == N);
	assert_int_equal(crowd.resolved, N);
	run("ip neigh replace 10.1.0.11 lladdr " OTHER_MAC " dev eth1 nud permanent");
	lab_wait(lab, crowd.told == 2 * N);
	assert_int_equal(crowd.resolved, N);
	run("ip route replace 10.64.0.0/10 via 10.2.0.11");
	lab_wait(lab, crowd.told == 3 * N);
}

/* Messages lost by this process's netlink sockets. */
static unsigned int messages_lost(void)
{
	CLEANUP_FCLOSE FILE *file = fopen("/proc/self/net/netlink", "re");
	unsigned int sum = 0, drops;
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*d %*d %*x %*d %*d %*d %*d %u", &drops) == 1)
			sum += drops;
	}
	return sum;
}

static void lost_messages_are_made_good(void **state)
{
	enum { N = 20000 };
	struct lab *lab = lab_of(state);
	CLEANUP_FCLOSE FILE *ip = NULL;
	struct told told = {}, away = {};

	run("ip route add 10.9.0.0/16 via 10.1.0.11");
	watch(lab, "10.1.0.11", &told);
	watch(lab, "10.9.1.2", &away);
	lab_wait(lab, told.last.resolved && away.last.resolved);
	lab_settle(lab);
	ip = popen("ip -batch -", "w");
	assert_non_null(ip);
	for (int i = 0; i < N; i++)
		fprintf(ip,
			"neigh replace 10.2.%d.%d lladdr " OTHER_MAC " dev eth2 nud permanent\n",
			i / 250, i % 250);
	fprintf(ip, "neigh replace 10.1.0.11 lladdr " OTHER_MAC " dev eth1 nud permanent\n");
	fprintf(ip, "route replace 10.9.0.0/16 via 10.2.0.11\n");
	assert_int_equal(pclose(TAKE(ip)), 0);
	assert_true(messages_lost() > 0);
	lab_wait(lab, mac_is(told.last.dst_mac, OTHER_MAC) && !strcmp(away.last.ifname, "eth2"));
}

#define lab_test(test) cmocka_unit_test_setup_teardown(test, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		lab_test(neighbour_on_the_link_is_resolved),
		lab_test(ipv6_neighbour_is_resolved),
		lab_test(address_behind_a_gateway_gets_the_gateways_mac),
		lab_test(changed_mac_of_the_neighbour_is_followed),
		lab_test(changed_mac_and_mtu_of_the_interface_are_followed),
		lab_test(interface_going_down_counts_at_once),
		lab_test(lost_carrier_counts_at_once),
		lab_test(interface_going_away_counts_at_once),
		lab_test(replaced_route_is_followed),
		lab_test(changed_source_address_is_followed),
		lab_test(silent_neighbour_is_named_and_found_once_it_answers),
		lab_test(lost_neighbour_is_reported_after_the_hold),
		lab_test(forgotten_neighbour_is_resolved_again_unnoticed),
		lab_test(addresses_that_lead_nowhere_are_explained),
		cmocka_unit_test(vlan_interface_is_refused_by_name),
		lab_test(every_watch_of_an_address_is_told),
		lab_test(watches_may_be_ended_from_callbacks),
		lab_test(sixteen_thousand_addresses_are_followed),
		lab_test(lost_messages_are_made_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
