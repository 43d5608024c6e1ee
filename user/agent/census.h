/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many flows each backend has in the flow table, counted a slice at a time so that nothing
 * waits for it: a slice of CENSUS_SLICE buckets takes some 0.1 ms, all of 1 M flows 128 of them.
 * Packets go on meanwhile: a flow that begins, ends or moves during a count may be missed.
 */
#ifndef STEER_CENSUS_H
#define STEER_CENSUS_H

#include "agent/datapath.h"

#define CENSUS_SLICE	 2048 /* buckets */
#define CENSUS_SILENT_MS 60000

/* Established flows: a TCP handshake was completed, and the client has sent neither FIN nor RST. */
struct census_flows {
	uint32_t flows;
	uint32_t silent; /* of them, those without a packet for CENSUS_SILENT_MS */
};

struct census;

/* The view must outlive it. tick_ns: how long a tick of FLOW_TICK_SHIFT lasts. */
struct census *census_new(const struct datapath_view *view, uint64_t tick_ns);
void census_free(struct census *census); /* accepts NULL */

/*
 * Begins a count. `tick` is the present one. ends_silently[slot]: the backend has UDP flows only,
 * which end without a sign: those silent for FLOW_UDP_IDLE_TICKS are gone. It is copied.
 */
void census_begin(struct census *census, uint16_t tick, const bool *ends_silently);

/* One slice. True: that was the last, and census_flows() has new figures. */
bool census_go_on(struct census *census);

/* Of the last whole count; before the first, zeroes. */
struct census_flows census_flows(const struct census *census, uint32_t slot);

#endif
