/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/schema.h"

#include <errno.h>

#include "common/util.h"
#include "google/protobuf/descriptor.pb-c.h"

#define NESTING_MAX 32 /* of message definitions */

struct schema {
	char **files;
	size_t files_n;
	char **imports;
	size_t imports_n;
	struct schema_message *messages;
	size_t messages_n;
	struct schema_enum *enums;
	size_t enums_n;
	struct schema_method *methods;
	size_t methods_n;
};

typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__DescriptorProto Message;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__ServiceDescriptorProto Service;
typedef Google__Protobuf__MethodDescriptorProto Method;

#define GROW(array, n)                                                                             \
	({                                                                                         \
		(array) = util_realloc(array, (n) + 1, sizeof(*(array)));                          \
		memset(&(array)[n], 0, sizeof(*(array)));                                          \
		&(array)[(n)++];                                                                   \
	})

struct schema *schema_new(void)
{
	return util_calloc(1, sizeof(struct schema));
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

static void free_message(struct schema_message *message)
{
	for (size_t i = 0; i < message->fields_n; i++) {
		free(message->fields[i].name);
		free(message->fields[i].json_name);
		free(message->fields[i].type_name);
	}
	free(message->fields);
	free(message->name);
}

static void free_enum(struct schema_enum *enumeration)
{
	for (size_t i = 0; i < enumeration->values_n; i++)
		free(enumeration->values[i].name);
	free(enumeration->values);
	free(enumeration->name);
}

static void free_method(struct schema_method *method)
{
	free(method->service);
	free(method->name);
	free(method->path);
	free(method->input_name);
	free(method->output_name);
}

void schema_free(struct schema *schema)
{
	if (!schema)
		return;
	free_texts(schema->files, schema->files_n);
	free_texts(schema->imports, schema->imports_n);
	for (size_t i = 0; i < schema->messages_n; i++)
		free_message(&schema->messages[i]);
	free(schema->messages);
	for (size_t i = 0; i < schema->enums_n; i++)
		free_enum(&schema->enums[i]);
	free(schema->enums);
	for (size_t i = 0; i < schema->methods_n; i++)
		free_method(&schema->methods[i]);
	free(schema->methods);
	free(schema);
}

static char *join(const char *scope, const char *name)
{
	return scope && *scope ? util_format("%s.%s", scope, name) : util_strdup(name);
}

/* Type names in descriptors begin with a dot when they are absolute, as protoc writes them. */
static char *absolute_name(const char *name)
{
	return name ? util_strdup(name[0] == '.' ? name + 1 : name) : NULL;
}

/* What the protobuf compiler would put into json_name: every "_x" becomes "X". */
static char *camel_case(const char *name)
{
	char *text = util_calloc(1, strlen(name) + 1), *out = text;
	bool is_upper = false;

	for (; *name; name++) {
		if (*name == '_') {
			is_upper = true;
			continue;
		}
		*out++ = is_upper && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name;
		is_upper = false;
	}
	return text;
}

static bool type_can_pack(enum schema_type type)
{
	return type != SCHEMA_STRING && type != SCHEMA_BYTES && type != SCHEMA_MESSAGE;
}

static int add_field(struct schema_message *message, const Field *field, bool is_proto3)
{
	struct schema_field *out;

	if (!field->name || field->number < 1 || field->number > 536870911 ||
	    (int)field->type < 1 || (int)field->type >= SCHEMA_TYPE_MAX ||
	    (int)field->type == SCHEMA_GROUP)
		return -EBADMSG;
	out = GROW(message->fields, message->fields_n);
	out->name = util_strdup(field->name);
	out->json_name = field->json_name ? util_strdup(field->json_name) : camel_case(field->name);
	out->type_name = absolute_name(field->type_name);
	out->number = (uint32_t)field->number;
	out->type = (enum schema_type)field->type;
	out->is_repeated = field->label ==
			   GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
	out->oneof = field->has_oneof_index ? field->oneof_index : -1;
	out->has_presence = !out->is_repeated &&
			    (!is_proto3 || out->oneof >= 0 || out->type == SCHEMA_MESSAGE);
	if (out->is_repeated && type_can_pack(out->type))
		out->is_packed = field->options && field->options->has_packed
					 ? field->options->packed
					 : is_proto3;
	return 0;
}

static int add_enum(struct schema *schema, const char *scope, const Enum *enumeration)
{
	struct schema_enum *out;

	if (!enumeration->name)
		return -EBADMSG;
	out = GROW(schema->enums, schema->enums_n);
	out->name = join(scope, enumeration->name);
	for (size_t i = 0; i < enumeration->n_value; i++) {
		struct schema_value *value = GROW(out->values, out->values_n);

		if (!enumeration->value[i]->name)
			return -EBADMSG;
		value->name = util_strdup(enumeration->value[i]->name);
		value->number = enumeration->value[i]->number;
	}
	return 0;
}

static bool is_map_entry(const struct schema_message *message)
{
	const struct schema_field *key = schema_message_number(message, 1);

	return key && !key->is_repeated && key->type != SCHEMA_MESSAGE &&
	       key->type != SCHEMA_BYTES && schema_message_number(message, 2) &&
	       !schema_message_number(message, 2)->is_repeated;
}

static int add_message(struct schema *schema, const char *scope, const Message *message,
		       bool is_proto3, int depth)
{
	CLEANUP_FREE char *name = NULL;
	struct schema_message *out;
	int ret = 0;

	if (!message->name || depth > NESTING_MAX)
		return -EBADMSG;
	name = join(scope, message->name);
	out = GROW(schema->messages, schema->messages_n);
	out->name = util_strdup(name);
	for (size_t i = 0; i < message->n_field && !ret; i++)
		ret = add_field(out, message->field[i], is_proto3);
	if (!ret && message->options && message->options->map_entry) {
		out->is_map_entry = true;
		if (!is_map_entry(out))
			ret = -EBADMSG;
	}
	/* These may move the array that `out` points into. */
	for (size_t i = 0; i < message->n_enum_type && !ret; i++)
		ret = add_enum(schema, name, message->enum_type[i]);
	for (size_t i = 0; i < message->n_nested_type && !ret; i++)
		ret = add_message(schema, name, message->nested_type[i], is_proto3, depth + 1);
	return ret;
}

static int add_method(struct schema *schema, const char *service, const Method *method)
{
	struct schema_method *out;

	if (!method->name || !method->input_type || !method->output_type)
		return -EBADMSG;
	out = GROW(schema->methods, schema->methods_n);
	out->service = util_strdup(service);
	out->name = util_strdup(method->name);
	out->path = util_format("/%s/%s", service, method->name);
	out->input_name = absolute_name(method->input_type);
	out->output_name = absolute_name(method->output_type);
	out->client_streams = method->client_streaming;
	out->server_streams = method->server_streaming;
	return 0;
}

static int add_service(struct schema *schema, const char *scope, const Service *service)
{
	CLEANUP_FREE char *name = NULL;
	int ret = 0;

	if (!service->name)
		return -EBADMSG;
	name = join(scope, service->name);
	for (size_t i = 0; i < service->n_method && !ret; i++)
		ret = add_method(schema, name, service->method[i]);
	return ret;
}

bool schema_has_file(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->files_n; i++)
		if (strcmp(schema->files[i], name) == 0)
			return true;
	return false;
}

static int add_file(struct schema *schema, const File *file)
{
	bool is_proto3 = file->syntax && strcmp(file->syntax, "proto3") == 0;
	int ret = 0;

	if (!file->name)
		return -EBADMSG;
	if (schema_has_file(schema, file->name))
		return 0;
	*GROW(schema->files, schema->files_n) = util_strdup(file->name);
	for (size_t i = 0; i < file->n_dependency; i++)
		*GROW(schema->imports, schema->imports_n) = util_strdup(file->dependency[i]);
	for (size_t i = 0; i < file->n_enum_type && !ret; i++)
		ret = add_enum(schema, file->package, file->enum_type[i]);
	for (size_t i = 0; i < file->n_message_type && !ret; i++)
		ret = add_message(schema, file->package, file->message_type[i], is_proto3, 0);
	for (size_t i = 0; i < file->n_service && !ret; i++)
		ret = add_service(schema, file->package, file->service[i]);
	return ret;
}

int schema_add_file(struct schema *schema, const void *data, size_t size)
{
	File *file = google__protobuf__file_descriptor_proto__unpack(NULL, size, data);
	int ret = file ? add_file(schema, file) : -EBADMSG;

	if (file)
		google__protobuf__file_descriptor_proto__free_unpacked(file, NULL);
	return ret;
}

int schema_add_set(struct schema *schema, const void *data, size_t size)
{
	Google__Protobuf__FileDescriptorSet *set =
		google__protobuf__file_descriptor_set__unpack(NULL, size, data);
	int ret = set ? 0 : -EBADMSG;

	for (size_t i = 0; set && i < set->n_file && !ret; i++)
		ret = add_file(schema, set->file[i]);
	if (set)
		google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
	return ret;
}

const char *schema_missing_file(const struct schema *schema)
{
	for (size_t i = 0; i < schema->imports_n; i++)
		if (!schema_has_file(schema, schema->imports[i]))
			return schema->imports[i];
	return NULL;
}

const struct schema_message *schema_find_message(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->messages_n; i++)
		if (strcmp(schema->messages[i].name, name) == 0)
			return &schema->messages[i];
	return NULL;
}

static const struct schema_enum *find_enum(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->enums_n; i++)
		if (strcmp(schema->enums[i].name, name) == 0)
			return &schema->enums[i];
	return NULL;
}

static bool link_field(struct schema *schema, struct schema_field *field)
{
	if (field->type == SCHEMA_MESSAGE) {
		field->message = schema_find_message(schema, field->type_name ?: "");
		return field->message;
	}
	if (field->type == SCHEMA_ENUM) {
		field->enumeration = find_enum(schema, field->type_name ?: "");
		return field->enumeration;
	}
	return true;
}

int schema_link(struct schema *schema, const char **ret_missing)
{
	for (size_t i = 0; i < schema->messages_n; i++) {
		struct schema_message *message = &schema->messages[i];

		for (size_t j = 0; j < message->fields_n; j++) {
			if (!link_field(schema, &message->fields[j])) {
				*ret_missing = message->fields[j].type_name ?: message->name;
				return -ENOENT;
			}
		}
	}
	for (size_t i = 0; i < schema->methods_n; i++) {
		struct schema_method *method = &schema->methods[i];

		method->input = schema_find_message(schema, method->input_name);
		method->output = schema_find_message(schema, method->output_name);
		if (!method->input || !method->output) {
			*ret_missing = method->input ? method->output_name : method->input_name;
			return -ENOENT;
		}
	}
	return 0;
}

size_t schema_methods(const struct schema *schema, const struct schema_method **ret_methods)
{
	*ret_methods = schema->methods;
	return schema->methods_n;
}

/* "/pkg.Service/Method", "pkg.Service/Method", "pkg.Service.Method", "Service/Method". */
static bool method_has_name(const struct schema_method *method, const char *name)
{
	const char *service = method->service;
	size_t length = strlen(name), tail = strlen(method->name), head;

	if (name[0] == '/') {
		name++;
		length--;
	}
	if (length < tail || strcmp(name + length - tail, method->name) != 0)
		return false;
	if (length == tail)
		return true;
	head = length - tail - 1;
	if (name[head] != '/' && name[head] != '.')
		return false;
	if (strlen(service) < head)
		return false;
	service += strlen(service) - head;
	return strncmp(service, name, head) == 0 &&
	       (service == method->service || service[-1] == '.');
}

int schema_find_method(const struct schema *schema, const char *name,
		       const struct schema_method **ret_method)
{
	const struct schema_method *found = NULL;

	for (size_t i = 0; i < schema->methods_n; i++) {
		if (!method_has_name(&schema->methods[i], name))
			continue;
		if (found)
			return -ENOTUNIQ;
		found = &schema->methods[i];
	}
	if (!found)
		return -ENOENT;
	*ret_method = found;
	return 0;
}

const struct schema_field *schema_message_field(const struct schema_message *message,
						const char *name)
{
	for (size_t i = 0; i < message->fields_n; i++)
		if (strcmp(message->fields[i].name, name) == 0 ||
		    strcmp(message->fields[i].json_name, name) == 0)
			return &message->fields[i];
	return NULL;
}

const struct schema_field *schema_message_number(const struct schema_message *message,
						 uint32_t number)
{
	for (size_t i = 0; i < message->fields_n; i++)
		if (message->fields[i].number == number)
			return &message->fields[i];
	return NULL;
}

const struct schema_value *schema_enum_name(const struct schema_enum *enumeration, const char *name)
{
	for (size_t i = 0; i < enumeration->values_n; i++)
		if (strcmp(enumeration->values[i].name, name) == 0)
			return &enumeration->values[i];
	return NULL;
}

const char *schema_enum_number(const struct schema_enum *enumeration, int32_t number)
{
	for (size_t i = 0; i < enumeration->values_n; i++)
		if (enumeration->values[i].number == number)
			return enumeration->values[i].name;
	return NULL;
}

enum wire_type schema_wire_type(enum schema_type type)
{
	switch (type) {
	case SCHEMA_DOUBLE:
	case SCHEMA_FIXED64:
	case SCHEMA_SFIXED64:
		return WIRE_64BIT;
	case SCHEMA_FLOAT:
	case SCHEMA_FIXED32:
	case SCHEMA_SFIXED32:
		return WIRE_32BIT;
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
	case SCHEMA_MESSAGE:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}
