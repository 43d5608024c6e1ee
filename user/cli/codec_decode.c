/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "cli/base64.h"
#include "cli/wire.h"
#include "common/util.h"

#define EXACT_MAX (1LL << 53) /* every whole number up to here is a double, too */

struct decoder {
	bool defaults;
	int depth;
	char *error;
};

static int fail(struct decoder *decoder, const struct schema_message *type,
		const struct schema_field *field, const char *what)
{
	if (!decoder->error)
		decoder->error = field ? util_format("%s.%s: %s", type->name, field->name, what)
				       : util_format("%s: %s", type->name, what);
	return -EBADMSG;
}

static json_t *json_unsigned(uint64_t value)
{
	char text[24];

	if (value <= EXACT_MAX)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

static json_t *json_signed(int64_t value)
{
	char text[24];

	if (value <= EXACT_MAX && value >= -EXACT_MAX)
		return json_integer(value);
	snprintf(text, sizeof(text), "%" PRId64, value);
	return json_string(text);
}

static json_t *json_double(double value)
{
	if (isnan(value))
		return json_string("NaN");
	if (isinf(value))
		return json_string(value > 0 ? "Infinity" : "-Infinity");
	return json_real(value);
}

/* The double with the fewest digits that is this float, so that 0.1 does not print as 0.10000000149. */
static json_t *json_single(float value)
{
	char text[32];

	if (!isfinite(value))
		return json_double((double)value);
	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)value);
		if ((float)strtod(text, NULL) == value)
			break;
	}
	return json_real(strtod(text, NULL));
}

static json_t *json_enum(const struct schema_enum *enumeration, int32_t number)
{
	const char *name = schema_enum_number(enumeration, number);

	return name ? json_string(name) : json_integer(number);
}

/* 64 bits from the wire as the value of the field's type. */
static json_t *json_bits(const struct schema_field *field, uint64_t bits)
{
	double real;
	float single;
	uint32_t low = (uint32_t)bits;

	switch (field->type) {
	case SCHEMA_DOUBLE:
		memcpy(&real, &bits, sizeof(real));
		return json_double(real);
	case SCHEMA_FLOAT:
		memcpy(&single, &low, sizeof(single));
		return json_single(single);
	case SCHEMA_INT64:
	case SCHEMA_SFIXED64:
		return json_signed((int64_t)bits);
	case SCHEMA_INT32:
	case SCHEMA_SFIXED32:
		return json_integer((int32_t)low);
	case SCHEMA_UINT32:
	case SCHEMA_FIXED32:
		return json_integer(low);
	case SCHEMA_BOOL:
		return json_boolean(bits != 0);
	case SCHEMA_ENUM:
		return json_enum(field->enumeration, (int32_t)low);
	case SCHEMA_SINT32:
		return json_integer((int32_t)wire_unzigzag(low));
	case SCHEMA_SINT64:
		return json_signed(wire_unzigzag(bits));
	default:
		return json_unsigned(bits);
	}
}

static int get_bits(struct wire_cursor *cursor, enum wire_type type, uint64_t *ret_bits)
{
	if (type == WIRE_VARINT)
		return wire_get_varint(cursor, ret_bits);
	return wire_get_fixed(cursor, type == WIRE_64BIT ? 8 : 4, ret_bits);
}

static int get_message(struct decoder *decoder, const struct schema_message *type,
		       struct wire_cursor cursor, json_t *object);

/* New reference; NULL after fail(). `old`: what a message is merged into, or NULL. */
static json_t *get_block(struct decoder *decoder, const struct schema_message *type,
			 const struct schema_field *field, struct wire_cursor inner, json_t *old)
{
	size_t size = (size_t)(inner.end - inner.at);
	json_t *value;

	if (field->type == SCHEMA_MESSAGE) {
		value = old ? json_incref(old) : json_object();
		if (get_message(decoder, field->message, inner, value) < 0) {
			json_decref(value);
			return NULL;
		}
		return value;
	}
	if (field->type == SCHEMA_BYTES) {
		CLEANUP_FREE char *text = base64_encode(inner.at, size);

		return json_string(text);
	}
	value = json_stringn((const char *)inner.at, size);
	if (!value)
		fail(decoder, type, field, "text is not UTF-8");
	return value;
}

static json_t *get_value(struct decoder *decoder, const struct schema_message *type,
			 const struct schema_field *field, struct wire_cursor *cursor, json_t *old)
{
	enum wire_type wire = schema_wire_type(field->type);
	struct wire_cursor inner;
	uint64_t bits;

	if (wire == WIRE_BYTES) {
		if (wire_get_bytes(cursor, &inner) == 0)
			return get_block(decoder, type, field, inner, old);
	} else if (get_bits(cursor, wire, &bits) == 0) {
		return json_bits(field, bits);
	}
	fail(decoder, type, field, "cut short");
	return NULL;
}

static json_t *list_of(json_t *object, const struct schema_field *field)
{
	json_t *list = json_object_get(object, field->name);

	if (!list) {
		list = json_array();
		json_object_set_new(object, field->name, list);
	}
	return list;
}

static int get_packed(struct decoder *decoder, const struct schema_message *type,
		      const struct schema_field *field, struct wire_cursor *cursor, json_t *object)
{
	json_t *list = list_of(object, field);
	struct wire_cursor inner;
	uint64_t bits;

	if (wire_get_bytes(cursor, &inner) < 0)
		return fail(decoder, type, field, "cut short");
	while (inner.at < inner.end) {
		if (get_bits(&inner, schema_wire_type(field->type), &bits) < 0)
			return fail(decoder, type, field, "cut short");
		json_array_append_new(list, json_bits(field, bits));
	}
	return 0;
}

/* What a field is when the message does not say. */
static json_t *default_value(const struct schema_field *field)
{
	if (field->type == SCHEMA_STRING || field->type == SCHEMA_BYTES)
		return json_string("");
	return json_bits(field, 0);
}

static json_t *unset_value(const struct schema_field *field)
{
	if (field->type == SCHEMA_MESSAGE && field->message->is_map_entry)
		return json_object();
	if (field->is_repeated)
		return json_array();
	return field->has_presence ? NULL : default_value(field);
}

/* Adds what is not set, and puts all fields into the order of the type. */
static void set_defaults(const struct schema_message *type, json_t *object)
{
	for (size_t i = 0; i < type->fields_n; i++) {
		const struct schema_field *field = &type->fields[i];
		json_t *value = json_incref(json_object_get(object, field->name));

		json_object_del(object, field->name);
		if (!value)
			value = unset_value(field);
		if (value)
			json_object_set_new(object, field->name, value);
	}
}

/* The value of a map's entry that has none on the wire. */
static json_t *unset_entry_value(const struct decoder *decoder, const struct schema_field *field)
{
	json_t *value;

	if (field->type != SCHEMA_MESSAGE)
		return default_value(field);
	value = json_object();
	if (decoder->defaults)
		set_defaults(field->message, value);
	return value;
}

static int get_map_entry(struct decoder *decoder, const struct schema_message *type,
			 const struct schema_field *field, struct wire_cursor *cursor,
			 json_t *object)
{
	const struct schema_field *key_field = schema_message_number(field->message, 1);
	const struct schema_field *value_field = schema_message_number(field->message, 2);
	json_t *map = json_object_get(object, field->name), *entry = json_object(), *key, *value;
	CLEANUP_FREE char *key_text = NULL;
	struct wire_cursor inner;
	int ret = -EBADMSG;

	if (!map) {
		map = json_object();
		json_object_set_new(object, field->name, map);
	}
	if (wire_get_bytes(cursor, &inner) < 0)
		fail(decoder, type, field, "cut short");
	else
		ret = get_message(decoder, field->message, inner, entry);
	if (!ret) {
		key = json_object_get(entry, key_field->name);
		key = key ? json_incref(key) : default_value(key_field);
		value = json_object_get(entry, value_field->name);
		value = value ? json_incref(value) : unset_entry_value(decoder, value_field);
		key_text = json_is_string(key) ? util_strdup(json_string_value(key))
					       : json_dumps(key, JSON_ENCODE_ANY);
		json_object_set_new(map, key_text, value);
		json_decref(key);
	}
	json_decref(entry);
	return ret;
}

/* Of a oneof, the member that came last counts. */
static void unset_rivals(const struct schema_message *type, const struct schema_field *field,
			 json_t *object)
{
	for (size_t i = 0; field->oneof >= 0 && i < type->fields_n; i++)
		if (type->fields[i].oneof == field->oneof && &type->fields[i] != field)
			json_object_del(object, type->fields[i].name);
}

static int get_field(struct decoder *decoder, const struct schema_message *type,
		     const struct schema_field *field, enum wire_type wire,
		     struct wire_cursor *cursor, json_t *object)
{
	enum wire_type own = schema_wire_type(field->type);
	json_t *value;

	if (field->is_repeated && wire == WIRE_BYTES && own != WIRE_BYTES)
		return get_packed(decoder, type, field, cursor, object);
	if (wire != own)
		return fail(decoder, type, field, "of another type than expected");
	if (field->type == SCHEMA_MESSAGE && field->message->is_map_entry)
		return get_map_entry(decoder, type, field, cursor, object);
	value = get_value(decoder, type, field, cursor,
			  field->is_repeated ? NULL : json_object_get(object, field->name));
	if (!value)
		return -EBADMSG;
	if (field->is_repeated)
		return json_array_append_new(list_of(object, field), value);
	unset_rivals(type, field, object);
	return json_object_set_new(object, field->name, value);
}

static int get_message(struct decoder *decoder, const struct schema_message *type,
		       struct wire_cursor cursor, json_t *object)
{
	const struct schema_field *field;
	enum wire_type wire;
	uint32_t number;
	int ret = 0;

	if (decoder->depth == CODEC_DEPTH_MAX)
		return fail(decoder, type, NULL, "too many messages inside each other");
	decoder->depth++;
	while (cursor.at < cursor.end && !ret) {
		if (wire_get_tag(&cursor, &number, &wire) < 0) {
			ret = fail(decoder, type, NULL, "cut short");
			break;
		}
		field = schema_message_number(type, number);
		if (field)
			ret = get_field(decoder, type, field, wire, &cursor, object);
		else if (wire_skip(&cursor, wire) < 0)
			ret = fail(decoder, type, NULL, "cut short");
	}
	decoder->depth--;
	if (!ret && decoder->defaults && !type->is_map_entry)
		set_defaults(type, object);
	return ret ? -EBADMSG : 0;
}

int codec_decode(const struct schema_message *type, const uint8_t *data, size_t size, bool defaults,
		 json_t **ret_value, char **ret_error)
{
	struct decoder decoder = {.defaults = defaults};
	json_t *object = json_object();
	int ret;

	ret = get_message(&decoder, type, (struct wire_cursor){data, data + size}, object);
	if (ret < 0) {
		json_decref(object);
		*ret_error = decoder.error ?: util_strdup("the message cannot be read");
		return ret;
	}
	*ret_value = object;
	return 0;
}
