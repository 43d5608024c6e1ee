/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A TCP flow whose backend is down, of a service that says `reset`: the packet itself becomes the
 * RST that answers it (RFC 9293, 3.10.7.1), so that the client connects again at once. The frame
 * keeps its VLAN tags and is cut to plain headers; it goes back the way that it came.
 */
#ifndef STEER_RESET_H
#define STEER_RESET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include "affinity.h"
#include "context.h"
#include "telemetry.h"

#define RESET_TTL 64

/* A RST is never answered (that may go on for ever), and a SYN begins a flow. */
static __always_inline bool reset_wanted(const struct steer_ctx *ctx)
{
	return ctx->service_flags & VIP_RESET && ctx->tuple->protocol == IPPROTO_TCP &&
	       !ctx->about_flow && !(ctx->tcp_flags & TCP_RST) &&
	       (ctx->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

/* The inverted Internet checksum of big-endian words that were added up. */
static __always_inline __u16 reset_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
#pragma unroll
	for (int i = 0; i < 3; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u64 reset_sum(const __be32 *words, int n)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < n; i++)
		sum += words[i];
	return sum;
}

/*
 * The answer to the TCP header at l4, but for its checksum; length: bytes from there to the
 * packet's end. False: not a segment to be answered.
 */
static __always_inline bool reset_segment(struct xdp_md *xdp, __u32 l4, __u32 length,
					  struct tcphdr *ret)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	struct tcphdr *tcp = data + (l4 & 0x3fff);
	__u32 header;
	__u8 flags;

	if (data + ETH_HLEN > end || (void *)(tcp + 1) > end)
		return false;
	header = (((__u8 *)tcp)[12] >> 4) * 4;
	flags = ((__u8 *)tcp)[13];
	if (header < sizeof(*tcp) || header > length || *(__u8 *)data & 1)
		return false;
	ret->source = tcp->dest;
	ret->dest = tcp->source;
	ret->doff = sizeof(*ret) / 4;
	ret->rst = 1;
	if (flags & TCP_ACK) {
		ret->seq = tcp->ack_seq;
		return true;
	}
	ret->ack = 1;
	ret->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + length - header + (flags & TCP_FIN));
	return true;
}

static __always_inline bool reset_cut(struct xdp_md *xdp, __u32 size)
{
	__u32 has = xdp->data_end - xdp->data;

	if (has_frags)
		has = bpf_xdp_get_buff_len(xdp);
	return !bpf_xdp_adjust_tail(xdp, (int)(size - has));
}

static __always_inline void reset_macs(void *ethernet)
{
	__u16 *mac = ethernet;

#pragma unroll
	for (int i = 0; i < 3; i++) {
		__u16 to = mac[i];

		mac[i] = mac[i + 3];
		mac[i + 3] = to;
	}
}

static __always_inline void reset_ipv4(struct iphdr *at, const struct flow_tuple *t)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = bpf_htons(sizeof(ip) + sizeof(struct tcphdr)),
		.frag_off =
			bpf_htons(0x4000), /* do not fragment: the id may then be 0 (RFC 6864) */
		.ttl = RESET_TTL,
		.protocol = IPPROTO_TCP,
		.saddr = t->dst_be[3],
		.daddr = t->src_be[3],
	};

	ip.check = reset_fold(reset_sum((const __be32 *)&ip, sizeof(ip) / 4));
	*at = ip;
}

static __always_inline void reset_ipv6(struct ipv6hdr *ip, const struct flow_tuple *t)
{
	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(sizeof(struct tcphdr));
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = RESET_TTL;
	__builtin_memcpy(&ip->saddr, t->dst_be, 16);
	__builtin_memcpy(&ip->daddr, t->src_be, 16);
}

/*
 * Makes the packet of the pending flow its own answer; l3, l4: offsets, length: bytes from l4 on.
 * 1: done; 0: the packet is as it was. Global, like balance(): verified by itself.
 */
__attribute__((noinline)) int reset_packet(struct xdp_md *xdp, __u32 l3, __u32 l4, __u32 length,
					   __u32 cpu)
{
	const struct pending_flow *flow = bpf_map_lookup_elem(&pending, &cpu);
	const struct flow_tuple *t;
	struct tcphdr tcp = {};
	void *data, *end, *ip;
	__u64 sum;
	bool v6;

	if (!flow || !reset_segment(xdp, l4, length, &tcp))
		return 0;
	t = &flow->tuple;
	v6 = t->family == 6;
	l3 &= 31;
	if (!reset_cut(xdp,
		       l3 + sizeof(tcp) + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr))))
		return 0;
	sum = reset_sum((const __be32 *)&tcp, sizeof(tcp) / 4) +
	      bpf_htonl(IPPROTO_TCP + sizeof(tcp));
	sum += v6 ? reset_sum(t->src_be, 4) + reset_sum(t->dst_be, 4)
		  : (__u64)t->src_be[3] + t->dst_be[3];
	tcp.check = reset_fold(sum);
	data = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	asm volatile("" : "+r"(l3)); /* the bound must follow the call, for the verifier */
	ip = data + (l3 & 31);
	if (data + ETH_HLEN > end || ip + sizeof(struct iphdr) + sizeof(tcp) > end)
		return 0;
	reset_macs(data);
	if (!v6) {
		reset_ipv4(ip, t);
		*(struct tcphdr *)(ip + sizeof(struct iphdr)) = tcp;
		return 1;
	}
	if (ip + sizeof(struct ipv6hdr) + sizeof(tcp) > end)
		return 0;
	reset_ipv6(ip, t);
	*(struct tcphdr *)(ip + sizeof(struct ipv6hdr)) = tcp;
	return 1;
}

/*
 * For a known flow whose backend is down, and balance's answer for it. Where that is the same
 * backend after all, since none is better, the flow goes on.
 */
static __always_inline int reset_or_move(struct steer_ctx *ctx, int reason)
{
	int answered;

	if (reset_wanted(ctx) && (reason != STEER_NEXT || ctx->slot != (__u16)ctx->word)) {
		answered = reset_packet(ctx->xdp, ctx->l3, ctx->l4,
					ctx->length - (ctx->l4 - ctx->l3), ctx->cpu);
		ctx->data = (void *)(long)ctx->xdp->data;
		ctx->end = (void *)(long)ctx->xdp->data_end;
		if (answered) {
			affinity_close(ctx);
			telemetry_forget(ctx);
			return REASON_RESET;
		}
	}
	STEER_NOTE(ctx->cpu, flow_moves);
	return reason;
}

#endif
