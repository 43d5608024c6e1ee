/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two protobuf formats, read back with generated code as a scraper or a collector does. */
#include "agent/latency_bounds.h"
#include "agent/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/util.h"
#include "io/prometheus/client/metrics.pb-c.h"
#include "opentelemetry/metrics.pb-c.h"

typedef Io__Prometheus__Client__MetricFamily family_message;
typedef Io__Prometheus__Client__Histogram histogram_message;
typedef Opentelemetry__ExportMetricsServiceRequest request_message;

static const struct metric_family counter = {"m_total", METRIC_COUNTER, "Things."};
static const struct metric_family gauge = {"g", METRIC_GAUGE, "Level."};
static const struct metric_family latency = {"l_seconds", METRIC_HISTOGRAM, "Waits."};
static const struct metrics_origin origin = {
	.node = "edge-1", .version = "v1", .start_ns = 1000, .now_ns = 2000};

static void put_all(struct metrics_out *out, const uint64_t *bucket)
{
	metrics_family(out, &counter);
	metrics_count(out, 7, METRIC_LABELS({"a", "x"}, {"none", NULL}, {"b", "y\n"}));
	metrics_count(out, 8, METRIC_NO_LABELS);
	metrics_family(out, &gauge);
	metrics_gauge(out, 2.5, METRIC_NO_LABELS);
	metrics_family(out, &latency);
	metrics_latency(out, bucket, 1500000000, METRIC_LABELS({"a", "x"}));
}

/* The next of several messages behind their lengths; steps over it. NULL: that was all. */
static family_message *next_family(const uint8_t **at, const uint8_t *end)
{
	family_message *family;
	size_t size = 0;

	if (*at == end)
		return NULL;
	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = *(*at)++;

		size |= (size_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	assert_true(size <= (size_t)(end - *at));
	family = io__prometheus__client__metric_family__unpack(NULL, size, *at);
	assert_non_null(family);
	*at += size;
	return family;
}

static void expect_family(const family_message *family, const struct metric_family *wanted,
			  size_t metrics)
{
	assert_string_equal(family->name, wanted->name);
	assert_string_equal(family->help, wanted->help);
	assert_int_equal(family->n_metric, metrics);
	assert_null(family->base.unknown_fields);
}

static void a_scraper_reads_the_same_names_labels_and_values(void **state)
{
	const uint64_t bucket[LATENCY_BUCKETS] = {1};
	struct metrics_out *out = metrics_new(METRICS_PROTOBUF, NULL);
	const uint8_t *at, *end;
	family_message *family;
	size_t size;

	(void)state;
	put_all(out, bucket);
	at = metrics_take(out, &size);
	end = at + size;
	family = next_family(&at, end);
	expect_family(family, &counter, 2);
	assert_int_equal(family->type, IO__PROMETHEUS__CLIENT__METRIC_TYPE__COUNTER);
	assert_int_equal(family->metric[0]->n_label, 2);
	assert_string_equal(family->metric[0]->label[0]->name, "a");
	assert_string_equal(family->metric[0]->label[0]->value, "x");
	assert_string_equal(family->metric[0]->label[1]->value, "y?");
	assert_true(family->metric[0]->counter->value == 7);
	assert_int_equal(family->metric[1]->n_label, 0);
	io__prometheus__client__metric_family__free_unpacked(family, NULL);
	family = next_family(&at, end);
	expect_family(family, &gauge, 1);
	assert_int_equal(family->type, IO__PROMETHEUS__CLIENT__METRIC_TYPE__GAUGE);
	assert_true(family->metric[0]->gauge->value == 2.5);
	io__prometheus__client__metric_family__free_unpacked(family, NULL);
	family = next_family(&at, end);
	expect_family(family, &latency, 1);
	assert_int_equal(family->type, IO__PROMETHEUS__CLIENT__METRIC_TYPE__HISTOGRAM);
	io__prometheus__client__metric_family__free_unpacked(family, NULL);
	assert_ptr_equal(at, end);
	metrics_free(out);
}

/* What a native histogram's spans and deltas say of one index. */
static uint64_t native_count(const histogram_message *histogram, int32_t index)
{
	int64_t count = 0;
	int32_t at = 0;
	size_t delta = 0;

	for (size_t i = 0; i < histogram->n_positive_span; i++) {
		at += histogram->positive_span[i]->offset;
		for (uint32_t j = 0; j < histogram->positive_span[i]->length; j++, at++) {
			assert_in_range(delta, 0, histogram->n_positive_delta - 1);
			count += histogram->positive_delta[delta++];
			if (at == index)
				return (uint64_t)count;
		}
	}
	return 0;
}

static void expect_native(const histogram_message *histogram, const uint64_t *bucket)
{
	struct latency_exponential wanted;
	uint64_t sum = histogram->zero_count;

	latency_exponential(bucket, &wanted);
	assert_int_equal(histogram->schema, 3);
	assert_true(histogram->zero_threshold == 32768e-9);
	assert_int_equal(histogram->zero_count, wanted.zero);
	for (int32_t i = -1; i <= (int32_t)wanted.n; i++) {
		uint64_t want = i >= 0 && i < (int32_t)wanted.n ? wanted.count[i] : 0;

		assert_int_equal(native_count(histogram, wanted.first + i), want);
		sum += want;
	}
	assert_int_equal(sum, histogram->sample_count);
}

static void expect_classic(const histogram_message *histogram, const uint64_t *bucket)
{
	uint64_t below[LATENCY_BOUNDS + 1];

	latency_cumulate(bucket, below);
	assert_int_equal(histogram->n_bucket, LATENCY_BOUNDS);
	for (size_t i = 0; i < LATENCY_BOUNDS; i++) {
		assert_int_equal(histogram->bucket[i]->cumulative_count, below[i]);
		assert_true(histogram->bucket[i]->upper_bound ==
			    (double)latency_bounds()->ns[i] / 1e9);
	}
	assert_int_equal(histogram->sample_count, below[LATENCY_BOUNDS]);
}

static void check_histogram(const uint64_t *bucket)
{
	struct metrics_out *out = metrics_new(METRICS_PROTOBUF, NULL);
	histogram_message *histogram;
	family_message *family;
	const uint8_t *at;
	size_t size;

	metrics_family(out, &latency);
	metrics_latency(out, bucket, 1500000000, METRIC_NO_LABELS);
	at = metrics_take(out, &size);
	family = next_family(&at, at + size);
	histogram = family->metric[0]->histogram;
	assert_true(histogram->sample_sum == 1.5);
	expect_classic(histogram, bucket);
	expect_native(histogram, bucket);
	io__prometheus__client__metric_family__free_unpacked(family, NULL);
	metrics_free(out);
}

static void a_histogram_says_the_same_in_both_of_its_forms(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS] = {};

	(void)state;
	check_histogram(bucket);
	bucket[0] = 9;
	check_histogram(bucket);
	bucket[1] = 3; /* gaps of every width, counts that rise and fall */
	for (size_t i = 2, gap = 0; i < LATENCY_BUCKETS; i += ++gap)
		bucket[i] = 1000000007 * i % 4099;
	check_histogram(bucket);
	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		bucket[i] = UINT32_MAX * (i % 3 + 1);
	check_histogram(bucket);
}

static void a_family_goes_on_in_a_message_of_its_own(void **state)
{
	struct metrics_out *out = metrics_new(METRICS_PROTOBUF, NULL);
	const uint8_t *at, *end;
	family_message *family;
	size_t size;

	(void)state;
	metrics_family(out, &counter);
	metrics_count(out, 1, METRIC_NO_LABELS);
	metrics_take(out, &size);
	metrics_count(out, 2, METRIC_NO_LABELS);
	at = metrics_take(out, &size);
	end = at + size;
	family = next_family(&at, end);
	expect_family(family, &counter, 1);
	assert_true(family->metric[0]->counter->value == 2);
	assert_ptr_equal(at, end);
	io__prometheus__client__metric_family__free_unpacked(family, NULL);
	metrics_free(out);
}

static request_message *take_request(struct metrics_out *out)
{
	size_t size;
	const uint8_t *data = metrics_take(out, &size);
	request_message *request = opentelemetry__export_metrics_service_request__unpack(NULL, size,
											 data);

	assert_non_null(request);
	assert_int_equal(request->n_resource_metrics, 1);
	assert_int_equal(request->resource_metrics[0]->n_scope_metrics, 1);
	return request;
}

static void a_collector_is_told_who_speaks(void **state)
{
	struct metrics_out *out = metrics_new(METRICS_OTLP, &origin);
	Opentelemetry__Resource *resource;
	request_message *request;

	(void)state;
	metrics_family(out, &gauge);
	metrics_gauge(out, 1, METRIC_NO_LABELS);
	request = take_request(out);
	resource = request->resource_metrics[0]->resource;
	assert_int_equal(resource->n_attributes, 3);
	assert_string_equal(resource->attributes[0]->key, "service.name");
	assert_string_equal(resource->attributes[0]->value->string_value, "steerd");
	assert_string_equal(resource->attributes[1]->key, "host.name");
	assert_string_equal(resource->attributes[1]->value->string_value, "edge-1");
	assert_string_equal(resource->attributes[2]->value->string_value, "v1");
	opentelemetry__export_metrics_service_request__free_unpacked(request, NULL);
	metrics_free(out);
}

static void expect_point(const Opentelemetry__ExponentialHistogramDataPoint *point,
			 const uint64_t *bucket)
{
	struct latency_exponential wanted;

	latency_exponential(bucket, &wanted);
	assert_int_equal(point->start_time_unix_nano, 1000);
	assert_int_equal(point->time_unix_nano, 2000);
	assert_int_equal(point->count, 15);
	assert_true(point->sum == 1.5);
	assert_int_equal(point->scale, 3);
	assert_int_equal(point->zero_count, 1);
	assert_true(point->zero_threshold == 32768e-9);
	assert_int_equal(point->positive->offset, wanted.first - 1);
	assert_int_equal(point->positive->n_bucket_counts, wanted.n);
	assert_memory_equal(point->positive->bucket_counts, wanted.count,
			    wanted.n * sizeof(wanted.count[0]));
	assert_string_equal(point->attributes[0]->value->string_value, "x");
}

static void a_collector_reads_cumulative_sums_gauges_and_histograms(void **state)
{
	uint64_t bucket[LATENCY_BUCKETS] = {[0] = 1, [40] = 6, [47] = 8};
	struct metrics_out *out = metrics_new(METRICS_OTLP, &origin);
	Opentelemetry__Metric **metrics;
	request_message *request;

	(void)state;
	put_all(out, bucket);
	request = take_request(out);
	assert_int_equal(request->resource_metrics[0]->scope_metrics[0]->n_metrics, 3);
	metrics = request->resource_metrics[0]->scope_metrics[0]->metrics;
	assert_string_equal(metrics[0]->name, "m_total");
	assert_string_equal(metrics[0]->description, "Things.");
	assert_int_equal(metrics[0]->data_case, OPENTELEMETRY__METRIC__DATA_SUM);
	assert_true(metrics[0]->sum->is_monotonic);
	assert_int_equal(metrics[0]->sum->aggregation_temporality, 2);
	assert_int_equal(metrics[0]->sum->n_data_points, 2);
	assert_int_equal(metrics[0]->sum->data_points[0]->as_int, 7);
	assert_int_equal(metrics[0]->sum->data_points[0]->start_time_unix_nano, 1000);
	assert_int_equal(metrics[0]->sum->data_points[0]->n_attributes, 2);
	assert_int_equal(metrics[1]->data_case, OPENTELEMETRY__METRIC__DATA_GAUGE);
	assert_true(metrics[1]->gauge->data_points[0]->as_double == 2.5);
	assert_int_equal(metrics[2]->data_case, OPENTELEMETRY__METRIC__DATA_EXPONENTIAL_HISTOGRAM);
	assert_string_equal(metrics[2]->unit, "s");
	assert_int_equal(metrics[2]->exponential_histogram->aggregation_temporality, 2);
	expect_point(metrics[2]->exponential_histogram->data_points[0], bucket);
	opentelemetry__export_metrics_service_request__free_unpacked(request, NULL);
	metrics_free(out);
}

static void each_piece_is_a_request_of_its_own(void **state)
{
	struct metrics_out *out = metrics_new(METRICS_OTLP, &origin);
	request_message *request;
	size_t size;

	(void)state;
	metrics_family(out, &counter);
	metrics_count(out, 1, METRIC_NO_LABELS);
	metrics_take(out, &size);
	metrics_count(out, 2, METRIC_NO_LABELS);
	request = take_request(out);
	assert_string_equal(request->resource_metrics[0]->scope_metrics[0]->metrics[0]->name,
			    "m_total");
	opentelemetry__export_metrics_service_request__free_unpacked(request, NULL);
	metrics_free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scraper_reads_the_same_names_labels_and_values),
		cmocka_unit_test(a_histogram_says_the_same_in_both_of_its_forms),
		cmocka_unit_test(a_family_goes_on_in_a_message_of_its_own),
		cmocka_unit_test(a_collector_is_told_who_speaks),
		cmocka_unit_test(a_collector_reads_cumulative_sums_gauges_and_histograms),
		cmocka_unit_test(each_piece_is_a_request_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
