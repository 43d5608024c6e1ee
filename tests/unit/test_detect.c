/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "lib/detect_world.h"

#define RUNS_MAX 100

/* What is to be reached: milliseconds to the declaration; worst: of the runs. */
struct goal {
	enum fault fault;
	double per_s; /* of each backend */
	double rtt_max_ms;
	unsigned int runs;
	double median_ms, worst_ms;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Four backends run well for five seconds, then the second one does not. */
static double run_fault(const struct goal *goal, uint64_t seed, bool *ret_partly)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));
	double ms;

	assert_non_null(w);
	world_begin(w, seed, 4, goal->per_s);
	w->rtt_max_ms = goal->rtt_max_ms;
	w->service_ms = 1;
	world_run(w, 5);
	assert_int_equal(w->declared, 0);
	ms = world_fault(w, 1, goal->fault, 10);
	assert_int_equal(w->declared, ms >= 0);
	*ret_partly = w->last.partly;
	world_end(w);
	return ms >= 0 ? ms : 1e6;
}

static void check_goals(const struct goal *goals, size_t n)
{
	double ms[RUNS_MAX];
	bool partly;

	for (size_t i = 0; i < n; i++) {
		const struct goal *goal = &goals[i];
		unsigned int mistaken = 0;

		for (unsigned int r = 0; r < goal->runs; r++) {
			ms[r] = run_fault(goal, i * 1000 + r, &partly);
			mistaken += partly != (goal->fault == FAULT_LOSSY);
		}
		qsort(ms, goal->runs, sizeof(*ms), compare);
		if (ms[goal->runs / 2] > goal->median_ms || ms[goal->runs - 1] > goal->worst_ms)
			fail_msg("%g flows/s, round trips up to %g ms: median %g ms, worst %g ms",
				 goal->per_s, goal->rtt_max_ms, ms[goal->runs / 2],
				 ms[goal->runs - 1]);
		if (mistaken > goal->runs / 8)
			fail_msg("%g flows/s, round trips up to %g ms: %u of %u say wrongly "
				 "whether a part of its flows goes well",
				 goal->per_s, goal->rtt_max_ms, mistaken, goal->runs);
	}
}

static void a_dead_backend_is_declared_in_time(void **state)
{
	static const struct goal goals[] = {
		{FAULT_DEAD, 10, 0.4, 100, 1000, 2500}, {FAULT_DEAD, 10, 300, 100, 1300, 3000},
		{FAULT_DEAD, 50, 0.4, 100, 220, 400},	{FAULT_DEAD, 50, 30, 100, 260, 500},
		{FAULT_DEAD, 50, 300, 100, 650, 950},	{FAULT_DEAD, 250, 0.4, 100, 80, 120},
		{FAULT_DEAD, 250, 300, 100, 250, 350},	{FAULT_DEAD, 1250, 0.4, 50, 40, 50},
		{FAULT_DEAD, 1250, 300, 50, 120, 160},
	};

	(void)state;
	check_goals(goals, ARRAY_SIZE(goals));
}

static void a_stopped_process_is_declared_though_its_kernel_goes_on(void **state)
{
	static const struct goal goals[] = {
		{FAULT_STOPPED, 50, 0.4, 100, 380, 700},  {FAULT_STOPPED, 50, 300, 100, 750, 1100},
		{FAULT_STOPPED, 250, 0.4, 100, 200, 280}, {FAULT_STOPPED, 250, 300, 100, 350, 500},
		{FAULT_STOPPED, 1250, 0.4, 50, 160, 180}, {FAULT_STOPPED, 1250, 300, 50, 220, 320},
	};

	(void)state;
	check_goals(goals, ARRAY_SIZE(goals));
}

static void a_host_that_loses_one_packet_in_four_is_declared(void **state)
{
	static const struct goal goals[] = {
		{FAULT_LOSSY, 50, 0.4, 100, 1100, 3000}, {FAULT_LOSSY, 50, 300, 100, 1900, 3000},
		{FAULT_LOSSY, 250, 0.4, 100, 350, 700},	 {FAULT_LOSSY, 250, 300, 100, 1400, 1600},
		{FAULT_LOSSY, 1250, 0.4, 50, 220, 300},	 {FAULT_LOSSY, 1250, 300, 50, 1150, 1250},
	};

	(void)state;
	check_goals(goals, ARRAY_SIZE(goals));
}

static void nothing_is_declared_in_half_an_hour_of_steady_load(void **state)
{
	static const double rates[] = {2, 10, 50, 250}, rtts[] = {0.4, 300, 30};
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (size_t i = 0; i < 4 * 3; i++) {
		world_begin(w, i, i % 2 ? 8 : 2, rates[i % 4]);
		w->rtt_max_ms = rtts[i / 4];
		w->junk = i & 2 ? 0.05 : 0;
		world_run(w, 1800);
		if (w->declared)
			fail_msg("run %zu: %s", i, w->last.evidence);
		/* A suspicion is cheap, but not for nothing: one a backend in ten seconds at most. */
		assert_in_range(w->suspects, 0, 180 * w->backends);
		world_end(w);
	}
}

static void set_faults(struct world *w, enum fault fault)
{
	for (uint32_t i = 0; i < w->backends; i++)
		w->backend[i].fault = fault;
}

static void set_slow(struct world *w, double ms)
{
	for (uint32_t i = 0; i < w->backends; i++)
		w->backend[i].slow_ms = ms;
}

static void set_rates(struct world *w, double per_s)
{
	for (uint32_t i = 0; i < w->backends; i++)
		w->backend[i].per_s = per_s;
}

enum common { ALL_DEAD, ALL_STOPPED, ALL_LOSSY, ALL_SLOWER, ALL_BUSIER, FLOOD, COMMON_MAX };

/* Something that is common to all begins, and 8 s later ends. */
static void run_common(struct world *w, enum common what)
{
	double before = w->backend[0].per_s;

	world_run(w, 8);
	for (int on = 1; on >= 0; on--) {
		if (what == ALL_DEAD)
			set_faults(w, on ? FAULT_DEAD : FAULT_NONE);
		if (what == ALL_STOPPED)
			set_faults(w, on ? FAULT_STOPPED : FAULT_NONE);
		if (what == ALL_LOSSY)
			set_faults(w, on ? FAULT_LOSSY : FAULT_NONE);
		if (what == ALL_SLOWER)
			set_slow(w, on ? 500 : 0);
		if (what == ALL_BUSIER)
			set_rates(w, on ? 20 * before : before);
		if (what == FLOOD)
			w->flood_per_s = on ? 50000.0 / w->backends : 0;
		world_run(w, 8);
	}
}

static void what_happens_to_all_is_held_against_nobody(void **state)
{
	static const double rates[] = {10, 50, 250}, rtts[] = {0.4, 30, 300};
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (int what = 0; what < COMMON_MAX; what++)
		for (uint64_t seed = 0; seed < 18; seed++) {
			world_begin(w, seed, 4, rates[seed % 3]);
			w->rtt_max_ms = rtts[seed / 3 % 3];
			run_common(w, (enum common)what);
			if (w->declared)
				fail_msg("case %d, seed %d: %s", what, (int)seed, w->last.evidence);
			world_end(w);
		}
}

static void a_stack_that_is_gone_is_suspect_and_not_declared(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));
	uint32_t begun;

	(void)state;
	assert_non_null(w);
	for (uint64_t seed = 0; seed < 20; seed++) {
		world_begin(w, seed, 4, 50);
		w->rtt_max_ms = 30;
		world_run(w, 5);
		memset(w->suspect_tick, 0, sizeof(w->suspect_tick));
		set_faults(w, FAULT_DEAD);
		begun = w->tick;
		world_run(w, 1);
		assert_int_equal(w->declared, 0);
		for (uint32_t i = 0; i < 4; i++)
			assert_in_range((w->suspect_tick[i] - begun) * DETECT_TICK_MS, 10, 400);
		world_end(w);
	}
}

static void half_of_a_stack_is_left_at_least(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (uint32_t n = 2; n <= 7; n++) {
		world_begin(w, n, n, 250);
		w->rtt_max_ms = 1;
		world_run(w, 5);
		for (uint32_t i = 1; i < n; i++)
			world_fault(w, i, FAULT_DEAD, 2);
		assert_int_equal(w->declared, n / 2);
		world_end(w);
	}
}

/* What takes no flows any more is no reason to stay in. */
static void the_last_that_takes_flows_is_never_declared(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	world_begin(w, 1, 4, 250);
	world_run(w, 5);
	for (uint32_t i = 1; i < 4; i++) {
		detect_open(w->detect, i, false);
		w->backend[i].out = true;
	}
	assert_true(world_fault(w, 0, FAULT_DEAD, 5) < 0);
	world_end(w);
}

static void one_that_returns_dead_is_found_again(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	world_begin(w, 3, 4, 250);
	w->rtt_max_ms = 30;
	world_run(w, 5);
	assert_true(world_fault(w, 2, FAULT_DEAD, 1) >= 0);
	world_run(w, 1);
	w->backend[2].out = false;
	detect_open(w->detect, 2, true);
	assert_in_range((int)world_fault(w, 2, FAULT_DEAD, 2), 0, 300);
	assert_int_equal(w->declared, 2);
	world_end(w);
}

/* One in fifty took a second and more: its SYN was lost. */
static void repeated_syns_do_not_make_handshakes_slow(void **state)
{
	static const uint32_t expected[] = {
		[DETECT_CONNECT] = 3, [DETECT_ANSWER] = DETECT_LAG_UNKNOWN};

	(void)state;
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++) {
		uint64_t now[LATENCY_BUCKETS] = {};
		struct detect_lag lag = {};

		now[latency_bucket(1000000)] = 980;
		now[latency_bucket(1000200000)] = 10;
		now[latency_bucket(3000200000)] = 10;
		detect_lag_add(&lag, (enum detect_channel)c, now, NULL);
		assert_int_equal(detect_lag_ticks(&lag, 1), expected[c]);
	}
}

static void one_that_returns_well_is_left_alone(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (uint64_t seed = 0; seed < 50; seed++) {
		world_begin(w, seed, 4, 250);
		world_run(w, 5);
		assert_true(world_fault(w, 2, FAULT_DEAD, 1) >= 0);
		world_run(w, 2);
		w->backend[2].out = false;
		w->backend[2].fault = FAULT_NONE;
		detect_open(w->detect, 2, true);
		world_run(w, 5);
		if (w->declared != 1)
			fail_msg("seed %d: %s", (int)seed, w->last.evidence);
		world_end(w);
	}
}

/* Whoever has few flows is looked at in some ticks only. */
static void nobody_is_declared_after_a_time_without_looks(void **state)
{
	static const double rates[] = {10, 75, 400};
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (uint64_t seed = 0; seed < 30; seed++) {
		world_begin(w, seed, 2 + seed % 3, rates[seed % 3]);
		w->backend[0].per_s /= 5;
		w->rtt_max_ms = 1;
		world_run(w, 5);
		for (int i = 0; i < 10; i++) {
			world_hang(w, 3 * world_uniform(w));
			world_run(w, world_uniform(w));
		}
		if (w->declared)
			fail_msg("seed %d: %s", (int)seed, w->last.evidence);
		world_end(w);
	}
}

static void set_out(struct world *w, uint32_t backend, bool out)
{
	w->backend[backend].out = out;
	detect_open(w->detect, backend, !out);
}

/* Whoever held the fort alone has less to do all at once. */
static void one_whose_peers_return_together_is_left_alone(void **state)
{
	static const double rates[] = {50, 250, 1250};
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (uint64_t seed = 0; seed < 60; seed++) {
		world_begin(w, seed, 4, rates[seed % 3]);
		w->rtt_max_ms = seed % 2 ? 300 : 0.4;
		world_run(w, 3);
		for (uint32_t i = 1; i < 4; i++)
			set_out(w, i, true);
		w->backend[0].per_s *= 4;
		world_run(w, 2);
		w->backend[0].per_s /= 4;
		for (uint32_t i = 1; i < 4; i++)
			set_out(w, i, false);
		world_run(w, 3);
		if (w->declared)
			fail_msg("seed %d: %s", (int)seed, w->last.evidence);
		world_end(w);
	}
}

/* Where nobody else in the stack has traffic. */
static void backends_of_other_stacks_are_peers_for_want_of_others(void **state)
{
	const struct detect_place place = {.stack = 1, .has_weight = true};
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	world_begin(w, 1, 4, 250);
	w->rtt_max_ms = 1;
	detect_put(w->detect, 0, &place, false);
	detect_put(w->detect, 1, &place, false);
	w->backend[0].per_s = 0;
	world_run(w, 5);
	assert_in_range((int)world_fault(w, 1, FAULT_DEAD, 2), 0, 200);
	world_end(w);
}

/* What arrives in the pause is answered at its end. */
static void pause_one(struct world *w, uint32_t backend, int ms)
{
	for (; ms >= 0; ms -= DETECT_TICK_MS) {
		w->backend[backend].slow_ms = ms;
		world_tick(w);
	}
}

static void a_process_that_waits_for_a_cpu_is_not_dead(void **state)
{
	static const double rates[] = {50, 250, 1250};
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (uint64_t seed = 0; seed < 30; seed++) {
		world_begin(w, seed, 4, rates[seed % 3]);
		w->rtt_max_ms = 0.4;
		world_run(w, 5);
		pause_one(w, 1, 130);
		world_run(w, 1);
		if (w->declared)
			fail_msg("seed %d: %s", (int)seed, w->last.evidence);
		world_end(w);
	}
}

/* On a host where processes wait for long, longer silences are no deaths either. */
static void pauses_that_ended_make_patient(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));
	double ms;

	(void)state;
	assert_non_null(w);
	for (uint64_t seed = 0; seed < 10; seed++) {
		world_begin(w, seed, 4, 1250);
		w->rtt_max_ms = 0.4;
		world_run(w, 5);
		pause_one(w, 1, 130);
		world_run(w, 2);
		pause_one(w, 2, 190);
		world_run(w, 2);
		if (w->declared)
			fail_msg("seed %d: %s", (int)seed, w->last.evidence);
		ms = world_fault(w, 3, FAULT_STOPPED, 3);
		assert_true(ms > 190 && ms < 500);
		world_end(w);
	}
}

/* One client whose packets get lost, all of its flows at one backend. */
static void one_clients_failure_is_not_the_backends(void **state)
{
	const struct detect_place place = {.has_weight = true, .by_client = true};
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	world_begin(w, 1, 4, 100);
	for (uint32_t i = 0; i < 4; i++)
		detect_put(w->detect, i, &place, false);
	world_run(w, 10);
	for (uint32_t i = 0; i < 500; i++) {
		w->backend[1].counts.begun[DETECT_CONNECT] += 5;
		world_tick(w);
	}
	assert_int_equal(w->declared, 0);
	assert_true(world_fault(w, 1, FAULT_DEAD, 2) >= 0);
	world_end(w);
}

static void the_evidence_says_what_was_seen(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	world_begin(w, 1, 4, 1250);
	w->rtt_max_ms = 0.4;
	world_run(w, 5);
	world_fault(w, 1, FAULT_DEAD, 1);
	assert_int_equal(w->last.slot, 1);
	assert_non_null(strstr(w->last.evidence, "handshake"));
	assert_non_null(strstr(w->last.evidence, " ms where its peers had "));
	world_end(w);
	world_begin(w, 1, 4, 50);
	w->rtt_max_ms = 0.4;
	world_run(w, 5);
	world_fault(w, 1, FAULT_STOPPED, 1);
	assert_non_null(strstr(w->last.evidence, " first requests unanswered after "));
	world_end(w);
}

/* How many of the next 80 ticks it is to be fed in. */
static unsigned int looks(struct world *w, uint32_t backend)
{
	unsigned int n = 0;

	for (int i = 0; i < 80; i++) {
		n += detect_is_due(w->detect, backend);
		world_tick(w);
	}
	return n;
}

static void one_without_traffic_is_looked_at_less_and_met_again(void **state)
{
	CLEANUP_FREE struct world *w = malloc(sizeof(*w));

	(void)state;
	assert_non_null(w);
	world_begin(w, 1, 4, 250);
	w->backend[2].per_s = 5;
	w->rtt_max_ms = 1;
	world_run(w, 5);
	assert_int_equal(looks(w, 3), 80);
	assert_int_equal(looks(w, 2), 20);
	w->backend[3].per_s = 0;
	world_run(w, 5);
	assert_int_equal(looks(w, 3), 5);
	assert_int_equal(w->declared, 0);
	w->backend[3].per_s = 250;
	world_run(w, 5);
	assert_int_equal(looks(w, 3), 80);
	assert_in_range((int)world_fault(w, 3, FAULT_DEAD, 2), 0, 200);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_backend_is_declared_in_time),
		cmocka_unit_test(a_stopped_process_is_declared_though_its_kernel_goes_on),
		cmocka_unit_test(a_host_that_loses_one_packet_in_four_is_declared),
		cmocka_unit_test(nothing_is_declared_in_half_an_hour_of_steady_load),
		cmocka_unit_test(what_happens_to_all_is_held_against_nobody),
		cmocka_unit_test(a_stack_that_is_gone_is_suspect_and_not_declared),
		cmocka_unit_test(half_of_a_stack_is_left_at_least),
		cmocka_unit_test(the_last_that_takes_flows_is_never_declared),
		cmocka_unit_test(one_that_returns_dead_is_found_again),
		cmocka_unit_test(repeated_syns_do_not_make_handshakes_slow),
		cmocka_unit_test(one_that_returns_well_is_left_alone),
		cmocka_unit_test(nobody_is_declared_after_a_time_without_looks),
		cmocka_unit_test(one_whose_peers_return_together_is_left_alone),
		cmocka_unit_test(backends_of_other_stacks_are_peers_for_want_of_others),
		cmocka_unit_test(a_process_that_waits_for_a_cpu_is_not_dead),
		cmocka_unit_test(pauses_that_ended_make_patient),
		cmocka_unit_test(one_clients_failure_is_not_the_backends),
		cmocka_unit_test(the_evidence_says_what_was_seen),
		cmocka_unit_test(one_without_traffic_is_looked_at_less_and_met_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
