/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From gRPC's completion queue to the loop: one thread waits for completions and hands them over
 * through an eventfd; what they mean is decided on the loop's thread.
 */
#ifndef STEER_RPC_QUEUE_H
#define STEER_RPC_QUEUE_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

/* The tag of one operation, embedded in what it is about, which must outlive it. */
struct rpc_op {
	void (*done)(struct rpc_op *op, bool ok);
	void *owner;
	struct rpc_op *next;
	bool ok;
};

struct rpc_queue;

/*
 * `idle` runs on the loop whenever completions have been handled; it may close the queue. Takes
 * over `cq` on success.
 */
int rpc_queue_new(sd_event *loop, grpc_completion_queue *cq, void (*idle)(void *userdata),
		  void *userdata, struct rpc_queue **ret_queue);

/* To be told of each operation that gRPC has taken. */
void rpc_queue_started(struct rpc_queue *queue);
unsigned int rpc_queue_pending(const struct rpc_queue *queue);

/* Waits for completions and handles them here and now; for shutting down without the loop. */
void rpc_queue_wait(struct rpc_queue *queue);

/* Nothing may be pending. Joins the thread. Accepts NULL. */
void rpc_queue_free(struct rpc_queue *queue);

#endif
