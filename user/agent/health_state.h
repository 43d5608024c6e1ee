/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether one backend may be sent to, from four inputs: what its health checks found, what its
 * flows showed, whether its next hop is known, and what an operator said, or a controller ("by
 * controller"). Pure: no I/O, no clock; `now_ms` is any clock that the caller likes, and comes back
 * as `since_ms`.
 *
 *   next hop     override  checks         bits              reason
 *   unresolved   any       any            0                 "no next hop: WHY"
 *   resolved     down      any            ROUTE             "down by operator"
 *   resolved     drain     up, no result  KEEP ROUTE        "drained by operator"
 *   resolved     drain     time is up     ROUTE             "drained by operator, time is up"
 *   resolved     drain     down           ROUTE             "drained by operator; health check: WHY"
 *   resolved     up        any            NEW KEEP ROUTE    "up by operator[ although health …]"
 *   resolved     auto      none, up       NEW KEEP ROUTE    ""
 *   resolved     auto      no result yet  ROUTE             "health check: no result yet"
 *   resolved     auto      down           ROUTE             "health check: WHY"
 *
 * What flows show is a verdict of DOWN, too ("passive: WHY" for "health check: WHY"): it holds until
 * `rise` checks in a row were good that began later or, without checks, for a while. If there are
 * checks, KEEP stays until one of them has failed.
 *
 * One that works partly is good at a check by chance. Flows show it as they declare it; checks do,
 * of one that was up before, when one fails after a good one while it is down. It must be good
 * HEALTH_PARTLY_RISES times as often in a row, and is in doubt meanwhile; or wait for longer.
 *
 * The first result of a new backend decides at once, whichever it is, so that starting is quick;
 * from then on `fall` failures or `rise` successes in a row are needed. One that goes down again
 * soon after it returned must also stay good for a while that grows (damping.h); meanwhile the
 * reason is "held down for N s more: went down N times in N s" in the place of "health check: WHY".
 */
#ifndef STEER_HEALTH_STATE_H
#define STEER_HEALTH_STATE_H

#include "agent/damping.h"

#include <stdbool.h>
#include <stdint.h>

#define HEALTH_REASON_MAX 208 /* bytes with the NUL; longer sentences are cut */
#define HEALTH_DETAIL_MAX 144
#define HEALTH_PASSIVE_MS 1000

#define HEALTH_PARTLY_RISES 8
#define HEALTH_PARTLY_MS    4000

enum health_override {
	HEALTH_OVERRIDE_AUTO,
	HEALTH_OVERRIDE_UP,
	HEALTH_OVERRIDE_DOWN,
	HEALTH_OVERRIDE_DRAIN,
	HEALTH_OVERRIDE_MAX
};

/* What was said by hand, or by a controller that sees more than this host. */
struct health_order {
	enum health_override override;
	bool by_controller;
	bool over; /* of a drain: its time is up, and the flows it has are to go */
};

enum health_verdict {
	HEALTH_VERDICT_NONE, /* no result yet */
	HEALTH_VERDICT_UP,
	HEALTH_VERDICT_DOWN,
	HEALTH_VERDICT_MAX
};

/* All fields are the functions' own to write; the last four are the answer. */
struct health_state {
	bool checked; /* false: type none, the checks count as up */
	uint32_t fall;
	uint32_t rise;

	enum health_verdict verdict;
	uint32_t streak;    /* results in a row against the verdict */
	uint64_t streak_ms; /* when the first of them came */
	struct damping damping;
	bool been_up; /* bits had BACKEND_NEW once; before, it is no outage that they have not */
	bool routed;
	struct health_order order;
	char check_detail[HEALTH_DETAIL_MAX]; /* of the last failure; if passive: the evidence */
	bool passive; /* the verdict is DOWN by what flows said, no check having failed since */
	bool partly;  /* it is DOWN, and was seen to work at times since, or as it was declared */
	char route_detail[HEALTH_DETAIL_MAX]; /* why there is no next hop */

	uint8_t bits;	   /* BACKEND_NEW, BACKEND_KEEP, BACKEND_ROUTE of bpf/abi.h */
	uint64_t since_ms; /* when bits last changed, but for BACKEND_KEEP alone */
	char reason[HEALTH_REASON_MAX];
	uint64_t failovers; /* times checks or a lost next hop, no operator, ended new flows */
};

/* What an input changed, or'ed together; 0: nothing that shows. */
#define HEALTH_CHANGED_BITS   0x1u
#define HEALTH_CHANGED_REASON 0x2u

/* Starts with no next hop, no result and no override: bits 0. fall and rise of 0 count as 1. */
void health_state_init(struct health_state *state, bool checked, uint32_t fall, uint32_t rise,
		       uint64_t now_ms);

/*
 * For a backend whose flows this process found in the kernel: `bits` is what the map says. One
 * that took new flows, or was in a drain, goes on as up, and one that had a next hop as having it,
 * until inputs say otherwise; of any other the first check decides. Right after
 * health_state_init().
 */
void health_state_presume(struct health_state *state, uint8_t bits);

/* The same for one that took new flows. */
void health_state_presume_up(struct health_state *state);

/* New settings; the verdict stands unless checks begin (stays up) or end (becomes up). */
unsigned int health_state_configure(struct health_state *state, bool checked, uint32_t fall,
				    uint32_t rise, uint64_t now_ms);

/* One finished check. `detail` says why it failed; not looked at when ok. */
unsigned int health_state_check(struct health_state *state, bool ok, const char *detail,
				uint64_t now_ms);

/*
 * Flows show that it is dead although checks, if any, say it is up, or that it works but partly;
 * `evidence` is for people. Of one that is not up: nothing.
 */
unsigned int health_state_declare(struct health_state *state, bool partly, const char *evidence,
				  uint64_t now_ms);

/*
 * Time passes: declared, and without checks, it is up again after HEALTH_PASSIVE_MS, or
 * HEALTH_PARTLY_MS, or longer.
 */
unsigned int health_state_wait(struct health_state *state, uint64_t now_ms);

/* It is to be asked more often: it counts as up and failed, or works partly and was good. */
bool health_state_in_doubt(const struct health_state *state);

/* An operator has seen to a backend that kept going down: it returns as if it had not. */
void health_state_forgive(struct health_state *state);

/* The next hop is resolved, or not and `detail` says why. */
unsigned int health_state_route(struct health_state *state, bool resolved, const char *detail,
				uint64_t now_ms);

unsigned int health_state_order(struct health_state *state, struct health_order order,
				uint64_t now_ms);

#endif
