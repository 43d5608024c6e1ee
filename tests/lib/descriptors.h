/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Descriptors of messages made up for tests, as protoc would write them. */
#ifndef STEER_TEST_DESCRIPTORS_H
#define STEER_TEST_DESCRIPTORS_H

#include "cli/wire.h"

void descriptor_put_text(struct wire_buffer *buffer, uint32_t number, const char *text);
void descriptor_put_number(struct wire_buffer *buffer, uint32_t number, uint64_t value);

/* Adds `inner` as a field of `buffer`, and empties it. */
void descriptor_put_inner(struct wire_buffer *buffer, uint32_t number, struct wire_buffer *inner);

enum descriptor_label { DESCRIPTOR_OPTIONAL = 1, DESCRIPTOR_REPEATED = 3 };

/* A FieldDescriptorProto; type: enum schema_type; oneof -1: none. */
void descriptor_put_field(struct wire_buffer *message, const char *name, uint32_t number,
			  enum descriptor_label label, uint32_t type, const char *type_name,
			  int oneof);

/*
 * A file with the message test.All, which has a field of every type: field N has type N, 20 + N is
 * the same repeated; and a oneof, two maps, and an enum. The caller frees .data.
 */
struct wire_buffer descriptor_all_types(void);

#endif
