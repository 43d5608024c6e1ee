/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet's way: classify, recall or balance, measure, forward, count. One header per stage. */
#include "abi.h"
#include "maps.h"
#include "context.h"
#include "classify.h"
#include "health.h"
#include "balance.h"
#include "affinity.h"
#include "telemetry.h"
#include "forward.h"
#include "count.h"

static __always_inline int steer_packet(struct steer_ctx *ctx)
{
	int reason = classify(ctx);

	if (reason != STEER_NEXT)
		return reason;
	if (!affinity_recall(ctx)) {
		reason = balance_packet(ctx);
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
	struct steer_ctx ctx = {
		.xdp = xdp,
		.data = (void *)(long)xdp->data,
		.end = (void *)(long)xdp->data_end,
	};

	return count_reason(&ctx, steer_packet(&ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
