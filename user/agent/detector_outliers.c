/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Outliers at work: what outlier.h is told of the live stacks, and what follows. */
#include "agent/detector_internal.h"

#include "common/util.h"

static_assert(OUTLIER_EVERY_S == DETECT_LAG_EVERY_S, "one look at telemetry serves both");

#define SPARE_PERCENT 50 /* of a stack's weight at most, as for what is declared */

uint32_t detector_spare_percent(const struct compiled *compiled, size_t stack)
{
	uint32_t spare = SPARE_PERCENT;

	if (compiled->routes->stacks[stack].on_slow_backend == BACKEND_SLOW_KEEP ||
	    detector_by_client(compiled, stack))
		return 0;
	for (size_t i = 0; i < compiled->routes->services_n; i++) {
		const struct compiled_service *service = &compiled->services[i];
		uint32_t rest = 100 - service->route->panic_percent;

		for (size_t j = 0; j < service->route->split_n; j++)
			if (service->choice[j].stack == stack && rest < spare)
				spare = rest;
	}
	return spare;
}

void detector_add_samples(struct slot_state *slot, const struct series_totals *now,
			  const struct series_totals *before)
{
	static const enum latency_kind kinds[] = {[OUTLIER_CONNECT] = LATENCY_CONNECT,
						  [OUTLIER_RESPONSE] = LATENCY_RESPONSE,
						  [OUTLIER_SERVICE] = LATENCY_SERVICE};

	if (!slot->samples)
		slot->samples = util_calloc(OUTLIER_KIND_MAX, sizeof(*slot->samples));
	for (int kind = 0; kind < OUTLIER_KIND_MAX; kind++)
		outlier_add(&slot->samples[kind], now->bucket[kinds[kind]],
			    before ? before->bucket[kinds[kind]] : NULL);
}

/* What is called back with. */
struct look {
	struct detector *detector;
	const struct watched *watched; /* of the stack */
	const struct outlier_member *members;
};

static void on_stepped(void *userdata, const struct outlier_member *member)
{
	const struct look *look = userdata;

	backends_slow_set(look->detector->backends, look->watched[member - look->members].slot,
			  member->outlier->step, member->evidence);
}

/* Those of one stack, which lie side by side. */
static void look_at_stack(struct detector *d, const struct watched *watched, size_t n,
			  uint64_t now_ms)
{
	CLEANUP_FREE struct outlier_member *members = util_calloc(n, sizeof(*members));
	struct look look = {d, watched, members};

	for (size_t i = 0; i < n; i++) {
		struct slot_state *slot = &d->slots[watched[i].slot];

		members[i] = (struct outlier_member){.outlier = &slot->outlier,
						     .samples = slot->samples,
						     .weight = slot->weight};
		if (slot->weight)
			members[i].open = backends_slow_is_judged(d->backends, watched[i].slot,
								  &members[i].warm);
	}
	outlier_look(members, n, d->stacks[watched->stack].spare_percent, now_ms, on_stepped,
		     &look);
}

void detector_find_outliers(struct detector *d)
{
	uint64_t now = util_now_ms();
	size_t n;

	for (size_t i = 0; i < d->watched_n; i += n) {
		for (n = 1; i + n < d->watched_n; n++)
			if (d->watched[i + n].stack != d->watched[i].stack)
				break;
		look_at_stack(d, &d->watched[i], n, now);
	}
}
