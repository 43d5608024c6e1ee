/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/detect_lag.h"

#include <math.h>

#define LAG_QUANTILE 0.995
#define LAG_SAMPLES  50		   /* too few say nothing of a rare thing */
#define LAG_KEPT     0.7	   /* of older samples, at each look */
#define REPEATED_NS  1000000000ULL /* after the first, a SYN is repeated (RFC 6298) */
#define LAG_SPARE    2 /* ticks: one for what the tick rounds off, one for the loop's lateness */

static bool is_repeated(enum detect_channel channel, uint32_t bucket)
{
	return channel == DETECT_CONNECT &&
	       (bucket == LATENCY_BUCKETS - 1 || latency_bucket_floor(bucket + 1) > REPEATED_NS);
}

void detect_lag_add(struct detect_lag *lag, enum detect_channel channel,
		    const uint64_t now[LATENCY_BUCKETS], const uint64_t before[LATENCY_BUCKETS])
{
	for (uint32_t i = 0; i < LATENCY_BUCKETS && !is_repeated(channel, i); i++)
		lag->recent[i] += (float)(now[i] - (before ? before[i] : 0));
}

/* The upper end of the bucket that the quantile lies in. */
static double quantile_ns(const float recent[LATENCY_BUCKETS], double total)
{
	double rest = total * LAG_QUANTILE;
	uint32_t i = 0;

	while (i < LATENCY_BUCKETS - 1 && (rest -= recent[i]) > 0)
		i++;
	return i < LATENCY_BUCKETS - 1 ? (double)latency_bucket_floor(i + 1) : INFINITY;
}

uint32_t detect_lag_ticks(struct detect_lag *lag, uint32_t unless)
{
	double total = 0, ticks;

	for (int i = 0; i < LATENCY_BUCKETS; i++)
		total += lag->recent[i];
	if (total < LAG_SAMPLES)
		return unless;
	ticks = ceil(quantile_ns(lag->recent, total) / (DETECT_TICK_MS * 1e6)) + LAG_SPARE;
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		lag->recent[i] *= LAG_KEPT;
	return ticks > DETECT_LAG_MAX ? DETECT_LAG_UNKNOWN : (uint32_t)ticks;
}
