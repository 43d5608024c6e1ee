/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a backend's next health check starts. Pure; microseconds of any one clock.
 *
 * From start to start it is the interval, give or take a twentieth by chance, so that the checks
 * of thousands of backends never fall into step. After the first one it is any part of an
 * interval, by the backend's own phase, which spreads those that began together alike after
 * every start. In doubt it is a quarter of the interval. No two starts are closer than
 * CHECK_GAP_US, and those of one address and port together are that far apart, too: several
 * checks of it take turns.
 */
#ifndef STEER_CHECK_SCHEDULE_H
#define STEER_CHECK_SCHEDULE_H

#include "common/routes.h"

#include <stdbool.h>
#include <stdint.h>

#define CHECK_GAP_US 20000 /* 50 in a second */

struct check_schedule {
	uint32_t interval_ms;
	uint32_t phase; /* of 2^32: which part of an interval follows the first check */
	bool doubted;
	uint64_t starts;
	uint64_t started_us; /* the last of them */
};

/* The phases of two addresses, or ports, have nothing to do with each other. */
void check_schedule_init(struct check_schedule *schedule, const struct address *address,
			 uint16_t port, uint32_t interval_ms);

void check_schedule_start(struct check_schedule *schedule, uint64_t now_us);

/* When the next one starts, which may have gone by; random: any number. After a start. */
uint64_t check_schedule_next_us(const struct check_schedule *schedule, uint64_t random);

/* The earliest that the next one may start, doubt or not. */
uint64_t check_schedule_earliest_us(const struct check_schedule *schedule);

/*
 * The turn of an address and port: when a check that wants to start now may do so. *free_us: from
 * when on nobody's turn is; 0 at first, kept for the next.
 */
uint64_t check_schedule_turn_us(uint64_t *free_us, uint64_t now_us);

#endif
