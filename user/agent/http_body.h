/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looking for a text in the body of an HTTP/1 answer (RFC 9112, section 6), which comes in
 * whatever pieces: with a length, in chunks (whose borders the text may cross), or until the
 * connection ends. Only the first HTTP_BODY_MAX bytes are looked at, as they are sent: nothing is
 * decompressed. Pure.
 */
#ifndef STEER_HTTP_BODY_H
#define STEER_HTTP_BODY_H

#include "agent/http_reply.h"
#include "common/routes.h"

#include <stddef.h>
#include <stdint.h>

#define HTTP_BODY_MAX	   65536  /* bytes of body, without the lines between chunks */
#define HTTP_BODY_SENT_MAX 262144 /* with them */

enum http_body_result {
	HTTP_BODY_MORE,
	HTTP_BODY_FOUND,
	HTTP_BODY_MISSING,  /* all of it was seen */
	HTTP_BODY_TOO_LONG, /* not in as much as is looked at */
	HTTP_BODY_GARBAGE,  /* chunks that are none */
};

/* The text, and how much of its start a mismatch after so many bytes leaves (Knuth-Morris-Pratt). */
struct http_body_text {
	size_t size;
	uint8_t text[HEALTH_BODY_MAX];
	uint8_t left[HEALTH_BODY_MAX];
};

enum http_body_part { BODY_DATA, BODY_CHUNK_SIZE, BODY_CHUNK_EXTENSION, BODY_CHUNK_END };

struct http_body {
	bool chunked;
	bool bounded; /* `rest` holds: of the body, or of the chunk */
	enum http_body_part part;
	uint64_t rest;
	unsigned int digits; /* of the chunk's size so far */
	uint32_t seen;	     /* bytes of body */
	uint32_t sent;	     /* bytes in all */
	size_t matched;	     /* bytes of the text that the last bytes are */
};

/* text: 1 to HEALTH_BODY_MAX bytes. */
void http_body_text_init(struct http_body_text *text, const char *from);

/* After the whole head. HTTP_BODY_MISSING where there is no body, else HTTP_BODY_MORE. */
enum http_body_result http_body_begin(struct http_body *body, const struct http_reply *reply);

/* Any result but HTTP_BODY_MORE is final. */
enum http_body_result http_body_feed(struct http_body *body, const struct http_body_text *text,
				     const void *data, size_t size);

#endif
