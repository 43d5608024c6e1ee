/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Backends that have less of their share because they are far slower than their stack's others.
 * How much less stands in the map entry, where the ring's overlay and the next agent find it.
 */
#include "agent/backends_internal.h"

#include "common/util.h"

#define WARM_MS 10000 /* after which a backend that came up is not cold */

bool backends_slow_is_judged(const struct backends *b, uint32_t slot, bool *ret_warm)
{
	const struct backend_entry *entry = &b->entries[slot];
	uint64_t now = util_now_ms();

	*ret_warm = !entry->ramp.running && now - entry->health.since_ms >= WARM_MS;
	return entry->health.bits & BACKEND_NEW &&
	       entry->health.order.override == HEALTH_OVERRIDE_AUTO;
}

uint8_t backends_slow_step(const struct backends *b, uint32_t slot)
{
	return b->view->backends[slot].slow_step;
}

const char *backends_slow_text(const struct backend_entry *entry)
{
	if (!backend_entry_map(entry)->slow_step)
		return "";
	return entry->slow[0] ? entry->slow : "so it was when steerd started";
}

static void add_event(const struct backend_entry *entry, uint8_t step, bool less,
		      const char *evidence)
{
	static const char *const parts[] = {"all", "half", "a quarter", "none"};
	char address[ADDRESS_TEXT_MAX];

	address_text(&entry->address, address);
	events_add(entry->owner->events, EVENT_BACKEND, NULL, entry->stack, address,
		   "backend %s of stack %s gets %s of its share of new flows%s: %s", address,
		   entry->stack, parts[step], less ? ", far slower than its peers" : " again",
		   evidence);
}

void backends_slow_set(struct backends *b, uint32_t slot, uint8_t step, const char *evidence)
{
	struct backend_entry *entry = &b->entries[slot];
	struct backend *backend = backend_entry_map(entry);
	bool less = step > backend->slow_step;

	backend->slow_step = step;
	if (less)
		snprintf(entry->slow, sizeof(entry->slow), "%s", evidence);
	if (entry->health.bits & BACKEND_NEW)
		add_event(entry, step, less, evidence);
	b->changed(b->userdata, entry->stack);
}
