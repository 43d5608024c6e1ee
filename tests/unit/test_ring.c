/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/ring.h"

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

#include "agent/mix.h"
#include "common/util.h"

#define MEMBERS 512

static struct ring ring, other, live;
static struct ring_member members[STEER_RING_SLOTS + 1];

/* Member i has backend slot i, a random address of either family, and a weight up to `top`. */
static void members_random(uint64_t seed, size_t n, uint32_t top)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t r = mix64(mix64(seed) + i);
		struct ring_member *m = &members[i];

		*m = (struct ring_member){.slot = i, .weight = 1 + mix64(r) % top};
		memcpy(m->address.bytes + 8, &r, sizeof(r));
		if (r % 2)
			memcpy(m->address.bytes, "\x20\x01\x0d\xb8", 4);
		else
			memcpy(m->address.bytes + 8, "\0\0\xff\xff", 4);
	}
}

static void build(uint64_t seed, size_t n, struct ring *ret)
{
	int r = ring_build(members, n, ret);

	if (r)
		fail_msg("seed %llu: %zu members: %d", (unsigned long long)seed, n, r);
}

static void count(const struct ring *r, unsigned int *counts, size_t n)
{
	memset(counts, 0, n * sizeof(*counts));
	for (uint32_t slot = 0; slot < STEER_RING_SLOTS; slot++) {
		assert_true(r->backend[slot] < n);
		counts[r->backend[slot]]++;
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void test_slots_are_the_exact_share_rounded(void **state)
{
	unsigned int counts[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		size_t n = 1 + mix64(seed) % 100;
		uint64_t total = 0;

		members_random(seed, n, seed % 3 ? 100 : 1);
		for (size_t i = 0; i < n; i++)
			total += members[i].weight;
		build(seed, n, &ring);
		count(&ring, counts, n);
		for (size_t i = 0; i < n; i++) {
			double share = (double)STEER_RING_SLOTS * members[i].weight / total;

			if (fabs(counts[i] - share) >= 1)
				fail_msg("seed %llu: member %zu has %u slots of %.2f",
					 (unsigned long long)seed, i, counts[i], share);
		}
	}
}

static void test_a_tiny_weight_still_has_a_slot(void **state)
{
	unsigned int counts[MEMBERS];

	(void)state;
	members_random(1, MEMBERS, 1);
	members[7].weight = 4000000000;
	build(1, MEMBERS, &ring);
	count(&ring, counts, MEMBERS);
	for (size_t i = 0; i < MEMBERS; i++)
		assert_int_equal(counts[i], i == 7 ? STEER_RING_SLOTS - MEMBERS + 1 : 1);
}

/* Three have one slot's worth of weight exactly, until 8192 others get more than theirs. */
static void test_small_shares_that_shrink_still_have_a_slot(void **state)
{
	static unsigned int counts[STEER_RING_SLOTS];
	const size_t n = 8192 + 4;

	(void)state;
	members_random(1, n, 1);
	members[0].weight = members[1].weight = members[2].weight = 1000;
	members[3].weight = 16384 * 1000 - 3 * 1000 - 8192;
	build(1, n, &ring);
	count(&ring, counts, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(counts[i], i == 3 ? STEER_RING_SLOTS - n + 1 : 1);
}

static void test_weight_zero_has_no_slot_and_changes_nothing(void **state)
{
	unsigned int counts[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		members_random(seed, 40, 100);
		build(seed, 39, &ring);
		members[39].weight = 0;
		build(seed, 40, &other);
		count(&other, counts, 40);
		assert_int_equal(counts[39], 0);
		assert_memory_equal(&ring, &other, sizeof(ring));
	}
}

static void test_as_many_members_as_slots_get_one_each(void **state)
{
	static unsigned int counts[STEER_RING_SLOTS];

	(void)state;
	members_random(1, STEER_RING_SLOTS, 1000);
	build(1, STEER_RING_SLOTS, &ring);
	count(&ring, counts, STEER_RING_SLOTS);
	for (size_t i = 0; i < STEER_RING_SLOTS; i++)
		assert_int_equal(counts[i], 1);
}

static void test_refusals_leave_the_ring_alone(void **state)
{
	(void)state;
	memset(&ring, 0xab, sizeof(ring));
	other = ring;
	members_random(1, STEER_RING_SLOTS + 1, 1);
	assert_int_equal(ring_build(members, STEER_RING_SLOTS + 1, &ring), -E2BIG);
	assert_int_equal(ring_build(NULL, 0, &ring), -ENOENT);
	members[0].weight = members[1].weight = 0;
	assert_int_equal(ring_build(members, 2, &ring), -ENOENT);
	members[3].address = members[5].address;
	assert_int_equal(ring_build(members, 6, &ring), -EINVAL);
	assert_memory_equal(&ring, &other, sizeof(ring));
}

/* The other host lists the backends in another order and keeps them in other slots. */
static void test_order_and_backend_slots_do_not_matter(void **state)
{
	uint16_t slot_here[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		size_t n = 1 + mix64(seed) % 100;

		members_random(seed, n, 100);
		build(seed, n, &ring);
		for (size_t i = n; i > 1; i--) {
			size_t j = mix64(seed + i) % i;
			struct ring_member m = members[i - 1];

			members[i - 1] = members[j];
			members[j] = m;
		}
		for (size_t i = 0; i < n; i++) {
			slot_here[i] = members[i].slot;
			members[i].slot = i;
		}
		build(seed, n, &other);
		for (uint32_t s = 0; s < STEER_RING_SLOTS; s++)
			if (ring.backend[s] != slot_here[other.backend[s]])
				fail_msg("seed %llu: slot %u differs", (unsigned long long)seed, s);
	}
}

static void test_a_common_factor_of_weights_does_not_matter(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		size_t n = 1 + mix64(seed) % 100;

		members_random(seed, n, 100);
		build(seed, n, &ring);
		for (size_t i = 0; i < n; i++)
			members[i].weight *= 1 + seed % 600;
		build(seed, n, &other);
		if (memcmp(&ring, &other, sizeof(ring)))
			fail_msg("seed %llu: scaling shows", (unsigned long long)seed);
	}
}

/* Hosts of a fleet are upgraded one by one: another version must not decide otherwise. */
static void test_the_ring_is_the_same_in_every_version(void **state)
{
	(void)state;
	members_random(42, 50, 100);
	build(42, 50, &ring);
	for (uint32_t slot = 0; slot < STEER_RING_SLOTS; slot++)
		ring.backend[slot] = htole16(ring.backend[slot]);
	assert_true(mix_bytes(&ring, sizeof(ring), 0) == 0x53e510faf308dceaULL);
}

/* The share of slots that differ although neither side is `changed`. */
static double moved_needlessly(const struct ring *a, const struct ring *b, uint16_t changed)
{
	unsigned int moved = 0;

	for (uint32_t slot = 0; slot < STEER_RING_SLOTS; slot++)
		moved += a->backend[slot] != b->backend[slot] && a->backend[slot] != changed &&
			 b->backend[slot] != changed;
	return (double)moved / STEER_RING_SLOTS;
}

struct disruption {
	double sum, worst;
};

static void disruption_note(struct disruption *d, double moved)
{
	d->sum += moved;
	d->worst = moved > d->worst ? moved : d->worst;
}

static void disruption_judge(const char *what, size_t n, int cases, const struct disruption *d,
			     double bound)
{
	print_message("%3zu members, %s: %.2f %% beyond the necessary, %.2f %% at worst\n", n, what,
		      100 * d->sum / cases, 100 * d->worst);
	if (d->sum / cases > bound || d->worst > 0.025)
		fail_msg("%zu members, %s: %.2f %% on average, %.2f %% at worst", n, what,
			 100 * d->sum / cases, 100 * d->worst);
}

/* The bounds are those that ring.h promises. */
static void test_a_change_of_one_member_moves_little_else(void **state)
{
	static const struct {
		size_t n;
		double bound;
	} sizes[] = {{3, 0.002}, {16, 0.008}, {64, 0.012}, {160, 0.018}, {500, 0.018}};
	const int cases = 150;

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		const size_t n = sizes[s].n;
		struct disruption removed = {}, weighed = {}, mixed = {};

		for (int c = 0; c < cases; c++) {
			uint16_t changed = mix64(c) % n;
			uint32_t weight;

			members_random(c * 1000 + n, n, 1);
			build(c, n, &ring);
			members[changed].weight = 0;
			build(c, n, &other);
			disruption_note(&removed, moved_needlessly(&ring, &other, changed));

			members_random(c * 1000 + n, n, 100);
			build(c, n, &ring);
			weight = members[changed].weight;
			members[changed].weight = 0;
			build(c, n, &other);
			disruption_note(&mixed, moved_needlessly(&ring, &other, changed));
			members[changed].weight = 1 + mix64(c + weight) % 100;
			build(c, n, &other);
			disruption_note(&weighed, moved_needlessly(&ring, &other, changed));
		}
		disruption_judge("one of equal ones removed", n, cases, &removed, sizes[s].bound);
		disruption_judge("one of unequal ones removed", n, cases, &mixed, sizes[s].bound);
		disruption_judge("one weight changed", n, cases, &weighed, sizes[s].bound);
	}
}

static uint32_t is_up(uint16_t backend, void *userdata)
{
	return ((const bool *)userdata)[backend] ? RING_WHOLE : 0;
}

static uint32_t part_of(uint16_t backend, void *userdata)
{
	return ((const uint32_t *)userdata)[backend];
}

/* A random share of n backends, from all to very few. */
static void up_random(uint64_t seed, bool *up, size_t n)
{
	uint64_t share = mix64(seed) % 101;

	for (size_t i = 0; i < n; i++)
		up[i] = mix64(seed * 1000003 + i) % 100 < share;
}

static uint16_t walk_literally(const struct ring *base, uint32_t slot, const bool *up)
{
	uint16_t own = base->backend[slot];

	for (int step = 0; step < STEER_RING_SLOTS; step++) {
		if (up[base->backend[slot]])
			return base->backend[slot];
		slot = ring_next_slot(slot);
	}
	return own;
}

static void test_overlay_is_where_the_walk_ends(void **state)
{
	bool up[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		size_t n = 1 + mix64(seed) % 100;

		members_random(seed, n, 100);
		build(seed, n, &ring);
		up_random(seed, up, n);
		memset(&live, 0xff, sizeof(live));
		ring_overlay(&ring, is_up, up, &live);
		for (uint32_t s = 0; s < STEER_RING_SLOTS; s++)
			if (live.backend[s] != walk_literally(&ring, s, up))
				fail_msg("seed %llu: slot %u differs", (unsigned long long)seed, s);
	}
}

static void test_overlay_with_nothing_up_or_everything_is_the_base(void **state)
{
	static const bool none[MEMBERS];
	bool all[MEMBERS];

	(void)state;
	memset(all, true, sizeof(all));
	members_random(1, 40, 100);
	build(1, 40, &ring);
	memset(&live, 0xff, sizeof(live));
	ring_overlay(&ring, is_up, (void *)none, &live);
	assert_memory_equal(&live, &ring, sizeof(ring));
	memset(&live, 0xff, sizeof(live));
	ring_overlay(&ring, is_up, all, &live);
	assert_memory_equal(&live, &ring, sizeof(ring));
}

/* Pages that cannot be written stand for the cache lines that packets read meanwhile. */
static void test_overlay_writes_only_what_changes(void **state)
{
	struct ring *mapped = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool up[40] = {[3] = true, [17] = true};

	(void)state;
	assert_ptr_not_equal(mapped, MAP_FAILED);
	members_random(1, 40, 100);
	build(1, 40, &ring);
	ring_overlay(&ring, is_up, up, mapped);
	assert_int_equal(mprotect(mapped, sizeof(*mapped), PROT_READ), 0);
	ring_overlay(&ring, is_up, up, mapped);
	munmap(mapped, sizeof(*mapped));
}

/*
 * Of the slots that lost their backend, each survivor inherits its share by weight. The noise is
 * that of runs: where a part f is up, a survivor is met after 1 / f slots on average.
 */
static void test_survivors_inherit_by_weight(void **state)
{
	unsigned int before[MEMBERS], after[MEMBERS];
	bool up[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		size_t n = 2 + mix64(seed) % 60;
		unsigned int alive = 0;
		double orphans, sigma;

		members_random(seed, n, 100);
		build(seed, n, &ring);
		up_random(seed, up, n);
		up[0] = true;
		ring_overlay(&ring, is_up, up, &live);
		count(&ring, before, n);
		count(&live, after, n);
		for (size_t i = 0; i < n; i++)
			alive += up[i] ? before[i] : 0;
		orphans = STEER_RING_SLOTS - alive;
		for (size_t i = 0; i < n; i++) {
			double p = up[i] ? (double)before[i] / alive : 0;

			sigma = sqrt(orphans * p * (1 - p) * 2 * STEER_RING_SLOTS / alive);
			if (fabs(after[i] - (up[i] ? before[i] : 0) - orphans * p) >
			    5.5 * sigma + 1)
				fail_msg("seed %llu: member %zu inherits %d slots of %.0f",
					 (unsigned long long)seed, i, (int)(after[i] - before[i]),
					 orphans * p);
		}
	}
}

/* Grows the part of one or two backends step by step, beside others that are up or down. */
static void test_a_growing_part_takes_slots_and_none_move_between_others(void **state)
{
	uint32_t parts[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		size_t n = 3 + mix64(seed) % 60, second = seed % 2 ? 1 : 0;

		members_random(seed, n, 100);
		build(seed, n, &ring);
		for (size_t i = 0; i < n; i++)
			parts[i] = mix64(seed * 1000003 + i) % 100 < 70 ? RING_WHOLE : 0;
		parts[0] = parts[second] = 0;
		parts[2] = RING_WHOLE;
		memset(&live, 0xff, sizeof(live));
		ring_overlay(&ring, part_of, parts, &live);
		for (int step = 1; step <= 20; step++) {
			other = live;
			parts[0] = RING_WHOLE * step / 20;
			parts[second] = second ? parts[0] / 3 : parts[0];
			ring_overlay(&ring, part_of, parts, &live);
			for (uint32_t s = 0; s < STEER_RING_SLOTS; s++)
				if (live.backend[s] != other.backend[s] && live.backend[s] != 0 &&
				    live.backend[s] != second)
					fail_msg("seed %d, step %d: slot %u moves from %u to %u",
						 (int)seed, step, s, other.backend[s],
						 live.backend[s]);
		}
	}
}

static void test_a_part_is_exact_and_of_the_backends_own_slots(void **state)
{
	unsigned int whole[MEMBERS], now[MEMBERS];
	uint32_t parts[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		size_t n = 2 + mix64(seed) % 60;
		unsigned int share;

		members_random(seed, n, 100);
		build(seed, n, &ring);
		count(&ring, whole, n);
		for (size_t i = 0; i < n; i++)
			parts[i] = RING_WHOLE;
		parts[0] = mix64(seed + 7) % RING_WHOLE;
		ring_overlay(&ring, part_of, parts, &live);
		count(&live, now, n);
		share = (unsigned int)ceil((double)whole[0] * parts[0] / RING_WHOLE);
		if (now[0] != share)
			fail_msg("seed %d: %u slots for %u", (int)seed, now[0], share);
		for (uint32_t s = 0; s < STEER_RING_SLOTS; s++)
			assert_true(live.backend[s] == ring.backend[s] || ring.backend[s] == 0);
	}
}

/* What it lacks goes where all of it would go were it down. */
static void test_the_rest_goes_where_it_would_go_were_the_backend_down(void **state)
{
	uint32_t parts[MEMBERS];

	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		size_t n = 3 + mix64(seed) % 60;

		members_random(seed, n, 100);
		build(seed, n, &ring);
		for (size_t i = 0; i < n; i++)
			parts[i] = mix64(seed * 77 + i) % 100 < 70 ? RING_WHOLE : 0;
		parts[0] = 0;
		ring_overlay(&ring, part_of, parts, &other);
		parts[0] = RING_WHOLE / 3;
		ring_overlay(&ring, part_of, parts, &live);
		for (uint32_t s = 0; s < STEER_RING_SLOTS; s++)
			assert_true(live.backend[s] == 0 || live.backend[s] == other.backend[s]);
	}
}

static void test_who_is_alone_has_all_whatever_its_part(void **state)
{
	uint32_t parts[MEMBERS] = {[3] = 1};

	(void)state;
	members_random(1, 40, 100);
	build(1, 40, &ring);
	ring_overlay(&ring, part_of, parts, &live);
	for (uint32_t s = 0; s < STEER_RING_SLOTS; s++)
		assert_int_equal(live.backend[s], 3);
}

static void test_overlays_are_cheap(void **state)
{
	uint32_t parts[MEMBERS];
	double start, whole, partly;

	(void)state;
	members_random(1, 64, 100);
	build(1, 64, &ring);
	for (size_t i = 0; i < 64; i++)
		parts[i] = i == 5 ? 0 : RING_WHOLE;
	start = seconds();
	for (int i = 0; i < 100; i++)
		ring_overlay(&ring, part_of, parts, &live);
	whole = seconds() - start;
	start = seconds();
	for (int i = 0; i < 100; i++) {
		parts[4] = parts[6] = RING_WHOLE * (i % 10) / 10 + 1;
		ring_overlay(&ring, part_of, parts, &live);
	}
	partly = seconds() - start;
	print_message("an overlay: %.0f us, with parts %.0f us\n", whole * 1e4, partly * 1e4);
	assert_true(partly < 100 * 0.010); /* a tenth of which is ample, but machines are busy */
}

static void test_building_many_rings(void **state)
{
	double start;

	(void)state;
	start = seconds();
	for (uint64_t seed = 1; seed <= 256; seed++) {
		members_random(seed, 64, 100);
		build(seed, 64, &ring);
	}
	print_message("256 rings of 64 members: %.0f ms\n", 1000 * (seconds() - start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_are_the_exact_share_rounded),
		cmocka_unit_test(test_a_tiny_weight_still_has_a_slot),
		cmocka_unit_test(test_small_shares_that_shrink_still_have_a_slot),
		cmocka_unit_test(test_weight_zero_has_no_slot_and_changes_nothing),
		cmocka_unit_test(test_as_many_members_as_slots_get_one_each),
		cmocka_unit_test(test_refusals_leave_the_ring_alone),
		cmocka_unit_test(test_order_and_backend_slots_do_not_matter),
		cmocka_unit_test(test_a_common_factor_of_weights_does_not_matter),
		cmocka_unit_test(test_the_ring_is_the_same_in_every_version),
		cmocka_unit_test(test_a_change_of_one_member_moves_little_else),
		cmocka_unit_test(test_overlay_is_where_the_walk_ends),
		cmocka_unit_test(test_overlay_with_nothing_up_or_everything_is_the_base),
		cmocka_unit_test(test_overlay_writes_only_what_changes),
		cmocka_unit_test(test_survivors_inherit_by_weight),
		cmocka_unit_test(test_a_growing_part_takes_slots_and_none_move_between_others),
		cmocka_unit_test(test_a_part_is_exact_and_of_the_backends_own_slots),
		cmocka_unit_test(test_the_rest_goes_where_it_would_go_were_the_backend_down),
		cmocka_unit_test(test_who_is_alone_has_all_whatever_its_part),
		cmocka_unit_test(test_overlays_are_cheap),
		cmocka_unit_test(test_building_many_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
