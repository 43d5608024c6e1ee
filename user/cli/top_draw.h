/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The screen of `steerctl top` as lines of text with a look each. Pure: whoever has a terminal
 * puts them there.
 */
#ifndef STEER_CLI_TOP_DRAW_H
#define STEER_CLI_TOP_DRAW_H

#include "cli/top_view.h"

#define TOP_DRAW_WIDTH_MAX  512
#define TOP_DRAW_HEIGHT_MAX 512

enum top_look {
	TOP_LOOK_PLAIN,
	TOP_LOOK_TITLE,
	TOP_LOOK_HEADER,
	TOP_LOOK_STRONG, /* a service, with its stacks below */
	TOP_LOOK_BAD,	 /* backends are down, or the daemon is gone */
	TOP_LOOK_FAINT,
};

struct top_line {
	char text[TOP_DRAW_WIDTH_MAX + 1]; /* ASCII; no longer than the screen is wide */
	enum top_look look;
	bool is_selected;
	size_t mark; /* columns mark to mark + mark_n - 1 stand out */
	size_t mark_n;
};

struct top_screen {
	struct top_line *lines; /* `height` of them */
	size_t width;
	size_t height;
};

/* What is beside model and view. */
struct top_state {
	const char *address; /* of the daemon */
	const char *trouble; /* why there is no connection; NULL: there is */
	const char *clock;   /* "12:34:56" */
};

/* Rows of the table that a screen of this height has room for. */
size_t top_draw_page(size_t height);

/* Scrolls view->first to where the selection shows. The caller frees screen->lines. */
void top_draw(struct top_view *view, const struct top_model *model, const struct top_row *rows,
	      size_t n, const struct top_state *state, size_t width, size_t height,
	      struct top_screen *ret_screen);

#endif
