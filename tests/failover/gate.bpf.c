/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A backend's gate, on its own interface: XDP for what comes, tc for what goes. It notes each SYN
 * before anything can happen to it, and loses frames by chance when told to.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "failover/gate.h"

/* Of 256 frames, in either direction. The program outside writes, these read. */
volatile __u32 lost_of_256 = 0;

/* Notes for the program outside, which looks for them by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GATE_NOTES_SIZE);
} notes SEC(".maps");
volatile __u64 notes_lost = 0;

static __always_inline int is_lost(void)
{
	__u32 lost = lost_of_256;

	return lost && (bpf_get_prandom_u32() & 255) < lost;
}

static __always_inline void note_syn(const struct iphdr *ip, const struct tcphdr *tcp, int lost)
{
	struct gate_note *note = bpf_ringbuf_reserve(&notes, sizeof(*note), 0);

	if (!note) {
		__sync_fetch_and_add(&notes_lost, 1);
		return;
	}
	*note = (struct gate_note){.at_ns = bpf_ktime_get_ns(),
				   .source_be = ip->saddr,
				   .target_be = ip->daddr,
				   .sequence_be = tcp->seq,
				   .port_be = tcp->source,
				   .lost = (__u16)lost};
	bpf_ringbuf_submit(note, BPF_RB_NO_WAKEUP);
}

SEC("xdp")
int gate_in(struct xdp_md *xdp)
{
	const struct ethhdr *eth = (const void *)(long)xdp->data;
	const void *end = (const void *)(long)xdp->data_end;
	const struct iphdr *ip = (const void *)(eth + 1);
	const struct tcphdr *tcp = (const void *)(ip + 1);
	int lost = is_lost();

	if ((const void *)(tcp + 1) <= end && eth->h_proto == bpf_htons(ETH_P_IP) && ip->ihl == 5 &&
	    ip->protocol == IPPROTO_TCP && tcp->syn && !tcp->ack)
		note_syn(ip, tcp, lost);
	return lost ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int gate_out(struct __sk_buff *skb)
{
	return is_lost() ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
