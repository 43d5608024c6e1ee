/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 5, met first: the flow table. A per-CPU, set-associative cache: four flows in a cache
 * line, found by the fingerprint's low bits, told apart by all 64 of them. No lock, no list, no
 * second hash.
 */
#ifndef STEER_AFFINITY_H
#define STEER_AFFINITY_H

#include "context.h"
#include "health.h"

static __always_inline __u64 affinity_fingerprint(const struct flow_tuple *t)
{
	const struct hash_key *key = &control.node_key;

	return hash_finish(hash_flow_sum(key, t, hash_client_sum(key, t))) | 1;
}

static __always_inline bool affinity_starts_anew(const struct steer_ctx *ctx,
						 const struct flow_entry *e)
{
	if (ctx->about_flow)
		return false;
	if (ctx->tuple.protocol == IPPROTO_UDP)
		return (__u16)(ctx->tick - e->seen) > FLOW_UDP_IDLE_TICKS;
	return (ctx->tcp_flags & TCP_SYN) && (e->flags & FLOW_CLOSING);
}

/* The entry of this flow in its bucket, else NULL with ctx->entry the one to replace. */
static __always_inline struct flow_entry *affinity_find(struct steer_ctx *ctx)
{
	__u32 key = ctx->cpu * limits.flow_buckets +
		    ((ctx->fingerprint >> 1) & (limits.flow_buckets - 1));
	struct flow_bucket *bucket = bpf_map_lookup_elem(&flows, &key);
	__u16 age, oldest = 0;

	if (!bucket)
		return 0;
#pragma unroll
	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++)
		if (bucket->entry[i].tag == ctx->fingerprint)
			return &bucket->entry[i];
	ctx->entry = &bucket->entry[0];
#pragma unroll
	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++) {
		if (!bucket->entry[i].tag) {
			ctx->entry = &bucket->entry[i];
			break;
		}
		age = ctx->tick - bucket->entry[i].seen;
		if (age > oldest) {
			oldest = age;
			ctx->entry = &bucket->entry[i];
		}
	}
	return 0;
}

/* False: not known, or no longer to be kept. True: ctx->backend is the flow's. */
static __always_inline bool affinity_recall(struct steer_ctx *ctx)
{
	struct flow_entry *e;

	ctx->cpu = bpf_get_smp_processor_id();
	ctx->tick = bpf_jiffies64() >> FLOW_TICK_SHIFT;
	ctx->fingerprint = affinity_fingerprint(&ctx->tuple);
	e = affinity_find(ctx);
	if (!e)
		return false;
	ctx->entry = e;
	ctx->slot = e->backend;
	ctx->backend = bpf_map_lookup_elem(&backends, &ctx->slot);
	if (!ctx->backend || ctx->backend->generation != e->generation ||
	    affinity_starts_anew(ctx, e))
		return false;
	if (!health_keeps(ctx)) {
		ctx->moved = true;
		STEER_NOTE(ctx->cpu, flow_moves);
		return false;
	}
	if (e->seen != ctx->tick)
		e->seen = ctx->tick;
	if (ctx->tcp_flags & (TCP_FIN | TCP_RST))
		e->flags |= FLOW_CLOSING;
	return true;
}

/* True while this CPU may still remember flows in this tick. */
static __always_inline bool affinity_ration(const struct steer_ctx *ctx, struct reasons *r)
{
	if (r->ration_tick != ctx->tick) {
		r->ration_tick = ctx->tick;
		r->ration_used = 0;
	}
	if (r->ration_used >= limits.flow_ration) {
		r->flow_rationed++;
		return false;
	}
	r->ration_used++;
	return true;
}

static __always_inline void affinity_remember(struct steer_ctx *ctx)
{
	struct reasons *r = steer_reasons(ctx->cpu);
	struct flow_entry *e = ctx->entry;

	if (!r || !e || ctx->about_flow)
		return;
	if (e->tag != ctx->fingerprint) {
		if (!affinity_ration(ctx, r))
			return;
		r->flow_inserts++;
		if (e->tag)
			r->flow_evictions++;
	}
	e->tag = ctx->fingerprint;
	e->backend = ctx->slot;
	e->generation = ctx->backend->generation;
	e->seen = ctx->tick;
	e->flags = ctx->tcp_flags & (TCP_FIN | TCP_RST) ? FLOW_CLOSING : 0;
}

#endif
