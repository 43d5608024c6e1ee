/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Drives a program under test, unmodified, over packets of many flows. A test run does not restore
 * the packet between repeats: drive() writes the next flow's address and ports into it, calls the
 * program by a tail call from a subprogram (which returns here), and takes off what the program
 * has put on. The other programs are what is compared with: nothing at all, the cost of the
 * undoing, and the floors.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"
#include "harness.h"

struct harness_settings settings;

/* The program under test, in slot 0. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

/* Of the flow table's size. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_bucket);
} floor_table SEC(".maps");

const volatile __u32 floor_mask; /* buckets - 1 */

static __noinline int call_target(struct xdp_md *xdp)
{
	int verdict = XDP_ABORTED; /* of no target */

	bpf_tail_call_static(xdp, &target, 0);
	barrier_var(verdict); /* or clang takes it for the answer */
	return verdict;
}

/*
 * Distinct flows for distinct indexes: an odd multiplier makes it a bijection on the address. Wide
 * stores, since a load that spans two stores still under way would wait for them, as it would not
 * with a packet that came from a device.
 */
static __always_inline void write_flow(struct xdp_md *xdp, bool v6)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	__u32 flow = settings.next & settings.mask;
	__u64 address = flow * 0x9e3779b1;

	settings.next += HARNESS_STRIDE;
	if (data + HARNESS_SIZE > end)
		return;
	*(__u64 *)(data + HARNESS_ADDRESS_AT(v6)) = settings.address_rest |
						    (v6 ? address << 32 : address);
	*(__u32 *)(data + HARNESS_PORTS_AT(v6)) = settings.ports_rest |
						  (__u16)(address ^ flow >> 7);
	if (!settings.numbered)
		return;
	*(__u32 *)(data + HARNESS_NUMBERS_AT(v6)) = bpf_htonl(settings.sequence);
	settings.sequence += settings.sequence_step;
}

static __always_inline void take_off(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	long added = end - data;

	barrier_var(added); /* or clang compares it with sizes, which the verifier does not read */
	added -= HARNESS_SIZE;
	if (!added || bpf_xdp_adjust_head(xdp, (int)added))
		return;
	data = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	if (data + sizeof(struct ethhdr) <= end)
		((struct ethhdr *)data)->h_proto = settings.protocol_be;
}

/*
 * Reading the clock waits for all that came before and lets nothing after it begin early. Without,
 * the CPU works on several packets at a time and hides one's cache misses behind the next, as it
 * hardly can with a driver's work in between.
 */
static __always_inline int drive(struct xdp_md *xdp, bool v6)
{
	int verdict = XDP_ABORTED;

#pragma unroll
	for (int i = 0; i < HARNESS_BATCH; i++) {
		write_flow(xdp, v6);
		settings.clock = bpf_ktime_get_ns();
		verdict = call_target(xdp);
		take_off(xdp);
	}
	return verdict;
}

SEC("xdp")
int drive_ipv4(struct xdp_md *xdp)
{
	return drive(xdp, false);
}

SEC("xdp")
int drive_ipv6(struct xdp_md *xdp)
{
	return drive(xdp, true);
}

SEC("xdp")
int null_pass(struct xdp_md *xdp)
{
	return XDP_PASS;
}

/* Adds a header and writes nothing: with null_grow_twice, what drive's undoing costs. */
SEC("xdp")
int null_grow(struct xdp_md *xdp)
{
	return bpf_xdp_adjust_head(xdp, -20) ? XDP_ABORTED : XDP_TX;
}

SEC("xdp")
int null_grow_twice(struct xdp_md *xdp)
{
	if (bpf_xdp_adjust_head(xdp, -20))
		return XDP_ABORTED;
	return bpf_xdp_adjust_head(xdp, -20) ? XDP_ABORTED : XDP_TX;
}

/* What the floors read of a packet. */
struct parsed {
	__u32 length;
	__u8 tos;
	__u32 client; /* the part of the address that varies */
	__u32 ports;
};

static __always_inline bool parse(struct xdp_md *xdp, bool v6, struct parsed *ret)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = v6 ? (void *)(ip6 + 1) : (void *)(ip + 1);

	if ((void *)(tcp + 1) > end)
		return false;
	ret->ports = *(__u32 *)tcp;
	if (v6) {
		if (eth->h_proto != bpf_htons(ETH_P_IPV6) || ip6->nexthdr != IPPROTO_TCP)
			return false;
		ret->length = bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
		ret->tos = ip6->priority << 4 | ip6->flow_lbl[0] >> 4;
		ret->client = ip6->saddr.s6_addr32[3];
		return true;
	}
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_TCP)
		return false;
	ret->length = bpf_ntohs(ip->tot_len);
	ret->tos = ip->tos;
	ret->client = ip->saddr;
	return true;
}

static __always_inline void *grow(struct xdp_md *xdp, __u32 added, __be16 protocol)
{
	const __u16 macs[6] = {0x0002, 1, 2, 0x0002, 3, 4};
	void *data, *end;

	if (bpf_xdp_adjust_head(xdp, -(int)added))
		return 0;
	data = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	if (data + sizeof(struct ethhdr) + sizeof(struct ipv6hdr) > end)
		return 0;
	__builtin_memcpy(data, macs, sizeof(macs));
	*(__be16 *)(data + 12) = protocol;
	return data + sizeof(struct ethhdr);
}

static __always_inline __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline __u32 sum_inline(const void *header)
{
	const __u16 *half = header;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += half[i];
	return sum;
}

static __always_inline int outer_ipv4(struct xdp_md *xdp, const struct parsed *p, bool helper)
{
	struct iphdr *ip = grow(xdp, sizeof(*ip), bpf_htons(ETH_P_IP));

	if (!ip)
		return XDP_ABORTED;
	*(__u16 *)ip = 0x45 | (__u16)p->tos << 8;
	ip->tot_len = bpf_htons(p->length + sizeof(*ip));
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = bpf_htonl(0xc0000201);
	ip->daddr = bpf_htonl(0x0a01000b);
	ip->check = sum_fold(helper ? bpf_csum_diff(0, 0, (void *)ip, sizeof(*ip), 0)
				    : sum_inline(ip));
	return XDP_TX;
}

static __always_inline int outer_ipv6(struct xdp_md *xdp, const struct parsed *p, __u8 inner)
{
	const __be32 addresses[8] = {bpf_htonl(0x20010db8), 0, 0, bpf_htonl(1),
				     bpf_htonl(0x20010db8), 0, 0, bpf_htonl(2)};
	struct ipv6hdr *ip = grow(xdp, sizeof(*ip), bpf_htons(ETH_P_IPV6));

	if (!ip)
		return XDP_ABORTED;
	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)p->tos << 20);
	ip->payload_len = bpf_htons(p->length);
	ip->nexthdr = inner;
	ip->hop_limit = 64;
	__builtin_memcpy(&ip->saddr, addresses, sizeof(addresses));
	return XDP_TX;
}

SEC("xdp")
int floor_4in4(struct xdp_md *xdp)
{
	struct parsed p;

	return parse(xdp, false, &p) ? outer_ipv4(xdp, &p, true) : XDP_ABORTED;
}

SEC("xdp")
int floor_4in4_inline(struct xdp_md *xdp)
{
	struct parsed p;

	return parse(xdp, false, &p) ? outer_ipv4(xdp, &p, false) : XDP_ABORTED;
}

SEC("xdp")
int floor_4in6(struct xdp_md *xdp)
{
	struct parsed p;

	return parse(xdp, false, &p) ? outer_ipv6(xdp, &p, IPPROTO_IPIP) : XDP_ABORTED;
}

SEC("xdp")
int floor_6in6(struct xdp_md *xdp)
{
	struct parsed p;

	return parse(xdp, true, &p) ? outer_ipv6(xdp, &p, IPPROTO_IPV6) : XDP_ABORTED;
}

/* One look-up in a table of the flow table's size, populated by the warm-up. */
SEC("xdp")
int floor_bucket(struct xdp_md *xdp)
{
	struct flow_bucket *bucket;
	struct parsed p;
	__u64 tag;
	__u32 key;

	if (!parse(xdp, false, &p))
		return XDP_ABORTED;
	tag = ((__u64)p.client << 32 | p.ports) * 0x9e3779b97f4a7c15ULL;
	tag = (tag ^ tag >> 32) * 0xbf58476d1ce4e5b9ULL | 1;
	key = tag >> 32 & floor_mask;
	bucket = bpf_map_lookup_elem(&floor_table, &key);
	if (!bucket)
		return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++)
		if (bucket->entry[i].key == tag)
			return XDP_TX;
#pragma unroll
	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++)
		if (!bucket->entry[i].key) {
			bucket->entry[i].key = tag;
			break;
		}
	return XDP_TX;
}

static __always_inline int generate(struct xdp_md *xdp, bool v6)
{
	__u64 *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;

	if (data + HARNESS_SIZE / 8 > end)
		return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < HARNESS_SIZE / 8; i++)
		data[i] = settings.packet[i]; /* pages come back as the last packet left them */
	write_flow(xdp, v6);
	return bpf_redirect(settings.generator, 0);
}

SEC("xdp")
int generate_ipv4(struct xdp_md *xdp)
{
	return generate(xdp, false);
}

SEC("xdp")
int generate_ipv6(struct xdp_md *xdp)
{
	return generate(xdp, true);
}

/* What any program that sends a packet on must do. */
static __always_inline bool write_macs(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	const __u16 macs[6] = {0x0002, 1, 2, 0x0002, 3, 4};

	if (data + sizeof(struct ethhdr) > end)
		return false;
	__builtin_memcpy(data, macs, sizeof(macs));
	return true;
}

SEC("xdp")
int floor_tx(struct xdp_md *xdp)
{
	return write_macs(xdp) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int floor_redirect(struct xdp_md *xdp)
{
	return write_macs(xdp) ? bpf_redirect(settings.away, 0) : XDP_ABORTED;
}

/* By CPU: frames that came through. */
__u64 sunk[HARNESS_CPUS];

SEC("xdp")
int sink(struct xdp_md *xdp)
{
	sunk[bpf_get_smp_processor_id() & (HARNESS_CPUS - 1)]++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
