/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's own parts; for agent*.c only. */
#ifndef STEER_AGENT_INTERNAL_H
#define STEER_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/breaker_tune.h"
#include "agent/census.h"
#include "agent/decap.h"
#include "agent/detector.h"
#include "agent/flow_events.h"
#include "agent/orders.h"
#include "common/routes_check.h"

#define OWNER_ADOPTED (1U << STEER_BANKS) /* of slots that an earlier agent left in the maps */

struct agent {
	sd_event *loop;
	const struct node_config *config;
	struct datapath *datapath;
	struct decap *decap; /* NULL: no interface to decapsulate on */
	const struct datapath_view *view;
	struct state *state;
	struct events *events;
	struct backends *backends;
	struct telemetry *telemetry;
	struct breaker_tuner *breaker_tuner; /* NULL: no telemetry */
	struct flow_events *flow_events;
	struct detector *detector; /* NULL: nothing is counted that it could go by */
	struct bank_slots slots;

	struct compiled *compiled[STEER_BANKS]; /* what each bank holds; NULL: nothing known */
	uint64_t activated_us;			/* CLOCK_MONOTONIC, of the last switch of banks */
	uint32_t change;			/* counts changes of the live routes */
	uint32_t *followed;	  /* by backend slot: the change it was last live in */
	bool *dirty;		  /* by live stack: its health changed */
	sd_event_source *overlay; /* brings dirty stacks' tables in step */

	uint64_t version; /* the highest given out */
	uint64_t applied_unix_ms;
	char *applied_by;
	char *tag;
	uint64_t started_unix_ms;

	struct orders orders;
	uint64_t orders_seen_ms; /* since 1970: what came due until then has been seen to */
	sd_event_source *orders_timer;
	struct census *census; /* of the flows of backends that drain */
	sd_event_source *census_timer;
	bool census_runs;
	uint64_t census_began_ms;  /* since 1970, as the next */
	uint64_t counted_unix_ms;  /* when the last whole count began; 0: none yet */
	char (*aside)[STEER_NAME]; /* stacks of which what controllers say is set aside */
	size_t aside_n;

	struct agent_interface *interfaces;
	unsigned int *ifindexes; /* as attached; 0: not */
	size_t interfaces_n;
	bool attached; /* the first time, to all of them */
	bool ready;
	uint64_t start_ms;
	sd_event_source *upkeep; /* attaches, and attaches again where an interface came back */
};

static inline unsigned int agent_idle_bank(const struct agent *agent)
{
	return !agent_bank(agent);
}

/*
 * Compiles routes (owned from here on) into a bank that packets do not read. On an error the
 * bank's earlier content is gone, and the live bank is as it was.
 */
int agent_install(struct agent *agent, unsigned int bank, struct routes *routes, uint64_t version,
		  struct problems *problems);

/* Switches to a bank, and follows the backends of its routes instead of the others'. */
void agent_switch(struct agent *agent, unsigned int bank);

/* What was ordered of a backend and holds now. */
struct health_order agent_order_for(const struct agent *agent, const char *stack,
				    const struct address *address);

/* Tells the stack's backends what holds for them now. */
void agent_orders_apply(struct agent *agent, const struct compiled_stack *stack);

int agent_drain_start(struct agent *agent);
void agent_drain_count(struct agent *agent); /* counts now, if anything drains */

/* Not heeded for now, since a service would have no other backend. */
bool agent_view_is_aside(const struct agent *agent, const struct saved_override *order);

/* Backends or orders have changed: sets views aside, or heeds them again. */
void agent_views_review(struct agent *agent);

/* Sees to orders that run out from now on, those loaded from disk first. */
int agent_orders_start(struct agent *agent);

/* A local stack without a backend list has one backend, which only its stack's order is about. */
const struct address *agent_backend_address(const struct route_stack *stack, size_t i);

void agent_add_missing_stack(struct problems *problems, const struct compiled *live,
			     const char *name);

void agent_mark_dirty(void *agent, const char *stack); /* a backends_changed */

/*
 * Brings both banks' tables in step with what became of the stacks marked dirty, and tells of
 * stacks that are out or back and of services in panic.
 */
void agent_overlay(struct agent *agent);

/* Of services that stand in both, what was told is not told again. `was` may be NULL. */
void agent_carry_news(const struct compiled *was, const struct compiled *now);

/* What an earlier agent left and no routes have claimed by now belongs to nobody. */
void agent_release_adopted(struct agent *agent);

#endif
