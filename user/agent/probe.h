/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One health check as one non-blocking exchange on one socket: connect, and for HTTP a request
 * and the head of its answer, with as much of the body as it takes to find a text there. Knows
 * no clock and no loop: who owns the probe waits on `fd` for `events` and calls probe_advance().
 */
#ifndef STEER_PROBE_H
#define STEER_PROBE_H

#include "agent/http_body.h"
#include "agent/http_reply.h"
#include "common/routes.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PROBE_DETAIL_MAX 96

enum probe_result {
	PROBE_PENDING,
	PROBE_PASSED,
	PROBE_FAILED,  /* the other end's fault, or the way's: `detail` says what */
	PROBE_SKIPPED, /* this host could not make the check: `detail` says why */
};

/* Where to and with what; outlives its probes. */
struct probe_target {
	struct sockaddr_storage address;
	socklen_t address_size;
	char *request; /* owned; NULL: a connection is all that is wanted */
	size_t request_size;
	int status_min;
	int status_max;
	struct http_body_text *body; /* owned; NULL: any body will do */
};

/* What an HTTP check asks, and what of the answer makes it pass. */
struct probe_http {
	const char *path;
	const char
		*host; /* as it stands in the header; NULL: the address, and a port other than 80 */
	const char *body; /* a text that is to be in it; NULL: none */
	int status_min;
	int status_max;
};

struct probe {
	int fd;	      /* -1: none */
	short events; /* of poll(2), to wait for while pending */
	bool connected;
	size_t sent;
	bool in_body;
	struct http_reply reply;
	struct http_body body;
	char detail[PROBE_DETAIL_MAX]; /* "" when passed or pending */
};

/* http NULL: a TCP check; else its texts must be fit for a request. */
void probe_target_init(struct probe_target *target, const struct address *address, uint16_t port,
		       const struct probe_http *http);
void probe_target_clear(struct probe_target *target);

/* Opens the socket and begins to connect; the probe is to be closed whatever comes of it. */
enum probe_result probe_start(struct probe *probe, const struct probe_target *target);

/*
 * Does what can be done without waiting, within bounds. Not after a result other than PROBE_PENDING.
 */
enum probe_result probe_advance(struct probe *probe, const struct probe_target *target);

/* Resets the connection. May be called twice. */
void probe_close(struct probe *probe);

#endif
