/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Detection at work: every DETECT_TICK_MS it reads what the kernel counts of the live routes'
 * backends, and lets backends.h know who is suspect and who is dead.
 */
#ifndef STEER_DETECTOR_H
#define STEER_DETECTOR_H

#include <systemd/sd-event.h>

#include "agent/backends.h"
#include "agent/bank.h"
#include "agent/detect.h"
#include "agent/telemetry.h"

struct detector;

/* What is given must outlive it. */
int detector_new(sd_event *loop, const struct datapath_view *view, struct telemetry *telemetry,
		 struct backends *backends, const struct slots *backend_slots,
		 struct detector **ret);
void detector_free(struct detector *detector); /* accepts NULL */

/* These are the live routes now. Before the slots that only earlier ones had are given to others. */
void detector_set_routes(struct detector *detector, const struct compiled *compiled);

/* Findings so far; 0 of a NULL detector. */
uint64_t detector_total(const struct detector *detector, enum detect_verdict verdict);

#endif
