/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A tick: what all did, what is said against each, and what follows from that. */
#include "agent/detect_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WRONG_TICKS    2000   /* the time over which the worst of late is forgotten */
#define USUAL_TICKS    1000   /* the time over which what goes wrong is averaged */
#define PAUSE_TICKS    60000  /* the time over which pauses are forgotten */
#define WRONG_FLOWS    20     /* of which so many are looked at, at least */
#define SUSPICION_GONE (-2.0) /* below the threshold, until it can be suspected again */

static void worst_add(struct detect_windows *worst, const struct detect_windows *windows, int s,
		      int w)
{
	if (windows->open[s][w] > worst->open[s][w]) {
		worst->open[s][w] = windows->open[s][w];
		worst->begun[s][w] = windows->begun[s][w];
	}
}

static void sums_add(struct detect_sums *sums, const struct detect_member *m)
{
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++) {
		sums->done[c] += m->done[c];
		sums->rate[c] += m->rate[c];
		if (m->lag[c] > sums->lag[c])
			sums->lag[c] = m->lag[c];
	}
	for (int s = 0; s < SCAN_MAX; s++)
		for (int w = 0; w < DETECT_WINDOWS; w++) {
			sums->windows.begun[s][w] += m->windows.begun[s][w];
			sums->windows.open[s][w] += m->windows.open[s][w];
			worst_add(&sums->worst, &m->windows, s, w);
		}
}

/* All but the history begins anew. */
static void sums_reset(struct detect_sums *sums)
{
	struct detect_sums fresh = {.changed = sums->changed};

	memcpy(fresh.done, sums->done, sizeof(fresh.done));
	*sums = fresh;
}

void detect_seen(const struct detect *d, struct detect_member *m)
{
	memcpy(m->seen[0], d->stacks[m->place.stack].sums.done, sizeof(m->seen[0]));
	memcpy(m->seen[1], d->modes[m->place.mode].done, sizeof(m->seen[1]));
}

static void sum_up(struct detect *d)
{
	for (uint32_t i = 0; i < STEER_STACKS; i++)
		if (d->stacks[i].members)
			sums_reset(&d->stacks[i].sums);
	for (uint32_t i = 0; i < FORWARD_MODE_MAX; i++)
		sums_reset(&d->modes[i]);
	for (uint32_t i = 0; i < d->busy_n; i++) {
		struct detect_member *m = &d->members[d->busy[i]];

		if (!m->open)
			continue;
		if (m->fed == d->now)
			detect_windows_look(d, m);
		sums_add(&d->stacks[m->place.stack].sums, m);
		sums_add(&d->modes[m->place.mode], m);
	}
}

/*
 * What goes wrong with all but the worst is common to them. Flows under way come and go: twice
 * as many as begin within the lag is the variance of what that adds.
 */
static double common_wrong(const struct detect_sums *sums, int s, int w)
{
	double n = sums->windows.begun[s][w] - sums->worst.begun[s][w];
	double x = sums->windows.open[s][w] - sums->worst.open[s][w], under_way = 0;

	if (n < WRONG_FLOWS || x <= 0)
		return 0;
	if (s < DETECT_CHANNEL_MAX)
		under_way = n * sums->lag[s] / detect_window_ticks[w];
	return (x - 2 * sqrt(x) - 3 * sqrt(2 * under_way)) / n;
}

static void follow_wrong(struct detect_stack *stack)
{
	const struct detect_windows *all = &stack->sums.windows;

	for (int c = 0; c < DETECT_CHANNEL_MAX; c++)
		stack->pause[c] -= stack->pause[c] / PAUSE_TICKS;

	for (int s = 0; s < SCAN_MAX; s++) {
		double n = all->begun[s][DETECT_WINDOWS - 1], part = stack->usual[s];

		if (n > 0)
			part = fmax(0, all->open[s][DETECT_WINDOWS - 1] / n);
		stack->usual[s] += (part - stack->usual[s]) / USUAL_TICKS;
		stack->wrong[s] -= stack->wrong[s] / WRONG_TICKS;
		for (int w = 0; w < DETECT_WINDOWS; w++)
			stack->wrong[s] = fmax(stack->wrong[s], common_wrong(&stack->sums, s, w));
	}
}

/* Detection leaves half of a stack at least, and never takes the last that is open. */
static bool may_declare(const struct detect_stack *stack)
{
	return (stack->declared + 1) * 2 <= stack->members && stack->open > 1;
}

static void tell(struct detect *d, const struct detect_member *m, enum detect_verdict verdict)
{
	struct detect_finding finding = {.verdict = verdict,
					 .slot = (uint32_t)(m - d->members),
					 .partly = verdict == DETECT_DECLARED && m->against.partly};

	snprintf(finding.evidence, sizeof(finding.evidence), "%s", m->against.evidence[verdict]);
	d->totals[verdict]++;
	d->found(d->userdata, &finding);
}

static void declare(struct detect *d, struct detect_member *m)
{
	detect_open(d, (uint32_t)(m - d->members), false);
	m->declared = true;
	d->stacks[m->place.stack].declared++;
	tell(d, m, DETECT_DECLARED);
}

/* One is suspected once, until little is left of the suspicion. */
static void suspect(struct detect *d, struct detect_member *m)
{
	if (m->against.score[DETECT_SUSPECT] >= 0 && !m->suspect) {
		m->suspect = true;
		tell(d, m, DETECT_SUSPECT);
	} else if (m->against.score[DETECT_SUSPECT] < SUSPICION_GONE) {
		m->suspect = false;
	}
}

static struct detect_member *strongest(struct detect *d)
{
	struct detect_member *worst = NULL;

	for (uint32_t i = 0; i < d->busy_n; i++) {
		struct detect_member *m = &d->members[d->busy[i]];

		if (m->open && m->against.score[DETECT_DECLARED] >= 0 &&
		    may_declare(&d->stacks[m->place.stack]) &&
		    (!worst ||
		     m->against.score[DETECT_DECLARED] > worst->against.score[DETECT_DECLARED]))
			worst = m;
	}
	return worst;
}

void detect_judge(struct detect *d)
{
	struct detect_member *m;
	bool any = false;

	sum_up(d);
	for (uint32_t i = 0; i < STEER_STACKS; i++)
		if (d->stacks[i].members)
			follow_wrong(&d->stacks[i]);
	for (uint32_t i = 0; i < d->busy_n; i++) {
		m = &d->members[d->busy[i]];
		if (!m->open || m->fed != d->now)
			continue;
		detect_examine(d, m, &m->against);
		detect_seen(d, m);
		suspect(d, m);
		any |= m->against.score[DETECT_DECLARED] >= 0;
	}
	/* Where a stack may lose no more, it is those with the weaker case that stay. */
	while (any && (m = strongest(d)))
		declare(d, m);
}
