/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slots that are watched, and what they counted lately. */
#include "agent/detect_internal.h"

#include "common/util.h"

#define RATE_TICKS 400 /* the time over which a backend's own past fades */
#define IDLE_EVERY 16  /* ticks between looks at one without traffic */
#define SLOW_EVERY 4   /* and at one with little */
#define SLOW_FLOWS 4   /* begun in SLOW_TICKS: fewer are little */
#define SLOW_TICKS 20

const uint32_t detect_least[DETECT_CHANNEL_MAX] = {
	[DETECT_CONNECT] = DETECT_CONNECT_LEAST, [DETECT_ANSWER] = DETECT_ANSWER_LEAST};

struct detect *detect_new(uint32_t slots, detect_found found, void *userdata)
{
	struct detect *d = util_calloc(1, sizeof(*d));

	d->found = found;
	d->userdata = userdata;
	d->slots = slots;
	d->now = 1;
	d->members = util_calloc(slots, sizeof(*d->members));
	d->busy = util_calloc(slots, sizeof(*d->busy));
	return d;
}

void detect_free(struct detect *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->slots; i++)
		free(d->members[i].past);
	free(d->members);
	free(d->busy);
	free(d);
}

static void member_count(struct detect *d, const struct detect_member *m, int by)
{
	struct detect_stack *stack = &d->stacks[m->place.stack];

	if (m->place.has_weight) {
		stack->members += (uint32_t)by;
		if (m->open)
			stack->open += (uint32_t)by;
	}
	if (m->declared)
		stack->declared += (uint32_t)by;
}

static void unlist(struct detect *d, struct detect_member *m)
{
	uint32_t slot = (uint32_t)(m - d->members), i = 0;

	if (!m->busy)
		return;
	while (d->busy[i] != slot)
		i++;
	d->busy[i] = d->busy[--d->busy_n];
	m->busy = false;
}

void detect_drop(struct detect *d, uint32_t slot)
{
	struct detect_member *m = &d->members[slot];

	if (m->placed)
		member_count(d, m, -1);
	unlist(d, m);
	free(m->past);
	*m = (struct detect_member){};
}

/* What was completed, or not, while it was out says nothing of what comes now. */
static void member_begin(struct detect *d, struct detect_member *m)
{
	m->since = d->now;
	m->suspect = false;
	detect_seen(d, m);
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++) {
		m->rate[c] = 0;
		m->peers[c] = (struct detect_cusum){};
		m->alone[c] = (struct detect_cusum){};
	}
}

void detect_put(struct detect *d, uint32_t slot, const struct detect_place *place, bool relearn)
{
	struct detect_member *m = &d->members[slot];

	if (m->placed)
		member_count(d, m, -1);
	m->place = *place;
	m->placed = true;
	member_count(d, m, 1);
	if (relearn)
		member_begin(d, m);
}

void detect_open(struct detect *d, uint32_t slot, bool open)
{
	struct detect_member *m = &d->members[slot];

	if (!m->placed || open == m->open)
		return;
	member_count(d, m, -1);
	m->open = open;
	if (open)
		m->declared = false;
	member_count(d, m, 1);
	d->stacks[m->place.stack].sums.changed = d->now;
	d->modes[m->place.mode].changed = d->now;
	member_begin(d, m);
}

void detect_set_lag(struct detect *d, uint32_t slot, enum detect_channel channel, uint32_t ticks)
{
	if (ticks == DETECT_LAG_UNKNOWN || ticks > DETECT_LAG_MAX)
		ticks = DETECT_LAG_UNKNOWN;
	else if (ticks < detect_least[channel])
		ticks = detect_least[channel];
	d->members[slot].lag[channel] = ticks;
}

static bool is_slow(const struct detect *d, const struct detect_member *m)
{
	const struct detect_counts *then = detect_at(d, m, SLOW_TICKS);

	return m->last.begun[DETECT_CONNECT] - then->begun[DETECT_CONNECT] < SLOW_FLOWS;
}

void detect_late(struct detect *d)
{
	d->late = true;
}

bool detect_is_due(const struct detect *d, uint32_t slot)
{
	const struct detect_member *m = &d->members[slot];
	uint32_t every = IDLE_EVERY;

	if (d->late)
		every = 1;
	else if (m->busy)
		every = is_slow(d, m) ? SLOW_EVERY : 1;
	return (d->now + slot) % every == 0;
}

uint64_t detect_total(const struct detect *d, enum detect_verdict verdict)
{
	return d->totals[verdict];
}

static void list(struct detect *d, struct detect_member *m)
{
	m->changed = d->now;
	if (m->busy)
		return;
	m->busy = true;
	detect_seen(d, m);
	d->busy[d->busy_n++] = (uint32_t)(m - d->members);
}

/* Ticks in which it was not fed are as if nothing had happened in them. */
static void member_remember(struct detect *d, struct detect_member *m,
			    const struct detect_counts *counts)
{
	if (!m->past) {
		m->past = util_calloc(DETECT_PAST, sizeof(*m->past));
		m->fed = d->now - DETECT_PAST;
	}
	if (d->now - m->fed > DETECT_PAST)
		m->fed = d->now - DETECT_PAST;
	while (m->fed != d->now)
		m->past[++m->fed % DETECT_PAST] = m->last;
	m->past[d->now % DETECT_PAST] = *counts;
}

void detect_feed(struct detect *d, uint32_t slot, const struct detect_counts *counts)
{
	struct detect_member *m = &d->members[slot];
	bool same;

	if (!m->placed)
		return;
	if (!m->begun) {
		m->begun = true; /* what was before is not known */
		m->last = *counts;
		m->since = d->now;
	}
	same = !memcmp(counts, &m->last, sizeof(m->last));
	if (same && !m->busy)
		return;
	member_remember(d, m, counts);
	/* Of one that was not looked at for long, what it did since is not of this tick. */
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++)
		m->done[c] = m->busy ? counts->done[c] - m->last.done[c] : 0;
	m->last = *counts;
	if (!same)
		list(d, m);
}

/* One that was silent for as long as is remembered leaves the list. */
static void member_tire(struct detect *d, struct detect_member *m)
{
	if (d->now - m->changed < DETECT_PAST)
		return;
	unlist(d, m);
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++) {
		m->rate[c] = 0;
		m->peers[c] = (struct detect_cusum){};
		m->alone[c] = (struct detect_cusum){};
	}
}

void detect_tick(struct detect *d)
{
	detect_judge(d);
	for (uint32_t i = d->busy_n; i-- > 0;) {
		struct detect_member *m = &d->members[d->busy[i]];

		for (int c = 0; c < DETECT_CHANNEL_MAX; c++) {
			if (m->open)
				m->rate[c] += (m->done[c] - m->rate[c]) / RATE_TICKS;
			m->done[c] = 0;
		}
		member_tire(d, m);
	}
	d->late = false;
	d->now++;
}
