/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages 2 to 4, for a packet whose flow is not known: the service's split gives the client a
 * stack, the stack's ring gives the flow a backend. A backend that is down is passed over by
 * walking on through the ring, so that the weights hold among the survivors; a stack that has
 * none left, in favour of the heir that the agent has put beside it.
 */
#ifndef STEER_BALANCE_H
#define STEER_BALANCE_H

#include "breaker.h"
#include "context.h"
#include "health.h"

/* A backend's slot, the share << 16 and one of these: it takes new flows, or it does not. */
#define BALANCE_FOUND  (1ULL << 32)
#define BALANCE_LISTED (1ULL << 33)

/* In panic breakers are ignored like all else. */
static __always_inline bool balance_may(__u32 cpu, const struct backend *b, __u32 slot,
					__u32 wanted)
{
	return health_takes_new(b, wanted) && !(wanted & BACKEND_NEW && breaker_refuses(cpu, slot));
}

/*
 * The backend at `at` or, where that is not as wanted, at the slots that follow. With none within
 * reach: the first that could be sent to, as BALANCE_LISTED. 0: not even that. Global, so that it
 * is verified once for all stacks that may be tried.
 */
__attribute__((noinline)) __u64 balance_backend(__u32 cpu, __u32 stack, __u32 at, __u32 wanted)
{
	const struct ring *ring = bpf_map_lookup_elem(&rings, &stack);
	__u64 first = 0;

	if (!ring)
		return 0;
#pragma clang loop unroll(full) /* 5.10 and 6.1 refuse the loop that clang makes of it */
	for (int i = 0; i < STEER_BACKEND_TRIES; i++) {
		__u32 slot = ring->backend[at & (STEER_RING_SLOTS - 1)];
		const struct backend *b = bpf_map_lookup_elem(&backends, &slot);

		if (b && balance_may(cpu, b, slot, wanted))
			return BALANCE_FOUND | slot;
		if (b && !first && (b->state & BACKEND_ROUTE))
			first = BALANCE_LISTED | slot;
		at = ring_next_slot(at);
	}
	return first;
}

/*
 * The client's stack or, with nobody there to take the flow, the slot's heir; then the stacks and
 * heirs of the slots that follow, then all that are left, each asked once. With none at all: a
 * backend of the first that could be sent to, against what health says.
 */
static __always_inline __u64 balance_stack(__u32 cpu, __u32 bank, const struct service *service,
					   const struct split *split, __u32 slot, __u32 ring_at)
{
	__u8 entry = split->choice[slot & (STEER_SPLIT_SLOTS - 1)];
	__u32 wanted = health_wanted(service), index = split_owner(entry), left = service->takers;
	__u64 found, listed = 0;

#pragma clang loop unroll(full) /* as above */
	for (int i = 0; i < STEER_STACK_TRIES + STEER_SPLIT_CHOICES; i++) {
		const struct choice *c = &service->choice[index & (STEER_SPLIT_CHOICES - 1)];

		if (left >> index & 1) {
			left &= ~(1U << index);
			found = balance_backend(cpu, bank * STEER_STACKS + c->stack, ring_at,
						wanted);
			if (found)
				found |= (__u64)c->share << 16;
			if (found & BALANCE_FOUND)
				return found;
			if (!listed)
				listed = found;
			if (i == 0)
				STEER_NOTE(cpu, repicks);
		}
		if (i >= STEER_STACK_TRIES - 1) {
			index = i - (STEER_STACK_TRIES - 1);
		} else if (i % 2) {
			slot = split_next_slot(slot);
			entry = split->choice[slot & (STEER_SPLIT_SLOTS - 1)];
			index = split_owner(entry);
		} else {
			index = split_heir(entry);
		}
	}
	return listed;
}

static __always_inline __u64 balance_pick(__u32 cpu, const struct pending_flow *flow)
{
	const struct hash_key *fleet = &control.fleet_key[flow->bank & (STEER_BANKS - 1)];
	__u64 client_sum = hash_client_sum(fleet, &flow->tuple);
	__u64 flow_sum = hash_flow_sum(fleet, &flow->tuple, client_sum);
	__u32 key = flow->bank * limits.services + flow->service;
	const struct service *service = bpf_map_lookup_elem(&services, &key);
	const struct split *split;
	__u64 found;

	if (!service)
		return REASON_TABLE;
	key = flow->bank * limits.splits + service->split;
	split = bpf_map_lookup_elem(&splits, &key);
	if (!split)
		return REASON_TABLE;
	found = balance_stack(
		cpu, flow->bank, service, split, split_slot(client_sum),
		ring_slot(flow->service_flags & VIP_STICKY_CLIENT ? client_sum : flow_sum));
	if (!found)
		return REASON_NO_BACKEND;
	if (service->panic || !(found & BALANCE_FOUND))
		STEER_NOTE(cpu, panics);
	return found | BALANCE_FOUND;
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
