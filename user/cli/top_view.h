/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the model `steerctl top` shows, and how keys change that. Pure: no terminal is needed.
 */
#ifndef STEER_CLI_TOP_VIEW_H
#define STEER_CLI_TOP_VIEW_H

#include "cli/top_model.h"

enum top_column {
	TOP_NAME,
	TOP_UP,
	TOP_WANTED,
	TOP_SEEN,
	TOP_FLOWS,
	TOP_PACKETS,
	TOP_CONNECT_P50,
	TOP_CONNECT_P99,
	TOP_ANSWER_P50,
	TOP_ANSWER_P99,
	TOP_ERRORS,
	TOP_RETRANSMITS, /* this and the rest where the terminal is wide */
	TOP_RESETS,
	TOP_ABANDONED,
	TOP_COLUMN_MAX
};

#define TOP_FILTER_MAX 32
#define TOP_KEY_MAX    48 /* bytes of a name or an address, NUL included */

struct top_view {
	char service[TOP_KEY_MAX]; /* opened; "" : all */
	char stack[TOP_KEY_MAX];
	/* The row selected, by name, so that it stays so wherever it goes. */
	char at_service[TOP_KEY_MAX];
	char at_stack[TOP_KEY_MAX];
	char at_backend[TOP_KEY_MAX];
	size_t selected; /* where it was */
	size_t first;	 /* row at the top of the screen */
	enum top_column sort;
	bool is_reverse;
	enum measured_kind answer;
	char filter[TOP_FILTER_MAX];
	bool is_typing; /* the filter */
	bool is_paused;
	bool is_help;
	uint32_t interval_ms;
};

void top_view_init(struct top_view *view, uint32_t interval_ms);

/* Filtered, sorted; the selection is brought to where its row is now. The caller frees. */
size_t top_view_rows(struct top_view *view, const struct top_model *model,
		     struct top_row **ret_rows);

/* Keys beside characters. */
enum top_key {
	TOP_KEY_UP = 0x110000, /* above all of Unicode */
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_ENTER,
	TOP_KEY_BACK,
	TOP_KEY_ESCAPE,
};

enum top_action { TOP_STAY, TOP_QUIT, TOP_INTERVAL_CHANGED };

/* rows: what top_view_rows() said last; page: rows that the screen shows. */
enum top_action top_view_key(struct top_view *view, uint32_t key, const struct top_row *rows,
			     size_t n, size_t page);

#endif
