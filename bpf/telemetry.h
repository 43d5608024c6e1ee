/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The last look before a packet leaves: handshakes, repeats and resets are counted of every flow,
 * of which its entry's flags tell enough; one flow in N has a line of its own in `samples`.
 */
#ifndef STEER_TELEMETRY_H
#define STEER_TELEMETRY_H

#include "breaker.h"
#include "context.h"
#include "events.h"
#include "quic.h"
#include "sample.h"

#define FLOW_BEGINNING (FLOW_CONNECTING | FLOW_CONNECTED | FLOW_ASKED)
#define FLOW_WATCHED   ((__u64)(FLOW_BEGINNING | FLOW_SAMPLED) << FLOW_FLAGS_SHIFT)

#define TCP_TIMESTAMP_ONLY 0x0101080a /* NOP, NOP, timestamps: as RFC 7323, appendix A advises */

static __always_inline struct flow_counts *telemetry_counts(const struct steer_ctx *ctx)
{
	__u32 key = ctx->cpu * limits.backends + ctx->slot;

	return bpf_map_lookup_elem(&flow_counts, &key);
}

static __always_inline struct flow_sample *telemetry_line(__u64 fingerprint)
{
	__u32 key = ((hash_finish(fingerprint) >> 32) * limits.samples) >> 32;

	return bpf_map_lookup_elem(&samples, &key);
}

static __always_inline bool telemetry_samples(__u64 fingerprint)
{
	return !control.sample_off && !((__u32)hash_finish(fingerprint) & control.sample_mask);
}

/*
 * An ICMP error about a packet that went into a tunnel comes to this host's own address, and goes
 * on to its stack; ctx->tuple is the tunnel's, reversed. icmp: 8 bytes.
 */
static __always_inline void telemetry_tunnel_error(struct steer_ctx *ctx, const __u8 *icmp)
{
	const struct tunnel_backend *found = 0;
	struct flow_counts *counts;
	struct tunnel_key key;
	__u32 mtu;

	if (!has_telemetry)
		return;
	__builtin_memcpy(key.address, ctx->tuple->src_be, sizeof(key.address));
	found = bpf_map_lookup_elem(&tunnel_backends, &key);
	if (!found)
		return;
	ctx->slot = found->slot;
	ctx->tick = bpf_jiffies64() >> FLOW_TICK_SHIFT;
	counts = telemetry_counts(ctx);
	if (counts)
		counts->icmp_errors++;
	mtu = icmp[6] << 8 | icmp[7]; /* of ICMPv6 too, but for jumbograms */
	events_send(ctx, FLOW_EVENT_TUNNEL_ERROR, (__u32)icmp[0] << 24 | icmp[1] << 16 | mtu);
}

/* The flags of a new flow's entry. */
static __always_inline __u8 telemetry_flags(const struct steer_ctx *ctx)
{
	bool tcp = ctx->tuple->protocol == IPPROTO_TCP;
	__u8 flags = 0;

	if (!has_telemetry || (tcp && !(ctx->tcp_flags & TCP_SYN)))
		return 0;
	if (tcp)
		flags |= FLOW_CONNECTING;
	if (telemetry_samples(ctx->fingerprint))
		flags |= FLOW_SAMPLED;
	return flags;
}

static __always_inline bool telemetry_read(struct xdp_md *xdp, __u32 l4, __u32 length,
					   struct segment *ret)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	__u8 *tcp = data + (l4 & 0x3fff);
	__u32 header;

	if ((void *)(tcp + 20) > end)
		return false;
	header = (tcp[12] >> 4) * 4;
	if (header < 20 || header > length)
		return false;
	ret->seq = bpf_ntohl(*(__be32 *)(tcp + 4));
	ret->ack = bpf_ntohl(*(__be32 *)(tcp + 8));
	ret->flags = tcp[13];
	ret->zero_window = !*(__be16 *)(tcp + 14);
	ret->payload = length - header;
	if (header >= 32 && (void *)(tcp + 32) <= end &&
	    *(__be32 *)(tcp + 20) == bpf_htonl(TCP_TIMESTAMP_ONLY)) {
		ret->has_echo = true;
		ret->echo = bpf_ntohl(*(__be32 *)(tcp + 28));
	}
	tcp += header;
	if (ret->payload >= 3 && (void *)(tcp + 3) <= end)
		ret->tls = tcp[0] == 0x16 && tcp[1] == 3;
	return true;
}

/* Of a sampled flow's datagram: the first bytes, or zeroes where it has none. */
static __always_inline void telemetry_read_datagram(struct xdp_md *xdp, __u32 l4, __u8 *ret_head)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	__u8 *udp = data + (l4 & 0x3fff);

	__builtin_memset(ret_head, 0, 16);
	if ((void *)(udp + 8 + 16) <= end)
		__builtin_memcpy(ret_head, udp + 8, 16);
	else if ((void *)(udp + 8 + 1) <= end)
		ret_head[0] = udp[8];
}

/*
 * A packet of a sampled flow. Global, like balance(): verified by itself. where: the offset of
 * the TCP or UDP header << 32 and the bytes from there to the packet's end. 1: a request was
 * abandoned; 0: nothing to say.
 */
__attribute__((noinline)) int telemetry_packet(struct xdp_md *xdp, __u64 fingerprint, __u64 where,
					       __u32 cpu)
{
	struct flow_sample *s = telemetry_line(fingerprint);
	struct segment segment = {};
	struct series *to;
	__u64 head[2];
	bool closed;

	if (!s || s->key != fingerprint)
		return 0;
	if (s->state == SAMPLE_UDP) {
		to = sample_series(s, cpu);
		telemetry_read_datagram(xdp, where >> 32, (__u8 *)head);
		if (to)
			quic_datagram(s, to, (__u8 *)head);
		return 0;
	}
	if (!telemetry_read(xdp, where >> 32, where, &segment))
		return 0;
	closed = s->state == SAMPLE_CLOSED;
	sample_segment(s, &segment, cpu);
	return !closed && s->state == SAMPLE_CLOSED && s->exchange & EXCHANGE_ABANDONED;
}

/*
 * Gives a new flow its line; what was there is not measured any longer. A SYN that goes to another
 * backend because the first one's is down by now has been waiting since the first.
 */
__attribute__((noinline)) int telemetry_open(struct xdp_md *xdp, __u64 fingerprint, __u64 where,
					     __u32 pair, __u32 cpu)
{
	struct series_key key = {.share = pair >> 16, .backend = pair};
	struct series_ref *ref = bpf_map_lookup_elem(&series_of, &key);
	struct flow_sample *s = telemetry_line(fingerprint), fresh = {};
	struct series *to;
	__u64 head[2];

	if (!ref || !s)
		return 0;
	fresh.key = fingerprint;
	fresh.series = *ref;
	fresh.backend = key.backend;
	fresh.armed_ns = bpf_ktime_get_ns();
	fresh.state = SAMPLE_SYN;
	if (s->key == fingerprint && s->state == SAMPLE_SYN) {
		fresh.armed_ns = s->armed_ns;
		fresh.flags = SAMPLE_SYN_TWICE;
	}
	to = sample_series(&fresh, cpu);
	if (!to)
		return 0;
	SERIES_ADD(to, flows);
	if (!(__u32)where) {
		fresh.state = SAMPLE_UDP;
		telemetry_read_datagram(xdp, where >> 32, (__u8 *)head);
		if (!quic_begins(&fresh, (__u8 *)head)) {
			SERIES_ADD(to, not_quic);
			return 0;
		}
	}
	*s = fresh;
	return 0;
}

/* Bytes from the TCP header on; for UDP it does not matter, and says so. */
static __always_inline __u64 telemetry_where(const struct steer_ctx *ctx)
{
	__u32 length = ctx->length - (ctx->l4 - ctx->l3);

	if (ctx->tuple->protocol != IPPROTO_TCP)
		length = 0;
	return (__u64)ctx->l4 << 32 | length;
}

static __always_inline void telemetry_new_flow(struct steer_ctx *ctx)
{
	struct backend_watch *watch;
	struct flow_counts *counts;
	__u64 flags;

	if (!has_telemetry || !ctx->remembered || (ctx->moved && !(ctx->tcp_flags & TCP_SYN)))
		return;
	counts = telemetry_counts(ctx);
	watch = steer_watch(ctx->slot);
	if (counts && watch && ctx->tuple->protocol == IPPROTO_TCP) {
		if (ctx->tcp_flags & TCP_SYN) {
			counts->syns++;
			breaker_owe(&watch->handshakes);
		} else {
			counts->taken_over++;
		}
	}
	flags = telemetry_flags(ctx);
	if (flags & FLOW_SAMPLED)
		telemetry_open(ctx->xdp, ctx->fingerprint, telemetry_where(ctx),
			       (__u32)ctx->share << 16 | ctx->slot, ctx->cpu);
}

/* The flow was ended from here: its next SYN is measured as that of another. */
static __always_inline void telemetry_forget(const struct steer_ctx *ctx)
{
	struct flow_sample *s;

	if (!has_telemetry || !(ctx->word >> FLOW_FLAGS_SHIFT & FLOW_SAMPLED))
		return;
	s = telemetry_line(ctx->fingerprint);
	if (s && s->key == ctx->fingerprint)
		s->key = 0;
}

static __always_inline void telemetry_handshake(struct steer_ctx *ctx, struct flow_counts *counts)
{
	struct backend_watch *watch = steer_watch(ctx->slot);

	if (!watch)
		return;
	if (ctx->tcp_flags & TCP_SYN) {
		counts->syn_retransmits++;
		breaker_owe(&watch->handshakes);
		events_send(ctx, FLOW_EVENT_SYN_RETRANSMITTED, 0);
		return;
	}
	if (ctx->tcp_flags & TCP_RST) {
		counts->resets_connecting++;
		events_send(ctx, FLOW_EVENT_CONNECT_RESET, 0);
		return;
	}
	counts->handshakes++;
	breaker_paid(&watch->handshakes);
	if (!watch->greeted) {
		watch->greeted = 1;
		events_send(ctx, FLOW_EVENT_FIRST_FLOW, 0);
	}
}

static __always_inline void telemetry_end(struct steer_ctx *ctx, struct flow_counts *counts)
{
	struct backend_watch *watch;

	if (!(ctx->tcp_flags & TCP_RST)) {
		if (!(ctx->word >> FLOW_FLAGS_SHIFT & FLOW_CLOSING))
			counts->fins++;
		return;
	}
	counts->resets++;
	watch = steer_watch(ctx->slot);
	if (!watch)
		return;
	if (watch->reset_tick != ctx->tick) {
		watch->reset_tick = ctx->tick;
		watch->resets = 0;
	}
	if (++watch->resets == WATCH_RESET_STORM)
		events_send(ctx, FLOW_EVENT_RESET_STORM, 0);
}

/* A packet of a known flow. Most have nothing to say, which two words tell. */
static __always_inline void telemetry(struct steer_ctx *ctx)
{
	struct flow_counts *counts;

	if (!has_telemetry ||
	    (!(ctx->word & FLOW_WATCHED) && !(ctx->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) &&
	     !ctx->about_flow))
		return;
	if (ctx->about_flow) {
		counts = telemetry_counts(ctx);
		if (counts)
			counts->icmp_errors++;
		return;
	}
	if (ctx->word >> FLOW_FLAGS_SHIFT & FLOW_BEGINNING ||
	    ctx->tcp_flags & (TCP_FIN | TCP_RST)) {
		counts = telemetry_counts(ctx);
		if (!counts)
			return;
		if (ctx->word >> FLOW_FLAGS_SHIFT & FLOW_CONNECTING)
			telemetry_handshake(ctx, counts);
		else if (ctx->tcp_flags & (TCP_FIN | TCP_RST))
			telemetry_end(ctx, counts);
		if (ctx->word >> FLOW_FLAGS_SHIFT & FLOW_BEGINNING)
			breaker_follow(ctx, counts);
	}
	if (ctx->word >> FLOW_FLAGS_SHIFT & FLOW_SAMPLED &&
	    telemetry_packet(ctx->xdp, ctx->fingerprint, telemetry_where(ctx), ctx->cpu))
		events_send(ctx, FLOW_EVENT_ABANDONED, 0);
}

#endif
