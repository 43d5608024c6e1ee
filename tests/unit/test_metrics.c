/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct page {
	FILE *out;
	char *text;
	size_t size;
};

static int setup(void **state)
{
	static struct page page;

	page.out = open_memstream(&page.text, &page.size);
	assert_non_null(page.out);
	*state = &page;
	return 0;
}

static int teardown(void **state)
{
	struct page *page = *state;

	free(page->text);
	return 0;
}

static void expect(struct page *page, const char *text)
{
	fclose(page->out);
	assert_string_equal(page->text, text);
}

static void a_family_has_help_and_type_before_its_values(void **state)
{
	struct page *page = *state;

	metrics_family(page->out, "steerd_packets_total", METRIC_COUNTER, "Packets steered.");
	metrics_count(page->out, "steerd_packets_total", 7, "service", "shop", "stack", "blue",
		      NULL);
	metrics_family(page->out, "steerd_config_version", METRIC_GAUGE, "Version of the routes.");
	metrics_gauge(page->out, "steerd_config_version", 3, NULL);
	expect(page, "# HELP steerd_packets_total Packets steered.\n"
		     "# TYPE steerd_packets_total counter\n"
		     "steerd_packets_total{service=\"shop\",stack=\"blue\"} 7\n"
		     "# HELP steerd_config_version Version of the routes.\n"
		     "# TYPE steerd_config_version gauge\n"
		     "steerd_config_version 3\n");
}

static void a_label_value_cannot_break_out_of_its_quotes(void **state)
{
	struct page *page = *state;

	metrics_count(page->out, "m_total", 1, "a", "q\"uo\\te", "b", "new\nline", "c",
		      "caf\xc3\xa9 \xff", NULL);
	expect(page, "m_total{a=\"q\\\"uo\\\\te\",b=\"new?line\",c=\"caf\xc3\xa9 ?\"} 1\n");
}

static void a_label_without_a_value_is_left_out(void **state)
{
	struct page *page = *state;

	metrics_count(page->out, "m_total", 1, "a", NULL, "b", "x", "c", NULL, NULL);
	metrics_count(page->out, "m_total", 2, "a", NULL, NULL);
	metrics_count(page->out, "m_total", 3, "a", "", NULL);
	expect(page, "m_total{b=\"x\"} 1\nm_total 2\nm_total{a=\"\"} 3\n");
}

static void a_count_keeps_all_its_64_bits(void **state)
{
	struct page *page = *state;

	metrics_count(page->out, "m_total", UINT64_MAX, NULL);
	metrics_count(page->out, "m_total", 9007199254740993, NULL); /* no double */
	expect(page, "m_total 18446744073709551615\nm_total 9007199254740993\n");
}

static void a_gauge_reads_back_to_the_same_number(void **state)
{
	const double values[] = {0.1, 1.0 / 3, 1e300, -2.5, 1763722842.123456, 5e-324};
	struct page *page = *state;
	const char *at;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		metrics_gauge(page->out, "g", values[i], NULL);
	fclose(page->out);
	at = page->text;
	assert_memory_equal(at, "g 0.1\n", 6);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_true(strtod(at + 2, NULL) == values[i]);
		at = strchr(at, '\n') + 1;
	}
}

static void numbers_that_are_none_have_their_own_words(void **state)
{
	struct page *page = *state;

	metrics_gauge(page->out, "g", NAN, NULL);
	metrics_gauge(page->out, "g", INFINITY, NULL);
	metrics_gauge(page->out, "g", -INFINITY, NULL);
	expect(page, "g NaN\ng +Inf\ng -Inf\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_family_has_help_and_type_before_its_values),
		TEST(a_label_value_cannot_break_out_of_its_quotes),
		TEST(a_label_without_a_value_is_left_out),
		TEST(a_count_keeps_all_its_64_bits),
		TEST(a_gauge_reads_back_to_the_same_number),
		TEST(numbers_that_are_none_have_their_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
