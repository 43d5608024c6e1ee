/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading numbers and durations out of text, and keeping text fit for terminals and messages. */
#ifndef STEER_TEXT_H
#define STEER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only. -EINVAL for anything else, -ERANGE above UINT64_MAX. */
int text_parse_number(const char *text, uint64_t *ret_number);

/*
 * A number with its unit: ms, s, m or h. -EINVAL for anything else, -EDOM for a number without a
 * unit, -ERANGE above UINT32_MAX milliseconds.
 */
int text_parse_duration(const char *text, uint32_t *ret_ms);

/* The shortest text that reads back to `ms`; text holds TEXT_DURATION_MAX bytes; returns it. */
#define TEXT_DURATION_MAX 16
const char *text_duration(uint32_t ms, char *text);

/*
 * " (did you mean 'X'?)" with the nearest of the names, or "" where none is near or `text` is
 * too long to be worth a thought. Writes to suggestion, TEXT_SUGGESTION_MAX bytes; returns it.
 */
#define TEXT_SUGGESTION_MAX 96
const char *text_suggest(const char *text, const char *const *names, size_t n, char *suggestion);

/* UTF-8 without control characters. */
bool text_is_printable(const char *text);

/* Puts "?" in the place of each byte that keeps text from being printable. */
void text_make_printable(char *text);

#endif
