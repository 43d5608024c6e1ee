/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/split.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/apportion.h"
#include "agent/mix.h"
#include "common/util.h"

#define NAME_SEED    0x73706c6974303031ULL
#define SLOTS	     STEER_SPLIT_SLOTS
#define CHOICES	     STEER_SPLIT_CHOICES
#define PRICE_ROUNDS 4
#define NO_SLOT	     UINT16_MAX
#define FAR	     INT64_MAX

/* A slot that one stack would give up most cheaply for another, and what that costs. */
struct edge {
	int64_t cost;
	uint16_t slot; /* NO_SLOT: it owns none */
};

/* The stacks that get slots, numbered as they stand among the members. */
struct plan {
	size_t n;
	uint8_t member[CHOICES];
	uint32_t quota[CHOICES];
	uint32_t count[CHOICES]; /* slots owned now */
	int64_t price[CHOICES];
	int32_t *cost; /* [slot * n + stack], 2^-24 octaves */
	uint8_t owner[SLOTS];
	struct edge edge[CHOICES][CHOICES]; /* [from][to] */
};

/*
 * Nearly log2(x) in units of 2^-32, for x above 0: within 2^-12 of it, exact at powers of two, with
 * its slope there, and never falling. In integers, so that every host computes the same.
 */
static uint64_t log2_fixed(uint64_t x)
{
	const unsigned int exponent = 63 - __builtin_clzll(x);
	const uint64_t f = ((x << (63 - exponent)) << 1) >> 32;
	const uint64_t bulge = (f * ((1ULL << 32) - f)) >> 32;
	const uint64_t factor = 1901360719U - ((1062574909U * f) >> 32) +
				((358200272U * ((f * f) >> 32)) >> 32);

	return ((uint64_t)exponent << 32) + f + ((bulge * factor) >> 32);
}

/* log2 of an exponential variate, plus a constant, in 2^-24. Adding -log2(weight) scales it. */
static int32_t variate_cost(uint64_t hash)
{
	uint64_t variate = (64ULL << 32) - log2_fixed(hash | 1);

	return log2_fixed(variate) >> 8;
}

static void costs_fill(struct plan *plan, const struct split_member *members)
{
	for (size_t s = 0; s < plan->n; s++) {
		const char *name = members[plan->member[s]].name;
		uint64_t seed = mix_bytes(name, strlen(name), NAME_SEED);

		for (uint32_t slot = 0; slot < SLOTS; slot++)
			plan->cost[slot * plan->n + s] = variate_cost(mix64(seed + slot));
	}
}

/* Each slot to the stack that is cheapest at these prices: the best table for these counts. */
static void assign_cheapest(struct plan *plan)
{
	memset(plan->count, 0, sizeof(plan->count));
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		const int32_t *cost = &plan->cost[slot * plan->n];
		size_t best = 0;

		for (size_t s = 1; s < plan->n; s++)
			if (cost[s] + plan->price[s] < cost[best] + plan->price[best])
				best = s;
		plan->owner[slot] = best;
		plan->count[best]++;
	}
}

static int64_t log2_price(uint32_t count)
{
	return log2_fixed(count ? count : 1) >> 8;
}

/* Prices that bring the counts near the quotas, so that few slots are left to be exchanged. */
static void assign_nearly(struct plan *plan)
{
	for (size_t s = 0; s < plan->n; s++)
		plan->price[s] = -log2_price(plan->quota[s]);
	assign_cheapest(plan);
	for (int round = 1; round < PRICE_ROUNDS; round++) {
		for (size_t s = 0; s < plan->n; s++)
			plan->price[s] += log2_price(plan->count[s]) - log2_price(plan->quota[s]);
		assign_cheapest(plan);
	}
}

static void edges_scan(struct plan *plan, size_t from)
{
	for (size_t to = 0; to < plan->n; to++)
		plan->edge[from][to] = (struct edge){FAR, NO_SLOT};
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		const int32_t *cost = &plan->cost[slot * plan->n];

		if (plan->owner[slot] != from)
			continue;
		for (size_t to = 0; to < plan->n; to++) {
			int64_t d = (int64_t)cost[to] - cost[from];

			if (to != from && d < plan->edge[from][to].cost)
				plan->edge[from][to] = (struct edge){d, slot};
		}
	}
}

/*
 * The cheapest chain of exchanges from a stack with too many slots to one with too few (Bellman
 * and Ford: exchanges may save cost, but no round trip does, as the table is the best for its
 * counts). Returns where it ends, with ret_previous leading back; CHOICES: all counts are right.
 */
static size_t chain_find(const struct plan *plan, uint8_t ret_previous[CHOICES])
{
	int64_t distance[CHOICES];
	size_t end = CHOICES;
	bool changed = true;

	for (size_t s = 0; s < plan->n; s++) {
		distance[s] = plan->count[s] > plan->quota[s] ? 0 : FAR;
		ret_previous[s] = CHOICES;
	}
	while (changed) {
		changed = false;
		for (size_t from = 0; from < plan->n; from++) {
			for (size_t to = 0; to < plan->n; to++) {
				const struct edge *edge = &plan->edge[from][to];

				if (distance[from] == FAR || edge->slot == NO_SLOT ||
				    distance[from] + edge->cost >= distance[to])
					continue;
				distance[to] = distance[from] + edge->cost;
				ret_previous[to] = from;
				changed = true;
			}
		}
	}
	for (size_t s = 0; s < plan->n; s++)
		if (plan->count[s] < plan->quota[s] && distance[s] != FAR &&
		    (end == CHOICES || distance[s] < distance[end]))
			end = s;
	return end;
}

static void chain_apply(struct plan *plan, size_t end, const uint8_t previous[CHOICES])
{
	size_t s;

	for (s = end; previous[s] != CHOICES; s = previous[s])
		plan->owner[plan->edge[previous[s]][s].slot] = s;
	plan->count[s]--;
	plan->count[end]++;

	for (s = end; s != CHOICES; s = previous[s])
		edges_scan(plan, s);
}

static void assign_exactly(struct plan *plan)
{
	uint8_t previous[CHOICES];
	size_t end;

	for (size_t s = 0; s < plan->n; s++)
		edges_scan(plan, s);
	while ((end = chain_find(plan, previous)) != CHOICES)
		chain_apply(plan, end, previous);
}

static int key_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of two, the first takes the slots where it is cheapest beside the second; ties by slot. */
static void assign_two(struct plan *plan)
{
	int64_t key[SLOTS];

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		key[slot] = ((int64_t)plan->cost[slot * 2] - plan->cost[slot * 2 + 1]) * SLOTS +
			    slot;
	qsort(key, SLOTS, sizeof(*key), key_compare);
	for (uint32_t i = 0; i < SLOTS; i++)
		plan->owner[key[i] & (SLOTS - 1)] = i >= plan->quota[0];
}

static int plan_init(struct plan *plan, const struct split_member *members, size_t n)
{
	uint32_t weights[CHOICES], quotas[CHOICES];
	int r;

	if (n > CHOICES)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(members[i - 1].name, members[i].name) >= 0)
			return -EINVAL;
		weights[i] = members[i].weight;
	}
	r = apportion(weights, n, SLOTS, quotas);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!quotas[i])
			continue;
		plan->member[plan->n] = i;
		plan->quota[plan->n++] = quotas[i];
	}
	return 0;
}

int split_build(const struct split_member *members, size_t n, struct split *ret)
{
	CLEANUP_FREE struct plan *plan = util_calloc(1, sizeof(*plan));
	CLEANUP_FREE int32_t *cost = NULL;
	int r;

	r = plan_init(plan, members, n);
	if (r < 0)
		return r;
	cost = util_calloc(SLOTS * plan->n, sizeof(*cost));
	plan->cost = cost;
	costs_fill(plan, members);
	if (plan->n == 2) {
		assign_two(plan);
	} else {
		assign_nearly(plan);
		assign_exactly(plan);
	}
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		ret->choice[slot] = plan->member[plan->owner[slot]];
	return 0;
}

static void slot_store(struct split *live, uint32_t slot, uint8_t choice)
{
	if (live->choice[slot] != choice)
		__atomic_store_n(&live->choice[slot], choice, __ATOMIC_RELAXED);
}

void split_heirs_make(const struct split_member *members, size_t n, const uint8_t *list,
		      size_t list_n, struct split_heirs *ret)
{
	bool weighted = false;

	*ret = (struct split_heirs){};
	for (size_t i = 0; i < list_n; i++) {
		if (!weighted || !members[list[i]].weight)
			ret->n++;
		weighted = members[list[i]].weight;
		ret->rank[ret->n - 1] |= (uint16_t)(1U << list[i]);
	}
	for (size_t i = 0; i < n; i++)
		ret->rank[ret->n] |= members[i].weight ? (uint16_t)(1U << i) : 0;
	ret->n++;
}

/* What is out besides those that are not fit: one of the fit ones, or nobody. */
#define NOBODY CHOICES

/* Who takes over, by what is out: whom to look for along the way, or who gets all; -1: nobody. */
struct succession {
	unsigned int sought[CHOICES + 1];
	int next[CHOICES + 1];	       /* what was met last, going backwards */
	unsigned int seekers[CHOICES]; /* by owner: whose succession seeks it (bit: index) */
};

static unsigned int owners_of(const struct split *base)
{
	unsigned int owners = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		owners |= 1U << base->choice[slot];
	return owners;
}

static void succession_find(const struct split_heirs *heirs, unsigned int owners, unsigned int fit,
			    unsigned int out, struct succession *ret)
{
	unsigned int left = out == NOBODY ? fit : fit & ~(1U << out), rank = 0;

	for (size_t i = 0; i < heirs->n && !rank; i++)
		rank = heirs->rank[i] & left;
	ret->next[out] = rank ? __builtin_ctz(rank) : -1;
	ret->sought[out] = rank & owners;
	for (unsigned int i = 0; i < CHOICES; i++)
		if (ret->sought[out] >> i & 1)
			ret->seekers[i] |= 1U << out;
}

static void succession_init(const struct split_heirs *heirs, unsigned int owners, unsigned int fit,
			    struct succession *ret)
{
	*ret = (struct succession){};
	succession_find(heirs, owners, fit, NOBODY, ret);
	for (unsigned int out = 0; out < CHOICES; out++) {
		if (fit >> out & 1)
			succession_find(heirs, owners, fit, out, ret);
		else
			ret->next[out] = -1;
	}
}

static void succession_meet(struct succession *succession, unsigned int owner)
{
	for (unsigned int left = succession->seekers[owner]; left; left &= left - 1)
		succession->next[__builtin_ctz(left)] = (int)owner;
}

/* The slot from which split_next_slot() leads here: 3053 is the inverse of 2533 modulo 4096. */
static uint32_t previous_slot(uint32_t slot)
{
	return ((slot - 1109) * 3053) & (SLOTS - 1);
}

void split_overlay(const struct split *base, const struct split_heirs *heirs, unsigned int fit,
		   struct split *live)
{
	struct succession succession;
	uint32_t slot = 0;

	succession_init(heirs, owners_of(base), fit, &succession);
	/* Once round the cycle, backwards, to have met everybody; then once more. */
	for (unsigned int i = 0; i < SLOTS; i++, slot = previous_slot(slot))
		succession_meet(&succession, base->choice[slot]);
	for (unsigned int i = 0; i < SLOTS; i++, slot = previous_slot(slot)) {
		unsigned int owner = base->choice[slot], heir;

		if (!(fit >> owner & 1) && succession.next[NOBODY] >= 0)
			owner = (unsigned int)succession.next[NOBODY];
		heir = succession.next[owner] < 0 ? owner : (unsigned int)succession.next[owner];
		slot_store(live, slot, (uint8_t)(heir * CHOICES + owner));
		succession_meet(&succession, base->choice[slot]);
	}
}

double split_moved_share(const struct split *a, const char *const *names_a, const struct split *b,
			 const char *const *names_b)
{
	unsigned int moved = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		moved += strcmp(names_a[a->choice[slot]], names_b[b->choice[slot]]) != 0;
	return (double)moved / SLOTS;
}

void split_count(const struct split *split, unsigned int ret_counts[STEER_SPLIT_CHOICES])
{
	memset(ret_counts, 0, CHOICES * sizeof(*ret_counts));
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		ret_counts[split_owner(split->choice[slot])]++;
}
