/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 5, met first: the flow table. A set-associative cache: four flows in a cache line, found
 * by the fingerprint's top bits, told apart by all 64 of them. No lock, no list, no second hash.
 */
#ifndef STEER_AFFINITY_H
#define STEER_AFFINITY_H

#include "breaker.h"
#include "context.h"
#include "health.h"
#include "telemetry.h"

static __always_inline __u64 affinity_word(const struct steer_ctx *ctx, __u16 generation,
					   __u8 flags)
{
	return FLOW_USED | (__u64)flags << FLOW_FLAGS_SHIFT | (__u64)ctx->tick << FLOW_SEEN_SHIFT |
	       (__u64)generation << FLOW_GENERATION_SHIFT | (__u16)ctx->slot;
}

static __always_inline bool affinity_starts_anew(const struct steer_ctx *ctx, __u64 word)
{
	if (ctx->about_flow)
		return false;
	if (ctx->tuple->protocol == IPPROTO_UDP)
		return (__u16)(ctx->tick - (word >> FLOW_SEEN_SHIFT)) > FLOW_UDP_IDLE_TICKS;
	if (!(ctx->tcp_flags & TCP_SYN))
		return false;
	return word >> FLOW_FLAGS_SHIFT & FLOW_CLOSING ||
	       (word >> FLOW_FLAGS_SHIFT & FLOW_CONNECTING && !(ctx->tcp_flags & TCP_ACK) &&
		breaker_gives_up(ctx));
}

static __always_inline struct flow_entry *affinity_oldest(const struct steer_ctx *ctx,
							  struct flow_bucket *bucket)
{
	struct flow_entry *oldest = &bucket->entry[0];
	__u16 age, most = 0;

#pragma unroll
	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++) {
		if (!bucket->entry[i].word)
			return &bucket->entry[i];
		age = ctx->tick - (bucket->entry[i].word >> FLOW_SEEN_SHIFT);
		if (age > most) {
			most = age;
			oldest = &bucket->entry[i];
		}
	}
	return oldest;
}

/* The flow's word, with ctx->entry its entry; else 0, with ctx->entry the one to replace. */
static __always_inline __u64 affinity_find(struct steer_ctx *ctx)
{
	__u32 key = flow_bucket_of(ctx->fingerprint, limits.flow_buckets);
	struct flow_bucket *bucket = bpf_map_lookup_elem(&flows, &key);

	if (!bucket)
		return 0;
#pragma unroll
	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++) {
		__u64 word = bucket->entry[i].word;

		if ((bucket->entry[i].key ^ word) == ctx->fingerprint) {
			ctx->entry = &bucket->entry[i];
			return word;
		}
	}
	ctx->entry = affinity_oldest(ctx, bucket);
	return 0;
}

/* False: not known, or no longer to be kept. True: ctx->backend is the flow's. */
static __always_inline bool affinity_recall(struct steer_ctx *ctx)
{
	__u64 word, now;

	ctx->tick = bpf_jiffies64() >> FLOW_TICK_SHIFT;
	ctx->fingerprint = flow_fingerprint(&control.node_key, ctx->tuple);
	word = affinity_find(ctx);
	if (!word)
		return false;
	ctx->known = true;
	ctx->word = word;
	ctx->slot = (__u16)word;
	ctx->backend = steer_backend(ctx->slot);
	if (!ctx->backend || ctx->backend->generation != (__u16)(word >> FLOW_GENERATION_SHIFT) ||
	    affinity_starts_anew(ctx, word))
		return false;
	if (!health_keeps(ctx)) {
		ctx->moved = true;
		return false;
	}
	now = (word & ~(0xffffULL << FLOW_SEEN_SHIFT)) | (__u64)ctx->tick << FLOW_SEEN_SHIFT;
	if (word >> FLOW_FLAGS_SHIFT & FLOW_CONNECTING && !(ctx->tcp_flags & TCP_SYN))
		now ^= (__u64)(FLOW_CONNECTING | FLOW_CONNECTED) << FLOW_FLAGS_SHIFT;
	if (ctx->tcp_flags & (TCP_FIN | TCP_RST))
		now |= (__u64)FLOW_CLOSING << FLOW_FLAGS_SHIFT;
	if (now != word)
		steer_write_flow(ctx, ctx->entry, now);
	return true;
}

/* The flow is over: a SYN starts anew. What comes before one still meets the same backend. */
static __always_inline void affinity_close(const struct steer_ctx *ctx)
{
	__u64 keep = FLOW_USED | 0xffffULL << FLOW_GENERATION_SHIFT | 0xffff;

	if (ctx->entry)
		steer_write_flow(ctx, ctx->entry,
				 (ctx->word & keep) | (__u64)ctx->tick << FLOW_SEEN_SHIFT |
					 (__u64)FLOW_CLOSING << FLOW_FLAGS_SHIFT);
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
	bool closing = ctx->tcp_flags & (TCP_FIN | TCP_RST);
	struct reasons *r = steer_reasons(ctx->cpu);

	if (!r || !ctx->entry || ctx->about_flow)
		return;
	if (!ctx->known) {
		if (!affinity_ration(ctx, r))
			return;
		r->flow_inserts++;
		if (ctx->entry->word)
			r->flow_evictions++;
	}
	ctx->remembered = true;
	steer_write_flow(ctx, ctx->entry,
			 affinity_word(ctx, ctx->backend->generation,
				       telemetry_flags(ctx) | (closing ? FLOW_CLOSING : 0)));
}

#endif
