/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/probe_http.h"

#include "common/util.h"

#include <poll.h>

#define READS_MAX 4 /* at a time: what is left makes the socket readable again */

void probe_http_question_init(struct probe_http_question *question, const char *path,
			      const char *host, const char *body, int status_min, int status_max)
{
	*question = (struct probe_http_question){.status_min = status_min,
						 .status_max = status_max};
	question->request = util_format("GET %s HTTP/1.1\r\n"
					"Host: %s\r\n"
					"User-Agent: steerd\r\n"
					"Accept: */*\r\n"
					"Connection: close\r\n"
					"\r\n",
					path, host);
	question->request_size = strlen(question->request);
	if (!body)
		return;
	question->body = util_calloc(1, sizeof(*question->body));
	http_body_text_init(question->body, body);
}

void probe_http_question_clear(struct probe_http_question *question)
{
	free(question->request);
	free(question->body);
	*question = (struct probe_http_question){};
}

static enum probe_result request_send(struct probe_http *http,
				      const struct probe_http_question *question,
				      struct probe_stream *stream, char *detail)
{
	while (http->sent < question->request_size) {
		ssize_t n = probe_stream_write(stream, question->request + http->sent,
					       question->request_size - http->sent);

		if (n < 0)
			return probe_fail_stream(detail, stream, (int)n);
		http->sent += (size_t)n;
	}
	return PROBE_PASSED;
}

static enum probe_result body_judge(enum http_body_result result, char *detail)
{
	switch (result) {
	case HTTP_BODY_MORE:
		return PROBE_PENDING;
	case HTTP_BODY_FOUND:
		return PROBE_PASSED;
	case HTTP_BODY_MISSING:
		return probe_fail(detail, "the body does not have the text");
	case HTTP_BODY_TOO_LONG:
		return probe_fail(detail, "the body does not have the text in its first 64 KiB");
	default:
		return probe_fail(detail, "the body's chunks are not HTTP");
	}
}

static enum probe_result status_judge(struct probe_http *http,
				      const struct probe_http_question *question, char *detail)
{
	int status = http->reply.status;

	if (status < question->status_min || status > question->status_max)
		return probe_fail(detail, "HTTP status %d", status);
	if (!question->body)
		return PROBE_PASSED;
	http->in_body = true;
	return body_judge(http_body_begin(&http->body, &http->reply), detail);
}

static enum probe_result body_take(struct probe_http *http,
				   const struct probe_http_question *question, const char *data,
				   size_t size, char *detail)
{
	return body_judge(http_body_feed(&http->body, question->body, data, size), detail);
}

/* What follows the head in the same data is body. */
static enum probe_result answer_take(struct probe_http *http,
				     const struct probe_http_question *question, const char *data,
				     size_t size, char *detail)
{
	uint32_t before = http->reply.size;
	enum probe_result result;
	size_t head;

	if (http->in_body)
		return body_take(http, question, data, size, detail);
	switch (http_reply_feed(&http->reply, data, size)) {
	case HTTP_REPLY_MORE:
		return PROBE_PENDING;
	case HTTP_REPLY_GARBAGE:
		return probe_fail(detail, "the answer is not HTTP");
	case HTTP_REPLY_TOO_LONG:
		return probe_fail(detail, "the HTTP header is too long");
	default:
		break;
	}
	head = http->reply.size - before;
	result = status_judge(http, question, detail);
	return result == PROBE_PENDING ? body_take(http, question, data + head, size - head, detail)
				       : result;
}

/* Of a body that has no length of its own, the connection's end is the end. */
static enum probe_result answer_end(const struct probe_http *http, char *detail)
{
	if (http->in_body && !http->body.bounded)
		return body_judge(HTTP_BODY_MISSING, detail);
	if (http->in_body)
		return probe_fail(detail, "connection closed within the body");
	return probe_fail(detail, http->reply.size ? "connection closed within the HTTP header"
						   : "connection closed without an answer");
}

enum probe_result probe_http_advance(struct probe_http *http,
				     const struct probe_http_question *question,
				     struct probe_stream *stream, char detail[PROBE_DETAIL_MAX])
{
	enum probe_result result = request_send(http, question, stream, detail);
	char data[PROBE_READ_MAX];

	if (result != PROBE_PASSED)
		return result;
	stream->events = POLLIN;
	result = PROBE_PENDING;
	for (int i = 0; i < READS_MAX && result == PROBE_PENDING; i++) {
		ssize_t n = probe_stream_read(stream, data, sizeof(data));

		if (n < 0)
			return probe_fail_stream(detail, stream, (int)n);
		result = n ? answer_take(http, question, data, (size_t)n, detail)
			   : answer_end(http, detail);
	}
	return result;
}
