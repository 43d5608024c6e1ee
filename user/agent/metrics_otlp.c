/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* OTLP: cumulative sums, gauges and exponential histograms, each piece a request of its own. */
#include "agent/metrics_internal.h"

#include "agent/latency_bounds.h"
#include "common/util.h"
#include "opentelemetry/metrics.pb-c.h"

/* Field numbers of what is put together from parts that are packed already. */
#define REQUEST_RESOURCE_METRICS 1
#define RESOURCE_METRICS_SCOPE	 2
#define SCOPE_METRICS_METRICS	 2
#define METRIC_GAUGE_DATA	 5
#define METRIC_SUM_DATA		 7
#define METRIC_EXPONENTIAL_DATA	 10
#define DATA_POINTS		 1 /* of each of these three */

#define CUMULATIVE OPENTELEMETRY__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE

struct attributes {
	Opentelemetry__KeyValue pair[METRIC_LABELS_MAX], *list[METRIC_LABELS_MAX];
	Opentelemetry__AnyValue value[METRIC_LABELS_MAX];
	size_t n;
};

static void fill_attributes(const struct metric_labels *labels, struct attributes *ret)
{
	ret->n = 0;
	for (const struct metric_label *label = labels->label; label->name; label++) {
		Opentelemetry__AnyValue *value = &ret->value[ret->n];
		Opentelemetry__KeyValue *pair = &ret->pair[ret->n];

		opentelemetry__any_value__init(value);
		value->value_case = OPENTELEMETRY__ANY_VALUE__VALUE_STRING_VALUE;
		value->string_value = (char *)label->value;
		opentelemetry__key_value__init(pair);
		pair->key = (char *)label->name;
		pair->value = value;
		ret->list[ret->n++] = pair;
	}
}

static void open_family(struct metrics_out *out)
{
	out->values.size = 0;
}

static void put_number(struct metrics_out *out, Opentelemetry__NumberDataPoint point,
		       const struct metric_labels *labels)
{
	struct attributes attributes;

	fill_attributes(labels, &attributes);
	point.n_attributes = attributes.n;
	point.attributes = attributes.list;
	point.time_unix_nano = out->origin->now_ns;
	bytes_put_message(&out->values, DATA_POINTS, &point.base);
}

static void count(struct metrics_out *out, uint64_t value, const struct metric_labels *labels)
{
	Opentelemetry__NumberDataPoint point = OPENTELEMETRY__NUMBER_DATA_POINT__INIT;

	point.start_time_unix_nano = out->origin->start_ns;
	point.value_case = OPENTELEMETRY__NUMBER_DATA_POINT__VALUE_AS_INT;
	point.as_int = (int64_t)value;
	put_number(out, point, labels);
}

static void gauge(struct metrics_out *out, double value, const struct metric_labels *labels)
{
	Opentelemetry__NumberDataPoint point = OPENTELEMETRY__NUMBER_DATA_POINT__INIT;

	point.value_case = OPENTELEMETRY__NUMBER_DATA_POINT__VALUE_AS_DOUBLE;
	point.as_double = value;
	put_number(out, point, labels);
}

static void latency(struct metrics_out *out, const uint64_t *bucket, uint64_t sum_ns,
		    const struct metric_labels *labels)
{
	Opentelemetry__ExponentialHistogramDataPoint point =
		OPENTELEMETRY__EXPONENTIAL_HISTOGRAM_DATA_POINT__INIT;
	Opentelemetry__ExponentialHistogramDataPoint__Buckets positive =
		OPENTELEMETRY__EXPONENTIAL_HISTOGRAM_DATA_POINT__BUCKETS__INIT;
	struct latency_exponential counts;
	struct attributes attributes;

	fill_attributes(labels, &attributes);
	latency_exponential(bucket, &counts);
	positive.offset = counts.first - 1; /* an index is named by its lower end here */
	positive.n_bucket_counts = counts.n;
	positive.bucket_counts = counts.count;
	point.n_attributes = attributes.n;
	point.attributes = attributes.list;
	point.start_time_unix_nano = out->origin->start_ns;
	point.time_unix_nano = out->origin->now_ns;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		point.count += bucket[i];
	point.sum_present_case = OPENTELEMETRY__EXPONENTIAL_HISTOGRAM_DATA_POINT__SUM_PRESENT_SUM;
	point.sum = (double)sum_ns / 1e9;
	point.scale = LATENCY_EXPONENTIAL_SCALE;
	point.zero_count = counts.zero;
	point.zero_threshold = latency_zero_threshold();
	point.positive = &positive;
	bytes_put_message(&out->values, DATA_POINTS, &point.base);
}

static const char *unit(const char *name)
{
	if (strstr(name, "_seconds"))
		return "s";
	return strstr(name, "_bytes") ? "By" : "1";
}

/* The Sum, Gauge or ExponentialHistogram goes behind the points in `values`. */
static uint32_t end_data(struct metrics_out *out)
{
	Opentelemetry__ExponentialHistogram histogram = OPENTELEMETRY__EXPONENTIAL_HISTOGRAM__INIT;
	Opentelemetry__Sum sum = OPENTELEMETRY__SUM__INIT;

	switch (out->family->type) {
	case METRIC_COUNTER:
		sum.aggregation_temporality = CUMULATIVE;
		sum.is_monotonic = true;
		bytes_put_fields(&out->values, &sum.base);
		return METRIC_SUM_DATA;
	case METRIC_HISTOGRAM:
		histogram.aggregation_temporality = CUMULATIVE;
		bytes_put_fields(&out->values, &histogram.base);
		return METRIC_EXPONENTIAL_DATA;
	default:
		return METRIC_GAUGE_DATA;
	}
}

static void close_family(struct metrics_out *out)
{
	Opentelemetry__Metric metric = OPENTELEMETRY__METRIC__INIT;
	struct bytes *head = &out->scratch;
	uint32_t data = end_data(out);

	metric.name = (char *)out->family->name;
	metric.description = (char *)out->family->help;
	metric.unit = (char *)unit(metric.name);
	head->size = 0;
	bytes_put_fields(head, &metric.base);
	bytes_put_header(head, data, out->values.size);
	bytes_put_header(&out->piece, SCOPE_METRICS_METRICS, head->size + out->values.size);
	bytes_put(&out->piece, head->data, head->size);
	bytes_put(&out->piece, out->values.data, out->values.size);
	out->values.size = 0;
}

static void fill_resource(const struct metrics_origin *origin, struct attributes *attributes,
			  Opentelemetry__ResourceMetrics *resource_metrics)
{
	fill_attributes(METRIC_LABELS({"service.name", "steerd"}, {"host.name", origin->node},
				      {"service.version", origin->version}),
			attributes);
	resource_metrics->resource->n_attributes = attributes->n;
	resource_metrics->resource->attributes = attributes->list;
}

/* Around the metrics of the piece: their scope, the resource, the request. */
static void finish(struct metrics_out *out)
{
	Opentelemetry__Resource resource = OPENTELEMETRY__RESOURCE__INIT;
	Opentelemetry__ResourceMetrics from = OPENTELEMETRY__RESOURCE_METRICS__INIT;
	Opentelemetry__InstrumentationScope scope = OPENTELEMETRY__INSTRUMENTATION_SCOPE__INIT;
	Opentelemetry__ScopeMetrics of = OPENTELEMETRY__SCOPE_METRICS__INIT;
	struct bytes whole = {}, *head = &out->scratch;
	struct attributes attributes;
	size_t scope_size;

	scope.name = (char *)"steerd";
	of.scope = &scope;
	scope_size = protobuf_c_message_get_packed_size(&of.base) + out->piece.size;
	from.resource = &resource;
	fill_resource(out->origin, &attributes, &from);
	head->size = 0;
	bytes_put_fields(head, &from.base);
	bytes_put_header(head, RESOURCE_METRICS_SCOPE, scope_size);
	bytes_put_fields(head, &of.base);
	bytes_put_header(&whole, REQUEST_RESOURCE_METRICS, head->size + out->piece.size);
	bytes_put(&whole, head->data, head->size);
	bytes_put(&whole, out->piece.data, out->piece.size);
	free(out->piece.data);
	out->piece = whole;
}

const struct metrics_encoder metrics_otlp = {
	.open = open_family,
	.count = count,
	.gauge = gauge,
	.latency = latency,
	.close = close_family,
	.finish = finish,
};
