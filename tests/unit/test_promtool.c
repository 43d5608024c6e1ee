/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What Prometheus' own checker says of the page, of the alert rules and of the dashboard. */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent/metrics_page.h"
#include "common/util.h"
#include "lib/telemetry_world.h"

#define FILE_MAX (1u << 20)

/* This file was named to the compiler from the repository's root, or by its whole path. */
static int go_to_root(void **state)
{
	CLEANUP_FREE char *root = util_strdup(__FILE__);

	(void)state;
	*strstr(root, "tests/unit/") = '\0';
	return root[0] ? chdir(root) : 0;
}

/* Runs a shell command with `input`, or NULL; its output in *ret_text. The exit status. */
static int run(const char *command, const char *input, char ret_text[4096])
{
	char name[] = "/tmp/test_promtool.XXXXXX";
	int fd = mkstemp(name), status;
	CLEANUP_FREE char *line = NULL;
	FILE *in, *out;
	size_t n;

	assert_true(fd >= 0);
	in = fdopen(fd, "w");
	fputs(input ? input : "", in);
	fclose(in);
	line = util_format("(%s) < %s 2>&1", command, name);
	out = popen(line, "r");
	assert_non_null(out);
	n = fread(ret_text, 1, 4095, out);
	ret_text[n] = '\0';
	while (fgetc(out) != EOF)
		;
	status = pclose(out);
	unlink(name);
	return WEXITSTATUS(status);
}

static void need_promtool(void)
{
	char text[4096];

	if (run("promtool --version", NULL, text)) {
		print_message("promtool is not installed (make deps)\n");
		skip();
	}
}

static void expect_success(const char *command, const char *input)
{
	char text[4096];

	if (run(command, input, text))
		fail_msg("%s: %s", command, text);
}

static void the_page_has_nothing_to_be_said_of(void **state)
{
	static const struct page_table *const tables[] = {&page_series_table};
	CLEANUP_FREE char *page_text = util_calloc(1, FILE_MAX);
	struct telemetry_world world;
	struct metrics_page *page;
	size_t size = 0, got;
	char said[4096];

	(void)state;
	need_promtool();
	telemetry_world_open(&world, 1, 8);
	telemetry_world_apply(&world, "stacks: {blue: {backends: [{address: 10.0.0.1}]}}\n"
				      "services:\n"
				      "  shop: {vips: [203.0.113.10], split: {blue: 1}}\n"
				      "  chat: {vips: [203.0.113.10], protocol: udp, ports: [443], "
				      "split: {blue: 1}}\n");
	for (int kind = 0; kind < LATENCY_KIND_MAX; kind++)
		telemetry_world_record(&world, "shop", "blue", "10.0.0.1", 0,
				       (enum latency_kind)kind, 1000000);
	for (int kind = 0; kind <= LATENCY_QUIC_SPIN; kind++)
		telemetry_world_record(&world, "chat", "blue", "10.0.0.1", 0,
				       (enum latency_kind)kind, 1000000);
	page = metrics_page_new(METRICS_TEXT,
				&(struct metrics_source){.telemetry = world.telemetry}, NULL,
				tables, 1);
	while ((got = metrics_page_read(page, page_text + size, FILE_MAX - 1 - size)))
		size += got;
	metrics_page_free(page);
	telemetry_world_close(&world);
	for (size_t i = 0; i < page_series_table.n; i++) {
		CLEANUP_FREE char *head = util_format("# HELP %s ",
						      page_series_table.families[i].metric.name);

		if (!strstr(page_text, head))
			fail_msg("the page lacks %s", head);
	}
	assert_int_equal(run("promtool check metrics", page_text, said), 0);
	assert_string_equal(said, "");
}

static void the_rules_are_rules_and_fire_when_they_should(void **state)
{
	(void)state;
	need_promtool();
	expect_success("promtool check rules tools/prometheus/alerts.yaml", NULL);
	expect_success("promtool test rules tools/prometheus/alerts_test.yaml", NULL);
}

/* A metric of the page; or a histogram's _bucket, _sum or _count. */
static bool is_shown(const char *name, size_t size)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};

	for (size_t t = 0; t < PAGE_TABLES; t++) {
		for (size_t i = 0; i < page_tables[t]->n; i++) {
			const struct metric_family *metric = &page_tables[t]->families[i].metric;
			size_t length = strlen(metric->name);

			if (size < length || strncmp(name, metric->name, length) != 0)
				continue;
			if (size == length && metric->type != METRIC_HISTOGRAM)
				return true;
			for (size_t s = 0; metric->type == METRIC_HISTOGRAM && s < 3; s++)
				if (size == length + strlen(suffixes[s]) &&
				    !strncmp(name + length, suffixes[s], strlen(suffixes[s])))
					return true;
		}
	}
	return false;
}

/* Every word that begins with steerd_ and is part of no longer word is shown. */
static void expect_shown_names(const char *text)
{
	for (const char *at = text; (at = strstr(at, "steerd_"));) {
		size_t size = 0;

		while (isalnum((unsigned char)at[size]) || at[size] == '_')
			size++;
		if (at == text || at[-1] != ':') /* a recorded name */
			if (!is_shown(at, size))
				fail_msg("no metric is called %.*s", (int)size, at);
		at += size;
	}
}

static void the_rules_name_metrics_that_are_there(void **state)
{
	CLEANUP_FREE char *text = NULL;

	(void)state;
	assert_int_equal(util_read_file("tools/prometheus/alerts.yaml", FILE_MAX, &text, NULL), 0);
	expect_shown_names(text);
}

static char *replace(char *text, const char *from, const char *to)
{
	char *at;

	while ((at = strstr(text, from))) {
		char *whole = util_format("%.*s%s%s", (int)(at - text), text, to,
					  at + strlen(from));

		free(text);
		text = whole;
	}
	return text;
}

/* As the rule of a file for the checker: what the dashboard fills in is filled in. */
static void put_rule(FILE *out, const char *expr)
{
	char *text = util_strdup(expr);
	json_t *quoted;
	char *dumped;

	text = replace(text, "$__rate_interval", "5m");
	text = replace(text, "$__interval", "5m");
	text = replace(text, "$instance", ".*");
	text = replace(text, "$service", ".*");
	text = replace(text, "$stack", ".*");
	quoted = json_string(text);
	dumped = json_dumps(quoted, JSON_ENCODE_ANY);
	fprintf(out, "  - {record: \"x:y:z\", labels: {n: \"%ld\"}, expr: %s}\n", ftell(out),
		dumped);
	free(dumped);
	json_decref(quoted);
	free(text);
}

static void the_dashboard_asks_for_what_is_there(void **state)
{
	CLEANUP_FREE char *rules = NULL;
	json_t *dashboard, *panel, *target;
	size_t i, j, size, asked = 0;
	FILE *out = open_memstream(&rules, &size);
	json_error_t error;

	(void)state;
	need_promtool();
	dashboard = json_load_file("tools/grafana/steerd.json", 0, &error);
	if (!dashboard)
		fail_msg("line %d: %s", error.line, error.text);
	fputs("groups:\n- name: g\n  rules:\n", out);
	json_array_foreach(json_object_get(dashboard, "panels"), i, panel)
	{
		json_array_foreach(json_object_get(panel, "targets"), j, target)
		{
			const char *expr = json_string_value(json_object_get(target, "expr"));

			expect_shown_names(expr);
			put_rule(out, expr);
			asked++;
		}
	}
	fclose(out);
	json_decref(dashboard);
	assert_true(asked > 20);
	expect_success("f=$(mktemp); cat > $f; promtool check rules $f; s=$?; rm $f; (exit $s)",
		       rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_has_nothing_to_be_said_of),
		cmocka_unit_test(the_rules_are_rules_and_fire_when_they_should),
		cmocka_unit_test(the_rules_name_metrics_that_are_there),
		cmocka_unit_test(the_dashboard_asks_for_what_is_there),
	};

	return cmocka_run_group_tests(tests, go_to_root, NULL);
}
