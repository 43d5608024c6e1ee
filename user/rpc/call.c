/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of a call. See server.h for who owns it when. */
#include "rpc/call.h"

#include "common/log.h"
#include "common/util.h"
#include "rpc/guard.h"
#include "rpc/outgoing.h"

#include <errno.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>

static void drop_queue(struct rpc_call *call)
{
	struct rpc_outgoing *message;

	while ((message = rpc_outgoing_pop(call)))
		rpc_outgoing_free(call, message);
}

void rpc_call_hold(struct rpc_call *call)
{
	call->refs++;
}

void rpc_call_release(struct rpc_call *call)
{
	struct rpc_server *server = call->server;

	if (--call->refs)
		return;
	drop_queue(call);
	if (call->prev)
		call->prev->next = call->next;
	else
		server->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	server->calls_n--;
	if (call->is_starved)
		server->starved_n--;
	grpc_call_unref(call->core);
	free(call->message);
	free(call);
}

static void start(struct rpc_call *call, struct rpc_op *op, const grpc_op *ops, size_t n)
{
	grpc_call_error err = grpc_call_start_batch(call->core, ops, n, op, NULL);

	if (err == GRPC_CALL_OK) {
		rpc_queue_started(call->server->queue);
		rpc_call_hold(call);
		return;
	}
	/* Only a misuse of gRPC gets here; the call's own end will still be told. */
	log_error("gRPC refuses an operation of %s: error %d",
		  call->method ? call->method->path : "a call", err);
	grpc_call_cancel(call->core, NULL);
}

static void expect_soon(struct rpc_call *call)
{
	uint64_t now_us = 0;

	sd_event_now(call->server->loop, CLOCK_MONOTONIC, &now_us);
	call->deadline_us = now_us + call->server->limits.patience_ms * 1000ULL;
}

/* Sends what may be sent next: metadata, a message, the status. One batch at a time. */
static void pump(struct rpc_call *call)
{
	grpc_slice details = grpc_empty_slice();
	grpc_op ops[3] = {};
	size_t n = 0;

	if (call->is_sending || call->is_closed || call->sent_status)
		return;
	if (!call->sent_metadata && (call->is_ended || call->first || call->is_owned))
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
	call->in_flight = rpc_outgoing_pop(call);
	if (call->in_flight) {
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = call->in_flight->buffer;
	}
	if (call->is_ended && !call->first) {
		if (call->message)
			details = grpc_slice_from_copied_string(call->message);
		ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
		ops[n].data.send_status_from_server.status = (grpc_status_code)call->code;
		ops[n++].data.send_status_from_server.status_details = &details;
		call->sent_status = true;
	}
	if (n) {
		call->sent_metadata = true;
		call->is_sending = true;
		start(call, &call->sending, ops, n);
	}
	grpc_slice_unref(details);
}

static void on_sent(struct rpc_op *op, bool ok)
{
	struct rpc_call *call = op->owner;
	struct rpc_server *server = call->server;

	call->is_sending = false;
	if (call->in_flight)
		rpc_outgoing_free(call, TAKE(call->in_flight));
	if (!ok)
		drop_queue(call);
	pump(call);
	rpc_call_release(call);
	rpc_outgoing_wake(server);
}

/* The handler, if one has the call, loses it. */
static void disown(struct rpc_call *call)
{
	bool was_owned = call->is_owned;

	call->is_owned = false;
	if (was_owned && call->closed)
		call->closed(call, call->closed_userdata);
}

static void end(struct rpc_call *call, enum rpc_code code, char *message)
{
	call->is_owned = false;
	call->is_ended = true;
	call->code = code;
	free(call->message);
	call->message = message;
	expect_soon(call);
	pump(call);
}

static void on_closed(struct rpc_op *op, bool ok)
{
	struct rpc_call *call = op->owner;
	struct rpc_server *server = call->server;

	(void)ok;
	call->is_closed = true;
	call->is_ended = true;
	call->deadline_us = 0;
	disown(call);
	drop_queue(call);
	rpc_call_release(call);
	rpc_outgoing_wake(server);
}

void rpc_call_cancel(struct rpc_call *call, enum rpc_code code, const char *message)
{
	disown(call);
	call->is_ended = true;
	call->deadline_us = 0;
	grpc_call_cancel_with_status(call->core, (grpc_status_code)code, message, NULL);
}

/* After a handler: whoever keeps a call must hear of its end. */
static void check_kept(struct rpc_call *call)
{
	if (!call->is_owned || call->closed)
		return;
	log_error("the handler of %s neither ended its call nor watches it", call->method->path);
	end(call, RPC_CODE_INTERNAL,
	    util_strdup("this call was not answered: a bug of the server"));
}

/* A message, or NULL, for the handler. */
static void deliver(struct rpc_call *call, const ProtobufCMessage *message)
{
	call->is_owned = true;
	call->handler->speaks->dispatch(call->handler->message, call, message,
					call->handler->userdata);
	check_kept(call);
	/* The client of a stream learns that it is open before there is anything to say. */
	if (call->is_owned)
		pump(call);
}

static void refuse(struct rpc_call *call, enum rpc_code code, char *message)
{
	disown(call);
	end(call, code, message);
}

static void unpack(struct rpc_call *call, const grpc_slice *bytes)
{
	const struct rpc_limits *limits = &call->server->limits;
	const struct guard_limits guard = {
		.bytes = limits->message_bytes,
		.elements = limits->elements,
		.depth = limits->depth,
	};
	ProtobufCMessage *message = NULL;
	struct guard_budget budget;
	char *error = NULL;
	int err;

	guard_budget_init(&budget, limits->unpack_bytes);
	err = guard_unpack(call->handler->speaks->request, GRPC_SLICE_START_PTR(*bytes),
			   GRPC_SLICE_LENGTH(*bytes), &guard, &budget, &message, &error);
	if (err) {
		refuse(call,
		       err == -EMSGSIZE ? RPC_CODE_RESOURCE_EXHAUSTED : RPC_CODE_INVALID_ARGUMENT,
		       error);
		return;
	}
	deliver(call, message);
	guard_free(message, &budget);
}

static void take_message(struct rpc_call *call, grpc_byte_buffer *buffer)
{
	grpc_byte_buffer_reader reader;
	grpc_slice bytes;

	/* We offer no compression: what comes small must not become big here. */
	if (buffer->type != GRPC_BB_RAW || buffer->data.raw.compression != GRPC_COMPRESS_NONE ||
	    !grpc_byte_buffer_reader_init(&reader, buffer)) {
		refuse(call, RPC_CODE_UNIMPLEMENTED,
		       util_strdup("compressed messages are not taken; send them as they are"));
		return;
	}
	bytes = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	unpack(call, &bytes);
	grpc_slice_unref(bytes);
}

static void on_received(struct rpc_op *op, bool ok)
{
	struct rpc_call *call = op->owner;
	grpc_byte_buffer *buffer = TAKE(call->incoming);

	call->is_receiving = false;
	if (call->is_ended || call->is_closed) {
		/* nobody to tell */
	} else if (ok && buffer) {
		call->deadline_us = 0;
		take_message(call, buffer);
	} else if (call->method->client_streaming) {
		call->is_read_out = true;
		if (ok)
			deliver(call, NULL);
	} else {
		refuse(call, RPC_CODE_INVALID_ARGUMENT,
		       util_format("%s takes one request message, and none came",
				   call->method->path));
	}
	if (buffer)
		grpc_byte_buffer_destroy(buffer);
	rpc_call_release(call);
}

static void receive(struct rpc_call *call)
{
	grpc_op op = {};

	op.op = GRPC_OP_RECV_MESSAGE;
	op.data.recv_message.recv_message = &call->incoming;
	call->is_receiving = true;
	start(call, &call->receiving, &op, 1);
}

static struct rpc_call *add_call(struct rpc_server *server, grpc_call *core,
				 const struct rpc_method *method)
{
	struct rpc_call *call = util_calloc(1, sizeof(*call));

	call->server = server;
	call->core = core;
	call->method = method;
	call->end = &call->first;
	call->closing = (struct rpc_op){.done = on_closed, .owner = call};
	call->receiving = (struct rpc_op){.done = on_received, .owner = call};
	call->sending = (struct rpc_op){.done = on_sent, .owner = call};
	call->next = server->calls;
	if (call->next)
		call->next->prev = call;
	server->calls = call;
	server->calls_n++;
	return call;
}

void rpc_call_begin(struct rpc_server *server, grpc_call *core, const struct rpc_method *method,
		    const char *path)
{
	struct rpc_call *call = add_call(server, core, method);
	grpc_op close = {};

	close.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
	close.data.recv_close_on_server.cancelled = &call->was_cancelled;
	rpc_call_hold(call);
	start(call, &call->closing, &close, 1);
	if (method)
		call->handler = &server->handlers[method->index];
	if (!method || !call->handler->message) {
		end(call, RPC_CODE_UNIMPLEMENTED,
		    util_format("this server has no method %s; reflection lists those it has",
				path));
	} else if (server->calls_n > server->limits.calls) {
		end(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    util_format("%u calls are running already; try again later",
				server->limits.calls));
	} else if (method->client_streaming) {
		call->is_owned = true;
		pump(call);
		call->handler->opened(call, call->handler->userdata);
		check_kept(call);
	} else {
		expect_soon(call);
		receive(call);
	}
	rpc_call_release(call);
}

void rpc_call_check_patience(struct rpc_server *server, uint64_t now_us)
{
	for (struct rpc_call *call = server->calls; call; call = call->next) {
		if (!call->deadline_us || call->deadline_us > now_us)
			continue;
		/* None of these has an owner, so no callback can change the list meanwhile. */
		rpc_call_cancel(call, RPC_CODE_DEADLINE_EXCEEDED,
				call->is_ended ? "the reply was not taken in time"
					       : "the request did not arrive in time");
	}
}

void rpc_call_on_closed(struct rpc_call *call,
			void (*closed)(struct rpc_call *call, void *userdata), void *userdata)
{
	call->closed = closed;
	call->closed_userdata = userdata;
}

const struct rpc_method *rpc_call_method(const struct rpc_call *call)
{
	return call->method;
}

void rpc_call_set_context(struct rpc_call *call, void *context)
{
	call->context = context;
}

void *rpc_call_context(const struct rpc_call *call)
{
	return call->context;
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *reply)
{
	if (rpc_outgoing_push(call, reply))
		end(call, RPC_CODE_OK, NULL);
	else
		end(call, RPC_CODE_RESOURCE_EXHAUSTED,
		    util_strdup("too many replies wait to be taken; try again later"));
}

void rpc_call_vfail(struct rpc_call *call, enum rpc_code code, const char *format, va_list args)
{
	char *message = NULL;

	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	end(call, code, message);
}

void rpc_call_fail(struct rpc_call *call, enum rpc_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	rpc_call_vfail(call, code, format, args);
	va_end(args);
}

void rpc_call_finish(struct rpc_call *call)
{
	end(call, RPC_CODE_OK, NULL);
}

int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message)
{
	int err = rpc_outgoing_queue(call, message);

	if (!err)
		pump(call);
	return err;
}

void rpc_call_on_writable(struct rpc_call *call,
			  void (*writable)(struct rpc_call *call, void *userdata), void *userdata)
{
	call->writable = writable;
	call->writable_userdata = userdata;
}

void rpc_call_read(struct rpc_call *call)
{
	if (!call->is_receiving && !call->is_read_out && !call->is_closed)
		receive(call);
}
