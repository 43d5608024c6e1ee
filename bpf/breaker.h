/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A circuit breaker for each backend, fed by what its flows' packets tell and obeyed by the next
 * SYN, whether or not the agent lives: handshakes owed since the last one that was completed, and
 * first answers owed since the last one. The agent sets the limits.
 */
#ifndef STEER_BREAKER_H
#define STEER_BREAKER_H

#include "context.h"

static __always_inline void breaker_owe(struct owed *owed)
{
	if (!owed->n)
		owed->first_ns = bpf_ktime_get_ns();
	owed->n++;
}

static __always_inline void breaker_paid(struct owed *owed)
{
	if (owed->n)
		owed->n = 0;
}

/* For a pick. The clock is read only where much is owed. */
static __always_inline bool breaker_refuses(__u32 cpu, __u32 slot)
{
	struct backend_watch *watch = steer_watch(slot);
	__u64 now, first, tried;

	if (!has_telemetry || !watch ||
	    (!owed_much(&watch->handshakes) && !owed_much(&watch->answers)))
		return false;
	now = bpf_ktime_get_ns();
	if (owed_too_long(&watch->handshakes, now))
		first = watch->handshakes.first_ns;
	else if (owed_too_long(&watch->answers, now))
		first = watch->answers.first_ns;
	else
		return false;
	tried = watch->trial_ns;
	if (now - tried >= BREAKER_TRIAL_NS) {
		watch->trial_ns = now;
		if (tried >= first) /* else it opens only now */
			return false;
	}
	STEER_NOTE(cpu, refusals);
	return true;
}

/*
 * A SYN sent again: the flow is nobody's yet, and need not wait for a backend that looks dead. One
 * that drains is well, and its answer may be on the way.
 */
static __always_inline bool breaker_gives_up(const struct steer_ctx *ctx)
{
	__u8 state = ctx->backend->state;
	struct backend_watch *watch;

	if (!(state & BACKEND_KEEP) || !(state & (BACKEND_NEW | BACKEND_HELD)))
		return true;
	watch = steer_watch(ctx->slot);
	return has_telemetry && watch && breaker_is_open(watch, bpf_ktime_get_ns());
}

/* Payload of a TCP segment, bytes; 0 where its header is no good. */
static __always_inline __u32 breaker_payload(const struct steer_ctx *ctx)
{
	void *data = (void *)(long)ctx->xdp->data, *end = (void *)(long)ctx->xdp->data_end;
	__u8 *tcp = data + (ctx->l4 & 0x3fff);
	__u32 length = ctx->length - (ctx->l4 - ctx->l3), header;

	if ((void *)(tcp + 20) > end)
		return 0;
	header = (tcp[12] >> 4) * 4;
	return header < length ? length - header : 0;
}

/*
 * A flow between its handshake and its first answer. What is not data and comes after the first
 * request acknowledges something of the backend's: clients do not acknowledge acknowledgements.
 */
static __always_inline void breaker_follow(const struct steer_ctx *ctx, struct flow_counts *counts)
{
	bool asked = ctx->word >> FLOW_FLAGS_SHIFT & FLOW_ASKED;
	struct backend_watch *watch = steer_watch(ctx->slot);
	bool data = breaker_payload(ctx);
	__u64 word;

	if (!watch || !ctx->entry || ctx->tcp_flags & (TCP_SYN | TCP_RST) || asked == data ||
	    (asked && ctx->tcp_flags & TCP_FIN))
		return;
	word = ctx->entry->word;
	if (asked) {
		word &= ~((__u64)FLOW_ASKED << FLOW_FLAGS_SHIFT);
		counts->answered++;
		breaker_paid(&watch->answers);
	} else {
		word &= ~((__u64)FLOW_CONNECTED << FLOW_FLAGS_SHIFT);
		word |= (__u64)FLOW_ASKED << FLOW_FLAGS_SHIFT;
		counts->asked++;
		breaker_owe(&watch->answers);
	}
	steer_write_flow(ctx, ctx->entry, word);
}

#endif
