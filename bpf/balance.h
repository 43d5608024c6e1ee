/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages 2 to 4, for a packet whose flow is not known: the service's split gives the client a
 * stack, the stack's ring gives the flow a backend. What is down is passed over by walking on
 * through the same table, so that the weights hold among the survivors.
 */
#ifndef STEER_BALANCE_H
#define STEER_BALANCE_H

#include "breaker.h"
#include "context.h"
#include "health.h"

/* balance() answers with a backend's slot, the share << 16 and this; else why there is none. */
#define BALANCE_FOUND	(1ULL << 32)
#define BALANCE_AGAINST (1ULL << 33) /* found, but not as health and breakers would have it */

/*
 * Which choice of a service (key: of map `services`) its split has at `slot` or, that stack being
 * down or in `avoid` (a bit for each choice), at the slots that follow. None: the first one.
 */
__attribute__((noinline)) __u32 balance_stack(__u32 cpu, __u32 bank, __u32 key, __u32 slot,
					      __u32 avoid)
{
	const struct service *service = bpf_map_lookup_elem(&services, &key);
	const struct split *split;
	__u32 first;

	if (!service)
		return 0;
	key = bank * limits.splits + service->split;
	split = bpf_map_lookup_elem(&splits, &key);
	if (!split)
		return 0;
	first = split->choice[slot & (STEER_SPLIT_SLOTS - 1)] & (STEER_SPLIT_CHOICES - 1);
#pragma clang loop unroll(full) /* as below */
	for (int i = 0; i < STEER_STACK_TRIES; i++) {
		__u32 at = split->choice[slot & (STEER_SPLIT_SLOTS - 1)] &
			   (STEER_SPLIT_CHOICES - 1);
		const struct stack *stack;

		key = bank * STEER_STACKS + service->choice[at].stack;
		stack = bpf_map_lookup_elem(&stacks, &key);
		if (stack && stack->up && !(avoid >> at & 1))
			return at;
		if (i == 0 && !avoid)
			STEER_NOTE(cpu, repicks);
		slot = split_next_slot(slot);
	}
	return first;
}

/*
 * The backend at `at` of a ring (key: of map `rings`) or, where that takes no new flows, at the
 * slots that follow. Global, as balance().
 */
__attribute__((noinline)) __u64 balance_backend(__u32 cpu, __u32 key, __u32 at)
{
	const struct ring *ring = bpf_map_lookup_elem(&rings, &key);
	__u64 first = REASON_NO_BACKEND;

	if (!ring)
		return REASON_TABLE;
#pragma clang loop unroll(full) /* 5.10 and 6.1 refuse the loop that clang makes of it */
	for (int i = 0; i < STEER_BACKEND_TRIES; i++) {
		__u32 slot = ring->backend[at & (STEER_RING_SLOTS - 1)];
		const struct backend *b = bpf_map_lookup_elem(&backends, &slot);

		if (b && health_takes_new(b) && !breaker_refuses(cpu, slot))
			return BALANCE_FOUND | slot;
		if (b && first == REASON_NO_BACKEND && (b->state & BACKEND_ROUTE))
			first = BALANCE_FOUND | BALANCE_AGAINST | slot;
		at = ring_next_slot(at);
	}
	return first;
}

static __always_inline __u64 balance_pick(__u32 cpu, const struct pending_flow *flow)
{
	const struct hash_key *fleet = &control.fleet_key[flow->bank & (STEER_BANKS - 1)];
	__u64 client_sum = hash_client_sum(fleet, &flow->tuple);
	__u64 flow_sum = hash_flow_sum(fleet, &flow->tuple, client_sum);
	__u32 service_key = flow->bank * limits.services + flow->service;
	const struct service *service = bpf_map_lookup_elem(&services, &service_key);
	__u32 at = ring_slot(flow->service_flags & VIP_STICKY_CLIENT ? client_sum : flow_sum);
	__u64 first = REASON_NO_BACKEND, found;
	__u32 key, choice, avoid = 0;

	if (!service)
		return REASON_TABLE;
#pragma clang loop unroll(full)
	for (int i = 0; i < STEER_STACK_PICKS; i++) {
		choice = balance_stack(cpu, flow->bank, service_key, split_slot(client_sum),
				       avoid) &
			 (STEER_SPLIT_CHOICES - 1);
		if (avoid >> choice & 1)
			break;
		key = flow->bank * STEER_STACKS + service->choice[choice].stack;
		found = balance_backend(cpu, key, at);
		if (found & BALANCE_FOUND)
			found |= (__u64)service->choice[choice].share << 16;
		if ((found & BALANCE_FOUND) && !(found & BALANCE_AGAINST))
			return found;
		if (!(first & BALANCE_FOUND))
			first = found;
		avoid |= 1U << choice;
	}
	if (first & BALANCE_FOUND)
		STEER_NOTE(cpu, panics);
	return first;
}

/* A global function: verified once, by itself, and not along every way that leads here. */
__attribute__((noinline)) __u64 balance(__u32 cpu)
{
	const struct pending_flow *flow = bpf_map_lookup_elem(&pending, &cpu);

	return flow ? balance_pick(cpu, flow) : REASON_TABLE;
}

/* Sets ctx->backend, ctx->slot and ctx->share, or says why not. */
static __always_inline int balance_packet(struct steer_ctx *ctx)
{
	__u32 cpu = ctx->cpu;
	struct pending_flow *flow = bpf_map_lookup_elem(&pending, &cpu);
	__u64 found;

	if (!flow)
		return REASON_TABLE;
	flow->tuple = *ctx->tuple;
	flow->bank = ctx->bank;
	flow->service = ctx->service;
	flow->service_flags = ctx->service_flags;
	found = balance(ctx->cpu);
	if (!(found & BALANCE_FOUND))
		return found == REASON_NO_BACKEND ? REASON_NO_BACKEND : REASON_TABLE;
	ctx->slot = (__u16)found;
	ctx->share = (__u16)(found >> 16);
	ctx->backend = steer_backend(ctx->slot);
	return ctx->backend ? STEER_NEXT : REASON_TABLE;
}

#endif
