/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The protobuf wire format's own parts: varints, tags, lengths; a buffer that grows, a cursor. */
#ifndef STEER_CLI_WIRE_H
#define STEER_CLI_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

/* Zero-initialise; free(data) when done. */
struct wire_buffer {
	uint8_t *data;
	size_t size;
	size_t room;
};

void wire_put(struct wire_buffer *buffer, const void *data, size_t size);
void wire_put_varint(struct wire_buffer *buffer, uint64_t value);
void wire_put_tag(struct wire_buffer *buffer, uint32_t number, enum wire_type type);
void wire_put_bytes(struct wire_buffer *buffer, const void *data, size_t size); /* with length */
void wire_put_fixed(struct wire_buffer *buffer, uint64_t value, size_t size);	/* 4 or 8 bytes */

struct wire_cursor {
	const uint8_t *at;
	const uint8_t *end;
};

/* All: 0, or -EBADMSG for what is cut short or cannot be. */
int wire_get_varint(struct wire_cursor *cursor, uint64_t *ret_value);
int wire_get_tag(struct wire_cursor *cursor, uint32_t *ret_number, enum wire_type *ret_type);
int wire_get_bytes(struct wire_cursor *cursor, struct wire_cursor *ret_inner);
int wire_get_fixed(struct wire_cursor *cursor, size_t size, uint64_t *ret_value);
int wire_skip(struct wire_cursor *cursor, enum wire_type type);

static inline uint64_t wire_zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ -(uint64_t)(value < 0);
}

static inline int64_t wire_unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ -(value & 1));
}

#endif
