/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/shape.h"

#include <math.h>

#include "cli/format.h"
#include "common/util.h"

#define SHAPES_MAX  2
#define ROWS_WANTED 20	   /* of the bulk */
#define OUTSIDE	    0.0005 /* share of samples on either side that is not bulk */
#define LABEL_WIDTH 9
#define RIGHT_WIDTH 18 /* " >99.9 %  p50-p99" and the like */
#define BAR_MIN	    8
#define BAR_MAX	    60
#define EIGHTHS	    8 /* a block character can be filled in eighths */
#define GAP	    2 /* between the two */

/* Where rows begin; row i holds the buckets start[i] to start[i + 1] - 1. */
struct axis {
	size_t start[LATENCY_BUCKETS + 1];
	size_t n;
};

struct range {
	size_t first;
	size_t last;
};

static void widen(struct range *range, size_t first, size_t last)
{
	if (first < range->first)
		range->first = first;
	if (last > range->last)
		range->last = last;
}

/* The bucket that the p-quantile lies in, of a distribution that has samples. */
static size_t quantile_bucket(const struct distribution *d, double p)
{
	uint64_t below = 0, total = distribution_total(d);
	size_t bucket = 0;

	while (bucket + 1 < LATENCY_BUCKETS && (double)(below + d->bucket[bucket]) < p * total)
		below += d->bucket[bucket++];
	while (bucket + 1 < LATENCY_BUCKETS && !d->bucket[bucket])
		bucket++;
	return bucket;
}

/* False: there are no samples at all. */
static bool find_ranges(const struct shape *shapes, size_t n, struct range *ret_all,
			struct range *ret_bulk)
{
	struct range all = {LATENCY_BUCKETS, 0}, bulk = all;
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		size_t first, last;

		if (!distribution_range(shapes[i].of, &first, &last))
			continue;
		widen(&all, first, last);
		widen(&bulk, quantile_bucket(shapes[i].of, OUTSIDE),
		      quantile_bucket(shapes[i].of, 1 - OUTSIDE));
		found = true;
	}
	*ret_all = all;
	*ret_bulk = bulk;
	return found;
}

/* Whether a row of `per` buckets would begin here; the first and the last bucket stand alone. */
static bool begins_row(size_t bucket, size_t per)
{
	return bucket < 2 || bucket == LATENCY_BUCKETS - 1 || (bucket - 1) % per == 0;
}

static size_t count_rows(struct range range, size_t per)
{
	size_t rows = 1;

	for (size_t i = range.first + 1; i <= range.last; i++)
		rows += begins_row(i, per);
	return rows;
}

static void lay_axis(struct range all, struct range bulk, struct axis *ret_axis)
{
	struct axis axis = {.n = 0};
	size_t per = 1, from, to;

	while (per < LATENCY_SUB && count_rows(bulk, per) > ROWS_WANTED)
		per *= 2;
	/* The bulk begins and ends with whole rows. */
	for (from = bulk.first; !begins_row(from, per); from--)
		;
	for (to = bulk.last + 1; to < LATENCY_BUCKETS && !begins_row(to, per); to++)
		;
	while (all.first < from && !begins_row(all.first, LATENCY_SUB))
		all.first--;
	for (size_t i = all.first < from ? all.first : from; i <= all.last || i < to; i++)
		if (!axis.n || i == from || i == to ||
		    begins_row(i, i >= from && i < to ? per : LATENCY_SUB))
			axis.start[axis.n++] = i;
	axis.start[axis.n] = LATENCY_BUCKETS;
	*ret_axis = axis;
}

static uint64_t row_count(const struct distribution *d, const struct axis *axis, size_t row)
{
	uint64_t count = 0;

	for (size_t i = axis->start[row]; i < axis->start[row + 1]; i++)
		count += d->bucket[i];
	return count;
}

static uint64_t all_count(const struct shape *shapes, size_t n, const struct axis *axis, size_t row)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += row_count(shapes[i].of, axis, row);
	return count;
}

static const char *row_label(const struct axis *axis, size_t row, char *text)
{
	size_t start = axis->start[row];
	char latency[FORMAT_MAX];

	if (start == 0)
		snprintf(text, FORMAT_MAX, "<%s",
			 format_latency(distribution_floor_ns(1), latency));
	else
		format_latency(distribution_floor_ns(start), text);
	return text;
}

/* "p50", or "p50-p99" where several percentiles lie in the row; "" for none. */
static const char *row_marks(const struct distribution *d, const struct axis *axis, size_t row,
			     char *text)
{
	static const struct {
		double p;
		const char *name;
	} marks[] = {{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}, {0.999, "p99.9"}};
	const char *first = NULL, *last = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t bucket = quantile_bucket(d, marks[i].p);

		if (bucket < axis->start[row] || bucket >= axis->start[row + 1])
			continue;
		first = first ?: marks[i].name;
		last = marks[i].name;
	}
	text[0] = '\0';
	if (first)
		snprintf(text, FORMAT_MAX, first == last ? "%s" : "%s-%s", first, last);
	return text;
}

/* Returns the columns it took. Every sample shows, if only by a sliver. */
static size_t print_bar(double share, double full, size_t width, bool ascii, FILE *out)
{
	static const char *const parts[EIGHTHS] = {"",	     "\u258f", "\u258e", "\u258d",
						   "\u258c", "\u258b", "\u258a", "\u2589"};
	size_t eighths = (size_t)lround(share / full * (double)width * EIGHTHS), columns;

	if (share > 0 && !eighths)
		eighths = 1;
	columns = ascii ? (eighths + EIGHTHS / 2) / EIGHTHS : eighths / EIGHTHS;
	for (size_t i = 0; i < columns; i++)
		fputs(ascii ? "#" : "\u2588", out);
	if (ascii ? eighths && !columns : eighths % EIGHTHS) {
		fputs(ascii ? "." : parts[eighths % EIGHTHS], out);
		columns++;
	}
	return columns;
}

static double largest_share(const struct distribution *d, const struct axis *axis)
{
	uint64_t largest = 1, total = distribution_total(d);

	for (size_t row = 0; row < axis->n; row++)
		if (row_count(d, axis, row) > largest)
			largest = row_count(d, axis, row);
	return total ? (double)largest / (double)total : 1;
}

/* A cell of a row: bar, share, percentiles. Returns the columns it took. */
static size_t print_cell(const struct table_look *look, const struct shape *shape,
			 const struct axis *axis, size_t row, size_t width, FILE *out)
{
	uint64_t total = distribution_total(shape->of), count = row_count(shape->of, axis, row);
	double share = total ? (double)count / (double)total : 0;
	char text[FORMAT_MAX], marks[FORMAT_MAX];
	size_t columns;

	if (!count)
		return 0;
	columns = print_bar(share, largest_share(shape->of, axis), width, look->ascii, out);
	row_marks(shape->of, axis, row, marks);
	return columns + (size_t)fprintf(out, " %s%s%s", format_share(share, text),
					 *marks ? "  " : "", marks);
}

static void print_row(const struct table_look *look, const struct shape *shapes, size_t n,
		      const struct axis *axis, size_t row, size_t width, FILE *out)
{
	size_t behind = GAP; /* columns to the next cell */
	char label[FORMAT_MAX];

	fprintf(out, "%*s", LABEL_WIDTH, row_label(axis, row, label));
	for (size_t i = 0; i < n; i++) {
		if (row_count(shapes[i].of, axis, row)) {
			fprintf(out, "%*s", (int)behind, "");
			behind = 0;
		}
		behind += width + RIGHT_WIDTH + GAP -
			  print_cell(look, &shapes[i], axis, row, width, out);
	}
	fputc('\n', out);
}

static size_t bar_width(const struct table_look *look, size_t n)
{
	size_t used = LABEL_WIDTH + GAP + n * RIGHT_WIDTH + (n - 1) * GAP;
	size_t width = look->width > used ? (look->width - used) / n : 0;

	if (width < BAR_MIN)
		return BAR_MIN;
	return width < BAR_MAX ? width : BAR_MAX;
}

void shape_print(const struct table_look *look, const struct shape *shapes, size_t n, FILE *out)
{
	size_t width = bar_width(look, n);
	struct range all, bulk;
	bool skipped = false;
	struct axis axis;

	if (n > SHAPES_MAX || !find_ranges(shapes, n, &all, &bulk))
		return;
	lay_axis(all, bulk, &axis);
	if (shapes[0].name) {
		fprintf(out, "%*s", LABEL_WIDTH + GAP, "");
		for (size_t i = 0; i < n; i++)
			fprintf(out, "%-*s", i + 1 < n ? (int)(width + RIGHT_WIDTH + GAP) : 0,
				shapes[i].name);
		fputc('\n', out);
	}
	for (size_t row = 0; row < axis.n; row++) {
		bool is_bulk = axis.start[row] >= bulk.first && axis.start[row] <= bulk.last;
		bool is_empty = !is_bulk && !all_count(shapes, n, &axis, row);

		/* A gap of several rows outside the bulk is one line. */
		if (is_empty && !skipped)
			fprintf(out, "%*s\n", LABEL_WIDTH, "...");
		else if (!is_empty)
			print_row(look, shapes, n, &axis, row, width, out);
		skipped = is_empty;
	}
}
