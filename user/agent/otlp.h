/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends all metrics to an OTLP collector now and then, if the node file names one. Requests are
 * made in the loop, one piece at a time, and sent by a thread that sees nothing else; the next one
 * is made when the last has been answered. So a collector that is slow or down costs one request's
 * memory, and the rest of the round.
 */
#ifndef STEER_OTLP_H
#define STEER_OTLP_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "agent/node_otlp.h"

struct metrics_source;
struct page_table;
struct otlp;

/* All pointers must outlive it. */
struct otlp_options {
	const struct node_otlp *config;
	const struct metrics_source *source;
	const struct page_table *const *tables; /* what is sent */
	size_t tables_n;
	const char *node;
	const char *version;
	uint64_t start_ns; /* since 1970: what counters count since */
};

/*
 * *ret NULL where no collector is named. The thread starts with the first export, an interval
 * from now. 0 or -errno, logged.
 */
int otlp_new(sd_event *loop, const struct otlp_options *options, struct otlp **ret);
void otlp_free(struct otlp *otlp); /* breaks off what is under way; accepts NULL */

uint64_t otlp_failures(const struct otlp *otlp); /* rounds that did not arrive whole */

#endif
