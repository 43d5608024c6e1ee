/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/top_draw.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include "cli/format.h"
#include "cli/help_text.h"
#include "common/text.h"
#include "common/util.h"

#define HEAD_LINES 4 /* title, what is shown, two of column names */
#define FOOT_LINES 1
#define NAME_MIN   12
#define NAME_MAX   40
#define COLUMN_GAP 1

static const struct {
	const char *name;
	size_t width; /* TOP_NAME: the least */
} columns[TOP_COLUMN_MAX] = {
	[TOP_NAME] = {"NAME", NAME_MIN}, [TOP_UP] = {"UP", 5},
	[TOP_WANTED] = {"WANT", 5},	 [TOP_SEEN] = {"SEEN", 5},
	[TOP_FLOWS] = {"FLOW/S", 6},	 [TOP_PACKETS] = {"PKT/S", 6},
	[TOP_CONNECT_P50] = {"p50", 6},	 [TOP_CONNECT_P99] = {"p99", 6},
	[TOP_ANSWER_P50] = {"p50", 6},	 [TOP_ANSWER_P99] = {"p99", 6},
	[TOP_ERRORS] = {"ERR/S", 6},	 [TOP_RETRANSMITS] = {"SYNR/S", 6},
	[TOP_RESETS] = {"RST/S", 6},	 [TOP_ABANDONED] = {"ABAN/S", 6},
};

/* Where columns are on a screen of some width; those that do not fit are left out. */
struct layout {
	size_t at[TOP_COLUMN_MAX];
	size_t width[TOP_COLUMN_MAX];
	size_t n;
};

static void lay_out(size_t width, struct layout *ret_layout)
{
	struct layout layout = {.n = 0};
	size_t used = 0, spare;

	for (; layout.n < TOP_COLUMN_MAX; layout.n++) {
		size_t more = columns[layout.n].width + (layout.n ? COLUMN_GAP : 0);

		if (used + more > width)
			break;
		layout.width[layout.n] = columns[layout.n].width;
		used += more;
	}
	spare = width - used;
	if (layout.n)
		layout.width[TOP_NAME] += spare < NAME_MAX - NAME_MIN ? spare : NAME_MAX - NAME_MIN;
	for (size_t i = 1; i < layout.n; i++)
		layout.at[i] = layout.at[i - 1] + layout.width[i - 1] + COLUMN_GAP;
	*ret_layout = layout;
}

/* Cut to the screen, without what is no ASCII. */
static void set_line(const struct top_screen *screen, size_t line, enum top_look look,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));
static void set_line(const struct top_screen *screen, size_t line, enum top_look look,
		     const char *format, ...)
{
	char *text;
	va_list args;

	if (line >= screen->height)
		return;
	text = screen->lines[line].text;
	va_start(args, format);
	vsnprintf(text, screen->width + 1, format, args);
	va_end(args);
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
	screen->lines[line].look = look;
}

/* Puts text into a line at a column, to the right of a field or to its left. */
static void put(struct top_line *line, size_t at, size_t width, const char *text, bool right)
{
	size_t length = strlen(text);

	if (length > width)
		length = width;
	for (size_t i = strlen(line->text); i < at + width; i++) {
		line->text[i] = ' ';
		line->text[i + 1] = '\0';
	}
	memcpy(line->text + at + (right ? width - length : 0), text, length);
}

static const char *short_share(double share, char *text)
{
	if (isnan(share))
		snprintf(text, FORMAT_MAX, "-");
	else
		snprintf(text, FORMAT_MAX, "%.*f%%", share < 0.9995, share * 100);
	return text;
}

static const char *cell_text(const struct top_row *row, enum top_column column, char *text)
{
	switch (column) {
	case TOP_UP:
		snprintf(text, FORMAT_MAX, "%zu/%zu", row->up_n, row->backends_n);
		return text;
	case TOP_WANTED:
		return short_share(row->wanted, text);
	case TOP_SEEN:
		return short_share(row->seen, text);
	case TOP_FLOWS:
		return format_rate(row->flows_per_s, text);
	case TOP_PACKETS:
		return format_rate(row->packets_per_s, text);
	case TOP_CONNECT_P50:
	case TOP_CONNECT_P99:
		return format_latency_short(row->connect_ns[column - TOP_CONNECT_P50], text);
	case TOP_ANSWER_P50:
	case TOP_ANSWER_P99:
		return format_latency_short(row->answer_ns[column - TOP_ANSWER_P50], text);
	case TOP_ERRORS:
		return format_rate(top_row_errors(row), text);
	case TOP_RETRANSMITS:
		return format_rate(row->syn_retransmits_per_s, text);
	case TOP_RESETS:
		return format_rate(row->resets_per_s, text);
	case TOP_ABANDONED:
		return format_rate(row->abandoned_per_s, text);
	default:
		return "";
	}
}

static void draw_row(const struct layout *layout, const struct top_view *view,
		     const struct top_row *row, struct top_line *line)
{
	const char *const names[] = {row->service, row->stack, row->backend};
	bool is_indented = row->level == TOP_STACK && !*view->service;
	CLEANUP_FREE char *name = util_format("%s%s", is_indented ? "  " : "", names[row->level]);
	char text[FORMAT_MAX];

	text_make_printable(name);
	for (size_t i = 0; i < layout->n; i++)
		put(line, layout->at[i], layout->width[i],
		    i == TOP_NAME ? name : cell_text(row, (enum top_column)i, text), i != TOP_NAME);
	line->look = row->level == TOP_SERVICE ? TOP_LOOK_STRONG : TOP_LOOK_PLAIN;
	if (row->up_n < row->backends_n)
		line->look = TOP_LOOK_BAD;
}

static const char *answer_title(enum measured_kind answer)
{
	switch (answer) {
	case MEASURED_RESPONSE:
		return "RESPONSE";
	case MEASURED_LAST_BYTE:
		return "LAST BYTE";
	default:
		return "SERVICE";
	}
}

static void draw_header(const struct layout *layout, const struct top_view *view,
			const struct top_screen *screen)
{
	struct top_line *above = &screen->lines[HEAD_LINES - 2], *line = above + 1;
	size_t pair = 2 * columns[TOP_CONNECT_P50].width + COLUMN_GAP;

	set_line(screen, HEAD_LINES - 2, TOP_LOOK_HEADER, "%*s", (int)screen->width, "");
	set_line(screen, HEAD_LINES - 1, TOP_LOOK_HEADER, "%*s", (int)screen->width, "");
	if (layout->n > TOP_CONNECT_P99)
		put(above, layout->at[TOP_CONNECT_P50], pair, "CONNECT", true);
	if (layout->n > TOP_ANSWER_P99)
		put(above, layout->at[TOP_ANSWER_P50], pair, answer_title(view->answer), true);
	for (size_t i = 0; i < layout->n; i++)
		put(line, layout->at[i], layout->width[i], columns[i].name, i != TOP_NAME);
	if (view->sort < layout->n) {
		line->mark = layout->at[view->sort];
		line->mark_n = layout->width[view->sort];
	}
}

static char *sampling_text(const struct measured *message)
{
	if (!message)
		return util_strdup("waiting for figures");
	if (message->sample_one_in > 1)
		return util_format("1 flow in %" PRIu32 " measured", message->sample_one_in);
	return util_strdup(message->sample_one_in ? "every flow measured" : "sampling is off");
}

static void draw_title(const struct top_view *view, const struct top_model *model,
		       const struct top_state *state, const struct top_screen *screen)
{
	CLEANUP_FREE char *sampling = sampling_text(top_model_message(model));
	size_t clock_n = strlen(state->clock);

	set_line(screen, 0, TOP_LOOK_TITLE,
		 "steerctl top: %s, routes version %" PRIu64 ", every %g s, %s",
		 model->node ?: state->address, model->version, view->interval_ms / 1000.0,
		 sampling);
	if (clock_n < screen->width && strlen(screen->lines[0].text) + clock_n < screen->width)
		put(&screen->lines[0], screen->width - clock_n, clock_n, state->clock, true);
}

static const char *sort_name(const struct top_view *view)
{
	static const char *const names[TOP_COLUMN_MAX] = {
		[TOP_CONNECT_P50] = "connect p50",
		[TOP_CONNECT_P99] = "connect p99",
		[TOP_ANSWER_P50] = "response p50",
		[TOP_ANSWER_P99] = "response p99",
	};

	return names[view->sort] ?: columns[view->sort].name;
}

/* What is open, how it is sorted, filtered; or what is wrong. */
static void draw_place(const struct top_view *view, const struct top_state *state,
		       const struct top_screen *screen)
{
	CLEANUP_FREE char *place = NULL, *filter = NULL;

	if (state->trouble) {
		set_line(screen, 1, TOP_LOOK_BAD, "No connection, trying again: %s (%s)",
			 state->trouble, state->address);
		return;
	}
	if (view->is_typing) {
		set_line(screen, 1, TOP_LOOK_PLAIN, "Filter by name: %s_", view->filter);
		return;
	}
	place = util_format("%s%s%s%s", *view->service ? "service " : "all services", view->service,
			    *view->stack ? ", stack " : "", view->stack);
	filter = *view->filter ? util_format(", with '%s'", view->filter) : util_strdup("");
	set_line(screen, 1, TOP_LOOK_PLAIN, "%s%s, by %s%s%s", place, filter, sort_name(view),
		 view->is_reverse ? " reversed" : "", view->is_paused ? "   PAUSED" : "");
}

static void draw_foot(const struct top_screen *screen)
{
	set_line(screen, screen->height - 1, TOP_LOOK_FAINT,
		 "q quit  h help  < > sort  r reverse  / filter  Enter open  Bksp back  p pause");
}

/* The text of `steerctl top --help`. */
static void draw_help(const struct top_screen *screen)
{
	CLEANUP_FREE char *copy = util_strdup(help_top);
	char *at = copy, *text;

	for (size_t line = 0; line + 1 < screen->height && (text = strsep(&at, "\n")); line++)
		set_line(screen, line, TOP_LOOK_PLAIN, "%s", text);
	set_line(screen, screen->height - 1, TOP_LOOK_FAINT, "any key goes back");
}

size_t top_draw_page(size_t height)
{
	return height > HEAD_LINES + FOOT_LINES ? height - HEAD_LINES - FOOT_LINES : 0;
}

static void scroll(struct top_view *view, size_t n, size_t page)
{
	if (view->first + page > n)
		view->first = n > page ? n - page : 0;
	if (view->selected < view->first)
		view->first = view->selected;
	if (page && view->selected >= view->first + page)
		view->first = view->selected - page + 1;
}

static void draw_table(struct top_view *view, const struct top_row *rows, size_t n,
		       const struct top_screen *screen)
{
	size_t page = top_draw_page(screen->height);
	struct layout layout;

	lay_out(screen->width, &layout);
	draw_header(&layout, view, screen);
	scroll(view, n, page);
	for (size_t i = 0; i < page && view->first + i < n; i++) {
		struct top_line *line = &screen->lines[HEAD_LINES + i];

		draw_row(&layout, view, &rows[view->first + i], line);
		line->is_selected = view->first + i == view->selected;
	}
	if (!n)
		set_line(screen, HEAD_LINES, TOP_LOOK_FAINT, "%s",
			 *view->filter ? "nothing has the filter in its name" : "nothing here yet");
}

void top_draw(struct top_view *view, const struct top_model *model, const struct top_row *rows,
	      size_t n, const struct top_state *state, size_t width, size_t height,
	      struct top_screen *ret_screen)
{
	struct top_screen screen = {
		.width = width < TOP_DRAW_WIDTH_MAX ? width : TOP_DRAW_WIDTH_MAX,
		.height = height < TOP_DRAW_HEIGHT_MAX ? height : TOP_DRAW_HEIGHT_MAX};

	screen.lines = util_calloc(screen.height, sizeof(*screen.lines));
	if (screen.height > HEAD_LINES + FOOT_LINES && !view->is_help) {
		draw_title(view, model, state, &screen);
		draw_place(view, state, &screen);
		draw_table(view, rows, n, &screen);
		draw_foot(&screen);
	} else if (view->is_help && screen.height) {
		draw_help(&screen);
	} else if (screen.height) {
		set_line(&screen, 0, TOP_LOOK_BAD, "%s", "the terminal is too low");
	}
	*ret_screen = screen;
}
