/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading a latency histogram. */
#include <math.h>

#include "agent/telemetry.h"

#define NS_PER_S 1e9

/* Nothing takes less than no time; what is in the last bucket took its floor at least. */
static double bucket_floor_ns(uint32_t bucket)
{
	if (bucket >= LATENCY_BUCKETS)
		bucket = LATENCY_BUCKETS - 1;
	return bucket ? (double)latency_bucket_floor(bucket) : 0;
}

double latency_quantile(const uint64_t bucket[LATENCY_BUCKETS], double p)
{
	double total = 0, rest, part;
	uint32_t i = 0, last = 0;

	for (uint32_t b = 0; b < LATENCY_BUCKETS; b++) {
		total += (double)bucket[b];
		if (bucket[b])
			last = b;
	}
	if (total <= 0)
		return NAN;
	rest = p * total;
	while (i < last && (double)bucket[i] < rest)
		rest -= (double)bucket[i++];
	while (!bucket[i])
		i++;
	part = rest / (double)bucket[i];
	if (part > 1)
		part = 1;
	return (bucket_floor_ns(i) + part * (bucket_floor_ns(i + 1) - bucket_floor_ns(i))) /
	       NS_PER_S;
}
