/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What changed in each series since it was last sent to somebody. A reader keeps no totals of its
 * own: only of series that changed since then does it hold the older ones, shared with readers
 * that sent theirs at the same time. What it holds is bounded by the number of series, however
 * long it sends nothing.
 */
#ifndef STEER_TELEMETRY_READER_H
#define STEER_TELEMETRY_READER_H

#include "agent/telemetry.h"

#define TELEMETRY_STREAMS_MAX 64			  /* of callers */
#define TELEMETRY_READERS_MAX (TELEMETRY_STREAMS_MAX + 2) /* and breaker_tune.h's, detector.h's */

struct telemetry_reader;

/*
 * Collects. All is new where from_start, else what comes from here on. -EUSERS: there are
 * TELEMETRY_READERS_MAX, or as many as may take memory with series as many as these.
 */
int telemetry_reader_new(struct telemetry *telemetry, bool from_start,
			 struct telemetry_reader **ret);
void telemetry_reader_free(struct telemetry_reader *reader); /* accepts NULL */

/*
 * The next series from *at on that has something new; *at is its index. false: there is none.
 * *ret_before: as it was sent last; NULL: nothing of it was. Valid until the loop goes on.
 */
bool telemetry_reader_next(const struct telemetry_reader *reader, size_t *at,
			   const struct series_totals **ret_now,
			   const struct series_totals **ret_before);

/* What telemetry_reader_next() said of the series has been sent. */
void telemetry_reader_sent(struct telemetry_reader *reader, size_t series);

#endif
