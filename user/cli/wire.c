/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/wire.h"

#include <errno.h>

#include "common/util.h"

#define NUMBER_MAX 536870911 /* of a field */

void wire_put(struct wire_buffer *buffer, const void *data, size_t size)
{
	if (buffer->room - buffer->size < size) {
		buffer->room = (buffer->size + size) * 2 + 64;
		buffer->data = util_realloc(buffer->data, buffer->room, 1);
	}
	if (size)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

void wire_put_varint(struct wire_buffer *buffer, uint64_t value)
{
	uint8_t bytes[10];
	size_t n = 0;

	do {
		bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
	} while (value);
	wire_put(buffer, bytes, n);
}

void wire_put_tag(struct wire_buffer *buffer, uint32_t number, enum wire_type type)
{
	wire_put_varint(buffer, (uint64_t)number << 3 | type);
}

void wire_put_bytes(struct wire_buffer *buffer, const void *data, size_t size)
{
	wire_put_varint(buffer, size);
	wire_put(buffer, data, size);
}

void wire_put_fixed(struct wire_buffer *buffer, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	wire_put(buffer, bytes, size);
}

int wire_get_varint(struct wire_cursor *cursor, uint64_t *ret_value)
{
	const uint8_t *at = cursor->at;
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		if (at == cursor->end || (shift == 63 && *at > 1))
			return -EBADMSG;
		value |= (uint64_t)(*at & 0x7f) << shift;
		if (!(*at++ & 0x80)) {
			cursor->at = at;
			*ret_value = value;
			return 0;
		}
	}
	return -EBADMSG;
}

int wire_get_tag(struct wire_cursor *cursor, uint32_t *ret_number, enum wire_type *ret_type)
{
	uint64_t tag;
	int ret = wire_get_varint(cursor, &tag);

	if (ret < 0)
		return ret;
	if (tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
		return -EBADMSG;
	*ret_number = (uint32_t)(tag >> 3);
	*ret_type = (enum wire_type)(tag & 7);
	return 0;
}

int wire_get_bytes(struct wire_cursor *cursor, struct wire_cursor *ret_inner)
{
	uint64_t size;
	int ret = wire_get_varint(cursor, &size);

	if (ret < 0)
		return ret;
	if (size > (uint64_t)(cursor->end - cursor->at))
		return -EBADMSG;
	*ret_inner = (struct wire_cursor){cursor->at, cursor->at + size};
	cursor->at += size;
	return 0;
}

int wire_get_fixed(struct wire_cursor *cursor, size_t size, uint64_t *ret_value)
{
	uint64_t value = 0;

	if ((size_t)(cursor->end - cursor->at) < size)
		return -EBADMSG;
	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)*cursor->at++ << (8 * i);
	*ret_value = value;
	return 0;
}

int wire_skip(struct wire_cursor *cursor, enum wire_type type)
{
	struct wire_cursor inner;
	uint64_t value;

	switch (type) {
	case WIRE_VARINT:
		return wire_get_varint(cursor, &value);
	case WIRE_64BIT:
		return wire_get_fixed(cursor, 8, &value);
	case WIRE_32BIT:
		return wire_get_fixed(cursor, 4, &value);
	case WIRE_BYTES:
		return wire_get_bytes(cursor, &inner);
	}
	return -EBADMSG;
}
