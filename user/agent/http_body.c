/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/http_body.h"

#include <string.h>

#define CHUNK_SIZE_DIGITS 15

/* How much of the text's start the bytes so far end with, once `c` has come, too. */
static size_t text_step(const struct http_body_text *text, size_t matched, uint8_t c)
{
	while (matched && text->text[matched] != c)
		matched = text->left[matched - 1];
	return matched + (text->text[matched] == c);
}

void http_body_text_init(struct http_body_text *text, const char *from)
{
	size_t matched = 0;

	*text = (struct http_body_text){.size = strlen(from)};
	memcpy(text->text, from, text->size);
	for (size_t i = 1; i < text->size; i++) {
		matched = text_step(text, matched, text->text[i]);
		text->left[i] = (uint8_t)matched;
	}
}

static bool has_no_body(const struct http_reply *reply)
{
	return reply->status == 204 || reply->status == 304 ||
	       (!reply->chunked && reply->has_length && !reply->length);
}

enum http_body_result http_body_begin(struct http_body *body, const struct http_reply *reply)
{
	*body = (struct http_body){.chunked = reply->chunked,
				   .bounded = reply->chunked || reply->has_length,
				   .part = reply->chunked ? BODY_CHUNK_SIZE : BODY_DATA,
				   .rest = reply->chunked ? 0 : reply->length};
	return has_no_body(reply) ? HTTP_BODY_MISSING : HTTP_BODY_MORE;
}

static enum http_body_result data_add(struct http_body *body, const struct http_body_text *text,
				      uint8_t c)
{
	body->matched = text_step(text, body->matched, c);
	if (body->matched == text->size)
		return HTTP_BODY_FOUND;
	if (++body->seen >= HTTP_BODY_MAX)
		return HTTP_BODY_TOO_LONG;
	if (!body->bounded || --body->rest)
		return HTTP_BODY_MORE;
	body->part = BODY_CHUNK_END;
	return body->chunked ? HTTP_BODY_MORE : HTTP_BODY_MISSING;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The end of the line that holds a chunk's size; the chunk of size 0 is the last. */
static enum http_body_result chunk_begin(struct http_body *body)
{
	if (!body->digits)
		return HTTP_BODY_GARBAGE;
	body->digits = 0;
	body->part = BODY_DATA;
	return body->rest ? HTTP_BODY_MORE : HTTP_BODY_MISSING;
}

static enum http_body_result size_add(struct http_body *body, uint8_t c)
{
	int digit = hex_digit(c);

	if (c == '\n')
		return chunk_begin(body);
	if (digit >= 0) {
		body->rest = body->rest << 4 | (uint64_t)digit;
		return ++body->digits > CHUNK_SIZE_DIGITS ? HTTP_BODY_GARBAGE : HTTP_BODY_MORE;
	}
	if (!body->digits || (c != ';' && c != ' ' && c != '\t' && c != '\r'))
		return HTTP_BODY_GARBAGE;
	body->part = BODY_CHUNK_EXTENSION;
	return HTTP_BODY_MORE;
}

/* The line's end after a chunk's data. */
static enum http_body_result end_add(struct http_body *body, uint8_t c)
{
	if (c == '\n')
		body->part = BODY_CHUNK_SIZE;
	return c == '\n' || c == '\r' ? HTTP_BODY_MORE : HTTP_BODY_GARBAGE;
}

static enum http_body_result byte_add(struct http_body *body, const struct http_body_text *text,
				      uint8_t c)
{
	switch (body->part) {
	case BODY_CHUNK_SIZE:
		return size_add(body, c);
	case BODY_CHUNK_EXTENSION:
		return c == '\n' ? chunk_begin(body) : HTTP_BODY_MORE;
	case BODY_CHUNK_END:
		return end_add(body, c);
	default:
		return data_add(body, text, c);
	}
}

enum http_body_result http_body_feed(struct http_body *body, const struct http_body_text *text,
				     const void *data, size_t size)
{
	enum http_body_result result = HTTP_BODY_MORE;

	for (size_t i = 0; i < size && result == HTTP_BODY_MORE; i++) {
		result = byte_add(body, text, ((const uint8_t *)data)[i]);
		if (++body->sent >= HTTP_BODY_SENT_MAX && result == HTTP_BODY_MORE)
			result = HTTP_BODY_TOO_LONG;
	}
	return result;
}
