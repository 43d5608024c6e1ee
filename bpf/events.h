/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flow events for the agent, rationed by kind so that a flood of them costs little. */
#ifndef STEER_EVENTS_H
#define STEER_EVENTS_H

#include "context.h"

static __always_inline bool events_ration(__u32 cpu, __u16 tick, __u32 kind, __u32 *ret_suppressed)
{
	struct event_ration *ration = bpf_map_lookup_elem(&event_rations, &cpu);

	if (!ration)
		return false;
	if (ration->tick != tick) {
		ration->tick = tick;
		*(__u64 *)ration->sent = 0;
	}
	if (ration->sent[kind & 7] >= FLOW_EVENTS_PER_TICK) {
		ration->suppressed[kind & 7]++;
		return false;
	}
	ration->sent[kind & 7]++;
	*ret_suppressed = ration->suppressed[kind & 7];
	ration->suppressed[kind & 7] = 0;
	return true;
}

static __always_inline void events_send(const struct steer_ctx *ctx, enum flow_event_kind kind,
					__u32 detail)
{
	struct flow_event *event;
	__u32 suppressed;

	if (!events_ration(ctx->cpu, ctx->tick, kind, &suppressed))
		return;
	event = bpf_ringbuf_reserve(&flow_events, sizeof(*event), 0);
	if (!event)
		return;
	event->ns = bpf_ktime_get_ns();
	event->kind = kind;
	event->backend = ctx->slot;
	event->service = ctx->service;
	event->detail = detail;
	event->suppressed = suppressed;
	event->tuple = *ctx->tuple;
	bpf_ringbuf_submit(event, 0);
}

#endif
