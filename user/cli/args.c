/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/args.h"

#include <errno.h>

#include "common/routes.h"
#include "common/text.h"
#include "common/util.h"

#define FLAGS_MAX     32
#define WEIGHT_MAX    1000000 /* struct route_split */
#define TIMEOUT_MAX_S 86400

static int fail(char **ret_error, char *message)
{
	*ret_error = message;
	return -EINVAL;
}

static int fail_flag(const struct args_flag *flags, size_t n, const char *name, size_t length,
		     char **ret_error)
{
	CLEANUP_FREE char *text = util_format("%.*s", (int)length, name);
	char suggestion[TEXT_SUGGESTION_MAX], near[FLAGS_MAX][34];
	const char *names[FLAGS_MAX];

	for (size_t i = 0; i < n && i < FLAGS_MAX; i++) {
		snprintf(near[i], sizeof(near[i]), "--%s", flags[i].name);
		names[i] = near[i];
	}
	text_suggest(text, names, n < FLAGS_MAX ? n : FLAGS_MAX, suggestion);
	return fail(ret_error, util_format("unknown option '%s'%s", text, suggestion));
}

static const struct args_flag *find_long(const struct args_flag *flags, size_t n, const char *name,
					 size_t length)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(flags[i].name) == length && strncmp(flags[i].name, name, length) == 0)
			return &flags[i];
	return NULL;
}

static const struct args_flag *find_letter(const struct args_flag *flags, size_t n, char letter)
{
	for (size_t i = 0; i < n; i++)
		if (flags[i].letter && flags[i].letter == letter)
			return &flags[i];
	return NULL;
}

struct cursor {
	int at;
	int argc;
	char **argv;
};

/* One flag at the cursor; its value may be the next word. */
static int parse_flag(const struct args_flag *flags, size_t n, struct cursor *cursor,
		      const char **values, char **ret_error)
{
	const char *word = cursor->argv[cursor->at], *value = NULL;
	bool is_long = word[1] == '-';
	size_t length = is_long ? strcspn(word + 2, "=") : 1;
	const struct args_flag *flag = is_long ? find_long(flags, n, word + 2, length)
					       : find_letter(flags, n, word[1]);

	if (!flag)
		return fail_flag(flags, n, word, is_long ? length + 2 : 2, ret_error);
	if (is_long && word[length + 2] == '=')
		value = word + length + 3;
	else if (!is_long && word[2])
		value = word + 2;
	if (!flag->value && value)
		return fail(ret_error, util_format("option '--%s' takes no value, '%s' was given",
						   flag->name, value));
	if (flag->value && !value) {
		if (cursor->at + 1 >= cursor->argc)
			return fail(ret_error, util_format("option '%s' needs a value: %s", word,
							   flag->value));
		value = cursor->argv[++cursor->at];
	}
	values[flag - flags] = value ?: "";
	return 0;
}

int args_parse(const struct args_flag *flags, size_t n, int argc, char **argv, bool stop,
	       const char **values, char **rest, size_t *ret_rest_n, char **ret_error)
{
	struct cursor cursor = {.argc = argc, .argv = argv};
	bool is_over = false;
	size_t rest_n = 0;

	for (; cursor.at < argc; cursor.at++) {
		char *word = argv[cursor.at];
		int ret;

		if (!is_over && strcmp(word, "--") == 0) {
			is_over = true;
			continue;
		}
		if (is_over || word[0] != '-' || !word[1]) {
			rest[rest_n++] = word;
			is_over |= stop;
			continue;
		}
		ret = parse_flag(flags, n, &cursor, values, ret_error);
		if (ret < 0)
			return ret;
	}
	*ret_rest_n = rest_n;
	return 0;
}

int args_split_entry(const char *text, char **ret_stack, uint32_t *ret_weight, char **ret_error)
{
	const char *equals = strrchr(text, '=');
	uint64_t weight;

	if (!equals || equals == text || !equals[1])
		return fail(ret_error,
			    util_format("'%s' is not STACK=WEIGHT, as in blue=80", text));
	if (text_parse_number(equals + 1, &weight) < 0 || weight > WEIGHT_MAX)
		return fail(ret_error,
			    util_format("weight '%s' of stack '%.*s' is not a whole number from 0 "
					"to %d",
					equals + 1, (int)(equals - text), text, WEIGHT_MAX));
	*ret_stack = util_format("%.*s", (int)(equals - text), text);
	*ret_weight = (uint32_t)weight;
	return 0;
}

/* Cuts "[ADDRESS]" or "ADDRESS" out of text[0..length) and judges it. */
static int cut_address(const char *text, size_t length, bool *ret_is_ipv4, char **ret_address)
{
	bool is_bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
	CLEANUP_FREE char *cut = util_format("%.*s", (int)length - (is_bracketed ? 2 : 0),
					     text + is_bracketed);
	struct address address;

	if (address_parse(cut, &address) < 0 || (is_bracketed && !strchr(cut, ':')))
		return -EINVAL;
	*ret_is_ipv4 = !strchr(cut, ':');
	*ret_address = TAKE(cut);
	return 0;
}

int args_endpoint(const char *text, char **ret_address, uint16_t *ret_port, char **ret_error)
{
	const char *colon = strrchr(text, ':');
	CLEANUP_FREE char *address = NULL;
	bool is_ipv4;
	uint64_t port;

	if (!colon || colon == text ||
	    cut_address(text, (size_t)(colon - text), &is_ipv4, &address) < 0)
		return fail(ret_error,
			    util_format("'%s' is not ADDRESS:PORT, as in 198.51.100.7:4711 "
					"or [2001:db8::7]:4711",
					text));
	if (!is_ipv4 && text[0] != '[')
		return fail(
			ret_error,
			util_format("'%s': an IPv6 address with a port stands in brackets, as in "
				    "[2001:db8::7]:4711",
				    text));
	if (text_parse_number(colon + 1, &port) < 0 || port > UINT16_MAX)
		return fail(ret_error,
			    util_format("port '%s' of '%s' is not a number from 0 to 65535",
					colon + 1, text));
	*ret_address = TAKE(address);
	*ret_port = (uint16_t)port;
	return 0;
}

int args_target(const char *text, char **ret_stack, char **ret_address, char **ret_error)
{
	const char *slash = strchr(text, '/');
	CLEANUP_FREE char *address = NULL;
	bool is_ipv4;

	if (!*text || slash == text)
		return fail(ret_error, util_format("'%s' is not STACK or STACK/ADDRESS, as in blue "
						   "or blue/10.1.0.11",
						   text));
	if (slash && cut_address(slash + 1, strlen(slash + 1), &is_ipv4, &address) < 0)
		return fail(
			ret_error,
			util_format("'%s' is not the address of a backend, as in blue/10.1.0.11",
				    slash + 1));
	*ret_stack = slash ? util_format("%.*s", (int)(slash - text), text) : util_strdup(text);
	*ret_address = TAKE(address);
	return 0;
}

int args_timeout(const char *text, uint32_t *ret_ms, char **ret_error)
{
	char *end;
	double seconds = strtod(text, &end);

	if (!*text || *end || !(seconds >= 0.001) || seconds > TIMEOUT_MAX_S)
		return fail(ret_error,
			    util_format("timeout '%s' is not a number of seconds from 0.001 to %d",
					text, TIMEOUT_MAX_S));
	*ret_ms = (uint32_t)(seconds * 1000);
	return 0;
}

int args_address(const char *text, char **ret_error)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	if (text[0] == '/' || (strncmp(text, "unix:", 5) == 0 && text[5]) ||
	    strncmp(text, "unix-abstract:", 14) == 0)
		return 0;
	if (!colon || colon == text || text_parse_number(colon + 1, &port) < 0 || !port ||
	    port > UINT16_MAX || strstr(text, "://"))
		return fail(
			ret_error,
			util_format("address '%s' is neither unix:///PATH nor HOST:PORT", text));
	return 0;
}
