/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/telemetry_reader.h"

#include <errno.h>

#include "agent/telemetry_internal.h"
#include "common/util.h"

/* What all readers together may come to hold. */
#define READERS_BYTES_MAX ((size_t)408 << 20)

/* Totals as they were. */
struct copy {
	unsigned int users;
	struct series_totals totals;
};

/* What was sent of a series. */
struct sent {
	bool nothing;
	struct copy *copy; /* NULL: what it has now, unless nothing */
};

struct telemetry_reader {
	struct telemetry *telemetry;
	struct telemetry_reader *next;
	struct sent *sent; /* [series_max] */
};

static size_t readers_max(const struct telemetry *t)
{
	size_t each = (t->series_max + 1) * sizeof(struct copy);
	size_t n = READERS_BYTES_MAX / each;

	return n < TELEMETRY_READERS_MAX ? n : TELEMETRY_READERS_MAX;
}

int telemetry_reader_new(struct telemetry *t, bool from_start, struct telemetry_reader **ret)
{
	struct telemetry_reader *reader;

	if (t->readers_n >= readers_max(t))
		return -EUSERS;
	telemetry_collect(t);
	reader = util_calloc(1, sizeof(*reader));
	reader->telemetry = t;
	reader->sent = util_calloc(t->series_max, sizeof(*reader->sent));
	for (size_t i = 0; i < t->series_max && from_start; i++)
		reader->sent[i].nothing = true;
	reader->next = t->readers;
	t->readers = reader;
	t->readers_n++;
	*ret = reader;
	return 0;
}

static void put_copy(struct sent *sent)
{
	if (sent->copy && !--sent->copy->users)
		free(sent->copy);
	*sent = (struct sent){};
}

void telemetry_reader_free(struct telemetry_reader *reader)
{
	struct telemetry_reader **link;

	if (!reader)
		return;
	link = &reader->telemetry->readers;
	while (*link != reader)
		link = &(*link)->next;
	*link = reader->next;
	reader->telemetry->readers_n--;
	for (size_t i = 0; i < reader->telemetry->series_max; i++)
		put_copy(&reader->sent[i]);
	free(reader->sent);
	free(reader);
}

void telemetry_readers_keep(struct telemetry *t, size_t series)
{
	const struct series_totals *totals = t->series[series].totals;
	struct copy *copy = NULL;

	for (struct telemetry_reader *reader = t->readers; reader; reader = reader->next) {
		struct sent *sent = &reader->sent[series];

		if (sent->nothing || sent->copy)
			continue;
		if (!totals->changes) {
			sent->nothing = true;
			continue;
		}
		if (!copy) {
			copy = util_realloc(NULL, 1, sizeof(*copy));
			copy->users = 0;
			copy->totals = *totals;
		}
		copy->users++;
		sent->copy = copy;
	}
}

void telemetry_readers_forget(struct telemetry *t, size_t series)
{
	for (struct telemetry_reader *reader = t->readers; reader; reader = reader->next)
		put_copy(&reader->sent[series]);
}

bool telemetry_reader_next(const struct telemetry_reader *reader, size_t *at,
			   const struct series_totals **ret_now,
			   const struct series_totals **ret_before)
{
	const struct telemetry *t = reader->telemetry;

	for (size_t i = *at; i < t->series_max; i++) {
		const struct sent *sent = &reader->sent[i];
		const struct series_totals *now = t->series[i].totals;

		if (!now || !now->changes || (!sent->nothing && !sent->copy))
			continue;
		*at = i;
		*ret_now = now;
		*ret_before = sent->nothing ? NULL : &sent->copy->totals;
		return true;
	}
	return false;
}

void telemetry_reader_sent(struct telemetry_reader *reader, size_t series)
{
	put_copy(&reader->sent[series]);
}
