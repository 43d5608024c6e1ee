/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/split.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "agent/hash_key.h"
#include "agent/mix.h"
#include "common/util.h"

static const char *const names[STEER_SPLIT_CHOICES] = {
	"blue",	 "canary", "eu-west", "green", "h",	  "indigo", "jade",   "k8s",
	"lilac", "mauve",  "navy",    "olive", "pinkish", "red",    "stable", "violet"};

static struct split before, after, live;
static struct split_member members[STEER_SPLIT_CHOICES + 1];

static void members_random(uint64_t seed, size_t n, uint32_t top)
{
	for (size_t i = 0; i < n; i++)
		members[i] = (struct split_member){names[i], mix64(seed * 64 + i) % (top + 1)};
}

static void members_set(const uint32_t *weights, size_t n)
{
	for (size_t i = 0; i < n; i++)
		members[i] = (struct split_member){names[i], weights[i]};
}

static void build(uint64_t seed, size_t n, struct split *ret)
{
	int r = split_build(members, n, ret);

	if (r)
		fail_msg("seed %llu: %zu stacks: %d", (unsigned long long)seed, n, r);
}

/* The slots that must move at least, and those that did. */
static void moves(const struct split *a, const struct split *b, unsigned int *ret_least,
		  unsigned int *ret_moved)
{
	unsigned int counts_a[STEER_SPLIT_CHOICES], counts_b[STEER_SPLIT_CHOICES];

	split_count(a, counts_a);
	split_count(b, counts_b);
	*ret_least = *ret_moved = 0;
	for (size_t i = 0; i < STEER_SPLIT_CHOICES; i++)
		*ret_least += counts_b[i] > counts_a[i] ? counts_b[i] - counts_a[i] : 0;
	for (uint32_t slot = 0; slot < STEER_SPLIT_SLOTS; slot++)
		*ret_moved += a->choice[slot] != b->choice[slot];
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void test_quotas_are_the_exact_share_rounded(void **state)
{
	unsigned int counts[STEER_SPLIT_CHOICES];

	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		size_t n = 1 + mix64(seed) % (seed % 10 ? 4 : 16);
		double total = 0;

		members_random(seed, n, 100);
		members[0].weight++;
		for (size_t i = 0; i < n; i++)
			total += members[i].weight;
		build(seed, n, &before);
		split_count(&before, counts);
		for (size_t i = 0; i < n; i++) {
			double share = STEER_SPLIT_SLOTS * members[i].weight / total;

			if (fabs(counts[i] - share) >= 1)
				fail_msg("seed %llu: %s has %u slots of %.2f",
					 (unsigned long long)seed, names[i], counts[i], share);
		}
	}
}

static void test_quotas_of_known_splits(void **state)
{
	static const struct {
		uint32_t weights[4];
		unsigned int counts[4];
	} cases[] = {
		{{1}, {4096}},
		{{1, 1}, {2048, 2048}},
		{{95, 5}, {3891, 205}},		 /* 3891.2, 204.8 */
		{{1, 1, 1}, {1366, 1365, 1365}}, /* a tie goes to the first name */
		{{0, 3, 0, 1}, {0, 3072, 0, 1024}},
		{{1000000, 1}, {4095, 1}},
		{{1, 1000000, 1, 0}, {1, 4094, 1, 0}},
		{{8191, 1}, {4095, 1}}, /* 4095.5, 0.5 */
	};
	unsigned int counts[STEER_SPLIT_CHOICES];

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		members_set(cases[c].weights, 4);
		build(c, 4, &before);
		split_count(&before, counts);
		for (size_t i = 0; i < 4; i++)
			if (counts[i] != cases[c].counts[i])
				fail_msg("case %zu: %s has %u slots, not %u", c, names[i],
					 counts[i], cases[c].counts[i]);
	}
}

static void test_refusals_leave_the_table_alone(void **state)
{
	(void)state;
	memset(&before, 0xab, sizeof(before));
	after = before;
	members_random(1, STEER_SPLIT_CHOICES, 100);
	members[STEER_SPLIT_CHOICES] = (struct split_member){"zz", 1};
	assert_int_equal(split_build(members, STEER_SPLIT_CHOICES + 1, &before), -E2BIG);
	assert_int_equal(split_build(members, 0, &before), -ENOENT);
	members_random(1, 3, 0);
	assert_int_equal(split_build(members, 3, &before), -ENOENT);
	members_set((uint32_t[]){1, 1, 1}, 3);
	members[1].name = names[0];
	assert_int_equal(split_build(members, 3, &before), -EINVAL);
	members[1].name = names[3];
	assert_int_equal(split_build(members, 3, &before), -EINVAL);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_a_common_factor_of_weights_does_not_matter(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		size_t n = 1 + mix64(seed) % 6;

		members_random(seed, n, 100);
		members[0].weight++;
		build(seed, n, &before);
		for (size_t i = 0; i < n; i++)
			members[i].weight *= 1 + seed * 7;
		build(seed, n, &after);
		if (memcmp(&before, &after, sizeof(before)))
			fail_msg("seed %llu: scaling shows", (unsigned long long)seed);
	}
}

/* Values count the members given, but who owns a slot does not depend on those without weight. */
static void test_stacks_without_weight_change_nothing(void **state)
{
	struct split_member few[STEER_SPLIT_CHOICES];
	const char *few_names[STEER_SPLIT_CHOICES] = {};

	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		size_t n = 2 + mix64(seed) % 7, few_n = 0;

		members_random(seed, n, 3);
		members[seed % n].weight = 2;
		build(seed, n, &before);
		for (size_t i = 0; i < n; i++)
			if (members[i].weight) {
				few_names[few_n] = names[i];
				few[few_n++] = members[i];
			}
		assert_int_equal(split_build(few, few_n, &after), 0);
		if (split_moved_share(&before, names, &after, few_names) > 0)
			fail_msg("seed %llu: weight 0 shows", (unsigned long long)seed);
	}
}

/* Hosts of a fleet are upgraded one by one: another version must not decide otherwise. */
static void test_the_table_is_the_same_in_every_version(void **state)
{
	(void)state;
	members_set((uint32_t[]){95, 5}, 2);
	build(2, 2, &before);
	assert_true(mix_bytes(&before, sizeof(before), 0) == 0xf2526b291dc53a7cULL);
	members_set((uint32_t[]){60, 5, 30, 0, 7}, 5);
	build(5, 5, &before);
	assert_true(mix_bytes(&before, sizeof(before), 0) == 0xab7ee7c7f5a6eab6ULL);
}

static void test_two_stacks_move_the_difference_exactly_and_nested(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		size_t a = mix64(seed) % 15, b = a + 1 + mix64(seed + 1) % (15 - a);
		unsigned int least, moved;

		members[0] = (struct split_member){names[a], mix64(seed + 2) % 1000};
		members[1] = (struct split_member){names[b], 1 + mix64(seed + 3) % 1000};
		build(seed, 2, &before);
		members[0].weight = mix64(seed + 4) % 1000;
		members[1].weight = 1 + mix64(seed + 5) % 1000;
		build(seed, 2, &after);
		moves(&before, &after, &least, &moved);
		if (moved != least)
			fail_msg("seed %llu: %u slots moved, the difference is %u",
				 (unsigned long long)seed, moved, least);
	}
}

static void test_clients_in_green_at_5_percent_are_in_green_at_20(void **state)
{
	struct hash_key key;
	unsigned int at_5 = 0, at_20 = 0;
	const int clients = 100000;

	(void)state;
	hash_key_from_text("shop", &key);
	members_set((uint32_t[]){95, 5}, 2);
	build(5, 2, &before);
	members_set((uint32_t[]){80, 20}, 2);
	build(20, 2, &after);
	for (int i = 0; i < clients; i++) {
		struct flow_tuple t = {.family = i % 2 ? 4 : 6};
		uint32_t slot;

		for (int w = 0; w < 4; w++)
			t.src_be[w] = mix64(i * 4 + w);
		slot = split_slot(hash_client_sum(&key, &t));
		at_5 += before.choice[slot];
		at_20 += after.choice[slot];
		if (before.choice[slot] && !after.choice[slot])
			fail_msg("client %d leaves green", i);
	}
	assert_true(abs((int)at_5 - clients * 5 / 100) < clients / 200);
	assert_true(abs((int)at_20 - clients * 20 / 100) < clients / 100);
}

enum change { ONE_WEIGHT, ONE_STACK, ALL_WEIGHTS, ONE_TO_ONE };

static void change_apply(enum change change, uint64_t seed, size_t n)
{
	size_t i = mix64(seed + 1) % n, j = (i + 1 + mix64(seed + 2) % (n - 1)) % n;
	uint32_t share;

	switch (change) {
	case ONE_WEIGHT:
		members[i].weight = mix64(seed + 3) % 101;
		return;
	case ONE_STACK:
		members[i].weight = members[i].weight ? 0 : 1 + mix64(seed + 3) % 100;
		return;
	case ALL_WEIGHTS:
		members_random(seed + 1000000, n, 100);
		return;
	case ONE_TO_ONE:
		share = mix64(seed + 3) % (members[i].weight + 1);
		members[i].weight -= share;
		members[j].weight += share;
		return;
	}
}

/*
 * The bounds are those that split.h promises: average and worst of moved / difference, where the
 * worst is taken over differences of 1 % or more and the rest may exceed it by a few slots.
 */
static void judge_changes(enum change change, const char *what, size_t n, double average,
			  double worst)
{
	double least_sum = 0, moved_sum = 0, worst_seen = 0;

	for (uint64_t seed = n * 10000; seed < n * 10000 + 150; seed++) {
		unsigned int least, moved;

		members_random(seed, n, 100);
		if (split_build(members, n, &before))
			continue;
		change_apply(change, seed, n);
		if (split_build(members, n, &after))
			continue;
		moves(&before, &after, &least, &moved);
		least_sum += least;
		moved_sum += moved;
		if (least >= STEER_SPLIT_SLOTS / 100 && moved > worst_seen * least)
			worst_seen = (double)moved / least;
		if (moved > worst * least + 10)
			fail_msg("seed %llu: %s of %zu: %u slots moved, the difference is %u",
				 (unsigned long long)seed, what, n, moved, least);
	}
	print_message("%zu stacks, %s: moved / difference %.3f, at worst %.3f\n", n, what,
		      moved_sum / least_sum, worst_seen);
	if (moved_sum > average * least_sum)
		fail_msg("%s of %zu stacks moves %.3f times the difference on average", what, n,
			 moved_sum / least_sum);
}

static void test_a_stack_that_grows_shrinks_comes_or_goes_moves_little_else(void **state)
{
	(void)state;
	for (size_t n = 3; n <= 8; n++) {
		judge_changes(ONE_WEIGHT, "one weight changed", n, 1.06, 1.35);
		judge_changes(ONE_STACK, "one stack added or removed", n, 1.06, 1.35);
	}
}

static void test_changes_of_many_weights_move_little_else(void **state)
{
	static const double one_to_one[] = {[3] = 1.3, 1.45, 1.55, 1.65, 1.7, 1.75};

	(void)state;
	for (size_t n = 3; n <= 8; n++) {
		judge_changes(ALL_WEIGHTS, "all weights changed", n, 1.22, 1.65);
		judge_changes(ONE_TO_ONE, "passed from one to one", n, one_to_one[n], 2.2);
	}
}

/* As in test_ring.c: the noise is that of runs of slots between survivors. */
static void test_survivors_inherit_by_weight(void **state)
{
	struct split_heirs heirs;
	unsigned int counts[STEER_SPLIT_CHOICES], inherited[STEER_SPLIT_CHOICES];

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		size_t n = 3 + mix64(seed) % 4;
		unsigned int mask = 1 | (unsigned int)mix64(seed + 1), alive = 0;
		double orphans;

		members_random(seed, n, 100);
		members[0].weight += 10;
		build(seed, n, &before);
		split_heirs_make(members, n, NULL, 0, &heirs);
		split_overlay(&before, &heirs, mask, &live);
		split_count(&before, counts);
		split_count(&live, inherited);
		for (size_t i = 0; i < n; i++)
			alive += mask >> i & 1 ? counts[i] : 0;
		orphans = STEER_SPLIT_SLOTS - alive;
		for (size_t i = 0; i < n; i++) {
			double p = mask >> i & 1 ? (double)counts[i] / alive : 0;
			double gain = (double)inherited[i] - (p > 0 ? counts[i] : 0);
			double sigma = sqrt(orphans * p * (1 - p) * 2 * STEER_SPLIT_SLOTS / alive);

			if (fabs(gain - orphans * p) > 5.5 * sigma + 1)
				fail_msg("seed %llu: %s inherits %.0f slots of %.0f",
					 (unsigned long long)seed, names[i], gain, orphans * p);
		}
	}
}

static void test_moved_share_goes_by_name(void **state)
{
	static const char *const now[] = {"blue", "green"}, *const later[] = {"amber", "blue",
									      "green"};

	(void)state;
	memset(&before, 0, sizeof(before));
	memset(&after, 1, sizeof(after));
	assert_true(split_moved_share(&before, now, &after, later) == 0);
	assert_true(split_moved_share(&before, now, &after, now) == 1);
	memset(&after, 2, sizeof(after) / 4);
	assert_true(split_moved_share(&before, now, &after, later) == 0.25);
}

static void test_building_many_splits(void **state)
{
	double start = seconds();

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		members_random(seed, 2 + seed % 3, 100);
		members[0].weight++;
		build(seed, 2 + seed % 3, &before);
	}
	print_message("1,000 splits of 2 to 4 stacks: %.0f ms\n", 1000 * (seconds() - start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quotas_are_the_exact_share_rounded),
		cmocka_unit_test(test_quotas_of_known_splits),
		cmocka_unit_test(test_refusals_leave_the_table_alone),
		cmocka_unit_test(test_a_common_factor_of_weights_does_not_matter),
		cmocka_unit_test(test_stacks_without_weight_change_nothing),
		cmocka_unit_test(test_the_table_is_the_same_in_every_version),
		cmocka_unit_test(test_two_stacks_move_the_difference_exactly_and_nested),
		cmocka_unit_test(test_clients_in_green_at_5_percent_are_in_green_at_20),
		cmocka_unit_test(test_a_stack_that_grows_shrinks_comes_or_goes_moves_little_else),
		cmocka_unit_test(test_changes_of_many_weights_move_little_else),
		cmocka_unit_test(test_survivors_inherit_by_weight),
		cmocka_unit_test(test_moved_share_goes_by_name),
		cmocka_unit_test(test_building_many_splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
