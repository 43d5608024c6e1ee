/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Differences for those who read a stream: what is new to each, and what that takes to keep. */
#include "agent/telemetry_reader.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/telemetry_world.h"

#define MS 1000000ULL

#define ROUTES(BLUE)                                                                               \
	"stacks:\n"                                                                                \
	"  blue: {forward: l2, backends: [" BLUE "]}\n"                                            \
	"services:\n"                                                                              \
	"  shop: {vips: [203.0.113.10], protocol: tcp, ports: [80], split: {blue: 1}}\n"

#define A "{address: 10.1.0.1}"
#define B "{address: 10.1.0.2}"
#define C "{address: 10.1.0.3}"

static const char a_text[] = "10.1.0.1", b_text[] = "10.1.0.2", c_text[] = "10.1.0.3";

static int setup(void **state)
{
	static struct telemetry_world w;

	telemetry_world_open(&w, 2, 8);
	telemetry_world_apply(&w, ROUTES(A "," B));
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	telemetry_world_close(*state);
	return 0;
}

static void answer(struct telemetry_world *w, const char *backend, unsigned int n)
{
	while (n--)
		telemetry_world_record(w, "shop", "blue", backend, 0, LATENCY_SERVICE, MS);
}

/* How many samples of the backend are new to the reader, which is told that it has them now. */
static uint64_t take(struct telemetry_reader *reader, const char *backend)
{
	const struct series_totals *now, *before;
	uint64_t n = 0;

	for (size_t at = 0; telemetry_reader_next(reader, &at, &now, &before); at++) {
		if (strcmp(now->backend, backend))
			continue;
		n += now->samples[LATENCY_SERVICE] -
		     (before ? before->samples[LATENCY_SERVICE] : 0);
		telemetry_reader_sent(reader, at);
	}
	return n;
}

static size_t count_news(const struct telemetry_reader *reader)
{
	const struct series_totals *now, *before;
	size_t n = 0;

	for (size_t at = 0; telemetry_reader_next(reader, &at, &now, &before); at++)
		n++;
	return n;
}

static void what_was_before_is_no_news(void **state)
{
	struct telemetry_world *w = *state;
	struct telemetry_reader *reader;

	answer(w, a_text, 3);
	assert_int_equal(telemetry_reader_new(w->telemetry, false, &reader), 0);
	assert_int_equal(count_news(reader), 0);
	answer(w, a_text, 2);
	telemetry_collect(w->telemetry);
	assert_int_equal(take(reader, a_text), 2);
	telemetry_reader_free(reader);
}

static void from_the_start_all_is_news(void **state)
{
	struct telemetry_world *w = *state;
	struct telemetry_reader *reader;

	answer(w, a_text, 3);
	assert_int_equal(telemetry_reader_new(w->telemetry, true, &reader), 0);
	assert_int_equal(count_news(reader), 1); /* the other one has nothing to tell */
	assert_int_equal(take(reader, a_text), 3);
	assert_int_equal(count_news(reader), 0);
	answer(w, b_text, 1);
	telemetry_collect(w->telemetry);
	assert_int_equal(count_news(reader), 1);
	assert_int_equal(take(reader, b_text), 1);
	telemetry_reader_free(reader);
}

static void what_is_not_sent_adds_up(void **state)
{
	struct telemetry_world *w = *state;
	struct telemetry_reader *reader;

	assert_int_equal(telemetry_reader_new(w->telemetry, false, &reader), 0);
	for (int i = 0; i < 10; i++) {
		answer(w, a_text, 2);
		telemetry_collect(w->telemetry);
	}
	assert_int_equal(take(reader, a_text), 20);
	assert_int_equal(take(reader, a_text), 0);
	telemetry_reader_free(reader);
}

static void readers_go_each_at_their_own_pace(void **state)
{
	struct telemetry_world *w = *state;
	struct telemetry_reader *fast, *slow;
	uint64_t total = 0;

	assert_int_equal(telemetry_reader_new(w->telemetry, false, &fast), 0);
	assert_int_equal(telemetry_reader_new(w->telemetry, false, &slow), 0);
	for (unsigned int i = 1; i <= 9; i++) {
		answer(w, a_text, i);
		telemetry_collect(w->telemetry);
		assert_int_equal(take(fast, a_text), i);
		if (i % 3 == 0)
			total += take(slow, a_text);
	}
	assert_int_equal(total, 45);
	telemetry_reader_free(fast);
	telemetry_reader_free(slow);
}

static size_t bytes_in_use(void)
{
	return mallinfo2().uordblks;
}

/* All that stand still at one point share one copy of each series, however much comes. */
static void readers_that_wait_hold_no_more_with_time(void **state)
{
	struct telemetry_world *w = *state;
	struct telemetry_reader *readers[10];
	size_t before, first, later;

	for (size_t i = 0; i < 10; i++)
		assert_int_equal(telemetry_reader_new(w->telemetry, false, &readers[i]), 0);
	answer(w, a_text, 1);
	telemetry_collect(w->telemetry); /* from nothing: there is nothing to copy */
	for (size_t i = 0; i < 10; i++)
		take(readers[i], a_text);
	before = bytes_in_use();
	answer(w, a_text, 1);
	telemetry_collect(w->telemetry);
	first = bytes_in_use();
	for (int i = 0; i < 1000; i++) {
		answer(w, a_text, 1);
		telemetry_collect(w->telemetry);
	}
	later = bytes_in_use();
	for (size_t i = 0; i < 10; i++)
		telemetry_reader_free(readers[i]);
	if (before) /* a sanitizer's allocator does not tell */
		assert_in_range(first - before, sizeof(struct series_totals),
				sizeof(struct series_totals) + 64);
	assert_int_equal(first, later);
}

static void a_series_given_to_others_starts_at_zero(void **state)
{
	struct telemetry_world *w = *state;
	const struct series_totals *now, *before;
	struct telemetry_reader *reader;
	size_t was, at = 0;

	answer(w, a_text, 5);
	assert_int_equal(telemetry_reader_new(w->telemetry, false, &reader), 0);
	answer(w, a_text, 5);
	telemetry_collect(w->telemetry);
	telemetry_world_totals(w, "shop", "blue", a_text, &was);
	telemetry_world_apply(w, ROUTES(B));
	telemetry_world_apply(w, ROUTES(B));
	telemetry_world_apply(w, ROUTES(B "," C));
	telemetry_world_totals(w, "shop", "blue", c_text, &at);
	assert_int_equal(at, was);
	assert_int_equal(count_news(reader), 0);
	answer(w, c_text, 2);
	telemetry_collect(w->telemetry);
	at = 0;
	assert_true(telemetry_reader_next(reader, &at, &now, &before));
	assert_string_equal(now->backend, c_text);
	assert_null(before);
	assert_int_equal(now->samples[LATENCY_SERVICE], 2);
	telemetry_reader_free(reader);
}

static void what_another_agent_counted_is_no_news(void **state)
{
	struct telemetry_world *w = *state;
	struct telemetry_reader *reader;

	answer(w, a_text, 5);
	telemetry_world_restart(w, NULL);
	assert_int_equal(telemetry_reader_new(w->telemetry, false, &reader), 0);
	telemetry_world_apply(w, ROUTES(A));
	telemetry_collect(w->telemetry);
	assert_int_equal(count_news(reader), 0);
	answer(w, a_text, 2);
	telemetry_collect(w->telemetry);
	assert_int_equal(take(reader, a_text), 2);
	assert_int_equal(
		telemetry_world_totals(w, "shop", "blue", a_text, NULL)->samples[LATENCY_SERVICE],
		7);
	telemetry_reader_free(reader);
}

static void too_many_are_refused(void **state)
{
	struct telemetry_world *w = *state;
	struct telemetry_reader *readers[TELEMETRY_READERS_MAX], *other = NULL;

	for (size_t i = 0; i < TELEMETRY_READERS_MAX; i++)
		assert_int_equal(telemetry_reader_new(w->telemetry, false, &readers[i]), 0);
	assert_int_equal(telemetry_reader_new(w->telemetry, false, &other), -EUSERS);
	telemetry_reader_free(readers[7]);
	assert_int_equal(telemetry_reader_new(w->telemetry, false, &readers[7]), 0);
	for (size_t i = 0; i < TELEMETRY_READERS_MAX; i++)
		telemetry_reader_free(readers[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_before_is_no_news),
		TEST(from_the_start_all_is_news),
		TEST(what_is_not_sent_adds_up),
		TEST(readers_go_each_at_their_own_pace),
		TEST(readers_that_wait_hold_no_more_with_time),
		TEST(a_series_given_to_others_starts_at_zero),
		TEST(what_another_agent_counted_is_no_news),
		TEST(too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
