/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is said against one backend. */
#include "agent/detect_internal.h"

#include <math.h>
#include <stdio.h>

#define TICKS_PER_S    (1000.0 / DETECT_TICK_MS)
#define RATE_MIN       (2 / TICKS_PER_S) /* completions per tick that make somebody a peer */
#define PEER_COMPLETED 8		 /* flows that peers completed meanwhile, at least */
#define PAUSE_S	       3600		 /* between silences by chance that look like pauses */
#define ALONE_WINDOW   2

/*
 * What is taken to go wrong by itself, a flow in 200 at least: as if another peer had had this,
 * so that a few quiet peers are not taken for perfect ones.
 */
#define PRIOR_FLOWS 400
#define PRIOR_WRONG 0.005

/*
 * That much must be said by the peers alone, without this assumption: what happens to all at once
 * is rare, and may be taken for one backend's own in one of some hundred thousand looks.
 */
#define PEERS_ALONE 12

static const struct {
	const char *none, *some, *begun;
} words[DETECT_CHANNEL_MAX] = {
	[DETECT_CONNECT] = {"no handshake", "handshakes", "SYNs"},
	[DETECT_ANSWER] = {"no first response", "first responses", "first requests"},
};

static void say_completions(const struct detect *d, int c, const struct detect_cusum *cusum,
			    char *text)
{
	uint32_t ms = (d->now - cusum->since + 1) * DETECT_TICK_MS;
	char own[32], than[48] = "far below its own past";

	snprintf(own, sizeof(own), "%u %s", cusum->own, words[c].some);
	if (cusum->peers)
		snprintf(than, sizeof(than), "where its peers had %u", cusum->peers);
	snprintf(text, DETECT_EVIDENCE_MAX, "%s in %u ms%s %s", cusum->own ? own : words[c].none,
		 ms, cusum->peers ? "" : ",", than);
}

static void say_scan(const struct detect_member *m, int s, uint32_t w, double peer_x, double peer_n,
		     char *text)
{
	double x = m->windows.gone[s][w], n = m->windows.aged[s][w];

	if (s == SCAN_REPEAT)
		snprintf(text, DETECT_EVIDENCE_MAX,
			 "%.0f SYNs repeated for %.0f new flows where its peers had %.0f for %.0f",
			 x, n, peer_x, peer_n);
	else
		snprintf(text, DETECT_EVIDENCE_MAX,
			 "%.0f of %.0f %s unanswered after %u ms where its peers had %.0f of %.0f",
			 x, n, words[s].begun, m->waited[s] * DETECT_TICK_MS, peer_x, peer_n);
}

/* True: it reached the threshold, and is the strongest so far: its evidence is asked for. */
static bool case_add(struct detect_case *ret, enum detect_verdict verdict, double score)
{
	if (score <= ret->score[verdict])
		return false;
	ret->score[verdict] = score;
	return score >= 0;
}

/* Of the stack's; where the others in it have no traffic, of the mode's. */
static const struct detect_sums *peers_by_rate(const struct detect *d,
					       const struct detect_member *m, int c)
{
	const struct detect_stack *stack = &d->stacks[m->place.stack];

	if (stack->sums.rate[c] - m->rate[c] >= RATE_MIN)
		return &stack->sums;
	return &d->modes[m->place.mode];
}

/*
 * At most this part of the flows that begin are the backend's, in the window that says least; a
 * standard deviation above what was counted.
 */
static double share_begun(const struct detect_member *m, const struct detect_sums *sums, int c)
{
	double least = 1;

	for (int w = 0; w < DETECT_WINDOWS; w++) {
		double own = m->windows.begun[c][w], all = sums->windows.begun[c][w];

		own += sqrt(own) + 1;
		if (own < least * all)
			least = own / all;
	}
	return least;
}

/* The sum is back at nothing from where chance hardly leads: it was silent, and is no more. */
static void learn_pause(struct detect_stack *stack, int c, const struct detect_cusum *before,
			double per_s)
{
	if (before->peak >= detect_threshold(PAUSE_S, per_s))
		stack->pause[c] = fmax(stack->pause[c], before->peak_at - before->since + 1);
}

/*
 * The share that it had of completions lately, which follows SYNs by the round trips of its
 * clients as the present ones do; but no more than it has of the flows that begin. Where the peers
 * are others than before, that takes the shortest window to show.
 */
static void test_peers(struct detect *d, struct detect_member *m, int c, struct detect_case *ret)
{
	const struct detect_sums *sums = peers_by_rate(d, m, c);
	struct detect_cusum *cusum = &m->peers[c];
	double others = sums->rate[c] - m->rate[c], share, begun, per_s;
	struct detect_cusum before;
	uint32_t seen = m->seen[sums == &d->modes[m->place.mode]][c];

	if (others < RATE_MIN || d->now - sums->changed <= detect_window_ticks[0])
		return;
	share = m->rate[c] / sums->rate[c];
	begun = share_begun(m, sums, c);
	before = *cusum;
	detect_cusum_step(cusum, share < begun ? share : begun, m->done[c],
			  sums->done[c] - seen - m->done[c], d->now);
	per_s = sums->rate[c] * TICKS_PER_S;
	if (cusum->value <= 0) {
		learn_pause(&d->stacks[m->place.stack], c, &before, per_s);
		return;
	}
	if (case_add(ret, DETECT_SUSPECT, cusum->value - detect_threshold(DETECT_SUSPECT_S, per_s)))
		say_completions(d, c, cusum, ret->evidence[DETECT_SUSPECT]);
	if (d->now - cusum->since + 1 >= detect_patience(d, m, c) &&
	    case_add(ret, DETECT_DECLARED,
		     cusum->value - detect_threshold(DETECT_DECLARE_S, per_s))) {
		say_completions(d, c, cusum, ret->evidence[DETECT_DECLARED]);
		ret->partly = false;
	}
}

/* By its own past, which cannot tell a dead backend from a dead uplink: good for a question. */
static void test_alone(const struct detect *d, struct detect_member *m, int c,
		       struct detect_case *ret)
{
	double begun = m->windows.begun[c][ALONE_WINDOW] / detect_window_ticks[ALONE_WINDOW];
	struct detect_cusum *cusum = &m->alone[c];

	detect_cusum_alone(cusum, begun < m->rate[c] ? begun : m->rate[c], m->done[c], d->now);
	if (cusum->value <= 0)
		return;
	if (case_add(ret, DETECT_SUSPECT,
		     cusum->value - detect_threshold(DETECT_SUSPECT_S, m->rate[c] * TICKS_PER_S)))
		say_completions(d, c, cusum, ret->evidence[DETECT_SUSPECT]);
}

/* What one window says; 0 where peers have too little to compare with. */
struct scan {
	double peer_x, peer_n;
	double alone; /* beside what goes wrong at most times */
	double score; /* beside the peers */
	double bare;  /* beside the peers, without assumptions */
};

static void scan_look(const struct detect *d, const struct detect_member *m, int s, uint32_t w,
		      struct scan *ret)
{
	const struct detect_stack *stack = &d->stacks[m->place.stack];
	const struct detect_sums *sums = &stack->sums;
	double prior = PRIOR_FLOWS * fmax(PRIOR_WRONG, fmax(stack->wrong[s], stack->usual[s]));
	double x = m->windows.gone[s][w], n = m->windows.aged[s][w];

	*ret = (struct scan){};
	if (sums->windows.begun[s][w] - m->windows.begun[s][w] <= 0)
		sums = &d->modes[m->place.mode];
	ret->peer_x = fmax(0, sums->windows.open[s][w] - m->windows.open[s][w]);
	ret->peer_n = sums->windows.begun[s][w] - m->windows.begun[s][w];
	ret->alone = detect_excess(x, n, prior, PRIOR_FLOWS);
	if (ret->peer_n - ret->peer_x < PEER_COMPLETED)
		return;
	ret->score = detect_excess(x, n, ret->peer_x + prior, ret->peer_n + PRIOR_FLOWS);
	ret->bare = detect_excess(x, n, ret->peer_x, ret->peer_n);
}

/* In the time in which that many of its flows began last, it completed some. */
static bool goes_on(const struct detect *d, const struct detect_member *m, int c, double flows)
{
	const struct detect_counts *now = detect_at(d, m, 0), *then = now;

	for (uint32_t ago = 1; ago < DETECT_PAST && now->begun[c] - then->begun[c] < flows; ago++)
		then = detect_at(d, m, ago);
	return now->done[c] != then->done[c];
}

/* Of a window's flows, more than of its peers' went wrong; or than ever do, for a suspicion. */
static void test_window(const struct detect *d, const struct detect_member *m, int s, uint32_t w,
			const struct scan *scan, struct detect_case *ret)
{
	double per_s = TICKS_PER_S * DETECT_WINDOWS;

	if (case_add(ret, DETECT_SUSPECT,
		     fmax(scan->alone, scan->score) - detect_threshold(DETECT_SUSPECT_S, per_s)))
		say_scan(m, s, w, scan->peer_x, scan->peer_n, ret->evidence[DETECT_SUSPECT]);
	if (scan->bare >= PEERS_ALONE && !m->place.by_client &&
	    case_add(ret, DETECT_DECLARED,
		     scan->score - detect_threshold(DETECT_DECLARE_S, per_s))) {
		say_scan(m, s, w, scan->peer_x, scan->peer_n, ret->evidence[DETECT_DECLARED]);
		ret->partly = goes_on(d, m, s == SCAN_ANSWER ? DETECT_ANSWER : DETECT_CONNECT,
				      m->windows.gone[s][w] / 2);
	}
}

static void test_scans(const struct detect *d, const struct detect_member *m,
		       struct detect_case *ret)
{
	struct scan scan;

	for (int s = 0; s < SCAN_MAX; s++)
		for (uint32_t w = 0; w < DETECT_WINDOWS; w++) {
			if (m->windows.gone[s][w] <= 0)
				continue;
			scan_look(d, m, s, w, &scan);
			test_window(d, m, s, w, &scan, ret);
		}
}

void detect_examine(struct detect *d, struct detect_member *m, struct detect_case *ret)
{
	*ret = (struct detect_case){.score = {-INFINITY, -INFINITY}};
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++) {
		test_alone(d, m, c, ret);
		test_peers(d, m, c, ret);
	}
	test_scans(d, m, ret);
}
