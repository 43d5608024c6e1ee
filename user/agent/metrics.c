/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/metrics_internal.h"

#include "common/text.h"
#include "common/util.h"

static const struct metrics_encoder *const encoders[METRICS_FORMAT_MAX] = {
	[METRICS_TEXT] = &metrics_text,
	[METRICS_PROTOBUF] = &metrics_protobuf,
	[METRICS_OTLP] = &metrics_otlp,
};

void *bytes_extend(struct bytes *bytes, size_t n)
{
	void *end;

	if (bytes->size + n > bytes->capacity) {
		bytes->capacity = 2 * (bytes->size + n);
		bytes->data = util_realloc(bytes->data, bytes->capacity, 1);
	}
	end = bytes->data + bytes->size;
	bytes->size += n;
	return end;
}

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
	void *end = bytes_extend(bytes, size);

	if (size)
		memcpy(end, data, size);
}

void bytes_put_text(struct bytes *bytes, const char *text)
{
	bytes_put(bytes, text, strlen(text));
}

void bytes_put_varint(struct bytes *bytes, uint64_t value)
{
	uint8_t text[10];
	size_t n = 0;

	for (; value > 0x7f; value >>= 7)
		text[n++] = (uint8_t)(value | 0x80);
	text[n++] = (uint8_t)value;
	bytes_put(bytes, text, n);
}

void bytes_put_header(struct bytes *bytes, uint32_t field, size_t size)
{
	bytes_put_varint(bytes, field << 3 | 2); /* wire type: length-delimited */
	bytes_put_varint(bytes, size);
}

void bytes_put_fields(struct bytes *bytes, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	protobuf_c_message_pack(message, bytes_extend(bytes, size));
}

void bytes_put_message(struct bytes *bytes, uint32_t field, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	bytes_put_header(bytes, field, size);
	protobuf_c_message_pack(message, bytes_extend(bytes, size));
}

struct metrics_out *metrics_new(enum metrics_format format, const struct metrics_origin *origin)
{
	struct metrics_out *out = util_calloc(1, sizeof(*out));

	out->encoder = encoders[format];
	out->origin = origin;
	return out;
}

void metrics_free(struct metrics_out *out)
{
	if (!out)
		return;
	free(out->piece.data);
	free(out->values.data);
	free(out->scratch.data);
	free(out);
}

static void close_family(struct metrics_out *out)
{
	if (out->is_open)
		out->encoder->close(out);
	out->is_open = false;
}

void metrics_family(struct metrics_out *out, const struct metric_family *family)
{
	close_family(out);
	out->family = family;
	out->is_begun = false;
}

static void open_family(struct metrics_out *out)
{
	if (out->is_taken)
		out->piece.size = 0;
	out->is_taken = false;
	if (!out->is_open)
		out->encoder->open(out);
	out->is_open = out->is_begun = true;
}

struct printable {
	struct metric_labels labels;
	char *copies[METRIC_LABELS_MAX];
};

static void printable_clear(struct printable *printable)
{
	for (size_t i = 0; i < METRIC_LABELS_MAX; i++)
		free(printable->copies[i]);
}

/* The labels that are there, fit for any format. */
static void make_printable(const struct metric_labels *labels, struct printable *ret)
{
	size_t n = 0;

	*ret = (struct printable){};
	for (const struct metric_label *label = labels->label; label->name; label++) {
		if (!label->value)
			continue;
		ret->labels.label[n] = *label;
		if (!text_is_printable(label->value)) {
			ret->copies[n] = util_strdup(label->value);
			text_make_printable(ret->copies[n]);
			ret->labels.label[n].value = ret->copies[n];
		}
		n++;
	}
}

#define CLEANUP_PRINTABLE __attribute__((cleanup(printable_clear)))

void metrics_count(struct metrics_out *out, uint64_t value, const struct metric_labels *labels)
{
	CLEANUP_PRINTABLE struct printable printable;

	make_printable(labels, &printable);
	open_family(out);
	out->encoder->count(out, value, &printable.labels);
}

void metrics_gauge(struct metrics_out *out, double value, const struct metric_labels *labels)
{
	CLEANUP_PRINTABLE struct printable printable;

	make_printable(labels, &printable);
	open_family(out);
	out->encoder->gauge(out, value, &printable.labels);
}

void metrics_latency(struct metrics_out *out, const uint64_t *bucket, uint64_t sum_ns,
		     const struct metric_labels *labels)
{
	CLEANUP_PRINTABLE struct printable printable;

	make_printable(labels, &printable);
	open_family(out);
	out->encoder->latency(out, bucket, sum_ns, &printable.labels);
}

size_t metrics_size(const struct metrics_out *out)
{
	return (out->is_taken ? 0 : out->piece.size) + out->values.size;
}

const void *metrics_take(struct metrics_out *out, size_t *ret_size)
{
	close_family(out);
	if (out->is_taken || !out->piece.size) {
		*ret_size = 0;
		return NULL;
	}
	out->encoder->finish(out);
	out->is_taken = true;
	*ret_size = out->piece.size;
	return out->piece.data;
}
