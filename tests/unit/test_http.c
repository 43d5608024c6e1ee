/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/http.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PATIENCE_MS 10000      /* until a condition counts as never */
#define BIG	    (4u << 20) /* more than a socket's buffers take */

struct fixture {
	sd_event *loop;
	struct http *http;
	int ready_status;
	unsigned int streams; /* open now */
	uint64_t stream_size; /* bytes of the page at /stream; it breaks off at BROKEN */
	unsigned int reads;
	char accept[64]; /* that the last one was opened with */
};

static int metrics_page(void *userdata, FILE *out)
{
	(void)userdata;
	fputs("m_total 1\n", out);
	return 200;
}

static int ready_page(void *userdata, FILE *out)
{
	struct fixture *f = userdata;

	fputs("half", out);
	return f->ready_status;
}

static int big_page(void *userdata, FILE *out)
{
	static const char line[1024];

	(void)userdata;
	for (size_t i = 0; i < BIG / sizeof(line); i++)
		fwrite(line, sizeof(line), 1, out);
	return 200;
}

#define BROKEN	     UINT64_MAX
#define STREAM_BYTES (BIG / 4) /* that one is said to hold */

struct stream {
	struct fixture *f;
	uint64_t at;
};

static void *stream_open(void *userdata, const char *accept, const char **ret_type)
{
	struct stream *stream = util_calloc(1, sizeof(*stream));

	stream->f = userdata;
	stream->f->streams++;
	snprintf(stream->f->accept, sizeof(stream->f->accept), "%s", accept ? accept : "none");
	*ret_type = "text/streamed";
	return stream;
}

/* "abc…zabc…" */
static ssize_t stream_read(void *userdata, char *buffer, size_t max)
{
	struct stream *stream = userdata;
	size_t n = 0;

	stream->f->reads++;
	if (stream->f->stream_size == BROKEN && stream->at > BIG / 8)
		return -EIO;
	for (; n < max && stream->at < stream->f->stream_size; n++)
		buffer[n] = (char)('a' + stream->at++ % 26);
	return (ssize_t)n;
}

static void stream_close(void *userdata)
{
	struct stream *stream = userdata;

	stream->f->streams--;
	free(stream);
}

static const struct http_stream stream_page = {stream_open, stream_read, stream_close,
					       STREAM_BYTES};

static const struct http_limits limits = {
	.connections = 4,
	.idle_s = 60,
	.answer_ms = 1500,
	.bytes = BIG + BIG / 2,
};

static int setup_at(void **state, const char *address)
{
	static struct fixture f;
	struct node_endpoint endpoint = {.text = (char *)"test"};
	const struct http_page pages[] = {
		{"/metrics", .render = metrics_page},
		{"/readyz", "text/plain", ready_page, .userdata = &f},
		{"/big", .render = big_page},
		{"/stream", .userdata = &f, .stream = &stream_page},
	};

	f = (struct fixture){};
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(address_parse(address, &endpoint.address), 0);
	assert_true(sd_event_new(&f.loop) >= 0);
	assert_int_equal(http_new(f.loop, &endpoint, pages, ARRAY_SIZE(pages), &limits, &f.http),
			 0);
	assert_int_not_equal(http_port(f.http), 0);
	*state = &f;
	return 0;
}

static int setup(void **state)
{
	return setup_at(state, "127.0.0.1");
}

static int setup_ipv6(void **state)
{
	return setup_at(state, "::1");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_free(f->http);
	sd_event_unref(f->loop);
	return 0;
}

/* rcvbuf 0: as the kernel likes. */
static int dial_with(struct fixture *f, const char *request, int rcvbuf)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_port(f->http))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

static int dial(struct fixture *f, const char *request)
{
	return dial_with(f, request, 0);
}

/* Lets the loop work for a while, or until something happened. */
static void turn(struct fixture *f)
{
	assert_true(sd_event_run(f->loop, 10000) >= 0);
}

/*
 * Reads until the text ends with `end` ("" means until the other side closes); at most `max`
 * bytes are kept, in a buffer that the next call uses again. NULL: it did not come.
 */
static const char *receive(struct fixture *f, int fd, const char *end)
{
	static char text[4096];
	unsigned long long deadline = util_now_ms() + PATIENCE_MS;
	size_t length = 0;

	while (util_now_ms() < deadline) {
		ssize_t got;

		if (length == sizeof(text) - 1)
			length = sizeof(text) / 2; /* a page of no interest */
		got = recv(fd, text + length, sizeof(text) - 1 - length, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN) {
			turn(f);
			continue;
		}
		if (got <= 0)
			return *end ? NULL : text;
		length += (size_t)got;
		text[length] = '\0';
		if (*end && length >= strlen(end) && !strcmp(text + length - strlen(end), end))
			return text;
	}
	return NULL;
}

static const char *ask(struct fixture *f, const char *request)
{
	int fd = dial(f, request);
	const char *text = receive(f, fd, "");

	close(fd);
	assert_non_null(text);
	return text;
}

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static void get_answers_with_the_page_and_its_type(void **state)
{
	struct fixture *f = *state;
	const char *text = ask(f, "GET /metrics?a=b HTTP/1.1\r\n" CLOSE);

	assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(
		strstr(text, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 10\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nm_total 1\n");
}

static void head_answers_without_the_page(void **state)
{
	struct fixture *f = *state;
	const char *text = ask(f, "HEAD /metrics HTTP/1.1\r\n" CLOSE);

	assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(text, "\r\nContent-Length: 10\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
}

static void a_page_chooses_its_status_and_type(void **state)
{
	struct fixture *f = *state;
	const char *text;

	f->ready_status = 503;
	text = ask(f, "GET /readyz HTTP/1.1\r\n" CLOSE);
	assert_memory_equal(text, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(text, "\r\nContent-Type: text/plain\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nhalf");
	f->ready_status = 200;
	text = ask(f, "GET /readyz HTTP/1.1\r\n" CLOSE);
	assert_memory_equal(text, "HTTP/1.1 200 ", 13);
}

static void a_page_that_fails_shows_nothing_of_itself(void **state)
{
	struct fixture *f = *state;
	const char *text;

	f->ready_status = -EIO;
	log_set_level((enum log_level)0);
	text = ask(f, "GET /readyz HTTP/1.1\r\n" CLOSE);
	assert_memory_equal(text, "HTTP/1.1 500 ", 13);
	assert_null(strstr(text, "half"));
}

static void other_methods_and_paths_are_refused(void **state)
{
	struct fixture *f = *state;
	const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "BREW"};
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		CLEANUP_FREE char *request = util_format(
			"%s /metrics HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc", methods[i]);

		text = ask(f, request);
		assert_memory_equal(text, "HTTP/1.1 405 ", 13);
		assert_non_null(strstr(text, "\r\nAllow: GET, HEAD\r\n"));
	}
	text = ask(f, "GET /metrics/ HTTP/1.1\r\n" CLOSE);
	assert_memory_equal(text, "HTTP/1.1 404 ", 13);
	assert_non_null(
		strstr(text, "\r\n\r\nnot found; there is /metrics /readyz /big /stream\n"));
	text = ask(f, "GET /../etc/passwd HTTP/1.1\r\n" CLOSE);
	assert_memory_equal(text, "HTTP/1.1 404 ", 13);
	text = ask(f, "nonsense\r\n\r\n");
	assert_null(strstr(text, " 200 "));
}

static void a_connection_serves_many_requests(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");

	assert_non_null(receive(f, fd, "m_total 1\n"));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 34, 0), 34);
		assert_non_null(receive(f, fd, "m_total 1\n"));
	}
	assert_int_equal(http_connections(f->http), 1);
	close(fd);
	for (int i = 0; i < 1000 && http_connections(f->http); i++)
		turn(f);
	assert_int_equal(http_connections(f->http), 0);
}

static void readers_that_do_not_read_cannot_hold_more_than_the_limit(void **state)
{
	struct fixture *f = *state;
	int slow = dial_with(f, "GET /big HTTP/1.1\r\n" CLOSE, 4096);

	while (recv(slow, &(char){0}, 1, MSG_DONTWAIT) < 0)
		turn(f);
	assert_memory_equal(ask(f, "GET /big HTTP/1.1\r\n" CLOSE), "HTTP/1.1 503 ", 13);
	assert_memory_equal(ask(f, "GET /metrics HTTP/1.1\r\n" CLOSE), "HTTP/1.1 200 ", 13);
	close(slow);
	for (int i = 0; i < 1000 && http_connections(f->http); i++)
		turn(f);
	assert_null(strstr(ask(f, "GET /big HTTP/1.1\r\n" CLOSE), "slow readers"));
}

/* Takes or gives a byte now and then, which keeps an idle timeout from ever passing. */
static bool is_ended_although_it_drips(struct fixture *f, int fd, bool reads)
{
	unsigned long long start = util_now_ms();
	char byte = 'a';

	while (util_now_ms() < start + PATIENCE_MS) {
		unsigned long long next = util_now_ms() + 50;

		while (util_now_ms() < next)
			turn(f);
		if (!http_connections(f->http)) {
			assert_true(util_now_ms() - start >= limits.answer_ms - 100);
			return true;
		}
		if (reads)
			recv(fd, &byte, 1, MSG_DONTWAIT);
		else
			send(fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return false;
}

static void a_reader_that_drips_is_ended(void **state)
{
	struct fixture *f = *state;
	int fd = dial_with(f, "GET /big HTTP/1.1\r\n" CLOSE, 4096);

	while (!http_connections(f->http))
		turn(f);
	assert_true(is_ended_although_it_drips(f, fd, true));
	close(fd);
}

static void a_request_that_drips_is_ended(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, "GET /metrics HTTP/1.1\r\nX-Long: ");

	while (!http_connections(f->http))
		turn(f);
	assert_true(is_ended_although_it_drips(f, fd, false));
	close(fd);
}

static void connections_over_the_limit_wait_their_turn(void **state)
{
	struct fixture *f = *state;
	int fd[4], late;

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = dial(f, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_non_null(receive(f, fd[i], "m_total 1\n"));
	}
	late = dial(f, "GET /metrics HTTP/1.1\r\n" CLOSE);
	for (int i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(http_connections(f->http), limits.connections);
	close(fd[0]);
	assert_non_null(receive(f, late, "m_total 1\n"));
	close(late);
	for (size_t i = 1; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

/* The bytes of a chunked body (RFC 9112, 7.1), read to the end; -1: it does not end as it should. */
static int64_t read_chunks(struct fixture *f, int fd)
{
	static char text[2 * BIG];
	size_t length = 0;
	int64_t sum = 0;
	ssize_t got;
	char *at;

	while ((got = recv(fd, text + length, sizeof(text) - length, MSG_DONTWAIT)) != 0) {
		if (got < 0 && errno != EAGAIN)
			return -1;
		if (got < 0)
			turn(f);
		else
			length += (size_t)got;
	}
	at = memmem(text, length, "\r\n\r\n", 4);
	assert_non_null(at);
	for (at += 4; at < text + length;) {
		size_t size = strtoul(at, &at, 16);

		at += 2;
		if (!size)
			return sum;
		for (size_t i = 0; i < size && at + i < text + length; i++, sum++)
			assert_int_equal(at[i], 'a' + sum % 26);
		at += size + 2;
	}
	return -1;
}

#define GET_STREAM "GET /stream HTTP/1.1\r\nAccept: x/y;q=0.5\r\n" CLOSE

static void a_stream_arrives_whole_in_pieces_and_is_closed(void **state)
{
	const uint64_t sizes[] = {0, 1, BIG};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = dial(f, GET_STREAM);

		f->stream_size = sizes[i];
		assert_int_equal(read_chunks(f, fd), sizes[i]);
		assert_int_equal(f->streams, 0);
		assert_string_equal(f->accept, "x/y;q=0.5");
		close(fd);
	}
	assert_true(f->reads >= BIG / (64 << 10));
}

static void a_stream_chooses_its_type_and_head_reads_nothing_of_it(void **state)
{
	struct fixture *f = *state;
	const char *text;

	f->stream_size = BIG;
	text = ask(f, "HEAD /stream HTTP/1.1\r\n" CLOSE);
	assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(text, "\r\nContent-Type: text/streamed\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(f->reads, 0);
	assert_int_equal(f->streams, 0);
	assert_string_equal(f->accept, "none");
}

static void a_stream_that_breaks_off_does_not_look_whole(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, GET_STREAM);

	f->stream_size = BROKEN;
	assert_int_equal(read_chunks(f, fd), -1);
	assert_int_equal(f->streams, 0);
	close(fd);
}

static void a_scraper_that_never_reads_holds_one_piece_and_is_ended(void **state)
{
	struct fixture *f = *state;
	unsigned long long start = util_now_ms();
	int fd = dial_with(f, GET_STREAM, 4096);

	f->stream_size = BROKEN - 1; /* without an end */
	while (!f->streams)
		turn(f);
	assert_memory_equal(ask(f, "GET /metrics HTTP/1.1\r\n" CLOSE), "HTTP/1.1 200 ", 13);
	while (f->streams && util_now_ms() < start + PATIENCE_MS)
		turn(f);
	assert_int_equal(f->streams, 0);
	assert_true(util_now_ms() - start >= limits.answer_ms - 100);
	/* What was made is what the sockets took. */
	assert_true(f->reads < 64 * (16u << 20) / (64u << 10));
	close(fd);
}

static void streams_count_as_pages_being_sent(void **state)
{
	struct fixture *f = *state;
	int slow = dial_with(f, "GET /big HTTP/1.1\r\n" CLOSE, 4096), fd[2];

	f->stream_size = BROKEN - 1;
	while (recv(slow, &(char){0}, 1, MSG_DONTWAIT) < 0)
		turn(f);
	for (size_t i = 0; i < 2; i++) {
		fd[i] = dial_with(f, GET_STREAM, 4096);
		while (f->streams <= i)
			turn(f);
	}
	assert_memory_equal(ask(f, GET_STREAM), "HTTP/1.1 503 ", 13);
	for (size_t i = 0; i < 2; i++)
		close(fd[i]);
	close(slow);
	while (http_connections(f->http))
		turn(f);
	assert_int_equal(f->streams, 0);
}

static void freeing_it_closes_what_is_being_streamed(void **state)
{
	struct fixture *f = *state;
	int fd = dial_with(f, GET_STREAM, 4096);

	f->stream_size = BROKEN - 1;
	while (!f->streams)
		turn(f);
	http_free(f->http);
	f->http = NULL;
	assert_int_equal(f->streams, 0);
	close(fd);
}

/* Counts the loop's turns over a while. */
static unsigned int turns_in(struct fixture *f, unsigned int ms)
{
	unsigned long long end = util_now_ms() + ms;
	unsigned int turns = 0;

	for (; util_now_ms() < end; turns++)
		turn(f);
	return turns;
}

static void running_out_of_descriptors_is_survived_without_spinning(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, "GET /metrics HTTP/1.1\r\n" CLOSE);
	struct rlimit before, none;

	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(turns_in(f, 500) < 3000);
	assert_int_equal(http_connections(f->http), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_non_null(receive(f, fd, "m_total 1\n"));
	close(fd);
}

static void it_listens_on_ipv6_too(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in6 address = {.sin6_family = AF_INET6,
				       .sin6_port = htons(http_port(f->http)),
				       .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char request[] = "GET /metrics HTTP/1.1\r\n" CLOSE;

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	assert_non_null(receive(f, fd, "m_total 1\n"));
	close(fd);
}

static void an_address_in_use_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct node_endpoint endpoint = {.text = (char *)"127.0.0.1:0", .port = http_port(f->http)};
	struct http *other = NULL;

	log_set_level((enum log_level)0);
	assert_int_equal(address_parse("127.0.0.1", &endpoint.address), 0);
	assert_int_equal(http_new(f->loop, &endpoint, NULL, 0, NULL, &other), -EADDRINUSE);
	assert_null(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(get_answers_with_the_page_and_its_type),
		TEST(head_answers_without_the_page),
		TEST(a_page_chooses_its_status_and_type),
		TEST(a_page_that_fails_shows_nothing_of_itself),
		TEST(other_methods_and_paths_are_refused),
		TEST(a_connection_serves_many_requests),
		TEST(readers_that_do_not_read_cannot_hold_more_than_the_limit),
		TEST(a_reader_that_drips_is_ended),
		TEST(a_request_that_drips_is_ended),
		TEST(connections_over_the_limit_wait_their_turn),
		TEST(a_stream_arrives_whole_in_pieces_and_is_closed),
		TEST(a_stream_chooses_its_type_and_head_reads_nothing_of_it),
		TEST(a_stream_that_breaks_off_does_not_look_whole),
		TEST(a_scraper_that_never_reads_holds_one_piece_and_is_ended),
		TEST(streams_count_as_pages_being_sent),
		TEST(freeing_it_closes_what_is_being_streamed),
		TEST(running_out_of_descriptors_is_survived_without_spinning),
		cmocka_unit_test_setup_teardown(it_listens_on_ipv6_too, setup_ipv6, teardown),
		TEST(an_address_in_use_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
