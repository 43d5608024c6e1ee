/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For receivers without a tunnel device: takes the outer header off IP-in-IP packets that a known
 * sender sent to this host, and passes what was inside up the stack. What is no tunnel, or is for
 * another host, passes untouched.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include "decap_maps.h"

#define DECAP_NEXT     DECAP_REASON_MAX
#define VLAN_TAGS      2
#define IPV4_FRAGMENT  0x3fff /* more fragments, or an offset */
#define IPV4_WORDS_MAX 15     /* of a header, 32 bits each */

/* ECN field (RFC 3168). */
#define ECN_NOT_ECT 0
#define ECN_ECT_1   1
#define ECN_ECT_0   2
#define ECN_CE	    3

/* Frames may come in several buffers (Linux 5.18). Set by the agent before loading. */
const volatile bool frags;

struct decap_ctx {
	struct xdp_md *xdp;
	void *data, *end;
	__u64 l3;    /* offset of the outer header, bytes: 14, 18 or 22 */
	__u64 outer; /* its size, bytes */
	__u64 room;  /* bytes that the outer packet has for the inner */
	__u8 inner;  /* IPPROTO_IPIP or IPPROTO_IPV6 */
	__u8 ecn;    /* the outer header's */
	struct decap_address source, destination;
};

static __always_inline int read_ethernet(struct decap_ctx *ctx, __be16 *ret_protocol)
{
	struct ethhdr *eth = ctx->data;
	__be16 protocol;

	if ((void *)(eth + 1) > ctx->end)
		return DECAP_NOT_TUNNEL;
	protocol = eth->h_proto;
	ctx->l3 = sizeof(*eth);
#pragma unroll
	for (int i = 0; i < VLAN_TAGS; i++) {
		__be16 *tag = ctx->data + ctx->l3;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 2) > ctx->end)
			return DECAP_NOT_TUNNEL;
		protocol = tag[1];
		ctx->l3 += 4;
	}
	*ret_protocol = protocol;
	return DECAP_NEXT;
}

static __always_inline bool is_tunnel(__u8 protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

static __always_inline void map_ipv4(struct decap_address *a, __be32 address)
{
	__u32 *words = (__u32 *)a->address;

	words[0] = words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

static __always_inline int check_addresses(struct decap_ctx *ctx)
{
	struct decap_prefix key = {.bits = 128};

	if (!bpf_map_lookup_elem(&decap_local, &ctx->destination))
		return DECAP_NOT_LOCAL;
	__builtin_memcpy(key.address, ctx->source.address, sizeof(key.address));
	return bpf_map_lookup_elem(&decap_sources, &key) ? DECAP_NEXT : DECAP_UNKNOWN_SOURCE;
}

/* Whether the frame ends before the outer packet does. */
static __always_inline bool is_cut_short(struct decap_ctx *ctx)
{
	__u64 size = ctx->l3 + ctx->outer + ctx->room;

	if (size <= (__u64)(ctx->end - ctx->data))
		return false;
	return !frags || bpf_xdp_get_buff_len(ctx->xdp) < size;
}

/* Whether the header's checksum is right; its size is not over what the packet holds. */
static __always_inline bool ipv4_is_intact(struct decap_ctx *ctx, struct iphdr *ip)
{
	__u16 *half = (void *)ip;
	__u64 sum = 0;

	for (int i = 0; i < 2 * IPV4_WORDS_MAX; i++) {
		if (i >= ip->ihl * 2)
			break;
		if ((void *)(half + i + 1) > ctx->end)
			return false;
		sum += half[i];
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static __always_inline int read_outer_ipv4(struct decap_ctx *ctx)
{
	struct iphdr *ip = ctx->data + ctx->l3;
	__u32 length;
	int verdict;

	if ((void *)(ip + 1) > ctx->end || ip->version != 4 || !is_tunnel(ip->protocol))
		return DECAP_NOT_TUNNEL;
	map_ipv4(&ctx->source, ip->saddr);
	map_ipv4(&ctx->destination, ip->daddr);
	verdict = check_addresses(ctx);
	if (verdict != DECAP_NEXT)
		return verdict;
	length = bpf_ntohs(ip->tot_len);
	ctx->outer = ip->ihl * 4;
	if (ip->ihl < 5 || length < ctx->outer || !ipv4_is_intact(ctx, ip))
		return DECAP_MALFORMED;
	ctx->room = length - ctx->outer;
	if (is_cut_short(ctx))
		return DECAP_MALFORMED;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT))
		return DECAP_FRAGMENT;
	ctx->inner = ip->protocol;
	ctx->ecn = ip->tos & ECN_CE;
	return DECAP_NEXT;
}

/* Extension headers in front of the inner packet make it no tunnel of ours. */
static __always_inline int read_outer_ipv6(struct decap_ctx *ctx)
{
	struct ipv6hdr *ip = ctx->data + ctx->l3;
	int verdict;

	if ((void *)(ip + 1) > ctx->end || ip->version != 6 || !is_tunnel(ip->nexthdr))
		return DECAP_NOT_TUNNEL;
	__builtin_memcpy(&ctx->source, &ip->saddr, sizeof(ctx->source));
	__builtin_memcpy(&ctx->destination, &ip->daddr, sizeof(ctx->destination));
	ctx->outer = sizeof(*ip);
	ctx->room = bpf_ntohs(ip->payload_len);
	ctx->inner = ip->nexthdr;
	ctx->ecn = ip->flow_lbl[0] >> 4 & ECN_CE;
	verdict = check_addresses(ctx);
	if (verdict != DECAP_NEXT)
		return verdict;
	return is_cut_short(ctx) ? DECAP_MALFORMED : DECAP_NEXT;
}

/* The ECN field that the inner packet goes on with (RFC 6040, section 4.2); -1: to be dropped. */
static __always_inline int ecn_decapsulated(__u8 inner, __u8 outer)
{
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? -1 : ECN_CE;
	if (outer == ECN_ECT_1 && inner == ECN_ECT_0)
		return ECN_ECT_1;
	return inner;
}

static __always_inline int inner_ipv4(struct decap_ctx *ctx, struct iphdr *ip)
{
	__u16 length, before;
	__u32 sum;
	int ecn;

	if ((void *)(ip + 1) > ctx->end || ip->version != 4 || ip->ihl < 5)
		return DECAP_MALFORMED;
	length = bpf_ntohs(ip->tot_len);
	if (length < ip->ihl * 4 || length > ctx->room)
		return DECAP_MALFORMED;
	ecn = ecn_decapsulated(ip->tos & ECN_CE, ctx->ecn);
	if (ecn < 0)
		return DECAP_CONGESTED;
	before = *(__u16 *)ip;
	ip->tos = (ip->tos & ~ECN_CE) | ecn;
	sum = (__u16)~ip->check + (__u16)~before + *(__u16 *)ip; /* RFC 1624 */
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (before != *(__u16 *)ip)
		ip->check = ~sum;
	return DECAP_NEXT;
}

static __always_inline int inner_ipv6(struct decap_ctx *ctx, struct ipv6hdr *ip)
{
	__u32 length;
	int ecn;

	if ((void *)(ip + 1) > ctx->end || ip->version != 6)
		return DECAP_MALFORMED;
	length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (length > ctx->room)
		return DECAP_MALFORMED;
	ecn = ecn_decapsulated(ip->flow_lbl[0] >> 4 & ECN_CE, ctx->ecn);
	if (ecn < 0)
		return DECAP_CONGESTED;
	ip->flow_lbl[0] = (ip->flow_lbl[0] & ~(ECN_CE << 4)) | ecn << 4;
	return DECAP_NEXT;
}

/* Takes the outer header out from between Ethernet (with its tags) and the inner packet. */
static __always_inline int strip(struct decap_ctx *ctx)
{
	__be16 protocol = ctx->inner == IPPROTO_IPV6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	__u64 macs, tags;
	__u32 macs_rest;

	if (ctx->data + 20 > ctx->end)
		return DECAP_MALFORMED;
	macs = *(__u64 *)ctx->data;
	macs_rest = *(__u32 *)(ctx->data + 8);
	tags = *(__u64 *)(ctx->data + 12);
	if (bpf_xdp_adjust_head(ctx->xdp, (int)ctx->outer))
		return DECAP_MALFORMED;
	ctx->data = (void *)(long)ctx->xdp->data;
	ctx->end = (void *)(long)ctx->xdp->data_end;
	if (ctx->data + 22 > ctx->end)
		return DECAP_MALFORMED;
	*(__u64 *)ctx->data = macs;
	*(__u32 *)(ctx->data + 8) = macs_rest;
	if (ctx->l3 == 18)
		*(__u32 *)(ctx->data + 12) = tags;
	else if (ctx->l3 == 22)
		*(__u64 *)(ctx->data + 12) = tags;
	*(__be16 *)(ctx->data + ctx->l3 - 2) = protocol;
	return DECAP_DECAPSULATED;
}

static __always_inline int decap_packet(struct decap_ctx *ctx)
{
	__be16 protocol;
	void *inner;
	int verdict = read_ethernet(ctx, &protocol);

	if (verdict != DECAP_NEXT)
		return verdict;
	if (protocol == bpf_htons(ETH_P_IP))
		verdict = read_outer_ipv4(ctx);
	else if (protocol == bpf_htons(ETH_P_IPV6))
		verdict = read_outer_ipv6(ctx);
	else
		verdict = DECAP_NOT_TUNNEL;
	if (verdict != DECAP_NEXT)
		return verdict;
	inner = ctx->data + ctx->l3 + ctx->outer;
	verdict = ctx->inner == IPPROTO_IPV6 ? inner_ipv6(ctx, inner) : inner_ipv4(ctx, inner);
	return verdict == DECAP_NEXT ? strip(ctx) : verdict;
}

/* The one exit. */
static __always_inline int count(int reason)
{
	__u32 key = bpf_get_smp_processor_id();
	struct decap_reasons *r = bpf_map_lookup_elem(&decap_reasons, &key);

	if (r && reason >= 0 && reason < DECAP_REASON_MAX)
		(&r->decapsulated)[reason]++;
	return reason <= DECAP_NOT_LOCAL ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int decap(struct xdp_md *xdp)
{
	struct decap_ctx ctx = {
		.xdp = xdp,
		.data = (void *)(long)xdp->data,
		.end = (void *)(long)xdp->data_end,
	};

	return count(decap_packet(&ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
