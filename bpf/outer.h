/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet gets on its way to a backend: the MACs, and the outer header of a tunnel. */
#ifndef STEER_OUTER_H
#define STEER_OUTER_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

#define OUTER_TTL 64

/* Each MAC is read as the one aligned word that the agent stores it in. */
static __always_inline void outer_macs(void *ethernet, const struct backend *b)
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

/*
 * Bits that vary by flow in the outer source, as they lie in it, so that receivers spread tunnels
 * over queues.
 */
static __always_inline __be32 outer_source_bits(const struct backend *b, __u32 flow)
{
	__u32 bits = b->source_bits;

	return bits ? bpf_htonl(flow & (0xffffffffU >> (32 - (bits & 31 ?: 32)))) : 0;
}

/*
 * inner: IPPROTO_IPIP or IPPROTO_IPV6; length: the inner packet's, bytes. The outer header copies
 * the inner TOS whole, so that ECN survives (RFC 6040, normal mode).
 */
static __always_inline void outer_ipv4(struct iphdr *ip, const struct backend *b, __u8 inner,
				       __u8 tos, __u32 inner_length, __be32 vary)
{
	__be16 length = bpf_htons(inner_length + sizeof(*ip));
	__u32 sum = b->outer_sum + length + ((__u32)(tos + inner) << 8) + (vary >> 16) +
		    (vary & 0xffff);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)ip = 0x45 | (__u16)tos << 8;
	ip->tot_len = length;
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* do not fragment: the id may then be 0 (RFC 6864) */
	ip->ttl = OUTER_TTL;
	ip->protocol = inner;
	ip->check = ~sum;
	ip->saddr = *(const __be32 *)(b->outer_src + 12) | vary;
	ip->daddr = *(const __be32 *)(b->address + 12);
}

static __always_inline void outer_ipv6(struct ipv6hdr *ip, const struct backend *b, __u8 inner,
				       __u8 tos, __u32 inner_length, __be32 vary)
{
	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)tos << 20);
	ip->payload_len = bpf_htons(inner_length);
	ip->nexthdr = inner;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, b->outer_src, 16);
	__builtin_memcpy(&ip->daddr, b->address, 16);
	ip->saddr.s6_addr32[3] |= vary;
}

#endif
