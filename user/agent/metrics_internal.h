/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the formats share; for metrics*.c only. */
#ifndef STEER_METRICS_INTERNAL_H
#define STEER_METRICS_INTERNAL_H

#include "agent/metrics.h"

#include <protobuf-c/protobuf-c.h>

struct bytes {
	uint8_t *data;
	size_t size, capacity;
};

struct metrics_out {
	const struct metrics_encoder *encoder;
	const struct metrics_origin *origin;
	const struct metric_family *family;
	bool is_begun; /* the family has values, in this piece or an earlier one */
	bool is_open;  /* in this piece */
	bool is_taken; /* the piece: what follows is another */
	struct bytes piece;
	struct bytes values;  /* of the open family, where its length has to be known first */
	struct bytes scratch; /* of the encoder, within one call */
};

/* Labels come printable and without those that are left out. */
struct metrics_encoder {
	void (*open)(struct metrics_out *out); /* its first value in this piece follows */
	void (*count)(struct metrics_out *out, uint64_t value, const struct metric_labels *labels);
	void (*gauge)(struct metrics_out *out, double value, const struct metric_labels *labels);
	void (*latency)(struct metrics_out *out, const uint64_t *bucket, uint64_t sum_ns,
			const struct metric_labels *labels);
	void (*close)(struct metrics_out *out);	 /* no more values of it in this piece */
	void (*finish)(struct metrics_out *out); /* of the piece */
};

extern const struct metrics_encoder metrics_text, metrics_protobuf, metrics_otlp;

/* n more bytes at the end, to be written to. */
void *bytes_extend(struct bytes *bytes, size_t n);
void bytes_put(struct bytes *bytes, const void *data, size_t size);
void bytes_put_text(struct bytes *bytes, const char *text);

/* Protobuf's wire format: a field that holds bytes, or a packed message, or what is in `value`. */
void bytes_put_varint(struct bytes *bytes, uint64_t value);
void bytes_put_header(struct bytes *bytes, uint32_t field, size_t size);
void bytes_put_fields(struct bytes *bytes, const ProtobufCMessage *message);
void bytes_put_message(struct bytes *bytes, uint32_t field, const ProtobufCMessage *message);

#endif
