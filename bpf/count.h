/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one exit: every packet's reason is counted and becomes an action here. */
#ifndef STEER_COUNT_H
#define STEER_COUNT_H

#include "context.h"

static __always_inline void count_traffic(struct traffic *t, const struct steer_ctx *ctx)
{
	if (t) {
		t->packets++;
		t->bytes += ctx->length;
	}
}

static __always_inline void count_steered(const struct steer_ctx *ctx)
{
	__u32 key = ctx->cpu * limits.backends + ctx->slot;

	count_traffic(bpf_map_lookup_elem(&backend_counters, &key), ctx);
	key = ctx->cpu * limits.services + ctx->service;
	count_traffic(bpf_map_lookup_elem(&service_counters, &key), ctx);
}

/* A TCP flow is new with its SYN; one met in its middle was counted where it began. */
static __always_inline void count_new_flow(const struct steer_ctx *ctx)
{
	__u32 key = ctx->cpu * limits.shares + ctx->share;
	bool tcp = ctx->tuple->protocol == IPPROTO_TCP;
	struct share *share;

	if (ctx->about_flow || ctx->moved || (tcp && !(ctx->tcp_flags & TCP_SYN)))
		return;
	share = bpf_map_lookup_elem(&share_counters, &key);
	if (share)
		share->new_flows++;
}

static __always_inline int count_reason(struct steer_ctx *ctx, int reason)
{
	struct reasons *r = steer_reasons(ctx->cpu);

	if (r && reason >= 0 && reason < REASON_MAX)
		(&r->forwarded)[reason]++;
	switch (reason) {
	case REASON_FORWARDED:
		if (ctx->backend->ifindex == ctx->xdp->ingress_ifindex)
			return XDP_TX;
		return bpf_redirect(ctx->backend->ifindex, 0);
	case REASON_RESET:
		return XDP_TX;
	case REASON_FRAGMENT:
	case REASON_NO_BACKEND:
	case REASON_TOO_BIG:
	case REASON_NO_HEADROOM:
	case REASON_TABLE:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

#endif
