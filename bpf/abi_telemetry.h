/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of abi.h that is about what packets tell: latencies, counts, events, breakers. */
#ifndef STEER_ABI_TELEMETRY_H
#define STEER_ABI_TELEMETRY_H

/*
 * Latency histograms: eight linear buckets to an octave, as in HdrHistogram (Tene, 2012) with
 * three significant bits. Bucket 0 is all below 32.768 us, the last one all from 34.36 s on.
 */
#define LATENCY_SHIFT_MIN 15
#define LATENCY_OCTAVES	  20
#define LATENCY_SUB	  8 /* buckets to an octave */
#define LATENCY_BUCKETS	  (LATENCY_OCTAVES * LATENCY_SUB + 2)

STEER_INLINE __u32 latency_bucket(__u64 ns)
{
	__u64 rest = ns >> LATENCY_SHIFT_MIN;
	__u32 octave = 0;

	if (!rest)
		return 0;
	if (rest >> LATENCY_OCTAVES)
		return LATENCY_BUCKETS - 1;
	if (rest >> 16) {
		rest >>= 16;
		octave = 16;
	}
	if (rest >> 8) {
		rest >>= 8;
		octave += 8;
	}
	if (rest >> 4) {
		rest >>= 4;
		octave += 4;
	}
	if (rest >> 2) {
		rest >>= 2;
		octave += 2;
	}
	octave += rest >> 1;
	return 1 + octave * LATENCY_SUB +
	       ((ns >> (LATENCY_SHIFT_MIN - 3 + octave)) & (LATENCY_SUB - 1));
}

/* The least value, in nanoseconds, of a bucket from 1 on; of LATENCY_BUCKETS: not defined. */
STEER_INLINE __u64 latency_bucket_floor(__u32 bucket)
{
	__u32 octave = (bucket - 1) / LATENCY_SUB, sub = (bucket - 1) % LATENCY_SUB;

	return (__u64)(LATENCY_SUB + sub) << (LATENCY_SHIFT_MIN - 3 + octave);
}

/* What is measured. A service is TCP or UDP: the two share the places of the histograms. */
enum latency_kind {
	LATENCY_CONNECT,   /* TCP: from the first SYN to the first ACK */
	LATENCY_RESPONSE,  /* TCP: from a request to the first ACK of its response */
	LATENCY_SERVICE,   /* TCP: the backend's own part of that, by the timestamps echoed */
	LATENCY_LAST_BYTE, /* TCP: from a request to the last that the backend sent in response */
	LATENCY_KIND_MAX,
	LATENCY_QUIC_HANDSHAKE = 0, /* UDP: from the first Initial to the client's Handshake */
	LATENCY_QUIC_SPIN = 1,	    /* UDP: between turns of the spin bit */
};

/* What sampled flows tell of errors. Sequence numbers are needed for these. */
#define SERIES_COUNTS(X)                                                                           \
	X(flows)		  /* sampled from their first packet on */                         \
	X(requests)		  /* runs of data from the client that await a response */         \
	X(data_retransmits)	  /* segments sent again by the client */                          \
	X(fin_retransmits)	  /* likewise, bare FINs */                                        \
	X(abandoned)		  /* FIN or RST while a request waited */                          \
	X(resets_before_response) /* RST before anything came back, connected or not */            \
	X(resets_after_response)                                                                   \
	X(zero_windows) /* the client's receive buffer ran full */                                 \
	X(connects)	/* handshakes completed */

/* Latencies that were not recorded, and why. */
#define SERIES_LEFT_OUT(X)                                                                         \
	X(no_timestamp)	     /* service: the flow has no TCP timestamps */                         \
	X(syn_retransmitted) /* service: which SYN the timestamp answers is not known */           \
	X(retransmitted)     /* the request was sent twice */                                      \
	X(out_of_order)	     /* the request came with a gap */                                     \
	X(overlapped)	     /* more data while a whole request waited: pipelined, or an upload */ \
	X(tls_handshake)     /* the first two exchanges of TLS */                                  \
	X(tick_unknown)	     /* service: the backend's clock is not yet known */                   \
	X(forged)	     /* service: an echo that cannot be: of the future, or going back */   \
	X(bad_anchor)	     /* service: the handshake's timestamp was of no use (SYN cookie) */   \
	X(not_quic)	     /* UDP: no handshake was seen */                                      \
	X(no_spin)	     /* UDP: the client does not spin, or at random */

/*
 * Map `series`: key CPU * limits.series + series; one for each (service, stack, backend) that is
 * measured. Written by the key's CPU, read by the agent. Counts wrap at 2^32.
 */
struct series {
	__u64 sum_ns[LATENCY_KIND_MAX];
	__u32 samples[LATENCY_KIND_MAX];
#define X(name) __u32 name;
	SERIES_COUNTS(X)
	SERIES_LEFT_OUT(X)
#undef X
	__u32 changed; /* counts up with anything above: what the agent has to look at */
	__u32 unused[7];
	__u32 bucket[LATENCY_KIND_MAX][LATENCY_BUCKETS];
};
static_assert(offsetof(struct series, bucket) == 160, "two and a half cache lines");
static_assert(sizeof(struct series) % 64 == 0, "whole cache lines");

/* Map `series_of`, a hash: which series the sampled flows of a share and a backend count in. */
struct series_key {
	__u16 share;
	__u16 backend; /* slot */
};

/* An entry for a series that has been given to others since does not count: generation. */
struct series_ref {
	__u16 series;
	__u16 generation;
};
static_assert(sizeof(struct series_ref) == 4, "a hash value is one word");

/* Map `flow_counts`: key CPU * limits.backends + slot. TCP flows, all of them, not a sample. */
#define FLOW_COUNTS_OFTEN(X)                                                                       \
	X(syns)		     /* that began a flow */                                               \
	X(syn_retransmits)   /* repeated by the client while nothing had come back */              \
	X(handshakes)	     /* first packets behind a SYN */                                      \
	X(resets_connecting) /* RST where the handshake's end was due */                           \
	X(resets)	     /* RST in a connected flow */                                         \
	X(fins)		     /* flows that the client closed */

#define FLOW_COUNTS_SELDOM(X)                                                                      \
	X(icmp_errors) /* about packets of its flows, and about tunnels to it */                   \
	X(taken_over)  /* flows met in their middle */

#define FLOW_COUNTS(X) FLOW_COUNTS_OFTEN(X) FLOW_COUNTS_SELDOM(X)

struct flow_counts {
#define X(name) __u64 name;
	FLOW_COUNTS_OFTEN(X)
#undef X
#define X(name) __u32 name;
	FLOW_COUNTS_SELDOM(X)
#undef X
	__u32 asked;	/* flows whose client sent its first request; wraps */
	__u32 answered; /* of those, whose client acknowledged something after it; wraps */
};
static_assert(sizeof(struct flow_counts) == 64, "one cache line");

/*
 * Map `samples`: key by fingerprint. A sampled flow's own cache line; a flow that hashes to the
 * same place takes it. Times: nanoseconds of bpf_ktime_get_ns().
 */
struct flow_sample {
	__u64 key;	 /* the flow's fingerprint; 0: free */
	__u64 armed_ns;	 /* when what waits for an answer came: SYN, request, QUIC Initial, edge */
	__u64 anchor_ns; /* the backend's clock said anchor_tick then, as seen from here */
	__u32 anchor_tick;
	__u32 echo;	  /* the last timestamp echoed with an advance */
	__u32 seq_next;	  /* of the client's data: what comes next. UDP: packets */
	__u32 ack;	  /* the highest acknowledged. UDP: edges of the spin bit */
	__u32 rtt_ns;	  /* SYN to ACK: what an echo takes to come back; 0: not known */
	__s32 lag_min_ns; /* least delay of an echo in this window, for following the clock */
	__u32 window_at;  /* when that window began, in 2^20 ns */
	struct series_ref series;
	__u16 backend;	/* slot */
	__u8 state;	/* SAMPLE_* */
	__u8 flags;	/* SAMPLE_* flags */
	__u8 exchanges; /* answered so far, up to 255 */
	__u8 exchange;	/* EXCHANGE_* flags of the last one */
	__u8 lags;	/* echoes in this window, up to 255 */
	__u8 unused;
};
static_assert(sizeof(struct flow_sample) == 64, "one cache line");

/*
 * Answers that are owed: how many asked since the last answer, and when the first of them did. All
 * of `limit` and `limit_ns` reached: nothing can be expected any more. limit 0: never.
 */
struct owed {
	__u64 first_ns; /* bpf_ktime_get_ns() */
	__u32 n;
	__u32 limit;	/* agent */
	__u64 limit_ns; /* agent */
};

/*
 * Map `backend_watch`: key backend slot. What packets have found out about a backend; written by
 * any CPU without a lock, so a count may miss some.
 */
struct backend_watch {
	__u16 generation; /* of the backend that the rest is about */
	__s8 tick_votes;  /* above 0: its TCP clock ticks in milliseconds; below: microseconds */
	__u8 greeted;	  /* 1: the event of its first flow was sent */
	__u16 reset_tick; /* the tick that `resets` counts for */
	__u16 resets;	  /* RSTs in that tick */
	struct owed handshakes; /* by SYNs */
	struct owed answers;	/* by the first requests of flows */
	__u64 trial_ns; /* breaker open: when a flow was last let through to try, or it opened */
};
static_assert(sizeof(struct backend_watch) == 64, "one cache line");

STEER_INLINE bool owed_much(const struct owed *owed)
{
	return owed->limit && owed->n >= owed->limit;
}

STEER_INLINE bool owed_too_long(const struct owed *owed, __u64 now_ns)
{
	return owed_much(owed) && now_ns - owed->first_ns >= owed->limit_ns;
}

/*
 * The circuit breaker (Nygard, "Release It!", 2007) of a backend is open, and it gets no new flows
 * but one to try every BREAKER_TRIAL_NS, while answers are owed for too long.
 */
STEER_INLINE bool breaker_is_open(const struct backend_watch *watch, __u64 now_ns)
{
	return owed_too_long(&watch->handshakes, now_ns) || owed_too_long(&watch->answers, now_ns);
}

#define BREAKER_TRIAL_NS 1000000000ULL

#define WATCH_VOTES_ENOUGH 3  /* either way, before a clock is believed */
#define WATCH_RESET_STORM  64 /* RSTs of a backend's flows in one tick on all CPUs */

/* Map `tunnel_backends`, a hash: whose flows an ICMP error about a tunnel is about. */
struct tunnel_key {
	__u8 address[16] __attribute__((aligned(8)));
};

struct tunnel_backend {
	__u32 slot; /* one of them, where several stacks have the address */
};

enum flow_event_kind {
	FLOW_EVENT_FIRST_FLOW, /* the first handshake with a backend was completed */
	FLOW_EVENT_SYN_RETRANSMITTED,
	FLOW_EVENT_CONNECT_RESET, /* RST in answer to the SYN-ACK, or instead of waiting */
	FLOW_EVENT_RESET_STORM,
	FLOW_EVENT_ABANDONED,	 /* sampled flows only */
	FLOW_EVENT_TUNNEL_ERROR, /* an ICMP error about a packet sent into a tunnel */
	FLOW_EVENT_KIND_MAX
};

/* Ring buffer `flow_events`. At most FLOW_EVENTS_PER_TICK of a kind by each CPU. */
#define FLOW_EVENTS_PER_TICK 4

struct flow_event {
	__u64 ns;      /* bpf_ktime_get_ns() */
	__u32 kind;    /* enum flow_event_kind */
	__u16 backend; /* slot */
	__u16 service;
	__u32 detail;	  /* TUNNEL_ERROR: ICMP type << 24 | code << 16 | next-hop MTU; else 0 */
	__u32 suppressed; /* of this kind on this CPU since its last event */
	struct flow_tuple tuple;
};
static_assert(sizeof(struct flow_event) == 64, "one cache line");

#endif
