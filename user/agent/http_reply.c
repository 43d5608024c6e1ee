/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/http_reply.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STATUS_LINE_SHORTEST 12 /* "HTTP/1.1 200" */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ]; servers omit the last space. */
static bool status_line_parse(struct http_reply *reply)
{
	const char *line = reply->line;

	if (reply->line_size < STATUS_LINE_SHORTEST || memcmp(line, "HTTP/1.", 7) ||
	    !is_digit(line[7]) || line[8] != ' ')
		return false;
	if (line[9] < '1' || line[9] > '9' || !is_digit(line[10]) || !is_digit(line[11]))
		return false;
	if (reply->line_size > STATUS_LINE_SHORTEST && line[12] != ' ')
		return false;
	reply->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	return true;
}

/* The value of the header of this name, without blanks around it; NULL: the line is another's. */
static const char *header_value(const struct http_reply *reply, const char *name,
				char value[HTTP_REPLY_LINE_MAX])
{
	size_t size = reply->line_size < sizeof(reply->line) ? reply->line_size
							     : sizeof(reply->line);
	size_t from = strlen(name);

	if (size <= from || strncasecmp(reply->line, name, from) || reply->line[from] != ':')
		return NULL;
	for (from++; from < size && strchr(" \t", reply->line[from]);)
		from++;
	while (size > from && strchr(" \t", reply->line[size - 1]))
		size--;
	snprintf(value, HTTP_REPLY_LINE_MAX, "%.*s", (int)(size - from), reply->line + from);
	return value;
}

static bool ends_with_chunked(const char *value)
{
	size_t size = strlen(value), chunked = strlen("chunked");

	return size >= chunked && !strcasecmp(value + size - chunked, "chunked");
}

/* A length that is no number counts as none: the body is then read to its end. */
static void header_take(struct http_reply *reply)
{
	char text[HTTP_REPLY_LINE_MAX];
	const char *value;

	value = header_value(reply, "transfer-encoding", text);
	if (value)
		reply->chunked = ends_with_chunked(value);
	value = header_value(reply, "content-length", text);
	if (value && !text_parse_number(value, &reply->length))
		reply->has_length = true;
}

static enum http_reply_result line_end(struct http_reply *reply)
{
	uint16_t size = reply->line_size;

	if (!reply->in_headers) {
		if (!status_line_parse(reply))
			return HTTP_REPLY_GARBAGE;
		reply->in_headers = true;
	} else if (!size) {
		if (reply->status >= 200)
			return HTTP_REPLY_DONE;
		reply->in_headers = reply->chunked = reply->has_length = false;
	} else {
		header_take(reply);
	}
	reply->line_size = 0;
	return HTTP_REPLY_MORE;
}

/* What is not HTTP at all is known by its first bytes: no need to wait for a line's end. */
static bool line_add(struct http_reply *reply, char c)
{
	static const char start[] = "HTTP/1.";

	if (!reply->in_headers && reply->line_size < sizeof(start) - 1 &&
	    c != start[reply->line_size])
		return false;
	if (reply->line_size < sizeof(reply->line))
		reply->line[reply->line_size] = c;
	reply->line_size++;
	return true;
}

static enum http_reply_result byte_add(struct http_reply *reply, char c)
{
	if (++reply->size > HTTP_REPLY_HEAD_MAX)
		return HTTP_REPLY_TOO_LONG;
	if (c == '\n') {
		reply->cr = false;
		return line_end(reply);
	}
	if (reply->cr && !line_add(reply, '\r'))
		return HTTP_REPLY_GARBAGE;
	reply->cr = c == '\r';
	return reply->cr || line_add(reply, c) ? HTTP_REPLY_MORE : HTTP_REPLY_GARBAGE;
}

enum http_reply_result http_reply_feed(struct http_reply *reply, const void *data, size_t size)
{
	enum http_reply_result result = HTTP_REPLY_MORE;

	for (size_t i = 0; i < size && result == HTTP_REPLY_MORE; i++)
		result = byte_add(reply, ((const char *)data)[i]);
	return result;
}
