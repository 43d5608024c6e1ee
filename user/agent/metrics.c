/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/metrics.h"

#include "common/text.h"
#include "common/util.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

static const char *const type_names[METRIC_TYPE_MAX] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
};

void metrics_family(FILE *out, const char *name, enum metric_type type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_names[type]);
}

/* Printable text, which has no line feeds left that would need escaping too. */
static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void put_label_value(FILE *out, const char *text)
{
	CLEANUP_FREE char *copy = NULL;

	if (!text_is_printable(text)) {
		copy = util_strdup(text);
		text_make_printable(copy);
		text = copy;
	}
	put_escaped(out, text);
}

static void put_series(FILE *out, const char *name, va_list labels)
{
	const char *label, *value, *before = "{";

	fputs(name, out);
	while ((label = va_arg(labels, const char *))) {
		value = va_arg(labels, const char *);
		if (!value)
			continue;
		fprintf(out, "%s%s=\"", before, label);
		put_label_value(out, value);
		fputc('"', out);
		before = ",";
	}
	if (*before == ',')
		fputc('}', out);
}

void metrics_count(FILE *out, const char *name, uint64_t value, ...)
{
	va_list labels;

	va_start(labels, value);
	put_series(out, name, labels);
	va_end(labels);
	fprintf(out, " %" PRIu64 "\n", value);
}

/* The fewest digits that read back to the same number. */
static void put_number(FILE *out, double value)
{
	char text[32];

	if (isnan(value)) {
		fputs("NaN", out);
		return;
	}
	if (isinf(value)) {
		fputs(value > 0 ? "+Inf" : "-Inf", out);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	fputs(text, out);
}

void metrics_gauge(FILE *out, const char *name, double value, ...)
{
	va_list labels;

	va_start(labels, value);
	put_series(out, name, labels);
	va_end(labels);
	fputc(' ', out);
	put_number(out, value);
	fputc('\n', out);
}
