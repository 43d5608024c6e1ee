/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The methods that stream: Sync and WatchEvents. */
#include "agent/api_internal.h"

#include <errno.h>

#include "common/routes_proto.h"
#include "common/util.h"

/* ---- Sync ---- */

/* One push on its way: answered when it is saved; the next is not read before. */
struct sync {
	struct rpc_call *call; /* NULL: gone */
	struct agent *agent;
	unsigned int saving; /* pushes not yet saved */
	bool planned;
	char *tag;
	Steerd__V1__SyncResponse__Result held; /* an answer that found no room; 0: none */
	struct problems held_problems;
};

static void sync_release(struct sync *sync)
{
	if (sync->call || sync->saving)
		return;
	problems_clear(&sync->held_problems);
	free(sync->tag);
	free(sync);
}

static void sync_closed(struct rpc_call *call, void *userdata)
{
	struct sync *sync = userdata;

	(void)call;
	sync->call = NULL;
	sync_release(sync);
}

void api_sync_opened(struct rpc_call *call, void *userdata)
{
	struct sync *sync = util_calloc(1, sizeof(*sync));

	*sync = (struct sync){.call = call, .agent = userdata};
	rpc_call_set_context(call, sync);
	rpc_call_on_closed(call, sync_closed, sync);
	rpc_call_read(call);
}

static int sync_send(struct sync *sync, Steerd__V1__SyncResponse__Result result,
		     const struct problems *problems)
{
	Steerd__V1__SyncResponse response = STEERD__V1__SYNC_RESPONSE__INIT;
	CLEANUP_FREE char **lines = util_calloc(problems->n, sizeof(*lines));
	struct agent_info info;
	int err;

	agent_info(sync->agent, &info);
	response.result = result;
	response.version_tag = sync->tag ? sync->tag : (char *)"";
	response.live_version = info.version;
	response.live_version_tag = (char *)info.tag;
	response.node = (char *)info.node;
	for (size_t i = 0; i < problems->n; i++)
		lines[i] = util_format("%s: %s", problems->items[i].path,
				       problems->items[i].message);
	response.problems = lines;
	response.n_problems = problems->n;
	err = rpc_send_agent_service_sync(sync->call, &response);
	for (size_t i = 0; i < problems->n; i++)
		free(lines[i]);
	return err;
}

static void sync_writable(struct rpc_call *call, void *userdata);

/*
 * Answers, then reads on. A controller that reads nothing gets no more pushes in: its answer is
 * held, rather than a queue growing. Takes what is in *problems.
 */
static void sync_answer(struct sync *sync, Steerd__V1__SyncResponse__Result result,
			struct problems *problems)
{
	if (!sync->call)
		return;
	if (sync_send(sync, result, problems) != -ENOBUFS) {
		rpc_call_read(sync->call);
		return;
	}
	sync->held = result;
	problems_clear(&sync->held_problems);
	sync->held_problems = *problems;
	*problems = (struct problems){};
	rpc_call_on_writable(sync->call, sync_writable, sync);
}

static void sync_writable(struct rpc_call *call, void *userdata)
{
	struct sync *sync = userdata;
	struct problems problems = sync->held_problems;

	(void)call;
	sync->held_problems = (struct problems){};
	sync_answer(sync, sync->held, &problems);
	problems_clear(&problems);
}

static void sync_saved(void *userdata, int err)
{
	struct problems none = {};
	struct sync *sync = userdata;

	(void)err; /* the routes are live; GetStatus has persist_error */
	sync->saving--;
	if (sync->planned)
		sync_answer(sync, STEERD__V1__SYNC_RESPONSE__RESULT__RESULT_ACK, &none);
	sync_release(sync);
}

void api_sync(struct rpc_call *call, const Steerd__V1__SyncRequest *request, void *userdata)
{
	struct sync *sync = rpc_call_context(call);
	CLEANUP_PROBLEMS struct problems problems = {};
	struct agent_change change = {.by = "sync", .saved = sync_saved, .userdata = sync};
	struct plan plan;
	struct routes *routes;
	int err;

	if (!request) {
		sync->call = NULL;
		rpc_call_finish(call);
		sync_release(sync);
		return;
	}
	free(sync->tag);
	sync->tag = util_strdup(request->version_tag);
	if (!request->routes) {
		sync_answer(sync, STEERD__V1__SYNC_RESPONSE__RESULT__RESULT_STATE, &problems);
		return;
	}
	err = routes_from_proto(request->routes, &routes, &problems);
	change.tag = sync->tag;
	sync->planned = false;
	sync->saving++;
	if (!err)
		err = agent_apply(userdata, routes, &change, &plan, &problems);
	if (err) {
		sync->saving--;
		sync_answer(sync, STEERD__V1__SYNC_RESPONSE__RESULT__RESULT_NACK, &problems);
		return;
	}
	plan_clear(&plan);
	sync->planned = true;
	if (!sync->saving)
		sync_answer(sync, STEERD__V1__SYNC_RESPONSE__RESULT__RESULT_ACK, &problems);
}

/* ---- WatchEvents ---- */

struct watch {
	struct rpc_call *call;
	struct event_reader *reader;
	bool follow;
	struct event held; /* read from the log, not yet sent */
	uint64_t held_missed;
	bool holds;
};

static void watch_free(struct watch *watch)
{
	event_reader_free(watch->reader);
	free(watch);
}

static void watch_closed(struct rpc_call *call, void *userdata)
{
	(void)call;
	watch_free(userdata);
}

static int watch_send(struct watch *watch)
{
	Steerd__V1__WatchEventsResponse response = STEERD__V1__WATCH_EVENTS_RESPONSE__INIT;
	struct event *event = &watch->held;

	response.sequence = event->sequence;
	response.unix_ms = event->unix_ms;
	response.kind = (char *)event_kind_name(event->kind);
	response.message = event->message;
	response.service = event->service;
	response.stack = event->stack;
	response.backend = event->backend;
	response.missed = watch->held_missed;
	return rpc_send_agent_service_watch_events(watch->call, &response);
}

static void watch_pump(struct watch *watch);

static void watch_writable(struct rpc_call *call, void *userdata)
{
	(void)call;
	watch_pump(userdata);
}

/* Sends until the log is read or the stream is full; the log is the queue. */
static void watch_pump(struct watch *watch)
{
	const struct event *event;

	for (;;) {
		if (!watch->holds) {
			event = event_reader_next(watch->reader, &watch->held_missed);
			if (!event)
				break;
			watch->held = *event;
			watch->holds = true;
		}
		if (watch_send(watch) == -ENOBUFS) {
			rpc_call_on_writable(watch->call, watch_writable, watch);
			return;
		}
		watch->holds = false;
	}
	if (!watch->follow) {
		rpc_call_finish(watch->call);
		watch_free(watch);
	}
}

static void watch_notified(void *userdata)
{
	struct watch *watch = userdata;

	if (!watch->holds)
		watch_pump(watch);
}

void api_watch_events(struct rpc_call *call, const Steerd__V1__WatchEventsRequest *request,
		      void *userdata)
{
	struct watch *watch = util_calloc(1, sizeof(*watch));
	int err;

	*watch = (struct watch){.call = call, .follow = request->follow};
	err = event_reader_new(agent_events(userdata), request->after_sequence, watch_notified,
			       watch, &watch->reader);
	if (err) {
		watch_free(watch);
		rpc_call_fail(call, RPC_CODE_INTERNAL, "cannot read the event log: %s",
			      strerror(-err));
		return;
	}
	rpc_call_on_closed(call, watch_closed, watch);
	watch_pump(watch);
}
