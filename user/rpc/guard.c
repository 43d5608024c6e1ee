/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/guard.h"

#include "common/util.h"

#include <errno.h>
#include <stdarg.h>

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_GROUP, WIRE_GROUP_END, WIRE_FIXED32 };

#define SEEN_MAX 64 /* single submessage fields per message that can be told apart */

struct scan {
	const struct guard_limits *limits;
	size_t elements; /* so far */
	char *where;	 /* path of the field an error is about; NULL: the message itself */
	char *error;
	int code;
};

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
};

static int scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
			struct cursor bytes, unsigned int depth);

__attribute__((format(printf, 3, 4))) static int fail(struct scan *scan, int code,
						      const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&scan->error, format, args);
	va_end(args);
	if (length < 0)
		scan->error = util_strdup("out of memory");
	return scan->code = code;
}

static bool read_varint(struct cursor *bytes, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < 10; i++) {
		if (bytes->at == bytes->end)
			return false;
		/* The tenth byte has room for the top bit of 64 only. */
		if (i == 9 && *bytes->at > 1)
			return false;
		value |= (uint64_t)(*bytes->at & 0x7f) << (7 * i);
		if (!(*bytes->at++ & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* Length of the UTF-8 sequence at the cursor (Unicode 15, table 3-7), 0 if it is none. */
static size_t utf8_sequence(const struct cursor *bytes)
{
	size_t left = (size_t)(bytes->end - bytes->at), n;
	const uint8_t *at = bytes->at;
	uint8_t low = 0x80, high = 0xbf;

	if (at[0] < 0x80)
		return at[0] ? 1 : 0; /* a NUL would end the string for everybody behind us */
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	n = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static bool is_text(struct cursor bytes)
{
	while (bytes.at < bytes.end) {
		size_t n = utf8_sequence(&bytes);

		if (!n)
			return false;
		bytes.at += n;
	}
	return true;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor,
						  uint64_t number)
{
	unsigned int low = 0, high = descriptor->n_fields;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (descriptor->fields[middle].id == number)
			return &descriptor->fields[middle];
		if (descriptor->fields[middle].id > number)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static enum wire wire_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_FIXED32;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_FIXED64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}

/* Whether the unpacker keeps all of the value, rather than its low bits. */
static bool fits(ProtobufCType type, uint64_t value)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return (int64_t)value >= INT32_MIN && (int64_t)value <= INT32_MAX;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT32:
		return value <= UINT32_MAX;
	case PROTOBUF_C_TYPE_BOOL:
		return value <= 1;
	default:
		return true;
	}
}

/* One number at the cursor, as it lies inside or outside a packed list. */
static int scan_scalar(struct scan *scan, ProtobufCType type, struct cursor *bytes)
{
	enum wire wire = wire_of(type);
	size_t size = wire == WIRE_FIXED32 ? 4 : 8;
	uint64_t value;

	if (wire == WIRE_VARINT) {
		if (!read_varint(bytes, &value))
			return fail(scan, -EBADMSG, "its number is cut short or over 64 bits");
		if (!fits(type, value))
			return fail(scan, -EBADMSG, "%lld is out of its range", (long long)value);
		return 0;
	}
	if ((size_t)(bytes->end - bytes->at) < size)
		return fail(scan, -EBADMSG, "its number is cut short");
	bytes->at += size;
	return 0;
}

static int count_element(struct scan *scan)
{
	if (++scan->elements > scan->limits->elements)
		return fail(scan, -EMSGSIZE, "here the message has more than %zu elements",
			    scan->limits->elements);
	return 0;
}

static int scan_packed(struct scan *scan, ProtobufCType type, struct cursor list)
{
	int err = 0;

	while (!err && list.at < list.end) {
		err = count_element(scan);
		if (!err)
			err = scan_scalar(scan, type, &list);
	}
	return err;
}

static int scan_bytes(struct scan *scan, const ProtobufCFieldDescriptor *field,
		      struct cursor *bytes, unsigned int depth)
{
	struct cursor inner;
	uint64_t size;

	if (!read_varint(bytes, &size) || size > (uint64_t)(bytes->end - bytes->at))
		return fail(scan, -EBADMSG, "it is cut short");
	inner = (struct cursor){bytes->at, bytes->at + size};
	bytes->at += size;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		if (!is_text(inner))
			return fail(scan, -EBADMSG, "its text is not UTF-8 or contains a NUL");
		return 0;
	case PROTOBUF_C_TYPE_BYTES:
		return 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		if (depth >= scan->limits->depth)
			return fail(scan, -EMSGSIZE, "messages are nested deeper than %u",
				    scan->limits->depth);
		return scan_message(scan, field->descriptor, inner, depth + 1);
	default:
		return scan_packed(scan, field->type, inner);
	}
}

static bool is_single_message(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED;
}

/* One field of the message, its number and wire type known. */
static int scan_field(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
		      const ProtobufCFieldDescriptor *field, unsigned int wire,
		      struct cursor *bytes, uint64_t *seen, unsigned int depth)
{
	bool packed = field->label == PROTOBUF_C_LABEL_REPEATED && wire == WIRE_BYTES;
	int err;

	if (wire != wire_of(field->type) && !packed)
		return fail(scan, -EBADMSG, "wire type %u is not that of its type", wire);
	if (is_single_message(field)) {
		ptrdiff_t index = field - descriptor->fields;

		if (index >= SEEN_MAX || *seen >> index & 1)
			return fail(scan, -EBADMSG, "it is there twice; send it once");
		*seen |= 1ULL << index;
	}
	err = count_element(scan);
	if (err)
		return err;
	if (wire == WIRE_BYTES)
		return scan_bytes(scan, field, bytes, depth);
	return scan_scalar(scan, field->type, bytes);
}

/* How many times the field stands before `until`; all up to there has been scanned. */
static size_t count_before(const ProtobufCFieldDescriptor *field, struct cursor bytes,
			   const uint8_t *until)
{
	uint64_t tag = 0, value = 0;
	size_t n = 0;

	while (bytes.at < until && read_varint(&bytes, &tag)) {
		n += tag >> 3 == field->id;
		if ((tag & 7) == WIRE_VARINT)
			read_varint(&bytes, &value);
		else if ((tag & 7) == WIRE_FIXED32)
			bytes.at += 4;
		else if ((tag & 7) == WIRE_FIXED64)
			bytes.at += 8;
		else if (read_varint(&bytes, &value))
			bytes.at += value;
	}
	return n;
}

/* On the way out of an error, each level puts its field's name before the path. */
static void add_path(struct scan *scan, const ProtobufCFieldDescriptor *field, struct cursor bytes,
		     const uint8_t *until)
{
	char index[32] = "";
	char *where;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		snprintf(index, sizeof(index), "[%zu]", count_before(field, bytes, until));
	where = util_format("%s%s%s%s", field->name, index, scan->where ? "." : "",
			    scan->where ? scan->where : "");
	free(scan->where);
	scan->where = where;
}

static int scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
			struct cursor bytes, unsigned int depth)
{
	const struct cursor whole = bytes;
	uint64_t seen = 0;

	while (bytes.at < bytes.end) {
		const ProtobufCFieldDescriptor *field;
		const uint8_t *start = bytes.at;
		uint64_t tag;

		if (!read_varint(&bytes, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
			return fail(scan, -EBADMSG, "a field number of %s is malformed",
				    descriptor->name);
		if ((tag & 7) == WIRE_GROUP || (tag & 7) == WIRE_GROUP_END)
			return fail(scan, -EBADMSG, "%s has no groups, but field %u is one",
				    descriptor->name, (unsigned int)(tag >> 3));
		field = find_field(descriptor, tag >> 3);
		if (!field)
			return fail(scan, -EBADMSG,
				    "%s has no field %u here; is the sender newer than this "
				    "program?",
				    descriptor->name, (unsigned int)(tag >> 3));
		if (scan_field(scan, descriptor, field, tag & 7, &bytes, &seen, depth)) {
			add_path(scan, field, whole, start);
			return scan->code;
		}
	}
	return 0;
}

int guard_scan(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t size,
	       const struct guard_limits *limits, char **ret_error)
{
	struct scan scan = {.limits = limits};

	if (size > limits->bytes) {
		*ret_error = util_format("%s: %zu bytes are more than the limit of %zu",
					 descriptor->name, size, limits->bytes);
		return -EMSGSIZE;
	}
	if (!size || !scan_message(&scan, descriptor, (struct cursor){data, data + size}, 0))
		return 0;
	if (scan.where)
		*ret_error = util_format("%s: %s", scan.where, scan.error);
	else
		*ret_error = util_strdup(scan.error);
	free(scan.where);
	free(scan.error);
	return scan.code;
}
