/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When checks start, as seen from outside. Upper bounds are wide: the machine may be busy. */
#include "agent/check_schedule.h"
#include "common/util.h"
#include "lib/check_lab.h"
#include "lib/reply_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

#define HOUR_MS 3600000
#define GAP_MS	(CHECK_GAP_US / 1000)

static void checks_repeat_an_interval_apart(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};
	uint64_t second_ms;

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_TCP, server.port, 30, 30);
	check_lab_wait(lab, check_lab_results(lab) == 2);
	second_ms = lab->result.last_ms;
	check_lab_wait(lab, check_lab_results(lab) == 12);
	assert_true(lab->result.last_ms - second_ms >= 10 * 28 - 10);
	reply_server_stop(&server);
}

/* Both follow from one addition of many: a bounded burst first, and then never too many at once. */
static void many_checks_are_paced_and_bounded(void **state)
{
	enum { N = 3000, AT_ONCE = 100 };
	struct check_lab *lab = *state;
	struct reply_server server = {};
	struct check_target target = {
		.type = HEALTH_TCP, .interval_ms = UINT32_MAX, .timeout_ms = 500};
	struct checker *bounded;
	struct checker_stats stats;

	reply_server_start(&server, lab->event);
	target.port = server.port;
	assert_int_equal(checker_new(lab->event, AT_ONCE, &bounded), 0);
	for (int i = 0; i < N; i++) {
		CLEANUP_FREE char *text = util_format("127.1.%d.%d", i / 250, i % 250 + 1);
		struct check *check;

		target.address = check_lab_address(text);
		assert_int_equal(checker_add(i % 2 ? bounded : lab->checker, &target,
					     check_lab_on_result, &lab->result, &check),
				 0);
	}
	do {
		check_lab_run(lab, 10);
		checker_get_stats(lab->checker, &stats);
	} while (!stats.started);
	assert_int_equal(stats.started, CHECKER_BURST);
	while (check_lab_results(lab) < N) {
		check_lab_run(lab, 1000);
		checker_get_stats(bounded, &stats);
		assert_true(stats.in_flight <= AT_ONCE);
	}
	assert_int_equal(stats.started, N / 2);
	assert_int_equal(stats.finished, N / 2);
	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.in_flight, 0);
	checker_free(bounded);
	reply_server_stop(&server);
}

static void in_doubt_checks_come_four_times_as_often(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};
	uint64_t before_ms;

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_TCP, server.port, 400, 400);
	check_lab_wait(lab, check_lab_results(lab) == 2);
	before_ms = lab->result.last_ms;
	check_doubt(lab->check, true);
	check_lab_wait(lab, check_lab_results(lab) == 6);
	assert_in_range(lab->result.last_ms - before_ms, 4 * 100 - 20, 4 * 380 - 20);
	before_ms = lab->result.last_ms;
	check_doubt(lab->check, false);
	check_lab_wait(lab, check_lab_results(lab) == 7);
	assert_true(lab->result.last_ms - before_ms >= 380 - 20);
	reply_server_stop(&server);
}

static void a_check_that_is_wanted_now_does_not_wait_for_its_interval(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};
	uint64_t added_ms = util_now_ms();

	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_TCP, server.port, HOUR_MS, 5000);
	check_lab_wait(lab, check_lab_results(lab) == 1);
	check_now(lab->check);
	check_lab_wait(lab, check_lab_results(lab) == 2);
	assert_true(lab->result.last_ms - added_ms >= GAP_MS);
	reply_server_stop(&server);
}

/* The one that runs began before whatever made somebody ask. */
static void a_check_that_is_wanted_now_follows_the_one_that_runs(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {.reply = ""};
	struct checker_stats stats = {};

	server.stays_open = true;
	reply_server_start(&server, lab->event);
	check_lab_add(lab, HEALTH_HTTP, server.port, HOUR_MS, 50);
	while (!stats.in_flight) {
		check_lab_run(lab, 10);
		checker_get_stats(lab->checker, &stats);
	}
	check_now(lab->check);
	check_now(lab->check);
	check_lab_wait(lab, check_lab_results(lab) == 2);
	for (uint64_t end_ms = util_now_ms() + 100; util_now_ms() < end_ms;)
		check_lab_run(lab, 10);
	assert_int_equal(check_lab_results(lab), 2);
	reply_server_stop(&server);
}

static void a_check_that_is_wanted_now_goes_ahead_of_those_that_wait(void **state)
{
	enum { N = 1000, AT_ONCE = 10 };
	struct check_lab *lab = *state;
	struct reply_server server = {};
	struct check_target target = {
		.type = HEALTH_TCP, .interval_ms = UINT32_MAX, .timeout_ms = 5000};
	struct check_result wanted = {};
	struct checker *bounded;
	struct checker_stats stats;

	reply_server_start(&server, lab->event);
	target.port = server.port;
	assert_int_equal(checker_new(lab->event, AT_ONCE, &bounded), 0);
	for (int i = 0; i < N; i++) {
		CLEANUP_FREE char *text = util_format("127.1.%d.%d", i / 250, i % 250 + 1);

		target.address = check_lab_address(text);
		assert_int_equal(checker_add(bounded, &target, check_lab_on_result,
					     i < N - 1 ? &lab->result : &wanted, &lab->check),
				 0);
	}
	check_now(lab->check);
	check_lab_wait(lab, wanted.passed);
	checker_get_stats(bounded, &stats);
	assert_true(stats.started < N / 2);
	checker_free(bounded);
	reply_server_stop(&server);
}

static void checks_of_one_port_take_turns_20_ms_apart(void **state)
{
	enum { CHECKS = 3, RESULTS = 30 };
	struct check_lab *lab = *state;
	struct reply_server server = {};
	struct check_result results[CHECKS] = {};
	struct check_target target = {.address = check_lab_address("127.0.0.1"),
				      .type = HEALTH_TCP,
				      .interval_ms = 20,
				      .timeout_ms = 20};
	struct checker_stats stats = {};
	uint64_t added_ms = util_now_ms();

	reply_server_start(&server, lab->event);
	target.port = server.port;
	for (int i = 0; i < CHECKS; i++)
		assert_int_equal(checker_add(lab->checker, &target, check_lab_on_result,
					     &results[i], &lab->check),
				 0);
	while (stats.finished < RESULTS) {
		check_lab_run(lab, 1000);
		checker_get_stats(lab->checker, &stats);
		check_now(lab->check);
	}
	assert_true(util_now_ms() - added_ms >= (RESULTS - 1) * GAP_MS);
	for (int i = 0; i < CHECKS; i++)
		assert_in_range(results[i].passed, RESULTS / CHECKS - 2, RESULTS / CHECKS + 2);
	reply_server_stop(&server);
}

/* Due again at once, and then not before what has been due for longer, if that is its equal. */
static int on_other(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	(*(unsigned int *)userdata)++;
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* As long as something else wants the loop, thousands of checks that are due do not get it. */
static void what_else_is_on_the_loop_comes_first(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};
	sd_event_source *other = NULL;
	struct checker_stats stats;
	unsigned int n = 0;

	reply_server_start(&server, lab->event);
	for (int i = 0; i < 3000; i++)
		check_lab_add(lab, HEALTH_TCP, server.port, HOUR_MS, 5000);
	assert_true(sd_event_add_time(lab->event, &other, CLOCK_MONOTONIC, 0, 1, on_other, &n) >=
		    0);
	for (unsigned int i = 1; i <= 50; i++) {
		check_lab_run(lab, 10);
		assert_int_equal(n, i);
	}
	checker_get_stats(lab->checker, &stats);
	assert_int_equal(stats.started, 0);
	sd_event_source_disable_unref(other);
	check_lab_wait(lab, check_lab_results(lab) == 1);
	reply_server_stop(&server);
}

/* Servers that accept and say nothing hold up one another as little as anybody else. */
static void thousands_of_checks_of_any_type_run_at_once(void **state)
{
	static const struct {
		enum health_type type;
		bool tls;
	} cases[] = {{HEALTH_HTTP, false}, {HEALTH_GRPC, false}, {HEALTH_GRPC, true}};
	enum { N = 1000 };
	struct check_lab *lab = *state;
	struct reply_server server = {};
	struct checker_stats stats;
	struct rlimit files;
	uint32_t at_once = N * ARRAY_SIZE(cases), most = 0;

	assert_return_code(getrlimit(RLIMIT_NOFILE, &files), errno);
	if (files.rlim_cur / 2 < at_once)
		at_once = (uint32_t)(files.rlim_cur / 2);
	reply_server_start(&server, lab->event);
	for (unsigned int i = 0; i < N * ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *text = util_format("127.1.%u.%u", i / 250, i % 250 + 1);
		const struct check_target target = {.address = check_lab_address(text),
						    .port = server.port,
						    .type = cases[i / N].type,
						    .tls = cases[i / N].tls,
						    .interval_ms = UINT32_MAX,
						    .timeout_ms = 3000};

		check_lab_add_target(lab, &target);
	}
	while (check_lab_results(lab) < N * ARRAY_SIZE(cases)) {
		check_lab_run(lab, 1000);
		checker_get_stats(lab->checker, &stats);
		most = stats.in_flight > most ? stats.in_flight : most;
	}
	assert_int_equal(stats.finished, N * ARRAY_SIZE(cases));
	assert_int_equal(stats.passed, 0);
	assert_in_range(most, at_once / 2, at_once);
	reply_server_stop(&server);
}

static void a_check_that_has_its_turn_may_be_freed(void **state)
{
	struct check_lab *lab = *state;
	struct reply_server server = {};
	struct check *checks[4];

	reply_server_start(&server, lab->event);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		check_lab_add(lab, HEALTH_TCP, server.port, HOUR_MS, 5000);
		checks[i] = lab->check;
	}
	check_lab_wait(lab, check_lab_results(lab) == 1);
	check_free(checks[1]);
	check_free(checks[2]);
	check_lab_wait(lab, check_lab_results(lab) == 2);
	reply_server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		check_lab_test(checks_repeat_an_interval_apart),
		check_lab_test(many_checks_are_paced_and_bounded),
		check_lab_test(in_doubt_checks_come_four_times_as_often),
		check_lab_test(a_check_that_is_wanted_now_does_not_wait_for_its_interval),
		check_lab_test(a_check_that_is_wanted_now_follows_the_one_that_runs),
		check_lab_test(a_check_that_is_wanted_now_goes_ahead_of_those_that_wait),
		check_lab_test(checks_of_one_port_take_turns_20_ms_apart),
		check_lab_test(what_else_is_on_the_loop_comes_first),
		check_lab_test(thousands_of_checks_of_any_type_run_at_once),
		check_lab_test(a_check_that_has_its_turn_may_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
