/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `steerctl histogram` makes of telemetry messages: sums, shapes, comparisons, reasons. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cli/histogram.h"
#include "cli/json_print.h"
#include "cli/measured_wire.h"
#include "cli/shape.h"
#include "common/util.h"
#include "lib/cli_messages.h"

/* Buckets 41 and on begin at 1.05 ms, 81 and on at 33.6 ms. */
#define MESSAGE                                                                                    \
	"{\"node\": \"edge-1\", \"epoch\": \"7\", \"from_unix_ms\": 1772355907000,"                \
	" \"to_unix_ms\": 1772355917000, \"sample_one_in\": 4, \"series\": ["                      \
	"{\"service\": \"shop\", \"stack\": \"green\", \"backend\": \"10.1.0.21\","                \
	" \"latencies\": [{\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 300,"                    \
	"  \"sum_ns\": 9600000000, \"bucket\": [80, 81], \"bucket_count\": [100, 200]}]},"         \
	"{\"service\": \"shop\", \"stack\": \"blue\", \"backend\": \"10.1.0.12\","                 \
	" \"latencies\": [{\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 100,"                    \
	"  \"sum_ns\": 110000000, \"bucket\": [41], \"bucket_count\": [100]}],"                    \
	" \"left_out\": [{\"name\": \"no_timestamp\", \"value\": 3}],"                             \
	" \"errors\": [{\"name\": \"requests\", \"value\": 9}]},"                                  \
	"{\"service\": \"shop\", \"stack\": \"blue\", \"backend\": \"10.1.0.11\","                 \
	" \"latencies\": [{\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 200,"                    \
	"  \"sum_ns\": 240000000, \"bucket\": [41, 43], \"bucket_count\": [150, 50]}],"            \
	" \"left_out\": [{\"name\": \"no_timestamp\", \"value\": 4}]}],"                           \
	" \"backends\": [{\"stack\": \"blue\", \"backend\": \"10.1.0.11\", \"packets\": 900}],"    \
	" \"shares\": [{\"service\": \"shop\", \"stack\": \"blue\", \"new_flows\": 1200,"          \
	"  \"wanted_share\": 0.5}]}"

static struct histogram histogram_of(const char *json)
{
	CLEANUP_MEASURED struct measured *message = cli_message_measured(json);
	struct histogram histogram = {0};

	histogram_add(&histogram, message);
	return histogram;
}

static uint64_t total_of(const struct measured_sum *sum, const char *stack, const char *backend,
			 enum measured_kind kind)
{
	const struct measured_filter filter = {.stack = stack, .backend = backend};
	struct distribution d;

	measured_sum_distribution(sum, &filter, kind, &d);
	assert_int_equal(d.count, distribution_total(&d));
	return d.count;
}

static void series_are_summed_by_what_is_asked(void **state)
{
	CLEANUP_MEASURED struct measured *message = cli_message_measured(MESSAGE);
	CLEANUP_MEASURED_SUM struct measured_sum sum = {0};

	(void)state;
	measured_sum_add(&sum, message);
	measured_sum_add(&sum, message);
	assert_int_equal(total_of(&sum, NULL, NULL, MEASURED_CONNECT), 1200);
	assert_int_equal(total_of(&sum, "blue", NULL, MEASURED_CONNECT), 600);
	assert_int_equal(total_of(&sum, "blue", "10.1.0.12", MEASURED_CONNECT), 200);
	assert_int_equal(total_of(&sum, "red", NULL, MEASURED_CONNECT), 0);
	assert_int_equal(total_of(&sum, "blue", NULL, MEASURED_RESPONSE), 0);
	assert_int_equal(measured_sum_find(&sum, "", "blue", "10.1.0.11")->packets, 1800);
	assert_int_equal(measured_sum_find(&sum, "shop", "blue", "")->new_flows, 2400);
	measured_sum_subtract(&sum, message);
	assert_int_equal(total_of(&sum, "blue", NULL, MEASURED_CONNECT), 300);
	measured_sum_subtract(&sum, message);
	assert_int_equal(total_of(&sum, NULL, NULL, MEASURED_CONNECT), 0);
}

static void counters_are_summed_over_backends(void **state)
{
	CLEANUP_MEASURED_COUNTERS struct measured_counters errors = {0}, left_out = {0};
	CLEANUP_MEASURED struct measured *message = cli_message_measured(MESSAGE);
	const struct measured_filter filter = {.service = "shop", .stack = "blue"};
	CLEANUP_MEASURED_SUM struct measured_sum sum = {0};

	(void)state;
	measured_sum_add(&sum, message);
	measured_sum_counters(&sum, &filter, &errors, &left_out);
	assert_int_equal(measured_counter(&left_out, "no_timestamp"), 7);
	assert_int_equal(measured_counter(&errors, "requests"), 9);
	assert_int_equal(measured_counter(&errors, "abandoned"), 0);
}

static void what_this_version_does_not_know_is_left_out(void **state)
{
	struct histogram histogram = histogram_of(
		"{\"series\": [{\"service\": \"s\", \"stack\": \"t\", \"latencies\": ["
		"{\"kind\": 77, \"count\": 1, \"bucket\": [3], \"bucket_count\": [1]},"
		"{\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 2, \"bucket\": [162, 161],"
		" \"bucket_count\": [1, 1]},"
		"{\"kind\": \"LATENCY_KIND_QUIC_SPIN\", \"count\": 1, \"bucket\": [1, 2],"
		" \"bucket_count\": [1]}]}]}");

	(void)state;
	assert_int_equal(histogram_samples(&histogram, MEASURED_CONNECT), 1);
	assert_int_equal(histogram_samples(&histogram, MEASURED_QUIC_SPIN), 1);
	assert_int_equal(histogram_samples(&histogram, MEASURED_LAST_BYTE), 0);
	histogram_clear(&histogram);
}

static void parts_of_an_interval_become_one_message(void **state)
{
	CLEANUP_MEASURED struct measured *message = cli_message_measured(
		"{\"from_unix_ms\": 1, \"to_unix_ms\": 2, \"more\": true, \"shares\": ["
		"{\"service\": \"s\", \"stack\": \"t\", \"new_flows\": 5}]}");
	CLEANUP_MEASURED struct measured *part = cli_message_measured(
		"{\"from_unix_ms\": 1, \"to_unix_ms\": 3, \"shares\": ["
		"{\"service\": \"s\", \"stack\": \"u\", \"new_flows\": 6}]}");
	CLEANUP_MEASURED_SUM struct measured_sum sum = {0};

	(void)state;
	assert_true(message->more);
	measured_append(message, part);
	assert_false(message->more);
	assert_int_equal(message->to_unix_ms, 3);
	assert_int_equal(part->n, 0);
	measured_sum_add(&sum, message);
	assert_int_equal(measured_sum_find(&sum, "s", "t", "")->new_flows, 5);
	assert_int_equal(measured_sum_find(&sum, "s", "u", "")->new_flows, 6);
}

static void bytes_that_are_no_message_are_refused(void **state)
{
	struct rpc_bytes bytes = {.data = (uint8_t *)"\x0a\xff", .size = 2};
	struct measured *message = NULL;

	(void)state;
	assert_true(measured_wire_read(&bytes, &message) < 0);
	assert_null(message);
}

/* What is printed by `print`, in ASCII, at 72 columns; the caller frees. */
static char *text_of(const struct histogram *histogram,
		     void (*print)(const struct histogram *histogram, const struct table_look *look,
				   FILE *out))
{
	const struct table_look look = {.width = 72, .ascii = true};
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print(histogram, &look, out);
	fclose(out);
	return text;
}

static void the_summary_has_a_row_for_each_service_stack_and_kind(void **state)
{
	struct histogram histogram = histogram_of(MESSAGE);
	CLEANUP_FREE char *text = text_of(&histogram, histogram_print_summary);

	(void)state;
	assert_string_equal(
		text,
		"edge-1: 10 s from 2026-03-01 09:05:07.000 on; one new flow in 4 is measured\n"
		"\n"
		"SERVICE STACK KIND    SAMPLES    MEAN     P50     P90     P99\n"
		"shop    blue  connect     300 1.17 ms 1.13 ms 1.36 ms 1.43 ms\n"
		"shop    green connect     300 32.0 ms 34.6 ms 37.1 ms 37.7 ms\n");
	histogram_clear(&histogram);
}

static void a_stack_is_shown_with_figures_and_shape(void **state)
{
	struct histogram histogram = histogram_of(MESSAGE);
	CLEANUP_FREE char *text = NULL;

	(void)state;
	histogram.filter.stack = "blue";
	text = text_of(&histogram, histogram_print_kinds);
	assert_string_equal(
		text,
		"edge-1: 10 s from 2026-03-01 09:05:07.000 on; one new flow in 4 is measured\n"
		"\n"
		"connect: stack blue\n"
		"300 samples, p50 1.13 ms, p90 1.36 ms, p99 1.43 ms, p99.9 1.44 ms\n"
		"mean 1.17 ms, max below 1.44 ms\n"
		"  1.05 ms  ########################################### 83.3 %  p50\n"
		"  1.18 ms\n"
		"  1.31 ms  ######### 16.7 %  p90-p99.9\n"
		"\n"
		"sampled flows: requests 9\n"
		"latencies left out: no timestamp 7\n");
	histogram_clear(&histogram);
}

static void two_stacks_are_drawn_side_by_side_and_told_apart(void **state)
{
	struct histogram histogram = histogram_of(MESSAGE);
	CLEANUP_FREE char *text = NULL;

	(void)state;
	histogram.compared[0] = "blue";
	histogram.compared[1] = "green";
	text = text_of(&histogram, histogram_print_compared);
	assert_string_equal(
		text,
		"edge-1: 10 s from 2026-03-01 09:05:07.000 on; one new flow in 4 is measured\n"
		"\n"
		"connect\n"
		"           blue                           green\n"
		"  1.05 ms  ########### 100.0 %  p50-p99.9\n"
		"  1.57 ms\n"
		"  2.10 ms\n"
		"  3.15 ms\n"
		"  4.19 ms\n"
		"  6.29 ms\n"
		"  8.39 ms\n"
		"  12.6 ms\n"
		"  16.8 ms\n"
		"  25.2 ms                                 ###### 33.3 %\n"
		"  33.6 ms                                 ########### 66.7 %  p50-p99.9\n"
		"\n"
		"           blue   green DIFFERENCE         TOLD APART\n"
		"samples     300     300                    \n"
		"mean    1.17 ms 32.0 ms   +30.8 ms +2643 % \n"
		"p50     1.13 ms 34.6 ms   +33.5 ms +2970 % yes\n"
		"p90     1.36 ms 37.1 ms   +35.8 ms +2623 % yes\n"
		"p99     1.43 ms 37.7 ms   +36.3 ms +2528 % too few samples\n"
		"p99.9   1.44 ms 37.7 ms   +36.3 ms +2519 % too few samples\n"
		"\n"
		"green's p50 is 33.5 ms above blue's (blue 1.05-1.18 ms, green 33.6-37.7\n"
		"ms, with 99 % confidence).\n"
		"green's p90 is 35.8 ms above blue's (blue 1.31-1.44 ms, green 33.6-37.7\n"
		"ms, with 99 % confidence).\n");
	histogram_clear(&histogram);
}

static void blocks_are_drawn_in_eighths_where_the_terminal_has_them(void **state)
{
	const struct table_look look = {.width = 40};
	struct distribution d = {.bucket = {[41] = 16, [42] = 3, [43] = 1}};
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	shape_print(&look, &(struct shape){.of = &d}, 1, out);
	fclose(out);
	assert_string_equal(text, "  1.05 ms  ███████████ 80.0 %  p50\n"
				  "  1.18 ms  ██ 15.0 %  p90\n"
				  "  1.31 ms  ▊ 5.0 %  p99-p99.9\n");
}

static void far_outliers_do_not_flatten_the_shape(void **state)
{
	const struct table_look look = {.width = 60, .ascii = true};
	struct distribution d = {.bucket = {[41] = 9000, [42] = 9999, [150] = 1, [161] = 1}};
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	shape_print(&look, &(struct shape){.of = &d}, 1, out);
	fclose(out);
	assert_string_equal(text, "  1.05 ms  ############################ 47.4 %\n"
				  "  1.18 ms  ############################### 52.6 %  p50-p99.9\n"
				  "      ...\n"
				  "   8.59 s  . <0.1 %\n"
				  "      ...\n"
				  "   34.4 s  . <0.1 %\n");
}

static void nothing_at_all_draws_nothing(void **state)
{
	const struct table_look look = {.width = 60};
	const struct distribution d = {0};
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	shape_print(&look, &(struct shape){.of = &d}, 1, out);
	fclose(out);
	assert_string_equal(text, "");
}

static void the_service_time_is_compared_where_both_have_it(void **state)
{
	struct histogram histogram = histogram_of(
		"{\"series\": ["
		"{\"service\": \"s\", \"stack\": \"a\", \"latencies\": ["
		"{\"kind\": \"LATENCY_KIND_SERVICE\", \"count\": 1, \"bucket\": [3],"
		" \"bucket_count\": [1]},"
		"{\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 1, \"bucket\": [3],"
		" \"bucket_count\": [1]}]},"
		"{\"service\": \"s\", \"stack\": \"b\", \"latencies\": ["
		"{\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 1, \"bucket\": [3],"
		" \"bucket_count\": [1]}]}]}");

	(void)state;
	histogram.compared[0] = "a";
	histogram.compared[1] = "b";
	assert_int_equal(histogram_compared_kind(&histogram), MEASURED_CONNECT);
	histogram.compared[1] = "a";
	assert_int_equal(histogram_compared_kind(&histogram), MEASURED_SERVICE);
	histogram_clear(&histogram);
}

static void no_samples_are_explained(void **state)
{
	static const struct {
		const char *json, *wanted;
	} cases[] = {
		{"{\"sample_one_in\": 0}",
		 "sampling is off ('steerctl sampling auto' turns it on)"},
		{"{\"sample_one_in\": 8}", "no new flow came in that time"},
		{"{\"sample_one_in\": 8, \"shares\": [{\"service\": \"shop\", \"stack\": \"blue\","
		 " \"new_flows\": 5}]}",
		 "5 new flows came, of which one in 8 is measured, and nothing of those is "
		 "complete "
		 "yet"},
		{"{\"sample_one_in\": 8, \"series\": [{\"service\": \"shop\", \"stack\": \"blue\","
		 " \"errors\": [{\"name\": \"abandoned\", \"value\": 6}]}]}",
		 "6 requests were abandoned before a response"},
		{"{\"sample_one_in\": 8, \"series\": [{\"service\": \"shop\", \"stack\": \"blue\","
		 " \"left_out\": [{\"name\": \"no_timestamp\", \"value\": 6},"
		 "  {\"name\": \"no_spin\", \"value\": 1}],"
		 " \"latencies\": [{\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 1,"
		 " \"bucket\": [3], \"bucket_count\": [1]}]}]}",
		 "latencies were left out: no_timestamp 6; there are samples of: connect 1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct histogram histogram = histogram_of(cases[i].json);
		CLEANUP_FREE char *why = NULL, *wanted = NULL;

		histogram.filter.stack = "blue";
		histogram.has_kind = true;
		histogram.kind = MEASURED_SERVICE;
		why = histogram_why_none(&histogram, 0);
		wanted = util_format("no samples of service for stack blue: %s", cases[i].wanted);
		assert_string_equal(why, wanted);
		histogram_clear(&histogram);
	}
}

static void json_has_all_of_it_in_whole_nanoseconds(void **state)
{
	struct histogram histogram = histogram_of(MESSAGE);
	CLEANUP_JSON json_t *all = histogram_json(&histogram), *compared = NULL;
	const json_t *blue = json_array_get(json_object_get(all, "series"), 0), *connect, *other;

	(void)state;
	connect = json_object_get(json_object_get(blue, "latencies"), "connect");
	assert_string_equal(json_text_of(blue, "stack"), "blue");
	assert_int_equal(json_number_of(connect, "count"), 300);
	assert_int_equal(json_number_of(connect, "mean_ns"), 1166667);
	assert_int_equal(json_number_of(connect, "p99_ns"), 1433928);
	assert_int_equal(json_number_of(connect, "p999_ns"), 1441006);
	assert_int_equal(json_array_size(json_object_get(connect, "buckets")), 2);
	assert_int_equal(json_number_of(json_object_get(blue, "left_out"), "no_timestamp"), 7);
	histogram.compared[0] = "blue";
	histogram.compared[1] = "green";
	compared = histogram_json(&histogram);
	other = json_array_get(json_object_get(compared, "comparisons"), 0);
	assert_string_equal(json_text_of(other, "kind"), "connect");
	assert_true(json_flag_of(other, "told_apart"));
	assert_int_equal(json_array_size(json_object_get(other, "quantiles")), 4);
	histogram_clear(&histogram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(series_are_summed_by_what_is_asked),
		cmocka_unit_test(counters_are_summed_over_backends),
		cmocka_unit_test(what_this_version_does_not_know_is_left_out),
		cmocka_unit_test(parts_of_an_interval_become_one_message),
		cmocka_unit_test(bytes_that_are_no_message_are_refused),
		cmocka_unit_test(the_summary_has_a_row_for_each_service_stack_and_kind),
		cmocka_unit_test(a_stack_is_shown_with_figures_and_shape),
		cmocka_unit_test(two_stacks_are_drawn_side_by_side_and_told_apart),
		cmocka_unit_test(blocks_are_drawn_in_eighths_where_the_terminal_has_them),
		cmocka_unit_test(far_outliers_do_not_flatten_the_shape),
		cmocka_unit_test(nothing_at_all_draws_nothing),
		cmocka_unit_test(the_service_time_is_compared_where_both_have_it),
		cmocka_unit_test(no_samples_are_explained),
		cmocka_unit_test(json_has_all_of_it_in_whole_nanoseconds),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
