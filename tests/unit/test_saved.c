/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/saved.h"

#include "common/routes_yaml.h"
#include "common/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char document[] = "stacks:\n"
			       "  blue:\n"
			       "    stage: production\n"
			       "    labels: {note: \"a # b\"}\n"
			       "    backends:\n"
			       "      - {address: 10.1.0.11, weight: 50}\n"
			       "      - {address: \"2001:db8::11\"}\n"
			       "services:\n"
			       "  shop:\n"
			       "    vips: [203.0.113.10]\n"
			       "    ports: [80]\n"
			       "    split: {blue: 1}\n";

static void routes_of(struct saved_routes *ret, const char *by, const char *tag)
{
	CLEANUP_PROBLEMS struct problems problems = {0};

	*ret = (struct saved_routes){.version = 18446744073709551615u,
				     .applied_unix_ms = 1763722842123,
				     .by = util_strdup(by),
				     .tag = tag ? util_strdup(tag) : NULL};
	assert_int_equal(routes_yaml_parse(document, strlen(document), &ret->routes, &problems), 0);
	routes_sort(ret->routes);
}

static void routes_come_back_as_they_were(void **state)
{
	struct saved_routes saved, loaded = {0};
	CLEANUP_FREE char *text = NULL;
	char why[SAVED_WHY_MAX];
	uint64_t sequence;
	size_t size;

	(void)state;
	routes_of(&saved, "apply", "v1.2 (\xc3\xa4)");
	assert_int_equal(saved_routes_write(&saved, 12, &text, &size), 0);
	assert_int_equal(strlen(text), size);
	assert_int_equal(saved_routes_read(text, size, &loaded, &sequence, why), 0);
	routes_sort(loaded.routes);
	assert_true(routes_equal(saved.routes, loaded.routes));
	assert_true(sequence == 12);
	assert_true(loaded.version == saved.version);
	assert_true(loaded.applied_unix_ms == saved.applied_unix_ms);
	assert_string_equal(loaded.by, "apply");
	assert_string_equal(loaded.tag, "v1.2 (\xc3\xa4)");
	saved_routes_clear(&saved);
	saved_routes_clear(&loaded);
	assert_null(loaded.routes);
}

static void the_text_is_a_routes_file_too(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL;
	CLEANUP_FREE char *text = NULL;
	struct saved_routes saved;
	size_t size;

	(void)state;
	routes_of(&saved, "apply", NULL);
	assert_int_equal(saved_routes_write(&saved, 1, &text, &size), 0);
	assert_int_equal(routes_yaml_parse(text, size, &routes, &problems), 0);
	routes_sort(routes);
	assert_true(routes_equal(saved.routes, routes));
	saved_routes_clear(&saved);
}

static void a_tag_cannot_add_lines(void **state)
{
	struct saved_routes saved, loaded = {0};
	CLEANUP_FREE char *text = NULL;
	char why[SAVED_WHY_MAX];
	uint64_t sequence;
	size_t size;

	(void)state;
	routes_of(&saved, "sync", "v1\n# version: 99\nstacks: {}\xff");
	assert_int_equal(saved_routes_write(&saved, 1, &text, &size), 0);
	assert_int_equal(saved_routes_read(text, size, &loaded, &sequence, why), 0);
	assert_string_equal(loaded.tag, "v1?# version: 99?stacks: {}?");
	assert_true(loaded.version == saved.version);
	assert_int_equal(loaded.routes->stacks_n, 1);
	saved_routes_clear(&saved);
	saved_routes_clear(&loaded);
}

static void refused(const char *text, size_t size, const char *what, size_t where)
{
	struct saved_routes loaded = {.version = 77};
	CLEANUP_FREE char *copy = util_calloc(1, size + 1);
	char why[SAVED_WHY_MAX] = "";
	uint64_t sequence = 77;

	memcpy(copy, text, size);
	if (saved_routes_read(copy, size, &loaded, &sequence, why) != -EINVAL || !*why)
		fail_msg("%s at %zu of the text was taken: %s", what, where, copy);
	assert_true(loaded.version == 77 && sequence == 77 && !loaded.routes);
}

static void every_cut_and_every_changed_byte_is_noticed(void **state)
{
	CLEANUP_FREE char *text = NULL;
	struct saved_routes saved;
	size_t size;

	(void)state;
	routes_of(&saved, "apply", "v1");
	assert_int_equal(saved_routes_write(&saved, 12, &text, &size), 0);
	for (size_t i = 0; i < size; i++)
		refused(text, i, "a cut", i);
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1 << bit);
			refused(text, size, "a changed bit", i);
			text[i] ^= (char)(1 << bit);
		}
	}
	saved_routes_clear(&saved);
}

static void another_format_is_named(void **state)
{
	struct saved_routes loaded;
	char why[SAVED_WHY_MAX];
	uint64_t sequence;
	const char text[] = "# steerd-state 2 sha512:00\n";

	(void)state;
	assert_int_equal(saved_routes_read(text, sizeof(text) - 1, &loaded, &sequence, why),
			 -EINVAL);
	assert_string_equal(why, "its format is 2, and this program knows 1");
}

static void overrides_come_back_as_they_were(void **state)
{
	struct saved_override overrides[] = {
		{.stack = "a23456789012345678901234567890z", .override = HEALTH_OVERRIDE_UP},
		{.stack = "blue", .override = HEALTH_OVERRIDE_DOWN},
		{.stack = "green", .whole_stack = true, .override = HEALTH_OVERRIDE_DRAIN},
		{.stack = "green",
		 .override = HEALTH_OVERRIDE_DRAIN,
		 .deadline_unix_ms = 1700000000123},
	};
	CLEANUP_FREE struct saved_override *loaded = NULL;
	CLEANUP_FREE char *text = NULL;
	char why[SAVED_WHY_MAX];
	size_t size, n;

	(void)state;
	assert_int_equal(address_parse("10.1.0.11", &overrides[0].address), 0);
	assert_int_equal(
		address_parse("2001:db8:1111:2222:3333:4444:5555:6666", &overrides[1].address), 0);
	assert_int_equal(saved_overrides_write(overrides, ARRAY_SIZE(overrides), &text, &size), 0);
	assert_int_equal(saved_overrides_read(text, size, &loaded, &n, why), 0);
	assert_int_equal(n, ARRAY_SIZE(overrides));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(loaded[i].stack, overrides[i].stack);
		assert_int_equal(loaded[i].override, overrides[i].override);
		assert_int_equal(loaded[i].deadline_unix_ms, overrides[i].deadline_unix_ms);
		assert_int_equal(loaded[i].whole_stack, overrides[i].whole_stack);
		if (!overrides[i].whole_stack)
			assert_int_equal(address_compare(&loaded[i].address, &overrides[i].address),
					 0);
	}
	text[size - 2]++;
	assert_int_equal(saved_overrides_read(text, size, &loaded, &n, why), -EINVAL);
}

/* It is gone by then, or comes again. */
static void a_controllers_view_is_not_kept(void **state)
{
	struct saved_override overrides[] = {
		{.stack = "blue", .override = HEALTH_OVERRIDE_DOWN, .expires_unix_ms = 17},
		{.stack = "green", .whole_stack = true, .override = HEALTH_OVERRIDE_UP},
	};
	CLEANUP_FREE struct saved_override *loaded = NULL;
	CLEANUP_FREE char *text = NULL;
	char why[SAVED_WHY_MAX];
	size_t size, n;

	(void)state;
	assert_int_equal(saved_overrides_write(overrides, ARRAY_SIZE(overrides), &text, &size), 0);
	assert_int_equal(saved_overrides_read(text, size, &loaded, &n, why), 0);
	assert_int_equal(n, 1);
	assert_string_equal(loaded[0].stack, "green");
}

static void no_overrides_are_a_text_too(void **state)
{
	CLEANUP_FREE struct saved_override *loaded = NULL;
	CLEANUP_FREE char *text = NULL;
	char why[SAVED_WHY_MAX];
	size_t size, n = 9;

	(void)state;
	assert_int_equal(saved_overrides_write(NULL, 0, &text, &size), 0);
	assert_int_equal(saved_overrides_read(text, size, &loaded, &n, why), 0);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_come_back_as_they_were),
		cmocka_unit_test(the_text_is_a_routes_file_too),
		cmocka_unit_test(a_tag_cannot_add_lines),
		cmocka_unit_test(every_cut_and_every_changed_byte_is_noticed),
		cmocka_unit_test(another_format_is_named),
		cmocka_unit_test(overrides_come_back_as_they_were),
		cmocka_unit_test(a_controllers_view_is_not_kept),
		cmocka_unit_test(no_overrides_are_a_text_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
