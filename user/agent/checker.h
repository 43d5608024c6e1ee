/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP, HTTP and gRPC health checks, thousands at a time, on one sd_event loop and without threads.
 *
 * A TCP check passes when the connection is accepted, and TLS agreed on if it is wanted; an HTTP
 * check when GET answers with a status in the range and, if wanted, with the text in the first
 * 64 KiB of its body; a gRPC check when grpc.health.v1 answers SERVING. The timeout covers the
 * whole of it. The first check starts as soon as the loop runs, the next ones as
 * check_schedule.h says. At most CHECKER_BURST are started in each CHECKER_BURST_MS and at most
 * `in_flight_max` are open at once: the others wait their turn. Connections are closed with a
 * reset, so that neither side collects sockets in TIME_WAIT.
 *
 * What else is on the loop comes first: where there are more checks than this host can make, all
 * of them come late, and nothing else does.
 *
 * When this host is what fails (no descriptors, no ports, no memory), the backend is not blamed:
 * no callback is made, the check is tried again an interval later, and the log says so at most
 * once a minute.
 */
#ifndef STEER_CHECKER_H
#define STEER_CHECKER_H

#include "agent/probe.h"
#include "common/routes.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define CHECKER_IN_FLIGHT_MAX 4096
#define CHECKER_BURST	      100
#define CHECKER_BURST_MS      5

#define CHECK_DETAIL_MAX 192

struct checker;
struct check;

/* The way through the datapath, see check_path.h. */
struct check_way {
	struct probe_way probe;
	const char *mode; /* "l2" or "ipip", for details; static */
};

struct check_target {
	struct address address;
	uint16_t port;	       /* host order */
	enum health_type type; /* but HEALTH_NONE */
	/* Texts are copied. HEALTH_HTTP only: */
	const char *path;    /* NULL: "/" */
	const char *body;    /* NULL: any */
	uint16_t status_min; /* 0: 200, and to 399 */
	uint16_t status_max;
	/* HEALTH_HTTP and HEALTH_GRPC */
	const char *host;    /* NULL: the server name, else the address and port */
	const char *service; /* HEALTH_GRPC; NULL: the server as a whole */
	bool tls;
	const char *server_name; /* NULL: the host, if that is a name */
	uint32_t interval_ms;
	uint32_t timeout_ms;
	const struct check_way *way; /* NULL: directly; copied */
	bool both;		     /* with a way: directly as well, afterwards */
};

/*
 * One finished check. `detail` is why it failed ("connection refused", "timed out after 80 ms",
 * "HTTP status 503"), and the way, where there is another than the direct one ("… (through l2 at
 * 203.0.113.10:80)"); "" when ok, and is gone after the call. May free this or any other check.
 */
typedef void (*check_callback)(void *userdata, bool ok, const char *detail);

struct checker_stats {
	uint64_t started;
	uint64_t finished; /* with a result, whichever */
	uint64_t passed;   /* of these */
	uint64_t skipped;  /* could not be made because of this host */
	uint32_t in_flight;
	uint32_t waiting; /* due, but not started yet */
};

/* in_flight_max 0: CHECKER_IN_FLIGHT_MAX. Takes its own reference to the loop. */
int checker_new(sd_event *event, uint32_t in_flight_max, struct checker **ret_checker);

/* Frees it with every check that is left. Not from within a callback. Accepts NULL. */
void checker_free(struct checker *checker);

/*
 * -EINVAL for a type that is no check, port 0, a zero interval or timeout, or texts that
 * fit no request or, as the body's, are longer than HEALTH_BODY_MAX.
 */
int checker_add(struct checker *checker, const struct check_target *target, check_callback callback,
		void *userdata, struct check **ret_check);

/* No callback comes after this. Accepts NULL. */
void check_free(struct check *check);

/* In doubt, checks come four times as often, counted from the last one's start. Accepts NULL. */
void check_doubt(struct check *check, bool doubted);

/*
 * The next check starts at once, ahead of those that wait: after the present one, if it is
 * running, and no sooner than CHECK_GAP_US after the last one's start. Accepts NULL.
 */
void check_now(struct check *check);

/* "through ipip at 203.0.113.10:80"; the caller frees. */
char *check_way_text(const struct check_way *way, uint16_t port);

void checker_get_stats(const struct checker *checker, struct checker_stats *ret_stats);

#endif
