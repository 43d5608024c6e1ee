/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel and the agent share: the layout of every map value, the reasons a packet can
 * end with, and the arithmetic that both sides must do alike (hashes, table slots, re-picks).
 * Nothing here is copied by hand on the other side. Addresses are 16 bytes in network order,
 * IPv4 as ::ffff:a.b.c.d; integers are in host order unless the name ends in _be.
 */
#ifndef STEER_ABI_H
#define STEER_ABI_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __bpf__
#define static_assert _Static_assert
#define STEER_INLINE static __attribute__((always_inline)) inline
#else
#include <assert.h>
#define STEER_INLINE static inline
#endif

/* Raised whenever a layout or a meaning below changes; the agent refuses to reuse other maps. */
#define STEER_SCHEMA 3

#define STEER_BANKS	     2 /* routes are double-buffered; control.active says which is live */
#define STEER_VIP_SLOTS	     32768 /* slots of a bank's VIP table */
#define STEER_VIP_KEYS_MAX   16384 /* (VIP, protocol, port) keys a bank can hold */
#define STEER_VIP_PROBE	     16	   /* no key lies farther than this from its home slot */
#define STEER_SPLIT_SLOTS    4096  /* a split's resolution: 1/4096 of the clients */
#define STEER_SPLIT_CHOICES  16	   /* stacks that one split may name */
#define STEER_RING_SLOTS     16384 /* backends of a stack should be fewer than a hundredth */
#define STEER_STACKS	     256   /* stacks of one bank */
#define STEER_NAME	     32	   /* bytes of a name, NUL included */
#define STEER_BUCKET_ENTRIES 4	   /* flows in one cache line */
#define STEER_STACK_TRIES    16	   /* looks at a split before all of its stacks are asked */
#define STEER_BACKEND_TRIES  16	   /* picks before the health of backends is ignored */

/* Why a packet left the datapath as it did. The order is the field order of struct reasons. */
#define STEER_REASONS(X)                                                                           \
	X(forwarded, FORWARDED)	    /* sent to a backend */                                        \
	X(local, LOCAL)		    /* passed up: the backend is this host */                      \
	X(reset, RESET)		    /* answered with a TCP RST: the flow's backend is down */      \
	X(not_ip, NOT_IP)	    /* passed: not IPv4 or IPv6 */                                 \
	X(not_vip, NOT_VIP)	    /* passed: no service has this address, protocol and port */   \
	X(malformed, MALFORMED)	    /* passed: headers cut short or inconsistent */                \
	X(icmp, ICMP)		    /* passed: ICMP to a VIP that is about no flow */              \
	X(fragment, FRAGMENT)	    /* dropped: an IP fragment to a VIP has no ports to go by */   \
	X(no_backend, NO_BACKEND)   /* dropped: nothing that could be sent to */                   \
	X(too_big, TOO_BIG)	    /* dropped: above the MTU towards the backend */               \
	X(no_headroom, NO_HEADROOM) /* dropped: the driver left no room for an outer header */     \
	X(table, TABLE)		    /* dropped: a table is missing or inconsistent: a bug */

/* clang-format off */
enum steer_reason {
#define X(name, NAME) REASON_##NAME,
	STEER_REASONS(X)
#undef X
	REASON_MAX
};
/* clang-format on */

/* What happened on the way, one counter each, beside the reasons. */
#define STEER_NOTES(X)                                                                             \
	X(flow_inserts)	  /* flows remembered */                                                   \
	X(flow_evictions) /* of those, in the place of a live older flow */                        \
	X(flow_rationed)  /* new flows not remembered: too many in this second */                  \
	X(flow_moves)	  /* known flows sent elsewhere, their backend being down */               \
	X(repicks)	  /* first picks whose stack was down */                                   \
	X(refusals)	  /* picks whose backend's breaker was open */                             \
	X(panics)	  /* picks made against what health said */

enum {
#define X(name) +1
	STEER_COUNTERS = REASON_MAX STEER_NOTES(X) /* the counters of struct reasons */
#undef X
};

/* Map `reasons`: key CPU, one line each; the kernel adds, the agent reads. Packets. */
struct reasons {
#define X(name, NAME) __u64 name;
	STEER_REASONS(X)
#undef X
#define X(name) __u64 name;
	STEER_NOTES(X)
#undef X
	__u64 ration_tick; /* the tick that ration_used counts for */
	__u64 ration_used; /* flows remembered in that tick */
	__u64 unused[11];
};
static_assert(sizeof(struct reasons) == 256, "a multiple of a cache line");

/* ---- Hashing ---- */

#define STEER_KEY_WORDS 12

/*
 * Multilinear hashing over 32-bit words with 64-bit random multipliers: the sum modulo 2^64 is
 * strongly universal in its upper half (Lemire and Kaser, "Strongly universal string hashing is
 * fast", 2014). word[0] is the constant term, then src[4], dst[4], ports, protocol.
 */
struct hash_key {
	__u64 word[STEER_KEY_WORDS];
};

/*
 * A packet's flow as the client sent it. For an ICMP error: of the packet it complains about.
 * Addresses are written in whole words: a load that spans two stores would wait for both.
 */
struct flow_tuple {
	union {
		__u32 src_be[4];
		__u64 src_word[2];
	};
	union {
		__u32 dst_be[4];
		__u64 dst_word[2];
	};
	__u16 sport_be;
	__u16 dport_be;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family;   /* 4 or 6 */
	__u16 unused;
};
static_assert(sizeof(struct flow_tuple) == 40, "no padding");

/* A bijection on 64 bits, so that the low bits depend on all (Steele et al., SplitMix, 2014). */
STEER_INLINE __u64 hash_finish(__u64 h)
{
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

/* The unfinished sum over the client's address; the flow's continues from it. */
STEER_INLINE __u64 hash_client_sum(const struct hash_key *key, const struct flow_tuple *t)
{
	__u64 h = key->word[0] + key->word[4] * t->src_be[3];

	if (t->family == 6)
		h += key->word[1] * t->src_be[0] + key->word[2] * t->src_be[1] +
		     key->word[3] * t->src_be[2];
	return h;
}

STEER_INLINE __u64 hash_flow_sum(const struct hash_key *key, const struct flow_tuple *t,
				 __u64 client_sum)
{
	__u64 h = client_sum + key->word[8] * t->dst_be[3] +
		  key->word[9] * (((__u32)t->sport_be << 16) | t->dport_be) +
		  key->word[10] * (((__u32)t->family << 8) | t->protocol);

	if (t->family == 6)
		h += key->word[5] * t->dst_be[0] + key->word[6] * t->dst_be[1] +
		     key->word[7] * t->dst_be[2];
	return h;
}

STEER_INLINE __u32 split_slot(__u64 client_sum)
{
	return hash_finish(client_sum) & (STEER_SPLIT_SLOTS - 1);
}

/* Independent of split_slot() although it may be given the same sum (services sticky by client). */
STEER_INLINE __u32 ring_slot(__u64 sum)
{
	return (hash_finish(sum) >> 40) & (STEER_RING_SLOTS - 1);
}

/*
 * Where to look next when a slot's stack or backend is down: a full-period linear congruence
 * (Knuth, TAOCP 2, 3.2.1.2, theorem A), so that walking on reaches every slot, and survivors are
 * met in proportion to the slots they own. The agent writes the result of the whole walk into
 * the live tables later; the kernel's first few steps give the same answer meanwhile.
 */
STEER_INLINE __u32 split_next_slot(__u32 slot)
{
	return (slot * 2533 + 1109) & (STEER_SPLIT_SLOTS - 1);
}

STEER_INLINE __u32 ring_next_slot(__u32 slot)
{
	return (slot * 10333 + 5771) & (STEER_RING_SLOTS - 1);
}

/* ---- Routes ---- */

/* vip_entry.flags */
#define VIP_USED	  0x01 /* 0: the slot is free and ends a probe */
#define VIP_KEEP	  0x02 /* on_backend_down: keep; without it and VIP_RESET: move */
#define VIP_STICKY_CLIENT 0x04 /* the ring is entered by client, not by flow */
#define VIP_RESET	  0x08 /* on_backend_down: reset */

/*
 * A VIP's key. Port 0 with a protocol: every port. Protocol 0 and port 0: the bare address, which
 * every VIP has once, so that fragments and ICMP know one when they see it (service: unused).
 */
struct vip_entry {
	__u8 address[16] __attribute__((aligned(8)));
	__u16 port_be;
	__u8 protocol;
	__u8 flags;
	__u16 service; /* index into services, without the bank */
	__u16 unused;
};
static_assert(sizeof(struct vip_entry) == 24, "no padding");

/* Linear probing from vip_home(); a free slot ends it. Written by the agent only. */
struct vip_table {
	__u64 seed[2];	/* odd; tried by the agent until every probe is short */
	__u32 mask;	/* slots in use - 1, a power of two - 1 */
	__u32 any_port; /* some entry covers every port: a second probe is worth while */
	struct vip_entry slot[STEER_VIP_SLOTS];
};

/*
 * A key's home slot; a, b: the address as two 64-bit words exactly as they lie in memory. The top
 * bits of the sum of products depend on every bit of the key, the low ones do not.
 */
STEER_INLINE __u32 vip_home(const __u64 seed[2], __u32 mask, __u64 a, __u64 b, __u16 port_be,
			    __u8 protocol)
{
	__u64 h = (a ^ ((__u64)port_be << 16 | protocol)) * seed[0] + b * seed[1];

	return ((h >> 32) * (mask + 1ULL)) >> 32;
}

/* Global data `control`: written by the agent; one word decides which bank packets read. */
struct control {
	__u32 schema;		    /* STEER_SCHEMA */
	__u32 active;		    /* 0 or 1: the live bank; a single store switches every CPU */
	__u64 version[STEER_BANKS]; /* of the routes in each bank, as steerctl shows it */
	struct hash_key node_key;   /* the flow table's: random, this node's own */
	struct hash_key fleet_key[STEER_BANKS]; /* splits' and rings': the same on every host */
	__u64 epoch;	   /* random, of when these maps were made: what counters count since */
	__u64 epoch_ns;	   /* when that was, nanoseconds since 1970 */
	__u32 sample_mask; /* a flow is sampled if none of these bits is set in its hash: 1 in N */
	__u32 sample_off;  /* 1: no flow is sampled */
};

struct choice {
	__u16 stack; /* index into stacks and rings, without the bank */
	__u16 share; /* index into share_counters */
};

/* Map `services`: key bank * services + service. Written by the agent while its bank is idle. */
struct service {
	__u16 split;   /* index into splits, without the bank */
	__u16 choices; /* how many of choice[] are in use */
	__u16 takers;  /* bit: of choice[]; those that may get clients at all */
	__u8 panic;    /* 1: what health says is ignored; stored live, in both banks */
	__u8 unused;
	struct choice choice[STEER_SPLIT_CHOICES];
	char name[STEER_NAME]; /* for people, and for an agent that starts anew */
};
static_assert(sizeof(struct service) == 104, "no padding");

/*
 * Map `splits`: key bank * splits + split. A slot has two indexes of choice[]: the stack that has
 * it now, and its heir, which gets the slot's clients where packets find that stack down before
 * the agent has rewritten the slot. Both in one byte, so that they change in one store.
 */
struct split {
	__u8 choice[STEER_SPLIT_SLOTS];
};
static_assert(STEER_SPLIT_CHOICES == 16, "two indexes fill a byte");

STEER_INLINE __u32 split_owner(__u8 choice)
{
	return choice & (STEER_SPLIT_CHOICES - 1);
}

STEER_INLINE __u32 split_heir(__u8 choice)
{
	return choice / STEER_SPLIT_CHOICES;
}

/* Map `stacks`: key bank * STEER_STACKS + stack. `up` is stored live, in both banks. */
struct stack {
	__u8 up; /* 1: some backend takes new flows */
	__u8 unused[7];
	char name[STEER_NAME];
};
static_assert(sizeof(struct stack) == 40, "no padding");

/* Map `rings`: key bank * STEER_STACKS + stack; values index backends. */
struct ring {
	__u16 backend[STEER_RING_SLOTS];
};

enum forward_mode { FORWARD_L2, FORWARD_IPIP, FORWARD_LOCAL, FORWARD_MODE_MAX };

/* backend.state: the one byte that takes a backend out, stored live by the agent. */
#define BACKEND_NEW   0x01 /* takes new flows */
#define BACKEND_KEEP  0x02 /* keeps the flows it has */
#define BACKEND_ROUTE 0x04 /* the next hop is resolved: a packet could be sent at all */
/* For the agent: why a backend without BACKEND_NEW says nothing about its stack's health. */
#define BACKEND_HELD  0x08 /* an operator keeps flows away */
#define BACKEND_WAITS 0x10 /* its first check is not back yet */

/*
 * Map `backends`, key: slot, stable while the backend (stack, address, mode) is in either bank.
 * Written live by the agent; dst_mac and src_mac lie in one aligned 64-bit word each, so that a
 * changed neighbour is one store. Packets read the first cache line only.
 */
struct backend {
	__u8 state;
	__u8 forward;	  /* enum forward_mode */
	__u16 generation; /* a flow entry of another generation is stale */
	__u32 ifindex;	  /* out of which interface */
	__u8 dst_mac[6];
	__u16 mtu; /* of that interface, bytes from the IP header on */
	__u8 src_mac[6];
	__u8 outer_family; /* 4 or 6 */
	__u8 source_bits;  /* low bits of outer_src that vary by flow, 0 to 32 */
	__u8 address[16];  /* the backend's, and the outer destination */
	__u8 outer_src[16];
	__u32 outer_sum; /* IPv4: sum of the outer header words known beforehand, as they lie */
	__u32 unused;
	char stack[STEER_NAME]; /* empty: the slot is free */
	/* The agent's own, and for the next agent: what it has of its slots in its stack's ring. */
	__u64 ramp_began_ms; /* of its slow start, CLOCK_MONOTONIC; 0: none */
	__u16 ramp_lacks;    /* what that leaves it without, in 1/65536 */
	__u8 slow_step;	     /* an outlier's: how often the rest was halved, or SLOW_STEP_NONE */
	__u8 unused2[21];
};
#define SLOW_STEP_NONE 3 /* it has none of its slots */
static_assert(sizeof(struct backend) == 128, "two cache lines");
static_assert(offsetof(struct backend, stack) == 64, "what packets read is one cache line");
static_assert(offsetof(struct backend, dst_mac) % 8 == 0, "one word");
static_assert(offsetof(struct backend, src_mac) % 8 == 0, "one word");

/* ---- Flow table ---- */

#define FLOW_CLOSING	    0x01 /* a FIN or RST went by: a SYN starts anew */
#define FLOW_CONNECTING	    0x02 /* TCP: only SYNs so far */
#define FLOW_SAMPLED	    0x04 /* has, or had, a line in `samples` */
#define FLOW_CONNECTED	    0x08 /* TCP: the client has not sent data yet */
#define FLOW_ASKED	    0x10 /* TCP: its first request was sent, and nothing came back yet */
#define FLOW_TICK_SHIFT	    8	 /* jiffies to ticks: 0.26 to 2.6 s by CONFIG_HZ */
#define FLOW_UDP_IDLE_TICKS 60	 /* a UDP flow silent for longer is a new one */

/* flow_data as one word, as packets read and write it. */
#define FLOW_BACKEND_SHIFT    0
#define FLOW_GENERATION_SHIFT 16
#define FLOW_SEEN_SHIFT	      32
#define FLOW_FLAGS_SHIFT      48
#define FLOW_USED	      (1ULL << 56)

struct flow_data {
	__u16 backend;
	__u16 generation; /* of that backend slot */
	__u16 seen;	  /* tick of the last packet */
	__u8 flags;
	__u8 used; /* 1; 0: the entry is free */
};
static_assert(sizeof(struct flow_data) == 8, "one word");

/*
 * `key` is the flow's 64-bit fingerprint XOR the word that `data` is. CPUs share the table without
 * a lock; an entry caught half written matches no fingerprint, and the packet is balanced anew
 * (the idea is Hyatt and Mann's, "A lockless transposition table implementation for parallel
 * search", ICGA Journal 25(1), 2002).
 */
struct flow_entry {
	__u64 key;
	union {
		__u64 word;
		struct flow_data data;
	};
};
static_assert(sizeof(struct flow_entry) == 16, "four to a cache line");

/*
 * The sum as it is: its upper half is what multilinear hashing vouches for, and the bucket comes
 * from there; two flows have the same 64 bits with a probability of 2^-33 at most. Never 0.
 */
STEER_INLINE __u64 flow_fingerprint(const struct hash_key *node, const struct flow_tuple *t)
{
	return hash_flow_sum(node, t, hash_client_sum(node, t)) | 1;
}

STEER_INLINE __u32 flow_bucket_of(__u64 fingerprint, __u32 buckets)
{
	return ((fingerprint >> 32) * buckets) >> 32;
}

/* Map `flows`: key: flow_bucket_of(). */
struct flow_bucket {
	struct flow_entry entry[STEER_BUCKET_ENTRIES];
};
static_assert(sizeof(struct flow_bucket) == 64, "one cache line");

/* ---- Counters: written by the key's CPU only, read by the agent through mmap ---- */

/* Map `backend_counters`: key CPU * backends + slot. Map `service_counters`: likewise. */
struct traffic {
	__u64 packets;
	__u64 bytes; /* of the packets as they came, from the IP header on */
};

/* Map `share_counters`: key CPU * shares + share; one share for each (service, stack). */
struct share {
	__u64 new_flows;
};

#include "abi_telemetry.h"

/* ---- Decapsulation: maps of decap.bpf.c ---- */

#define DECAP_LOCAL_MAX	  1024 /* addresses of this host */
#define DECAP_SOURCES_MAX 1024 /* prefixes that may send tunnels */

/* Why a packet left the decapsulator as it did. The order is that of struct decap_reasons. */
#define DECAP_REASONS(X)                                                                           \
	X(decapsulated, DECAPSULATED)	  /* passed up without its outer header */                 \
	X(not_tunnel, NOT_TUNNEL)	  /* passed: carries no IP packet in an IP packet */       \
	X(not_local, NOT_LOCAL)		  /* passed: a tunnel to another host */                   \
	X(unknown_source, UNKNOWN_SOURCE) /* dropped: from outside the prefixes told */            \
	X(fragment, FRAGMENT)		  /* dropped: a fragment of an outer packet */             \
	X(malformed, MALFORMED)		  /* dropped: outer or inner header inconsistent */        \
	X(congested, CONGESTED)		  /* dropped: marked on the way, the inner cannot be */

/* clang-format off */
enum decap_reason {
#define X(name, NAME) DECAP_##NAME,
	DECAP_REASONS(X)
#undef X
	DECAP_REASON_MAX
};
/* clang-format on */

/* Map `decap_reasons`: key CPU, one cache line each. Packets. */
struct decap_reasons {
#define X(name, NAME) __u64 name;
	DECAP_REASONS(X)
#undef X
	__u64 unused;
};
static_assert(sizeof(struct decap_reasons) == 64, "one cache line");

/* Map `decap_local`: key an address of this host. */
struct decap_address {
	__u8 address[16] __attribute__((aligned(8)));
};

struct decap_local {
	__u32 ifindex; /* where the agent saw it first; for people */
};

/* Map `decap_sources`: key for an LPM trie; bits count in the 128, an IPv4 /24 is 120. */
struct decap_prefix {
	__u32 bits;
	__u8 address[16];
};
static_assert(sizeof(struct decap_prefix) == 20, "no padding");

struct decap_source {
	__u32 position; /* in the node file's list */
};

/* ---- Health checks through the forwarding path, see check_path.bpf.c ---- */

/* A check's socket is marked with this and its backend's slot, which takes the lower half. */
#define CHECK_MARK	0x5ee70000
#define CHECK_MARK_MASK 0xffff0000

/* What became of a health check's packet. The order is that of struct check_reasons. */
#define CHECK_REASONS(X)                                                                           \
	X(sent, SENT)		  /* to the backend, as a client's would have been */              \
	X(no_backend, NO_BACKEND) /* dropped: nobody has the slot, or it is this host */           \
	X(no_route, NO_ROUTE)	  /* dropped: the backend has no next hop */                       \
	X(too_big, TOO_BIG)	  /* dropped: above the MTU towards the backend */                 \
	X(malformed, MALFORMED)	  /* dropped: not IP, or headers cut short */                      \
	X(no_room, NO_ROOM)	  /* dropped: the kernel would make no room for an outer header */

/* clang-format off */
enum check_reason {
#define X(name, NAME) CHECK_##NAME,
	CHECK_REASONS(X)
#undef X
	CHECK_REASON_MAX
};
/* clang-format on */

/* Map `check_reasons`: key CPU, one cache line each. Packets. */
struct check_reasons {
#define X(name, NAME) __u64 name;
	CHECK_REASONS(X)
#undef X
	__u64 unused[2];
};
static_assert(sizeof(struct check_reasons) == 64, "one cache line");

#endif
