/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent's state and what can be done to it. One loop owns it all; the RPC layer, the routes
 * file and the HTTP pages call in here. A change is checked whole, planned, written into the idle
 * bank, switched to with one store, followed by health checks, and saved.
 */
#ifndef STEER_AGENT_H
#define STEER_AGENT_H

#include <systemd/sd-event.h>

#include "agent/backends.h"
#include "agent/bank.h"
#include "agent/detect.h"
#include "agent/events.h"
#include "agent/node_config.h"
#include "agent/plan.h"
#include "agent/state.h"
#include "agent/telemetry.h"

struct agent;

/*
 * Loads the datapath, restores the last good routes and attaches to the interfaces, in this
 * order, so that an interface never meets an empty table that it did not have before. Errors are
 * logged. `config` must outlive the agent.
 */
int agent_new(sd_event *loop, const struct node_config *config, struct agent **ret);
void agent_free(struct agent *agent); /* steering goes on; accepts NULL */

/* Saved routes are live and every health check has spoken once, or had 2 s to. */
bool agent_is_ready(const struct agent *agent);

/* Called once the change is on disk, or could not be written (err; the change is live all the same). */
typedef void (*agent_saved)(void *userdata, int err);

struct agent_change {
	const char *by;	 /* "file", "apply", "sync", "split", "rollback", "saved" */
	const char *tag; /* the controller's, or NULL */
	bool dry_run;
	agent_saved saved; /* NULL, or called unless the change is refused or a dry run */
	void *userdata;
};

/*
 * Takes over `routes`, whatever the outcome. -EINVAL or -ENOSPC with every problem, and nothing
 * has changed; 0 with the plan, which the caller clears. A change to what is live already keeps
 * the version.
 */
int agent_apply(struct agent *agent, struct routes *routes, const struct agent_change *change,
		struct plan *ret_plan, struct problems *problems);

/* The whole split of one service. -ENOENT: no such service. Takes over `split`. */
int agent_set_split(struct agent *agent, const char *service, struct route_split *split, size_t n,
		    const struct agent_change *change, struct plan *ret_plan,
		    struct problems *problems);

/* service NULL or "": everything. -ENOENT: there is nothing to go back to. */
int agent_rollback(struct agent *agent, const char *service, const struct agent_change *change,
		   struct plan *ret_plan, struct problems *problems);

struct agent_order {
	const char *stack;
	const struct address *address; /* NULL: the whole stack */
	enum health_override override;
	uint32_t deadline_ms; /* of a drain, from now; 0: none */
	uint32_t ttl_ms; /* a controller's view, and how long it holds; 0: an operator's order */
	bool force;	 /* even if a service is left without a backend */
};

/*
 * orders.h says which of several holds. -ENOENT with a problem: no such stack or backend; -EINVAL:
 * times that cannot be; -EBUSY: a service that has backends for new flows would have none. In each
 * case nothing has changed.
 */
int agent_set_health(struct agent *agent, const struct agent_order *order,
		     unsigned int *ret_backends, struct problems *problems);

/* ---- Looking ---- */

/* Milliseconds since 1970; 0: none. */
struct agent_order_times {
	uint64_t deadline_unix_ms; /* when the drain of a backend lets its flows go */
	uint64_t expires_unix_ms;  /* when the controller's view that holds for it runs out */
};
void agent_order_times(const struct agent *agent, const struct route_stack *stack, size_t i,
		       struct agent_order_times *ret);

/* What a backend that drains still has. */
struct agent_drain {
	uint64_t flows;	       /* established; see census.h */
	uint64_t silent_flows; /* of them, without a packet for a minute */
	uint64_t
		counted_unix_ms; /* when the count began; 0: not counted yet, or it does not drain */
};
void agent_drain_look(const struct agent *agent, uint32_t slot, struct agent_drain *ret);

struct agent_info {
	const char *node;
	uint64_t version; /* 0: none */
	uint64_t applied_unix_ms;
	const char *applied_by;
	const char *tag;
	uint64_t previous_version; /* 0: none */
	uint64_t started_unix_ms;
	const char *persist_error; /* "" : none */
};
void agent_info(const struct agent *agent, struct agent_info *ret);

struct agent_interface {
	const char *name, *mode, *role;
};
size_t agent_interfaces(const struct agent *agent, const struct agent_interface **ret);

const struct compiled *agent_live(const struct agent *agent); /* NULL: nothing was ever applied */
unsigned int agent_bank(const struct agent *agent);
const struct datapath_view *agent_view(const struct agent *agent);
const struct bank_slots *agent_slots(const struct agent *agent);
const struct backends *agent_backends(const struct agent *agent);
struct events *agent_events(const struct agent *agent);
struct telemetry *agent_telemetry(const struct agent *agent);
sd_event *agent_loop(const struct agent *agent);

/* Backends that their flows spoke against so far, see detect.h. */
uint64_t agent_detected(const struct agent *agent, enum detect_verdict verdict);

/* Sums over CPUs. name(i) is NULL past the last. */
const char *agent_counter(const struct agent *agent, size_t i, uint64_t *ret_value);
void agent_service_traffic(const struct agent *agent, uint32_t slot, struct traffic *ret);
uint64_t agent_share_flows(const struct agent *agent, uint32_t share);

#endif
