/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/json_print.h"

#include <errno.h>

#include "common/text.h"
#include "common/util.h"

/* Digits that every real number in the value needs: 15 always hold, 17 always suffice. */
static int digits_needed(const json_t *value, int least)
{
	const char *key;
	size_t index;
	json_t *item;
	char text[40];

	if (json_is_real(value)) {
		for (; least < 17; least++) {
			snprintf(text, sizeof(text), "%.*g", least, json_real_value(value));
			if (strtod(text, NULL) == json_real_value(value))
				break;
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, index, item) least = digits_needed(item, least);
	} else if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, item) least = digits_needed(item, least);
	}
	return least;
}

int json_print(const json_t *value, bool on_one_line, FILE *out)
{
	size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION((size_t)digits_needed(value, 15));

	flags |= on_one_line ? JSON_COMPACT : JSON_INDENT(2);
	if (json_dumpf(value, out, flags) < 0 || fputc('\n', out) == EOF || fflush(out) != 0)
		return -EIO;
	return 0;
}

const char *json_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ?: "";
}

uint64_t json_number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	uint64_t number = 0;

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	if (json_is_string(value) && text_parse_number(json_string_value(value), &number) == 0)
		return number;
	return 0;
}

double json_real_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

bool json_flag_of(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}
