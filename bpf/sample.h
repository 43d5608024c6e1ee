/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a sampled TCP flow tells of latency, from the client's packets alone: connect time from
 * SYN to ACK; then, request by request, when the client acknowledges what came back, and, by the
 * backend's timestamp that it echoes (RFC 7323), when the backend sent it. Docs: telemetry.md.
 */
#ifndef STEER_SAMPLE_H
#define STEER_SAMPLE_H

#include "context.h"

#define NS_PER_MS 1000000LL

enum sample_state {
	SAMPLE_CLOSED, /* nothing more can be learnt */
	SAMPLE_SYN,
	SAMPLE_IDLE,	   /* connected, nothing asked yet */
	SAMPLE_WAITING,	   /* a request, and no answer yet */
	SAMPLE_RESPONDING, /* answered in part at least */
	SAMPLE_UDP,	   /* see quic.h */
};

/* flow_sample.flags: of the flow */
#define SAMPLE_SYN_TWICE   0x01
#define SAMPLE_TIMESTAMPS  0x02
#define SAMPLE_ANCHORED	   0x04
#define SAMPLE_TLS	   0x08
#define SAMPLE_ZERO_WINDOW 0x10
#define SAMPLE_FIN	   0x20
#define SAMPLE_ANSWERED	   0x40

/* flow_sample.exchange: of the request that waits */
#define EXCHANGE_PUSHED	       0x01 /* its last segment had PSH: the request is whole */
#define EXCHANGE_OVERLAPPED    0x02
#define EXCHANGE_RETRANSMITTED 0x04
#define EXCHANGE_OUT_OF_ORDER  0x08
#define EXCHANGE_SOUND	       0x10 /* was recorded, so its last byte may be */
#define EXCHANGE_ABANDONED     0x20

#define SAMPLE_TLS_EXCHANGES 2	/* of a flow that are TLS's own, or mixed with it */
#define SAMPLE_LAGS	     8	/* echoes seen before a window may correct the anchor */
#define SAMPLE_WINDOW_SHIFT  33 /* 8.6 s */
#define SAMPLE_SANE_ADVANCE  (1U << 30)

/* One segment as the state machine sees it. */
struct segment {
	__u32 seq, ack;
	__u32 payload; /* bytes */
	__u32 echo;    /* TSecr */
	__u8 flags;
	bool has_echo;
	bool zero_window;
	bool tls; /* begins like a TLS handshake record */
};

static __always_inline struct series *sample_series(const struct flow_sample *s, __u32 cpu)
{
	__u32 key = s->series.series;
	const __u64 *generation = bpf_map_lookup_elem(&series_generation, &key);

	if (!generation || (__u16)*generation != s->series.generation)
		return 0;
	key += cpu * limits.series;
	return bpf_map_lookup_elem(&series, &key);
}

static __always_inline void series_record(struct series *to, enum latency_kind kind, __u64 ns)
{
	__u32 bucket = latency_bucket(ns);

	if (bucket >= LATENCY_BUCKETS)
		return;
	to->sum_ns[kind] += ns;
	to->samples[kind]++;
	to->bucket[kind][bucket]++;
	to->changed++;
}

#define SERIES_ADD(to, name)                                                                       \
	do {                                                                                       \
		(to)->name++;                                                                      \
		(to)->changed++;                                                                   \
	} while (0)

/* How far the backend's clock went since the anchor; echoes never go back (RFC 7323, 4.3). */
static __always_inline __s64 sample_clock_ns(const struct flow_sample *s, __u32 echo, __s64 tick_ns)
{
	return (__s64)(__s32)(echo - s->anchor_tick) * tick_ns;
}

/* Could the response have been stamped between the request's coming and now? */
static __always_inline bool sample_fits(const struct flow_sample *s, __u32 echo, __s64 tick_ns,
					__u64 now)
{
	__s64 at = sample_clock_ns(s, echo, tick_ns);

	return at > (__s64)(s->armed_ns - s->anchor_ns) - 2 * NS_PER_MS &&
	       at < (__s64)(now - s->anchor_ns) + NS_PER_MS;
}

/*
 * Nanoseconds to a tick of the backend's clock; 0: not known. Linux ticks in milliseconds, or in
 * microseconds where a route says tcp_usec_ts. An exchange that only one of them can explain is
 * a vote for it.
 */
static __always_inline __s64 sample_tick(const struct flow_sample *s, __u32 echo, __u64 now)
{
	bool ms = sample_fits(s, echo, NS_PER_MS, now), us = sample_fits(s, echo, 1000, now);
	__u32 slot = s->backend;
	struct backend_watch *watch = bpf_map_lookup_elem(&backend_watch, &slot);
	int votes = watch ? watch->tick_votes : 0;

	if (watch && ms != us) {
		if (ms && votes < 100)
			watch->tick_votes = ++votes;
		else if (us && votes > -100)
			watch->tick_votes = --votes;
	}
	if (votes >= WATCH_VOTES_ENOUGH)
		return NS_PER_MS;
	if (votes <= -WATCH_VOTES_ENOUGH)
		return 1000;
	if (ms == us)
		return 0;
	return ms ? NS_PER_MS : 1000;
}

/*
 * The least lag of an echo in a window is that of an immediate ACK: rtt, but for half a tick that
 * rounding takes on average: below zero where the round trip is shorter than that. What differs is
 * drift, or the rounding of the anchor itself.
 */
static __always_inline void sample_follow_clock(struct flow_sample *s, __s64 lag, __s64 tick,
						__u64 now)
{
	__u32 window = now >> 20;
	__s64 shift, most = tick + (1LL << (SAMPLE_WINDOW_SHIFT - 12));

	if (!s->lags || lag < s->lag_min_ns)
		s->lag_min_ns = lag < 0x7fffffff ? lag : 0x7fffffff;
	if (s->lags < 255)
		s->lags++;
	if (window - s->window_at < 1U << (SAMPLE_WINDOW_SHIFT - 20))
		return;
	shift = s->lag_min_ns - ((__s64)s->rtt_ns - tick / 2);
	if (s->lags >= SAMPLE_LAGS && shift < most && shift > -most)
		s->anchor_ns += shift;
	s->lags = 0;
	s->window_at = window;
}

/*
 * The backend's own time for this exchange. The echo is true to a tick; response less rtt is exact
 * where the client acknowledged at once, and is taken when the echo does not contradict it. An ACK
 * that brings the next request was not sent at once.
 */
static __always_inline void sample_service(struct flow_sample *s, struct series *to,
					   const struct segment *g, __u64 response, __u64 now)
{
	__s64 tick, by_echo, by_ack, lag;

	if ((__s32)(g->echo - s->echo) < 0) {
		SERIES_ADD(to, forged);
		return;
	}
	tick = sample_tick(s, g->echo, now);
	if (!tick) {
		SERIES_ADD(to, tick_unknown);
		return;
	}
	by_echo = sample_clock_ns(s, g->echo, tick) - (__s64)(s->armed_ns - s->anchor_ns);
	lag = (__s64)response - by_echo;
	by_ack = (__s64)response - s->rtt_ns;
	if (by_echo < -2 * NS_PER_MS) {
		SERIES_ADD(to, forged);
		return;
	}
	if (lag + 2 * NS_PER_MS + (s->rtt_ns >> 3) < s->rtt_ns) {
		s->flags &= ~SAMPLE_ANCHORED;
		SERIES_ADD(to, bad_anchor);
		return;
	}
	sample_follow_clock(s, lag, tick, now);
	if (!g->payload && by_ack - by_echo <= tick && by_echo - by_ack <= tick)
		by_echo = by_ack;
	series_record(to, LATENCY_SERVICE, by_echo > 0 ? by_echo : 0);
}

/* True if the exchange may be measured; else it says why not. */
static __always_inline bool sample_is_sound(const struct flow_sample *s, struct series *to)
{
	if ((s->flags & SAMPLE_TLS) && s->exchanges < SAMPLE_TLS_EXCHANGES)
		SERIES_ADD(to, tls_handshake);
	else if (s->exchange & EXCHANGE_RETRANSMITTED)
		SERIES_ADD(to, retransmitted);
	else if (s->exchange & EXCHANGE_OUT_OF_ORDER)
		SERIES_ADD(to, out_of_order);
	else if (s->exchange & EXCHANGE_OVERLAPPED)
		SERIES_ADD(to, overlapped);
	else
		return true;
	return false;
}

static __always_inline void sample_answered(struct flow_sample *s, struct series *to,
					    const struct segment *g, __u64 now)
{
	__u64 response = now - s->armed_ns;

	s->state = SAMPLE_RESPONDING;
	s->flags |= SAMPLE_ANSWERED;
	if (to && sample_is_sound(s, to)) {
		s->exchange |= EXCHANGE_SOUND;
		series_record(to, LATENCY_RESPONSE, response);
		if (s->flags & SAMPLE_SYN_TWICE)
			SERIES_ADD(to, syn_retransmitted);
		else if (!(s->flags & SAMPLE_TIMESTAMPS) || !g->has_echo)
			SERIES_ADD(to, no_timestamp);
		else if (!(s->flags & SAMPLE_ANCHORED))
			SERIES_ADD(to, bad_anchor);
		else
			sample_service(s, to, g, response, now);
	}
	if (s->exchanges < 255)
		s->exchanges++;
}

/* The response that ended with what was last acknowledged. */
static __always_inline void sample_finish(struct flow_sample *s, struct series *to)
{
	__s64 votes, last;
	__u32 slot = s->backend;
	struct backend_watch *watch;

	if (s->state != SAMPLE_RESPONDING || !(s->exchange & EXCHANGE_SOUND))
		return;
	if (!(s->flags & SAMPLE_TIMESTAMPS)) {
		last = s->anchor_ns - s->armed_ns; /* the clock of the last advance, see there */
	} else {
		watch = bpf_map_lookup_elem(&backend_watch, &slot);
		votes = watch ? watch->tick_votes : 0;
		if (!(s->flags & SAMPLE_ANCHORED) ||
		    (votes < WATCH_VOTES_ENOUGH && votes > -WATCH_VOTES_ENOUGH))
			return;
		last = sample_clock_ns(s, s->echo, votes > 0 ? NS_PER_MS : 1000) -
		       (__s64)(s->armed_ns - s->anchor_ns);
	}
	series_record(to, LATENCY_LAST_BYTE, last > 0 ? last : 0);
}

static __always_inline void sample_connected(struct flow_sample *s, struct series *to,
					     const struct segment *g, __u64 now)
{
	__u64 connect = now - s->armed_ns;

	s->state = SAMPLE_IDLE;
	s->ack = g->ack;
	s->seq_next = g->seq;
	s->echo = g->echo;
	if (to) {
		SERIES_ADD(to, connects);
		series_record(to, LATENCY_CONNECT, connect);
	}
	if (!g->has_echo)
		return;
	s->flags |= SAMPLE_TIMESTAMPS;
	if ((s->flags & SAMPLE_SYN_TWICE) || connect >> 32)
		return;
	s->flags |= SAMPLE_ANCHORED;
	s->anchor_ns = s->armed_ns;
	s->anchor_tick = g->echo;
	s->rtt_ns = connect;
	s->window_at = now >> 20;
}

/* Once more; or the client uses its port again, without our having seen the old flow's end. */
static __always_inline void sample_syn(struct flow_sample *s)
{
	if (s->state == SAMPLE_SYN) {
		s->flags |= SAMPLE_SYN_TWICE;
		return;
	}
	s->state = SAMPLE_SYN;
	s->armed_ns = bpf_ktime_get_ns();
	s->flags = 0;
	s->exchanges = 0;
	s->exchange = 0;
	s->lags = 0;
}

/* A further piece of a request, in order: it is whole with its last one. */
static __always_inline bool sample_continues(struct flow_sample *s, const struct segment *g)
{
	if (s->state != SAMPLE_WAITING || (s->exchange & EXCHANGE_PUSHED) || !g->payload ||
	    g->seq != s->seq_next || (g->flags & (TCP_FIN | TCP_RST)) || g->zero_window)
		return false;
	s->armed_ns = bpf_ktime_get_ns();
	s->seq_next += g->payload;
	if (g->flags & TCP_PSH)
		s->exchange |= EXCHANGE_PUSHED;
	return true;
}

/* New data: a request, or more while one waits. */
static __always_inline void sample_request(struct flow_sample *s, struct series *to,
					   const struct segment *g)
{
	if (s->state == SAMPLE_WAITING) {
		if (s->exchange & EXCHANGE_PUSHED)
			s->exchange |= EXCHANGE_OVERLAPPED;
		else
			s->armed_ns = bpf_ktime_get_ns();
	} else {
		sample_finish(s, to);
		if (s->state == SAMPLE_IDLE && g->tls)
			s->flags |= SAMPLE_TLS;
		s->state = SAMPLE_WAITING;
		s->exchange = 0;
		s->armed_ns = bpf_ktime_get_ns();
		SERIES_ADD(to, requests);
	}
	if (g->flags & TCP_PSH)
		s->exchange |= EXCHANGE_PUSHED;
}

static __always_inline void sample_data(struct flow_sample *s, struct series *to,
					const struct segment *g)
{
	__s32 ahead = g->seq - s->seq_next;

	if (ahead == -1 && g->payload == 1 && s->state != SAMPLE_WAITING)
		return; /* a keep-alive as some send it (RFC 9293, 3.8.4) */
	if (ahead >= 0)
		sample_request(s, to, g);
	if (ahead > 0)
		s->exchange |= EXCHANGE_OUT_OF_ORDER;
	if (ahead < 0) {
		/* What fills a gap is late, or sent again: it cannot be told. */
		if (!(s->exchange & EXCHANGE_OUT_OF_ORDER))
			SERIES_ADD(to, data_retransmits);
		if (s->state == SAMPLE_WAITING)
			s->exchange |= EXCHANGE_RETRANSMITTED;
	}
	if ((__s32)(g->seq + g->payload - s->seq_next) > 0)
		s->seq_next = g->seq + g->payload;
}

static __always_inline void sample_abandon(struct flow_sample *s, struct series *to)
{
	s->exchange |= EXCHANGE_ABANDONED;
	SERIES_ADD(to, abandoned);
}

static __always_inline void sample_fin(struct flow_sample *s, struct series *to)
{
	if (s->flags & SAMPLE_FIN) {
		SERIES_ADD(to, fin_retransmits);
		return;
	}
	s->flags |= SAMPLE_FIN;
	if (s->state == SAMPLE_WAITING)
		sample_abandon(s, to);
	else
		sample_finish(s, to);
	s->state = SAMPLE_CLOSED;
}

static __always_inline void sample_reset(struct flow_sample *s, struct series *to)
{
	if (s->state == SAMPLE_WAITING)
		sample_abandon(s, to);
	else
		sample_finish(s, to);
	if (s->flags & SAMPLE_ANSWERED)
		SERIES_ADD(to, resets_after_response);
	else
		SERIES_ADD(to, resets_before_response);
	s->state = SAMPLE_CLOSED;
}

/* An acknowledgement of more than before; what it echoes was sent by the backend just then. */
static __always_inline void sample_advance(struct flow_sample *s, const struct segment *g,
					   __u32 cpu)
{
	if (s->state == SAMPLE_WAITING)
		sample_answered(s, sample_series(s, cpu), g, bpf_ktime_get_ns());
	s->ack = g->ack;
	if (g->has_echo) {
		if ((__s32)(g->echo - s->echo) > 0)
			s->echo = g->echo;
	} else if (!(s->flags & SAMPLE_TIMESTAMPS)) {
		s->anchor_ns = bpf_ktime_get_ns();
	}
}

static __always_inline void sample_segment(struct flow_sample *s, const struct segment *g,
					   __u32 cpu)
{
	__u32 advance = g->ack - s->ack;
	struct series *to;

	if (g->flags & TCP_SYN) {
		sample_syn(s);
		return;
	}
	if (s->state == SAMPLE_SYN && !(g->flags & TCP_RST)) {
		sample_connected(s, sample_series(s, cpu), g, bpf_ktime_get_ns());
		advance = 0;
	}
	if (advance && advance < SAMPLE_SANE_ADVANCE && (g->flags & TCP_ACK) &&
	    s->state > SAMPLE_SYN)
		sample_advance(s, g, cpu);
	if (!g->payload && !(g->flags & (TCP_FIN | TCP_RST)) && !g->zero_window) {
		s->flags &= ~SAMPLE_ZERO_WINDOW;
		return;
	}
	if (sample_continues(s, g))
		return;
	to = sample_series(s, cpu);
	if (!to || s->state == SAMPLE_UDP)
		return;
	if (g->flags & TCP_RST) {
		if (s->state != SAMPLE_CLOSED)
			sample_reset(s, to);
		return;
	}
	if (g->zero_window && !(s->flags & SAMPLE_ZERO_WINDOW))
		SERIES_ADD(to, zero_windows);
	s->flags = g->zero_window ? s->flags | SAMPLE_ZERO_WINDOW : s->flags & ~SAMPLE_ZERO_WINDOW;
	if (g->payload && s->state != SAMPLE_CLOSED)
		sample_data(s, to, g);
	if (g->flags & TCP_FIN)
		sample_fin(s, to);
}

#endif
