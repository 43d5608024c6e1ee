/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel has measured, as 64-bit totals by service, stack and backend. Packets add to
 * 32-bit counts by CPU; telemetry_collect() adds what is new of them here, often enough that none
 * wraps unseen. Nothing here waits or does I/O beyond the mapped tables and one hash map.
 */
#ifndef STEER_TELEMETRY_H
#define STEER_TELEMETRY_H

#include <systemd/sd-event.h>

#include "agent/bank.h"
#include "agent/datapath.h"

/* clang-format off */
enum series_count {
#define X(name) SERIES_##name,
	SERIES_COUNTS(X)
#undef X
	SERIES_COUNT_MAX
};

enum series_left_out {
#define X(name) LEFT_OUT_##name,
	SERIES_LEFT_OUT(X)
#undef X
	SERIES_LEFT_OUT_MAX
};

enum flow_count {
#define X(name) FLOW_COUNT_##name,
	FLOW_COUNTS(X)
#undef X
	FLOW_COUNT_MAX
};
/* clang-format on */

/* "requests", "syn_retransmitted", "handshakes", … */
extern const char *const series_count_names[SERIES_COUNT_MAX];
extern const char *const series_left_out_names[SERIES_LEFT_OUT_MAX];
extern const char *const flow_count_names[FLOW_COUNT_MAX];

/* Since the epoch, or since an agent took the maps over whose counts had not wrapped yet. */
struct series_totals {
	char service[STEER_NAME];
	char stack[STEER_NAME];
	char backend[ADDRESS_TEXT_MAX]; /* "": all of the stack, series having run short */
	uint8_t protocol;		/* IPPROTO_TCP or IPPROTO_UDP: what the kinds mean */
	uint32_t generation;		/* another: the series is another's now */
	uint64_t changes;		/* counts up when a collection found something new */
	uint64_t sum_ns[LATENCY_KIND_MAX];
	uint64_t samples[LATENCY_KIND_MAX];
	uint64_t counts[SERIES_COUNT_MAX];
	uint64_t left_out[SERIES_LEFT_OUT_MAX];
	uint64_t bucket[LATENCY_KIND_MAX][LATENCY_BUCKETS];
};

struct telemetry;

/* sample: as node_config.sample. The view must outlive it. */
int telemetry_new(sd_event *loop, const struct datapath_view *view, uint32_t sample,
		  struct telemetry **ret);
void telemetry_free(struct telemetry *telemetry); /* accepts NULL */

/*
 * The routes that bank is about to hold, before packets read it: gives each (service, stack,
 * backend) its series and lets new flows find it. Where they run short, the backends of a stack
 * share one, by what the routes alone say. Series that no bank holds any more become others',
 * under a new generation. What an earlier agent left in the maps goes on under its series.
 */
void telemetry_set_routes(struct telemetry *telemetry, unsigned int bank,
			  const struct compiled *compiled);

/*
 * The bank, with these routes, is the live one now: where it lacks series, it takes them from
 * what only the other bank holds. Call it after every switch.
 */
void telemetry_activate(struct telemetry *telemetry, unsigned int bank,
			const struct compiled *compiled);

/* Series that an earlier agent left and no routes have claimed by now are nobody's. */
void telemetry_release_adopted(struct telemetry *telemetry);

/* A slot was filled for another backend, a share freed: what is counted there begins at zero. */
void telemetry_backend_filled(struct telemetry *telemetry, uint32_t slot);
void telemetry_share_freed(struct telemetry *telemetry, uint32_t share);

/* Count up with each of the above: counts of another life are not to be compared. */
uint32_t telemetry_backend_life(const struct telemetry *telemetry, uint32_t slot);
uint32_t telemetry_share_life(const struct telemetry *telemetry, uint32_t share);

/* Brings the totals up to date. Also runs by itself, every few seconds. */
void telemetry_collect(struct telemetry *telemetry);
uint64_t telemetry_collected_ms(const struct telemetry *telemetry); /* util_now_ms() of the last */

/* By index, 0 to telemetry_series_max() - 1; NULL: nobody's. Valid until the loop goes on. */
size_t telemetry_series_max(const struct telemetry *telemetry);
const struct series_totals *telemetry_series(const struct telemetry *telemetry, size_t i);
/* Pairs of service and backend in the live routes that have no series of their own. */
size_t telemetry_series_shared(const struct telemetry *telemetry);

/* All TCP flows to a backend, by slot: sums over CPUs, straight from the map. */
void telemetry_flows(const struct telemetry *telemetry, uint32_t slot,
		     uint64_t ret[FLOW_COUNT_MAX]);

/*
 * Of those, SYNs that no handshake followed: `syns` as it was 8 s ago less `handshakes` now, and
 * never falling.
 */
uint64_t telemetry_syns_unanswered(const struct telemetry *telemetry, uint32_t slot);

/* one_in as in node_config.sample; returns what holds now: 1, 2, 4, …; 0: none is sampled. */
uint32_t telemetry_set_sampling(struct telemetry *telemetry, uint32_t one_in);
uint32_t telemetry_sampling(const struct telemetry *telemetry);

/* The p-quantile, p from 0 to 1, in seconds, interpolated within its bucket; NAN of no samples. */
double latency_quantile(const uint64_t bucket[LATENCY_BUCKETS], double p);

#endif
