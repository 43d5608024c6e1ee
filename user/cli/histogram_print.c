/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/histogram.h"

#include <inttypes.h>
#include <math.h>

#include "cli/format.h"
#include "cli/shape.h"
#include "common/util.h"

static void print_head(const struct histogram *histogram, FILE *out)
{
	uint64_t ms = histogram->to_unix_ms - histogram->from_unix_ms;
	char from[FORMAT_MAX], length[FORMAT_MAX];

	if (histogram->to_unix_ms < histogram->from_unix_ms)
		ms = 0;
	fprintf(out, "%s: %s from %s on; ", histogram->node, format_duration(ms, length),
		format_time(histogram->from_unix_ms, from));
	if (histogram->sample_one_in > 1)
		fprintf(out, "one new flow in %" PRIu32 " is measured\n", histogram->sample_one_in);
	else
		fprintf(out, "%s\n",
			histogram->sample_one_in ? "every new flow is measured"
						 : "sampling is off");
}

static void set_latency(struct table_row *row, size_t column, double ns)
{
	char text[FORMAT_MAX];

	table_set(row, column, format_latency(ns, text));
}

static void add_summary(struct table *table, const struct histogram *histogram,
			const struct measured_filter *filter)
{
	for (size_t kind = 0; kind < MEASURED_KIND_MAX; kind++) {
		struct table_row *row;
		struct distribution d;
		char text[FORMAT_MAX];

		measured_sum_distribution(&histogram->sum, filter, (enum measured_kind)kind, &d);
		if (!histogram_wants(histogram, (enum measured_kind)kind) ||
		    !distribution_total(&d))
			continue;
		row = table_add(table, NULL);
		table_set(row, 0, filter->service);
		table_set(row, 1, filter->stack);
		table_set(row, 2, measured_kind_names[kind]);
		snprintf(text, sizeof(text), "%" PRIu64, distribution_total(&d));
		table_set(row, 3, text);
		set_latency(row, 4, distribution_mean_ns(&d));
		for (size_t q = 0; q < 3; q++)
			set_latency(row, 5 + q, distribution_quantile_ns(&d, compare_quantiles[q]));
	}
}

void histogram_print_summary(const struct histogram *histogram, const struct table_look *look,
			     FILE *out)
{
	static const struct table_column columns[] = {
		{"SERVICE", TABLE_LEFT},  {"STACK", TABLE_LEFT}, {"KIND", TABLE_LEFT},
		{"SAMPLES", TABLE_RIGHT}, {"MEAN", TABLE_SPARE}, {"P50", TABLE_RIGHT},
		{"P90", TABLE_RIGHT},	  {"P99", TABLE_RIGHT},
	};
	CLEANUP_TABLE struct table *table = table_new(look, columns, ARRAY_SIZE(columns));
	const struct measured_total *before = NULL;

	print_head(histogram, out);
	for (size_t i = 0; i < histogram->sum.n; i++) {
		const struct measured_total *total = histogram->sum.totals[i];
		struct measured_filter filter = {total->service, total->stack, NULL};

		/* They are sorted: one row set for each service and stack. */
		if (!*total->service || (before && measured_matches(&filter, before)))
			continue;
		before = total;
		add_summary(table, histogram, &filter);
	}
	fputc('\n', out);
	table_print(table, out);
}

static void print_counters(const char *label, const struct measured_counters *counters, FILE *out)
{
	bool is_first = true;

	for (size_t i = 0; i < counters->n; i++) {
		CLEANUP_FREE char *name = util_strdup(counters->item[i].name);

		if (!counters->item[i].value)
			continue;
		for (char *at = name; *at; at++)
			if (*at == '_')
				*at = ' ';
		fprintf(out, "%s %s %" PRIu64, is_first ? label : ",", name,
			counters->item[i].value);
		is_first = false;
	}
	if (!is_first)
		fputc('\n', out);
}

static void print_figures(const struct distribution *d, FILE *out)
{
	size_t first, last;
	char text[FORMAT_MAX];

	if (!distribution_range(d, &first, &last))
		return;
	fprintf(out, "%" PRIu64 " samples", distribution_total(d));
	for (size_t q = 0; q < COMPARE_QUANTILES; q++)
		fprintf(out, ", %s %s", compare_quantile_names[q],
			format_latency(distribution_quantile_ns(d, compare_quantiles[q]), text));
	fprintf(out, "\nmean %s", format_latency(distribution_mean_ns(d), text));
	if (isinf(distribution_ceiling_ns(last)))
		fprintf(out, ", max above %s\n", format_latency(distribution_floor_ns(last), text));
	else
		fprintf(out, ", max below %s\n",
			format_latency(distribution_ceiling_ns(last), text));
}

void histogram_print_kinds(const struct histogram *histogram, const struct table_look *look,
			   FILE *out)
{
	CLEANUP_MEASURED_COUNTERS struct measured_counters errors = {0}, left_out = {0};
	CLEANUP_FREE char *what = histogram_filter_text(&histogram->filter);

	print_head(histogram, out);
	for (size_t kind = 0; kind < MEASURED_KIND_MAX; kind++) {
		struct distribution d;

		measured_sum_distribution(&histogram->sum, &histogram->filter,
					  (enum measured_kind)kind, &d);
		if (!histogram_wants(histogram, (enum measured_kind)kind) ||
		    !distribution_total(&d))
			continue;
		fprintf(out, "\n%s%s%s\n", measured_kind_names[kind], *what ? ": " : "", what);
		print_figures(&d, out);
		shape_print(look, &(struct shape){.of = &d}, 1, out);
	}
	measured_sum_counters(&histogram->sum, &histogram->filter, &errors, &left_out);
	fputc('\n', out);
	print_counters("sampled flows:", &errors, out);
	print_counters("latencies left out:", &left_out, out);
}

static void set_difference(struct table_row *row, double a_ns, double b_ns)
{
	double percent = (b_ns - a_ns) / a_ns * 100;
	char text[FORMAT_MAX + 1], latency[FORMAT_MAX];

	format_latency(b_ns - a_ns, latency);
	snprintf(text, sizeof(text), "%s%s", b_ns > a_ns ? "+" : "", latency);
	table_set(row, 3, text);
	if (!isfinite(percent))
		return;
	snprintf(text, sizeof(text), "%+.*f %%", fabs(percent) < 10, percent);
	table_set(row, 4, text);
}

static const char *apart_text(const struct compare_quantile *quantile)
{
	if (quantile->is_apart)
		return "yes";
	if (isinf(quantile->bounds[0].high_ns) || isinf(quantile->bounds[1].high_ns))
		return "too few samples";
	return "no";
}

static void print_differences(const struct compare *compare, const char *const names[2],
			      const struct table_look *look, FILE *out)
{
	const struct table_column columns[] = {
		{"", TABLE_LEFT},	 {names[0], TABLE_RIGHT},
		{names[1], TABLE_RIGHT}, {"DIFFERENCE", TABLE_RIGHT},
		{"", TABLE_RIGHT},	 {"TOLD APART", TABLE_LEFT},
	};
	CLEANUP_TABLE struct table *table = table_new(look, columns, ARRAY_SIZE(columns));
	struct table_row *row = table_add(table, NULL);
	char text[FORMAT_MAX];

	table_set(row, 0, "samples");
	for (size_t i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%" PRIu64, compare->n[i]);
		table_set(row, 1 + i, text);
	}
	row = table_add(table, NULL);
	table_set(row, 0, "mean");
	for (size_t i = 0; i < 2; i++)
		set_latency(row, 1 + i, compare->mean_ns[i]);
	set_difference(row, compare->mean_ns[0], compare->mean_ns[1]);
	for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
		const struct compare_quantile *quantile = &compare->quantile[q];

		row = table_add(table, NULL);
		table_set(row, 0, quantile->name);
		for (size_t i = 0; i < 2; i++)
			set_latency(row, 1 + i, quantile->ns[i]);
		set_difference(row, quantile->ns[0], quantile->ns[1]);
		table_set(row, 5, apart_text(quantile));
	}
	table_print(table, out);
}

/* Lines of text, folded between words where the terminal ends. */
static void print_folded(const char *text, size_t width, FILE *out)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " \n"), blank = column ? 1 : 0;

		if (column && column + blank + word > width) {
			fputc('\n', out);
			column = blank = 0;
		}
		fprintf(out, "%s%.*s", blank ? " " : "", (int)word, text);
		column += blank + word;
		text += word;
		if (*text == '\n') {
			fputc('\n', out);
			column = 0;
		}
		text += *text ? 1 : 0;
	}
}

void histogram_print_compared(const struct histogram *histogram, const struct table_look *look,
			      FILE *out)
{
	enum measured_kind kind = histogram_compared_kind(histogram);
	CLEANUP_FREE char *what = histogram_filter_text(&histogram->filter), *verdict = NULL;
	const char *const *names = histogram->compared;
	struct distribution d[2];
	struct compare compare;

	for (size_t i = 0; i < 2; i++) {
		struct measured_filter filter = histogram_filter(histogram, i);

		measured_sum_distribution(&histogram->sum, &filter, kind, &d[i]);
	}
	compare_distributions(&d[0], &d[1], &compare);
	verdict = compare_verdict(&compare, names[0], names[1]);
	print_head(histogram, out);
	fprintf(out, "\n%s%s%s\n", measured_kind_names[kind], *what ? ": " : "", what);
	shape_print(
		look,
		(struct shape[]){{.name = names[0], .of = &d[0]}, {.name = names[1], .of = &d[1]}},
		2, out);
	fputc('\n', out);
	print_differences(&compare, names, look, out);
	fputc('\n', out);
	print_folded(verdict, look->width, out);
}
