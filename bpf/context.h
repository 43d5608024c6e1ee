/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the stages hand on to each other about one packet. */
#ifndef STEER_CONTEXT_H
#define STEER_CONTEXT_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include "maps.h"

/* A stage's answer when the packet goes on to the next. */
#define STEER_NEXT REASON_MAX

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

struct steer_ctx {
	struct xdp_md *xdp;
	void *data, *end; /* the packet; stale once a header was added or removed */

	/* classify */
	__u32 l3;	 /* offset of the IP header from data, bytes: 14, 18 or 22 */
	__u32 l4;	 /* offset of the TCP or UDP header, if the packet is one of the flow */
	__u32 length;	 /* from the IP header on, bytes, as the IP header says */
	__u8 tos;	 /* IPv4 TOS or IPv6 traffic class */
	__u8 tcp_flags;	 /* 0 for UDP and ICMP */
	bool about_flow; /* an ICMP error about the flow in tuple, not a packet of it */
	bool fragment;	 /* of IP: without ports, or with nothing behind them */
	bool icmp;	 /* ICMP about no flow */
	struct flow_tuple *tuple; /* apart, so that the rest can live in registers */

	/* find_service */
	__u32 bank;
	__u16 service;
	__u8 service_flags; /* VIP_* */

	/* affinity */
	__u32 cpu;
	__u16 tick;
	__u64 fingerprint;
	__u64 word;		  /* of a known flow: its entry's, as it was */
	bool known;		  /* the table has the flow in `entry` */
	bool remembered;	  /* not known before, but now the table has it */
	bool moved;		  /* known, but its backend is down */
	struct flow_entry *entry; /* the flow's, or the one to replace */

	/* balance */
	const struct backend *backend;
	__u32 slot;  /* of backend */
	__u16 share; /* of (service, stack); meaningful for new flows */
};

/* This CPU's line of reasons; NULL only if the map were missized. */
static __always_inline struct reasons *steer_reasons(__u32 cpu)
{
	return bpf_map_lookup_elem(&reasons, &cpu);
}

static __always_inline const struct backend *steer_backend(__u32 slot)
{
	return bpf_map_lookup_elem(&backends, &slot);
}

static __always_inline struct backend_watch *steer_watch(__u32 slot)
{
	return bpf_map_lookup_elem(&backend_watch, &slot);
}

/* `word`: flow_data as one word. */
static __always_inline void steer_write_flow(const struct steer_ctx *ctx, struct flow_entry *e,
					     __u64 word)
{
	e->key = ctx->fingerprint ^ word;
	e->word = word;
}

#define STEER_NOTE(cpu, name)                                                                      \
	do {                                                                                       \
		struct reasons *r_ = steer_reasons(cpu);                                           \
		if (r_)                                                                            \
			r_->name++;                                                                \
	} while (0)

#endif
