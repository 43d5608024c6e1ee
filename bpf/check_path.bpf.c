/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends health checks the way that clients' packets go. The agent's sockets connect to a VIP, with
 * a mark that says for which backend; a routing rule leads marked packets to the loopback device,
 * where this program meets them on their way out, reads the backend's entry that packets read,
 * and sends them to it: rewritten or encapsulated as forward.h would have. What is not marked goes
 * on untouched; what is marked never gets as far as this host's own sockets.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "check_path_maps.h"
#include "outer.h"

struct check_packet {
	__u32 length; /* from the IP header on, bytes */
	__u8 tos;
	__u8 protocol; /* what an outer header calls it */
};

static __always_inline int read_packet(struct __sk_buff *skb, struct check_packet *packet)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *v4 = data + sizeof(struct ethhdr);
	struct ipv6hdr *v6 = data + sizeof(struct ethhdr);

	if (skb->protocol == bpf_htons(ETH_P_IP) && (void *)(v4 + 1) <= end) {
		packet->length = bpf_ntohs(v4->tot_len);
		packet->tos = v4->tos;
		packet->protocol = IPPROTO_IPIP;
		return CHECK_SENT;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6) && (void *)(v6 + 1) <= end) {
		packet->length = bpf_ntohs(v6->payload_len) + sizeof(*v6);
		packet->tos = bpf_ntohl(*(__be32 *)v6) >> 20;
		packet->protocol = IPPROTO_IPV6;
		return CHECK_SENT;
	}
	return CHECK_MALFORMED;
}

/* What the kernel has yet to cut into segments is no longer than the route's MTU by segment. */
static __always_inline bool is_too_big(struct __sk_buff *skb, const struct backend *b, __u32 length)
{
	return b->mtu && length > b->mtu && !skb->gso_size;
}

static __always_inline int send_l2(struct __sk_buff *skb, const struct backend *b,
				   const struct check_packet *packet)
{
	void *data = (void *)(long)skb->data;

	if (is_too_big(skb, b, packet->length))
		return CHECK_TOO_BIG;
	if (data + sizeof(struct ethhdr) > (void *)(long)skb->data_end)
		return CHECK_MALFORMED;
	outer_macs(data, b);
	return CHECK_SENT;
}

static __always_inline int send_ipip(struct __sk_buff *skb, const struct backend *b,
				     const struct check_packet *packet)
{
	bool v6 = b->outer_family == 6;
	__u32 added = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u64 flags = v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	__be32 vary = outer_source_bits(b, bpf_get_hash_recalc(skb));
	struct ethhdr *eth;
	void *outer;

	if (is_too_big(skb, b, packet->length + added))
		return CHECK_TOO_BIG;
	if (bpf_skb_adjust_room(skb, added, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_FIXED_GSO))
		return CHECK_NO_ROOM;
	eth = (void *)(long)skb->data;
	outer = eth + 1;
	if (outer + sizeof(struct ipv6hdr) > (void *)(long)skb->data_end)
		return CHECK_MALFORMED;
	outer_macs(eth, b);
	if (v6) {
		eth->h_proto = bpf_htons(ETH_P_IPV6);
		outer_ipv6(outer, b, packet->protocol, packet->tos, packet->length, vary);
	} else {
		eth->h_proto = bpf_htons(ETH_P_IP);
		outer_ipv4(outer, b, packet->protocol, packet->tos, packet->length, vary);
	}
	return CHECK_SENT;
}

static __always_inline int send(struct __sk_buff *skb, const struct backend *b)
{
	struct check_packet packet;
	int reason = read_packet(skb, &packet);

	if (reason != CHECK_SENT)
		return reason;
	if (!(b->state & BACKEND_ROUTE))
		return CHECK_NO_ROUTE;
	if (b->forward == FORWARD_L2)
		return send_l2(skb, b, &packet);
	if (b->forward == FORWARD_IPIP)
		return send_ipip(skb, b, &packet);
	return CHECK_NO_BACKEND;
}

static __always_inline void count(int reason)
{
	__u32 key = bpf_get_smp_processor_id();
	struct check_reasons *r = bpf_map_lookup_elem(&check_reasons, &key);

	if (r && reason >= 0 && reason < CHECK_REASON_MAX)
		(&r->sent)[reason]++;
}

SEC("tc")
int check_path(struct __sk_buff *skb)
{
	__u32 slot = skb->mark & ~CHECK_MARK_MASK;
	const struct backend *b;
	int reason;

	if ((skb->mark & CHECK_MARK_MASK) != CHECK_MARK)
		return TC_ACT_UNSPEC;
	b = bpf_map_lookup_elem(&backends, &slot);
	reason = b && b->stack[0] ? send(skb, b) : CHECK_NO_BACKEND;
	count(reason);
	return reason == CHECK_SENT ? bpf_redirect(b->ifindex, 0) : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
