/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/base64.h"

#include <errno.h>

#include "common/util.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const uint8_t *data, size_t size)
{
	char *text = util_calloc((size + 2) / 3 * 4 + 1, 1), *out = text;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t group = (uint32_t)data[i] << 16;

		if (left > 1)
			group |= (uint32_t)data[i + 1] << 8;
		if (left > 2)
			group |= data[i + 2];
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[group & 63] : '=';
	}
	return text;
}

static int digit(char c)
{
	const char *at;

	if (c == '-')
		c = '+';
	if (c == '_')
		c = '/';
	at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -EINVAL;
}

int base64_decode(const char *text, size_t length, uint8_t **ret_data, size_t *ret_size)
{
	CLEANUP_FREE uint8_t *data = NULL;
	size_t size = 0, bits = 0;
	uint32_t group = 0;

	if (length % 4 == 0)
		for (int i = 0; i < 2 && length && text[length - 1] == '='; i++)
			length--;
	if (length % 4 == 1)
		return -EINVAL;
	data = util_calloc(length / 4 * 3 + 3, 1);
	for (size_t i = 0; i < length; i++) {
		int value = digit(text[i]);

		if (value < 0)
			return value;
		group = group << 6 | (uint32_t)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			data[size++] = (uint8_t)(group >> bits);
		}
	}
	*ret_data = TAKE(data);
	*ret_size = size;
	return 0;
}
