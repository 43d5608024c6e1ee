/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/util.h"
#include "lib/certs.h"
#include "lib/check_lab.h"
#include "lib/reply_server.h"
#include "lib/tls_server.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char directory[] = "/tmp/steer-test-XXXXXX";

static struct check_target tls_target(enum health_type type, uint16_t port)
{
	return (struct check_target){.address = check_lab_address("127.0.0.1"),
				     .port = port,
				     .type = type,
				     .tls = true,
				     .interval_ms = 60000,
				     .timeout_ms = 5000};
}

/* What became of one check: "" or why it failed. */
static const char *verdict(struct check_lab *lab, const struct check_target *target)
{
	lab->result = (struct check_result){};
	check_lab_add_target(lab, target);
	check_lab_wait(lab, check_lab_results(lab));
	check_free(TAKE(lab->check));
	return lab->result.detail;
}

/* The certificate is its own authority's: nobody vouches for it. */
static void https_check_sends_the_name_and_asks_for_no_certificate(void **state)
{
	static const struct {
		const char *server_name;
		const char *host;
		const char *expected;
	} cases[] = {
		{NULL, NULL, "name none, protocol http/1.1, full"},
		{NULL, "shop.example", "name shop.example, protocol http/1.1"},
		{NULL, "shop.example:8443", "name shop.example, protocol http/1.1"},
		{NULL, "192.0.2.1:8443", "name none,"},
		{NULL, "[2001:db8::1]", "name none,"},
		{"a.example", "shop.example", "name a.example, protocol http/1.1"},
	};
	struct check_lab *lab = *state;
	struct tls_server server = {.directory = directory};

	tls_server_start(&server);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct check_target target = tls_target(HEALTH_HTTP, server.port);

		target.server_name = cases[i].server_name;
		target.host = cases[i].host;
		target.body = cases[i].expected;
		if (strcmp(verdict(lab, &target), ""))
			fail_msg("case %zu: %s", i, lab->result.detail);
	}
	tls_server_stop(&server);
}

/* Many records, and bytes that are already out of the socket when the text is looked for. */
static void https_check_reads_a_long_body(void **state)
{
	struct check_lab *lab = *state;
	struct tls_server server = {.directory = directory, .padding = 65000};
	struct check_target target;

	tls_server_start(&server);
	target = tls_target(HEALTH_HTTP, server.port);
	target.body = "http/1.1, full";
	assert_string_equal(verdict(lab, &target), "");
	tls_server_stop(&server);
}

/* Only the first handshake is a full one, and the first after a failure. */
static void sessions_are_resumed_while_checks_pass(void **state)
{
	struct check_lab *lab = *state;
	struct tls_server server = {.directory = directory};
	struct check_target target;

	tls_server_start(&server);
	target = tls_target(HEALTH_HTTP, server.port);
	target.interval_ms = 40;
	target.body = "full";
	check_lab_add_target(lab, &target);
	check_lab_wait(lab, check_lab_results(lab) == 1);
	assert_int_equal(lab->result.passed, 1);
	check_lab_wait(lab, check_lab_results(lab) == 2);
	assert_int_equal(lab->result.failed, 1);
	check_lab_wait(lab, check_lab_results(lab) == 3);
	assert_int_equal(lab->result.passed, 2);
	tls_server_stop(&server);
}

static void tcp_check_with_tls_passes_when_hands_are_shaken(void **state)
{
	struct check_lab *lab = *state;
	struct tls_server server = {.directory = directory, .is_mute = true};
	struct check_target target;

	tls_server_start(&server);
	target = tls_target(HEALTH_TCP, server.port);
	assert_string_equal(verdict(lab, &target), "");
	tls_server_stop(&server);
}

static void server_that_is_mute_after_the_handshake_times_out(void **state)
{
	struct check_lab *lab = *state;
	struct tls_server server = {.directory = directory, .is_mute = true};
	struct check_target target;

	tls_server_start(&server);
	target = tls_target(HEALTH_HTTP, server.port);
	target.timeout_ms = 500;
	assert_string_equal(verdict(lab, &target),
			    "timed out after 500 ms, connected but without a whole answer");
	tls_server_stop(&server);
}

static void server_without_a_certificate_is_told_by_its_alert(void **state)
{
	struct check_lab *lab = *state;
	struct tls_server server = {};
	struct check_target target;

	tls_server_start(&server);
	target = tls_target(HEALTH_HTTP, server.port);
	assert_string_equal(verdict(lab, &target), "TLS: sslv3 alert handshake failure");
	tls_server_stop(&server);
}

static void what_is_no_tls_is_told_from_a_dead_server(void **state)
{
	static const struct {
		struct reply_server server;
		const char *detail;
	} cases[] = {
		{{.reply = "HTTP/1.1 400 Bad Request\r\n\r\n", .greets = true},
		 "TLS: wrong version number"},
		{{.reply = "SSH-2.0-OpenSSH_9.2\r\n", .greets = true, .stays_open = true},
		 "TLS: wrong version number"},
		{{.reply = "\x16\x03\x03", .greets = true},
		 "connection closed within the TLS handshake"},
		{{.reply = "", .greets = true}, "connection closed within the TLS handshake"},
		{{.reply = "", .greets = true, .resets = true}, "connection reset by peer"},
		{{.reply = ""}, "timed out after 200 ms, connected but without a TLS handshake"},
		{{.reply = "\x16\x03\x03\x40\x40", .greets = true, .chunk = 1, .chunk_ms = 100},
		 "timed out after 200 ms, connected but without a TLS handshake"},
	};
	struct check_lab *lab = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct reply_server server = cases[i].server;
		struct check_target target;

		reply_server_start(&server, lab->event);
		target = tls_target(HEALTH_HTTP, server.port);
		target.timeout_ms = 200;
		if (strcmp(verdict(lab, &target), cases[i].detail))
			fail_msg("case %zu: %s", i, lab->result.detail);
		reply_server_stop(&server);
	}
}

static void checks_may_be_freed_in_a_handshake(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {.reply = ""};
	struct check_target target;
	struct checker_stats stats = {};

	reply_server_start(&server, lab->event);
	target = tls_target(HEALTH_HTTP, server.port);
	check_lab_add_target(lab, &target);
	while (!strlen(server.request))
		check_lab_run(lab, 10);
	check_free(TAKE(lab->check));
	checker_get_stats(lab->checker, &stats);
	assert_int_equal(stats.in_flight, 0);
	reply_server_stop(&server);
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_non_null(mkdtemp(directory));
	certs_make(directory, "server", NULL, 1);
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
	(void)info;
	(void)type;
	(void)where;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		check_lab_test(https_check_sends_the_name_and_asks_for_no_certificate),
		check_lab_test(https_check_reads_a_long_body),
		check_lab_test(sessions_are_resumed_while_checks_pass),
		check_lab_test(tcp_check_with_tls_passes_when_hands_are_shaken),
		check_lab_test(server_that_is_mute_after_the_handshake_times_out),
		check_lab_test(server_without_a_certificate_is_told_by_its_alert),
		check_lab_test(what_is_no_tls_is_told_from_a_dead_server),
		check_lab_test(checks_may_be_freed_in_a_handshake),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
