/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 1. Reads Ethernet, up to two VLAN tags, IPv4 with options, IPv6 with extension headers,
 * TCP, UDP, and the packet inside an ICMP error; finds the service by VIP.
 */
#ifndef STEER_CLASSIFY_H
#define STEER_CLASSIFY_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "context.h"
#include "telemetry.h"

#define VLAN_TAGS     2
#define IPV6_HEADERS  4	     /* looked through; each more multiplies the verifier's work */
#define IPV4_FRAGMENT 0x3fff /* more fragments, or an offset */
#define IPV6_FRAGMENT 0xfff9 /* likewise */

#define TCP_HEADER 20 /* bytes, without options */
#define UDP_HEADER 8

#define NEXT_HOP_BY_HOP	 0
#define NEXT_ROUTING	 43
#define NEXT_FRAGMENT	 44
#define NEXT_DESTINATION 60

struct vlan_tag {
	__be16 tci;
	__be16 protocol;
};

/* The first four bytes are the same for TCP and UDP. */
struct ports {
	__be16 source;
	__be16 destination;
};

/* One IP header, seen or quoted: where its payload is and what kind. */
struct ip_payload {
	void *start;
	__u8 protocol;
};

static __always_inline int classify_ethernet(struct steer_ctx *ctx, __be16 *ret_protocol)
{
	struct ethhdr *eth = ctx->data;
	__be16 protocol;

	if ((void *)(eth + 1) > ctx->end)
		return REASON_MALFORMED;
	protocol = *(__be16 *)(ctx->data + 2 * ETH_ALEN); /* the struct is packed: two loads */
	ctx->l3 = sizeof(*eth);
#pragma unroll
	for (int i = 0; i < VLAN_TAGS; i++) {
		struct vlan_tag *tag = ctx->data + ctx->l3;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > ctx->end)
			return REASON_MALFORMED;
		protocol = tag->protocol;
		ctx->l3 += sizeof(*tag);
	}
	*ret_protocol = protocol;
	return STEER_NEXT;
}

/* The frame holds what its IP header says, which an outer header will repeat. */
static __always_inline bool classify_is_whole(struct steer_ctx *ctx)
{
	__u64 needed = ctx->l3 + ctx->length;

	if (needed <= (__u64)(ctx->end - ctx->data))
		return true;
	return has_frags && needed <= bpf_xdp_get_buff_len(ctx->xdp);
}

/* reverse: the header is quoted in an ICMP error, so its source is our VIP. */
static __always_inline int classify_ipv4(struct steer_ctx *ctx, struct iphdr *ip, bool reverse,
					 struct ip_payload *ret_payload)
{
	struct flow_tuple *t = ctx->tuple;

	if ((void *)(ip + 1) > ctx->end || ip->version != 4 || ip->ihl < 5)
		return REASON_MALFORMED;
	if (!reverse) {
		ctx->length = bpf_ntohs(ip->tot_len);
		ctx->tos = ip->tos;
		if (!classify_is_whole(ctx))
			return REASON_MALFORMED;
	}
	t->family = 4;
	t->src_word[0] = t->dst_word[0] = 0;
	t->src_word[1] = (__u64)(reverse ? ip->daddr : ip->saddr) << 32 | bpf_htonl(0xffff);
	t->dst_word[1] = (__u64)(reverse ? ip->saddr : ip->daddr) << 32 | bpf_htonl(0xffff);
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT))
		ctx->fragment = true;
	ret_payload->start = (void *)ip + ip->ihl * 4;
	ret_payload->protocol = ip->protocol;
	return STEER_NEXT;
}

static __always_inline int classify_ipv6(struct steer_ctx *ctx, struct ipv6hdr *ip, bool reverse,
					 struct ip_payload *ret_payload)
{
	struct flow_tuple *t = ctx->tuple;
	const __u64 *src, *dst;
	void *at = ip + 1;
	__u8 next;

	if (at > ctx->end || ip->version != 6)
		return REASON_MALFORMED;
	if (!reverse) {
		ctx->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
		ctx->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
		if (!classify_is_whole(ctx))
			return REASON_MALFORMED;
	}
	t->family = 6;
	src = (const __u64 *)(reverse ? &ip->daddr : &ip->saddr);
	dst = (const __u64 *)(reverse ? &ip->saddr : &ip->daddr);
	t->src_word[0] = src[0];
	t->src_word[1] = src[1];
	t->dst_word[0] = dst[0];
	t->dst_word[1] = dst[1];
	next = ip->nexthdr;
	for (int i = 0; i < IPV6_HEADERS; i++) {
		__u8 *header = at;

		if (next == IPPROTO_TCP || next == IPPROTO_UDP)
			break;
		if (next != NEXT_HOP_BY_HOP && next != NEXT_ROUTING && next != NEXT_DESTINATION &&
		    next != NEXT_FRAGMENT)
			break;
		if (at + 8 > ctx->end)
			return REASON_MALFORMED;
		if (next == NEXT_FRAGMENT) {
			/* One that is all of its packet is none (RFC 6946). */
			ctx->fragment = *(__be16 *)(at + 2) & bpf_htons(IPV6_FRAGMENT);
			if (ctx->fragment)
				break;
			next = header[0];
			at += 8;
			continue;
		}
		next = header[0];
		at += 8 + header[1] * 8;
	}
	ret_payload->start = at;
	ret_payload->protocol = next;
	return STEER_NEXT;
}

static __always_inline int classify_ports(struct steer_ctx *ctx, struct ip_payload *payload,
					  bool reverse)
{
	struct flow_tuple *t = ctx->tuple;
	struct ports *ports = payload->start;
	__u8 *tcp = payload->start;
	__u32 needed;

	t->protocol = payload->protocol;
	t->sport_be = t->dport_be = 0;
	if (ctx->fragment)
		return STEER_NEXT;
	if (t->protocol == IPPROTO_TCP)
		needed = TCP_HEADER;
	else if (t->protocol == IPPROTO_UDP)
		needed = UDP_HEADER;
	else
		return REASON_NOT_VIP;
	if ((void *)(ports + 1) > ctx->end)
		return REASON_MALFORMED;
	ctx->l4 = payload->start - ctx->data;
	if (!reverse && ctx->l4 - ctx->l3 + needed > ctx->length)
		return REASON_MALFORMED;
	t->sport_be = reverse ? ports->destination : ports->source;
	t->dport_be = reverse ? ports->source : ports->destination;
	if (t->protocol == IPPROTO_TCP && !reverse) {
		if ((void *)(tcp + TCP_HEADER) > ctx->end)
			return REASON_MALFORMED;
		ctx->tcp_flags = tcp[13];
	}
	return STEER_NEXT;
}

/* True for the errors whose body quotes the packet they are about (RFC 792, RFC 4443). */
static __always_inline bool classify_icmp_is_error(__u8 version, __u8 type)
{
	if (version == 6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 11 || type == 12;
}

/* An error about a packet that a backend sent from a VIP goes where that flow goes. */
static __always_inline int classify_icmp(struct steer_ctx *ctx, struct ip_payload *payload)
{
	__u8 version = ctx->tuple->family, *icmp = payload->start;
	struct flow_tuple outer = *ctx->tuple;
	int verdict;

	if ((void *)(icmp + 8) > ctx->end)
		return REASON_MALFORMED;
	if (!classify_icmp_is_error(version, icmp[0])) {
		ctx->icmp = true;
		return STEER_NEXT;
	}
	if (version == 6)
		verdict = classify_ipv6(ctx, payload->start + 8, true, payload);
	else
		verdict = classify_ipv4(ctx, payload->start + 8, true, payload);
	if (verdict != STEER_NEXT)
		return verdict;
	if (payload->protocol == IPPROTO_IPIP || payload->protocol == IPPROTO_IPV6) {
		telemetry_tunnel_error(ctx, icmp);
		return REASON_NOT_VIP;
	}
	if (ctx->tuple->dst_word[0] != outer.dst_word[0] ||
	    ctx->tuple->dst_word[1] != outer.dst_word[1])
		return REASON_NOT_VIP;
	ctx->about_flow = true;
	return classify_ports(ctx, payload, true);
}

static __always_inline const struct vip_entry *
vip_probe(const struct vip_table *table, const struct flow_tuple *t, __u16 port_be, __u8 protocol)
{
	__u64 a = t->dst_word[0], b = t->dst_word[1];
	__u32 at = vip_home(table->seed, table->mask, a, b, port_be, protocol);

	for (int i = 0; i < STEER_VIP_PROBE; i++) {
		const struct vip_entry *e =
			&table->slot[(at + i) & table->mask & (STEER_VIP_SLOTS - 1)];
		const __u64 *address;

		barrier_var(e); /* or each field's address is computed anew */
		address = (const __u64 *)e->address;
		if (!(e->flags & VIP_USED))
			break;
		if (address[1] == b && address[0] == a && e->port_be == port_be &&
		    e->protocol == protocol)
			return e;
	}
	return 0;
}

/* Fragments and pings have no ports; the bare address tells whether they are for us. */
static __always_inline int find_service(struct steer_ctx *ctx)
{
	const struct flow_tuple *t = ctx->tuple;
	const struct vip_table *table;
	const struct vip_entry *e;

	ctx->bank = control.active & (STEER_BANKS - 1);
	table = &vips[ctx->bank];
	if (ctx->fragment || ctx->icmp) {
		if (!vip_probe(table, t, 0, 0))
			return REASON_NOT_VIP;
		return ctx->icmp ? REASON_ICMP : REASON_FRAGMENT;
	}
	e = vip_probe(table, t, t->dport_be, t->protocol);
	if (!e && table->any_port)
		e = vip_probe(table, t, 0, t->protocol);
	if (!e)
		return REASON_NOT_VIP;
	ctx->service = e->service;
	ctx->service_flags = e->flags;
	return STEER_NEXT;
}

/* Inlined into both families, of which each then knows its own constants. */
static __always_inline int classify_payload(struct steer_ctx *ctx, struct ip_payload *payload,
					    __u8 icmp)
{
	if (!ctx->fragment && payload->protocol == icmp)
		return classify_icmp(ctx, payload);
	return classify_ports(ctx, payload, false);
}

static __always_inline int classify(struct steer_ctx *ctx)
{
	struct ip_payload payload;
	__be16 protocol;
	int verdict;

	verdict = classify_ethernet(ctx, &protocol);
	if (verdict != STEER_NEXT)
		return verdict;
	if (protocol == bpf_htons(ETH_P_IP)) {
		verdict = classify_ipv4(ctx, ctx->data + ctx->l3, false, &payload);
		if (verdict == STEER_NEXT)
			verdict = classify_payload(ctx, &payload, IPPROTO_ICMP);
	} else if (protocol == bpf_htons(ETH_P_IPV6)) {
		verdict = classify_ipv6(ctx, ctx->data + ctx->l3, false, &payload);
		if (verdict == STEER_NEXT)
			verdict = classify_payload(ctx, &payload, IPPROTO_ICMPV6);
	} else {
		return REASON_NOT_IP;
	}
	if (verdict != STEER_NEXT)
		return verdict;
	return find_service(ctx);
}

#endif
