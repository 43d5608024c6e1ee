/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way: classify, recall or balance, reset, measure, forward, count. One header per stage. */
#include "abi.h"
#include "maps.h"
#include "context.h"
#include "classify.h"
#include "health.h"
#include "balance.h"
#include "affinity.h"
#include "telemetry.h"
#include "reset.h"
#include "forward.h"
#include "count.h"

static __always_inline int steer_packet(struct steer_ctx *ctx)
{
	int reason = classify(ctx);

	if (reason != STEER_NEXT)
		return reason;
	if (!affinity_recall(ctx)) {
		reason = balance_packet(ctx);
		if (ctx->moved)
			reason = reset_or_move(ctx, reason);
		if (reason != STEER_NEXT)
			return reason;
		affinity_remember(ctx);
		count_new_flow(ctx);
		telemetry_new_flow(ctx);
	} else {
		telemetry(ctx);
	}
	count_steered(ctx);
	return forward(ctx);
}

SEC("xdp")
int steer(struct xdp_md *xdp)
{
	struct flow_tuple tuple = {};
	struct steer_ctx ctx;

	ctx.xdp = xdp;
	ctx.data = (void *)(long)xdp->data;
	ctx.end = (void *)(long)xdp->data_end;
	ctx.cpu = bpf_get_smp_processor_id();
	ctx.tuple = &tuple;
	asm volatile("" : : "r"(&tuple) : "memory"); /* or clang takes it apart, and spills more */
	/* What may be read before a stage has set it; all of ctx would cost a nanosecond. */
	ctx.tcp_flags = 0;
	ctx.about_flow = ctx.fragment = ctx.icmp = ctx.known = ctx.remembered = ctx.moved = false;
	ctx.word = 0;
	ctx.service = 0;
	ctx.entry = 0;
	return count_reason(&ctx, steer_packet(&ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
