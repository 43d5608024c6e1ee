/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/table.h"

#include <libsmartcols/libsmartcols.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "common/text.h"
#include "common/util.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MIN     20
#define WIDTH_MAX     1000

#define WRAP_MIN    20 /* columns that folded text should have at least */
#define TREE_INDENT 2  /* columns that a row below another is moved in */

struct table_row {
	struct table_row *parent;
	struct libscols_line *line;
	char *texts[TABLE_COLUMNS_MAX];
	enum table_color colors[TABLE_COLUMNS_MAX];
};

struct table {
	struct table_look look;
	const struct table_column *columns;
	size_t columns_n;
	struct table_row **rows;
	size_t rows_n;
};

static size_t width_of_stdout(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width = 0;

	if (columns && text_parse_number(columns, &width) < 0)
		width = 0;
	if (!width && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	if (!width)
		width = WIDTH_DEFAULT;
	if (width < WIDTH_MIN)
		width = WIDTH_MIN;
	return width > WIDTH_MAX ? WIDTH_MAX : (size_t)width;
}

struct table_look table_look_stdout(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return (struct table_look){
		.width = width_of_stdout(),
		.colors = isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
			  !(term && strcmp(term, "dumb") == 0),
	};
}

struct table *table_new(const struct table_look *look, const struct table_column *columns, size_t n)
{
	struct table *table = util_calloc(1, sizeof(*table));

	if (n > TABLE_COLUMNS_MAX)
		abort();
	table->look = *look;
	table->columns = columns;
	table->columns_n = n;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->rows_n; i++) {
		for (size_t j = 0; j < TABLE_COLUMNS_MAX; j++)
			free(table->rows[i]->texts[j]);
		free(table->rows[i]);
	}
	free(table->rows);
	free(table);
}

struct table_row *table_add(struct table *table, struct table_row *parent)
{
	struct table_row *row = util_calloc(1, sizeof(*row));

	row->parent = parent;
	if ((table->rows_n & (table->rows_n - 1)) == 0)
		table->rows = util_realloc(table->rows, table->rows_n ? table->rows_n * 2 : 1,
					   sizeof(*table->rows));
	table->rows[table->rows_n++] = row;
	return row;
}

void table_set(struct table_row *row, size_t column, const char *text)
{
	free(row->texts[column]);
	row->texts[column] = util_strdup(text);
	text_make_printable(row->texts[column]);
}

void table_paint(struct table_row *row, size_t column, enum table_color color)
{
	row->colors[column] = color;
}

/* Columns of the terminal that text takes. */
static size_t width_of(const char *text)
{
	CLEANUP_FREE wchar_t *wide = util_calloc(strlen(text) + 1, sizeof(*wide));
	int width = -1;

	if (mbstowcs(wide, text, strlen(text) + 1) != (size_t)-1)
		width = wcswidth(wide, strlen(text));
	return width < 0 ? strlen(text) : (size_t)width;
}

static size_t natural_width(const struct table *table, size_t column)
{
	size_t widest = width_of(table->columns[column].name);

	for (size_t i = 0; i < table->rows_n; i++) {
		const struct table_row *row = table->rows[i];
		size_t width = row->texts[column] ? width_of(row->texts[column]) : 0;

		if (table->columns[column].align == TABLE_TREE && row->parent)
			width += TREE_INDENT;
		if (width > widest)
			widest = width;
	}
	return widest;
}

/* How wide each column is going to be; 0: it is left out. */
struct layout {
	size_t widths[TABLE_COLUMNS_MAX];
	size_t total;
};

static size_t total_width(const struct table *table, const size_t *widths)
{
	size_t total = 0;

	for (size_t i = 0; i < table->columns_n; i++)
		if (widths[i])
			total += widths[i] + (total ? 1 : 0);
	return total;
}

/* Folds first, down to WRAP_MIN; then spare columns go, the last one first. */
static struct layout make_layout(const struct table *table)
{
	struct layout layout = {0};
	size_t spare = table->columns_n;

	for (size_t i = 0; i < table->columns_n; i++)
		layout.widths[i] = natural_width(table, i);
	for (;;) {
		layout.total = total_width(table, layout.widths);
		for (size_t i = 0; i < table->columns_n && layout.total > table->look.width; i++) {
			size_t over = layout.total - table->look.width, width = layout.widths[i];

			if (table->columns[i].align != TABLE_WRAP || width <= WRAP_MIN)
				continue;
			layout.widths[i] = width - over < WRAP_MIN || over > width ? WRAP_MIN
										   : width - over;
			layout.total = total_width(table, layout.widths);
		}
		if (layout.total <= table->look.width)
			return layout;
		do
			if (spare-- == 0)
				return layout;
		while (table->columns[spare].align != TABLE_SPARE);
		layout.widths[spare] = 0;
		for (size_t i = 0; i < table->columns_n; i++)
			if (table->columns[i].align == TABLE_WRAP)
				layout.widths[i] = natural_width(table, i);
	}
}

/* Puts line ends between words; a word that is wider than a line stays whole. */
static void fold(char *text, size_t width)
{
	char *line = text, *space = NULL;

	for (char *at = text; *at; at++) {
		char *end = at + strcspn(at, " ");
		char saved = *end;
		bool fits;

		*end = '\0';
		fits = width_of(line) <= width;
		*end = saved;
		if (!fits && space) {
			*space = '\n';
			line = space + 1;
		}
		if (!saved)
			break;
		space = end;
		at = end;
	}
}

static void add_columns(const struct table *table, const struct layout *layout,
			struct libscols_table *scols)
{
	static const int flags[] = {
		[TABLE_LEFT] = 0,
		[TABLE_RIGHT] = SCOLS_FL_RIGHT,
		[TABLE_SPARE] = SCOLS_FL_RIGHT,
		[TABLE_WRAP] = SCOLS_FL_WRAP,
		[TABLE_TREE] = SCOLS_FL_TREE,
	};

	for (size_t i = 0; i < table->columns_n; i++) {
		const struct table_column *column = &table->columns[i];
		struct libscols_column *added;

		if (!layout->widths[i])
			continue;
		added = scols_table_new_column(scols, column->name, 0, flags[column->align]);
		if (!added)
			abort();
		if (column->align != TABLE_WRAP)
			continue;
		scols_column_set_safechars(added, "\n");
		scols_column_set_wrapfunc(added, scols_wrapnl_chunksize, scols_wrapnl_nextchunk,
					  NULL);
	}
}

static void add_row(const struct table *table, const struct layout *layout,
		    struct libscols_table *scols, struct table_row *row)
{
	static const char *const colors[] = {NULL, "green", "red"};
	size_t at = 0;

	row->line = scols_table_new_line(scols, row->parent ? row->parent->line : NULL);
	if (!row->line)
		abort();
	for (size_t i = 0; i < table->columns_n; i++) {
		if (!layout->widths[i])
			continue;
		if (row->texts[i]) {
			if (table->columns[i].align == TABLE_WRAP)
				fold(row->texts[i], layout->widths[i]);
			scols_line_set_data(row->line, at, row->texts[i]);
		}
		scols_cell_set_color(scols_line_get_cell(row->line, at), colors[row->colors[i]]);
		at++;
	}
}

void table_print(struct table *table, FILE *out)
{
	struct layout layout = make_layout(table);
	struct libscols_table *scols;

	if (!table->rows_n)
		return;
	scols = scols_new_table();
	if (!scols)
		abort();
	/* The layout is made; what is too wide even so is the terminal's to break. */
	scols_table_set_termforce(scols, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(scols, WIDTH_MAX);
	scols_table_enable_colors(scols, table->look.colors);
	scols_table_enable_ascii(scols, table->look.ascii);
	scols_table_set_stream(scols, out);
	add_columns(table, &layout, scols);
	for (size_t i = 0; i < table->rows_n; i++)
		add_row(table, &layout, scols, table->rows[i]);
	scols_print_table(scols);
	scols_unref_table(scols);
}
