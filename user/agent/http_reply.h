/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The head of an HTTP/1 answer (RFC 9112), read from a stream in whatever pieces it comes. Only
 * the status is kept, and how the body is framed. Interim answers (1xx) are stepped over. Pure.
 */
#ifndef STEER_HTTP_REPLY_H
#define STEER_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REPLY_HEAD_MAX 16384 /* bytes of status lines and headers that are put up with */
#define HTTP_REPLY_LINE_MAX 64	  /* bytes of a line that are looked at */

enum http_reply_result {
	HTTP_REPLY_MORE, /* the head has not ended yet */
	HTTP_REPLY_DONE, /* `status` holds */
	HTTP_REPLY_GARBAGE,
	HTTP_REPLY_TOO_LONG,
};

/* Zero-initialise. */
struct http_reply {
	int status;	 /* 100 to 999, 0 before it is known */
	bool chunked;	 /* the last transfer coding is chunked */
	bool has_length; /* `length` holds */
	uint64_t length;
	uint32_t size;	    /* bytes of head so far */
	uint16_t line_size; /* bytes of the present line so far, without a CR at its end */
	bool in_headers;    /* the status line is behind us */
	bool cr;	    /* the last byte was a CR */
	char line[HTTP_REPLY_LINE_MAX];
};

/*
 * Any result but HTTP_REPLY_MORE is final; with HTTP_REPLY_DONE, `size` says how much of all data
 * was head.
 */
enum http_reply_result http_reply_feed(struct http_reply *reply, const void *data, size_t size);

#endif
