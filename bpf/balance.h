/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages 2 and 4, for a packet whose flow is not known: the service's split gives the client a
 * stack, the stack's ring gives the flow a backend. What is down is passed over by walking on
 * through the same table, so that the weights hold among the survivors.
 */
#ifndef STEER_BALANCE_H
#define STEER_BALANCE_H

#include "context.h"
#include "health.h"

/* The choice at `slot` or, its stack being down, at the slots that follow. */
static __always_inline const struct choice *
balance_stack(struct steer_ctx *ctx, const struct service *service, const struct split *split,
	      __u32 slot)
{
	const struct choice *first = 0;

	for (int i = 0; i < STEER_STACK_TRIES; i++) {
		const struct choice *c =
			&service->choice[split->choice[slot & (STEER_SPLIT_SLOTS - 1)] &
					 (STEER_SPLIT_CHOICES - 1)];
		__u32 key = ctx->bank * STEER_STACKS + c->stack;
		const struct stack *stack = bpf_map_lookup_elem(&stacks, &key);

		if (stack && stack->up)
			return c;
		if (i == 0) {
			first = c;
			STEER_NOTE(ctx, repicks);
		}
		slot = split_next_slot(slot);
	}
	STEER_NOTE(ctx, panics);
	return first;
}

/* Sets ctx->backend and ctx->slot; REASON_NO_BACKEND if nothing there could be sent to. */
static __always_inline int balance_backend(struct steer_ctx *ctx, const struct ring *ring,
					   __u32 at)
{
	const struct backend *first = 0;
	__u32 first_slot = 0;

	for (int i = 0; i < STEER_BACKEND_TRIES; i++) {
		__u32 slot = ring->backend[at & (STEER_RING_SLOTS - 1)];
		const struct backend *b = bpf_map_lookup_elem(&backends, &slot);

		if (b && health_takes_new(b)) {
			ctx->backend = b;
			ctx->slot = slot;
			return STEER_NEXT;
		}
		if (!first && b && (b->state & BACKEND_ROUTE)) {
			first = b;
			first_slot = slot;
		}
		at = ring_next_slot(at);
	}
	if (!first)
		return REASON_NO_BACKEND;
	STEER_NOTE(ctx, panics);
	ctx->backend = first;
	ctx->slot = first_slot;
	return STEER_NEXT;
}

static __always_inline int balance(struct steer_ctx *ctx)
{
	const struct hash_key *fleet = &control.fleet_key[ctx->bank & (STEER_BANKS - 1)];
	__u64 client = hash_client_sum(fleet, &ctx->tuple);
	__u64 flow = hash_flow_sum(fleet, &ctx->tuple, client);
	__u32 key = ctx->bank * limits.services + ctx->service;
	const struct service *service = bpf_map_lookup_elem(&services, &key);
	const struct choice *choice;
	const struct split *split;
	const struct ring *ring;

	if (!service)
		return REASON_TABLE;
	key = ctx->bank * limits.splits + service->split;
	split = bpf_map_lookup_elem(&splits, &key);
	if (!split)
		return REASON_TABLE;
	choice = balance_stack(ctx, service, split, split_slot(client));
	if (!choice)
		return REASON_TABLE;
	ctx->share = choice->share;
	key = ctx->bank * STEER_STACKS + choice->stack;
	ring = bpf_map_lookup_elem(&rings, &key);
	if (!ring)
		return REASON_TABLE;
	return balance_backend(ctx, ring,
			       ring_slot(ctx->service_flags & VIP_STICKY_CLIENT ? client : flow));
}

#endif
