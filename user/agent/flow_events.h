/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What packets tell of single flows becomes events of kind "flow". A few of each kind a second at
 * most: the log is for people, and other events have to keep their place in it.
 */
#ifndef STEER_FLOW_EVENTS_H
#define STEER_FLOW_EVENTS_H

#include "agent/bank.h"
#include "agent/datapath.h"
#include "agent/events.h"

#define FLOW_EVENTS_BURST    16	  /* of a kind at once */
#define FLOW_EVENTS_EACH_MS  1000 /* then one of a kind in this time */
#define FLOW_EVENTS_PER_TURN 64	  /* looked at before the loop goes on */

/* By kind: what may still be told, and what was not. */
struct flow_event_ration {
	unsigned int left;
	uint64_t filled_ms;  /* when one was last added to `left` */
	uint64_t unreported; /* since the last that was told */
};

void flow_event_ration_init(struct flow_event_ration *ration, uint64_t now_ms);

/*
 * Whether an event may be told, `suppressed` of its kind having been kept back before it already.
 * *ret_unreported: how many were in all, since the last one told; 0 from then on.
 */
bool flow_event_ration_take(struct flow_event_ration *ration, uint32_t suppressed, uint64_t now_ms,
			    uint64_t *ret_unreported);

/*
 * A sentence, into size bytes. backend and stack: the backend's address and its stack's name, ""
 * where they are gone.
 */
void flow_event_text(const struct flow_event *event, const char *backend, const char *stack,
		     uint64_t unreported, char *text, size_t size);

struct flow_events;

/* Reads view->flow_events_fd from the loop. All must outlive it. */
int flow_events_new(sd_event *loop, const struct datapath_view *view,
		    const struct bank_slots *slots, struct events *events,
		    struct flow_events **ret);
void flow_events_free(struct flow_events *flow_events); /* accepts NULL */

#endif
