/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map, in the order in which a packet meets them. The agent sizes them before loading
 * (limits of the node file); sizes below are at the defaults: 4096 services, 256 stacks, 16384
 * backends, 1048576 flows. All are plain arrays: the JIT inlines their look-up. All but the
 * read-only data are pinned and outlive the agent.
 */
#ifndef STEER_MAPS_H
#define STEER_MAPS_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/* Sizes of the maps, for the verifier to fold; set by the agent before loading. */
const volatile struct {
	__u32 services; /* of one bank */
	__u32 splits;	/* of one bank */
	__u32 backends; /* slots; two banks' worth, since slots outlive a change of routes */
	__u32 shares;
	__u32 flow_buckets; /* a power of two */
	__u32 flow_ration;  /* flows that one CPU may remember in a tick; beyond, a flood is on */
	__u32 series;
	__u32 samples;
} limits;

/* Flows are sampled and measured; without, the verifier removes all of that. */
const volatile bool has_telemetry;

/* Frames may come in several buffers (Linux 5.18), of which the first is looked at. */
const volatile bool has_frags;

/*
 * Global data, pinned as `control`: which bank is live, the hash keys, and both VIP tables.
 * Writer: agent (mmap). Reader: every packet. 1.5 MiB.
 */
struct control control;
struct vip_table vips[STEER_BANKS];

/* The kernel rounds values up to eight bytes, the agent maps them as a C array. */
#define STEER_ARRAY(NAME, TYPE, ENTRIES)                                                           \
	_Static_assert(sizeof(TYPE) % 8 == 0, "values lie as in a C array");                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, ENTRIES);                                                      \
		__type(key, __u32);                                                                \
		__type(value, TYPE);                                                               \
	} NAME SEC(".maps")

/*
 * Key: bucket, by fingerprint. Writer and reader: packets on any CPU; the agent only reads. A full
 * bucket evicts its oldest. 16 MiB (page aligned, being mmap-able: a bucket is one cache line).
 */
STEER_ARRAY(flows, struct flow_bucket, 1);

/* The flow that this CPU is finding a backend for, handed to balance(). */
struct pending_flow {
	struct flow_tuple tuple;
	__u32 bank;
	__u16 service;
	__u8 service_flags;
	__u8 unused[17];
};
static_assert(sizeof(struct pending_flow) == 64, "one cache line");

/* Key: CPU. Writer and reader: packets on that CPU. 64 bytes a CPU. */
STEER_ARRAY(pending, struct pending_flow, 1);

/* Key: bank * limits.services + service. Writer: agent; live: panic. Reader: new flows. 1.6 MiB. */
STEER_ARRAY(services, struct service, 1);

/* Key: bank * limits.splits + split. Writer: agent, live too (overlay of health). 32 MiB. */
STEER_ARRAY(splits, struct split, 1);

/* Key: bank * STEER_STACKS + stack. Writer: agent, live. Reader: people, the next agent. 20 KiB. */
STEER_ARRAY(stacks, struct stack, (STEER_BANKS * STEER_STACKS));

/* Key: bank * STEER_STACKS + stack. Writer: agent, live too (overlay of health). 16 MiB. */
STEER_ARRAY(rings, struct ring, (STEER_BANKS * STEER_STACKS));

/* Key: slot. Writer: agent, live: state, generation, next hop. Reader: every packet. 4 MiB. */
STEER_ARRAY(backends, struct backend, 1);

/* Key: CPU * limits.backends + slot. Writer: packets on that CPU. 512 KiB a CPU. */
STEER_ARRAY(backend_counters, struct traffic, 1);

/* Key: CPU * limits.services + service. Writer: packets on that CPU. 128 KiB a CPU. */
STEER_ARRAY(service_counters, struct traffic, 1);

/* Key: CPU * limits.shares + share. Writer: new flows on that CPU. 128 KiB a CPU. */
STEER_ARRAY(share_counters, struct share, 1);

/* Key: CPU. Writer: packets on that CPU. 256 bytes a CPU. */
STEER_ARRAY(reasons, struct reasons, 1);

/* Key: by fingerprint. Writer and reader: packets of sampled flows on any CPU. 4 MiB. */
STEER_ARRAY(samples, struct flow_sample, 1);

/* Key: CPU * limits.series + series. Writer: sampled flows on that CPU. 2.7 MiB a CPU. */
STEER_ARRAY(series, struct series, 1);

/* Key: series. Writer: agent, when it gives a series to others. 8 KiB. */
STEER_ARRAY(series_generation, __u64, 1);

/* Key: share and backend slot. Writer: agent. Reader: new flows that are sampled. 90 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct series_key);
	__type(value, struct series_ref);
} series_of SEC(".maps");

/* Key: CPU * limits.backends + slot. Writer: SYNs, ends of flows on that CPU. 2 MiB a CPU. */
STEER_ARRAY(flow_counts, struct flow_counts, 1);

/* Key: backend slot. Writer: packets on any CPU; agent: limits, and clears. 2 MiB. */
STEER_ARRAY(backend_watch, struct backend_watch, 1);

/* Events about flows for the agent. Writer: packets, rationed. 256 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} flow_events SEC(".maps");

/* Key: address of a backend behind ipip. Writer: agent. Reader: ICMP about tunnels. 3 MiB. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct tunnel_key);
	__type(value, struct tunnel_backend);
} tunnel_backends SEC(".maps");

/* What this CPU may still say in this tick. */
struct event_ration {
	__u32 tick; /* jiffies >> FLOW_TICK_SHIFT that `sent` counts for */
	__u32 unused;
	__u8 sent[8];	     /* by kind */
	__u32 suppressed[8]; /* by kind, since the last one sent */
	__u8 unused2[16];
};
static_assert(sizeof(struct event_ration) == 64, "one cache line");

/* Key: CPU. Writer: packets on that CPU: the ration of events. 64 bytes a CPU. */
STEER_ARRAY(event_rations, struct event_ration, 1);

#endif
