/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What steerctl makes of its command line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/args.h"
#include "cli/commands.h"
#include "common/util.h"

static const struct args_flag flags[] = {
	{.name = "file", .letter = 'f', .value = "FILE"},
	{.name = "dry-run"},
	{.name = "output", .letter = 'o', .value = "FORMAT"},
	{.name = "help", .letter = 'h'},
};

struct outcome {
	const char *values[ARRAY_SIZE(flags)];
	char *rest[8];
	size_t n;
	char *error;
};

/* Words up to a NULL. */
static int parse(struct outcome *outcome, bool stop, char *const *words)
{
	int argc = 0;

	*outcome = (struct outcome){0};
	while (words[argc])
		argc++;
	return args_parse(flags, ARRAY_SIZE(flags), argc, (char **)words, stop, outcome->values,
			  outcome->rest, &outcome->n, &outcome->error);
}

#define PARSE(outcome, stop, ...) parse(outcome, stop, (char *const[]){__VA_ARGS__, NULL})

static void flags_are_read_in_each_of_their_forms(void **state)
{
	struct outcome outcome;

	(void)state;
	assert_int_equal(PARSE(&outcome, false, "-f", "a"), 0);
	assert_string_equal(outcome.values[0], "a");
	assert_int_equal(PARSE(&outcome, false, "-fa"), 0);
	assert_string_equal(outcome.values[0], "a");
	assert_int_equal(PARSE(&outcome, false, "--file", "a"), 0);
	assert_string_equal(outcome.values[0], "a");
	assert_int_equal(PARSE(&outcome, false, "--file=a=b"), 0);
	assert_string_equal(outcome.values[0], "a=b");
	assert_int_equal(PARSE(&outcome, false, "--file="), 0);
	assert_string_equal(outcome.values[0], "");
	assert_null(outcome.values[1]);
}

static void flags_stand_before_and_after_arguments(void **state)
{
	struct outcome outcome;

	(void)state;
	assert_int_equal(PARSE(&outcome, false, "x", "--dry-run", "-", "-o", "json", "y"), 0);
	assert_int_equal(outcome.n, 3);
	assert_string_equal(outcome.rest[1], "-");
	assert_string_equal(outcome.rest[2], "y");
	assert_non_null(outcome.values[1]);
	assert_string_equal(outcome.values[2], "json");
}

static void two_dashes_end_the_flags(void **state)
{
	struct outcome outcome;

	(void)state;
	assert_int_equal(PARSE(&outcome, false, "--", "--dry-run", "--"), 0);
	assert_int_equal(outcome.n, 2);
	assert_string_equal(outcome.rest[0], "--dry-run");
	assert_null(outcome.values[1]);
}

static void all_after_a_command_is_left_to_it(void **state)
{
	struct outcome outcome;

	(void)state;
	assert_int_equal(PARSE(&outcome, true, "-o", "json", "apply", "--", "--unknown"), 0);
	assert_int_equal(outcome.n, 3);
	assert_string_equal(outcome.rest[0], "apply");
	assert_string_equal(outcome.rest[1], "--");
}

static void refused(struct outcome *outcome, int ret, const char *error)
{
	assert_int_equal(ret, -EINVAL);
	assert_string_equal(outcome->error, error);
	free(outcome->error);
}

static void wrong_flags_are_named_with_the_nearest_one(void **state)
{
	struct outcome outcome;

	(void)state;
	refused(&outcome, PARSE(&outcome, false, "--dryrun"),
		"unknown option '--dryrun' (did you mean '--dry-run'?)");
	refused(&outcome, PARSE(&outcome, false, "--zzzzzzzzzz=1"),
		"unknown option '--zzzzzzzzzz'");
	refused(&outcome, PARSE(&outcome, false, "-q"), "unknown option '-q'");
	refused(&outcome, PARSE(&outcome, false, "a", "--file"),
		"option '--file' needs a value: FILE");
	refused(&outcome, PARSE(&outcome, false, "--dry-run=yes"),
		"option '--dry-run' takes no value, 'yes' was given");
}

static void split_entries_are_a_stack_and_a_weight(void **state)
{
	static const char *const wrong[] = {
		"",	   "blue",	   "=1",       "blue=",	  "blue=x",
		"blue=-1", "blue=1000001", "blue=1.5", "blue= 1", "blue=99999999999999999999"};
	uint32_t weight;
	char *text;

	(void)state;
	assert_int_equal(args_split_entry("blue=80", &text, &weight, &text), 0);
	assert_string_equal(text, "blue");
	assert_int_equal(weight, 80);
	free(text);
	assert_int_equal(args_split_entry("a=b=1000000", &text, &weight, &text), 0);
	assert_string_equal(text, "a=b");
	assert_int_equal(weight, 1000000);
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(args_split_entry(wrong[i], &text, &weight, &text), -EINVAL);
		free(text);
	}
}

static void endpoints_of_both_families_have_a_port(void **state)
{
	static const struct {
		const char *text, *address;
		uint16_t port;
	} right[] = {
		{"198.51.100.7:4711", "198.51.100.7", 4711},
		{"[2001:db8::1]:80", "2001:db8::1", 80},
		{"[::]:0", "::", 0},
		{"0.0.0.0:65535", "0.0.0.0", 65535},
	};
	static const char *const wrong[] = {
		"",
		":",
		":80",
		"198.51.100.7",
		"198.51.100.7:",
		"1.2.3:80",
		"1.2.3.4:65536",
		"1.2.3.4:-1",
		"[1.2.3.4]:80",
		"[2001:db8::1]",
		"[]:80",
		"2001:db8::1:80",
		"[2001:db8::1",
		"[2001:db8::1]80",
		"host:80",
	};
	uint16_t port;
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
		assert_int_equal(args_endpoint(right[i].text, &text, &port, &text), 0);
		assert_string_equal(text, right[i].address);
		assert_int_equal(port, right[i].port);
		free(text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(args_endpoint(wrong[i], &text, &port, &text), -EINVAL);
		free(text);
	}
}

static void an_ipv6_endpoint_without_brackets_is_told_so(void **state)
{
	uint16_t port;
	char *text;

	(void)state;
	assert_int_equal(args_endpoint("2001:db8::1:80", &text, &port, &text), -EINVAL);
	assert_non_null(strstr(text, "in brackets"));
	free(text);
}

static void targets_are_a_stack_or_one_backend_of_it(void **state)
{
	static const char *const wrong[] = {"",	      "/10.1.0.11",	  "blue/",
					    "blue/x", "blue/10.1.0.11/1", "blue/[10.1.0.11]"};
	char *stack, *address, *error;

	(void)state;
	assert_int_equal(args_target("blue", &stack, &address, &error), 0);
	assert_string_equal(stack, "blue");
	assert_null(address);
	free(stack);
	assert_int_equal(args_target("blue/10.1.0.11", &stack, &address, &error), 0);
	assert_string_equal(stack, "blue");
	assert_string_equal(address, "10.1.0.11");
	free(stack);
	free(address);
	assert_int_equal(args_target("b/[2001:db8::1]", &stack, &address, &error), 0);
	assert_string_equal(address, "2001:db8::1");
	free(stack);
	free(address);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(args_target(wrong[i], &stack, &address, &error), -EINVAL);
		free(error);
	}
}

static void timeouts_are_seconds(void **state)
{
	static const char *const wrong[] = {"", "0", "-1", "1s", "nan", "inf", "86401", "0.0001"};
	uint32_t ms;
	char *error;

	(void)state;
	assert_int_equal(args_timeout("2", &ms, &error), 0);
	assert_int_equal(ms, 2000);
	assert_int_equal(args_timeout("0.25", &ms, &error), 0);
	assert_int_equal(ms, 250);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(args_timeout(wrong[i], &ms, &error), -EINVAL);
		free(error);
	}
}

static void daemons_are_at_a_path_or_a_host_and_port(void **state)
{
	static const char *const right[] = {"/run/x.sock",    "unix:///run/x.sock", "unix:x.sock",
					    "edge-1:9450",    "[2001:db8::1]:9450", "10.0.0.1:1",
					    "unix-abstract:x"};
	static const char *const wrong[] = {
		"", "edge-1", "edge-1:", ":9450", "a:0", "a:65536", "http://edge-1:9450", "unix:"};
	char *error;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		assert_int_equal(args_address(right[i], &error), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(args_address(wrong[i], &error), -EINVAL);
		free(error);
	}
}

static void every_option_of_a_command_stands_in_its_help(void **state)
{
	(void)state;
	for (size_t i = 0; i < commands_n; i++) {
		assert_true(commands[i].flags_n <= COMMANDS_FLAGS_MAX);
		for (size_t j = 0; j < commands[i].flags_n; j++) {
			CLEANUP_FREE char *flag = util_format("--%s", commands[i].flags[j].name);

			assert_int_equal(strstr(commands[i].help, flag) == NULL,
					 commands[i].flags[j].is_later);
		}
	}
}

static void help_fits_a_terminal_of_80_columns(void **state)
{
	(void)state;
	for (size_t i = 0; i < commands_n; i++)
		for (const char *line = commands[i].help; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= 80);
}

static void a_command_is_either_there_or_promised_for_later(void **state)
{
	(void)state;
	assert_ptr_equal(commands_find("apply"), &commands[0]);
	assert_null(commands_find("statsu"));
	assert_true(commands_is_later("rollout"));
	for (size_t i = 0; i < commands_n; i++)
		assert_false(commands_is_later(commands[i].name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_are_read_in_each_of_their_forms),
		cmocka_unit_test(flags_stand_before_and_after_arguments),
		cmocka_unit_test(two_dashes_end_the_flags),
		cmocka_unit_test(all_after_a_command_is_left_to_it),
		cmocka_unit_test(wrong_flags_are_named_with_the_nearest_one),
		cmocka_unit_test(split_entries_are_a_stack_and_a_weight),
		cmocka_unit_test(endpoints_of_both_families_have_a_port),
		cmocka_unit_test(an_ipv6_endpoint_without_brackets_is_told_so),
		cmocka_unit_test(targets_are_a_stack_or_one_backend_of_it),
		cmocka_unit_test(timeouts_are_seconds),
		cmocka_unit_test(daemons_are_at_a_path_or_a_host_and_port),
		cmocka_unit_test(every_option_of_a_command_stands_in_its_help),
		cmocka_unit_test(help_fits_a_terminal_of_80_columns),
		cmocka_unit_test(a_command_is_either_there_or_promised_for_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
