/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/outlier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ring.h"
#include "common/util.h"

#define DEVIATIONS   3	 /* that a rank may be off: by chance once in 700, each way */
#define SAMPLES	     20	 /* fewer say nothing, and wait for more */
#define SILENT_LOOKS 30	 /* a minute: nobody is harmed, since nobody comes */
#define FORGET_LOOKS 300 /* ten minutes of being fine: the next hold is the first again */

static const double quantiles[] = {0.5, 0.9};

static const char *const parts[] = {"half", "one in ten"}; /* lie beyond them */

static const char *const kinds[] = {
	[OUTLIER_CONNECT] = "handshakes",
	[OUTLIER_RESPONSE] = "responses",
	[OUTLIER_SERVICE] = "responses, without round trips,",
};

void outlier_add(struct outlier_samples *samples, const uint64_t now[LATENCY_BUCKETS],
		 const uint64_t before[LATENCY_BUCKETS])
{
	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		uint32_t more = (uint32_t)(now[i] - (before ? before[i] : 0));

		samples->count[i] += more;
		samples->total += more;
	}
}

/* With a sign of -1: less them. */
static void samples_sum(struct outlier_samples *to, const struct outlier_samples *from, int sign)
{
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		to->count[i] += (uint32_t)sign * from->count[i];
	to->total += (uint32_t)sign * from->total;
}

/* The bucket of the sample with this rank, a real number. */
static uint32_t bucket_of(const struct outlier_samples *samples, double rank)
{
	uint32_t i = 0;

	while (i < LATENCY_BUCKETS - 1 && (rank -= samples->count[i]) > 0)
		i++;
	return i;
}

static double lower_ns(uint32_t bucket)
{
	return bucket ? (double)latency_bucket_floor(bucket) : 0;
}

static double upper_ns(uint32_t bucket)
{
	return bucket < LATENCY_BUCKETS - 1 ? (double)latency_bucket_floor(bucket + 1) : INFINITY;
}

/*
 * A quantile, and what it is at least and at most, chance allowed for: of n samples, those below it
 * are binomial in number (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2).
 */
struct estimate {
	double ns;
	double least_ns;
	double most_ns; /* INFINITY: too few to say */
};

static struct estimate estimate(const struct outlier_samples *samples, double q)
{
	double n = samples->total, rank = n * q, spread = DEVIATIONS * sqrt(n * q * (1 - q));
	struct estimate e = {.ns = lower_ns(bucket_of(samples, rank)), .most_ns = INFINITY};

	if (rank > spread)
		e.least_ns = lower_ns(bucket_of(samples, rank - spread));
	if (rank + spread < n)
		e.most_ns = upper_ns(bucket_of(samples, rank + spread));
	return e;
}

/* What a look says of one kind of a member's samples. */
struct finding {
	bool unsure;  /* slower than its peers, in some quantile */
	double ratio; /* by which it is far slower at least; 0: it is not */
	size_t quantile;
	struct estimate own, peers;
};

static struct finding compare(const struct outlier_samples *own,
			      const struct outlier_samples *peers)
{
	struct finding finding = {};

	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		struct estimate mine = estimate(own, quantiles[i]);
		struct estimate theirs = estimate(peers, quantiles[i]);
		double ratio = mine.least_ns / theirs.most_ns;

		finding.unsure |= mine.ns > theirs.ns * OUTLIER_FINE_RATIO &&
				  mine.ns - theirs.ns > OUTLIER_MARGIN_NS;
		if (ratio < OUTLIER_SLOW_RATIO || ratio <= finding.ratio ||
		    mine.least_ns - theirs.most_ns < OUTLIER_MARGIN_NS)
			continue;
		finding.ratio = ratio;
		finding.quantile = i;
		finding.own = mine;
		finding.peers = theirs;
	}
	return finding;
}

static bool is_peer(const struct outlier_member *m)
{
	return m->warm && !m->outlier->step && m->samples;
}

/* Three digits at least: "0.412", "48.2", "1342". */
static const char *ms_text(double ns, char text[16])
{
	snprintf(text, 16, ns < 100e6 ? "%.3g" : "%.0f", ns / 1e6);
	return text;
}

static void explain(struct outlier_member *m, int kind, const struct finding *finding)
{
	char own[16], peers[16];

	snprintf(m->evidence, sizeof(m->evidence),
		 "%s of its %s take%s over %s ms, of its peers' %s", parts[finding->quantile],
		 kinds[kind], finding->quantile ? "s" : "", ms_text(finding->own.ns, own),
		 ms_text(finding->peers.ns, peers));
}

/* What a look says is added to what those before it said; true if they say that it is due. */
static bool looks_add(struct outlier_looks *looks, const struct finding *finding)
{
	looks->silent = 0;
	looks->slow = finding->ratio > 0 ? looks->slow + 1 : 0;
	looks->fine = finding->unsure || finding->ratio > 0 ? 0 : looks->fine + 1;
	return finding->ratio > 0 && looks->slow >= OUTLIER_LOOKS;
}

/*
 * `all`: of its stack's peers, the member's own among it if it is one. Samples that say enough are
 * used up.
 */
static void judge(struct outlier_member *m, const struct outlier_samples *all)
{
	struct outlier *o = m->outlier;

	m->ratio = 0;
	for (int kind = 0; m->samples && kind < OUTLIER_KIND_MAX; kind++) {
		struct outlier_samples *own = &m->samples[kind], peers = all[kind];
		struct finding finding;

		if (is_peer(m))
			samples_sum(&peers, own, -1);
		if (own->total < SAMPLES || peers.total < SAMPLES) {
			o->looks[kind].silent++;
			continue;
		}
		finding = compare(own, &peers);
		*own = (struct outlier_samples){};
		if (looks_add(&o->looks[kind], &finding) && finding.ratio > m->ratio) {
			m->ratio = finding.ratio;
			o->kind = (enum outlier_kind)kind;
			explain(m, kind, &finding);
		}
	}
	if (!o->step && o->looks[o->kind].fine >= FORGET_LOOKS)
		o->hold_ms = 0;
}

static void step_set(struct outlier *o, uint8_t step, uint64_t now_ms)
{
	o->step = step;
	memset(o->looks, 0, sizeof(o->looks));
	if (step != SLOW_STEP_NONE)
		return;
	o->hold_ms = o->hold_ms ? o->hold_ms * 2 : OUTLIER_HOLD_MS;
	if (o->hold_ms > OUTLIER_HOLD_MOST_MS)
		o->hold_ms = OUTLIER_HOLD_MOST_MS;
	o->retry_ms = now_ms + o->hold_ms;
}

void outlier_adopt(struct outlier *o, uint8_t step, uint64_t now_ms)
{
	if (step != o->step)
		step_set(o, step, now_ms);
}

/* What it did when it was cold, or by flows of before, says nothing of what it will do. */
static void forget(const struct outlier_member *m)
{
	if (m->samples)
		memset(m->samples, 0, OUTLIER_KIND_MAX * sizeof(*m->samples));
}

static bool is_slow(const struct outlier *o)
{
	for (int kind = 0; kind < OUTLIER_KIND_MAX; kind++)
		if (o->looks[kind].slow)
			return true;
	return false;
}

/* Why a step back towards all of its share is due; NULL: it is not. */
static const char *reason_for_more(const struct outlier_member *m, uint64_t now_ms)
{
	const struct outlier *o = m->outlier;
	const struct outlier_looks *looks = &o->looks[o->kind];

	if (!o->step)
		return NULL;
	if (!m->open)
		return "its speed is not judged now";
	if (o->step == SLOW_STEP_NONE)
		return now_ms >= o->retry_ms ? "it is tried again" : NULL;
	if (looks->fine >= OUTLIER_LOOKS && !is_slow(o))
		return "it is as fast as its peers";
	return looks->silent >= SILENT_LOOKS ? "too few flows to tell" : NULL;
}

static void give_more(struct outlier_member *m, uint64_t now_ms, outlier_stepped stepped,
		      void *userdata)
{
	const char *why = reason_for_more(m, now_ms);

	if (!why)
		return;
	snprintf(m->evidence, sizeof(m->evidence), "%s", why);
	step_set(m->outlier, m->open ? m->outlier->step - 1 : 0, now_ms);
	stepped(userdata, m);
}

/* In shares of a weight times 4. */
static uint64_t lacks(const struct outlier_member *m, uint8_t step)
{
	return (uint64_t)m->weight * (4 - ring_step_part(step, 4));
}

/* The stack's sums. */
struct sums {
	struct outlier_samples peers[OUTLIER_KIND_MAX];
	uint64_t weight; /* of those that are open, times 4 */
	uint64_t lacking;
};

static struct sums *sum_up(const struct outlier_member *members, size_t n)
{
	struct sums *sums = util_calloc(1, sizeof(*sums));

	for (size_t i = 0; i < n; i++) {
		const struct outlier_member *m = &members[i];

		if (!m->open)
			continue;
		sums->weight += (uint64_t)m->weight * 4;
		sums->lacking += lacks(m, m->outlier->step);
		for (int kind = 0; is_peer(m) && kind < OUTLIER_KIND_MAX; kind++)
			samples_sum(&sums->peers[kind], &m->samples[kind], 1);
	}
	return sums;
}

static int by_ratio(const void *a, const void *b)
{
	const struct outlier_member *const *x = a, *const *y = b;

	return ((*x)->ratio < (*y)->ratio) - ((*x)->ratio > (*y)->ratio);
}

/* A step down for those that are due, as far as the stack may do without them. */
static void take(struct outlier_member **due, size_t n, struct sums *sums, uint32_t spare_percent,
		 uint64_t now_ms, outlier_stepped stepped, void *userdata)
{
	qsort(due, n, sizeof(struct outlier_member *), by_ratio);
	for (size_t i = 0; i < n; i++) {
		uint8_t step = due[i]->outlier->step;
		uint64_t more = lacks(due[i], step + 1) - lacks(due[i], step);

		if ((sums->lacking + more) * 100 > sums->weight * spare_percent)
			continue;
		sums->lacking += more;
		step_set(due[i]->outlier, step + 1, now_ms);
		stepped(userdata, due[i]);
	}
}

static void give_back(struct outlier_member *m, struct sums *sums, const char *why,
		      outlier_stepped stepped, void *userdata)
{
	sums->lacking -= lacks(m, m->outlier->step);
	snprintf(m->evidence, sizeof(m->evidence), "%s", why);
	step_set(m->outlier, 0, 0);
	forget(m);
	stepped(userdata, m);
}

/* Others are gone since: all of their shares for those who lack least, until it is within bounds. */
static void keep_bounds(struct outlier_member *members, size_t n, struct sums *sums,
			uint32_t spare_percent, outlier_stepped stepped, void *userdata)
{
	const char *why = spare_percent ? "too few others are left"
					: "the stack's speed is not judged";

	for (int step = 1; step <= SLOW_STEP_NONE; step++)
		for (size_t i = 0; i < n; i++)
			if (members[i].open && members[i].outlier->step == step &&
			    sums->lacking * 100 > sums->weight * spare_percent)
				give_back(&members[i], sums, why, stepped, userdata);
}

void outlier_look(struct outlier_member *members, size_t n, uint32_t spare_percent, uint64_t now_ms,
		  outlier_stepped stepped, void *userdata)
{
	CLEANUP_FREE struct outlier_member **due = util_calloc(n, sizeof(struct outlier_member *));
	CLEANUP_FREE struct sums *sums = NULL;
	size_t due_n = 0;

	for (size_t i = 0; i < n; i++)
		give_more(&members[i], now_ms, stepped, userdata);
	sums = sum_up(members, n);
	keep_bounds(members, n, sums, spare_percent, stepped, userdata);
	for (size_t i = 0; i < n; i++) {
		struct outlier_member *m = &members[i];

		if (!m->open || !m->warm || m->outlier->step == SLOW_STEP_NONE) {
			forget(m);
			continue;
		}
		judge(m, sums->peers);
		if (m->ratio > 0)
			due[due_n++] = m;
	}
	take(due, due_n, sums, spare_percent, now_ms, stepped, userdata);
}
