/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets the limits of the kernel's breakers, once a second, by what the flows of each stack show: a
 * backend owes for too long when it owes for longer than clients are away and requests take, and
 * for longer than it takes 20 of its successes to come. The latter is what a flood of SYNs that
 * nobody completes stretches, and what keeps a breaker from opening between a few slow clients.
 */
#ifndef STEER_BREAKER_TUNE_H
#define STEER_BREAKER_TUNE_H

#include "agent/telemetry.h"

#define BREAKER_HANDSHAKE_LEAST_NS 25000000ULL
#define BREAKER_ANSWER_LEAST_NS	   60000000ULL

/*
 * p90_ns: of how long a success takes; 0: not known, and the limit is `most`. rate: successes per
 * second of the backend.
 */
uint64_t breaker_limit_ns(uint64_t p90_ns, double rate, uint64_t least, uint64_t most);

/* The upper bound of the bucket in which the 90th percentile lies; 0: there are no samples. */
uint64_t breaker_p90_ns(const uint32_t bucket[LATENCY_BUCKETS]);

struct breaker_tuner;

typedef const struct compiled *(*breaker_live)(void *userdata);

/* live: the routes that are, or NULL. Fails with -EUSERS as telemetry_reader_new() does. */
int breaker_tuner_new(sd_event *loop, const struct datapath_view *view, struct telemetry *telemetry,
		      breaker_live live, void *userdata, struct breaker_tuner **ret);
void breaker_tuner_free(struct breaker_tuner *tuner); /* accepts NULL */

#endif
