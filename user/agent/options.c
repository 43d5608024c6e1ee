/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/options.h"

#include "common/text.h"
#include "common/util.h"

#include <errno.h>

const char options_usage[] =
	"usage: steerd [--config FILE] [--check] [--log-level LEVEL]\n"
	"\n"
	"Steers the packets that arrive for this host's services to their backends.\n"
	"\n"
	"  --config FILE      the node file (default " OPTIONS_CONFIG ")\n"
	"  --check            check the node file and its routes file, and leave:\n"
	"                     exit status 0 when they are right, 1 when not\n"
	"  --log-level LEVEL  error, warning, info (default) or debug\n"
	"  --version          print the version\n"
	"  --help             print this\n"
	"\n"
	"SIGTERM stops the agent and leaves steering to the kernel. `steerctl status` says how it "
	"is.\n";

static const char *const option_names[] = {"--config",	"--check", "--log-level",
					   "--version", "--help",  "-h"};

static const struct {
	const char *name;
	enum log_level level;
} levels[] = {
	{"error", LOG_LEVEL_ERROR},
	{"warning", LOG_LEVEL_WARNING},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
};

struct cursor {
	char *const *argv;
	int left;
	char *error;
};

/*
 * Whether argv's next is `name VALUE` or `name=VALUE`, which is then eaten. *ret_value is NULL
 * where it is the name alone, at the end.
 */
static bool take_with_value(struct cursor *cursor, const char *name, const char **ret_value)
{
	size_t length = strlen(name);
	const char *word = *cursor->argv;

	if (strncmp(word, name, length) || (word[length] && word[length] != '='))
		return false;
	if (word[length] == '=') {
		*ret_value = word + length + 1;
	} else if (cursor->left > 1) {
		*ret_value = *++cursor->argv;
		cursor->left--;
	} else {
		*ret_value = NULL;
	}
	return true;
}

static int set_config(struct options *options, struct cursor *cursor, const char *file)
{
	if (!file || !*file) {
		cursor->error = util_strdup("--config wants the name of a file");
		return -EINVAL;
	}
	options->config = file;
	return 0;
}

static int set_level(struct options *options, struct cursor *cursor, const char *word)
{
	for (size_t i = 0; word && i < ARRAY_SIZE(levels); i++) {
		if (strcmp(word, levels[i].name))
			continue;
		options->log_level = levels[i].level;
		return 0;
	}
	cursor->error = util_format("--log-level is error, warning, info or debug, not '%s'",
				    word ? word : "");
	return -EINVAL;
}

static void set_action(struct options *options, enum options_action action)
{
	if (action > options->action)
		options->action = action;
}

static int refuse(struct cursor *cursor)
{
	char suggestion[TEXT_SUGGESTION_MAX];

	text_suggest(*cursor->argv, option_names, ARRAY_SIZE(option_names), suggestion);
	cursor->error = util_format("unknown argument '%s'%s; see steerd --help", *cursor->argv,
				    suggestion);
	return -EINVAL;
}

static int take_one(struct options *options, struct cursor *cursor)
{
	const char *word = *cursor->argv, *value;

	if (take_with_value(cursor, "--config", &value))
		return set_config(options, cursor, value);
	if (take_with_value(cursor, "--log-level", &value))
		return set_level(options, cursor, value);
	if (!strcmp(word, "--check"))
		set_action(options, OPTIONS_CHECK);
	else if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		set_action(options, OPTIONS_HELP);
	else if (!strcmp(word, "--version"))
		set_action(options, OPTIONS_VERSION);
	else
		return refuse(cursor);
	return 0;
}

int options_parse(int argc, char *const *argv, struct options *ret, char **ret_error)
{
	struct options options = {.config = OPTIONS_CONFIG, .log_level = LOG_LEVEL_INFO};
	struct cursor cursor = {.argv = argv + 1, .left = argc - 1};

	for (; cursor.left > 0; cursor.argv++, cursor.left--) {
		int err = take_one(&options, &cursor);

		if (err) {
			*ret_error = cursor.error;
			return err;
		}
	}
	*ret = options;
	return 0;
}
