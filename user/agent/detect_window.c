/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows of the last moments by age. Of those begun between a window's length and the lag ago, all
 * should have completed since then. Completions since then of older or younger flows hide some
 * that did not, never the other way round.
 *
 * A SYN is repeated a second after it was first sent: within a shorter window, those repeated are
 * others than those begun. They went wrong, too, and what they complete late does not hide more.
 */
#include "agent/detect_internal.h"

#include <math.h>

const uint32_t detect_window_ticks[DETECT_WINDOWS] = {
	4, 8, 16, 32, 64, 96, 128, 192, DETECT_PAST - 1};

#define REPEATED_MS   1000 /* after the first, a SYN is repeated (RFC 6298) */
#define REPEAT_WINDOW 4	   /* the shortest for repeats, which come a second after the SYN */

uint32_t detect_patience(const struct detect *d, const struct detect_member *m, int c)
{
	double twice = fmin(2 * d->stacks[m->place.stack].pause[c], DETECT_PATIENCE_MOST);

	return (uint32_t)fmax(twice, detect_least[c]);
}

static void look_overdue(const struct detect *d, struct detect_member *m, int c, uint32_t w)
{
	const struct detect_counts *now = detect_at(d, m, 0);
	const struct detect_counts *then = detect_at(d, m, detect_window_ticks[w]);
	double begun = now->begun[c] - then->begun[c], done = now->done[c] - then->done[c], aged;
	uint32_t lag = detect_patience(d, m, c);

	if (c == DETECT_CONNECT && detect_window_ticks[w] * DETECT_TICK_MS < REPEATED_MS)
		done -= now->repeated - then->repeated;
	m->windows.begun[c][w] = (float)begun;
	m->windows.open[c][w] = (float)(begun - done);
	if (lag < m->lag[c])
		lag = m->lag[c];
	if (m->lag[c] == DETECT_LAG_UNKNOWN || lag >= detect_window_ticks[w])
		return;
	m->waited[c] = lag;
	aged = detect_at(d, m, lag)->begun[c] - then->begun[c];
	m->windows.aged[c][w] = (float)aged;
	m->windows.gone[c][w] = (float)fmax(0, fmin(aged - done, aged));
}

static void look_repeats(const struct detect *d, struct detect_member *m, uint32_t w)
{
	const struct detect_counts *now = detect_at(d, m, 0);
	const struct detect_counts *then = detect_at(d, m, detect_window_ticks[w]);
	uint32_t n = now->begun[DETECT_CONNECT] - then->begun[DETECT_CONNECT];
	uint32_t x = now->repeated - then->repeated;

	m->windows.begun[SCAN_REPEAT][w] = m->windows.aged[SCAN_REPEAT][w] = (float)n;
	x = x < n ? x : n;
	m->windows.open[SCAN_REPEAT][w] = m->windows.gone[SCAN_REPEAT][w] = (float)x;
}

void detect_windows_look(const struct detect *d, struct detect_member *m)
{
	m->windows = (struct detect_windows){};
	for (uint32_t w = 0; w < DETECT_WINDOWS && detect_window_ticks[w] <= d->now - m->since;
	     w++) {
		for (int c = 0; c < DETECT_CHANNEL_MAX; c++)
			look_overdue(d, m, c, w);
		if (w >= REPEAT_WINDOW)
			look_repeats(d, m, w);
	}
}
