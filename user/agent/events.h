/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The event log: what a person would want to know of, kept in a ring of fixed size. Readers have
 * no queues: each knows the sequence that it reads next, and one that falls behind by more than
 * the ring learns how many it missed. Used by the loop's thread only.
 */
#ifndef STEER_EVENTS_H
#define STEER_EVENTS_H

#include "abi.h"
#include "common/routes.h"

#include <stdint.h>
#include <systemd/sd-event.h>

#define EVENTS_KEPT	  4096 /* 2 MB */
#define EVENT_MESSAGE_MAX 384  /* bytes with the NUL; longer messages are cut */

enum event_kind {
	EVENT_ROUTES,
	EVENT_STACK,
	EVENT_BACKEND,
	EVENT_INTERFACE,
	EVENT_AGENT,
	EVENT_FLOW,
	EVENT_KIND_MAX
};

/* All texts are printable UTF-8; "" where the event is about no service, stack or backend. */
struct event {
	uint64_t sequence; /* from 1, counts up by one */
	uint64_t unix_ms;
	enum event_kind kind;
	char message[EVENT_MESSAGE_MAX];
	char service[STEER_NAME];
	char stack[STEER_NAME];
	char backend[ADDRESS_TEXT_MAX];
};

struct events;
struct event_reader;

/* kept 0: EVENTS_KEPT. Takes its own reference to the loop. */
int events_new(sd_event *loop, size_t kept, struct events **ret);
void events_free(struct events *events); /* after its readers; accepts NULL */

/*
 * Adds one and logs its message (level info). The message says all by itself; service, stack and
 * backend (each may be NULL) repeat for programs what it is about.
 */
void events_add(struct events *events, enum event_kind kind, const char *service, const char *stack,
		const char *backend, const char *format, ...) __attribute__((format(printf, 6, 7)));

uint64_t events_last(const struct events *events); /* newest sequence; 0: none yet */
const char *event_kind_name(enum event_kind kind); /* "routes", "backend", …, "flow" */

/*
 * There is something to read. Comes from the loop, once for each time that the reader had read
 * all there was. May free the reader.
 */
typedef void (*event_notify)(void *userdata);

/*
 * Reads what comes after a sequence; 0: all that is kept; events_last(): only what is new. A
 * sequence that this log has not reached is an earlier agent's, and counts as 0. `notify` may be
 * NULL; where something is there to read already, it comes too.
 */
int event_reader_new(struct events *events, uint64_t after_sequence, event_notify notify,
		     void *userdata, struct event_reader **ret);
void event_reader_free(struct event_reader *reader); /* accepts NULL */

/*
 * The next event, good until the next events_add(), or NULL when all is read. *ret_missed: how
 * many were lost to this reader just before it.
 */
const struct event *event_reader_next(struct event_reader *reader, uint64_t *ret_missed);

#endif
