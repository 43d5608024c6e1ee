/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables for people: aligned, fitted to the terminal, coloured where that is wanted. */
#ifndef STEER_CLI_TABLE_H
#define STEER_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum table_align {
	TABLE_LEFT,
	TABLE_RIGHT,
	TABLE_SPARE, /* to the right; left out where the terminal is too narrow for it */
	TABLE_WRAP,  /* to the left; folded between words where the terminal is too narrow */
	TABLE_TREE,  /* to the left; rows with a parent are drawn below it */
};

struct table_column {
	const char *name;
	enum table_align align;
};

#define TABLE_COLUMNS_MAX 8

enum table_color { TABLE_PLAIN, TABLE_GOOD, TABLE_BAD };

struct table_look {
	size_t width; /* columns of the terminal */
	bool colors;
	bool ascii; /* draw trees without other characters; names are UTF-8 all the same */
};

/* What stdout is: its width (COLUMNS, the terminal's, or 80), and colours unless NO_COLOR. */
struct table_look table_look_stdout(void);

struct table;
struct table_row;
/* `columns` must outlive the table; up to TABLE_COLUMNS_MAX. */
struct table *table_new(const struct table_look *look, const struct table_column *columns,
			size_t n);
void table_free(struct table *table); /* accepts NULL */

/* parent: a row it hangs below, added before, or NULL. The row belongs to the table. */
struct table_row *table_add(struct table *table, struct table_row *parent);
void table_set(struct table_row *row, size_t column, const char *text);
void table_paint(struct table_row *row, size_t column, enum table_color color);

/* Once; nothing at all for a table without rows. Control characters show as "?". */
void table_print(struct table *table, FILE *out);

#define CLEANUP_TABLE __attribute__((cleanup(table_freep)))
static inline void table_freep(struct table **table)
{
	table_free(*table);
}

#endif
