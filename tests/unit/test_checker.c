/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/checker.h"
#include "agent/http_body.h"
#include "agent/http_reply.h"
#include "common/util.h"
#include "lib/check_lab.h"
#include "lib/reply_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#define OK_LINE "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"

static void tcp_check_passes_when_the_connection_is_accepted(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_TCP, server.port, 10000, 5000);
	check_lab_wait(lab, check_lab_results(lab));
	assert_int_equal(lab->result.passed, 1);
	reply_server_stop(&server);
}

static void tcp_check_names_a_refused_connection(void **state)
{
	struct check_lab *lab = *state;
	int fd = reply_server_listen(-1);

	check_lab_add(lab, HEALTH_TCP, reply_server_port(fd), 10000, 5000);
	check_lab_wait(lab, check_lab_results(lab));
	assert_int_equal(lab->result.failed, 1);
	assert_string_equal(lab->result.detail, "connection refused");
	close(fd);
}

/* With its queue full, a listening socket answers no SYN. */
static void check_without_an_answer_times_out(void **state)
{
	struct check_lab *lab = *state;
	int fd = reply_server_listen(0), fillers[4];
	struct sockaddr_in6 name = {.sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				    .sin6_port = htons(reply_server_port(fd))};
	uint64_t start_ms;

	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
		fillers[i] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&name, sizeof(name));
	}
	start_ms = util_now_ms();
	check_lab_add(lab, HEALTH_TCP, ntohs(name.sin6_port), 10000, 80);
	check_lab_wait(lab, check_lab_results(lab));
	assert_int_equal(lab->result.failed, 1);
	assert_string_equal(lab->result.detail, "timed out after 80 ms");
	assert_true(util_now_ms() - start_ms >= 79);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
		close(fillers[i]);
	close(fd);
}

static void http_check_judges_by_the_answer(void **state)
{
	static const struct {
		const char *reply;
		const char *detail; /* NULL: passes */
		size_t chunk;
		bool stays_open;
	} cases[] = {
		{.reply = OK_HEAD},
		{.reply = OK_HEAD, .stays_open = true},
		{.reply = OK_HEAD, .chunk = 1},
		{.reply = OK_HEAD "a body", .chunk = 7},
		{.reply = "HTTP/1.0 204\r\n\r\n"},
		{.reply = "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"},
		{.reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"},
		{.reply = "HTTP/1.1 503 Service Unavailable\r\n\r\n", .detail = "HTTP status 503"},
		{.reply = "HTTP/1.1 404 Not Found\r\n\r\n", .detail = "HTTP status 404"},
		{.reply = "HTTP/1.1 400 \r\n\r\n", .detail = "HTTP status 400"},
		{.reply = "SSH-2.0-OpenSSH_9.2\r\n",
		 .detail = "the answer is not HTTP",
		 .stays_open = true},
		{.reply = "", .detail = "connection closed without an answer"},
		{.reply = "HTTP/1.1 200 OK\r\nServ",
		 .detail = "connection closed within the HTTP header"},
	};
	struct check_lab *lab = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct reply_server server = {.reply = cases[i].reply,
					      .chunk = cases[i].chunk,
					      .stays_open = cases[i].stays_open};

		reply_server_start(&server, lab->event);
		lab->result = (struct check_result){};
		check_lab_add(lab, HEALTH_HTTP, server.port, 10000, 5000);
		check_lab_wait(lab, check_lab_results(lab));
		if (!cases[i].detail && !lab->result.passed)
			fail_msg("case %zu failed: %s", i, lab->result.detail);
		assert_string_equal(lab->result.detail, cases[i].detail ? cases[i].detail : "");
		check_free(TAKE(lab->check));
		reply_server_stop(&server);
	}
}

static const struct body_case {
	const char *name;
	const char *reply;
	const char *detail; /* NULL: passes */
	size_t chunk;
	bool stays_open;
	uint16_t status; /* 0: the default */
} body_cases[] = {
	{.name = "until the end", .reply = OK_LINE "\r\nit is all well", .chunk = 3},
	{.name = "before the end", .reply = OK_LINE "\r\nall well, ", .stays_open = true},
	{.name = "with a length", .reply = OK_LINE "content-length:  8 \r\n\r\nall well"},
	{.name = "across chunks",
	 .reply = OK_LINE "Transfer-Encoding: gzip, Chunked\r\n\r\n"
			  "005;a=b\r\naall \r\n3\r\nwel\r\n1 \r\nl\r\n0\r\n\r\n"},
	{.name = "across chunks, dripping",
	 .reply = OK_LINE CHUNKED "A\r\nxxall all \r\n4\r\nwell\r\n",
	 .chunk = 1,
	 .stays_open = true},
	{.name = "a status that is asked for",
	 .reply = "HTTP/1.1 503 \r\n\r\nall well",
	 .status = 503},
	{.name = "a status that is not",
	 .reply = OK_LINE "\r\nall well",
	 .detail = "HTTP status 200",
	 .status = 204},
	{.name = "sizes and trailers are not body",
	 .reply = OK_LINE CHUNKED "8;all well\r\nall bad.\r\n0\r\nX: all well\r\n\r\n",
	 .detail = "the body does not have the text",
	 .stays_open = true},
	{.name = "headers are not body",
	 .reply = OK_LINE "X: all well\r\n\r\nall wel",
	 .detail = "the body does not have the text"},
	{.name = "after the length",
	 .reply = OK_LINE "Content-Length: 7\r\n\r\nall well",
	 .detail = "the body does not have the text",
	 .stays_open = true},
	{.name = "no body",
	 .reply = "HTTP/1.1 204 No\r\n\r\nall well",
	 .detail = "the body does not have the text",
	 .stays_open = true},
	{.name = "cut short",
	 .reply = OK_LINE "Content-Length: 9\r\n\r\nall wel",
	 .detail = "connection closed within the body"},
	{.name = "no chunks",
	 .reply = OK_LINE CHUNKED "all well",
	 .detail = "the body's chunks are not HTTP",
	 .stays_open = true},
	{.name = "an interim answer's length",
	 .reply = "HTTP/1.1 103 Early\r\nContent-Length: 0\r\n\r\n" OK_LINE "\r\nall well"},
};

static void lab_add_body(struct check_lab *lab, uint16_t port, uint16_t status)
{
	const struct check_target target = {.address = check_lab_address("127.0.0.1"),
					    .port = port,
					    .type = HEALTH_HTTP,
					    .host = "shop.example",
					    .body = "all well",
					    .status_min = status,
					    .status_max = status,
					    .interval_ms = 10000,
					    .timeout_ms = 5000};

	lab->result = (struct check_result){};
	check_lab_add_target(lab, &target);
	check_lab_wait(lab, check_lab_results(lab));
	check_free(TAKE(lab->check));
}

static void http_check_finds_its_text_in_the_body_only(void **state)
{
	struct check_lab *lab = *state;

	for (size_t i = 0; i < ARRAY_SIZE(body_cases); i++) {
		const struct body_case *test = &body_cases[i];
		struct reply_server server = {
			.reply = test->reply, .chunk = test->chunk, .stays_open = test->stays_open};

		reply_server_start(&server, lab->event);
		lab_add_body(lab, server.port, test->status);
		if (strcmp(lab->result.detail, test->detail ? test->detail : ""))
			fail_msg("%s: '%s'", test->name, lab->result.detail);
		assert_non_null(strstr(server.request, "\r\nHost: shop.example\r\n"));
		reply_server_stop(&server);
	}
}

/* The text's last byte is the last that is looked at, and then the first that is not. */
static void http_check_looks_at_the_first_64_kib_of_a_body(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
	struct check_lab *lab = *state;

	for (size_t more = 0; more <= 1; more++) {
		CLEANUP_FREE char *reply = util_calloc(1, 2 * HTTP_BODY_MAX);
		struct reply_server server = {.reply = reply, .stays_open = true};

		memset(reply, 'a', 2 * HTTP_BODY_MAX - 1);
		memcpy(reply, head, strlen(head));
		memcpy(reply + strlen(head) + HTTP_BODY_MAX - 8 + more, "all well", 8);
		reply_server_start(&server, lab->event);
		lab_add_body(lab, server.port, 0);
		assert_string_equal(lab->result.detail,
				    more ? "the body does not have the text in its first 64 KiB"
					 : "");
		reply_server_stop(&server);
	}
}

/* Chunks of one byte each are seven times as many bytes: there is an end to that, too. */
static void a_body_of_little_in_much_is_given_up(void **state)
{
	struct http_reply reply = {.status = 200, .chunked = true};
	struct http_body_text text;
	struct http_body body;
	enum http_body_result result;
	size_t n = 0;

	(void)state;
	http_body_text_init(&text, "all well");
	assert_int_equal(http_body_begin(&body, &reply), HTTP_BODY_MORE);
	do {
		result = http_body_feed(&body, &text, "0001\r\na\r\n", 9);
		n += 9;
	} while (result == HTTP_BODY_MORE);
	assert_int_equal(result, HTTP_BODY_TOO_LONG);
	assert_in_range(n, HTTP_BODY_SENT_MAX, HTTP_BODY_SENT_MAX + 9);
}

/* Texts that repeat themselves, in all ways of cutting what they stand in. */
static void a_text_is_found_however_the_body_is_cut(void **state)
{
	static const struct {
		const char *text;
		const char *body;
		bool found;
	} cases[] = {
		{"aab", "aaaab", true},		{"abacabab", "abacabacabab", true},
		{"abab", "abaabbabaab", false}, {"a", "bbba", true},
		{"aaa", "aabaabaa", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t cut = 0; cut <= strlen(cases[i].body); cut++) {
			struct http_reply reply = {.status = 200};
			struct http_body_text text;
			struct http_body body;
			enum http_body_result result;

			http_body_text_init(&text, cases[i].text);
			http_body_begin(&body, &reply);
			result = http_body_feed(&body, &text, cases[i].body, cut);
			if (result == HTTP_BODY_MORE)
				result = http_body_feed(&body, &text, cases[i].body + cut,
							strlen(cases[i].body + cut));
			if ((result == HTTP_BODY_FOUND) != cases[i].found)
				fail_msg("case %zu, cut at %zu: %d", i, cut, result);
		}
	}
}

static void http_check_gives_up_on_an_endless_header(void **state)
{
	struct check_lab *lab = *state;
	CLEANUP_FREE char *reply = util_calloc(1, HTTP_REPLY_HEAD_MAX * 2);
	struct reply_server server = {.reply = reply, .stays_open = true};

	memset(reply, 'x', HTTP_REPLY_HEAD_MAX * 2 - 1);
	memcpy(reply, OK_HEAD, strlen(OK_HEAD) - 2);
	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_HTTP, server.port, 10000, 5000);
	check_lab_wait(lab, check_lab_results(lab));
	assert_string_equal(lab->result.detail, "the HTTP header is too long");
	reply_server_stop(&server);
}

static void http_answer_that_drips_times_out(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {.reply = OK_HEAD, .chunk = 1, .chunk_ms = 20};

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_HTTP, server.port, 10000, 100);
	check_lab_wait(lab, check_lab_results(lab));
	assert_int_equal(lab->result.failed, 1);
	assert_string_equal(lab->result.detail,
			    "timed out after 100 ms, connected but without a whole answer");
	reply_server_stop(&server);
}

static void http_request_names_host_and_agent(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {.reply = OK_HEAD};
	struct check_target target = {
		.type = HEALTH_HTTP, .path = "/a?b=c", .interval_ms = 10000, .timeout_ms = 5000};
	CLEANUP_FREE char *request4 = NULL, *request6 = NULL;

	reply_server_start(&server, lab->event);
	request4 = util_format("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: steerd\r\n"
			       "Accept: */*\r\nConnection: close\r\n\r\n",
			       server.port);
	request6 = util_format("GET / HTTP/1.1\r\nHost: [::1]:%u\r\nUser-Agent: steerd\r\n"
			       "Accept: */*\r\nConnection: close\r\n\r\n",
			       server.port);
	target.port = server.port;
	target.address = check_lab_address("127.0.0.1");
	check_lab_add_target(lab, &target);
	check_lab_wait(lab, check_lab_results(lab) == 1);
	assert_string_equal(server.request, request4);
	target.address = check_lab_address("::1");
	target.path = NULL;
	check_lab_add_target(lab, &target);
	check_lab_wait(lab, check_lab_results(lab) == 2);
	assert_string_equal(server.request, request6);
	assert_int_equal(lab->result.passed, 2);
	reply_server_stop(&server);
}

static void running_out_of_descriptors_blames_no_backend(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};
	struct rlimit before, none;
	struct checker_stats stats = {};
	int next;

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_TCP, server.port, 20, 20);
	next = dup(server.fd);
	close(next);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
	none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	while (stats.skipped < 3) {
		check_lab_run(lab, 1000);
		checker_get_stats(lab->checker, &stats);
	}
	assert_int_equal(check_lab_results(lab), 0);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
	check_lab_wait(lab, lab->result.passed >= 2);
	assert_int_equal(lab->result.failed, 0);
	reply_server_stop(&server);
}

/* Connections between 127.0.0.1 and the port that wait out their end, on either side. */
static unsigned int time_wait_n(uint16_t port)
{
	static const char *const files[] = {"/proc/self/net/tcp", "/proc/self/net/tcp6"};
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		CLEANUP_FCLOSE FILE *file = fopen(files[i], "re");
		char line[512];

		assert_non_null(file);
		while (fgets(line, sizeof(line), file)) {
			unsigned int local, remote, status;

			if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%x %x", &local, &remote,
				   &status) == 3 &&
			    (local == port || remote == port) && status == 6)
				n++;
		}
	}
	return n;
}

static void finished_checks_leave_nothing_in_time_wait(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server silent = {}, answering = {.reply = OK_HEAD, .stays_open = true};

	reply_server_start(&silent, lab->event);
	reply_server_start(&answering, lab->event);
	for (int i = 1; i <= 50; i++) {
		CLEANUP_FREE char *text = util_format("127.0.0.%d", i);
		struct check_target target = {.address = check_lab_address(text),
					      .port = silent.port,
					      .type = HEALTH_TCP,
					      .interval_ms = 20,
					      .timeout_ms = 20};

		check_lab_add_target(lab, &target);
		check_lab_add(lab, HEALTH_HTTP, answering.port, 10000, 5000);
	}
	check_lab_wait(lab, lab->result.passed >= 200);
	reply_server_stop(&silent);
	reply_server_stop(&answering);
	assert_int_equal(time_wait_n(silent.port), 0);
	assert_int_equal(time_wait_n(answering.port), 0);
}

static void check_may_be_freed_in_its_own_callback(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};
	struct checker_stats stats;

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_TCP, server.port, 20, 20);
	lab->result.free_this = lab->check;
	check_lab_wait(lab, check_lab_results(lab));
	for (uint64_t end_ms = util_now_ms() + 60; util_now_ms() < end_ms;)
		check_lab_run(lab, 10);
	checker_get_stats(lab->checker, &stats);
	assert_int_equal(stats.started, 1);
	assert_int_equal(check_lab_results(lab), 1);
	reply_server_stop(&server);
}

static void checks_may_be_freed_in_every_phase(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {.reply = OK_HEAD};
	struct checker_stats stats;
	struct check *waiting, *running;

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_HTTP, server.port, 10000, 5000);
	running = lab->check;
	do {
		check_lab_run(lab, 10);
		checker_get_stats(lab->checker, &stats);
	} while (!stats.in_flight);
	check_lab_add(lab, HEALTH_HTTP, server.port, 10000, 5000);
	waiting = lab->check;
	check_free(running);
	check_free(waiting);
	checker_get_stats(lab->checker, &stats);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(stats.waiting, 0);
	check_lab_add(lab, HEALTH_HTTP, server.port, 10000, 5000);
	check_lab_wait(lab, check_lab_results(lab));
	assert_int_equal(lab->result.passed, 1);
	reply_server_stop(&server);
}

/* A process of its own that takes a moment to answer, whether this loop turns or not. */
static pid_t server_fork(int fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	fcntl(fd, F_SETFL, 0);
	for (;;) {
		char request[512];
		int session = accept(fd, NULL, NULL);

		if (recv(session, request, sizeof(request), 0) > 0 && usleep(10000) == 0)
			send(session, OK_HEAD, strlen(OK_HEAD), MSG_NOSIGNAL);
		close(session);
	}
}

static int on_stall(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	usleep(100000);
	return 0;
}

static void stalled_loop_fails_no_check(void **state)
{
	struct check_lab *lab = *state;
	int fd = reply_server_listen(64);
	pid_t pid = server_fork(fd);
	struct checker_stats stats;

	for (int i = 0; i < 3; i++) {
		sd_event_source *stall = NULL;
		unsigned int n = check_lab_results(lab);

		check_lab_add(lab, HEALTH_HTTP, reply_server_port(fd), 10000, 50);
		do {
			check_lab_run(lab, 10);
			checker_get_stats(lab->checker, &stats);
		} while (stats.started != (uint64_t)i + 1);
		assert_true(sd_event_add_time_relative(lab->event, &stall, CLOCK_MONOTONIC, 0, 1,
						       on_stall, NULL) >= 0);
		/* Ahead of the answers, which may have come already. */
		sd_event_source_set_priority(stall, SD_EVENT_PRIORITY_IMPORTANT);
		check_lab_wait(lab, check_lab_results(lab) > n);
		sd_event_source_disable_unref(stall);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
	assert_string_equal(lab->result.detail, "");
	assert_int_equal(lab->result.passed, 3);
}

static void targets_that_cannot_be_checked_are_refused(void **state)
{
	const struct check_target good = {.address = check_lab_address("127.0.0.1"),
					  .port = 80,
					  .type = HEALTH_HTTP,
					  .path = "/",
					  .interval_ms = 1000,
					  .timeout_ms = 1000};
	struct check_target bad[9];
	struct check_lab *lab = *state;
	struct check *check = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].port = 0;
	bad[1].type = HEALTH_NONE;
	bad[2].path = "no/slash";
	bad[3].path = "/a\r\nX: y";
	bad[4].interval_ms = 0;
	bad[5].timeout_ms = 0;
	bad[6].host = "a\r\nX: y";
	bad[7].host = "";
	bad[8].body = "";
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			checker_add(lab->checker, &bad[i], check_lab_on_result, NULL, &check),
			-EINVAL);
	assert_null(check);
}

/* However the bytes are cut in two, the parser says the same. */
static void http_head_is_read_alike_however_it_is_cut(void **state)
{
	static const struct {
		const char *text;
		enum http_reply_result result;
		int status;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", HTTP_REPLY_DONE, 200},
		{"HTTP/1.0 301\r\nA: b\r\nC: d\r\n\r\nbody", HTTP_REPLY_DONE, 301},
		{"HTTP/1.1 204 No\n\n", HTTP_REPLY_DONE, 204},
		{"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 500 \r\n\r\n", HTTP_REPLY_DONE,
		 500},
		{"HTTP/1.1 200 OK\r\nA: b\r\n", HTTP_REPLY_MORE, 200},
		{"HTTP/1.1 200 OK\r\n\r", HTTP_REPLY_MORE, 200},
		{"HTTP/1.1 200 a\rb\r\n\r\n", HTTP_REPLY_DONE, 200},
		{"HTTP/1.1 200 OK\r\n\rX\r\n\r\n", HTTP_REPLY_DONE, 200},
		{"HTTP/1.1 200", HTTP_REPLY_MORE, 0},
		{"HTTP/1.1 20\r\n\r\n", HTTP_REPLY_GARBAGE, 0},
		{"HTTP/1.1 2000 OK\r\n\r\n", HTTP_REPLY_GARBAGE, 0},
		{"HTTP/1.1 099 OK\r\n\r\n", HTTP_REPLY_GARBAGE, 0},
		{"HTTP/1.1  200 OK\r\n\r\n", HTTP_REPLY_GARBAGE, 0},
		{"HTTP/1.x 200 OK\r\n\r\n", HTTP_REPLY_GARBAGE, 0},
		{"HTTP/2.0 200 OK\r\n\r\n", HTTP_REPLY_GARBAGE, 0},
		{"\r\nHTTP/1.1 200 OK\r\n\r\n", HTTP_REPLY_GARBAGE, 0},
		{"<html>", HTTP_REPLY_GARBAGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
			struct http_reply reply = {};
			enum http_reply_result result;

			result = http_reply_feed(&reply, cases[i].text, cut);
			if (result == HTTP_REPLY_MORE)
				result = http_reply_feed(&reply, cases[i].text + cut,
							 strlen(cases[i].text + cut));
			if (result != cases[i].result || reply.status != cases[i].status)
				fail_msg("case %zu cut at %zu: result %d, status %d", i, cut,
					 (int)result, reply.status);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_head_is_read_alike_however_it_is_cut),
		check_lab_test(tcp_check_passes_when_the_connection_is_accepted),
		check_lab_test(tcp_check_names_a_refused_connection),
		check_lab_test(check_without_an_answer_times_out),
		check_lab_test(http_check_judges_by_the_answer),
		cmocka_unit_test(a_body_of_little_in_much_is_given_up),
		cmocka_unit_test(a_text_is_found_however_the_body_is_cut),
		check_lab_test(http_check_finds_its_text_in_the_body_only),
		check_lab_test(http_check_looks_at_the_first_64_kib_of_a_body),
		check_lab_test(http_check_gives_up_on_an_endless_header),
		check_lab_test(http_answer_that_drips_times_out),
		check_lab_test(http_request_names_host_and_agent),
		check_lab_test(running_out_of_descriptors_blames_no_backend),
		check_lab_test(finished_checks_leave_nothing_in_time_wait),
		check_lab_test(check_may_be_freed_in_its_own_callback),
		check_lab_test(checks_may_be_freed_in_every_phase),
		check_lab_test(stalled_loop_fails_no_check),
		check_lab_test(targets_that_cannot_be_checked_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
