/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/ring.h"

#include <errno.h>

#include "agent/apportion.h"
#include "agent/mix.h"
#include "common/util.h"

#define OFFSET_SEED 0x6d61676c65763031ULL
#define SKIP_SEED   0x6d61676c65763032ULL

/* A member's own order of preference for the slots, and how far down it is. */
struct claimant {
	struct address address;
	uint32_t next; /* the slot it would like now */
	uint32_t skip; /* odd, so that it comes past every slot of a power of two */
	uint32_t quota;
	uint32_t credit; /* a turn costs the largest quota */
	uint16_t backend;
};

static int claimant_compare(const void *a, const void *b)
{
	const struct claimant *x = a, *y = b;

	return memcmp(&x->address, &y->address, sizeof(x->address));
}

static void claimant_init(struct claimant *c, const struct ring_member *member)
{
	const struct address *address = &member->address;

	*c = (struct claimant){
		.address = *address,
		.next = mix_bytes(address, sizeof(*address), OFFSET_SEED) % STEER_RING_SLOTS,
		.skip = mix_bytes(address, sizeof(*address), SKIP_SEED) % STEER_RING_SLOTS | 1,
		.quota = member->weight,
		.backend = member->slot,
	};
}

/* Members with a weight as claimants in the order of their addresses, quotas set. */
static int claimants_make(const struct ring_member *members, size_t n, struct claimant *claimants,
			  size_t *ret_n)
{
	CLEANUP_FREE uint32_t *weights = util_calloc(n + 1, sizeof(*weights));
	CLEANUP_FREE uint32_t *quotas = util_calloc(n + 1, sizeof(*quotas));
	size_t used = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		if (members[i].weight)
			claimant_init(&claimants[used++], &members[i]);
	qsort(claimants, used, sizeof(*claimants), claimant_compare);
	for (size_t i = 0; i < used; i++) {
		if (i && !claimant_compare(&claimants[i - 1], &claimants[i]))
			return -EINVAL;
		weights[i] = claimants[i].quota;
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
	uint32_t slot = c->next;

	while (taken[slot])
		slot = (slot + c->skip) % STEER_RING_SLOTS;
	taken[slot] = true;
	ring->backend[slot] = c->backend;
	c->next = (slot + c->skip) % STEER_RING_SLOTS;
}

int ring_build(const struct ring_member *members, size_t n, struct ring *ret)
{
	CLEANUP_FREE struct claimant *claimants = util_calloc(n + 1, sizeof(*claimants));
	bool taken[STEER_RING_SLOTS] = {};
	uint32_t price = 0, left = STEER_RING_SLOTS;
	size_t used;
	int r;

	r = claimants_make(members, n, claimants, &used);
	if (r < 0)
		return r;

	for (size_t i = 0; i < used; i++)
		price = claimants[i].quota > price ? claimants[i].quota : price;
	for (size_t i = 0; i < used; i++)
		claimants[i].credit = price / 2;

	/* After `price` rounds everybody has had exactly quota turns, evenly spread over them. */
	while (left) {
		for (size_t i = 0; i < used; i++) {
			struct claimant *c = &claimants[i];

			c->credit += c->quota;
			if (c->credit < price)
				continue;
			c->credit -= price;
			claim(c, taken, ret);
			left--;
		}
	}
	return 0;
}

static void slot_store(struct ring *live, uint32_t slot, uint16_t backend)
{
	if (live->backend[slot] != backend)
		__atomic_store_n(&live->backend[slot], backend, __ATOMIC_RELAXED);
}

void ring_overlay(const struct ring *base, bool (*takes_new)(uint16_t backend, void *userdata),
		  void *userdata, struct ring *live)
{
	uint32_t start = 0, slot, behind;

	while (start < STEER_RING_SLOTS && !takes_new(base->backend[start], userdata))
		start++;
	if (start == STEER_RING_SLOTS) {
		for (slot = 0; slot < STEER_RING_SLOTS; slot++)
			slot_store(live, slot, base->backend[slot]);
		return;
	}

	/* Once round the cycle; `behind` trails at the first slot that has no answer yet. */
	slot = start;
	behind = ring_next_slot(start);
	do {
		slot = ring_next_slot(slot);
		if (!takes_new(base->backend[slot], userdata))
			continue;
		for (; behind != slot; behind = ring_next_slot(behind))
			slot_store(live, behind, base->backend[slot]);
		slot_store(live, slot, base->backend[slot]);
		behind = ring_next_slot(slot);
	} while (slot != start);
}
