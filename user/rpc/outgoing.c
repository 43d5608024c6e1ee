/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/outgoing.h"

#include "common/util.h"

#include <errno.h>
#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#define OVERHEAD 256 /* bytes charged for a message beside its own, so that small ones count */

static size_t cost(const ProtobufCMessage *message)
{
	return protobuf_c_message_get_packed_size(message) + OVERHEAD;
}

static bool has_budget(const struct rpc_server *server, size_t bytes)
{
	return bytes <= server->limits.total_bytes &&
	       server->queued_bytes <= server->limits.total_bytes - bytes;
}

static void push(struct rpc_call *call, const ProtobufCMessage *message, size_t bytes)
{
	struct rpc_outgoing *outgoing = util_calloc(1, sizeof(*outgoing));
	grpc_slice slice = grpc_slice_malloc(bytes - OVERHEAD);

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	outgoing->buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	outgoing->bytes = bytes;
	*call->end = outgoing;
	call->end = &outgoing->next;
	call->queued_bytes += bytes;
	call->server->queued_bytes += bytes;
}

bool rpc_outgoing_push(struct rpc_call *call, const ProtobufCMessage *message)
{
	size_t bytes = cost(message);

	if (call->is_closed)
		return true;
	if (!has_budget(call->server, bytes))
		return false;
	push(call, message, bytes);
	return true;
}

static void starve(struct rpc_call *call)
{
	if (!call->is_starved)
		call->server->starved_n++;
	call->is_starved = true;
}

int rpc_outgoing_queue(struct rpc_call *call, const ProtobufCMessage *message)
{
	size_t bytes = cost(message), limit = call->server->limits.stream_bytes;

	if (bytes > limit)
		return -EMSGSIZE;
	if (call->queued_bytes > limit - bytes || !has_budget(call->server, bytes)) {
		starve(call);
		return -ENOBUFS;
	}
	push(call, message, bytes);
	return 0;
}

bool rpc_call_await_room(struct rpc_call *call)
{
	if (call->queued_bytes < call->server->limits.stream_bytes / 2)
		return false;
	starve(call);
	return true;
}

struct rpc_outgoing *rpc_outgoing_pop(struct rpc_call *call)
{
	struct rpc_outgoing *message = call->first;

	if (message) {
		call->first = message->next;
		if (!call->first)
			call->end = &call->first;
	}
	return message;
}

void rpc_outgoing_free(struct rpc_call *call, struct rpc_outgoing *message)
{
	call->queued_bytes -= message->bytes;
	call->server->queued_bytes -= message->bytes;
	grpc_byte_buffer_destroy(message->buffer);
	free(message);
}

static bool may_wake(const struct rpc_call *call)
{
	const struct rpc_limits *limits = &call->server->limits;

	return call->is_starved && call->is_owned && call->writable &&
	       call->wake_round != call->server->wake_round &&
	       call->queued_bytes < limits->stream_bytes / 2 &&
	       call->server->queued_bytes < limits->total_bytes;
}

static struct rpc_call *find_hungry(struct rpc_server *server)
{
	struct rpc_call *call = server->calls;

	while (call && !may_wake(call))
		call = call->next;
	return call;
}

void rpc_outgoing_wake(struct rpc_server *server)
{
	struct rpc_call *call;

	/* A callback may start and end any call, so each search begins anew; the round ends it. */
	server->wake_round++;
	while (server->starved_n && (call = find_hungry(server))) {
		call->wake_round = server->wake_round;
		call->is_starved = false;
		server->starved_n--;
		rpc_call_hold(call);
		call->writable(call, call->writable_userdata);
		rpc_call_release(call);
	}
}
