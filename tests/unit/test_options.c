/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 6

static int parse(const char *const *words, struct options *ret, char **ret_error)
{
	char *argv[WORDS_MAX + 2] = {strdup("steerd")};
	int argc = 1, err;

	for (; words[argc - 1]; argc++)
		argv[argc] = strdup(words[argc - 1]);
	err = options_parse(argc, argv, ret, ret_error);
	if (!err)
		ret->config = strdup(ret->config);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return err;
}

static void right_usage_is_understood(void **state)
{
	const struct {
		const char *words[WORDS_MAX];
		enum options_action action;
		const char *config;
		enum log_level level;
	} cases[] = {
		{{NULL}, OPTIONS_RUN, OPTIONS_CONFIG, LOG_LEVEL_INFO},
		{{"--config", "a.yaml"}, OPTIONS_RUN, "a.yaml", LOG_LEVEL_INFO},
		{{"--config=a=b.yaml"}, OPTIONS_RUN, "a=b.yaml", LOG_LEVEL_INFO},
		{{"--check"}, OPTIONS_CHECK, OPTIONS_CONFIG, LOG_LEVEL_INFO},
		{{"--config", "x", "--check", "--log-level=debug"},
		 OPTIONS_CHECK,
		 "x",
		 LOG_LEVEL_DEBUG},
		{{"--config", "x", "--config", "y"}, OPTIONS_RUN, "y", LOG_LEVEL_INFO},
		{{"--config", "--check"}, OPTIONS_RUN, "--check", LOG_LEVEL_INFO},
		{{"--log-level", "error"}, OPTIONS_RUN, OPTIONS_CONFIG, LOG_LEVEL_ERROR},
		{{"--log-level", "warning"}, OPTIONS_RUN, OPTIONS_CONFIG, LOG_LEVEL_WARNING},
		{{"--log-level", "info"}, OPTIONS_RUN, OPTIONS_CONFIG, LOG_LEVEL_INFO},
		{{"--help", "--check"}, OPTIONS_HELP, OPTIONS_CONFIG, LOG_LEVEL_INFO},
		{{"-h"}, OPTIONS_HELP, OPTIONS_CONFIG, LOG_LEVEL_INFO},
		{{"--check", "--version"}, OPTIONS_VERSION, OPTIONS_CONFIG, LOG_LEVEL_INFO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options options;
		char *error = NULL;

		assert_int_equal(parse(cases[i].words, &options, &error), 0);
		assert_int_equal(options.action, cases[i].action);
		assert_string_equal(options.config, cases[i].config);
		assert_int_equal(options.log_level, cases[i].level);
		assert_null(error);
		free((char *)options.config);
	}
}

static void wrong_usage_is_refused_with_one_line_that_says_why(void **state)
{
	const struct {
		const char *words[WORDS_MAX];
		const char *error;
	} cases[] = {
		{{"--confg", "x"},
		 "unknown argument '--confg' (did you mean '--config'?); see steerd --help"},
		{{"--check", "steerd.yaml"}, "unknown argument 'steerd.yaml'; see steerd --help"},
		{{"--configure"},
		 "unknown argument '--configure' (did you mean '--config'?); see steerd --help"},
		{{"--check=yes"}, NULL},
		{{""}, "unknown argument ''; see steerd --help"},
		{{"--config"}, "--config wants the name of a file"},
		{{"--config="}, "--config wants the name of a file"},
		{{"--config", ""}, "--config wants the name of a file"},
		{{"--log-level"}, "--log-level is error, warning, info or debug, not ''"},
		{{"--log-level", "loud"},
		 "--log-level is error, warning, info or debug, not 'loud'"},
		{{"--help", "--loud"}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options options = {.config = "untouched"};
		char *error = NULL;

		assert_int_equal(parse(cases[i].words, &options, &error), -EINVAL);
		assert_non_null(error);
		assert_null(strchr(error, '\n'));
		if (cases[i].error)
			assert_string_equal(error, cases[i].error);
		assert_string_equal(options.config, "untouched");
		free(error);
	}
}

static void the_usage_names_every_option(void **state)
{
	const char *const names[] = {"--config FILE", "--check", "--log-level LEVEL", "--version",
				     "--help"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(strstr(options_usage, names[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_usage_is_understood),
		cmocka_unit_test(wrong_usage_is_refused_with_one_line_that_says_why),
		cmocka_unit_test(the_usage_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
