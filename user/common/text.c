/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/util.h"

static const struct {
	const char *name;
	uint32_t ms;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* The digits at the start of `text`; ret_end is what follows them. */
static int parse_digits(const char *text, uint64_t *ret_number, const char **ret_end)
{
	uint64_t number = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return -ERANGE;
	}
	if (at == text)
		return -EINVAL;
	*ret_number = number;
	*ret_end = at;
	return 0;
}

int text_parse_number(const char *text, uint64_t *ret_number)
{
	const char *end = NULL;
	uint64_t number = 0;
	int err = parse_digits(text, &number, &end);

	if (err)
		return err;
	if (*end)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

int text_parse_duration(const char *text, uint32_t *ret_ms)
{
	const char *unit = NULL;
	uint64_t number = 0;
	int err = parse_digits(text, &number, &unit);

	if (err)
		return err;
	if (!*unit)
		return -EDOM;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (number > UINT32_MAX / units[i].ms)
			return -ERANGE;
		*ret_ms = (uint32_t)number * units[i].ms;
		return 0;
	}
	return -EINVAL;
}

const char *text_duration(uint32_t ms, char *text)
{
	size_t i = 0;

	while (ms % units[i].ms || (!ms && units[i].ms > 1))
		i++;
	snprintf(text, TEXT_DURATION_MAX, "%u%s", ms / units[i].ms, units[i].name);
	return text;
}

const char *text_suggest(const char *text, const char *const *names, size_t n, char *suggestion)
{
	const char *nearest = NULL;

	suggestion[0] = '\0';
	if (strnlen(text, 64) < 64)
		nearest = util_nearest(text, names, n);
	if (nearest)
		snprintf(suggestion, TEXT_SUGGESTION_MAX, " (did you mean '%s'?)", nearest);
	return suggestion;
}

/*
 * Length of the printable character at `at`: a whole UTF-8 sequence (RFC 3629: shortest form, no
 * surrogates, at most U+10FFFF) that is no C0 or C1 control. 0: it is none.
 */
static size_t printable_length(const unsigned char *at)
{
	static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
	size_t length = at[0] < 0x80   ? 1
			: at[0] < 0xc0 ? 0
			: at[0] < 0xe0 ? 2
			: at[0] < 0xf0 ? 3
			: at[0] < 0xf8 ? 4
				       : 0;
	uint32_t code;

	if (length < 2)
		return length && at[0] >= 0x20 && at[0] != 0x7f;
	code = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

bool text_is_printable(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = printable_length(at);

		if (!length)
			return false;
		at += length;
	}
	return true;
}

void text_make_printable(char *text)
{
	unsigned char *at = (unsigned char *)text;

	while (*at) {
		size_t length = printable_length(at);

		if (!length)
			*at = '?';
		at += length ? length : 1;
	}
}
