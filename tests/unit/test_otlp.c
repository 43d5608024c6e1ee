/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sending to a collector in another process: whole, down, refusing, silent, with TLS. */
#include "agent/otlp.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent/metrics_page.h"
#include "common/log.h"
#include "common/util.h"
#include "lib/certs.h"
#include "opentelemetry/metrics.pb-c.h"

#define PATIENCE_MS 20000
#define ITEMS	    5000 /* values of the family; some ten requests */

extern char **environ;

struct fixture {
	char directory[32];
	char *endpoint;
	sd_event *loop;
	pid_t collector;
	int log; /* what was written to standard error */
	int stderr_before;
	struct node_otlp config;
	struct otlp *otlp;
};

static size_t next_item;

/* A family with an item after another: value i of label i. */
static bool step(struct metrics_out *out, const struct page_family *family,
		 const struct metrics_source *source, struct page_position *at)
{
	char text[16];

	(void)family;
	(void)source;
	snprintf(text, sizeof(text), "%zu", at->series);
	metrics_count(out, at->series, METRIC_LABELS({"item", text}));
	next_item = ++at->series;
	return at->series < ITEMS;
}

static const struct page_family families[] = {
	{{"items_total", METRIC_COUNTER, "Items."}, step, .label = NULL}};
static const struct page_table table = {families, 1};
static const struct page_table *const tables[] = {&table};
static const struct metrics_source source;

static char *path(const struct fixture *f, const char *name)
{
	return util_format("%s/%s", f->directory, name);
}

static int setup(void **state)
{
	static struct fixture f;
	CLEANUP_FREE char *log = NULL;

	f = (struct fixture){.directory = "/tmp/test_otlp.XXXXXX"};
	assert_non_null(mkdtemp(f.directory));
	assert_true(sd_event_new(&f.loop) >= 0);
	log_set_level(LOG_LEVEL_INFO);
	log = path(&f, "log");
	f.log = open(log, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	f.stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(f.log, STDERR_FILENO);
	f.endpoint = util_format("unix://%s/otlp.sock", f.directory);
	f.config = (struct node_otlp){
		.endpoint = f.endpoint, .interval_ms = 100, .is_plaintext = true};
	*state = &f;
	return 0;
}

static int remove_one(const char *name, const struct stat *status, int kind, struct FTW *ftw)
{
	(void)status;
	(void)kind;
	(void)ftw;
	return remove(name);
}

static void stop_collector(struct fixture *f)
{
	if (!f->collector)
		return;
	kill(f->collector, SIGKILL);
	waitpid(f->collector, NULL, 0);
	f->collector = 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	otlp_free(f->otlp);
	stop_collector(f);
	dup2(f->stderr_before, STDERR_FILENO);
	close(f->stderr_before);
	close(f->log);
	sd_event_unref(f->loop);
	nftw(f->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f->endpoint);
	free(f->config.ca);
	return 0;
}

/* Lets the loop work for a while. */
static void turn(struct fixture *f)
{
	assert_true(sd_event_run(f->loop, 10000) >= 0);
}

static void start(struct fixture *f)
{
	const struct otlp_options options = {.config = &f->config,
					     .source = &source,
					     .tables = tables,
					     .tables_n = 1,
					     .node = "edge-1",
					     .version = "v1",
					     .start_ns = 1000};

	assert_int_equal(otlp_new(f->loop, &options, &f->otlp), 0);
	assert_non_null(f->otlp);
}

static void start_collector(struct fixture *f, const char *behaviour, const char *tls)
{
	unsigned long long end = util_now_ms() + PATIENCE_MS;
	CLEANUP_FREE char *program = util_strdup(__FILE__), *script = NULL, *port = NULL;

	*strrchr(program, '/') = '\0';
	script = util_format("%s/otlp_collector.py", program);
	port = path(f, "port");
	unlink(port);
	char *argv[] = {"/usr/bin/python3", script,	 (char *)behaviour,
			f->directory,	    (char *)tls, NULL};
	assert_int_equal(posix_spawn(&f->collector, argv[0], NULL, NULL, argv, environ), 0);
	while (access(port, F_OK) && util_now_ms() < end)
		turn(f);
	assert_int_equal(access(port, F_OK), 0);
}

/* How often the log says this. */
static unsigned int said(const struct fixture *f, const char *part)
{
	char text[16384];
	ssize_t n = pread(f->log, text, sizeof(text) - 1, 0);
	unsigned int times = 0;

	text[n > 0 ? n : 0] = '\0';
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		times++;
	return times;
}

static void wait_until_said(struct fixture *f, const char *part)
{
	unsigned long long end = util_now_ms() + PATIENCE_MS;

	while (!said(f, part) && util_now_ms() < end)
		turn(f);
	if (!said(f, part))
		fail_msg("the log never says '%s'", part);
}

static void wait_for_failures(struct fixture *f, uint64_t n)
{
	unsigned long long end = util_now_ms() + PATIENCE_MS;

	while (otlp_failures(f->otlp) < n && util_now_ms() < end)
		turn(f);
	assert_true(otlp_failures(f->otlp) >= n);
}

/* The items of one request, which must be `from` and on; how many. */
static size_t check_request(const uint8_t *data, size_t size, size_t from)
{
	Opentelemetry__ExportMetricsServiceRequest *request =
		opentelemetry__export_metrics_service_request__unpack(NULL, size, data);
	Opentelemetry__Metric *metric;
	size_t n;

	assert_non_null(request);
	assert_string_equal(
		request->resource_metrics[0]->resource->attributes[1]->value->string_value,
		"edge-1");
	metric = request->resource_metrics[0]->scope_metrics[0]->metrics[0];
	n = metric->sum->n_data_points;
	for (size_t i = 0; i < n; i++) {
		Opentelemetry__NumberDataPoint *point = metric->sum->data_points[i];

		assert_int_equal(point->as_int, from + i);
		assert_int_equal(point->start_time_unix_nano, 1000);
		assert_true(point->time_unix_nano > 1600000000ULL * 1000000000);
	}
	opentelemetry__export_metrics_service_request__free_unpacked(request, NULL);
	return n;
}

/* Rounds that the collector has got whole, one behind the other. */
static size_t check_requests(const struct fixture *f)
{
	CLEANUP_FREE char *name = path(f, "requests");
	CLEANUP_FREE char *text = NULL;
	size_t size = 0, at = 0, item = 0, rounds = 0;

	if (util_read_file(name, 256u << 20, &text, &size))
		return 0;
	while (at + 4 <= size) {
		const uint8_t *head = (const uint8_t *)text + at;
		size_t length = (size_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];

		if (at + 4 + length > size)
			break; /* being written */
		assert_true(length < METRICS_PIECE + 4096);
		item += check_request(head + 4, length, item);
		at += 4 + length;
		if (item == ITEMS) {
			rounds++;
			item = 0;
		}
	}
	return rounds;
}

static void wait_for_rounds(struct fixture *f, size_t n)
{
	unsigned long long end = util_now_ms() + PATIENCE_MS;

	while (check_requests(f) < n && util_now_ms() < end)
		turn(f);
	assert_true(check_requests(f) >= n);
}

static void nothing_is_sent_where_no_collector_is_named(void **state)
{
	struct fixture *f = *state;
	const struct node_otlp none = {};
	const struct otlp_options options = {.config = &none};

	assert_int_equal(otlp_new(f->loop, &options, &f->otlp), 0);
	assert_null(f->otlp);
}

static void a_collector_gets_everything_again_and_again(void **state)
{
	struct fixture *f = *state;

	start_collector(f, "take", NULL);
	start(f);
	wait_for_rounds(f, 2);
	assert_int_equal(otlp_failures(f->otlp), 0);
	assert_int_equal(said(f, "OTLP"), 0);
}

static void a_collector_that_is_down_is_a_count_and_two_lines(void **state)
{
	struct fixture *f = *state;
	uint64_t failures;

	start(f);
	wait_for_failures(f, 5);
	assert_int_equal(said(f, "metrics do not reach the OTLP collector unix:///tmp/"), 1);
	start_collector(f, "take", NULL);
	wait_until_said(f, "again");
	failures = otlp_failures(f->otlp);
	wait_for_rounds(f, 3);
	assert_int_equal(otlp_failures(f->otlp), failures);
	assert_int_equal(said(f, "do not reach"), 1);
	assert_int_equal(said(f, "again"), 1);
	stop_collector(f);
	wait_for_failures(f, failures + 2);
	assert_int_equal(said(f, "do not reach"), 2);
}

static void values_that_are_refused_are_a_failure(void **state)
{
	struct fixture *f = *state;

	start_collector(f, "refuse", NULL);
	start(f);
	wait_for_failures(f, 1);
	assert_int_equal(said(f, "7 values were refused: too old"), 1);
}

static void a_silent_collector_holds_one_request_and_does_not_delay_the_end(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *requests = path(f, "requests");
	unsigned long long start_ms, end = util_now_ms() + PATIENCE_MS;
	size_t made;

	start_collector(f, "hang", NULL);
	start(f);
	while (access(requests, F_OK) && util_now_ms() < end)
		turn(f);
	assert_int_equal(access(requests, F_OK), 0);
	made = next_item;
	assert_in_range(made, 1, ITEMS / 2);
	for (int i = 0; i < 50; i++)
		turn(f);
	assert_int_equal(next_item, made);
	start_ms = util_now_ms();
	otlp_free(f->otlp);
	f->otlp = NULL;
	assert_true(util_now_ms() - start_ms < 5000);
}

static void use_tls(struct fixture *f, const char *ca)
{
	CLEANUP_FREE char *port_file = path(f, "port"), *port = NULL;

	certs_make(f->directory, "ca", NULL, 30);
	certs_make(f->directory, "other", NULL, 30);
	certs_make(f->directory, "server", "ca", 30);
	start_collector(f, "take", "tls");
	assert_int_equal(util_read_file(port_file, 16, &port, NULL), 0);
	free(f->endpoint);
	f->endpoint = util_format("127.0.0.1:%s", port);
	f->config.endpoint = f->endpoint;
	f->config.is_plaintext = false;
	f->config.ca = path(f, ca);
}

static void tls_takes_the_ca_that_vouches_for_the_collector(void **state)
{
	struct fixture *f = *state;

	use_tls(f, "ca.crt");
	start(f);
	wait_for_rounds(f, 1);
	assert_int_equal(otlp_failures(f->otlp), 0);
}

static void tls_sends_nothing_to_whom_another_ca_vouches_for(void **state)
{
	struct fixture *f = *state;

	use_tls(f, "other.crt");
	start(f);
	wait_for_failures(f, 2);
	assert_int_equal(check_requests(f), 0);
	assert_int_equal(said(f, "do not reach"), 1);
}

static void a_ca_that_cannot_be_read_is_named(void **state)
{
	struct fixture *f = *state;

	free(f->endpoint);
	f->endpoint = util_strdup("127.0.0.1:1");
	f->config.endpoint = f->endpoint;
	f->config.is_plaintext = false;
	f->config.ca = util_strdup("/nonexistent/ca.pem");
	start(f);
	wait_for_failures(f, 2);
	assert_int_equal(said(f, "cannot read the CA /nonexistent/ca.pem: No such file"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_sent_where_no_collector_is_named),
		TEST(a_collector_gets_everything_again_and_again),
		TEST(a_collector_that_is_down_is_a_count_and_two_lines),
		TEST(values_that_are_refused_are_a_failure),
		TEST(a_silent_collector_holds_one_request_and_does_not_delay_the_end),
		TEST(tls_takes_the_ca_that_vouches_for_the_collector),
		TEST(tls_sends_nothing_to_whom_another_ca_vouches_for),
		TEST(a_ca_that_cannot_be_read_is_named),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
