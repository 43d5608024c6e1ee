/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stacks whose backends answer at random speeds, look by look. All follows from the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "agent/mix.h"
#include "agent/outlier.h"
#include "common/util.h"

#define BACKENDS 4
#define SPARE	 50
#define LOOK_MS	 (OUTLIER_EVERY_S * 1000)
#define STEP_S	 (OUTLIER_LOOKS * OUTLIER_EVERY_S)

struct shop {
	uint64_t random, now_ms;
	size_t n;
	uint32_t spare;
	double per_look; /* responses of a backend that has all of its share */
	double connects; /* likewise: all of them fast */
	double sigma;	 /* of the logarithms */
	double ms[BACKENDS];
	double tail[BACKENDS]; /* part of the requests that take a second */
	uint32_t weight[BACKENDS];
	bool open[BACKENDS], warm[BACKENDS];
	struct outlier outlier[BACKENDS];
	struct outlier_samples samples[BACKENDS][OUTLIER_KIND_MAX];
	uint32_t steps; /* that were told */
	char last[OUTLIER_EVIDENCE_MAX];
};

static void shop_begin(struct shop *s, uint64_t seed)
{
	*s = (struct shop){.random = seed,
			   .now_ms = 1000,
			   .n = BACKENDS,
			   .spare = SPARE,
			   .per_look = 100,
			   .sigma = 0.7};
	for (size_t i = 0; i < BACKENDS; i++) {
		s->ms[i] = 10;
		s->weight[i] = 100;
		s->open[i] = s->warm[i] = true;
	}
}

static double uniform(struct shop *s)
{
	return ((double)(mix64(s->random++) >> 11) + 0.5) / (double)(1ULL << 53);
}

/* Box and Muller, A Note on the Generation of Random Normal Deviates, 1958. */
static double response_ns(struct shop *s, size_t i)
{
	double normal = sqrt(-2 * log(uniform(s))) * cos(2 * M_PI * uniform(s));

	if (uniform(s) < s->tail[i])
		return 1e9;
	return s->ms[i] * 1e6 * exp(s->sigma * normal);
}

static double part(const struct shop *s, size_t i)
{
	return s->outlier[i].step < SLOW_STEP_NONE ? 1.0 / (1 << s->outlier[i].step) : 0;
}

static void traffic(struct shop *s, size_t i)
{
	uint64_t counts[LATENCY_BUCKETS] = {};
	uint64_t connects[LATENCY_BUCKETS] = {};
	double n = s->open[i] ? s->per_look * part(s, i) : 0;

	connects[latency_bucket(1000000)] = (uint64_t)(s->connects * part(s, i));
	for (; n > uniform(s); n--)
		counts[latency_bucket((__u64)response_ns(s, i))]++;
	outlier_add(&s->samples[i][OUTLIER_RESPONSE], counts, NULL);
	outlier_add(&s->samples[i][OUTLIER_CONNECT], connects, NULL);
}

static void on_stepped(void *userdata, const struct outlier_member *member)
{
	struct shop *s = userdata;

	s->steps++;
	memcpy(s->last, member->evidence, sizeof(s->last));
}

static void look(struct shop *s)
{
	struct outlier_member members[BACKENDS];

	for (size_t i = 0; i < s->n; i++) {
		traffic(s, i);
		members[i] = (struct outlier_member){.outlier = &s->outlier[i],
						     .samples = s->samples[i],
						     .weight = s->weight[i],
						     .open = s->open[i],
						     .warm = s->open[i] && s->warm[i]};
	}
	outlier_look(members, s->n, s->spare, s->now_ms, on_stepped, s);
	s->now_ms += LOOK_MS;
}

static void run(struct shop *s, uint32_t seconds)
{
	for (uint32_t at = 0; at < seconds; at += OUTLIER_EVERY_S)
		look(s);
}

/* Four digits: the backends' steps. */
static unsigned int steps(const struct shop *s)
{
	unsigned int all = 0;

	for (size_t i = 0; i < BACKENDS; i++)
		all = all * 10 + s->outlier[i].step;
	return all;
}

static void a_slow_backend_gets_less_and_then_none(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 1);
	run(&s, 60);
	assert_int_equal(steps(&s), 0);
	s.ms[1] = 100;
	run(&s, STEP_S + 4);
	assert_int_equal(steps(&s), 100);
	assert_non_null(strstr(s.last, " of its responses take"));
	assert_non_null(strstr(s.last, " ms, of its peers' "));
	run(&s, 2 * STEP_S);
	assert_int_equal(steps(&s), 300);
	assert_int_equal(s.steps, 3);
}

static void one_that_recovers_gets_all_again(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 2);
	s.ms[3] = 100;
	run(&s, 2 * STEP_S);
	assert_int_equal(steps(&s), 2);
	s.ms[3] = 10;
	run(&s, 4 * STEP_S);
	assert_int_equal(steps(&s), 0);
	assert_string_equal(s.last, "it is as fast as its peers");
}

static void one_without_flows_is_tried_again_later_and_later(void **state)
{
	struct shop s;
	uint32_t tries = 0, hold_ms = OUTLIER_HOLD_MS;

	(void)state;
	shop_begin(&s, 3);
	s.ms[0] = 100;
	for (; tries < 6; tries++) {
		while (s.outlier[0].step != SLOW_STEP_NONE)
			look(&s);
		assert_int_equal(s.outlier[0].hold_ms, hold_ms);
		run(&s, hold_ms / 1000 - OUTLIER_EVERY_S);
		assert_int_equal(s.outlier[0].step, SLOW_STEP_NONE);
		look(&s);
		assert_int_equal(s.outlier[0].step, SLOW_STEP_NONE - 1);
		assert_string_equal(s.last, "it is tried again");
		hold_ms = hold_ms * 2 > OUTLIER_HOLD_MOST_MS ? OUTLIER_HOLD_MOST_MS : hold_ms * 2;
	}
	s.ms[0] = 10;
	run(&s, 120);
	assert_int_equal(steps(&s), 0);
	run(&s, 700);
	assert_int_equal(s.outlier[0].hold_ms, 0);
}

static void chance_alone_takes_nothing(void **state)
{
	static const double per_look[] = {3, 30, 300};
	static const double sigma[] = {0.3, 1.5};
	struct shop s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(per_look) * ARRAY_SIZE(sigma); i++) {
		shop_begin(&s, 1000 + i);
		s.per_look = per_look[i % ARRAY_SIZE(per_look)];
		s.sigma = sigma[i / ARRAY_SIZE(per_look)];
		run(&s, 4 * 3600);
		assert_int_equal(s.steps, 0);
	}
}

static void what_all_have_in_common_takes_nothing(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 4);
	for (int turn = 0; turn < 20; turn++) {
		for (size_t i = 0; i < BACKENDS; i++)
			s.ms[i] = turn % 2 ? 10 : 500;
		run(&s, 60);
	}
	assert_int_equal(s.steps, 0);
}

static void what_is_little_takes_nothing(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 5);
	s.ms[0] = 18; /* not twice as slow */
	run(&s, 600);
	assert_int_equal(s.steps, 0);
	shop_begin(&s, 6);
	for (size_t i = 0; i < BACKENDS; i++)
		s.ms[i] = 0.5;
	s.ms[0] = 3; /* six times as slow, by 2.5 ms */
	run(&s, 600);
	assert_int_equal(s.steps, 0);
}

static void few_slow_requests_are_seen_too(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 7);
	s.tail[2] = 0.2;
	run(&s, 3 * STEP_S);
	assert_true(s.outlier[2].step > 0);
	assert_memory_equal(s.last, "one in ten of its responses takes over 940 ms, of its peers' ",
			    61);
}

/* Most clients keep their connections, or few of them ask. */
static void a_kind_with_few_samples_is_heard_beside_one_with_many(void **state)
{
	struct shop s;

	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		shop_begin(&s, 100 + seed);
		s.connects = 100;
		s.per_look = 12;
		s.ms[2] = 300;
		run(&s, 4 * STEP_S);
		assert_in_range(s.outlier[2].step, 1, 2);
		run(&s, 12 * STEP_S);
		assert_int_not_equal(s.outlier[2].step, 0);
		assert_int_equal(s.outlier[0].step + s.outlier[1].step + s.outlier[3].step, 0);
	}
}

static void of_two_the_slower_one_gets_less(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 8);
	s.n = 2;
	s.ms[0] = 100;
	run(&s, 5 * STEP_S);
	assert_int_equal(steps(&s), 3000);
}

static void one_alone_has_no_peers(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 9);
	s.n = 1;
	run(&s, 60);
	s.ms[0] = 1000;
	run(&s, 600);
	assert_int_equal(s.steps, 0);
}

static void a_stack_keeps_what_it_cannot_spare(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 10);
	s.weight[0] = 700; /* of 1000: a quarter of it would be more than half of all */
	s.ms[0] = 100;
	run(&s, 10 * STEP_S);
	assert_int_equal(steps(&s), 1000);

	shop_begin(&s, 11);
	s.spare = 20; /* of one of four: three quarters */
	s.ms[1] = 100;
	s.ms[2] = 200;
	run(&s, 10 * STEP_S);
	assert_int_equal(steps(&s), 20); /* the slower of the two */

	shop_begin(&s, 12);
	s.spare = 0;
	s.ms[1] = 200;
	run(&s, 10 * STEP_S);
	assert_int_equal(s.steps, 0);
}

static void shares_come_back_when_others_are_gone(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 13);
	s.ms[1] = 100;
	run(&s, 5 * STEP_S);
	assert_int_equal(steps(&s), 300);
	s.open[0] = s.open[2] = false;
	look(&s); /* half of what is left: no more than that */
	assert_int_equal(steps(&s), 300);
	s.open[3] = false;
	look(&s);
	assert_int_equal(steps(&s), 0);
	assert_string_equal(s.last, "too few others are left");
	s.ms[1] = 10;
	s.open[0] = s.open[2] = s.open[3] = true;
	run(&s, 60);
	assert_int_equal(steps(&s), 0);
}

static void another_agents_step_is_gone_on_with(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 20);
	outlier_adopt(&s.outlier[1], SLOW_STEP_NONE, s.now_ms);
	run(&s, OUTLIER_HOLD_MS / 1000);
	assert_int_equal(steps(&s), 300);
	run(&s, 20 * STEP_S);
	assert_int_equal(steps(&s), 0);
}

static void one_that_is_out_is_forgotten(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 14);
	s.ms[1] = 100;
	run(&s, 5 * STEP_S);
	s.open[1] = false;
	look(&s);
	assert_int_equal(steps(&s), 0);
}

static void a_cold_one_is_not_judged_and_no_peer(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 15);
	s.ms[1] = 100;
	s.warm[1] = false;
	run(&s, 600);
	assert_int_equal(s.steps, 0);

	shop_begin(&s, 16);
	s.n = 2;
	s.ms[0] = 100; /* but beside whom? */
	s.warm[1] = false;
	run(&s, 600);
	assert_int_equal(s.steps, 0);
}

static void a_short_trouble_takes_nothing(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 19);
	for (int turn = 0; turn < 50; turn++) {
		s.ms[1] = 1000;
		run(&s, STEP_S - OUTLIER_EVERY_S);
		s.ms[1] = 10;
		run(&s, OUTLIER_EVERY_S);
	}
	assert_int_equal(s.steps, 0);
}

static void old_samples_are_not_judged_again(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 17);
	run(&s, 20);
	s.ms[1] = 100;
	run(&s, 2);
	s.per_look = 0;
	run(&s, 600);
	assert_int_equal(s.steps, 0);
}

static void one_that_nobody_asks_any_more_gets_all_again(void **state)
{
	struct shop s;

	(void)state;
	shop_begin(&s, 18);
	s.ms[1] = 100;
	run(&s, 2 * STEP_S);
	assert_true(s.outlier[1].step > 0);
	s.per_look = 0;
	run(&s, 200);
	assert_int_equal(steps(&s), 0);
	assert_string_equal(s.last, "too few flows to tell");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_backend_gets_less_and_then_none),
		cmocka_unit_test(one_that_recovers_gets_all_again),
		cmocka_unit_test(one_without_flows_is_tried_again_later_and_later),
		cmocka_unit_test(chance_alone_takes_nothing),
		cmocka_unit_test(what_all_have_in_common_takes_nothing),
		cmocka_unit_test(what_is_little_takes_nothing),
		cmocka_unit_test(few_slow_requests_are_seen_too),
		cmocka_unit_test(a_kind_with_few_samples_is_heard_beside_one_with_many),
		cmocka_unit_test(of_two_the_slower_one_gets_less),
		cmocka_unit_test(one_alone_has_no_peers),
		cmocka_unit_test(a_stack_keeps_what_it_cannot_spare),
		cmocka_unit_test(shares_come_back_when_others_are_gone),
		cmocka_unit_test(another_agents_step_is_gone_on_with),
		cmocka_unit_test(one_that_is_out_is_forgotten),
		cmocka_unit_test(a_cold_one_is_not_judged_and_no_peer),
		cmocka_unit_test(a_short_trouble_takes_nothing),
		cmocka_unit_test(old_samples_are_not_judged_again),
		cmocka_unit_test(one_that_nobody_asks_any_more_gets_all_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
