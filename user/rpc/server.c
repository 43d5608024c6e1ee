/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/call.h"
#include "rpc/listener.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>

#define SLOTS		  16	 /* calls that gRPC can hand over before we ask for more */
#define METADATA_BYTES	  16384	 /* headers of one call */
#define IDLE_MS		  300000 /* a connection without calls is closed; clients make a new one */
#define KEEPALIVE_MS	  60000	 /* a peer that is gone is noticed */
#define KEEPALIVE_WAIT_MS 20000
#define ACCURACY_US	  10000 /* of our timers; 0 would mean a quarter of a second */
#define PING_INTERVAL_MS  5000	/* clients may ping as often */

/* Where gRPC puts the next call. */
struct rpc_slot {
	struct rpc_op op;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
};

static void forward_log(gpr_log_func_args *args)
{
	if (args->severity == GPR_LOG_SEVERITY_ERROR)
		log_warning("grpc: %s", args->message);
	else
		log_debug("grpc: %s", args->message);
}

static void set_defaults(struct rpc_limits *limits)
{
	const struct rpc_limits defaults = {
		.message_bytes = 8 << 20,
		.unpack_bytes = 64 << 20,
		.depth = 16,
		.elements = 1000000,
		.calls = 256,
		.connections = 128,
		.stream_bytes = 4 << 20,
		.total_bytes = 64 << 20,
		.patience_ms = 30000,
	};

#define DEFAULT(field)                                                                             \
	if (!limits->field)                                                                        \
	limits->field = defaults.field
	DEFAULT(message_bytes);
	DEFAULT(unpack_bytes);
	DEFAULT(depth);
	DEFAULT(elements);
	DEFAULT(calls);
	DEFAULT(connections);
	DEFAULT(stream_bytes);
	DEFAULT(total_bytes);
	DEFAULT(patience_ms);
#undef DEFAULT
	if (limits->stream_bytes > limits->total_bytes)
		limits->stream_bytes = limits->total_bytes;
}

/* What gRPC may hold of messages that are on their way, whatever clients begin and never end. */
static grpc_resource_quota *create_quota(const struct rpc_limits *limits)
{
	grpc_resource_quota *quota = grpc_resource_quota_create("rpc");
	size_t sent = 2 * limits->total_bytes, received = 4 * limits->message_bytes;

	grpc_resource_quota_resize(quota, sent > received ? sent : received);
	return quota;
}

static grpc_server *create_core(const struct rpc_limits *limits)
{
	const struct {
		const char *key;
		int value;
	} numbers[] = {
		{GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)limits->message_bytes},
		{GRPC_ARG_MAX_METADATA_SIZE, METADATA_BYTES},
		/* Above our own limit, so that it is we who answer, and with a reason. */
		{GRPC_ARG_MAX_CONCURRENT_STREAMS, (int)limits->calls * 2},
		{GRPC_ARG_MAX_CONNECTION_IDLE_MS, IDLE_MS},
		{GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS},
		{GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_WAIT_MS},
		{GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
		{GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_INTERVAL_MS},
		/* Windows stay small: throughput is not what a control plane lacks. */
		{GRPC_ARG_HTTP2_BDP_PROBE, 0},
		{GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE},
		{GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
	};
	grpc_resource_quota *quota = create_quota(limits);
	grpc_arg args[ARRAY_SIZE(numbers) + 1];
	grpc_channel_args all = {ARRAY_SIZE(args), args};
	grpc_server *core;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		args[i].type = GRPC_ARG_INTEGER;
		args[i].key = (char *)numbers[i].key;
		args[i].value.integer = numbers[i].value;
	}
	args[ARRAY_SIZE(numbers)] = (grpc_arg){
		.type = GRPC_ARG_POINTER,
		.key = (char *)GRPC_ARG_RESOURCE_QUOTA,
		.value.pointer = {quota, grpc_resource_quota_arg_vtable()},
	};
	core = grpc_server_create(&all, NULL);
	grpc_resource_quota_unref(quota);
	return core;
}

static void request_call(struct rpc_server *server, struct rpc_slot *slot)
{
	grpc_call_error err;

	grpc_call_details_init(&slot->details);
	grpc_metadata_array_init(&slot->metadata);
	slot->call = NULL;
	err = grpc_server_request_call(server->core, &slot->call, &slot->details, &slot->metadata,
				       server->cq, server->cq, &slot->op);
	if (err == GRPC_CALL_OK)
		rpc_queue_started(server->queue);
	else
		log_error("gRPC refuses to hand over calls: error %d", err);
}

static void watch_patience(struct rpc_server *server)
{
	uint64_t period_us = server->limits.patience_ms * 1000ULL / 4;

	period_us = period_us < 20000 ? 20000 : period_us > 1000000 ? 1000000 : period_us;
	sd_event_source_set_time_relative(server->patience, period_us);
	sd_event_source_set_enabled(server->patience, SD_EVENT_ONESHOT);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct rpc_server *server = userdata;
	uint64_t now_us = 0;

	(void)source;
	(void)usec;
	sd_event_now(server->loop, CLOCK_MONOTONIC, &now_us);
	rpc_call_check_patience(server, now_us);
	if (server->calls)
		watch_patience(server);
	return 0;
}

static void on_call(struct rpc_op *op, bool ok)
{
	struct rpc_server *server = op->owner;
	struct rpc_slot *slot = (struct rpc_slot *)op;

	if (ok) {
		char *path = grpc_slice_to_c_string(slot->details.method);

		if (!server->calls)
			watch_patience(server);
		rpc_call_begin(server, TAKE(slot->call), rpc_method_find(path, strlen(path)), path);
		gpr_free(path);
	}
	grpc_call_details_destroy(&slot->details);
	grpc_metadata_array_destroy(&slot->metadata);
	if (ok && !server->is_draining)
		request_call(server, slot);
}

/* No call is left, neither with gRPC nor with us. */
static bool has_no_calls(const struct rpc_server *server)
{
	return server->is_shut && !server->calls && !rpc_queue_pending(server->queue);
}

void rpc_server_look(struct rpc_server *server)
{
	if (server->is_draining && server->look)
		sd_event_source_set_enabled(server->look, SD_EVENT_ONESHOT);
}

static void on_idle(void *userdata)
{
	rpc_server_look(userdata);
}

static int on_look(sd_event_source *source, void *userdata)
{
	struct rpc_server *server = userdata;
	void (*done)(void *userdata) = server->done;

	(void)source;
	/* Connections may still have to carry the last replies to slow clients. */
	if (!has_no_calls(server) ||
	    (rpc_listeners_have_connections(server) && !server->is_cut_off))
		return 0;
	server->cutoff = sd_event_source_disable_unref(server->cutoff);
	server->done = NULL;
	if (done)
		done(server->done_userdata); /* which may free the server */
	return 0;
}

static void on_shutdown(struct rpc_op *op, bool ok)
{
	struct rpc_server *server = op->owner;

	(void)ok;
	server->is_shut = true;
}

static int create(struct rpc_server *server)
{
	int err;

	server->core = create_core(&server->limits);
	server->cq = grpc_completion_queue_create_for_next(NULL);
	grpc_server_register_completion_queue(server->core, server->cq, NULL);
	grpc_server_start(server->core);
	err = rpc_queue_new(server->loop, server->cq, on_idle, server, &server->queue);
	if (err) {
		grpc_completion_queue_destroy(server->cq);
		return err;
	}
	err = sd_event_add_time_relative(server->loop, &server->patience, CLOCK_MONOTONIC, 0,
					 ACCURACY_US, on_patience, server);
	if (err >= 0)
		err = sd_event_source_set_enabled(server->patience, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_defer(server->loop, &server->look, on_look, server);
	if (err >= 0)
		err = sd_event_source_set_enabled(server->look, SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

int rpc_server_new(sd_event *loop, const struct rpc_limits *limits, struct rpc_server **ret_server)
{
	struct rpc_server *server = util_calloc(1, sizeof(*server));
	int err;

	server->loop = sd_event_ref(loop);
	if (limits)
		server->limits = *limits;
	set_defaults(&server->limits);
	server->handlers = util_calloc(rpc_methods_n, sizeof(*server->handlers));
	server->slots = util_calloc(SLOTS, sizeof(*server->slots));
	server->shutdown = (struct rpc_op){.done = on_shutdown, .owner = server};
	gpr_set_log_function(forward_log);
	grpc_init();
	rpc_health_new(server);
	err = create(server);
	if (err) {
		rpc_server_free(server);
		return err;
	}
	rpc_reflection_register(server);
	for (size_t i = 0; i < SLOTS; i++) {
		server->slots[i].op = (struct rpc_op){.done = on_call, .owner = server};
		request_call(server, &server->slots[i]);
	}
	*ret_server = server;
	return 0;
}

void rpc_server_handle(struct rpc_server *server, unsigned int method,
		       void (*opened)(struct rpc_call *call, void *userdata), rpc_any_fn handler,
		       void *userdata)
{
	server->handlers[method] = (struct rpc_handler){
		.opened = opened,
		.message = handler,
		.userdata = userdata,
		.speaks = &rpc_methods[method],
	};
}

void rpc_server_alias(struct rpc_server *server, unsigned int method, unsigned int other)
{
	server->handlers[method] = server->handlers[other];
}

bool rpc_server_has_service(const struct rpc_server *server, const char *service)
{
	for (unsigned int i = 0; i < rpc_methods_n; i++) {
		if (server->handlers[i].message && !strcmp(rpc_methods[i].service, service))
			return true;
	}
	return false;
}

void rpc_server_set_serving(struct rpc_server *server, bool serving)
{
	rpc_health_set(server, serving && !server->is_draining);
}

static void stop(struct rpc_server *server)
{
	if (server->is_draining)
		return;
	rpc_health_set(server, false);
	rpc_health_finish(server);
	server->is_draining = true;
	rpc_listeners_stop(server);
	rpc_queue_started(server->queue);
	grpc_server_shutdown_and_notify(server->core, server->cq, &server->shutdown);
}

static int on_cutoff(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct rpc_server *server = userdata;

	(void)source;
	(void)usec;
	server->is_cut_off = true;
	grpc_server_cancel_all_calls(server->core);
	rpc_server_look(server);
	return 0;
}

void rpc_server_drain(struct rpc_server *server, unsigned int timeout_ms,
		      void (*done)(void *userdata), void *userdata)
{
	server->done = done;
	server->done_userdata = userdata;
	stop(server);
	if (sd_event_add_time_relative(server->loop, &server->cutoff, CLOCK_MONOTONIC,
				       timeout_ms * 1000ULL, ACCURACY_US, on_cutoff, server) < 0)
		grpc_server_cancel_all_calls(server->core);
}

/* Ends whatever runs, here and now. */
static void finish(struct rpc_server *server)
{
	server->done = NULL;
	stop(server);
	if (!has_no_calls(server))
		grpc_server_cancel_all_calls(server->core);
	while (!has_no_calls(server))
		rpc_queue_wait(server->queue);
}

void rpc_server_free(struct rpc_server *server)
{
	if (!server)
		return;
	if (server->queue)
		finish(server);
	server->look = sd_event_source_disable_unref(server->look);
	rpc_listeners_free(server);
	rpc_health_free(server->health);
	sd_event_source_disable_unref(server->cutoff);
	sd_event_source_disable_unref(server->patience);
	if (server->core)
		grpc_server_destroy(server->core);
	rpc_queue_free(server->queue);
	grpc_shutdown();
	sd_event_unref(server->loop);
	free(server->slots);
	free(server->handlers);
	free(server);
}
