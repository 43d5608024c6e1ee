/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/descriptors.h"

#include <string.h>

#include "cli/schema.h"
#include "common/util.h"

void descriptor_put_text(struct wire_buffer *buffer, uint32_t number, const char *text)
{
	wire_put_tag(buffer, number, WIRE_BYTES);
	wire_put_bytes(buffer, text, strlen(text));
}

void descriptor_put_number(struct wire_buffer *buffer, uint32_t number, uint64_t value)
{
	wire_put_tag(buffer, number, WIRE_VARINT);
	wire_put_varint(buffer, value);
}

void descriptor_put_inner(struct wire_buffer *buffer, uint32_t number, struct wire_buffer *inner)
{
	wire_put_tag(buffer, number, WIRE_BYTES);
	wire_put_bytes(buffer, inner->data, inner->size);
	free(inner->data);
	*inner = (struct wire_buffer){0};
}

void descriptor_put_field(struct wire_buffer *message, const char *name, uint32_t number,
			  enum descriptor_label label, uint32_t type, const char *type_name,
			  int oneof)
{
	struct wire_buffer field = {0};

	descriptor_put_text(&field, 1, name);
	descriptor_put_number(&field, 3, number);
	descriptor_put_number(&field, 4, label);
	descriptor_put_number(&field, 5, type);
	if (type_name)
		descriptor_put_text(&field, 6, type_name);
	if (oneof >= 0)
		descriptor_put_number(&field, 9, (uint64_t)oneof);
	descriptor_put_inner(message, 2, &field);
}

static void put_value(struct wire_buffer *enumeration, const char *name, int32_t number)
{
	struct wire_buffer value = {0};

	descriptor_put_text(&value, 1, name);
	descriptor_put_number(&value, 2, (uint64_t)(int64_t)number);
	descriptor_put_inner(enumeration, 2, &value);
}

static void put_map_entry(struct wire_buffer *message, const char *name, uint32_t key_type,
			  uint32_t value_type, const char *type_name)
{
	struct wire_buffer entry = {0}, options = {0};

	descriptor_put_text(&entry, 1, name);
	descriptor_put_field(&entry, "key", 1, DESCRIPTOR_OPTIONAL, key_type, NULL, -1);
	descriptor_put_field(&entry, "value", 2, DESCRIPTOR_OPTIONAL, value_type, type_name, -1);
	descriptor_put_number(&options, 7, 1);
	descriptor_put_inner(&entry, 7, &options);
	descriptor_put_inner(message, 3, &entry);
}

static const char *type_name_of(uint32_t type)
{
	if (type == SCHEMA_MESSAGE)
		return ".test.All";
	return type == SCHEMA_ENUM ? ".test.Color" : NULL;
}

struct wire_buffer descriptor_all_types(void)
{
	struct wire_buffer file = {0}, message = {0}, colors = {0}, oneof = {0};

	descriptor_put_text(&file, 1, "test.proto");
	descriptor_put_text(&file, 2, "test");
	descriptor_put_text(&file, 12, "proto3");
	descriptor_put_text(&message, 1, "All");
	for (uint32_t type = 1; type < SCHEMA_TYPE_MAX; type++) {
		CLEANUP_FREE char *one = util_format("type_%u", type);
		CLEANUP_FREE char *many = util_format("types_%u", type);

		if (type == SCHEMA_GROUP)
			continue;
		descriptor_put_field(&message, one, type, DESCRIPTOR_OPTIONAL, type,
				     type_name_of(type), -1);
		descriptor_put_field(&message, many, 20 + type, DESCRIPTOR_REPEATED, type,
				     type_name_of(type), -1);
	}
	descriptor_put_field(&message, "choice_text", 50, DESCRIPTOR_OPTIONAL, SCHEMA_STRING, NULL,
			     0);
	descriptor_put_field(&message, "choice_number", 51, DESCRIPTOR_OPTIONAL, SCHEMA_UINT32,
			     NULL, 0);
	descriptor_put_field(&message, "by_name", 52, DESCRIPTOR_REPEATED, SCHEMA_MESSAGE,
			     ".test.All.ByName", -1);
	descriptor_put_field(&message, "by_flag", 53, DESCRIPTOR_REPEATED, SCHEMA_MESSAGE,
			     ".test.All.ByFlag", -1);
	put_map_entry(&message, "ByName", SCHEMA_STRING, SCHEMA_MESSAGE, ".test.All");
	put_map_entry(&message, "ByFlag", SCHEMA_BOOL, SCHEMA_SINT64, NULL);
	descriptor_put_text(&oneof, 1, "choice");
	descriptor_put_inner(&message, 8, &oneof);
	descriptor_put_inner(&file, 4, &message);
	descriptor_put_text(&colors, 1, "Color");
	put_value(&colors, "COLOR_UNSPECIFIED", 0);
	put_value(&colors, "COLOR_RED", 1);
	put_value(&colors, "COLOR_NEGATIVE", -7);
	descriptor_put_inner(&file, 5, &colors);
	return file;
}
