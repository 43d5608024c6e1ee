/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was counted since it was last sent on one stream, as parts of WatchTelemetry messages. A
 * round begins with deltas_begin(); then parts, each filled and then sent or taken back, until
 * there is none. What is not sent in one round is part of the next.
 */
#ifndef STEER_API_DELTAS_H
#define STEER_API_DELTAS_H

#include "agent/agent.h"
#include "methods.h"

struct deltas;

/* From what is counted by now on, or from the beginning. -EUSERS: there are too many. */
int deltas_new(const struct agent *agent, bool from_start, struct deltas **ret);
void deltas_free(struct deltas *deltas); /* accepts NULL */

void deltas_begin(struct deltas *deltas);

/*
 * Fills the lists of a message with what comes next, some 1 MB of it at most. They are good until
 * one of the two below. False: what is left is in it, however little.
 */
bool deltas_fill(struct deltas *deltas, Steerd__V1__WatchTelemetryResponse *message);
void deltas_sent(struct deltas *deltas);
void deltas_take_back(struct deltas *deltas);

#endif
