/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gRPC part of a health check: one grpc.health.v1.Health/Check over HTTP/2 on a stream. */
#ifndef STEER_PROBE_GRPC_H
#define STEER_PROBE_GRPC_H

#include "agent/grpc_health.h"
#include "agent/probe_result.h"
#include "agent/probe_stream.h"

#include <stdbool.h>

#define GRPC_HEADERS_MAX 16384 /* bytes of headers that are put up with */
#define GRPC_ANSWER_MAX	 65536 /* bytes of all that comes */

/* Outlives the exchanges. */
struct probe_grpc_question {
	char *authority; /* owned */
	char *service;	 /* owned; "": the server as a whole */
	bool tls;
	uint8_t *request; /* owned */
	size_t request_size;
};

void probe_grpc_question_init(struct probe_grpc_question *question, const char *authority,
			      const char *service, bool tls);
void probe_grpc_question_clear(struct probe_grpc_question *question);

/* Zero-initialise; probe_grpc_clear() when done. */
struct probe_grpc {
	const struct probe_grpc_question *question;
	void *session;	    /* owned; NULL: not begun */
	const uint8_t *out; /* the session's: still to be sent */
	size_t out_size;
	size_t asked;	/* bytes of the request's message that are on the way */
	size_t seen;	/* bytes that came */
	size_t headers; /* of these, as they are unpacked */
	int http_status;
	int grpc_status; /* -1: none came */
	uint8_t reply[GRPC_HEALTH_REPLY_MAX];
	size_t reply_size;	   /* above GRPC_HEALTH_REPLY_MAX: it did not fit */
	enum probe_result verdict; /* what the frames say so far */
	char *detail;		   /* the caller's, while it waits for an answer */
};

/* Does what can be done without waiting, within bounds. `detail` is written to on failure. */
enum probe_result probe_grpc_advance(struct probe_grpc *grpc,
				     const struct probe_grpc_question *question,
				     struct probe_stream *stream, char detail[PROBE_DETAIL_MAX]);
void probe_grpc_clear(struct probe_grpc *grpc); /* may be called twice */

#endif
