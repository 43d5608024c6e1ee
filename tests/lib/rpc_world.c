/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/rpc_world.h"

#include "common/util.h"
#include "methods.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define EXPLAIN_US  50000
#define EVENT_BYTES 1024

/* A call that is answered by a timer, or a stream that has more to send. */
struct job {
	struct rpc_world *world;
	struct rpc_call *call;
	sd_event_source *timer;
	char *client;
	uint64_t sequence;
	uint64_t until;
};

static void free_job(struct job *job)
{
	if (job->timer)
		job->world->explain_n--;
	sd_event_source_disable_unref(job->timer);
	free(job->client);
	free(job);
}

static void on_job_closed(struct rpc_call *call, void *userdata)
{
	struct job *job = userdata;

	(void)call;
	job->world->closed_n++;
	free_job(job);
}

static struct job *new_job(struct rpc_world *world, struct rpc_call *call)
{
	struct job *job = util_calloc(1, sizeof(*job));

	job->world = world;
	job->call = call;
	rpc_call_on_closed(call, on_job_closed, job);
	return job;
}

static void on_get_status(struct rpc_call *call, const Steerd__V1__GetStatusRequest *request,
			  void *userdata)
{
	Steerd__V1__GetStatusResponse reply = STEERD__V1__GET_STATUS_RESPONSE__INIT;
	Steerd__V1__ServiceStatus service = STEERD__V1__SERVICE_STATUS__INIT;
	Steerd__V1__ServiceStatus *services[] = {&service};
	struct rpc_world *world = userdata;
	struct rpc_usage usage;

	(void)request;
	reply.node = "edge-1";
	rpc_server_usage(world->server, &usage);
	reply.version = world->closed_n;
	reply.previous_version = usage.calls;
	reply.n_services = world->explain_n ? 1 : 0;
	reply.services = services;
	rpc_reply_agent_service_get_status(call, &reply);
}

static int on_explain_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	Steerd__V1__ExplainResponse reply = STEERD__V1__EXPLAIN_RESPONSE__INIT;
	struct job *job = userdata;

	(void)source;
	(void)usec;
	reply.service = job->client;
	rpc_reply_agent_service_explain(job->call, &reply);
	free_job(job);
	return 0;
}

static void on_explain(struct rpc_call *call, const Steerd__V1__ExplainRequest *request,
		       void *userdata)
{
	struct rpc_world *world = userdata;
	struct job *job = new_job(world, call);

	job->client = util_strdup(request->client);
	assert_true(sd_event_add_time_relative(world->loop, &job->timer, CLOCK_MONOTONIC,
					       EXPLAIN_US, 1, on_explain_timer, job) >= 0);
	world->explain_n++;
}

/* Sends on until it is held back or through. */
static void send_events(struct rpc_call *call, void *userdata)
{
	Steerd__V1__WatchEventsResponse event = STEERD__V1__WATCH_EVENTS_RESPONSE__INIT;
	char padding[EVENT_BYTES + 1];
	struct job *job = userdata;
	struct rpc_usage usage;
	int err = 0;

	memset(padding, 'x', EVENT_BYTES);
	padding[EVENT_BYTES] = '\0';
	event.message = padding;
	while (job->sequence < job->until) {
		event.sequence = job->sequence;
		err = rpc_send_agent_service_watch_events(call, &event);
		if (err)
			break;
		job->sequence++;
	}
	if (err) {
		assert_int_equal(err, -ENOBUFS);
		rpc_server_usage(job->world->server, &usage);
		if (!job->world->held_bytes)
			rpc_world_signal(job->world, "held");
		job->world->held_bytes = usage.queued_bytes;
		return;
	}
	rpc_call_finish(call);
	free_job(job);
}

static void on_watch_events(struct rpc_call *call, const Steerd__V1__WatchEventsRequest *request,
			    void *userdata)
{
	Steerd__V1__WatchEventsResponse event = STEERD__V1__WATCH_EVENTS_RESPONSE__INIT;
	struct job *job = new_job(userdata, call);

	if (request->follow) {
		assert_int_equal(rpc_send_agent_service_watch_events(call, &event), 0);
		return;
	}
	job->until = request->after_sequence;
	rpc_call_on_writable(call, send_events, job);
	send_events(call, job);
}

static void on_sync_open(struct rpc_call *call, void *userdata)
{
	rpc_call_set_context(call, new_job(userdata, call));
	rpc_call_read(call);
}

static void on_sync(struct rpc_call *call, const Steerd__V1__SyncRequest *request, void *userdata)
{
	Steerd__V1__SyncResponse response = STEERD__V1__SYNC_RESPONSE__INIT;
	struct job *job = rpc_call_context(call);

	(void)userdata;
	if (!request) {
		rpc_call_finish(call);
		free_job(job);
		return;
	}
	response.version_tag = request->version_tag;
	assert_int_equal(rpc_send_agent_service_sync(call, &response), 0);
	rpc_call_read(call);
}

/* Never answered; with dry_run, not even looked after. */
static void on_set_split(struct rpc_call *call, const Steerd__V1__SetSplitRequest *request,
			 void *userdata)
{
	if (!request->dry_run)
		new_job(userdata, call);
}

static void on_set_health(struct rpc_call *call, const Steerd__V1__SetHealthRequest *request,
			  void *userdata)
{
	Steerd__V1__SetHealthResponse reply = STEERD__V1__SET_HEALTH_RESPONSE__INIT;
	struct rpc_world *world = userdata;

	rpc_server_set_serving(world->server,
			       request->override ==
				       STEERD__V1__HEALTH_OVERRIDE__HEALTH_OVERRIDE_UP);
	rpc_reply_agent_service_set_health(call, &reply);
}

static void on_drained(void *userdata)
{
	struct rpc_world *world = userdata;

	world->drained_n++;
	rpc_server_free(TAKE(world->server));
}

static void on_apply(struct rpc_call *call, const Steerd__V1__ApplyRequest *request, void *userdata)
{
	Steerd__V1__ApplyResponse reply = STEERD__V1__APPLY_RESPONSE__INIT;
	struct rpc_world *world = userdata;

	reply.version = request->routes ? strlen(request->routes->fleet_key) : 0;
	rpc_reply_agent_service_apply(call, &reply);
	if (request->dry_run)
		rpc_server_drain(world->server, world->drain_limit_ms, on_drained, world);
}

char *rpc_world_path(const struct rpc_world *world, const char *name)
{
	return util_format("%s/%s", world->directory, name);
}

void rpc_world_signal(const struct rpc_world *world, const char *name)
{
	CLEANUP_FREE char *path = rpc_world_path(world, name);

	assert_int_equal(mkdir(path, 0700), 0);
}

static void register_handlers(struct rpc_world *world)
{
	struct rpc_server *server = world->server;

	rpc_on_agent_service_get_status(server, on_get_status, world);
	rpc_on_agent_service_explain(server, on_explain, world);
	rpc_on_agent_service_watch_events(server, on_watch_events, world);
	rpc_on_agent_service_sync(server, on_sync_open, on_sync, world);
	rpc_on_agent_service_set_split(server, on_set_split, world);
	rpc_on_agent_service_set_health(server, on_set_health, world);
	rpc_on_agent_service_apply(server, on_apply, world);
}

struct rpc_world *rpc_world_new(const struct rpc_limits *limits)
{
	struct rpc_world *world = util_calloc(1, sizeof(*world));
	CLEANUP_FREE char *protoset = NULL;
	CLEANUP_FREE char *socket = NULL;
	CLEANUP_FREE char *error = NULL;

	world->directory = util_strdup("/tmp/test_rpc_XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	protoset = rpc_world_path(world, "protoset");
	assert_int_equal(util_replace_file(protoset, rpc_protoset, rpc_protoset_size, 0600), 0);
	assert_int_equal(sd_event_new(&world->loop), 0);
	assert_int_equal(rpc_server_new(world->loop, limits, &world->server), 0);
	register_handlers(world);
	socket = rpc_world_path(world, "sock");
	if (rpc_server_listen_unix(world->server, socket, 0600, &error))
		fail_msg("%s", error);
	return world;
}

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *where)
{
	(void)info;
	(void)flag;
	(void)where;
	return remove(path);
}

void rpc_world_free(struct rpc_world *world)
{
	rpc_server_free(world->server);
	sd_event_unref(world->loop);
	nftw(world->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(world->directory);
	free(world);
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	(void)userdata;
	return sd_event_exit(sd_event_source_get_event(source),
			     info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status);
}

void rpc_world_run(struct rpc_world *world, const char *scenario)
{
	CLEANUP_FREE char *source = util_strdup(__FILE__);
	CLEANUP_FREE char *script = NULL;
	sd_event_source *child = NULL;
	char port[16];
	pid_t pid;

	/* tests/lib/rpc_world.c, from where the tests are run */
	*strrchr(source, '/') = '\0';
	script = util_format("%s/../unit/rpc_client.py", source);
	snprintf(port, sizeof(port), "%u", rpc_server_tcp_port(world->server));
	char *argv[] = {"/usr/bin/python3", script, (char *)scenario, world->directory, port, NULL};
	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_true(sd_event_add_child(world->loop, &child, pid, WEXITED, on_child, NULL) >= 0);
	assert_int_equal(sd_event_loop(world->loop), 0);
	sd_event_source_disable_unref(child);
}
