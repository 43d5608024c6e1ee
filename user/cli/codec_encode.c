/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/codec.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "cli/base64.h"
#include "cli/wire.h"
#include "common/text.h"
#include "common/util.h"

/* Where in the document a value stands; one on the stack for each step down. */
struct path {
	const struct path *parent;
	const char *key; /* NULL: an item of a list */
	size_t index;
};

struct encoder {
	char *error;
	int depth;
};

static char *path_text(const struct path *path)
{
	CLEANUP_FREE char *head = NULL;

	if (!path)
		return util_strdup("$");
	head = path_text(path->parent);
	if (path->key)
		return util_format("%s.%s", head, path->key);
	return util_format("%s[%zu]", head, path->index);
}

static int fail(struct encoder *encoder, const struct path *path, char *message)
{
	CLEANUP_FREE char *where = path_text(path), *owned = message;

	free(encoder->error);
	encoder->error = util_format("%s: %s", where, owned);
	return -EINVAL;
}

static const char *type_word(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

static int fail_type(struct encoder *encoder, const struct path *path, const char *wanted,
		     const json_t *value)
{
	return fail(encoder, path, util_format("must be %s, not %s", wanted, type_word(value)));
}

struct range {
	bool is_signed;
	unsigned int bits;
};

static struct range integer_range(enum schema_type type)
{
	switch (type) {
	case SCHEMA_INT32:
	case SCHEMA_SINT32:
	case SCHEMA_SFIXED32:
		return (struct range){true, 32};
	case SCHEMA_INT64:
	case SCHEMA_SINT64:
	case SCHEMA_SFIXED64:
		return (struct range){true, 64};
	case SCHEMA_UINT32:
	case SCHEMA_FIXED32:
		return (struct range){false, 32};
	default:
		return (struct range){false, 64};
	}
}

/* Sign and magnitude of a decimal integer; true when it was one and fits into 64 bits. */
static bool split_integer(const char *text, bool *ret_negative, uint64_t *ret_magnitude)
{
	bool negative = text[0] == '-';

	if (text_parse_number(text + negative, ret_magnitude) < 0)
		return false;
	*ret_negative = negative;
	return true;
}

static bool split_real(double real, bool *ret_negative, uint64_t *ret_magnitude)
{
	if (trunc(real) != real || fabs(real) >= 18446744073709551616.0)
		return false;
	*ret_negative = real < 0;
	*ret_magnitude = (uint64_t)fabs(real);
	return true;
}

static bool split_value(const json_t *value, bool *ret_negative, uint64_t *ret_magnitude)
{
	json_int_t integer;

	if (json_is_string(value))
		return strlen(json_string_value(value)) == json_string_length(value) &&
		       split_integer(json_string_value(value), ret_negative, ret_magnitude);
	if (json_is_real(value))
		return split_real(json_real_value(value), ret_negative, ret_magnitude);
	if (!json_is_integer(value))
		return false;
	integer = json_integer_value(value);
	*ret_negative = integer < 0;
	*ret_magnitude = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
	return true;
}

/* The value as 64 bits, sign-extended. */
static int get_integer(struct encoder *encoder, const struct path *path, enum schema_type type,
		       const json_t *value, uint64_t *ret_bits)
{
	struct range range = integer_range(type);
	uint64_t limit = UINT64_MAX >> (64 - range.bits), magnitude;
	bool negative;

	if (!split_value(value, &negative, &magnitude)) {
		if (json_is_string(value))
			return fail(encoder, path,
				    util_format("'%s' is not a whole number",
						json_string_value(value)));
		return fail_type(encoder, path, "a whole number", value);
	}
	if (range.is_signed)
		limit = (limit >> 1) + negative;
	else if (negative)
		limit = 0;
	if (magnitude > limit)
		return fail(encoder, path,
			    util_format("%s%" PRIu64 " is out of the range of %sint%u",
					negative ? "-" : "", magnitude, range.is_signed ? "" : "u",
					range.bits));
	*ret_bits = negative ? -magnitude : magnitude;
	return 0;
}

static int get_real(struct encoder *encoder, const struct path *path, enum schema_type type,
		    const json_t *value, double *ret_real)
{
	static const struct {
		const char *name;
		double value;
	} words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
	double real;
	char *end;

	if (json_is_number(value)) {
		real = json_number_value(value);
	} else if (json_is_string(value)) {
		const char *text = json_string_value(value);

		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			if (strcmp(text, words[i].name) == 0) {
				*ret_real = words[i].value;
				return 0;
			}
		}
		real = strtod(text, &end);
		if (!*text || *end || !isfinite(real))
			return fail(encoder, path, util_format("'%s' is not a number", text));
	} else {
		return fail_type(encoder, path, "a number", value);
	}
	if (type == SCHEMA_FLOAT && fabs(real) > (double)FLT_MAX)
		return fail(encoder, path, util_format("%g is out of the range of float", real));
	*ret_real = real;
	return 0;
}

static int get_enum(struct encoder *encoder, const struct path *path,
		    const struct schema_enum *enumeration, const json_t *value, uint64_t *ret_bits)
{
	CLEANUP_FREE const char **names = NULL;
	char suggestion[TEXT_SUGGESTION_MAX];
	const struct schema_value *found;

	if (json_is_integer(value))
		return get_integer(encoder, path, SCHEMA_INT32, value, ret_bits);
	if (!json_is_string(value))
		return fail_type(encoder, path, "the name of a value", value);
	found = schema_enum_name(enumeration, json_string_value(value));
	if (found) {
		*ret_bits = (uint64_t)(int64_t)found->number;
		return 0;
	}
	names = util_calloc(enumeration->values_n, sizeof(*names));
	for (size_t i = 0; i < enumeration->values_n; i++)
		names[i] = enumeration->values[i].name;
	text_suggest(json_string_value(value), names, enumeration->values_n, suggestion);
	return fail(encoder, path,
		    util_format("%s has no value '%s'%s", enumeration->name,
				json_string_value(value), suggestion));
}

/* A number of any kind as the bits that go onto the wire. */
static int get_bits(struct encoder *encoder, const struct path *path,
		    const struct schema_field *field, const json_t *value, uint64_t *ret_bits)
{
	double real = 0;
	float single;
	int ret;

	switch (field->type) {
	case SCHEMA_DOUBLE:
	case SCHEMA_FLOAT:
		ret = get_real(encoder, path, field->type, value, &real);
		if (ret < 0)
			return ret;
		single = (float)real;
		*ret_bits = 0;
		if (field->type == SCHEMA_DOUBLE)
			memcpy(ret_bits, &real, sizeof(real));
		else
			memcpy(ret_bits, &single, sizeof(single));
		return 0;
	case SCHEMA_BOOL:
		if (!json_is_boolean(value))
			return fail_type(encoder, path, "true or false", value);
		*ret_bits = json_is_true(value);
		return 0;
	case SCHEMA_ENUM:
		return get_enum(encoder, path, field->enumeration, value, ret_bits);
	default:
		ret = get_integer(encoder, path, field->type, value, ret_bits);
		if (!ret && (field->type == SCHEMA_SINT32 || field->type == SCHEMA_SINT64))
			*ret_bits = wire_zigzag((int64_t)*ret_bits);
		return ret;
	}
}

static void put_bits(struct wire_buffer *buffer, enum wire_type type, uint64_t bits)
{
	if (type == WIRE_VARINT)
		wire_put_varint(buffer, bits);
	else
		wire_put_fixed(buffer, bits, type == WIRE_64BIT ? 8 : 4);
}

static int put_message(struct encoder *encoder, const struct path *path,
		       const struct schema_message *type, const json_t *value,
		       struct wire_buffer *buffer);

/* Text, bytes or a message, with their length. */
static int put_block(struct encoder *encoder, const struct path *path,
		     const struct schema_field *field, const json_t *value,
		     struct wire_buffer *buffer)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	struct wire_buffer inner = {0};
	size_t size;
	int ret;

	if (field->type == SCHEMA_MESSAGE) {
		ret = put_message(encoder, path, field->message, value, &inner);
		if (!ret)
			wire_put_bytes(buffer, inner.data, inner.size);
		free(inner.data);
		return ret;
	}
	if (!json_is_string(value))
		return fail_type(encoder, path,
				 field->type == SCHEMA_BYTES ? "base64 text" : "text", value);
	if (field->type == SCHEMA_STRING) {
		wire_put_bytes(buffer, json_string_value(value), json_string_length(value));
		return 0;
	}
	if (base64_decode(json_string_value(value), json_string_length(value), &bytes, &size) < 0)
		return fail(encoder, path, util_strdup("is not base64"));
	wire_put_bytes(buffer, bytes, size);
	return 0;
}

static int put_single(struct encoder *encoder, const struct path *path,
		      const struct schema_field *field, const json_t *value,
		      struct wire_buffer *buffer)
{
	enum wire_type type = schema_wire_type(field->type);
	uint64_t bits;
	int ret;

	if (type == WIRE_BYTES) {
		wire_put_tag(buffer, field->number, type);
		return put_block(encoder, path, field, value, buffer);
	}
	ret = get_bits(encoder, path, field, value, &bits);
	if (ret < 0 || (!bits && !field->has_presence && !field->is_repeated))
		return ret;
	wire_put_tag(buffer, field->number, type);
	put_bits(buffer, type, bits);
	return 0;
}

static int put_list(struct encoder *encoder, const struct path *path,
		    const struct schema_field *field, const json_t *value,
		    struct wire_buffer *buffer)
{
	struct wire_buffer packed = {0};
	size_t index;
	json_t *item;
	int ret = 0;

	if (!json_is_array(value))
		return fail_type(encoder, path, "a list", value);
	json_array_foreach(value, index, item)
	{
		struct path at = {.parent = path, .index = index};
		uint64_t bits;

		if (!field->is_packed) {
			ret = put_single(encoder, &at, field, item, buffer);
		} else {
			ret = get_bits(encoder, &at, field, item, &bits);
			if (!ret)
				put_bits(&packed, schema_wire_type(field->type), bits);
		}
		if (ret < 0)
			break;
	}
	if (!ret && packed.size) {
		wire_put_tag(buffer, field->number, WIRE_BYTES);
		wire_put_bytes(buffer, packed.data, packed.size);
	}
	free(packed.data);
	return ret;
}

/* A map's key comes as text whatever its type. */
static json_t *key_value(enum schema_type type, const char *key)
{
	if (type == SCHEMA_BOOL && strcmp(key, "true") == 0)
		return json_true();
	if (type == SCHEMA_BOOL && strcmp(key, "false") == 0)
		return json_false();
	return json_string(key);
}

static int put_map(struct encoder *encoder, const struct path *path,
		   const struct schema_field *field, const json_t *value,
		   struct wire_buffer *buffer)
{
	const struct schema_field *key_field = schema_message_number(field->message, 1);
	const struct schema_field *value_field = schema_message_number(field->message, 2);
	const char *key;
	json_t *item;
	int ret = 0;

	if (!json_is_object(value))
		return fail_type(encoder, path, "an object", value);
	json_object_foreach((json_t *)value, key, item)
	{
		struct path at = {.parent = path, .key = key};
		struct wire_buffer entry = {0};
		json_t *key_json = key_value(key_field->type, key);

		ret = put_single(encoder, &at, key_field, key_json, &entry);
		json_decref(key_json);
		if (!ret && json_is_null(item))
			ret = fail_type(encoder, &at, "a value", item);
		if (!ret)
			ret = put_single(encoder, &at, value_field, item, &entry);
		if (!ret) {
			wire_put_tag(buffer, field->number, WIRE_BYTES);
			wire_put_bytes(buffer, entry.data, entry.size);
		}
		free(entry.data);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int fail_field(struct encoder *encoder, const struct path *path,
		      const struct schema_message *type, const char *name)
{
	CLEANUP_FREE const char **names = util_calloc(type->fields_n, sizeof(*names));
	char suggestion[TEXT_SUGGESTION_MAX];

	for (size_t i = 0; i < type->fields_n; i++)
		names[i] = type->fields[i].name;
	text_suggest(name, names, type->fields_n, suggestion);
	return fail(encoder, path, util_format("%s has no such field%s", type->name, suggestion));
}

/* Refuses a field given in both spellings, and two members of one oneof. */
static int check_rivals(struct encoder *encoder, const struct path *path,
			const struct schema_message *type, const struct schema_field *field,
			const json_t *value)
{
	const struct schema_field *other;
	const char *key;
	json_t *item;

	json_object_foreach((json_t *)value, key, item)
	{
		other = schema_message_field(type, key);
		if (json_is_null(item) || !other || key == path->key)
			continue;
		if (other == field)
			return fail(encoder, path,
				    util_format("stands there as '%s' as well", key));
		if (field->oneof >= 0 && other->oneof == field->oneof)
			return fail(encoder, path,
				    util_format("excludes '%s': only one of them can be set", key));
	}
	return 0;
}

static int put_field(struct encoder *encoder, const struct path *path,
		     const struct schema_message *type, const json_t *object, const json_t *value,
		     struct wire_buffer *buffer)
{
	const struct schema_field *field = schema_message_field(type, path->key);
	int ret;

	if (!field)
		return fail_field(encoder, path, type, path->key);
	if (json_is_null(value))
		return 0;
	ret = check_rivals(encoder, path, type, field, object);
	if (ret < 0)
		return ret;
	if (field->type == SCHEMA_MESSAGE && field->message->is_map_entry)
		return put_map(encoder, path, field, value, buffer);
	if (field->is_repeated)
		return put_list(encoder, path, field, value, buffer);
	/* Proto3 does not write empty text; anything that was given and has presence is. */
	if ((field->type == SCHEMA_STRING || field->type == SCHEMA_BYTES) &&
	    json_is_string(value) && !json_string_length(value) && !field->has_presence)
		return 0;
	return put_single(encoder, path, field, value, buffer);
}

static int put_message(struct encoder *encoder, const struct path *path,
		       const struct schema_message *type, const json_t *value,
		       struct wire_buffer *buffer)
{
	const char *key;
	json_t *item;
	int ret = 0;

	if (!json_is_object(value))
		return fail_type(encoder, path, "an object", value);
	if (encoder->depth == CODEC_DEPTH_MAX)
		return fail(encoder, path,
			    util_format("more than %d objects inside each other", CODEC_DEPTH_MAX));
	encoder->depth++;
	json_object_foreach((json_t *)value, key, item)
	{
		struct path at = {.parent = path, .key = key};

		ret = put_field(encoder, &at, type, value, item, buffer);
		if (ret < 0)
			break;
	}
	encoder->depth--;
	return ret;
}

int codec_encode(const struct schema_message *type, const json_t *value, uint8_t **ret_data,
		 size_t *ret_size, char **ret_error)
{
	struct encoder encoder = {0};
	struct wire_buffer buffer = {0};
	int ret = put_message(&encoder, NULL, type, value, &buffer);

	if (ret < 0) {
		free(buffer.data);
		*ret_error = encoder.error;
		return ret;
	}
	*ret_data = buffer.data;
	*ret_size = buffer.size;
	return 0;
}
