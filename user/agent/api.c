/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The methods that change something. Their answers wait until the change is on disk. */
#include "agent/api_internal.h"

#include <errno.h>

#include "common/routes_proto.h"
#include "common/util.h"

/* Clients take 8 KiB of status by default, and the message is escaped on its way. */
#define REFUSAL_MAX 6000

/* Whole lines only, and a last one that says that there are more. */
static void cut_lines(char *text)
{
	static const char more[] = "and more: mend these first\n";
	char *end = text + REFUSAL_MAX - sizeof(more);

	while (end > text && end[-1] != '\n')
		end--;
	memcpy(end, more, sizeof(more));
}

void api_refuse(struct rpc_call *call, int err, const struct problems *problems)
{
	CLEANUP_FREE char *text = problems_text(problems, NULL);
	enum rpc_code code = RPC_CODE_INVALID_ARGUMENT;

	if (err == -ENOENT)
		code = RPC_CODE_NOT_FOUND;
	else if (err == -ENOSPC)
		code = RPC_CODE_RESOURCE_EXHAUSTED;
	else if (err == -EBUSY)
		code = RPC_CODE_FAILED_PRECONDITION;
	if (text && strlen(text) > REFUSAL_MAX)
		cut_lines(text);
	rpc_call_fail(call, code, "%s", text && text[0] ? text : strerror(-err));
}

/* A plan as a message; the strings stay the plan's. */
struct plan_message {
	Steerd__V1__Plan plan;
	Steerd__V1__ServiceMove *moves;
	Steerd__V1__ServiceMove **move_pointers;
};

static void plan_message_fill(struct plan_message *to, const struct plan *from)
{
	steerd__v1__plan__init(&to->plan);
	to->moves = util_calloc(from->moves_n, sizeof(*to->moves));
	to->move_pointers = util_calloc(from->moves_n, sizeof(*to->move_pointers));
	for (size_t i = 0; i < from->moves_n; i++) {
		steerd__v1__service_move__init(&to->moves[i]);
		to->moves[i].service = from->moves[i].service;
		to->moves[i].moved_share = from->moves[i].moved_share;
		to->move_pointers[i] = &to->moves[i];
	}
	to->plan.changes = from->changes;
	to->plan.n_changes = from->changes_n;
	to->plan.moves = to->move_pointers;
	to->plan.n_moves = from->moves_n;
}

static void plan_message_clear(struct plan_message *message)
{
	free(message->moves);
	free(message->move_pointers);
}

/* A change that is live and being saved, and the call that waits for it. */
struct waiting {
	struct rpc_call *call; /* NULL: it is gone */
	struct agent *agent;
	void (*reply)(struct rpc_call *call, uint64_t version, Steerd__V1__Plan *plan);
	struct plan plan;
	bool planned; /* plan is filled: agent_…() has returned */
	bool saved;
};

static void finish(struct waiting *waiting)
{
	struct plan_message message;
	struct agent_info info;

	if (!waiting->planned || !waiting->saved)
		return;
	if (waiting->call) {
		agent_info(waiting->agent, &info);
		plan_message_fill(&message, &waiting->plan);
		waiting->reply(waiting->call, info.version, &message.plan);
		plan_message_clear(&message);
	}
	plan_clear(&waiting->plan);
	free(waiting);
}

/* err, a disk that is full for one, is no reason to call a live change failed: GetStatus tells. */
static void on_saved(void *userdata, int err)
{
	struct waiting *waiting = userdata;

	(void)err;
	waiting->saved = true;
	finish(waiting);
}

static void on_closed(struct rpc_call *call, void *userdata)
{
	struct waiting *waiting = userdata;

	(void)call;
	waiting->call = NULL;
}

static struct waiting *wait_begin(struct rpc_call *call, struct agent *agent, const char *by,
				  bool dry_run,
				  void (*reply)(struct rpc_call *, uint64_t, Steerd__V1__Plan *),
				  struct agent_change *ret_change)
{
	struct waiting *waiting = util_calloc(1, sizeof(*waiting));

	*waiting = (struct waiting){.call = call, .agent = agent, .reply = reply, .saved = dry_run};
	rpc_call_on_closed(call, on_closed, waiting);
	*ret_change = (struct agent_change){
		.by = by, .dry_run = dry_run, .saved = on_saved, .userdata = waiting};
	return waiting;
}

static void wait_end(struct waiting *waiting, int err, const struct problems *problems)
{
	if (err) {
		api_refuse(waiting->call, err, problems);
		free(waiting);
		return;
	}
	waiting->planned = true;
	finish(waiting);
}

static void reply_apply(struct rpc_call *call, uint64_t version, Steerd__V1__Plan *plan)
{
	Steerd__V1__ApplyResponse response = STEERD__V1__APPLY_RESPONSE__INIT;

	response.version = version;
	response.plan = plan;
	rpc_reply_agent_service_apply(call, &response);
}

static void on_apply(struct rpc_call *call, const Steerd__V1__ApplyRequest *request, void *userdata)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	struct routes *routes;
	struct agent_change change;
	struct waiting *waiting;
	int err;

	if (!request->routes) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      "routes: missing; to remove all, send an empty message");
		return;
	}
	err = routes_from_proto(request->routes, &routes, &problems);
	if (err) {
		api_refuse(call, err, &problems);
		return;
	}
	waiting = wait_begin(call, userdata, "apply", request->dry_run, reply_apply, &change);
	wait_end(waiting, agent_apply(userdata, routes, &change, &waiting->plan, &problems),
		 &problems);
}

static void reply_set_split(struct rpc_call *call, uint64_t version, Steerd__V1__Plan *plan)
{
	Steerd__V1__SetSplitResponse response = STEERD__V1__SET_SPLIT_RESPONSE__INIT;

	response.version = version;
	response.plan = plan;
	rpc_reply_agent_service_set_split(call, &response);
}

static void on_set_split(struct rpc_call *call, const Steerd__V1__SetSplitRequest *request,
			 void *userdata)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	struct route_split *split = routes_split_from_proto(request->split, request->n_split);
	struct agent_change change;
	struct waiting *waiting = wait_begin(call, userdata, "split", request->dry_run,
					     reply_set_split, &change);

	wait_end(waiting,
		 agent_set_split(userdata, request->service, split, request->n_split, &change,
				 &waiting->plan, &problems),
		 &problems);
}

static void reply_rollback(struct rpc_call *call, uint64_t version, Steerd__V1__Plan *plan)
{
	Steerd__V1__RollbackResponse response = STEERD__V1__ROLLBACK_RESPONSE__INIT;

	response.version = version;
	response.plan = plan;
	rpc_reply_agent_service_rollback(call, &response);
}

static void on_rollback(struct rpc_call *call, const Steerd__V1__RollbackRequest *request,
			void *userdata)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	struct agent_change change;
	struct waiting *waiting = wait_begin(call, userdata, "rollback", false, reply_rollback,
					     &change);

	wait_end(waiting,
		 agent_rollback(userdata, request->service, &change, &waiting->plan, &problems),
		 &problems);
}

static const struct {
	Steerd__V1__HealthOverride proto;
	enum health_override override;
} overrides[] = {
	{STEERD__V1__HEALTH_OVERRIDE__HEALTH_OVERRIDE_AUTO, HEALTH_OVERRIDE_AUTO},
	{STEERD__V1__HEALTH_OVERRIDE__HEALTH_OVERRIDE_UP, HEALTH_OVERRIDE_UP},
	{STEERD__V1__HEALTH_OVERRIDE__HEALTH_OVERRIDE_DOWN, HEALTH_OVERRIDE_DOWN},
	{STEERD__V1__HEALTH_OVERRIDE__HEALTH_OVERRIDE_DRAIN, HEALTH_OVERRIDE_DRAIN},
};

Steerd__V1__HealthOverride api_override_to_proto(enum health_override override)
{
	for (size_t i = 0; i < ARRAY_SIZE(overrides); i++)
		if (overrides[i].override == override)
			return overrides[i].proto;
	return STEERD__V1__HEALTH_OVERRIDE__HEALTH_OVERRIDE_UNSPECIFIED;
}

static int override_from_proto(Steerd__V1__HealthOverride proto, enum health_override *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(overrides); i++)
		if (overrides[i].proto == proto) {
			*ret = overrides[i].override;
			return 0;
		}
	return -EINVAL;
}

static void on_set_health(struct rpc_call *call, const Steerd__V1__SetHealthRequest *request,
			  void *userdata)
{
	Steerd__V1__SetHealthResponse response = STEERD__V1__SET_HEALTH_RESPONSE__INIT;
	CLEANUP_PROBLEMS struct problems problems = {};
	struct agent_order order = {.stack = request->stack,
				    .deadline_ms = request->deadline_ms,
				    .ttl_ms = request->ttl_ms,
				    .force = request->force};
	struct address address;
	int err;

	if (override_from_proto(request->override, &order.override)) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      "override: %d is none of AUTO, UP, DOWN, DRAIN",
			      (int)request->override);
		return;
	}
	if (request->address[0] && address_parse(request->address, &address)) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT, "address: '%s' is no IP address",
			      request->address);
		return;
	}
	order.address = request->address[0] ? &address : NULL;
	response.unix_ms = util_unix_ms();
	err = agent_set_health(userdata, &order, &response.backends, &problems);
	if (err)
		api_refuse(call, err, &problems);
	else
		rpc_reply_agent_service_set_health(call, &response);
}

void api_register(struct rpc_server *server, struct agent *agent)
{
	rpc_on_agent_service_apply(server, on_apply, agent);
	rpc_on_agent_service_set_split(server, on_set_split, agent);
	rpc_on_agent_service_set_health(server, on_set_health, agent);
	rpc_on_agent_service_rollback(server, on_rollback, agent);
	rpc_on_agent_service_get_status(server, api_get_status, agent);
	rpc_on_agent_service_explain(server, api_explain, agent);
	rpc_on_agent_service_sync(server, api_sync_opened, api_sync, agent);
	rpc_on_agent_service_watch_events(server, api_watch_events, agent);
	rpc_on_agent_service_watch_telemetry(server, api_watch_telemetry, agent);
	rpc_on_agent_service_set_sampling(server, api_set_sampling, agent);
}
