/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long flows take to complete, from what telemetry measured of some of them. */
#ifndef STEER_DETECT_LAG_H
#define STEER_DETECT_LAG_H

#include "abi.h"
#include "agent/detect.h"

#define DETECT_LAG_EVERY_S 2 /* between looks */

struct detect_lag {
	float recent[LATENCY_BUCKETS]; /* samples, older ones counting less */
};

/*
 * What came since `before`; NULL: nothing was there before. Of handshakes, those for which a SYN
 * was repeated are left out: what is lost takes no longer to be overdue.
 */
void detect_lag_add(struct detect_lag *lag, enum detect_channel channel,
		    const uint64_t now[LATENCY_BUCKETS], const uint64_t before[LATENCY_BUCKETS]);

/*
 * A look, one each DETECT_LAG_EVERY_S: ticks for detect_set_lag(), within which 99.5 % of the
 * recent flows completed; DETECT_LAG_UNKNOWN where that is too long; `unless` where they are few.
 */
uint32_t detect_lag_ticks(struct detect_lag *lag, uint32_t unless);

#endif
