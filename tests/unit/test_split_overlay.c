/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who gets the clients of stacks that are out, over random splits, lists and failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/mix.h"
#include "agent/split.h"
#include "common/util.h"

#define CHOICES STEER_SPLIT_CHOICES
#define CASES	400

/* A service, and which of its stacks are fit. */
struct world {
	uint64_t seed;
	size_t n;
	struct split_member members[CHOICES];
	uint8_t list[CHOICES];
	size_t list_n;
	struct split base;
	struct split_heirs heirs;
};

static struct world world;
static struct split live, other;

static uint64_t draw(void)
{
	return world.seed = mix64(world.seed + 1);
}

/* Three of four bits set. */
static unsigned int draw_most(void)
{
	unsigned int bits = (unsigned int)draw();

	return bits | (unsigned int)draw();
}

static void make(void)
{
	if (split_build(world.members, world.n, &world.base))
		fail_msg("the split cannot be built");
	split_heirs_make(world.members, world.n, world.list, world.list_n, &world.heirs);
}

static void random_world(uint64_t seed)
{
	static const char *const names[CHOICES] = {"amber", "blue", "cyan", "green",
						   "lime",  "pink", "red",  "violet"};

	world = (struct world){.seed = seed, .n = 1 + mix64(seed) % 8};
	for (size_t i = 0; i < world.n; i++)
		world.members[i] = (struct split_member){names[i],
							 draw() % 3 ? (uint32_t)(draw() % 100) : 0};
	world.members[draw() % world.n].weight += 1;
	for (size_t i = 0; i < world.n; i++) {
		size_t at = draw() % (world.list_n + 1);

		if (draw() % 2)
			continue;
		memmove(world.list + at + 1, world.list + at, world.list_n++ - at);
		world.list[at] = (uint8_t)i;
	}
	make();
}

/* blue 60, green 30, red 10, and violet with nothing, with this list. */
static void known_world(const char *list)
{
	static const char letters[] = "bgrv";

	world = (struct world){
		.n = 4,
		.members = {{"blue", 60}, {"green", 30}, {"red", 10}, {"violet", 0}},
	};
	for (; *list; list++)
		world.list[world.list_n++] = (uint8_t)(strchr(letters, *list) - letters);
	make();
}

enum { BLUE = 1, GREEN = 2, RED = 4, VIOLET = 8, ALL = 15 };

static bool has_weight(size_t value)
{
	return world.members[value].weight;
}

static unsigned int with_weight(void)
{
	unsigned int values = 0;

	for (size_t i = 0; i < world.n; i++)
		values |= has_weight(i) ? 1U << i : 0;
	return values;
}

static unsigned int on_list(void)
{
	unsigned int values = 0;

	for (size_t i = 0; i < world.list_n; i++)
		values |= 1U << world.list[i];
	return values;
}

/* Those that may get clients at all. */
static unsigned int takers(void)
{
	return with_weight() | on_list();
}

/* By the words of the documentation: who takes over, looked up item by item. */
static unsigned int heirs_by_the_book(unsigned int fit)
{
	for (size_t i = 0; i < world.list_n; i++) {
		unsigned int group = 0;

		if (!has_weight(world.list[i])) {
			if (fit >> world.list[i] & 1)
				return 1U << world.list[i];
			continue;
		}
		for (; i < world.list_n && has_weight(world.list[i]); i++)
			group |= fit & 1U << world.list[i];
		i--;
		if (group)
			return group;
	}
	return fit & with_weight();
}

static int owner_by_the_book(uint32_t slot, unsigned int fit)
{
	unsigned int heirs = heirs_by_the_book(fit), own = world.base.choice[slot];

	if (fit >> own & 1)
		return (int)own;
	for (int step = 0; step < STEER_SPLIT_SLOTS && heirs; step++) {
		if (heirs >> world.base.choice[slot] & 1)
			return world.base.choice[slot];
		slot = split_next_slot(slot);
	}
	return heirs ? __builtin_ctz(heirs) : -1;
}

static void slots_go_where_the_documentation_says(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= CASES; seed++) {
		unsigned int fit;

		random_world(seed);
		fit = draw_most() & takers();
		memset(&live, 0xff, sizeof(live));
		split_overlay(&world.base, &world.heirs, fit, &live);
		for (uint32_t s = 0; s < STEER_SPLIT_SLOTS; s++) {
			int owner = owner_by_the_book(s, fit);

			if (owner < 0)
				owner = world.base.choice[s];
			if (split_owner(live.choice[s]) != (unsigned int)owner)
				fail_msg("seed %llu: slot %u", (unsigned long long)seed, s);
		}
	}
}

/* What packets find without the agent is what the agent would have written. */
static void an_heir_has_what_it_would_get(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= CASES; seed++) {
		unsigned int fit, victim;

		random_world(seed);
		fit = draw_most() & takers();
		if (!fit)
			continue;
		do
			victim = draw() % world.n;
		while (!(fit >> victim & 1));
		split_overlay(&world.base, &world.heirs, fit, &live);
		split_overlay(&world.base, &world.heirs, fit & ~(1U << victim), &other);
		for (uint32_t s = 0; s < STEER_SPLIT_SLOTS; s++) {
			uint32_t heir = split_heir(live.choice[s]);

			if (split_owner(live.choice[s]) != victim)
				continue;
			if (heirs_by_the_book(fit & ~(1U << victim)))
				assert_int_equal(heir, split_owner(other.choice[s]));
			else
				assert_int_equal(heir, victim);
		}
	}
}

static void a_stack_that_goes_out_moves_only_its_own_clients(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= CASES; seed++) {
		unsigned int fit, victim;

		random_world(seed);
		fit = draw_most() & takers();
		victim = draw() % world.n;
		split_overlay(&world.base, &world.heirs, fit, &live);
		split_overlay(&world.base, &world.heirs, fit & ~(1U << victim), &other);
		for (uint32_t s = 0; s < STEER_SPLIT_SLOTS; s++)
			if (split_owner(live.choice[s]) != victim &&
			    fit >> split_owner(live.choice[s]) & 1)
				assert_int_equal(split_owner(live.choice[s]),
						 split_owner(other.choice[s]));
	}
}

static void clients_come_back_whatever_happened_meanwhile(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= CASES; seed++) {
		random_world(seed);
		split_overlay(&world.base, &world.heirs, takers(), &other);
		split_overlay(&world.base, &world.heirs, takers(), &live);
		for (int change = 0; change < 5; change++)
			split_overlay(&world.base, &world.heirs, (unsigned int)draw() & takers(),
				      &live);
		split_overlay(&world.base, &world.heirs, takers(), &live);
		assert_memory_equal(&live, &other, sizeof(live));
		for (uint32_t s = 0; s < STEER_SPLIT_SLOTS; s++)
			assert_int_equal(split_owner(live.choice[s]), world.base.choice[s]);
	}
}

static void stacks_that_are_not_named_get_nothing_of_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= CASES; seed++) {
		unsigned int fit;

		random_world(seed);
		fit = draw_most() & takers();
		if (!(fit & on_list()))
			continue;
		split_overlay(&world.base, &world.heirs, fit, &live);
		for (uint32_t s = 0; s < STEER_SPLIT_SLOTS; s++)
			if (split_owner(live.choice[s]) != world.base.choice[s])
				assert_true(on_list() >> split_owner(live.choice[s]) & 1);
	}
}

/* How many of blue's 2458 slots each has while `fit` is. */
static void blues_heirs(unsigned int fit, unsigned int ret[CHOICES])
{
	memset(ret, 0, CHOICES * sizeof(*ret));
	split_overlay(&world.base, &world.heirs, fit, &live);
	for (uint32_t s = 0; s < STEER_SPLIT_SLOTS; s++)
		if (world.base.choice[s] == 0)
			ret[split_owner(live.choice[s])]++;
}

static void known_lists_do_what_their_order_says(void **state)
{
	enum { B, G, R, V };
	static const struct {
		const char *list;
		unsigned int fit;
		double share[4]; /* of blue's clients */
	} cases[] = {
		{"", GREEN | RED | VIOLET, {[G] = 0.75, [R] = 0.25}},
		{"g", GREEN | RED | VIOLET, {[G] = 1}},
		{"g", RED | VIOLET, {[R] = 1}},
		{"rg", GREEN | RED | VIOLET, {[G] = 0.75, [R] = 0.25}},
		{"v", GREEN | RED | VIOLET, {[V] = 1}},
		{"v", GREEN | RED, {[G] = 0.75, [R] = 0.25}},
		{"vg", GREEN | RED | VIOLET, {[V] = 1}},
		{"vg", GREEN | RED, {[G] = 1}},
		{"gv", GREEN | RED | VIOLET, {[G] = 1}},
		{"gv", RED | VIOLET, {[V] = 1}},
		{"gvr", RED | VIOLET, {[V] = 1}},
		{"bv", GREEN | RED | VIOLET, {[V] = 1}},
		{"b", GREEN | RED | VIOLET, {[G] = 0.75, [R] = 0.25}},
		{"gr", VIOLET, {[B] = 1}}, /* violet has no weight, and is not named */
	};
	unsigned int got[CHOICES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		known_world(cases[i].list);
		blues_heirs(cases[i].fit & takers(), got);
		for (size_t j = 0; j < 4; j++) {
			double wanted = cases[i].share[j] * 2458;

			if (got[j] < wanted * 0.93 || got[j] > wanted * 1.07)
				fail_msg("list '%s', fit %x: %s has %u of blue's slots, not %.0f",
					 cases[i].list, cases[i].fit, world.members[j].name, got[j],
					 wanted);
		}
	}
}

static void with_nobody_or_everybody_out_each_client_has_its_own_stack(void **state)
{
	(void)state;
	known_world("gv");
	for (unsigned int fit = 0; fit <= ALL; fit += ALL) {
		split_overlay(&world.base, &world.heirs, fit, &live);
		for (uint32_t s = 0; s < STEER_SPLIT_SLOTS; s++)
			assert_int_equal(split_owner(live.choice[s]), world.base.choice[s]);
	}
}

/* Pages that cannot be written stand for the cache lines that packets read meanwhile. */
static void only_what_changes_is_written(void **state)
{
	struct split *mapped = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(mapped, MAP_FAILED);
	known_world("v");
	split_overlay(&world.base, &world.heirs, GREEN | RED | VIOLET, mapped);
	assert_int_equal(mprotect(mapped, sizeof(*mapped), PROT_READ), 0);
	split_overlay(&world.base, &world.heirs, GREEN | RED | VIOLET, mapped);
	munmap(mapped, sizeof(*mapped));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_go_where_the_documentation_says),
		cmocka_unit_test(an_heir_has_what_it_would_get),
		cmocka_unit_test(a_stack_that_goes_out_moves_only_its_own_clients),
		cmocka_unit_test(clients_come_back_whatever_happened_meanwhile),
		cmocka_unit_test(stacks_that_are_not_named_get_nothing_of_it),
		cmocka_unit_test(known_lists_do_what_their_order_says),
		cmocka_unit_test(with_nobody_or_everybody_out_each_client_has_its_own_stack),
		cmocka_unit_test(only_what_changes_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
