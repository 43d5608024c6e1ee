/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way out: l2 rewrites the MACs, ipip adds an outer header, local passes the packet up. */
#ifndef STEER_FORWARD_H
#define STEER_FORWARD_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "context.h"

#define OUTER_TTL 64

/* Each MAC is read as the one aligned word that the agent stores it in. */
static __always_inline void forward_macs(void *ethernet, const struct backend *b)
{
	__u64 dst = *(const __u64 *)b->dst_mac, src = *(const __u64 *)b->src_mac;
	__u16 *to = ethernet;

	to[0] = dst;
	to[1] = dst >> 16;
	to[2] = dst >> 32;
	to[3] = src;
	to[4] = src >> 16;
	to[5] = src >> 32;
}

static __always_inline int forward_l2(struct steer_ctx *ctx)
{
	const struct backend *b = ctx->backend;

	if (b->mtu && ctx->length > b->mtu)
		return REASON_TOO_BIG;
	if (ctx->data + sizeof(struct ethhdr) > ctx->end)
		return REASON_TABLE;
	forward_macs(ctx->data, b);
	return REASON_FORWARDED;
}

/* Bits that vary by flow in the outer source, so that receivers spread tunnels over queues. */
static __always_inline __u32 forward_source_bits(const struct steer_ctx *ctx)
{
	__u32 bits = ctx->backend->source_bits;

	return bits ? (ctx->fingerprint >> 32) & (0xffffffffU >> (32 - (bits & 31 ?: 32))) : 0;
}

static __always_inline void forward_outer_ipv4(const struct steer_ctx *ctx, struct iphdr *ip,
					       __be32 vary)
{
	const struct backend *b = ctx->backend;
	__be16 length = bpf_htons(ctx->length + sizeof(*ip));
	__u8 protocol = ctx->tuple->family == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	__u32 sum = b->outer_sum + length + ((__u32)(ctx->tos + protocol) << 8) + (vary >> 16) +
		    (vary & 0xffff);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)ip = 0x45 | (__u16)ctx->tos << 8;
	ip->tot_len = length;
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* do not fragment: the id may then be 0 (RFC 6864) */
	ip->ttl = OUTER_TTL;
	ip->protocol = protocol;
	ip->check = ~sum;
	ip->saddr = *(const __be32 *)(b->outer_src + 12) | vary;
	ip->daddr = *(const __be32 *)(b->address + 12);
}

static __always_inline void forward_outer_ipv6(const struct steer_ctx *ctx, struct ipv6hdr *ip,
					       __be32 vary)
{
	const struct backend *b = ctx->backend;

	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)ctx->tos << 20);
	ip->payload_len = bpf_htons(ctx->length);
	ip->nexthdr = ctx->tuple->family == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, b->outer_src, 16);
	__builtin_memcpy(&ip->daddr, b->address, 16);
	ip->saddr.s6_addr32[3] |= vary;
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

/* The outer header copies the inner TOS whole, so that ECN survives (RFC 6040, normal mode). */
static __always_inline int forward_ipip(struct steer_ctx *ctx)
{
	const struct backend *b = ctx->backend;
	bool v6 = b->outer_family == 6;
	__u32 added = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__be32 vary = bpf_htonl(forward_source_bits(ctx));
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
	forward_macs(ctx->data, b);
	forward_ethertype(ctx, l3, tags, v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	if (v6)
		forward_outer_ipv6(ctx, outer, vary);
	else
		forward_outer_ipv4(ctx, outer, vary);
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
