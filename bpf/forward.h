/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way out: l2 rewrites the MACs, ipip adds an outer header, local passes the packet up. */
#ifndef STEER_FORWARD_H
#define STEER_FORWARD_H

#include "context.h"
#include "outer.h"

static __always_inline int forward_l2(struct steer_ctx *ctx)
{
	const struct backend *b = ctx->backend;

	if (b->mtu && ctx->length > b->mtu)
		return REASON_TOO_BIG;
	if (ctx->data + sizeof(struct ethhdr) > ctx->end)
		return REASON_TABLE;
	outer_macs(ctx->data, b);
	return REASON_FORWARDED;
}

/* tags: the 8 bytes that followed the MACs, which hold all VLAN tags but a part of the second. */
static __always_inline void forward_ethertype(struct steer_ctx *ctx, __u32 l3, __u64 tags,
					      __be16 type)
{
	__be16 *at = ctx->data + 2 * ETH_ALEN;

	if (l3 == sizeof(struct ethhdr)) {
		at[0] = type;
		return;
	}
	*(__u64 *)at = tags;
	if (l3 == sizeof(struct ethhdr) + 4)
		at[2] = type;
	else
		at[4] = type;
}

static __always_inline int forward_ipip(struct steer_ctx *ctx)
{
	const struct backend *b = ctx->backend;
	bool v6 = b->outer_family == 6;
	__u32 added = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__be32 vary = outer_source_bits(b, ctx->fingerprint >> 32);
	__u8 inner = ctx->tuple->family == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	__u32 l3 = ctx->l3;
	void *outer;
	__u64 tags;

	if (b->mtu && ctx->length + added > b->mtu)
		return REASON_TOO_BIG;
	if (ctx->data + 20 > ctx->end)
		return REASON_TABLE;
	tags = *(__u64 *)(ctx->data + 12);
	if (bpf_xdp_adjust_head(ctx->xdp, -(int)added))
		return REASON_NO_HEADROOM;
	ctx->data = (void *)(long)ctx->xdp->data;
	ctx->end = (void *)(long)ctx->xdp->data_end;
	asm volatile("" : "+r"(l3)); /* the bound must follow the call, for the verifier */
	l3 &= 31;
	outer = ctx->data + l3;
	if (outer + sizeof(struct ipv6hdr) > ctx->end || ctx->data + 22 > ctx->end)
		return REASON_TABLE;
	outer_macs(ctx->data, b);
	forward_ethertype(ctx, l3, tags, v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	if (v6)
		outer_ipv6(outer, b, inner, ctx->tos, ctx->length, vary);
	else
		outer_ipv4(outer, b, inner, ctx->tos, ctx->length, vary);
	return REASON_FORWARDED;
}

static __always_inline int forward(struct steer_ctx *ctx)
{
	if (ctx->backend->forward == FORWARD_L2)
		return forward_l2(ctx);
	if (ctx->backend->forward == FORWARD_IPIP)
		return forward_ipip(ctx);
	return REASON_LOCAL;
}

#endif
