/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All metrics, piece by piece, straight from the live tables: what is under way holds one piece
 * and a position, and no pointer into anything that may change while the loop goes on.
 */
#ifndef STEER_METRICS_PAGE_H
#define STEER_METRICS_PAGE_H

#include "agent/agent.h"
#include "agent/metrics.h"
#include "agent/routes_walk.h"
#include "agent/telemetry.h"

#define METRICS_PIECE (32u << 10) /* bytes after which a piece ends; it may be a value longer */

struct otlp;

/* Where values come from. What is NULL has none. */
struct metrics_source {
	const struct agent *agent;
	struct telemetry *telemetry;
	const struct otlp *otlp;
};

/* Where a family has got to; which of the two is up to its step. */
struct page_position {
	size_t series;
	struct routes_position routes;
};

struct page_part {
	int what;	   /* which of the numbers at hand */
	const char *value; /* of the family's own label */
};

#define PAGE_PARTS_MAX 2

/* A family, and how its values are found. */
struct page_family {
	struct metric_family metric;
	/* Puts what is at the position, if anything, and steps on; false: that was the last. */
	bool (*step)(struct metrics_out *out, const struct page_family *family,
		     const struct metrics_source *source, struct page_position *at);
	const char *label; /* that tells the parts apart; NULL: there is one part, without it */
	struct page_part part[PAGE_PARTS_MAX];
};

struct page_table {
	const struct page_family *families;
	size_t n;
};

/* Of the agent (not NULL), of the live routes (likewise), of the telemetry's series. */
extern const struct page_table page_agent_table, page_routes_table, page_series_table;

/* All of them, in this order. */
#define PAGE_TABLES 3
extern const struct page_table *const page_tables[PAGE_TABLES];

struct metrics_page;

/* Brings the telemetry of the source up to date. The tables and the origin must outlive it. */
struct metrics_page *metrics_page_new(enum metrics_format format,
				      const struct metrics_source *source,
				      const struct metrics_origin *origin,
				      const struct page_table *const *tables, size_t n);
void metrics_page_free(struct metrics_page *page); /* accepts NULL */

/* The next piece, valid until the next call; NULL: that was all. */
const void *metrics_page_next(struct metrics_page *page, size_t *ret_size);

/* The same as a stream of bytes: how many were written to `buffer`; 0: that was all. */
size_t metrics_page_read(struct metrics_page *page, void *buffer, size_t max);

#endif
