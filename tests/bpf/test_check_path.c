/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The program that health checks leave by, in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/magic.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "agent/check_path.h"
#include "agent/tc_filter.h"
#include "common/util.h"
#include "lib/fixture.h"
#include "lib/packet.h"

#define SELF4 "192.0.2.1" /* where checks come from */
#define SELF6 "2001:db8:ffff::1"
#define VIP4  "203.0.113.10"
#define VIP6  "2001:db8::10"
#define TCP   pkt_tcp(4000, 80, TH_SYN), pkt_payload(50)

#define UP (BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)

static struct fixture fixture;
static struct check_path *path;

static const char routes[] =
	"stacks:\n"
	"  wire: {forward: l2, backends: [{address: 10.1.0.11}]}\n"
	"  tunnel: {forward: ipip, backends: [{address: 10.1.0.12}]}\n"
	"  tunnel6: {forward: ipip, backends: [{address: '2001:db8:1::13'}]}\n"
	"  here: {forward: local}\n"
	"services:\n"
	"  a: {vips: [203.0.113.10, '2001:db8::10'], ports: [80], split: {wire: 1}}\n"
	"  b: {vips: [203.0.113.10], ports: [81], split: {tunnel: 1}}\n"
	"  c: {vips: [203.0.113.10, '2001:db8::10'], ports: [82], split: {tunnel6: 1}}\n"
	"  d: {vips: [203.0.113.10], ports: [83], split: {here: 1}}\n";

static struct backend *backend(const char *stack, const char *address)
{
	return fixture_backend(&fixture, stack, address);
}

/* Runs the program over a packet with a mark; the reason that was counted, -1: none. */
static int run(const struct packet *in, uint32_t mark, int *ret_action, struct packet *ret_out)
{
	struct __sk_buff context = {.mark = mark};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data,
		    .data_size_in = (__u32)in->size, .data_out = ret_out->data,
		    .data_size_out = sizeof(ret_out->data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	struct check_reasons before, after;
	int reason = -1;

	check_path_count(path, &before);
	assert_int_equal(bpf_prog_test_run_opts(check_path_program_fd(path), &options), 0);
	check_path_count(path, &after);
	*ret_action = (int)options.retval;
	ret_out->size = options.data_size_out;
	for (int i = 0; i < CHECK_REASON_MAX; i++) {
		if ((&after.sent)[i] == (&before.sent)[i])
			continue;
		assert_int_equal((&after.sent)[i], (&before.sent)[i] + 1);
		assert_int_equal(reason, -1);
		reason = i;
	}
	return reason;
}

static int run_slot(const struct packet *in, uint32_t slot, int *ret_action, struct packet *ret_out)
{
	return run(in, check_path_mark(slot), ret_action, ret_out);
}

static void check_same_bytes(const char *name, const struct packet *got,
			     const struct packet *expected)
{
	if (packet_differs(expected, got))
		fail_msg("%s: other bytes than expected", name);
}

/* A packet, and the service's port that the steering program finds the same backend by. */
struct row {
	const char *name;
	const char *stack, *address;
	uint16_t port;
	bool ipv6;
	uint8_t tos;
	uint16_t size;
};

static void build(struct packet *packet, const struct row *row)
{
	const struct layer tcp = pkt_tcp(4000, row->port, TH_SYN), payload = pkt_payload(row->size);

	if (row->ipv6)
		packet_build(packet, pkt_eth(), pkt_ip6(SELF6, VIP6, .tos = row->tos), tcp,
			     payload);
	else
		packet_build(packet, pkt_eth(), pkt_ip4(SELF4, VIP4, .tos = row->tos), tcp,
			     payload);
}

static void sends_the_very_bytes_that_the_steering_program_sends(void **state)
{
	static const struct row rows[] = {
		{"l2, IPv4", "wire", "10.1.0.11", 80, .size = 50},
		{"l2, IPv6", "wire", "10.1.0.11", 80, .ipv6 = true, .size = 50},
		{"l2, as large as fits", "wire", "10.1.0.11", 80, .size = FIXTURE_MTU - 40},
		{"4-in-4", "tunnel", "10.1.0.12", 81, .size = 50},
		{"4-in-4 with TOS", "tunnel", "10.1.0.12", 81, .tos = 0xb9, .size = 50},
		{"4-in-4, as large as fits", "tunnel", "10.1.0.12", 81, .size = FIXTURE_MTU - 60},
		{"4-in-6", "tunnel6", "2001:db8:1::13", 82, .tos = 0xb9, .size = 50},
		{"6-in-6", "tunnel6", "2001:db8:1::13", 82, .ipv6 = true, .tos = 0xb9, .size = 50},
		{"6-in-6, as large as fits", "tunnel6", "2001:db8:1::13", 82, .ipv6 = true,
		 .size = FIXTURE_MTU - 100},
		{"no payload", "tunnel6", "2001:db8:1::13", 82, .size = 0},
	};
	struct outcome steered;
	struct packet in, out;
	int action;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t slot = fixture_slot(&fixture, rows[i].stack, rows[i].address);

		build(&in, &rows[i]);
		fixture_send(&fixture, &in, &steered);
		assert_int_equal(steered.reason, REASON_FORWARDED);
		assert_int_equal(fixture_receiver(&steered), slot);
		assert_int_equal(run_slot(&in, slot, &action, &out), CHECK_SENT);
		assert_int_equal(action, TC_ACT_REDIRECT);
		check_same_bytes(rows[i].name, &out, &steered.out);
	}
}

static void varies_only_the_low_bits_of_the_outer_source(void **state)
{
	uint32_t slot = fixture_slot(&fixture, "tunnel", "10.1.0.12"), different = 0, last = 0;
	struct packet in, out;
	int action;

	(void)state;
	fixture_set_source(&fixture, slot, "10.200.1.0", 8);
	for (uint16_t port = 1; port <= 20; port++) {
		uint32_t source;

		packet_build(&in, pkt_eth(), pkt_ip4(SELF4, VIP4), pkt_tcp(port, 81, TH_SYN));
		assert_int_equal(run_slot(&in, slot, &action, &out), CHECK_SENT);
		memcpy(&source, out.data + 14 + 12, 4);
		assert_int_equal(ntohl(source) >> 8, 0x0ac801);
		assert_int_equal(packet_checksum(out.data + 14, 20, 0), 0);
		different += source != last;
		last = source;
	}
	assert_true(different > 10);
	fixture_set_source(&fixture, slot, FIXTURE_SOURCE4, 0);
}

static void leaves_alone_what_is_not_marked(void **state)
{
	static const uint32_t marks[] = {0, 1, CHECK_MARK - 1, CHECK_MARK + 0x10000, 0xffffffff};
	struct packet in, out;
	int action;

	(void)state;
	packet_build(&in, pkt_eth(), pkt_ip4(SELF4, VIP4), TCP);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		assert_int_equal(run(&in, marks[i], &action, &out), -1);
		assert_int_equal(action, TC_ACT_UNSPEC);
		check_same_bytes("not marked", &out, &in);
	}
}

static void check_dropped(const struct packet *in, uint32_t slot, enum check_reason wanted)
{
	struct packet out;
	int action;

	assert_int_equal(run_slot(in, slot, &action, &out), wanted);
	assert_int_equal(action, TC_ACT_SHOT);
}

static void drops_what_has_nobody_to_go_to(void **state)
{
	struct backend *wire = backend("wire", "10.1.0.11");
	uint32_t slot = fixture_slot(&fixture, "wire", "10.1.0.11");
	struct packet in;

	(void)state;
	packet_build(&in, pkt_eth(), pkt_ip4(SELF4, VIP4), TCP);
	check_dropped(&in, fixture_slot(&fixture, "here", ""), CHECK_NO_BACKEND);
	check_dropped(&in, fixture.view->backend_slots - 1, CHECK_NO_BACKEND); /* free */
	check_dropped(&in, 0xffff, CHECK_NO_BACKEND); /* beyond the map's end */
	wire->state = 0;
	check_dropped(&in, slot, CHECK_NO_ROUTE);
	wire->state = UP;
}

static void asks_backends_that_take_no_flows(void **state)
{
	static const uint8_t states[] = {BACKEND_ROUTE, BACKEND_ROUTE | BACKEND_KEEP};
	struct backend *wire = backend("wire", "10.1.0.11");
	struct packet in, out;
	int action;

	(void)state;
	packet_build(&in, pkt_eth(), pkt_ip4(SELF4, VIP4), TCP);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		wire->state = states[i];
		assert_int_equal(
			run_slot(&in, fixture_slot(&fixture, "wire", "10.1.0.11"), &action, &out),
			CHECK_SENT);
	}
	wire->state = UP;
}

static void drops_what_is_too_big_or_no_ip(void **state)
{
	struct packet in;

	(void)state;
	packet_build(&in, pkt_eth(), pkt_ip4(SELF4, VIP4), pkt_tcp(1, 80, TH_ACK),
		     pkt_payload(FIXTURE_MTU - 39));
	check_dropped(&in, fixture_slot(&fixture, "wire", "10.1.0.11"), CHECK_TOO_BIG);
	packet_build(&in, pkt_eth(), pkt_ip4(SELF4, VIP4), pkt_tcp(1, 81, TH_ACK),
		     pkt_payload(FIXTURE_MTU - 59));
	check_dropped(&in, fixture_slot(&fixture, "tunnel", "10.1.0.12"), CHECK_TOO_BIG);
	packet_build(&in, pkt_eth(.protocol = 0x0806), pkt_payload(28));
	check_dropped(&in, fixture_slot(&fixture, "wire", "10.1.0.11"), CHECK_MALFORMED);
}

static uint32_t program_id(const struct check_path *of)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(check_path_program_fd(of), &info, &size), 0);
	return info.id;
}

static struct bpf_tc_hook egress(void)
{
	return (struct bpf_tc_hook){.sz = sizeof(struct bpf_tc_hook),
				    .ifindex = TC_FILTER_LOOPBACK,
				    .attach_point = BPF_TC_EGRESS};
}

/* The filter where the agents' stands, as anybody finds it; -ENOENT and the like: none. */
static int find_filter(uint32_t *ret_program_id)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = 0x5ee7, .priority = 0x5ee7);
	struct bpf_tc_hook hook = egress();
	int err = bpf_tc_query(&hook, &options);

	*ret_program_id = options.prog_id;
	return err;
}

static void puts_back_what_others_took_out(void **state)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = 0x5ee7, .priority = 0x5ee7);
	struct bpf_tc_hook hook = egress();
	uint32_t there;
	bool missing;

	(void)state;
	assert_int_equal(check_path_mend(path, &missing), 0);
	assert_false(missing);
	assert_int_equal(bpf_tc_detach(&hook, &options), 0);
	assert_int_equal(check_path_mend(path, &missing), 0);
	assert_true(missing);
	assert_int_equal(find_filter(&there), 0);
	assert_int_equal(there, program_id(path));
	check_route_remove();
	assert_int_equal(check_path_mend(path, &missing), 0);
	assert_true(missing);
	assert_int_equal(check_path_mend(path, &missing), 0);
	assert_false(missing);
}

static void belongs_to_one_agent_in_a_namespace(void **state)
{
	struct check_path *second = NULL;
	uint32_t there;

	(void)state;
	assert_int_equal(check_path_open(NULL, fixture.view->backends_fd, &second), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(find_filter(&there), 0);
	assert_int_equal(there, program_id(path));
}

static bool has_clsact(void)
{
	struct bpf_tc_hook hook = egress();
	int err = bpf_tc_hook_create(&hook);

	if (!err) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
	}
	return err == -EEXIST;
}

static void reopen(void)
{
	assert_int_equal(check_path_open(NULL, fixture.view->backends_fd, &path), 0);
}

static void leaves_nothing_behind(void **state)
{
	uint32_t there;

	(void)state;
	check_path_close(TAKE(path));
	assert_int_not_equal(find_filter(&there), 0);
	assert_false(has_clsact());
	reopen();
}

static void leaves_a_clsact_that_has_other_filters(void **state)
{
	LIBBPF_OPTS(bpf_tc_opts, other, .handle = 1, .priority = 1,
		    .prog_fd = check_path_program_fd(path));
	struct bpf_tc_hook hook = egress();

	(void)state;
	assert_int_equal(bpf_tc_attach(&hook, &other), 0);
	check_path_close(TAKE(path));
	assert_true(has_clsact());
	other.prog_fd = 0;
	other.flags = 0;
	other.prog_id = 0;
	assert_int_equal(bpf_tc_detach(&hook, &other), 0);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
	reopen();
}

/* A crash leaves the filter and the clsact; the next agent takes both over, and out. */
static void takes_over_what_a_crash_left(void **state)
{
	struct tc_filter left = {.handle = 0x5ee7, .priority = 0x5ee7};
	CLEANUP_CLOSE int program = dup(check_path_program_fd(path));
	uint32_t there;

	(void)state;
	check_path_close(TAKE(path));
	assert_int_equal(tc_filter_attach(&left, program), 0);
	reopen();
	assert_int_equal(find_filter(&there), 0);
	assert_int_equal(there, program_id(path));
	check_path_close(TAKE(path));
	assert_false(has_clsact());
	reopen();
}

static void pins_its_program_and_goes_on_counting(void **state)
{
	CLEANUP_FREE char *dir = util_format("/sys/fs/bpf/test_check_path-%d", getpid());
	CLEANUP_FREE char *program = util_format("%s/check_prog", dir);
	CLEANUP_FREE char *reasons = util_format("%s/check_reasons", dir);
	struct check_reasons counted, later;
	struct packet in, out;
	struct statfs fs;
	int action;

	(void)state;
	if (statfs("/sys/fs/bpf", &fs) || fs.f_type != BPF_FS_MAGIC) {
		print_message("no BPF file system is mounted on /sys/fs/bpf\n");
		skip();
	}
	assert_int_equal(mkdir(dir, 0700), 0);
	check_path_close(TAKE(path));
	assert_int_equal(check_path_open(dir, fixture.view->backends_fd, &path), 0);
	assert_int_equal(access(program, F_OK), 0);
	packet_build(&in, pkt_eth(), pkt_ip4(SELF4, VIP4), TCP);
	run_slot(&in, fixture_slot(&fixture, "wire", "10.1.0.11"), &action, &out);
	check_path_count(path, &counted);
	assert_true(counted.sent > 0);
	check_path_close(TAKE(path));
	assert_int_equal(check_path_open(dir, fixture.view->backends_fd, &path), 0);
	check_path_count(path, &later);
	assert_memory_equal(&later, &counted, sizeof(counted));
	unlink(program);
	unlink(reasons);
	rmdir(dir);
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static int set_up(void **state)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	CLEANUP_CLOSE int fd = -1;
	int err;

	(void)state;
	libbpf_set_print(print_nothing);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	fixture_open(&fixture, &(struct fixture_sizes){});
	fixture_apply(&fixture, routes);
	err = check_path_open(NULL, fixture.view->backends_fd, &path);
	if (err)
		fail_msg("the path does not open: %s", strerror(-err));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	check_path_close(path);
	fixture_close(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_the_very_bytes_that_the_steering_program_sends),
		cmocka_unit_test(varies_only_the_low_bits_of_the_outer_source),
		cmocka_unit_test(leaves_alone_what_is_not_marked),
		cmocka_unit_test(drops_what_has_nobody_to_go_to),
		cmocka_unit_test(asks_backends_that_take_no_flows),
		cmocka_unit_test(drops_what_is_too_big_or_no_ip),
		cmocka_unit_test(puts_back_what_others_took_out),
		cmocka_unit_test(belongs_to_one_agent_in_a_namespace),
		cmocka_unit_test(leaves_nothing_behind),
		cmocka_unit_test(leaves_a_clsact_that_has_other_filters),
		cmocka_unit_test(takes_over_what_a_crash_left),
		cmocka_unit_test(pins_its_program_and_goes_on_counting),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
