/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The head of an HTTP/1 answer (RFC 9112), read from a stream in whatever pieces it comes. Only
 * the status is kept. Interim answers (1xx) are stepped over; the body is never looked at. Pure.
 */
#ifndef STEER_HTTP_REPLY_H
#define STEER_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REPLY_HEAD_MAX 16384 /* bytes of status lines and headers that are put up with */

enum http_reply_result {
	HTTP_REPLY_MORE, /* the head has not ended yet */
	HTTP_REPLY_DONE, /* `status` holds */
	HTTP_REPLY_GARBAGE,
	HTTP_REPLY_TOO_LONG,
};

/* Zero-initialise. */
struct http_reply {
	int status;	      /* 100 to 999, 0 before it is known */
	uint32_t size;	      /* bytes of head so far */
	uint16_t line_size;   /* bytes of the present line so far, without a CR at its end */
	bool in_headers;      /* the status line is behind us */
	bool cr;	      /* the last byte was a CR */
	char status_line[13]; /* "HTTP/1.1 200 " */
};

/* Any result but HTTP_REPLY_MORE is final. */
enum http_reply_result http_reply_feed(struct http_reply *reply, const void *data, size_t size);

#endif
