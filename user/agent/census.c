/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/census.h"

#include "common/util.h"

struct census {
	const struct datapath_view *view;
	uint16_t silent_ticks;
	uint16_t tick;
	uint32_t next; /* bucket */
	bool *ends_silently;
	struct census_flows *counting; /* by slot, as the next */
	struct census_flows *counted;
};

struct census *census_new(const struct datapath_view *view, uint64_t tick_ns)
{
	struct census *census = util_calloc(1, sizeof(*census));

	census->view = view;
	census->silent_ticks = (uint16_t)(CENSUS_SILENT_MS * 1000000ULL / tick_ns);
	census->ends_silently = util_calloc(view->backend_slots, sizeof(bool));
	census->counting = util_calloc(view->backend_slots, sizeof(*census->counting));
	census->counted = util_calloc(view->backend_slots, sizeof(*census->counted));
	return census;
}

void census_free(struct census *census)
{
	if (!census)
		return;
	free(census->ends_silently);
	free(census->counting);
	free(census->counted);
	free(census);
}

void census_begin(struct census *census, uint16_t tick, const bool *ends_silently)
{
	uint32_t slots = census->view->backend_slots;

	census->tick = tick;
	census->next = 0;
	memcpy(census->ends_silently, ends_silently, slots * sizeof(bool));
	memset(census->counting, 0, slots * sizeof(*census->counting));
}

/* Our tick and the kernel's may differ by a little: what it saw in our future is of now. */
static uint16_t age_of(const struct census *census, uint64_t word)
{
	uint16_t age = (uint16_t)(census->tick - (uint16_t)(word >> FLOW_SEEN_SHIFT));

	return age >= 0xff00 ? 0 : age;
}

static void count(struct census *census, uint64_t word)
{
	const uint8_t not_established = FLOW_CONNECTING | FLOW_CLOSING;
	uint16_t slot = (uint16_t)(word >> FLOW_BACKEND_SHIFT), age = age_of(census, word);

	if (!(word & FLOW_USED) || (uint8_t)(word >> FLOW_FLAGS_SHIFT) & not_established ||
	    slot >= census->view->backend_slots ||
	    census->view->backends[slot].generation != (uint16_t)(word >> FLOW_GENERATION_SHIFT))
		return;
	if (census->ends_silently[slot] && age > FLOW_UDP_IDLE_TICKS)
		return;
	census->counting[slot].flows++;
	census->counting[slot].silent += age > census->silent_ticks;
}

bool census_go_on(struct census *census)
{
	uint32_t end = census->next + CENSUS_SLICE;
	struct census_flows *counted = census->counting;

	if (end > census->view->flow_buckets)
		end = census->view->flow_buckets;
	for (; census->next < end; census->next++)
		for (int i = 0; i < STEER_BUCKET_ENTRIES; i++)
			count(census,
			      __atomic_load_n(&census->view->flows[census->next].entry[i].word,
					      __ATOMIC_RELAXED));
	if (census->next < census->view->flow_buckets)
		return false;
	census->counting = census->counted;
	census->counted = counted;
	return true;
}

struct census_flows census_flows(const struct census *census, uint32_t slot)
{
	return census->counted[slot];
}
