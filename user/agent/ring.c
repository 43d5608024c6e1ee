/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/ring.h"

#include <errno.h>

#include "agent/apportion.h"
#include "agent/mix.h"
#include "common/util.h"

#define ADDRESS_SEED 0x6d61676c65763031ULL
#define ROUNDS	     3

/* A member's own order of preference for the slots, and how far down it is. */
struct claimant {
	struct address address;
	uint32_t rank; /* of the slot it would like next */
	uint32_t offset;
	uint32_t factor[ROUNDS]; /* odd */
	uint32_t weight;
	uint32_t quota;	 /* slots still to come */
	uint64_t credit; /* twice its weight each round; a turn costs twice the largest weight */
	uint16_t backend;
};

static int claimant_compare(const void *a, const void *b)
{
	const struct claimant *x = a, *y = b;

	return memcmp(&x->address, &y->address, sizeof(x->address));
}

static void claimant_init(struct claimant *c, const struct ring_member *member)
{
	uint64_t h = mix_bytes(&member->address, sizeof(member->address), ADDRESS_SEED);

	*c = (struct claimant){
		.address = member->address,
		.offset = h % STEER_RING_SLOTS,
		.weight = member->weight,
		.backend = member->slot,
	};
	for (int i = 0; i < ROUNDS; i++)
		c->factor[i] = mix64(h + i) % STEER_RING_SLOTS | 1;
}

/* A permutation of the slots: odd factors and xor with a shift are bijections on 14 bits. */
static uint32_t claimant_slot(const struct claimant *c, uint32_t rank)
{
	uint32_t slot = rank + c->offset;

	for (int i = 0; i < ROUNDS; i++) {
		slot = slot * c->factor[i] % STEER_RING_SLOTS;
		slot ^= slot >> 7;
	}
	return slot;
}

/* Members with a weight as claimants in the order of their addresses, quotas set. */
static int claimants_make(const struct ring_member *members, size_t n, struct claimant *claimants,
			  size_t *ret_n)
{
	CLEANUP_FREE uint32_t *weights = util_calloc(n, sizeof(*weights));
	CLEANUP_FREE uint32_t *quotas = util_calloc(n, sizeof(*quotas));
	size_t used = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		if (members[i].weight)
			claimant_init(&claimants[used++], &members[i]);
	qsort(claimants, used, sizeof(*claimants), claimant_compare);
	for (size_t i = 0; i < used; i++) {
		if (i && !claimant_compare(&claimants[i - 1], &claimants[i]))
			return -EINVAL;
		weights[i] = claimants[i].weight;
	}

	r = apportion(weights, used, STEER_RING_SLOTS, quotas);
	if (r < 0)
		return r;
	for (size_t i = 0; i < used; i++)
		claimants[i].quota = quotas[i];
	*ret_n = used;
	return 0;
}

static void claim(struct claimant *c, bool *taken, struct ring *ring)
{
	uint32_t slot;

	do
		slot = claimant_slot(c, c->rank++);
	while (taken[slot]);
	taken[slot] = true;
	ring->backend[slot] = c->backend;
}

/* The largest weight of those who still want slots, so that each round gives a slot at least. */
static uint32_t turn_price(const struct claimant *claimants, size_t n)
{
	uint32_t price = 0;

	for (size_t i = 0; i < n; i++)
		if (claimants[i].quota && claimants[i].weight > price)
			price = claimants[i].weight;
	return price;
}

/* Everybody starts with half a turn's price, so that turns are early as often as late. */
static void claimants_take_turns(struct claimant *claimants, size_t n, struct ring *ring)
{
	bool taken[STEER_RING_SLOTS] = {};
	uint32_t price;

	price = turn_price(claimants, n);
	for (size_t i = 0; i < n; i++)
		claimants[i].credit = price;
	while ((price = turn_price(claimants, n))) {
		for (size_t i = 0; i < n; i++) {
			struct claimant *c = &claimants[i];

			if (!c->quota)
				continue;
			c->credit += 2ULL * c->weight;
			if (c->credit < 2ULL * price)
				continue;
			c->credit -= 2ULL * price;
			c->quota--;
			claim(c, taken, ring);
		}
	}
}

int ring_build(const struct ring_member *members, size_t n, struct ring *ret)
{
	CLEANUP_FREE struct claimant *claimants = util_calloc(n, sizeof(*claimants));
	size_t used;
	int r;

	r = claimants_make(members, n, claimants, &used);
	if (r < 0)
		return r;
	claimants_take_turns(claimants, used, ret);
	return 0;
}

static void slot_store(struct ring *live, uint32_t slot, uint16_t backend)
{
	if (live->backend[slot] != backend)
		__atomic_store_n(&live->backend[slot], backend, __ATOMIC_RELAXED);
}

/* ring_next_slot() backwards: its factor's inverse modulo 2^14. */
static uint32_t previous_slot(uint32_t slot)
{
	return (slot - 5771) * 11253 & (STEER_RING_SLOTS - 1);
}

static uint32_t count_slots(const struct ring *base, uint16_t backend)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < STEER_RING_SLOTS; slot++)
		n += base->backend[slot] == backend;
	return n;
}

uint32_t ring_step_part(uint8_t slow_step, uint32_t whole)
{
	return slow_step < SLOW_STEP_NONE ? whole >> slow_step : 0;
}

uint32_t ring_backend_part(const struct backend *backend)
{
	return ring_step_part(backend->slow_step, RING_WHOLE - backend->ramp_lacks);
}

/* Slots that backends with a part still may keep, by backend + 1: 0 is not yet counted. */
static bool keep_part(const struct ring *base, uint16_t backend, uint32_t part, uint32_t *quotas)
{
	uint32_t *left = &quotas[backend];

	if (!*left)
		*left = 1 +
			(uint32_t)(((uint64_t)count_slots(base, backend) * part + RING_WHOLE - 1) /
				   RING_WHOLE);
	if (*left == 1)
		return false;
	--*left;
	return true;
}

/* Which slots their own backends have. */
static void find_kept(const struct ring *base, ring_part part_of, void *userdata, bool *kept)
{
	CLEANUP_FREE uint32_t *quotas = NULL;

	for (uint32_t slot = 0; slot < STEER_RING_SLOTS; slot++) {
		uint16_t backend = base->backend[slot];
		uint32_t part = part_of(backend, userdata);

		kept[slot] = part >= RING_WHOLE;
		if (!part || kept[slot])
			continue;
		if (!quotas)
			quotas = util_calloc(UINT16_MAX + 1, sizeof(*quotas));
		kept[slot] = keep_part(base, backend, part, quotas);
	}
}

/* The two nearest backends ahead on the cycle that keep a slot; -1: none. */
struct ahead {
	int32_t first;
	int32_t second; /* another than the first */
};

static void ahead_note(struct ahead *ahead, uint16_t backend)
{
	if (backend == ahead->first)
		return;
	ahead->second = ahead->first;
	ahead->first = backend;
}

/* What a walk from `slot` meets, as of after that slot. */
static struct ahead look_ahead(const struct ring *base, const bool *kept, uint32_t slot)
{
	struct ahead ahead = {-1, -1};

	for (uint32_t i = 0; i < STEER_RING_SLOTS && ahead.second < 0; i++) {
		slot = ring_next_slot(slot);
		if (!kept[slot] || base->backend[slot] == ahead.first)
			continue;
		if (ahead.first < 0)
			ahead.first = base->backend[slot];
		else
			ahead.second = base->backend[slot];
	}
	return ahead;
}

static int32_t heir(const struct ahead *ahead, uint16_t backend)
{
	if (ahead->first < 0)
		return backend;
	return backend != ahead->first || ahead->second < 0 ? ahead->first : ahead->second;
}

void ring_overlay(const struct ring *base, ring_part part, void *userdata, struct ring *live)
{
	bool kept[STEER_RING_SLOTS];
	struct ahead ahead;
	uint32_t slot = 0;

	find_kept(base, part, userdata, kept);
	ahead = look_ahead(base, kept, slot);
	for (uint32_t i = 0; i < STEER_RING_SLOTS; i++, slot = previous_slot(slot)) {
		uint16_t backend = base->backend[slot];

		slot_store(live, slot, kept[slot] ? backend : (uint16_t)heir(&ahead, backend));
		if (kept[slot])
			ahead_note(&ahead, backend);
	}
}
