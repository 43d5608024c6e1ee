/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What health makes of a bank's tables: which stacks are fit, who takes over, who panics. */
#include "agent/bank_internal.h"
#include "agent/split.h"
#include "common/util.h"

#define RING_NONE 0xffff /* no backend: beyond any slot, so that the kernel finds nothing */

/* States that are as wanted in the bits of the mask. */
struct want {
	uint8_t mask;
	uint8_t wanted;
};

static const struct want new_flows = {BACKEND_NEW | BACKEND_ROUTE, BACKEND_NEW | BACKEND_ROUTE};
static const struct want offered = {BACKEND_HELD | BACKEND_ROUTE, BACKEND_ROUTE};
static const struct want routed = {BACKEND_ROUTE, BACKEND_ROUTE};

static uint8_t slot_state(const struct datapath_view *view, uint32_t slot)
{
	return __atomic_load_n(&view->backends[slot].state, __ATOMIC_RELAXED);
}

static bool is_wanted(uint8_t state, const struct want *want)
{
	return (state & want->mask) == want->wanted;
}

static void measure(const struct datapath_view *view, struct compiled_stack *stack)
{
	struct stack_health health = {};

	for (size_t i = 0; stack->ring && i < stack->slots_n; i++) {
		uint32_t weight = stack->route->backends_n ? stack->route->backends[i].weight : 1;
		uint8_t state = slot_state(view, stack->slots[i]);

		if (!weight)
			continue;
		if (is_wanted(state, &new_flows))
			health.healthy += weight;
		if (is_wanted(state, &new_flows) || !(state & (BACKEND_HELD | BACKEND_WAITS)))
			health.counted += weight;
		health.routed |= is_wanted(state, &routed);
		health.offered |= is_wanted(state, &offered);
		health.waits |= state & BACKEND_WAITS;
	}
	stack->health = health;
}

static bool is_fit(const struct stack_health *health, uint8_t panic_percent)
{
	return health->healthy && health->healthy * 100 >= health->counted * panic_percent;
}

unsigned int bank_takers(const struct bank_split *split)
{
	unsigned int values = 0;

	for (size_t i = 0; i < split->heirs.n; i++)
		values |= split->heirs.rank[i];
	return values;
}

unsigned int bank_heirs(const struct compiled_split *split)
{
	const struct split_heirs *heirs = &split->table->heirs;
	unsigned int rank = 0;

	for (size_t i = 0; i < heirs->n && !rank; i++)
		rank = heirs->rank[i] & split->fit;
	return rank;
}

static void judge_split(const struct compiled *compiled, struct compiled_split *split)
{
	unsigned int fit = 0, may = 0, could = 0, all = bank_takers(split->table);

	for (size_t i = 0; i < split->table->n; i++) {
		const struct stack_health *health = &compiled->stacks[split->stack[i]].health;
		unsigned int bit = 1U << i & all;

		fit |= is_fit(health, split->table->panic_percent) ? bit : 0;
		may |= health->offered ? bit : 0;
		could |= health->routed ? bit : 0;
	}
	split->panic = !fit;
	split->fit = (uint16_t)(fit ?: may ?: could);
}

/* Whose rings are to ignore health: those that a service in panic sends to. */
static void find_panicking(const struct compiled *compiled, bool *ret_panics)
{
	for (size_t i = 0; i < compiled->splits_n; i++) {
		const struct compiled_split *split = &compiled->splits[i];

		for (size_t j = 0; split->panic && j < split->table->n; j++)
			if (split->fit >> j & 1)
				ret_panics[split->stack[j]] = true;
	}
}

void bank_judge(const struct datapath_view *view, const struct compiled *compiled)
{
	bool panics[STEER_STACKS] = {};

	for (size_t i = 0; i < compiled->routes->stacks_n; i++)
		measure(view, &compiled->stacks[i]);
	for (size_t i = 0; i < compiled->splits_n; i++)
		judge_split(compiled, &compiled->splits[i]);
	find_panicking(compiled, panics);
	for (size_t i = 0; i < compiled->routes->stacks_n; i++)
		compiled->stacks[i].panics = panics[i];
}

/* What each of a stack's backends has of its slots, of RING_WHOLE. */
struct ring_parts {
	const struct datapath_view *view;
	const struct want *want; /* others have none */
	uint32_t most; /* the largest part in the stack, which counts as the whole; not 0 */
};

/* Others left out of account. */
static uint32_t slot_part(const struct ring_parts *parts, uint32_t slot)
{
	return is_wanted(slot_state(parts->view, slot), parts->want)
		       ? ring_backend_part(&parts->view->backends[slot])
		       : 0;
}

/* Where all of a stack's backends are in their slow starts, they share by what each has. */
static struct ring_parts parts_of(const struct datapath_view *view,
				  const struct compiled_stack *stack)
{
	const struct want *in_panic = stack->health.offered ? &offered : &routed;
	struct ring_parts parts = {view, stack->panics ? in_panic : &new_flows, 1};

	for (size_t i = 0; i < stack->slots_n; i++) {
		uint32_t part = slot_part(&parts, stack->slots[i]);

		if ((!stack->route->backends_n || stack->route->backends[i].weight) &&
		    part > parts.most)
			parts.most = part;
	}
	return parts;
}

static uint32_t relative_part(uint16_t slot, void *userdata)
{
	const struct ring_parts *parts = userdata;
	uint64_t part = slot_part(parts, slot);

	return part >= parts->most ? RING_WHOLE : (uint32_t)(part * RING_WHOLE / parts->most);
}

static void write_ring(const struct datapath_view *view, unsigned int bank,
		       const struct compiled *compiled, size_t index)
{
	const struct compiled_stack *stack = &compiled->stacks[index];
	struct ring *live = &view->rings[bank * STEER_STACKS + index];
	struct ring_parts parts = parts_of(view, stack);

	if (stack->ring)
		ring_overlay(&stack->ring->base, relative_part, &parts, live);
	else
		memset(live, RING_NONE & 0xff, sizeof(*live));
}

/* Where all is up, the overlay is the table itself. */
void bank_fill_ring(const struct datapath_view *view, unsigned int bank,
		    const struct compiled *compiled, size_t index)
{
	const struct compiled_stack *stack = &compiled->stacks[index];
	struct ring_parts parts = parts_of(view, stack);
	bool all = stack->ring;

	for (size_t i = 0; i < stack->slots_n && all; i++)
		all = slot_part(&parts, stack->slots[i]) == RING_WHOLE;
	if (all)
		memcpy(&view->rings[bank * STEER_STACKS + index], &stack->ring->base,
		       sizeof(stack->ring->base));
	else
		write_ring(view, bank, compiled, index);
}

static void write_split(const struct datapath_view *view, unsigned int bank,
			const struct compiled *compiled, size_t index)
{
	const struct compiled_split *split = &compiled->splits[index];

	split_overlay(&split->table->base, &split->table->heirs, split->fit,
		      &view->splits[bank * view->split_slots + index]);
}

/* As bank_fill_ring(). */
void bank_fill_split(const struct datapath_view *view, unsigned int bank,
		     const struct compiled *compiled, size_t index)
{
	const struct compiled_split *split = &compiled->splits[index];

	if (split->fit == bank_takers(split->table))
		memcpy(&view->splits[bank * view->split_slots + index], &split->table->whole,
		       sizeof(split->table->whole));
	else
		write_split(view, bank, compiled, index);
}

/* True: the stack came to be fit or unfit for it, and its table is written anew. */
static bool overlay_split(const struct datapath_view *view, unsigned int bank,
			  const struct compiled *compiled, size_t index)
{
	struct compiled_split *split = &compiled->splits[index];
	const struct compiled_split was = *split;

	judge_split(compiled, split);
	if (split->fit != was.fit)
		write_split(view, bank, compiled, index);
	return split->fit != was.fit || split->panic != was.panic;
}

static bool names_stack(const struct compiled_split *split, size_t stack)
{
	for (size_t i = 0; i < split->table->n; i++)
		if (split->stack[i] == stack)
			return true;
	return false;
}

static void store_panic(const struct datapath_view *view, unsigned int bank,
			const struct compiled *compiled)
{
	for (size_t i = 0; i < compiled->routes->services_n; i++) {
		const struct compiled_service *service = &compiled->services[i];
		struct service *live = &view->services[bank * view->service_slots + service->slot];

		__atomic_store_n(&live->panic, compiled->splits[service->split_index].panic,
				 __ATOMIC_RELAXED);
	}
}

/* Stacks that begin or end to ignore health, besides one whose ring is written anyway. */
static void overlay_panic(const struct datapath_view *view, unsigned int bank,
			  const struct compiled *compiled, size_t but)
{
	bool panics[STEER_STACKS] = {};

	find_panicking(compiled, panics);
	for (size_t i = 0; i < compiled->routes->stacks_n; i++) {
		bool changed = compiled->stacks[i].panics != panics[i];

		compiled->stacks[i].panics = panics[i];
		if (changed && i != but)
			write_ring(view, bank, compiled, i);
	}
	store_panic(view, bank, compiled);
}

void bank_overlay(const struct datapath_view *view, unsigned int bank,
		  const struct compiled *compiled, size_t index)
{
	struct compiled_stack *stack = &compiled->stacks[index];
	bool changed = false;

	measure(view, stack);
	__atomic_store_n(&view->stacks[bank * STEER_STACKS + index].up, stack->health.healthy > 0,
			 __ATOMIC_RELAXED);
	for (size_t i = 0; i < compiled->splits_n; i++)
		if (names_stack(&compiled->splits[i], index))
			changed |= overlay_split(view, bank, compiled, i);
	if (changed)
		overlay_panic(view, bank, compiled, index);
	write_ring(view, bank, compiled, index);
}
