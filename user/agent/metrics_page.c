/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/metrics_page.h"

#include "common/util.h"

const struct page_table *const page_tables[PAGE_TABLES] = {
	&page_agent_table,
	&page_routes_table,
	&page_series_table,
};

struct metrics_page {
	struct metrics_source source;
	const struct page_table *const *tables;
	size_t tables_n;
	size_t table, family; /* where it has got to */
	bool is_in_family;
	struct page_position at;
	struct metrics_out *out;
	const uint8_t *rest; /* of the piece */
	size_t rest_size;
};

struct metrics_page *metrics_page_new(enum metrics_format format,
				      const struct metrics_source *source,
				      const struct metrics_origin *origin,
				      const struct page_table *const *tables, size_t n)
{
	struct metrics_page *page = util_calloc(1, sizeof(*page));

	page->source = *source;
	page->tables = tables;
	page->tables_n = n;
	page->out = metrics_new(format, origin);
	if (source->telemetry)
		telemetry_collect(source->telemetry);
	return page;
}

void metrics_page_free(struct metrics_page *page)
{
	if (!page)
		return;
	metrics_free(page->out);
	free(page);
}

/* The family that is under way; NULL: all are done. */
static const struct page_family *current(struct metrics_page *page)
{
	while (page->table < page->tables_n && page->family == page->tables[page->table]->n) {
		page->table++;
		page->family = 0;
	}
	if (page->table == page->tables_n)
		return NULL;
	return &page->tables[page->table]->families[page->family];
}

static void step(struct metrics_page *page, const struct page_family *family)
{
	if (!page->is_in_family)
		metrics_family(page->out, &family->metric);
	page->is_in_family = family->step(page->out, family, &page->source, &page->at);
	if (page->is_in_family)
		return;
	page->at = (struct page_position){};
	page->family++;
}

const void *metrics_page_next(struct metrics_page *page, size_t *ret_size)
{
	const struct page_family *family;

	while (metrics_size(page->out) < METRICS_PIECE && (family = current(page)))
		step(page, family);
	return metrics_take(page->out, ret_size);
}

size_t metrics_page_read(struct metrics_page *page, void *buffer, size_t max)
{
	size_t size;

	if (!page->rest_size)
		page->rest = metrics_page_next(page, &page->rest_size);
	size = page->rest_size < max ? page->rest_size : max;
	if (size)
		memcpy(buffer, page->rest, size);
	page->rest += size;
	page->rest_size -= size;
	return size;
}
