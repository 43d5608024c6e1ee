/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What steerctl writes: figures, tables, JSON. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cli/format.h"
#include "cli/json_print.h"
#include "cli/table.h"
#include "common/util.h"

static void counts_and_bytes_are_scaled_by_thousands(void **state)
{
	char text[FORMAT_MAX];

	(void)state;
	assert_string_equal(format_count(0, text), "0");
	assert_string_equal(format_count(999, text), "999");
	assert_string_equal(format_count(1000, text), "1.0 k");
	assert_string_equal(format_count(1250, text), "1.2 k");
	assert_string_equal(format_count(999949, text), "999.9 k");
	assert_string_equal(format_count(999950, text), "1.0 M");
	assert_string_equal(format_count(UINT64_MAX, text), "18.4 E");
	assert_string_equal(format_bytes(0, text), "0 B");
	assert_string_equal(format_bytes(98765432100, text), "98.8 GB");
}

static void durations_have_two_units_at_most(void **state)
{
	char text[FORMAT_MAX];

	(void)state;
	assert_string_equal(format_duration(0, text), "0 s");
	assert_string_equal(format_duration(12999, text), "12 s");
	assert_string_equal(format_duration(192000, text), "3 min 12 s");
	assert_string_equal(format_duration(3600000, text), "1 h 0 min");
	assert_string_equal(format_duration(99ULL * 3600000, text), "4 d 3 h");
	format_duration(UINT64_MAX, text);
	assert_true(strlen(text) < FORMAT_MAX);
}

static void shares_never_round_to_none_or_all(void **state)
{
	char text[FORMAT_MAX];

	(void)state;
	assert_string_equal(format_share(0, text), "0.0 %");
	assert_string_equal(format_share(0.0001, text), "<0.1 %");
	assert_string_equal(format_share(0.15, text), "15.0 %");
	assert_string_equal(format_share(0.9996, text), ">99.9 %");
	assert_string_equal(format_share(1, text), "100.0 %");
}

static void times_are_local_with_milliseconds(void **state)
{
	char text[FORMAT_MAX];

	(void)state;
	setenv("TZ", "UTC-2", 1);
	tzset();
	assert_string_equal(format_time(1772355907123, text), "2026-03-01 11:05:07.123");
}

static const struct table_column columns[] = {
	{"STACK", TABLE_TREE}, {"UP", TABLE_LEFT}, {"BYTES", TABLE_SPARE}, {"WHY", TABLE_WRAP}};

/* A stack with one backend, printed at a width; the caller frees. */
static char *print_sample(size_t width, bool colors)
{
	CLEANUP_TABLE struct table *table =
		table_new(&(struct table_look){.width = width, .colors = colors, .ascii = true},
			  columns, ARRAY_SIZE(columns));
	struct table_row *stack = table_add(table, NULL), *backend = table_add(table, stack);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	table_set(stack, 0, "blue");
	table_set(backend, 0, "10.1.0.11");
	table_set(backend, 1, "down");
	table_paint(backend, 1, TABLE_BAD);
	table_set(backend, 2, "1.2 kB");
	table_set(backend, 3, "nobody listens on port 8080");
	table_print(table, out);
	fclose(out);
	return text;
}

static void a_table_is_as_wide_as_what_is_in_it(void **state)
{
	CLEANUP_FREE char *text = print_sample(80, false);

	(void)state;
	assert_string_equal(text, "STACK       UP    BYTES WHY\n"
				  "blue                    \n"
				  "`-10.1.0.11 down 1.2 kB nobody listens on port 8080\n");
}

static void a_narrow_table_folds_between_words(void **state)
{
	CLEANUP_FREE char *text = print_sample(46, false);

	(void)state;
	assert_string_equal(text, "STACK       UP    BYTES WHY\n"
				  "blue                    \n"
				  "`-10.1.0.11 down 1.2 kB nobody listens on port\n"
				  "                        8080\n");
}

static void a_very_narrow_table_leaves_spare_columns_out(void **state)
{
	CLEANUP_FREE char *text = print_sample(40, false);

	(void)state;
	assert_string_equal(text, "STACK       UP   WHY\n"
				  "blue             \n"
				  "`-10.1.0.11 down nobody listens on port\n"
				  "                 8080\n");
}

static void names_stay_whole_however_narrow_the_terminal_is(void **state)
{
	CLEANUP_FREE char *text = print_sample(20, false);

	(void)state;
	assert_non_null(strstr(text, "`-10.1.0.11 down nobody listens on\n"));
}

static void colours_are_there_only_when_wanted(void **state)
{
	CLEANUP_FREE char *plain = print_sample(80, false), *coloured = print_sample(80, true);

	(void)state;
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(coloured, "\033[31mdown"));
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	CLEANUP_TABLE struct table *table = table_new(&(struct table_look){.width = 80}, columns,
						      ARRAY_SIZE(columns));
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	table_set(table_add(table, NULL), 3, "red \033[31m, new\nline");
	table_print(table, out);
	fclose(out);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "red ?[31m, new?line"));
}

static void a_table_without_rows_prints_nothing(void **state)
{
	CLEANUP_TABLE struct table *table = table_new(&(struct table_look){.width = 80}, columns,
						      ARRAY_SIZE(columns));
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	table_print(table, out);
	fclose(out);
	assert_int_equal(size, 0);
}

static void json_numbers_are_short_and_exact(void **state)
{
	static const double values[] = {0.8, 0.1, 1.0 / 3, 0.1 + 0.2, 1e300, 5e-324};
	CLEANUP_FREE char *text = NULL;
	json_t *list = json_array(), *read;
	size_t size;
	FILE *out;

	(void)state;
	out = open_memstream(&text, &size);
	json_array_append_new(list, json_real(0.8));
	assert_int_equal(json_print(list, true, out), 0);
	fclose(out);
	assert_string_equal(text, "[0.8]\n");
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		json_array_append_new(list, json_real(values[i]));
	out = open_memstream(&text, &size);
	assert_int_equal(json_print(list, false, out), 0);
	fclose(out);
	read = json_loads(text, 0, NULL);
	assert_true(json_equal(read, list));
	json_decref(read);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_and_bytes_are_scaled_by_thousands),
		cmocka_unit_test(durations_have_two_units_at_most),
		cmocka_unit_test(shares_never_round_to_none_or_all),
		cmocka_unit_test(times_are_local_with_milliseconds),
		cmocka_unit_test(a_table_is_as_wide_as_what_is_in_it),
		cmocka_unit_test(a_narrow_table_folds_between_words),
		cmocka_unit_test(a_very_narrow_table_leaves_spare_columns_out),
		cmocka_unit_test(names_stay_whole_however_narrow_the_terminal_is),
		cmocka_unit_test(colours_are_there_only_when_wanted),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(a_table_without_rows_prints_nothing),
		cmocka_unit_test(json_numbers_are_short_and_exact),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
