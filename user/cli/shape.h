/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Draws latency histograms in the terminal: one row a range of latencies, bars to the right. */
#ifndef STEER_CLI_SHAPE_H
#define STEER_CLI_SHAPE_H

#include "cli/distribution.h"
#include "cli/table.h"

struct shape {
	const char *name; /* above its bars; NULL: none */
	const struct distribution *of;
};

/*
 * n is 1, or 2 for side by side on the same axis. The axis is logarithmic: eight, four, two or one
 * rows an octave, the most that keep the bulk of the samples within some twenty rows, and one row
 * an octave outside of that. A row's label is where it begins. Bars are to scale, a
 * shape's fullest row being the longest; beside them stand the share of samples in the row and the
 * percentiles that fall in it.
 */
void shape_print(const struct table_look *look, const struct shape *shapes, size_t n, FILE *out);

#endif
