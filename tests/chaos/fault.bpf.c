/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * On a backend's link, where packets come in: counts what clients send to the VIPs (tests/lab's),
 * and then loses some of everything, or sends it a longer way. Attached by tc; pass.bpf.c or the
 * decapsulator were there before it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VIP4	   0xcb00710a /* 203.0.113.10 */
#define BACKENDS4  0x0a01     /* 10.1.0.0/16: links of the edge and the backends */
#define VIP6_FIRST 0x20010db8 /* 2001:db8::10 */
#define VIP6_LAST  0x00000010
#define BACKENDS6  0x0001 /* 2001:db8:1::/48 */

/* Map `counts`, key 0: of clients, to a VIP, whatever became of them then. */
struct counts {
	__u64 syns;
	__u64 packets;
};

/* Map `fault`, key 0. Written by tests/chaos/fault.sh. */
struct fault {
	__u32 lose;   /* of 2^32 packets; 2^32 - 1: all */
	__u32 detour; /* interface to send TCP and UDP out of; 0: none */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fault);
} fault SEC(".maps");

struct headers {
	__u8 protocol;
	__u8 from_client; /* to a VIP */
	__u32 length;	  /* up to the transport header */
};

static int parse4(struct __sk_buff *skb, struct headers *h)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return -1;
	h->protocol = ip.protocol;
	h->length = ETH_HLEN + ip.ihl * 4;
	h->from_client = bpf_ntohl(ip.daddr) == VIP4 && bpf_ntohl(ip.saddr) >> 16 != BACKENDS4;
	return 0;
}

static int parse6(struct __sk_buff *skb, struct headers *h)
{
	struct ipv6hdr ip;
	__u32 *from = ip.saddr.in6_u.u6_addr32, *to = ip.daddr.in6_u.u6_addr32;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return -1;
	h->protocol = ip.nexthdr;
	h->length = ETH_HLEN + sizeof(ip);
	h->from_client = bpf_ntohl(to[0]) == VIP6_FIRST && bpf_ntohl(to[3]) == VIP6_LAST &&
			 !to[1] && !to[2] &&
			 !(bpf_ntohl(from[0]) == VIP6_FIRST &&
			   bpf_ntohl(from[1]) >> 16 == BACKENDS6);
	return 0;
}

static int is_syn(struct __sk_buff *skb, const struct headers *h)
{
	struct tcphdr tcp;

	return h->protocol == IPPROTO_TCP &&
	       !bpf_skb_load_bytes(skb, h->length, &tcp, sizeof(tcp)) && tcp.syn && !tcp.ack;
}

static void count(struct __sk_buff *skb, struct counts *c, struct headers *h)
{
	int ret = -1;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		ret = parse4(skb, h);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		ret = parse6(skb, h);
	if (ret || !h->from_client)
		return;
	__sync_fetch_and_add(&c->packets, 1);
	if (is_syn(skb, h))
		__sync_fetch_and_add(&c->syns, 1);
}

SEC("tc")
int fault_in(struct __sk_buff *skb)
{
	struct headers h = {};
	__u32 key = 0;
	struct counts *c = bpf_map_lookup_elem(&counts, &key);
	struct fault *f = bpf_map_lookup_elem(&fault, &key);

	if (!c || !f)
		return TC_ACT_OK;
	count(skb, c, &h);
	if (f->lose == ~0U || bpf_get_prandom_u32() < f->lose)
		return TC_ACT_SHOT;
	if (f->detour && (h.protocol == IPPROTO_TCP || h.protocol == IPPROTO_UDP))
		return bpf_redirect(f->detour, 0);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
