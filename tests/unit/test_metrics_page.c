/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The page of what is measured: a thousand backends, piece by piece. */
#include "agent/metrics_page.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/latency_bounds.h"
#include "common/util.h"
#include "io/prometheus/client/metrics.pb-c.h"
#include "lib/telemetry_world.h"
#include "opentelemetry/metrics.pb-c.h"

#define BACKENDS 1000
#define PAGE_MAX (64u << 20)

static const struct page_table *const series_only[] = {&page_series_table};
static const struct metrics_origin origin = {.node = "n", .version = "v"};

static char *thousand_backends(void)
{
	char *yaml;
	size_t size;
	FILE *out = open_memstream(&yaml, &size);

	fputs("stacks:\n", out);
	for (int s = 0; s < 10; s++) {
		fprintf(out, "  stack-number-%d:\n    backends:\n", s);
		for (int i = 0; i < BACKENDS / 10; i++)
			fprintf(out, "      - {address: '2001:db8:1234:5678::%x:%x'}\n", s, i + 1);
	}
	fputs("services:\n  a-service:\n    vips: [203.0.113.10]\n    split:\n", out);
	for (int s = 0; s < 10; s++)
		fprintf(out, "      stack-number-%d: 1\n", s);
	fclose(out);
	return yaml;
}

/* Every histogram of every backend has samples all over. */
static void record_everywhere(struct telemetry_world *world)
{
	for (size_t i = 0; i < world->view.series_slots; i++) {
		struct series *row = &world->view.series[i];

		for (int kind = 0; kind < LATENCY_KIND_MAX; kind++)
			for (uint32_t b = 0; b < LATENCY_BUCKETS; b++) {
				row->bucket[kind][b] = 1 + (uint32_t)(i + b * 7) % 100000;
				row->samples[kind] += row->bucket[kind][b];
				row->sum_ns[kind] += row->bucket[kind][b] * (1000ULL + b);
			}
		row->changed++;
	}
}

struct fixture {
	struct telemetry_world world;
	uint8_t *page;
	size_t size;
	size_t pieces, largest; /* of the page: how many, and bytes of the largest */
	unsigned long long total_us, longest_us;
};

static int setup(void **state)
{
	static struct fixture f;
	CLEANUP_FREE char *yaml = thousand_backends();

	f = (struct fixture){.page = util_calloc(1, PAGE_MAX)};
	telemetry_world_open(&f.world, 1, 1024);
	telemetry_world_apply(&f.world, yaml);
	record_everywhere(&f.world);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	telemetry_world_close(&f->world);
	free(f->page);
	return 0;
}

static unsigned long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

static struct metrics_page *open_page(struct fixture *f, enum metrics_format format)
{
	const struct metrics_source source = {.telemetry = f->world.telemetry};

	f->size = f->pieces = f->largest = 0;
	f->longest_us = 0;
	return metrics_page_new(format, &source, &origin, series_only, 1);
}

/* False: that was all. */
static bool add_piece(struct fixture *f, struct metrics_page *page)
{
	unsigned long long start = now_us(), took;
	size_t size;
	const void *piece = metrics_page_next(page, &size);

	took = now_us() - start;
	if (took > f->longest_us)
		f->longest_us = took;
	if (!piece)
		return false;
	assert_true(f->size + size < PAGE_MAX);
	memcpy(f->page + f->size, piece, size);
	f->size += size;
	f->pieces++;
	if (size > f->largest)
		f->largest = size;
	return true;
}

static void make_page(struct fixture *f, enum metrics_format format)
{
	unsigned long long start = now_us();
	struct metrics_page *page = open_page(f, format);

	while (add_piece(f, page))
		;
	metrics_page_free(page);
	f->page[f->size] = '\0';
	f->total_us = now_us() - start;
}

static void print_cost(const struct fixture *f, const char *name)
{
	print_message("%s: %zu bytes in %zu pieces, the largest %zu; %llu us in all, the longest "
		      "step %llu us\n",
		      name, f->size, f->pieces, f->largest, f->total_us, f->longest_us);
}

/* How long that takes is for `make accuracy` to say. */
static void check_pieces(struct fixture *f, enum metrics_format format, const char *name)
{
	make_page(f, format);
	print_cost(f, name);
	assert_true(f->largest < METRICS_PIECE + (16u << 10));
	assert_true(f->pieces > 10);
}

static void a_page_of_a_thousand_backends_comes_in_small_pieces(void **state)
{
	check_pieces(*state, METRICS_TEXT, "text");
	check_pieces(*state, METRICS_PROTOBUF, "protobuf");
	check_pieces(*state, METRICS_OTLP, "OTLP");
}

/* Each of a histogram's lines in turn: bounds that rise, counts that never fall. */
static void check_histograms(const char *text, size_t *ret_histograms)
{
	uint64_t below = 0, count;
	size_t bounds = 0;

	*ret_histograms = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *value = strchr(line, '}');

		if (*line == '#')
			continue;
		assert_non_null(value);
		count = strtoull(value + 1, NULL, 10);
		if (!strncmp(strchr(line, '{') - 7, "_bucket", 7)) {
			assert_true(count >= below);
			below = count;
			bounds++;
		} else if (!strncmp(strchr(line, '{') - 6, "_count", 6)) {
			assert_int_equal(bounds, LATENCY_BOUNDS + 1);
			assert_int_equal(count, below);
			bounds = below = 0;
			(*ret_histograms)++;
		}
	}
}

static void every_backend_has_its_histograms_whole(void **state)
{
	struct fixture *f = *state;
	size_t histograms;

	make_page(f, METRICS_TEXT);
	check_histograms((char *)f->page, &histograms);
	assert_int_equal(histograms, BACKENDS * LATENCY_KIND_MAX);
}

static void values_that_change_under_the_page_keep_each_histogram_whole(void **state)
{
	struct fixture *f = *state;
	struct metrics_page *page = open_page(f, METRICS_TEXT);
	size_t histograms;

	while (add_piece(f, page)) {
		record_everywhere(&f->world);
		if (f->pieces % 16 == 0)
			telemetry_collect(f->world.telemetry);
	}
	metrics_page_free(page);
	f->page[f->size] = '\0';
	check_histograms((char *)f->page, &histograms);
	assert_int_equal(histograms, BACKENDS * LATENCY_KIND_MAX);
}

static void a_page_survives_that_its_routes_go_away(void **state)
{
	struct fixture *f = *state;
	struct metrics_page *page = open_page(f, METRICS_TEXT);
	size_t histograms;

	for (int i = 0; i < 20; i++)
		assert_true(add_piece(f, page));
	for (int i = 0; i < 3; i++)
		telemetry_world_apply(
			&f->world, "stacks: {blue: {backends: [{address: 10.0.0.1}]}}\n"
				   "services: {shop: {vips: [203.0.113.10], split: {blue: 1}}}\n");
	while (add_piece(f, page))
		;
	metrics_page_free(page);
	f->page[f->size] = '\0';
	check_histograms((char *)f->page, &histograms);
	assert_in_range(histograms, 20, 200);
}

static void pieces_read_as_bytes_are_the_same_page(void **state)
{
	struct fixture *f = *state;
	struct metrics_page *page;
	char part[1000];
	size_t at = 0, got;

	make_page(f, METRICS_TEXT);
	page = metrics_page_new(METRICS_TEXT,
				&(struct metrics_source){.telemetry = f->world.telemetry}, NULL,
				series_only, 1);
	while ((got = metrics_page_read(page, part, 1 + at % sizeof(part)))) {
		assert_memory_equal(part, f->page + at, got);
		at += got;
	}
	assert_int_equal(at, f->size);
	metrics_page_free(page);
}

/* Every MetricFamily message; how many metrics with a histogram there are. */
static size_t count_protobuf(const uint8_t *at, const uint8_t *end)
{
	size_t histograms = 0;

	while (at < end) {
		Io__Prometheus__Client__MetricFamily *family;
		size_t size = 0;

		for (unsigned int shift = 0;; shift += 7) {
			size |= (size_t)(*at & 0x7f) << shift;
			if (!(*at++ & 0x80))
				break;
		}
		family = io__prometheus__client__metric_family__unpack(NULL, size, at);
		assert_non_null(family);
		for (size_t i = 0; i < family->n_metric; i++)
			histograms += family->metric[i]->histogram != NULL;
		io__prometheus__client__metric_family__free_unpacked(family, NULL);
		at += size;
	}
	assert_ptr_equal(at, end);
	return histograms;
}

static void the_other_formats_carry_as_many_histograms(void **state)
{
	struct fixture *f = *state;
	struct metrics_page *page;
	size_t points = 0;

	make_page(f, METRICS_PROTOBUF);
	assert_int_equal(count_protobuf(f->page, f->page + f->size), BACKENDS * LATENCY_KIND_MAX);
	page = open_page(f, METRICS_OTLP);
	for (size_t before = 0; add_piece(f, page); before = f->size) {
		Opentelemetry__ExportMetricsServiceRequest *request =
			opentelemetry__export_metrics_service_request__unpack(
				NULL, f->size - before, f->page + before);
		Opentelemetry__ScopeMetrics *scope = request->resource_metrics[0]->scope_metrics[0];

		for (size_t i = 0; i < scope->n_metrics; i++)
			if (scope->metrics[i]->data_case ==
			    OPENTELEMETRY__METRIC__DATA_EXPONENTIAL_HISTOGRAM)
				points += scope->metrics[i]->exponential_histogram->n_data_points;
		opentelemetry__export_metrics_service_request__free_unpacked(request, NULL);
	}
	assert_int_equal(points, BACKENDS * LATENCY_KIND_MAX);
	metrics_page_free(page);
}

/* A small world, its page as text. */
static const char *small_page(struct fixture *f, const char *yaml)
{
	telemetry_world_apply(&f->world, yaml);
	make_page(f, METRICS_TEXT);
	return (char *)f->page;
}

#define SMALL                                                                                      \
	"stacks: {blue: {backends: [{address: 10.0.0.1}]}}\n"                                      \
	"services:\n"                                                                              \
	"  shop: {vips: [203.0.113.10], split: {blue: 1}}\n"                                       \
	"  chat: {vips: [203.0.113.10], protocol: udp, ports: [443], split: {blue: 1}}\n"

static int setup_small(void **state)
{
	static struct fixture f;

	f = (struct fixture){.page = util_calloc(1, PAGE_MAX)};
	telemetry_world_open(&f.world, 2, 8);
	telemetry_world_apply(&f.world, SMALL);
	*state = &f;
	return 0;
}

#define AT_SHOP "{service=\"shop\",stack=\"blue\",backend=\"10.0.0.1\""
#define AT_CHAT "{service=\"chat\",stack=\"blue\",backend=\"10.0.0.1\""

static void tcp_and_quic_have_families_of_their_own(void **state)
{
	struct fixture *f = *state;
	const char *text;

	telemetry_world_record(&f->world, "shop", "blue", "10.0.0.1", 0, LATENCY_CONNECT, 20000000);
	telemetry_world_record(&f->world, "chat", "blue", "10.0.0.1", 1, LATENCY_QUIC_SPIN,
			       30000000);
	text = small_page(f, SMALL);
	assert_non_null(
		strstr(text, "\nsteerd_connect_latency_seconds_sum" AT_SHOP "} 0.020000000\n"));
	assert_non_null(
		strstr(text, "\nsteerd_quic_spin_rtt_seconds_sum" AT_CHAT "} 0.030000000\n"));
	assert_null(strstr(text, "steerd_quic_handshake_seconds"));   /* no sample */
	assert_null(strstr(text, "steerd_response_latency_seconds")); /* likewise */
	assert_non_null(strstr(text, "\nsteerd_sampled_flows_total" AT_CHAT "} 0\n"));
	assert_non_null(strstr(text, "\nsteerd_requests_total" AT_SHOP "} 0\n"));
	assert_null(strstr(text, "steerd_requests_total" AT_CHAT));
	assert_non_null(strstr(text, "left_out_total" AT_CHAT ",reason=\"no_spin\"} 0\n"));
	assert_null(strstr(text, "left_out_total" AT_SHOP ",reason=\"no_spin\"}"));
	assert_non_null(strstr(text, "left_out_total" AT_SHOP ",reason=\"forged\"} 0\n"));
}

static void counts_are_told_apart_by_their_labels(void **state)
{
	struct fixture *f = *state;
	struct series *row = telemetry_world_row(&f->world, "shop", "blue", "10.0.0.1", 0);
	const char *text;

	*row = (struct series){.flows = 1,
			       .requests = 2,
			       .data_retransmits = 3,
			       .fin_retransmits = 4,
			       .abandoned = 5,
			       .resets_before_response = 6,
			       .resets_after_response = 7,
			       .zero_windows = 8,
			       .connects = 9,
			       .overlapped = 10,
			       .changed = 1};
	text = small_page(f, SMALL);
	assert_non_null(strstr(text, "\nsteerd_sampled_flows_total" AT_SHOP "} 1\n"));
	assert_non_null(strstr(text, "\nsteerd_requests_total" AT_SHOP "} 2\n"));
	assert_non_null(strstr(text, "\nsteerd_retransmits_total" AT_SHOP ",kind=\"data\"} 3\n"));
	assert_non_null(strstr(text, "\nsteerd_retransmits_total" AT_SHOP ",kind=\"fin\"} 4\n"));
	assert_non_null(strstr(text, "\nsteerd_abandoned_requests_total" AT_SHOP "} 5\n"));
	assert_non_null(strstr(text, "\nsteerd_sampled_resets_total" AT_SHOP
				     ",when=\"before_response\"} 6\n"));
	assert_non_null(strstr(text, "\nsteerd_sampled_resets_total" AT_SHOP
				     ",when=\"after_response\"} 7\n"));
	assert_non_null(strstr(text, "\nsteerd_zero_windows_total" AT_SHOP "} 8\n"));
	assert_non_null(strstr(text, "\nsteerd_sampled_connects_total" AT_SHOP "} 9\n"));
	assert_non_null(strstr(text, "\nsteerd_latency_left_out_total" AT_SHOP
				     ",reason=\"overlapped\"} 10\n"));
}

static void without_telemetry_there_is_nothing_to_show(void **state)
{
	struct metrics_page *page = metrics_page_new(METRICS_TEXT, &(struct metrics_source){}, NULL,
						     series_only, 1);
	size_t size;

	(void)state;
	assert_null(metrics_page_next(page, &size));
	metrics_page_free(page);
}

#define BIG(name)      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define WITH_TWO(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BIG(a_page_of_a_thousand_backends_comes_in_small_pieces),
		BIG(every_backend_has_its_histograms_whole),
		BIG(values_that_change_under_the_page_keep_each_histogram_whole),
		BIG(a_page_survives_that_its_routes_go_away),
		BIG(pieces_read_as_bytes_are_the_same_page),
		BIG(the_other_formats_carry_as_many_histograms),
		WITH_TWO(tcp_and_quic_have_families_of_their_own),
		WITH_TWO(counts_are_told_apart_by_their_labels),
		cmocka_unit_test(without_telemetry_there_is_nothing_to_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
