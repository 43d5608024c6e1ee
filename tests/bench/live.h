/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Real frames through a program on a real (virtual) driver:
 *
 *	generator ──► gen0 ═ veth ═ near0: the program ──TX──► gen0: counted
 *	                                  └──redirect──► away0 ═ veth ═ sink0: counted
 *
 * all on one CPU, so that a rate is the sum of all the parts, and only the difference to a program
 * that does nothing else is the program's.
 */
#ifndef STEER_BENCH_LIVE_H
#define STEER_BENCH_LIVE_H

#include <stdint.h>

#include "lib/packet.h"

struct live;

/* Moves the process to a network namespace of its own, which goes with it. 0 or -errno, logged. */
int live_open(struct live **ret);
void live_close(struct live *live); /* accepts NULL */

/* Interfaces: where frames arrive, and where those to another interface leave. */
uint32_t live_near(const struct live *live);
uint32_t live_away(const struct live *live);

/* A program that writes the MACs and answers so: XDP_TX or XDP_REDIRECT. */
int live_floor_fd(const struct live *live, uint32_t action);

/*
 * Sends `frames` frames made from `packet` by drive_run()'s rules through the program. Millions a
 * second of what arrived, and the share that did not.
 */
int live_run(struct live *live, int program_fd, const struct packet *packet, uint32_t flows,
	     uint32_t frames, double *ret_mpps, double *ret_lost);

#endif
