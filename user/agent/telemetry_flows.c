/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel counts of every TCP flow, by backend; and the SYNs that were not answered. */
#include "agent/telemetry_internal.h"

#include "common/util.h"

void telemetry_flows(const struct telemetry *t, uint32_t slot, uint64_t ret[FLOW_COUNT_MAX])
{
	const struct datapath_view *view = t->view;

	memset(ret, 0, FLOW_COUNT_MAX * sizeof(*ret));
	for (uint32_t cpu = 0; cpu < view->cpus; cpu++) {
		const struct flow_counts *counts =
			&view->flow_counts[cpu * view->backend_slots + slot];

		/* clang-format off */
#define X(name) ret[FLOW_COUNT_##name] += __atomic_load_n(&counts->name, __ATOMIC_RELAXED);
		FLOW_COUNTS(X)
#undef X
		/* clang-format on */
	}
}

static uint64_t over(uint64_t syns, uint64_t handshakes)
{
	return syns > handshakes ? syns - handshakes : 0;
}

/*
 * After a restart the SYNs without a handshake so far are where the count goes on from; the few
 * that are under way just now are among them, until as many went unanswered.
 */
void telemetry_flows_open(struct telemetry *t)
{
	uint64_t counts[FLOW_COUNT_MAX];

	t->flows = util_calloc(t->view->backend_slots, sizeof(*t->flows));
	t->share_lives = util_calloc(t->view->share_slots, sizeof(*t->share_lives));
	for (uint32_t slot = 0; slot < t->view->backend_slots; slot++) {
		if (!t->view->backends[slot].stack[0])
			continue;
		telemetry_flows(t, slot, counts);
		t->flows[slot].unanswered = over(counts[FLOW_COUNT_syns],
						 counts[FLOW_COUNT_handshakes]);
	}
}

void telemetry_flows_close(struct telemetry *t)
{
	free(t->flows);
	free(t->share_lives);
}

/* The count of two ticks ago, 8 s, makes place for the one of now. */
void telemetry_flows_tick(struct telemetry *t)
{
	size_t at = t->flow_ticks++ % 2;
	uint64_t counts[FLOW_COUNT_MAX], unanswered;

	for (uint32_t slot = 0; slot < t->view->backend_slots; slot++) {
		struct flow_watch *watch = &t->flows[slot];

		if (!t->view->backends[slot].stack[0])
			continue;
		telemetry_flows(t, slot, counts);
		unanswered = over(watch->syns[at], counts[FLOW_COUNT_handshakes]);
		if (unanswered > watch->unanswered)
			watch->unanswered = unanswered;
		watch->syns[at] = counts[FLOW_COUNT_syns];
	}
}

uint64_t telemetry_syns_unanswered(const struct telemetry *t, uint32_t slot)
{
	return t->flows[slot].unanswered;
}

void telemetry_backend_filled(struct telemetry *t, uint32_t slot)
{
	t->flows[slot] = (struct flow_watch){.life = t->flows[slot].life + 1};
}

void telemetry_share_freed(struct telemetry *t, uint32_t share)
{
	t->share_lives[share]++;
}

uint32_t telemetry_backend_life(const struct telemetry *t, uint32_t slot)
{
	return t->flows[slot].life;
}

uint32_t telemetry_share_life(const struct telemetry *t, uint32_t share)
{
	return t->share_lives[share];
}
