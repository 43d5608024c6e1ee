/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the files of the server: what a server and a call are made of. */
#ifndef STEER_RPC_CALL_H
#define STEER_RPC_CALL_H

#include "rpc/queue.h"
#include "rpc/server.h"

#include <grpc/grpc.h>

struct rpc_health;
struct rpc_listener;

struct rpc_handler {
	void (*opened)(struct rpc_call *call, void *userdata);
	rpc_any_fn message;
	void *userdata;
	const struct rpc_method *speaks; /* whose messages; usually the method's own */
};

struct rpc_server {
	sd_event *loop;
	struct rpc_limits limits;
	grpc_server *core;
	grpc_completion_queue *cq; /* the queue's */
	struct rpc_queue *queue;
	struct rpc_handler *handlers; /* one for each of rpc_methods */
	struct rpc_health *health;
	struct rpc_listener *listeners; /* see listener.h */
	struct rpc_slot *slots;		/* outstanding requests for a call */
	struct rpc_call *calls;		/* every call that is not freed */
	unsigned int calls_n;
	size_t queued_bytes;	/* of all calls, to be sent */
	unsigned int starved_n; /* calls that wait for room */
	unsigned int wake_round;
	sd_event_source *patience; /* looks after calls with a deadline of ours */
	sd_event_source *cutoff;   /* end of the drain */
	sd_event_source *look;	   /* whether the drain is over, from no callback of ours */
	struct rpc_op shutdown;
	bool is_draining;
	bool is_cut_off;
	bool is_shut; /* gRPC has nothing left that runs */
	void (*done)(void *userdata);
	void *done_userdata;
};

/* A serialized message that waits to be sent. */
struct rpc_outgoing {
	struct rpc_outgoing *next;
	grpc_byte_buffer *buffer;
	size_t bytes; /* charged for it */
};

struct rpc_call {
	struct rpc_call *prev, *next;
	struct rpc_server *server;
	grpc_call *core;
	const struct rpc_method *method;
	const struct rpc_handler *handler;
	unsigned int refs; /* operations that gRPC has, and callbacks that run */

	struct rpc_op closing; /* RECV_CLOSE_ON_SERVER, from first to last */
	struct rpc_op receiving;
	struct rpc_op sending;
	int was_cancelled;
	grpc_byte_buffer *incoming;
	struct rpc_outgoing *in_flight;
	struct rpc_outgoing *first;
	struct rpc_outgoing **end;
	size_t queued_bytes; /* in flight included */

	bool is_owned;	/* a handler has it */
	bool is_ended;	/* its status is known */
	bool is_closed; /* gRPC has no more to do with it */
	bool is_receiving;
	bool is_sending;
	bool is_read_out; /* the client has sent its last message */
	bool sent_metadata;
	bool sent_status;
	bool is_starved; /* a send was refused */
	unsigned int wake_round;
	uint64_t deadline_us; /* CLOCK_MONOTONIC; 0: the client may take its time */
	enum rpc_code code;
	char *message; /* NULL: none */

	void *context;
	void (*closed)(struct rpc_call *call, void *userdata);
	void *closed_userdata;
	void (*writable)(struct rpc_call *call, void *userdata);
	void *writable_userdata;
};

/* Takes over `core`. `method` is NULL where the path is none of ours. */
void rpc_call_begin(struct rpc_server *server, grpc_call *core, const struct rpc_method *method,
		    const char *path);
/* A call is freed with its last reference, after it has ended. */
void rpc_call_hold(struct rpc_call *call);
void rpc_call_release(struct rpc_call *call);
/* Takes the call from its handler, whose callback runs, and cancels it in gRPC. */
void rpc_call_cancel(struct rpc_call *call, enum rpc_code code, const char *message);
/* Cancels what has gone past its deadline. */
void rpc_call_check_patience(struct rpc_server *server, uint64_t now_us);

/* Where the stream's queue is half full, true, and `writable` runs as after a refused send. */
bool rpc_call_await_room(struct rpc_call *call);

/* While draining: something is gone that the drain may have waited for. */
void rpc_server_look(struct rpc_server *server);
/* The calls of `method` are taken as calls of `other`, which says the same in other names. */
void rpc_server_alias(struct rpc_server *server, unsigned int method, unsigned int other);
bool rpc_server_has_service(const struct rpc_server *server, const char *service);

void rpc_health_new(struct rpc_server *server);
void rpc_health_free(struct rpc_health *health);
void rpc_health_set(struct rpc_server *server, bool serving);
void rpc_health_finish(struct rpc_server *server); /* ends its watches */
void rpc_reflection_register(struct rpc_server *server);

#endif
