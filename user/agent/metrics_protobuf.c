/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prometheus' protobuf format. A histogram is in there twice: with the bounds of the text format,
 * and as a native histogram.
 */
#include "agent/metrics_internal.h"

#include "agent/latency_bounds.h"
#include "io/prometheus/client/metrics.pb-c.h"

#define FIELD_METRIC 4 /* of MetricFamily */
#define GAP_MAX	     2 /* empty buckets that are cheaper to send than another span */

typedef Io__Prometheus__Client__Metric metric_message;
typedef Io__Prometheus__Client__Histogram histogram_message;
typedef Io__Prometheus__Client__Bucket bucket_message;
typedef Io__Prometheus__Client__BucketSpan span_message;

static const Io__Prometheus__Client__MetricType types[METRIC_TYPE_MAX] = {
	[METRIC_COUNTER] = IO__PROMETHEUS__CLIENT__METRIC_TYPE__COUNTER,
	[METRIC_GAUGE] = IO__PROMETHEUS__CLIENT__METRIC_TYPE__GAUGE,
	[METRIC_HISTOGRAM] = IO__PROMETHEUS__CLIENT__METRIC_TYPE__HISTOGRAM,
};

static void open_family(struct metrics_out *out)
{
	out->values.size = 0;
}

static void put_metric(struct metrics_out *out, metric_message metric,
		       const struct metric_labels *labels)
{
	Io__Prometheus__Client__LabelPair pairs[METRIC_LABELS_MAX], *list[METRIC_LABELS_MAX];

	metric.label = list;
	for (const struct metric_label *label = labels->label; label->name; label++) {
		Io__Prometheus__Client__LabelPair *pair = &pairs[metric.n_label];

		io__prometheus__client__label_pair__init(pair);
		pair->name = (char *)label->name;
		pair->value = (char *)label->value;
		list[metric.n_label++] = pair;
	}
	bytes_put_message(&out->values, FIELD_METRIC, &metric.base);
}

static void count(struct metrics_out *out, uint64_t value, const struct metric_labels *labels)
{
	metric_message metric = IO__PROMETHEUS__CLIENT__METRIC__INIT;
	Io__Prometheus__Client__Counter counter = IO__PROMETHEUS__CLIENT__COUNTER__INIT;

	counter.has_value = true;
	counter.value = (double)value;
	metric.counter = &counter;
	put_metric(out, metric, labels);
}

static void gauge(struct metrics_out *out, double value, const struct metric_labels *labels)
{
	metric_message metric = IO__PROMETHEUS__CLIENT__METRIC__INIT;
	Io__Prometheus__Client__Gauge number = IO__PROMETHEUS__CLIENT__GAUGE__INIT;

	number.has_value = true;
	number.value = value;
	metric.gauge = &number;
	put_metric(out, metric, labels);
}

struct classic {
	bucket_message bucket[LATENCY_BOUNDS], *list[LATENCY_BOUNDS];
};

static void fill_classic(histogram_message *histogram, const uint64_t below[LATENCY_BOUNDS],
			 struct classic *classic)
{
	for (size_t i = 0; i < LATENCY_BOUNDS; i++) {
		bucket_message *bucket = &classic->bucket[i];

		io__prometheus__client__bucket__init(bucket);
		bucket->has_cumulative_count = bucket->has_upper_bound = true;
		bucket->cumulative_count = below[i];
		bucket->upper_bound = (double)latency_bounds()->ns[i] / 1e9;
		classic->list[i] = bucket;
	}
	histogram->n_bucket = LATENCY_BOUNDS;
	histogram->bucket = classic->list;
}

struct native {
	struct latency_exponential counts;
	span_message span[LATENCY_EXPONENTIAL_MAX], *list[LATENCY_EXPONENTIAL_MAX];
	int64_t delta[LATENCY_EXPONENTIAL_MAX];
};

static void add_span(histogram_message *histogram, struct native *native, int32_t offset)
{
	span_message *span = &native->span[histogram->n_positive_span];

	io__prometheus__client__bucket_span__init(span);
	span->has_offset = span->has_length = true;
	span->offset = offset;
	native->list[histogram->n_positive_span++] = span;
}

/* Spans of buckets, and each bucket's count as its difference to the one before. */
static void fill_spans(histogram_message *histogram, struct native *native)
{
	const struct latency_exponential *counts = &native->counts;
	uint64_t before = 0;
	uint32_t next = 0; /* the first that no span has */

	for (uint32_t i = 0; i < counts->n; i++) {
		if (!counts->count[i])
			continue;
		if (!next || i - next > GAP_MAX) {
			add_span(histogram, native, next ? (int32_t)(i - next) : counts->first);
			next = i;
		}
		for (; next <= i; next++) {
			uint64_t now = counts->count[next];

			native->delta[histogram->n_positive_delta++] = (int64_t)(now - before);
			native->list[histogram->n_positive_span - 1]->length++;
			before = now;
		}
	}
}

static void fill_native(histogram_message *histogram, const uint64_t *bucket, struct native *native)
{
	latency_exponential(bucket, &native->counts);
	histogram->has_schema = histogram->has_zero_threshold = histogram->has_zero_count = true;
	histogram->schema = LATENCY_EXPONENTIAL_SCALE;
	histogram->zero_threshold = latency_zero_threshold();
	histogram->zero_count = native->counts.zero;
	histogram->positive_span = native->list;
	histogram->positive_delta = native->delta;
	fill_spans(histogram, native);
}

static void latency(struct metrics_out *out, const uint64_t *bucket, uint64_t sum_ns,
		    const struct metric_labels *labels)
{
	metric_message metric = IO__PROMETHEUS__CLIENT__METRIC__INIT;
	histogram_message histogram = IO__PROMETHEUS__CLIENT__HISTOGRAM__INIT;
	uint64_t below[LATENCY_BOUNDS + 1];
	struct classic classic;
	struct native native;

	latency_cumulate(bucket, below);
	histogram.has_sample_count = histogram.has_sample_sum = true;
	histogram.sample_count = below[LATENCY_BOUNDS];
	histogram.sample_sum = (double)sum_ns / 1e9;
	fill_classic(&histogram, below, &classic);
	fill_native(&histogram, bucket, &native);
	metric.histogram = &histogram;
	put_metric(out, metric, labels);
}

static void close_family(struct metrics_out *out)
{
	Io__Prometheus__Client__MetricFamily family = IO__PROMETHEUS__CLIENT__METRIC_FAMILY__INIT;

	family.name = (char *)out->family->name;
	family.help = (char *)out->family->help;
	family.has_type = true;
	family.type = types[out->family->type];
	bytes_put_varint(&out->piece,
			 protobuf_c_message_get_packed_size(&family.base) + out->values.size);
	bytes_put_fields(&out->piece, &family.base);
	bytes_put(&out->piece, out->values.data, out->values.size);
	out->values.size = 0;
}

static void finish(struct metrics_out *out)
{
	(void)out;
}

const struct metrics_encoder metrics_protobuf = {
	.open = open_family,
	.count = count,
	.gauge = gauge,
	.latency = latency,
	.close = close_family,
	.finish = finish,
};
