/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The text format: what a scraper reads, to the byte. */
#include "agent/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi.h"
#include "common/util.h"

static const struct metric_family counter = {"m_total", METRIC_COUNTER, "Things."};
static const struct metric_family gauge = {"g", METRIC_GAUGE, "Level."};
static const struct metric_family latency = {"l_seconds", METRIC_HISTOGRAM, "Waits."};

static int setup(void **state)
{
	*state = metrics_new(METRICS_TEXT, NULL);
	return 0;
}

static int teardown(void **state)
{
	metrics_free(*state);
	return 0;
}

/* The piece as text; valid until the next. */
static const char *take(struct metrics_out *out)
{
	static char text[64 << 10];
	size_t size;
	const void *piece = metrics_take(out, &size);

	assert_true(size < sizeof(text));
	if (size)
		memcpy(text, piece, size);
	text[size] = '\0';
	return text;
}

static void a_family_has_help_and_type_before_its_values(void **state)
{
	struct metrics_out *out = *state;

	metrics_family(out, &counter);
	metrics_count(out, 7, METRIC_LABELS({"service", "shop"}, {"stack", "blue"}));
	metrics_count(out, 8, METRIC_LABELS({"service", "shop"}, {"stack", "green"}));
	metrics_family(out, &gauge);
	metrics_gauge(out, 3, METRIC_NO_LABELS);
	assert_string_equal(take(out), "# HELP m_total Things.\n"
				       "# TYPE m_total counter\n"
				       "m_total{service=\"shop\",stack=\"blue\"} 7\n"
				       "m_total{service=\"shop\",stack=\"green\"} 8\n"
				       "# HELP g Level.\n"
				       "# TYPE g gauge\n"
				       "g 3\n");
}

static void a_family_without_values_is_not_shown(void **state)
{
	struct metrics_out *out = *state;
	size_t size = 1;

	metrics_family(out, &counter);
	metrics_family(out, &gauge);
	assert_null(metrics_take(out, &size));
	assert_int_equal(size, 0);
}

static void a_family_goes_on_in_the_next_piece_without_another_head(void **state)
{
	struct metrics_out *out = *state;

	metrics_family(out, &counter);
	metrics_count(out, 1, METRIC_LABELS({"a", "x"}));
	take(out);
	assert_int_equal(metrics_size(out), 0);
	metrics_count(out, 2, METRIC_LABELS({"a", "y"}));
	assert_string_equal(take(out), "m_total{a=\"y\"} 2\n");
}

static void a_label_value_cannot_break_out_of_its_quotes(void **state)
{
	struct metrics_out *out = *state;

	metrics_family(out, &counter);
	metrics_count(
		out, 1,
		METRIC_LABELS({"a", "q\"uo\\te"}, {"b", "new\nline"}, {"c", "caf\xc3\xa9 \xff"}));
	assert_non_null(
		strstr(take(out),
		       "\nm_total{a=\"q\\\"uo\\\\te\",b=\"new?line\",c=\"caf\xc3\xa9 ?\"} 1\n"));
}

static void a_label_without_a_value_is_left_out(void **state)
{
	struct metrics_out *out = *state;

	metrics_family(out, &counter);
	metrics_count(out, 0, METRIC_NO_LABELS);
	take(out);
	metrics_count(out, 1, METRIC_LABELS({"a", NULL}, {"b", "x"}, {"c", NULL}));
	metrics_count(out, 2, METRIC_LABELS({"a", NULL}));
	metrics_count(out, 3, METRIC_LABELS({"a", ""}));
	assert_string_equal(take(out), "m_total{b=\"x\"} 1\nm_total 2\nm_total{a=\"\"} 3\n");
}

static void a_count_keeps_all_its_64_bits(void **state)
{
	struct metrics_out *out = *state;

	metrics_family(out, &counter);
	metrics_count(out, 0, METRIC_NO_LABELS);
	take(out);
	metrics_count(out, UINT64_MAX, METRIC_NO_LABELS);
	metrics_count(out, 9007199254740993, METRIC_NO_LABELS); /* no double */
	assert_string_equal(take(out), "m_total 18446744073709551615\nm_total 9007199254740993\n");
}

static void a_gauge_reads_back_to_the_same_number(void **state)
{
	const double values[] = {0.1, 1.0 / 3, 1e300, -2.5, 1763722842.123456, 5e-324};
	struct metrics_out *out = *state;
	const char *at;

	metrics_family(out, &gauge);
	metrics_gauge(out, 0, METRIC_NO_LABELS);
	take(out);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		metrics_gauge(out, values[i], METRIC_NO_LABELS);
	at = take(out);
	assert_memory_equal(at, "g 0.1\n", 6);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		assert_true(strtod(at + 2, NULL) == values[i]);
		at = strchr(at, '\n') + 1;
	}
}

static void numbers_that_are_none_have_their_own_words(void **state)
{
	struct metrics_out *out = *state;

	metrics_family(out, &gauge);
	metrics_gauge(out, NAN, METRIC_NO_LABELS);
	metrics_gauge(out, INFINITY, METRIC_NO_LABELS);
	metrics_gauge(out, -INFINITY, METRIC_NO_LABELS);
	assert_non_null(strstr(take(out), "\ng NaN\ng +Inf\ng -Inf\n"));
}

static void a_histogram_counts_what_lies_below_each_bound(void **state)
{
	struct metrics_out *out = *state;
	uint64_t bucket[LATENCY_BUCKETS] = {};
	const char *text;

	bucket[latency_bucket(1000)] = 1;	     /* 1 us: below all bounds */
	bucket[latency_bucket(32767)] += 1;	     /* just below the first */
	bucket[latency_bucket(32768)] = 4;	     /* on it */
	bucket[latency_bucket(1000000)] = 8;	     /* 1 ms */
	bucket[latency_bucket(60000000000ULL)] = 16; /* a minute: above all bounds */
	metrics_family(out, &latency);
	metrics_latency(out, bucket, 1234567890123, METRIC_LABELS({"stack", "blue"}));
	text = take(out);
	assert_memory_equal(text,
			    "# HELP l_seconds Waits.\n"
			    "# TYPE l_seconds histogram\n"
			    "l_seconds_bucket{stack=\"blue\",le=\"3.2768e-05\"} 2\n"
			    "l_seconds_bucket{stack=\"blue\",le=\"4.9152e-05\"} 6\n",
			    140);
	assert_non_null(strstr(text, "le=\"0.000786432\"} 6\n"));
	assert_non_null(strstr(text, "le=\"0.001048576\"} 14\n"));
	assert_non_null(strstr(text, "le=\"34.359738368\"} 14\n"
				     "l_seconds_bucket{stack=\"blue\",le=\"+Inf\"} 30\n"
				     "l_seconds_sum{stack=\"blue\"} 1234.567890123\n"
				     "l_seconds_count{stack=\"blue\"} 30\n"));
}

static void a_histogram_without_labels_has_its_bounds_only(void **state)
{
	struct metrics_out *out = *state;
	uint64_t bucket[LATENCY_BUCKETS] = {1};
	const char *text;

	metrics_family(out, &latency);
	metrics_latency(out, bucket, 5, METRIC_NO_LABELS);
	text = take(out);
	assert_non_null(strstr(text, "\nl_seconds_bucket{le=\"3.2768e-05\"} 1\n"));
	assert_non_null(strstr(text, "\nl_seconds_sum 0.000000005\nl_seconds_count 1\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_family_has_help_and_type_before_its_values),
		TEST(a_family_without_values_is_not_shown),
		TEST(a_family_goes_on_in_the_next_piece_without_another_head),
		TEST(a_label_value_cannot_break_out_of_its_quotes),
		TEST(a_label_without_a_value_is_left_out),
		TEST(a_count_keeps_all_its_64_bits),
		TEST(a_gauge_reads_back_to_the_same_number),
		TEST(numbers_that_are_none_have_their_own_words),
		TEST(a_histogram_counts_what_lies_below_each_bound),
		TEST(a_histogram_without_labels_has_its_bounds_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
