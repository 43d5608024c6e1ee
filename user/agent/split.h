/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table that turns a client's hash into one of a service's stacks. */
#ifndef STEER_SPLIT_H
#define STEER_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

struct split_member {
	const char *name; /* of the stack */
	uint32_t weight;  /* 0: no slot */
};

/*
 * Gives each slot the index of one of `members`, which stand sorted by name (strcmp), each name
 * once. Quotas as apportion.h: exact to the slot.
 *
 * The table follows from the names and quotas alone, with no memory of an earlier table, so that
 * every host agrees. Each (name, slot) has a fixed cost, the logarithm of an exponential variate
 * drawn from their hash, and the table is the one with the least total cost among those that meet
 * the quotas: weighted rendezvous hashing with prices such that the counts come out exact
 * (semi-discrete optimal transport, found by successive shortest paths over the stacks).
 *
 * What a change of weights moves, with two stacks before and after: the difference of the quotas
 * exactly, and nested, so that the clients in green at 5 % are among those in green at 20 %.
 *
 * With three or more no table without memory can be exact. If it were, a stack's slots would
 * follow from its own share alone, since what the others pass among themselves would leave it as
 * it is. Then with c at 0 the halves of a and b are complements; so are those of a and c, and of
 * b and c; and no three sets are.
 * Slots moved, as a multiple of the difference, over random changes with 3 to 8 stacks (measured,
 * and held by the tests): one weight changed, a stack added or removed: 1.01 to 1.06 on average,
 * 1.35 at worst; all weights changed: 1.10 to 1.22 on average, 1.65 at worst; share passed from one
 * stack to one other while the rest keep theirs, the hardest: 1.23 (three stacks) to 1.7 (eight) on
 * average, 2.2 at worst.
 *
 * -ENOENT: no member with a weight; -E2BIG: more members than STEER_SPLIT_CHOICES; -EINVAL: not
 * sorted, or a name twice.
 */
int split_build(const struct split_member *members, size_t n, struct split *ret);

/*
 * Who takes over from a stack that is out: ranks of values (bit: index), asked in their order. The
 * first rank in which some stack is fit gets all, shared by the slots that these own in the base
 * table; where none of them owns any, the one with the lowest index gets it.
 */
struct split_heirs {
	size_t n;
	uint16_t rank[STEER_SPLIT_CHOICES + 1];
};

/*
 * The ranks for a failover list of distinct values. The list is gone down in its order: neighbours
 * in it that have a weight are one rank, and share by that; one without a weight is a rank by
 * itself, and stands by. Behind the list come all that have a weight.
 */
void split_heirs_make(const struct split_member *members, size_t n, const uint8_t *list,
		      size_t list_n, struct split_heirs *ret);

/*
 * The table as packets read it: each slot with its stack, or who takes over where that is not in
 * `fit` (bit: index), and with the heir, who would take over if that one, too, were out. Within a
 * rank it is the first met when going along split_next_slot() from the slot, so that neither what
 * others do nor the order of events moves anybody. With nobody left, `base` and no heirs (the
 * stack itself stands in that place).
 *
 * Packets may read `live` meanwhile: a slot is written only if it changes, by one store.
 */
void split_overlay(const struct split *base, const struct split_heirs *heirs, unsigned int fit,
		   struct split *live);

/*
 * Of base tables: the share of slots, 0 to 1, whose stack has another name in `b` than in `a`. names_x[i] is what
 * value i of x stands for.
 */
double split_moved_share(const struct split *a, const char *const *names_a, const struct split *b,
			 const char *const *names_b);

/* Slots by owner. */
void split_count(const struct split *split, unsigned int ret_counts[STEER_SPLIT_CHOICES]);

#endif
