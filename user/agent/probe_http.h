/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The HTTP/1 part of a health check: one GET over a stream, and the verdict on its answer. */
#ifndef STEER_PROBE_HTTP_H
#define STEER_PROBE_HTTP_H

#include "agent/http_body.h"
#include "agent/http_reply.h"
#include "agent/probe_result.h"
#include "agent/probe_stream.h"

/* Outlives the exchanges. */
struct probe_http_question {
	char *request; /* owned */
	size_t request_size;
	int status_min;
	int status_max;
	struct http_body_text *body; /* owned; NULL: any body will do */
};

/* Texts must be fit for a request; body NULL: any. */
void probe_http_question_init(struct probe_http_question *question, const char *path,
			      const char *host, const char *body, int status_min, int status_max);
void probe_http_question_clear(struct probe_http_question *question);

/* Zero-initialise. */
struct probe_http {
	size_t sent;
	bool in_body;
	struct http_reply reply;
	struct http_body body;
};

/* Does what can be done without waiting, within bounds. `detail` is written to on failure. */
enum probe_result probe_http_advance(struct probe_http *http,
				     const struct probe_http_question *question,
				     struct probe_stream *stream, char detail[PROBE_DETAIL_MAX]);

#endif
