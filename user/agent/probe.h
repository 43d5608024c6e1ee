/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One health check as one non-blocking exchange on one socket: connect, shake hands for TLS, ask
 * by HTTP or gRPC and judge the answer, each only if wanted. Knows no clock and no loop: who owns
 * the probe waits on `stream.fd` for `stream.events` and calls probe_advance().
 */
#ifndef STEER_PROBE_H
#define STEER_PROBE_H

#include "agent/probe_grpc.h"
#include "agent/probe_http.h"
#include "agent/probe_result.h"
#include "agent/probe_stream.h"
#include "common/routes.h"

#include <stdint.h>
#include <sys/socket.h>

/* What is asked, in texts that are fit for a request; only copied from. */
struct probe_question {
	enum health_type type; /* but HEALTH_NONE */
	const char *path;      /* HTTP, as the next three; NULL: "/" */
	const char *body;      /* a text that is to be in it; NULL: none */
	uint16_t status_min;   /* 0: the default, and of status_max, too */
	uint16_t status_max;
	/* HTTP and gRPC; NULL: the server name, else the address, and a port not the default. */
	const char *host;
	const char *service;	 /* gRPC; NULL: the server as a whole */
	struct probe_tls *tls;	 /* NULL: in the clear; outlives the target */
	const char *server_name; /* for TLS; NULL: the host, if that is a name, or else none */
};

/* A way other than the kernel's own, see check_path.h. */
struct probe_way {
	struct address vip;    /* connected to, in the place of the backend's address */
	struct address source; /* this host's, of the VIP's family */
	uint32_t mark;	       /* not 0 */
};

/* Where to and with what; outlives its probes. */
struct probe_target {
	struct sockaddr_storage address;
	socklen_t address_size;
	struct sockaddr_storage source; /* as large; means something with a mark only */
	uint32_t mark;			/* 0: none */
	enum health_type type;
	struct probe_tls_peer tls;
	struct probe_http_question http;
	struct probe_grpc_question grpc;
};

/* way NULL: directly to the address, which is what requests name either way. */
void probe_target_init(struct probe_target *target, const struct address *address, uint16_t port,
		       const struct probe_way *way, const struct probe_question *question);
void probe_target_clear(struct probe_target *target);

struct probe {
	struct probe_stream stream;
	bool connected;
	bool secured; /* by TLS */
	struct probe_http http;
	struct probe_grpc grpc;
	char detail[PROBE_DETAIL_MAX]; /* "" when passed or pending */
};

/* Opens the socket and begins to connect; the probe is to be closed whatever comes of it. */
enum probe_result probe_start(struct probe *probe, struct probe_target *target);

/*
 * Does what can be done without waiting, within bounds. Not after a result other than
 * PROBE_PENDING.
 */
enum probe_result probe_advance(struct probe *probe, struct probe_target *target);

/* What a pending probe has got so far, to follow "timed out": ", connected but …", or "". */
const char *probe_progress(const struct probe *probe);

/* Resets the connection. May be called twice. */
void probe_close(struct probe *probe);

#endif
