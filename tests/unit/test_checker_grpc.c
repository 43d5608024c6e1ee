/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* gRPC checks of servers that answer whatever is in a buffer; tests/netns/checks.sh has real ones. */
#include "agent/probe_grpc.h"
#include "common/util.h"
#include "lib/check_lab.h"
#include "lib/reply_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum frame_type {
	DATA = 0,
	HEADERS = 1,
	RST_STREAM = 3,
	SETTINGS = 4,
	PING = 6,
	GOAWAY = 7,
	CONTINUATION = 9,
};

enum { END_STREAM = 0x1, END_HEADERS = 0x4 };

struct answer {
	char data[100000];
	size_t size;
};

/* RFC 9113, section 4.1. */
static void add_frame(struct answer *answer, enum frame_type type, uint8_t flags, uint8_t stream,
		      const void *payload, size_t size)
{
	const uint8_t head[9] = {(uint8_t)(size >> 16),
				 (uint8_t)(size >> 8),
				 (uint8_t)size,
				 (uint8_t)type,
				 flags,
				 0,
				 0,
				 0,
				 stream};

	assert_true(answer->size + sizeof(head) + size <= sizeof(answer->data));
	memcpy(answer->data + answer->size, head, sizeof(head));
	memcpy(answer->data + answer->size + sizeof(head), payload, size);
	answer->size += sizeof(head) + size;
}

/* RFC 7541, section 6.2.2: a literal with a new name, up to 126 bytes each, kept in no table. */
static size_t header(char *to, const char *name, const char *value)
{
	return (size_t)sprintf(to, "%c%c%s%c%s", 0, (int)strlen(name), name, (int)strlen(value),
			       value);
}

static void add_headers(struct answer *answer, uint8_t flags, const char *status,
			const char *grpc_status)
{
	char block[256];
	size_t size = 0;

	if (status)
		size += header(block + size, ":status", status);
	if (grpc_status)
		size += header(block + size, "grpc-status", grpc_status);
	add_frame(answer, HEADERS, END_HEADERS | flags, 1, block, size);
}

/* An answer as gRPC servers give it: state is that of HealthCheckResponse, 1 is SERVING. */
static void add_report(struct answer *answer, uint8_t state)
{
	const uint8_t message[] = {0, 0, 0, 0, 2, 0x08, state};

	add_frame(answer, SETTINGS, 0, 0, "", 0);
	add_headers(answer, 0, "200", NULL);
	add_frame(answer, DATA, 0, 1, message, sizeof(message));
	add_headers(answer, END_STREAM, NULL, "0");
}

static void add_refusal(struct answer *answer, const char *status, const char *grpc_status)
{
	add_frame(answer, SETTINGS, 0, 0, "", 0);
	add_headers(answer, END_STREAM, status, grpc_status);
}

static void lab_check(struct check_lab *lab, uint16_t port, uint32_t timeout_ms)
{
	const struct check_target target = {.address = check_lab_address("127.0.0.1"),
					    .port = port,
					    .type = HEALTH_GRPC,
					    .service = "shop.v1.Cart",
					    .interval_ms = 60000,
					    .timeout_ms = timeout_ms};

	lab->result = (struct check_result){};
	check_lab_add_target(lab, &target);
	check_lab_wait(lab, check_lab_results(lab));
	check_free(TAKE(lab->check));
}

/* detail "": passes. The answer comes whole, and then byte by byte. */
static void expect(struct check_lab *lab, const struct answer *answer, bool stays_open,
		   const char *detail)
{
	for (size_t chunk = 0; chunk <= 1; chunk++) {
		struct reply_server server = {.reply = answer->data,
					      .reply_size = answer->size,
					      .stays_open = stays_open,
					      .chunk = chunk};

		if (chunk && answer->size > 1000)
			break;
		reply_server_start(&server, lab->event);
		lab_check(lab, server.port, 5000);
		assert_string_equal(lab->result.detail, detail);
		assert_int_equal(lab->result.passed, !*detail);
		reply_server_stop(&server);
	}
}

static void a_server_that_serves_passes(void **state)
{
	struct answer answer = {};

	add_report(&answer, 1);
	expect(*state, &answer, true, "");
}

static void any_other_state_fails_by_its_name(void **state)
{
	static const char *const details[] = {"it says UNKNOWN", NULL, "it says NOT_SERVING",
					      "it says SERVICE_UNKNOWN",
					      "it says in a state that is not known here"};

	for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
		struct answer answer = {};

		add_report(&answer, (uint8_t)i);
		if (details[i])
			expect(*state, &answer, true, details[i]);
	}
}

static void statuses_are_told(void **state)
{
	static const struct {
		const char *status;
		const char *grpc_status;
		const char *detail;
	} cases[] = {
		{"200", "5", "no gRPC service 'shop.v1.Cart' there"},
		{"200", "12", "no grpc.health.v1 there (gRPC status UNIMPLEMENTED)"},
		{"200", "14", "gRPC status 14, UNAVAILABLE"},
		{"200", "99", "gRPC status 99, UNKNOWN"},
		{"200", "0", "the gRPC answer is not a health report"},
		{"200", NULL, "the answer has no gRPC status"},
		{"200", "x", "the answer has no gRPC status"},
		{"404", NULL, "HTTP status 404 instead of gRPC"},
		{"503", "14", "HTTP status 503 instead of gRPC"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer answer = {};

		add_refusal(&answer, cases[i].status, cases[i].grpc_status);
		expect(*state, &answer, true, cases[i].detail);
	}
}

static void messages_that_are_no_report_fail(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} cases[] = {
		{"\0\0\0\0\2\x08", 6},
		{"\1\0\0\0\2\x08\1", 7},
		{"\0\0\0\0\3\x08\1", 7},
		{"\0\0\0\0\2\xff\xff", 7},
		{"\0\0\0\0\2\x08\1x", 8},
		{"", 0},
		{"\0\0\0\0\100\x08\1.........................................................."
		 "....",
		 69},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer answer = {};

		add_frame(&answer, SETTINGS, 0, 0, "", 0);
		add_headers(&answer, 0, "200", NULL);
		add_frame(&answer, DATA, 0, 1, cases[i].data, cases[i].size);
		add_headers(&answer, END_STREAM, NULL, "0");
		expect(*state, &answer, true, "the gRPC answer is not a health report");
	}
}

static void what_is_no_http2_is_told(void **state)
{
	static const char *const texts[] = {"HTTP/1.1 400 Bad Request\r\n\r\n",
					    "SSH-2.0-OpenSSH_9.2\r\n"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct answer answer = {.size = strlen(texts[i])};

		memcpy(answer.data, texts[i], answer.size);
		expect(*state, &answer, i, "the answer is not HTTP/2");
	}
}

static void http2_that_is_broken_or_ends_is_told(void **state)
{
	static const struct {
		const char *detail;
		struct {
			enum frame_type type;
			uint8_t flags;
			uint8_t stream;
			size_t size;
			const char *payload;
		} frame;
	} cases[] = {
		{"the answer breaks HTTP/2", {DATA, 0, 1, 60000, NULL}},
		{"the answer breaks HTTP/2", {SETTINGS, 0, 0, 5, "abcde"}},
		{"the answer breaks HTTP/2: Protocol error", {HEADERS, END_HEADERS, 9, 1, "\x88"}},
		{"HTTP/2 stream reset, REFUSED_STREAM", {RST_STREAM, 0, 1, 4, "\0\0\0\7"}},
		{"the server ends HTTP/2, ENHANCE_YOUR_CALM",
		 {GOAWAY, 0, 0, 8, "\0\0\0\0\0\0\0\13"}},
		{"the server ends HTTP/2, NO_ERROR", {GOAWAY, 0, 0, 8, "\0\0\0\0\0\0\0\0"}},
	};
	static const char zeros[60000];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer answer = {};

		add_frame(&answer, SETTINGS, 0, 0, "", 0);
		add_frame(&answer, cases[i].frame.type, cases[i].frame.flags, cases[i].frame.stream,
			  cases[i].frame.payload ? cases[i].frame.payload : zeros,
			  cases[i].frame.size);
		expect(*state, &answer, true, cases[i].detail);
	}
}

static void a_server_that_stops_listening_finishes_its_answer(void **state)
{
	struct answer answer = {};
	const uint8_t message[] = {0, 0, 0, 0, 2, 0x08, 1};

	add_frame(&answer, SETTINGS, 0, 0, "", 0);
	add_frame(&answer, GOAWAY, 0, 0, "\x7f\xff\xff\xff\0\0\0\0", 8);
	add_headers(&answer, 0, "200", NULL);
	add_frame(&answer, GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0", 8);
	add_frame(&answer, DATA, 0, 1, message, sizeof(message));
	add_headers(&answer, END_STREAM, NULL, "0");
	expect(*state, &answer, true, "");
}

static void an_answer_that_ends_early_fails(void **state)
{
	struct answer answer = {};
	struct reply_server server = {.reply = "", .resets = true};
	struct check_lab *lab = *state;

	expect(lab, &answer, false, "connection closed without an answer");
	add_frame(&answer, SETTINGS, 0, 0, "", 0);
	add_headers(&answer, 0, "200", NULL);
	expect(lab, &answer, false, "connection closed within the answer");
	reply_server_start(&server, lab->event);
	lab_check(lab, server.port, 5000);
	assert_string_equal(lab->result.detail, "connection reset by peer");
	reply_server_stop(&server);
}

/* A header of 16,000 bytes in a frame of its own, twice. */
static void headers_without_end_fail(void **state)
{
	struct answer answer = {};
	char block[16100] = {0, 1, 'x', 0x7f, (char)(0x80 | (15873 & 0x7f)), 15873 >> 7};
	const size_t size = 6 + 15873 + 127; /* RFC 7541, 5.1: the length, from 127 on */

	memset(block + 6, 'y', size - 6);
	add_frame(&answer, SETTINGS, 0, 0, "", 0);
	add_frame(&answer, HEADERS, 0, 1, "\x88", 1);
	add_frame(&answer, CONTINUATION, 0, 1, block, size);
	add_frame(&answer, CONTINUATION, 0, 1, block, size);
	expect(*state, &answer, true, "the gRPC headers are too long");
}

static void an_answer_without_end_fails(void **state)
{
	struct answer answer = {};
	static const char zeros[16000];

	add_frame(&answer, SETTINGS, 0, 0, "", 0);
	add_headers(&answer, 0, "200", NULL);
	for (int i = 0; i < 4; i++)
		add_frame(&answer, DATA, 0, 1, zeros, sizeof(zeros));
	while (answer.size <= GRPC_ANSWER_MAX)
		add_frame(&answer, PING, 0, 0, "12345678", 8);
	expect(*state, &answer, true, "the gRPC answer is too long");
}

static void an_answer_that_drips_times_out(void **state)
{
	struct answer answer = {};
	struct check_lab *lab = *state;
	struct reply_server server = {.reply = answer.data, .chunk = 1, .chunk_ms = 20};

	add_report(&answer, 1);
	server.reply_size = answer.size;
	reply_server_start(&server, lab->event);
	lab_check(lab, server.port, 100);
	assert_string_equal(lab->result.detail,
			    "timed out after 100 ms, connected but without a whole answer");
	reply_server_stop(&server);
}

/* Every byte of a good answer, with some of its bits wrong. */
static void whatever_comes_passes_or_ends_in_a_reason(void **state)
{
	static const uint8_t wrong[] = {0x01, 0x02, 0x08, 0x40, 0x80, 0xff};
	struct check_lab *lab = *state;
	struct answer good = {};
	unsigned int passed = 0;

	add_report(&good, 1);
	for (size_t i = 0; i < good.size * ARRAY_SIZE(wrong); i++) {
		struct reply_server server = {.reply = good.data, .reply_size = good.size};
		char *byte = &good.data[i / ARRAY_SIZE(wrong)], before = *byte;

		*byte = (char)(before ^ wrong[i % ARRAY_SIZE(wrong)]);
		reply_server_start(&server, lab->event);
		lab_check(lab, server.port, 5000);
		reply_server_stop(&server);
		*byte = before;
		passed += lab->result.passed;
		if (!lab->result.passed &&
		    (!*lab->result.detail || strstr(lab->result.detail, "timed out")))
			fail_msg("byte %zu: '%s'", i / ARRAY_SIZE(wrong), lab->result.detail);
	}
	/* Flags and identifiers that mean nothing are to be ignored; the rest means something. */
	assert_in_range(passed, 1, good.size * ARRAY_SIZE(wrong) / 3);
}

static void checks_may_be_freed_in_an_answer(void **state)
{
	struct answer answer = {};
	struct check_lab *lab = *state;
	struct reply_server server = {.reply = answer.data, .stays_open = true};
	struct check_target target = {.address = check_lab_address("127.0.0.1"),
				      .type = HEALTH_GRPC,
				      .interval_ms = 60000,
				      .timeout_ms = 5000};

	add_frame(&answer, SETTINGS, 0, 0, "", 0);
	server.reply_size = answer.size;
	reply_server_start(&server, lab->event);
	target.port = server.port;
	check_lab_add_target(lab, &target);
	while (!strlen(server.request))
		check_lab_run(lab, 10);
	check_lab_run(lab, 10);
	check_free(TAKE(lab->check));
	assert_int_equal(check_lab_results(lab), 0);
	reply_server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		check_lab_test(a_server_that_serves_passes),
		check_lab_test(any_other_state_fails_by_its_name),
		check_lab_test(statuses_are_told),
		check_lab_test(messages_that_are_no_report_fail),
		check_lab_test(what_is_no_http2_is_told),
		check_lab_test(http2_that_is_broken_or_ends_is_told),
		check_lab_test(a_server_that_stops_listening_finishes_its_answer),
		check_lab_test(an_answer_that_ends_early_fails),
		check_lab_test(headers_without_end_fail),
		check_lab_test(an_answer_without_end_fails),
		check_lab_test(an_answer_that_drips_times_out),
		check_lab_test(whatever_comes_passes_or_ends_in_a_reason),
		check_lab_test(checks_may_be_freed_in_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
