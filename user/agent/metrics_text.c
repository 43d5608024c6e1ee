/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/metrics_internal.h"

#include "agent/latency_bounds.h"
#include "common/util.h"

#include <inttypes.h>
#include <math.h>

#define NUMBER_MAX 32 /* bytes of a number as text */
#define BOUND_MAX  (NUMBER_MAX + 8)

static const char *const type_names[METRIC_TYPE_MAX] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

static void open_family(struct metrics_out *out)
{
	const struct metric_family *family = out->family;
	const char *const parts[] = {
		"# HELP ",   family->name, " ", family->help,
		"\n# TYPE ", family->name, " ", type_names[family->type],
		"\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts) && !out->is_begun; i++)
		bytes_put_text(&out->piece, parts[i]);
}

/* Printable text has no line feeds, which would need escaping too. */
static void put_escaped(struct bytes *bytes, const char *text)
{
	size_t plain;

	for (; *text; text += plain) {
		plain = strcspn(text, "\"\\");
		bytes_put(bytes, text, plain);
		if (text[plain]) {
			bytes_put(bytes, "\\", 1);
			bytes_put(bytes, text + plain++, 1);
		}
	}
}

/* {a="x",b="y" without the brace at the end; nothing without labels. */
static void put_labels(struct bytes *bytes, const struct metric_labels *labels)
{
	const char *before = "{";

	for (const struct metric_label *label = labels->label; label->name; label++) {
		bytes_put_text(bytes, before);
		bytes_put_text(bytes, label->name);
		bytes_put_text(bytes, "=\"");
		put_escaped(bytes, label->value);
		bytes_put(bytes, "\"", 1);
		before = ",";
	}
}

/* suffix: "" or "_sum", "_count" of a histogram */
static void put_name(struct metrics_out *out, const char *suffix,
		     const struct metric_labels *labels)
{
	bytes_put_text(&out->piece, out->family->name);
	bytes_put_text(&out->piece, suffix);
	put_labels(&out->piece, labels);
	bytes_put_text(&out->piece, labels->label[0].name ? "} " : " ");
}

static void put_count(struct bytes *bytes, uint64_t value)
{
	char text[NUMBER_MAX], *start = text + sizeof(text);

	*--start = '\n';
	do
		*--start = (char)('0' + value % 10);
	while (value /= 10);
	bytes_put(bytes, start, (size_t)(text + sizeof(text) - start));
}

static void count(struct metrics_out *out, uint64_t value, const struct metric_labels *labels)
{
	put_name(out, "", labels);
	put_count(&out->piece, value);
}

/* The fewest digits that read back to the same number. */
static const char *number_text(double value, char text[NUMBER_MAX])
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "+Inf" : "-Inf";
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, NUMBER_MAX, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return text;
}

static void gauge(struct metrics_out *out, double value, const struct metric_labels *labels)
{
	char text[NUMBER_MAX];

	put_name(out, "", labels);
	bytes_put_text(&out->piece, number_text(value, text));
	bytes_put(&out->piece, "\n", 1);
}

struct bound_texts {
	char text[LATENCY_BOUNDS + 1][BOUND_MAX]; /* `le="0.001"} ` */
};

static const struct bound_texts *bound_texts(void)
{
	static struct bound_texts texts;
	char number[NUMBER_MAX];

	for (size_t i = 0; i <= LATENCY_BOUNDS && !texts.text[LATENCY_BOUNDS][0]; i++) {
		double bound = INFINITY;

		if (i < LATENCY_BOUNDS)
			bound = (double)latency_bounds()->ns[i] / 1e9;
		snprintf(texts.text[i], BOUND_MAX, "le=\"%s\"} ", number_text(bound, number));
	}
	return &texts;
}

/* name_bucket{labels, */
static void put_bucket_start(struct metrics_out *out, const struct metric_labels *labels)
{
	struct bytes *start = &out->scratch;

	start->size = 0;
	bytes_put_text(start, out->family->name);
	bytes_put_text(start, "_bucket");
	put_labels(start, labels);
	bytes_put(start, labels->label[0].name ? "," : "{", 1);
}

static void latency(struct metrics_out *out, const uint64_t *bucket, uint64_t sum_ns,
		    const struct metric_labels *labels)
{
	const struct bound_texts *bounds = bound_texts();
	uint64_t below[LATENCY_BOUNDS + 1];
	char sum[NUMBER_MAX];

	latency_cumulate(bucket, below);
	put_bucket_start(out, labels);
	for (size_t i = 0; i <= LATENCY_BOUNDS; i++) {
		bytes_put(&out->piece, out->scratch.data, out->scratch.size);
		bytes_put_text(&out->piece, bounds->text[i]);
		put_count(&out->piece, below[i]);
	}
	put_name(out, "_sum", labels);
	snprintf(sum, sizeof(sum), "%" PRIu64 ".%09" PRIu64 "\n", sum_ns / 1000000000,
		 sum_ns % 1000000000);
	bytes_put_text(&out->piece, sum);
	put_name(out, "_count", labels);
	put_count(&out->piece, below[LATENCY_BOUNDS]);
}

static void nothing(struct metrics_out *out)
{
	(void)out;
}

const struct metrics_encoder metrics_text = {
	.open = open_family,
	.count = count,
	.gauge = gauge,
	.latency = latency,
	.close = nothing,
	.finish = nothing,
};
