/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The backends of the live routes while they live: each is health-checked, its next hop is
 * followed, and its struct backend in the map says at any moment what packets may do. Packets see
 * a change with one store; the caller is told afterwards, to bring rings and splits in step.
 */
#ifndef STEER_BACKENDS_H
#define STEER_BACKENDS_H

#include <systemd/sd-event.h>

#include "agent/breaker.h"
#include "agent/check_vips.h"
#include "agent/checker.h"
#include "agent/datapath.h"
#include "agent/events.h"
#include "agent/health_state.h"
#include "agent/node_config.h"
#include "agent/slots.h"
#include "common/routes.h"

struct backends;

/* What a backend's new state means for others: its stack's rings, at least. */
typedef void (*backends_changed)(void *userdata, const char *stack);

int backends_new(sd_event *loop, const struct datapath_view *view, const struct node_config *config,
		 struct events *events, backends_changed changed, void *userdata,
		 struct backends **ret);
void backends_free(struct backends *backends); /* the maps keep what they say; accepts NULL */

/*
 * A slot gets a new owner: fills the map's entry, not to be sent to yet, and starts a generation.
 * twin: a live slot of the same stack and address under another forwarding mode, whose health the
 * new one takes on, or -1.
 */
void backends_claim(struct backends *backends, uint32_t slot, const struct route_stack *stack,
		    const struct address *address, int64_t twin);

/* After a restart: the slot goes on as the map says it was. */
void backends_adopt(struct backends *backends, uint32_t slot);

/*
 * The live routes have it: checks and next hop are followed, by the stack's settings. vips: the
 * stack's, see check_vips_collect().
 */
void backends_follow(struct backends *backends, uint32_t slot, const struct route_stack *stack,
		     const struct check_vips *vips, const struct address *address,
		     struct health_order order);

/* The live routes have it no more: no packets, and its flows are forgotten at once. */
void backends_drop(struct backends *backends, uint32_t slot);

/* No bank has it: the map's entry becomes free. */
void backends_release(struct backends *backends, uint32_t slot);

void backends_order(struct backends *backends, uint32_t slot, struct health_order order);

/* It may return as if it had never gone down: an operator has seen to it. */
void backends_forgive(struct backends *backends, uint32_t slot);

/* Its flows look bad: it is asked at once, if it is asked at all. */
void backends_suspect(struct backends *backends, uint32_t slot);

/* Its flows show that it is dead, or works but partly: it takes no more, for the reason given. */
void backends_declare(struct backends *backends, uint32_t slot, bool partly, const char *evidence);

/* Time passes for one that was declared, and is not checked. */
void backends_wait(struct backends *backends, uint32_t slot);

/*
 * Whether its speed matters: it takes new flows, and nobody ordered that. *ret_warm: it has done so
 * for a while, and its slow start is over.
 */
bool backends_slow_is_judged(const struct backends *backends, uint32_t slot, bool *ret_warm);

/* The step of outlier.h that it is at, also by an earlier agent's doing. */
uint8_t backends_slow_step(const struct backends *backends, uint32_t slot);

/* It is at this step now, for the reason given. */
void backends_slow_set(struct backends *backends, uint32_t slot, uint8_t step,
		       const char *evidence);

struct backend_view {
	bool takes_new;
	const char *reason;	/* why not, or why it is forced up; "" otherwise */
	uint64_t since_unix_ms; /* of the last change, by the clock of then */
	struct health_order order;
	char breaker[BREAKER_TEXT_MAX]; /* why it is open; "": closed, or out anyway */
	const char *next_hop;		/* "eth0 02:00:00:00:00:01"; "" : not resolved */
	uint64_t failovers;		/* since this process has had it: see struct health_state */
	double part;			/* of its share of new flows: below 1 for the next two */
	uint32_t ramp_left_ms;		/* until all of it; 0: no slow start */
	const char *slow;		/* in what it is far slower than its peers; "": it is not */
	uint64_t packets;
	uint64_t bytes;
};
/* Strings are valid until the loop goes on. */
void backends_look(const struct backends *backends, uint32_t slot, struct backend_view *ret);

/* How it is checked, see check_aim_text(); "" where it is not. The caller frees. */
char *backends_check_text(const struct backends *backends, uint32_t slot);

/* What became of all their checks since this process started. */
void backends_checks(const struct backends *backends, struct checker_stats *ret);

/* True once every followed backend has a first verdict, so that readiness means something. */
bool backends_settled(const struct backends *backends);

#endif
