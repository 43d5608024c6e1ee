/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checks that go another way than straight to the backend. Here nothing takes marked packets
 * anywhere: the VIP and the source are addresses of the loopback device. Marks need root.
 */
#include "agent/check_aim.h"
#include "common/util.h"
#include "lib/check_lab.h"
#include "lib/reply_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n\r\n"

/* A listening socket on one address alone; nobody accepts. */
static int listen_on(const char *text, uint16_t *port)
{
	struct address address = check_lab_address(text);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(&name.sin_addr, address.bytes + 12, 4);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	assert_return_code(bind(fd, (struct sockaddr *)&name, sizeof(name)), errno);
	assert_return_code(listen(fd, 64), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&name, &size), errno);
	*port = ntohs(name.sin_port);
	return fd;
}

/* The address that the next connection comes from. */
static void expect_peer(int fd, const char *wanted)
{
	struct address address = check_lab_address(wanted);
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	CLEANUP_CLOSE int connection = accept(fd, (struct sockaddr *)&peer, &size);

	assert_return_code(connection, errno);
	assert_memory_equal(&peer.sin_addr, address.bytes + 12, 4);
}

static struct check_way way_of(const char *vip, const char *source)
{
	return (struct check_way){.probe = {.vip = check_lab_address(vip),
					    .source = check_lab_address(source),
					    .mark = 7},
				  .mode = "ipip"};
}

/* The backend is 127.0.0.1, the VIP 127.0.0.2. */
static void add(struct check_lab *lab, enum health_type type, uint16_t port, bool both)
{
	const struct check_way way = way_of("127.0.0.2", "127.0.0.3");
	const struct check_target target = {.address = check_lab_address("127.0.0.1"),
					    .port = port,
					    .type = type,
					    .interval_ms = 10000,
					    .timeout_ms = 5000,
					    .way = &way,
					    .both = both};

	lab->result = (struct check_result){};
	check_free(TAKE(lab->check));
	check_lab_add_target(lab, &target);
	check_lab_wait(lab, check_lab_results(lab));
}

static void asks_the_vip_from_the_source(void **state)
{
	struct check_lab *lab = *state;
	uint16_t port = 0;
	int vip = listen_on("127.0.0.2", &port);

	add(lab, HEALTH_TCP, port, false);
	assert_int_equal(lab->result.passed, 1);
	expect_peer(vip, "127.0.0.3");
	close(vip);
}

static void says_which_way_failed(void **state)
{
	CLEANUP_FREE char *wanted = NULL;
	struct check_lab *lab = *state;
	uint16_t port = 0;
	int own = listen_on("127.0.0.1", &port);

	add(lab, HEALTH_TCP, port, false);
	wanted = util_format("connection refused (through ipip at 127.0.0.2:%u)", port);
	assert_int_equal(lab->result.failed, 1);
	assert_string_equal(lab->result.detail, wanted);
	close(own);
}

static void both_ways_have_to_pass(void **state)
{
	CLEANUP_FREE char *through = NULL;
	struct check_lab *lab = *state;
	uint16_t port = 0;
	int own = listen_on("127.0.0.1", &port), vip;

	through = util_format("connection refused (through ipip at 127.0.0.2:%u)", port);
	add(lab, HEALTH_TCP, port, true);
	assert_string_equal(lab->result.detail, through);
	vip = listen_on("127.0.0.2", &port);
	add(lab, HEALTH_TCP, port, true);
	assert_int_equal(lab->result.passed, 1);
	close(own);
	add(lab, HEALTH_TCP, port, true);
	assert_string_equal(lab->result.detail, "connection refused (directly)");
	close(vip);
}

/* Both connections are one check: what a check costs is bounded as ever. */
static void both_ways_are_one_check(void **state)
{
	struct reply_server server = {.reply = OK};
	struct check_lab *lab = *state;
	struct checker_stats stats;

	reply_server_start(&server, lab->event);
	add(lab, HEALTH_HTTP, server.port, true);
	assert_int_equal(lab->result.passed, 1);
	checker_get_stats(lab->checker, &stats);
	assert_int_equal(stats.started, 1);
	assert_int_equal(stats.finished, 1);
	assert_int_equal(stats.in_flight, 0);
	reply_server_stop(&server);
}

static void the_timeout_covers_both_ways(void **state)
{
	/* Each takes 200 ms. */
	struct reply_server server = {.reply = OK, .chunk = sizeof(OK) / 2, .chunk_ms = 200};
	const struct check_way way = way_of("127.0.0.2", "127.0.0.3");
	struct check_target target = {.address = check_lab_address("127.0.0.1"),
				      .type = HEALTH_HTTP,
				      .interval_ms = 10000,
				      .timeout_ms = 300,
				      .way = &way,
				      .both = true};
	struct check_lab *lab = *state;
	uint64_t start_ms = util_now_ms();

	reply_server_start(&server, lab->event);
	target.port = server.port;
	check_lab_add_target(lab, &target);
	check_lab_wait(lab, check_lab_results(lab));
	assert_int_equal(lab->result.failed, 1);
	assert_string_equal(lab->result.detail, "timed out after 300 ms, connected but without a "
						"whole answer (directly)");
	assert_in_range(lab->result.last_ms - start_ms, 299, LAB_PATIENCE_MS / 2);
	reply_server_stop(&server);
}

static void the_request_names_the_backend(void **state)
{
	struct reply_server server = {.reply = OK};
	CLEANUP_FREE char *host = NULL;
	struct check_lab *lab = *state;

	reply_server_start(&server, lab->event);
	add(lab, HEALTH_HTTP, server.port, false);
	host = util_format("\r\nHost: 127.0.0.1:%u\r\n", server.port);
	assert_non_null(strstr(server.request, host));
	reply_server_stop(&server);
}

/* The source is gone: this host's fault, not the backend's. */
static void a_missing_source_blames_nobody(void **state)
{
	const struct check_way way = way_of("127.0.0.2", "192.0.2.77");
	const struct check_target target = {.address = check_lab_address("127.0.0.1"),
					    .port = 9,
					    .type = HEALTH_TCP,
					    .interval_ms = 20,
					    .timeout_ms = 20,
					    .way = &way};
	struct check_lab *lab = *state;
	struct checker_stats stats = {};

	check_lab_add_target(lab, &target);
	check_lab_wait(lab, (checker_get_stats(lab->checker, &stats), stats.skipped >= 2));
	assert_int_equal(check_lab_results(lab), 0);
}

static void texts_say_how_a_backend_is_checked(void **state)
{
	struct check_aim through = {.way = way_of("2001:db8::10", "2001:db8::1")}, both = through;
	const struct check_aim direct = {.direct = true};
	const struct check_aim kept_off = {.direct = true, .why = "the moon is full"};
	const struct {
		const struct check_aim *aim;
		const char *text;
	} cases[] = {
		{&through, "through ipip at [2001:db8::10]:80"},
		{&both, "through ipip at [2001:db8::10]:80, and directly"},
		{&direct, "directly"},
		{&kept_off, "directly: the moon is full"},
	};

	(void)state;
	both.both = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *text = check_aim_text(cases[i].aim, 80);

		assert_string_equal(text, cases[i].text);
	}
}

static void a_check_goes_on_only_the_same_way(void **state)
{
	const struct check_aim base = {.way = way_of("203.0.113.1", "192.0.2.1")};
	struct check_aim others[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = base;
	others[0].direct = true;
	others[1].both = true;
	others[2].way.probe.vip = check_lab_address("203.0.113.2");
	others[3].way.probe.source = check_lab_address("192.0.2.2");
	others[4].way.probe.mark++;
	others[5].way.mode = "l2";
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(check_aim_equal(&base, &others[i]));
	assert_true(check_aim_equal(&base, &base));
	assert_true(check_aim_equal(&others[0], &(struct check_aim){.direct = true}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		check_lab_test(asks_the_vip_from_the_source),
		check_lab_test(says_which_way_failed),
		check_lab_test(both_ways_have_to_pass),
		check_lab_test(both_ways_are_one_check),
		check_lab_test(the_timeout_covers_both_ways),
		check_lab_test(the_request_names_the_backend),
		check_lab_test(a_missing_source_blames_nobody),
		cmocka_unit_test(texts_say_how_a_backend_is_checked),
		cmocka_unit_test(a_check_goes_on_only_the_same_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
