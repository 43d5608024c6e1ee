/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts of telemetry; for telemetry*.c only. */
#ifndef STEER_TELEMETRY_INTERNAL_H
#define STEER_TELEMETRY_INTERNAL_H

#include "agent/sampling.h"
#include "agent/slots.h"
#include "agent/telemetry.h"

#define SERIES_GRACE_MS 100 /* far longer than a packet can be in the program */

#define OWNER_ADOPTED (1U << STEER_BANKS)	/* of entries that an earlier agent left */
#define OWNER_NEXT    (1U << (STEER_BANKS + 1)) /* of labels, while routes are being set */

/* What the agent knows of one series beside its totals. */
struct series_state {
	struct series_totals *totals; /* NULL: nobody's */
	uint32_t seen;		      /* sum of `changed` over CPUs, at the last look */
	bool dirty;		      /* the kernel's counts are an earlier owner's */
	uint64_t freed_ms;	      /* when it became nobody's */
	uint32_t adopted;	      /* entries that an earlier agent left for it */
	bool adopted_mixed;	      /* they are of several backends */
	uint16_t adopted_backend;     /* slot of one of them */
};

/* An entry of the map series_of; sorted by key. */
struct series_entry {
	uint32_t key; /* share << 16 | backend slot */
	struct series_ref ref;
	uint8_t owners; /* bits: banks and OWNER_ADOPTED */
};

/* By backend slot; see telemetry_syns_unanswered(). */
struct flow_watch {
	uint64_t syns[2]; /* at the last tick of an even and of an odd number */
	uint64_t unanswered;
	uint32_t life;
};

struct telemetry {
	const struct datapath_view *view;
	sd_event_source *timer;
	uint64_t ticks;

	size_t series_max; /* 0: nothing is measured */
	struct series_state *series;
	struct slots *labels; /* key: service "/" stack "/" backend; slot: series */
	struct series_entry *entries;
	size_t entries_n;
	uint32_t entries_max;	   /* of the map */
	bool settled[STEER_BANKS]; /* its routes have all the series that they should */
	size_t shared[STEER_BANKS];
	uint64_t collected_ms;

	struct flow_watch *flows; /* [backend_slots] */
	uint64_t flow_ticks;
	uint32_t *share_lives; /* [share_slots] */

	struct sampling sampling;
	struct telemetry_reader *readers;
	size_t readers_n;
};

/* Reads what an earlier agent left. */
int telemetry_series_open(struct telemetry *telemetry, uint64_t now_ms);
void telemetry_series_close(struct telemetry *telemetry);
/* What the kernel counted for an earlier owner is gone; no packet may be counting there. */
void telemetry_series_zero(struct telemetry *telemetry, size_t series);
/* The same for all that are nobody's. */
void telemetry_series_clean(struct telemetry *telemetry, uint64_t now_ms);

/* Brings one up to date, without a word to readers. */
void telemetry_series_look(struct telemetry *telemetry, size_t series);

void telemetry_flows_open(struct telemetry *telemetry);
void telemetry_flows_close(struct telemetry *telemetry);
void telemetry_flows_tick(struct telemetry *telemetry); /* every 4 s */

/* Before a series' totals change, and when they become another's: for who reads differences. */
void telemetry_readers_keep(struct telemetry *telemetry, size_t series);
void telemetry_readers_forget(struct telemetry *telemetry, size_t series);

#endif
