/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `steerctl histogram` was asked, what it got, and the ways it is shown. */
#ifndef STEER_CLI_HISTOGRAM_H
#define STEER_CLI_HISTOGRAM_H

#include <jansson.h>

#include "cli/compare.h"
#include "cli/measured.h"
#include "cli/table.h"

struct histogram {
	/* Asked. */
	struct measured_filter filter;
	bool has_kind;
	enum measured_kind kind;
	const char *compared[2]; /* stacks; NULL: none are */
	/* Got. */
	struct measured_sum sum;
	char *node;
	uint64_t epoch;
	uint64_t from_unix_ms;
	uint64_t to_unix_ms;
	uint32_t sample_one_in;
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, const struct measured *message);

/* Whether a kind is asked for. */
bool histogram_wants(const struct histogram *histogram, enum measured_kind kind);
/* The samples of a kind that pass the filter; of both stacks, where two are compared. */
uint64_t histogram_samples(const struct histogram *histogram, enum measured_kind kind);

/* The filter with the i-th of the stacks compared, or as it is. */
struct measured_filter histogram_filter(const struct histogram *histogram, size_t i);

/*
 * The kind that a comparison is about: the one asked for, or the one that says most of a stack
 * among those that both have samples of, or else any has.
 */
enum measured_kind histogram_compared_kind(const struct histogram *histogram);

/* "service shop, stack blue"; "" without a filter. The caller frees. */
char *histogram_filter_text(const struct measured_filter *filter);

/*
 * Why there are no samples, as far as the messages tell; the caller frees. `i` as above. "no
 * samples of connect for stack green: …".
 */
char *histogram_why_none(const struct histogram *histogram, size_t i);

/* A row for each service, stack and kind; blocks with the shape; two stacks side by side. */
void histogram_print_summary(const struct histogram *histogram, const struct table_look *look,
			     FILE *out);
void histogram_print_kinds(const struct histogram *histogram, const struct table_look *look,
			   FILE *out);
void histogram_print_compared(const struct histogram *histogram, const struct table_look *look,
			      FILE *out);

/* All of it; the caller's reference. */
json_t *histogram_json(const struct histogram *histogram);

#endif
