/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/top_view.h"

#include <ctype.h>
#include <math.h>

#include "common/util.h"

static const uint32_t intervals_ms[] = {100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000};

void top_view_init(struct top_view *view, uint32_t interval_ms)
{
	*view = (struct top_view){
		.sort = TOP_NAME,
		.answer = MEASURED_SERVICE,
		.interval_ms = interval_ms,
	};
}

static double column_value(const struct top_row *row, enum top_column column)
{
	switch (column) {
	case TOP_UP:
		return row->backends_n ? (double)row->up_n / (double)row->backends_n : NAN;
	case TOP_WANTED:
		return row->wanted;
	case TOP_SEEN:
		return row->seen;
	case TOP_FLOWS:
		return row->flows_per_s;
	case TOP_PACKETS:
		return row->packets_per_s;
	case TOP_CONNECT_P50:
	case TOP_CONNECT_P99:
		return row->connect_ns[column - TOP_CONNECT_P50];
	case TOP_ANSWER_P50:
	case TOP_ANSWER_P99:
		return row->answer_ns[column - TOP_ANSWER_P50];
	case TOP_ERRORS:
		return top_row_errors(row);
	case TOP_RETRANSMITS:
		return row->syn_retransmits_per_s;
	case TOP_RESETS:
		return row->resets_per_s;
	case TOP_ABANDONED:
		return row->abandoned_per_s;
	default:
		return NAN;
	}
}

static const char *row_name(const struct top_row *row)
{
	if (row->level == TOP_SERVICE)
		return row->service;
	return row->level == TOP_STACK ? row->stack : row->backend;
}

/* Names rise, figures fall, what is not known comes last; reversed, all but the last. */
static int compare_rows(const void *a, const void *b, void *userdata)
{
	const struct top_row *row_a = a, *row_b = b;
	const struct top_view *view = userdata;
	double value_a = column_value(row_a, view->sort), value_b = column_value(row_b, view->sort);
	int sign = view->is_reverse ? -1 : 1, order = 0;

	if (view->sort != TOP_NAME) {
		if (isnan(value_a) != isnan(value_b))
			return isnan(value_a) ? 1 : -1;
		order = (value_a < value_b) - (value_a > value_b);
		if (order)
			return sign * order;
		sign = 1;
	}
	return sign * strcmp(row_name(row_a), row_name(row_b));
}

static void sort_rows(const struct top_view *view, struct top_row *rows, size_t n)
{
	qsort_r(rows, n, sizeof(*rows), compare_rows, (void *)view);
}

/* From a service row on: how many rows belong to it, itself included. */
static size_t group_size(const struct top_row *rows, size_t n)
{
	size_t size = 1;

	while (size < n && rows[size].level != TOP_SERVICE)
		size++;
	return size;
}

/* Services among each other, and the stacks of each. */
static void sort_groups(const struct top_view *view, struct top_row *rows, size_t n)
{
	struct top_row *copy = util_calloc(n, sizeof(*copy)), *heads, *out = rows;
	size_t heads_n = 0;

	memcpy(copy, rows, n * sizeof(*copy));
	heads = util_calloc(n, sizeof(*heads));
	for (size_t i = 0; i < n; i++)
		if (copy[i].level == TOP_SERVICE)
			heads[heads_n++] = copy[i];
	sort_rows(view, heads, heads_n);
	for (size_t i = 0; i < heads_n; i++) {
		size_t at = 0, size;

		while (copy[at].level != TOP_SERVICE || copy[at].service != heads[i].service)
			at++;
		size = group_size(&copy[at], n - at);
		memcpy(out, &copy[at], size * sizeof(*out));
		sort_rows(view, out + 1, size - 1);
		out += size;
	}
	free(heads);
	free(copy);
}

static bool has_filter(const struct top_view *view, const struct top_row *row)
{
	return strcasestr(row_name(row), view->filter);
}

/*
 * What has the filter in its name; of a service all stacks, if it has, and of a stack its service.
 */
static size_t filter_rows(const struct top_view *view, struct top_row *rows, size_t n)
{
	const struct top_row *service = NULL;
	bool is_service = false, is_printed = false;
	size_t kept = 0;

	if (!*view->filter)
		return n;
	for (size_t i = 0; i < n; i++) {
		struct top_row row = rows[i];

		if (row.level == TOP_SERVICE) {
			service = &rows[i];
			is_service = is_printed = has_filter(view, &row);
			if (!is_service)
				continue;
		} else if (!is_service && !has_filter(view, &row)) {
			continue;
		}
		/* kept never runs ahead: what is overwritten has been looked at. */
		if (service && !is_printed) {
			struct top_row head = *service;

			is_printed = true;
			rows[kept++] = head;
		}
		rows[kept++] = row;
	}
	return kept;
}

static void remember(struct top_view *view, const struct top_row *row)
{
	snprintf(view->at_service, sizeof(view->at_service), "%s", row->service);
	snprintf(view->at_stack, sizeof(view->at_stack), "%s", row->stack);
	snprintf(view->at_backend, sizeof(view->at_backend), "%s", row->backend);
}

/* Where the remembered row is, or else the one that has its place now. */
static void find_selected(struct top_view *view, const struct top_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].service, view->at_service) == 0 &&
		    strcmp(rows[i].stack, view->at_stack) == 0 &&
		    strcmp(rows[i].backend, view->at_backend) == 0) {
			view->selected = i;
			return;
		}
	}
	if (view->selected >= n)
		view->selected = n ? n - 1 : 0;
	if (n)
		remember(view, &rows[view->selected]);
}

size_t top_view_rows(struct top_view *view, const struct top_model *model,
		     struct top_row **ret_rows)
{
	struct top_row *rows;
	size_t n = top_model_rows(model, *view->service ? view->service : NULL,
				  *view->stack ? view->stack : NULL, view->answer, &rows);

	n = filter_rows(view, rows, n);
	if (*view->service)
		sort_rows(view, rows, n);
	else
		sort_groups(view, rows, n);
	find_selected(view, rows, n);
	*ret_rows = rows;
	return n;
}

static void select_row(struct top_view *view, const struct top_row *rows, size_t n, size_t row)
{
	if (!n)
		return;
	view->selected = row < n ? row : n - 1;
	remember(view, &rows[view->selected]);
}

static void move(struct top_view *view, const struct top_row *rows, size_t n, uint32_t key,
		 size_t page)
{
	size_t at = view->selected;

	switch (key) {
	case TOP_KEY_UP:
		at = at ? at - 1 : 0;
		break;
	case TOP_KEY_DOWN:
		at++;
		break;
	case TOP_KEY_PAGE_UP:
		at = at > page ? at - page : 0;
		break;
	case TOP_KEY_PAGE_DOWN:
		at += page;
		break;
	case TOP_KEY_HOME:
		at = 0;
		break;
	default:
		at = n;
		break;
	}
	select_row(view, rows, n, at);
}

static void enter(struct top_view *view, const struct top_row *row)
{
	if (row->level == TOP_BACKEND)
		return;
	snprintf(view->service, sizeof(view->service), "%s", row->service);
	snprintf(view->stack, sizeof(view->stack), "%s", row->stack);
	view->at_stack[0] = view->at_backend[0] = '\0';
	view->filter[0] = '\0';
	view->selected = view->first = 0;
}

/* Drops the filter, or goes out of what is open, back to its row. */
static void leave(struct top_view *view)
{
	if (*view->filter) {
		view->filter[0] = '\0';
		return;
	}
	if (!*view->service)
		return;
	snprintf(view->at_service, sizeof(view->at_service), "%s", view->service);
	snprintf(view->at_stack, sizeof(view->at_stack), "%s", view->stack);
	view->at_backend[0] = '\0';
	if (*view->stack)
		view->stack[0] = '\0';
	else
		view->service[0] = '\0';
	view->first = 0;
}

/* While the filter is typed. */
static void type(struct top_view *view, uint32_t key)
{
	size_t length = strlen(view->filter);

	if (key == TOP_KEY_ENTER) {
		view->is_typing = false;
	} else if (key == TOP_KEY_ESCAPE) {
		view->is_typing = false;
		view->filter[0] = '\0';
	} else if (key == TOP_KEY_BACK) {
		view->filter[length ? length - 1 : 0] = '\0';
	} else if (key < 0x80 && isprint((int)key) && length + 1 < sizeof(view->filter)) {
		view->filter[length] = (char)key;
		view->filter[length + 1] = '\0';
	}
}

static enum top_action change_interval(struct top_view *view, bool longer)
{
	size_t n = ARRAY_SIZE(intervals_ms), at = 0;
	uint32_t before = view->interval_ms;

	if (longer) {
		while (at < n - 1 && intervals_ms[at] <= before)
			at++;
	} else {
		at = n - 1;
		while (at > 0 && intervals_ms[at] >= before)
			at--;
	}
	view->interval_ms = intervals_ms[at];
	return view->interval_ms == before ? TOP_STAY : TOP_INTERVAL_CHANGED;
}

static void change_sort(struct top_view *view, int step)
{
	int column = (int)view->sort + step;

	if (column >= 0 && column < TOP_COLUMN_MAX)
		view->sort = (enum top_column)column;
}

static void change_answer(struct top_view *view)
{
	switch (view->answer) {
	case MEASURED_SERVICE:
		view->answer = MEASURED_RESPONSE;
		break;
	case MEASURED_RESPONSE:
		view->answer = MEASURED_LAST_BYTE;
		break;
	default:
		view->answer = MEASURED_SERVICE;
		break;
	}
}

static enum top_action command(struct top_view *view, uint32_t key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return TOP_QUIT;
	case 'h':
	case '?':
		view->is_help = true;
		break;
	case '<':
	case TOP_KEY_LEFT:
		change_sort(view, -1);
		break;
	case '>':
	case TOP_KEY_RIGHT:
		change_sort(view, 1);
		break;
	case 'r':
		view->is_reverse = !view->is_reverse;
		break;
	case 'k':
		change_answer(view);
		break;
	case 'p':
		view->is_paused = !view->is_paused;
		break;
	case '/':
		view->is_typing = true;
		break;
	case '+':
	case '-':
		return change_interval(view, key == '+');
	case TOP_KEY_BACK:
	case TOP_KEY_ESCAPE:
		leave(view);
		break;
	}
	return TOP_STAY;
}

enum top_action top_view_key(struct top_view *view, uint32_t key, const struct top_row *rows,
			     size_t n, size_t page)
{
	if (view->is_help) {
		view->is_help = false;
		return key == 'q' ? TOP_QUIT : TOP_STAY;
	}
	if (view->is_typing) {
		type(view, key);
		return TOP_STAY;
	}
	if (key >= TOP_KEY_UP && key <= TOP_KEY_END) {
		move(view, rows, n, key, page);
		return TOP_STAY;
	}
	if (key == TOP_KEY_ENTER) {
		if (view->selected < n)
			enter(view, &rows[view->selected]);
		return TOP_STAY;
	}
	return command(view, key);
}
