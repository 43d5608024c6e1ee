/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The types and methods that protobuf descriptors describe, as codec.h reads them. Filled from
 * what is compiled in or from what a server's reflection answers.
 */
#ifndef STEER_CLI_SCHEMA_H
#define STEER_CLI_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/wire.h"

/* Numbers as in google.protobuf.FieldDescriptorProto.Type. */
enum schema_type {
	SCHEMA_DOUBLE = 1,
	SCHEMA_FLOAT,
	SCHEMA_INT64,
	SCHEMA_UINT64,
	SCHEMA_INT32,
	SCHEMA_FIXED64,
	SCHEMA_FIXED32,
	SCHEMA_BOOL,
	SCHEMA_STRING,
	SCHEMA_GROUP, /* refused */
	SCHEMA_MESSAGE,
	SCHEMA_BYTES,
	SCHEMA_UINT32,
	SCHEMA_ENUM,
	SCHEMA_SFIXED32,
	SCHEMA_SFIXED64,
	SCHEMA_SINT32,
	SCHEMA_SINT64,
	SCHEMA_TYPE_MAX
};

struct schema_value {
	char *name;
	int32_t number;
};

struct schema_enum {
	char *name; /* "steerd.v1.Stage" */
	struct schema_value *values;
	size_t values_n;
};

struct schema_field {
	char *name;	 /* as in the .proto file: snake_case */
	char *json_name; /* lowerCamelCase */
	char *type_name; /* of messages and enums, until they are linked */
	uint32_t number;
	enum schema_type type;
	bool is_repeated;
	bool is_packed;	   /* how it is written; both ways are read */
	bool has_presence; /* in a oneof or optional: unset is not the same as zero */
	int oneof;	   /* index of its oneof; -1: none */
	const struct schema_message *message;  /* SCHEMA_MESSAGE */
	const struct schema_enum *enumeration; /* SCHEMA_ENUM */
};

struct schema_message {
	char *name; /* "steerd.v1.ApplyRequest" */
	struct schema_field *fields;
	size_t fields_n;
	bool is_map_entry; /* fields key = 1 and value = 2 */
};

struct schema_method {
	char *service; /* "steerd.v1.AgentService" */
	char *name;    /* "Apply" */
	char *path;    /* "/steerd.v1.AgentService/Apply" */
	char *input_name;
	char *output_name;
	const struct schema_message *input;
	const struct schema_message *output;
	bool client_streams;
	bool server_streams;
};

struct schema;
struct schema *schema_new(void);
void schema_free(struct schema *schema); /* accepts NULL */

/*
 * Adds a serialized FileDescriptorProto, or every file of a FileDescriptorSet. A file that is
 * there already is skipped. -EBADMSG: the bytes are none, or use what is not understood.
 */
int schema_add_file(struct schema *schema, const void *data, size_t size);
int schema_add_set(struct schema *schema, const void *data, size_t size);
bool schema_has_file(const struct schema *schema, const char *name);

/* The next file that some file imports and that is not there; NULL: none is missing. */
const char *schema_missing_file(const struct schema *schema);

/* Resolves type names; call when the last file is in. -ENOENT: *ret_missing names a type. */
int schema_link(struct schema *schema, const char **ret_missing);

/* Full names, "steerd.v1.ApplyRequest"; NULL: none. */
const struct schema_message *schema_find_message(const struct schema *schema, const char *name);

size_t schema_methods(const struct schema *schema, const struct schema_method **ret_methods);

/*
 * "pkg.Service/Method", "/pkg.Service/Method", "pkg.Service.Method" or a bare "Method" if only
 * one service has it. -ENOENT: none, -ENOTUNIQ: several.
 */
int schema_find_method(const struct schema *schema, const char *name,
		       const struct schema_method **ret_method);

const struct schema_field *schema_message_field(const struct schema_message *message,
						const char *name); /* either spelling; NULL */
const struct schema_field *schema_message_number(const struct schema_message *message,
						 uint32_t number); /* NULL: none */
const struct schema_value *schema_enum_name(const struct schema_enum *enumeration,
					    const char *name); /* NULL: none */
enum wire_type schema_wire_type(enum schema_type type);
const char *schema_enum_number(const struct schema_enum *enumeration, int32_t number);

#define CLEANUP_SCHEMA __attribute__((cleanup(schema_freep)))
static inline void schema_freep(struct schema **schema)
{
	schema_free(*schema);
}

#endif
