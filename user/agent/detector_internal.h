/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts of the detector; for detector*.c only. */
#ifndef STEER_DETECTOR_INTERNAL_H
#define STEER_DETECTOR_INTERNAL_H

#include "agent/detect_lag.h"
#include "agent/detector.h"
#include "agent/outlier.h"

/* One backend of the live routes. */
struct watched {
	uint32_t slot;
	uint16_t stack;
};

struct watched_stack {
	char name[STEER_NAME];
	struct detect_lag lag[DETECT_CHANNEL_MAX];
	uint32_t ticks[DETECT_CHANNEL_MAX];
	uint32_t
		spare_percent; /* of its weight, that its outliers may lack; 0: they lack nothing */
};

/* By slot. */
struct slot_state {
	bool watched;
	uint32_t weight,
		weights; /* its own and its stack's: shares are learnt anew where they change */
	struct detect_lag *lag; /* [DETECT_CHANNEL_MAX]; NULL: nothing measured */
	struct outlier outlier;
	struct outlier_samples *samples; /* [OUTLIER_KIND_MAX]; NULL: as for lag */
};

struct detector {
	const struct datapath_view *view;
	struct telemetry *telemetry;
	struct telemetry_reader *reader;
	struct backends *backends;
	const struct slots *backend_slots;
	struct detect *detect;
	sd_event_source *timer;
	uint32_t tick;
	uint64_t fed_us;	     /* util_now_us() when counts were read last */
	const struct compiled *live; /* NULL: none yet */
	struct watched *watched;
	size_t watched_n;
	struct slot_state *slots;
	struct watched_stack *stacks; /* as live->stacks */
	size_t stacks_n;
};

/* A series' new samples. */
void detector_add_samples(struct slot_state *slot, const struct series_totals *now,
			  const struct series_totals *before);

/* With each look at latencies: who is far slower than its stack's others. */
void detector_find_outliers(struct detector *detector);

/* Some service gives the stack a client's flows all to one backend. */
bool detector_by_client(const struct compiled *compiled, size_t stack);

/* What a stack's outliers may lack, see struct watched_stack. */
uint32_t detector_spare_percent(const struct compiled *compiled, size_t stack);

#endif
