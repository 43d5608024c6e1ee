/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/detect_score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>

#include "agent/mix.h"

static double uniform(uint64_t *random)
{
	return (double)(mix64((*random)++) >> 11) * 0x1p-53;
}

/* Completions of which each is the backend's with probability `share`, until the sum reaches h. */
static double mean_to_alarm(double share, double h, unsigned int alarms, uint64_t seed)
{
	uint64_t events = 0, random = mix64(seed);

	for (unsigned int i = 0; i < alarms; i++) {
		struct detect_cusum cusum = {};

		while (cusum.value < h) {
			bool own = uniform(&random) < share;

			detect_cusum_step(&cusum, share, own, !own, 0);
			events++;
		}
	}
	return (double)events / alarms;
}

static void false_alarms_are_as_rare_as_the_bound_says(void **state)
{
	static const double shares[] = {0.02, 0.1, 0.25, 0.5};

	(void)state;
	for (int i = 0; i < 4; i++)
		for (double h = 2; h <= 8; h += 2)
			if (mean_to_alarm(shares[i], h, 60, (uint64_t)(i * 10 + h)) < exp(h))
				fail_msg("share %g, threshold %g", shares[i], h);
}

static void a_dead_backend_is_found_by_the_threshold_and_little_more(void **state)
{
	struct detect_cusum cusum = {};
	unsigned int peers = 0;

	(void)state;
	while (cusum.value < 20) {
		detect_cusum_step(&cusum, 0.1, 0, 1, 7);
		peers++;
	}
	/* Each says -ln(1 - 0.09). */
	assert_int_equal(peers, 213);
	assert_int_equal(cusum.peers, peers);
	assert_int_equal(cusum.own, 0);
	assert_int_equal(cusum.since, 7);
}

static void one_as_good_as_its_peers_comes_back_to_nothing(void **state)
{
	struct detect_cusum cusum = {};

	(void)state;
	detect_cusum_step(&cusum, 0.25, 0, 10, 1);
	assert_true(cusum.value > 2);
	for (int i = 0; i < 10; i++)
		detect_cusum_step(&cusum, 0.25, 1, 3, 2);
	assert_true(cusum.value <= 0);
	assert_int_equal(cusum.peers, 0);
}

/* Of n flows each, with one chance in `rare` to go wrong: how often the score is s or more. */
static void an_excess_is_no_more_likely_than_it_says(void **state)
{
	const unsigned int n = 40, peers = 3, runs = 40000;
	unsigned int reached[8] = {};
	uint64_t random = 1;

	(void)state;
	for (unsigned int r = 0; r < runs; r++) {
		unsigned int x = 0, peer_x = 0;
		double score;

		for (unsigned int i = 0; i < n; i++)
			x += uniform(&random) < 0.1;
		for (unsigned int i = 0; i < n * peers; i++)
			peer_x += uniform(&random) < 0.1;
		score = detect_excess(x, n, peer_x, n * peers);
		for (unsigned int s = 1; s < 8; s++)
			reached[s] += score >= s;
	}
	for (unsigned int s = 1; s < 8; s++)
		assert_true(reached[s] <= runs * exp(-(double)s));
	assert_true(reached[1] > 0);
}

static void no_worse_than_the_peers_is_no_excess(void **state)
{
	(void)state;
	assert_true(detect_excess(0, 100, 5, 100) == 0);
	assert_true(detect_excess(5, 100, 5, 100) == 0);
	assert_true(detect_excess(4, 100, 50, 1000) == 0);
	assert_true(detect_excess(3, 0, 0, 0) == 0);
	assert_true(detect_excess(10, 10, 0, 10) > 6.9); /* ten times ln 2 */
	assert_true(detect_excess(10, 10, 0, 10) < 7);
}

static void thresholds_follow_from_the_time_between_false_alarms(void **state)
{
	(void)state;
	assert_true(fabs(detect_threshold(1000, 200) - log(200000)) < 1e-9);
	assert_true(fabs(detect_threshold(1000, 0) - log(1000)) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(false_alarms_are_as_rare_as_the_bound_says),
		cmocka_unit_test(a_dead_backend_is_found_by_the_threshold_and_little_more),
		cmocka_unit_test(one_as_good_as_its_peers_comes_back_to_nothing),
		cmocka_unit_test(an_excess_is_no_more_likely_than_it_says),
		cmocka_unit_test(no_worse_than_the_peers_is_no_excess),
		cmocka_unit_test(thresholds_follow_from_the_time_between_false_alarms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
