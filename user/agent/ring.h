/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table that turns a flow's hash into one of a stack's backends. */
#ifndef STEER_RING_H
#define STEER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "common/routes.h"

struct ring_member {
	struct address address;
	uint32_t weight; /* 0: no slot */
	uint16_t slot;	 /* the backend's slot on this host: what the ring holds */
};

/*
 * Maglev hashing (Eisenbud et al., "Maglev: a fast and reliable software network load balancer",
 * NSDI 2016, section 3.4) with a table of 2^14. The paper's linear sequences need a prime size: in
 * this one related skips collide again and again, so each member's preferences are a bijection of
 * 14 bits keyed by its address. Which member owns a slot follows from the set of
 * (address, weight) alone: the order of the list and member.slot change nothing, so that every
 * host with the same routes sends a flow to the same address.
 *
 * A member's slots are its exact share by weight, rounded down or up (apportion.h says what
 * becomes of shares under one slot). Multiplying every weight by the same number changes nothing.
 *
 * A member that is removed gives its slots to the others, and a new or heavier one takes what it
 * needs. Beyond those, some slots pass between members that had no part in it (measured, and held
 * by the tests): on average 0.2 % of the ring with 3 members, 0.7 % with 16, 1.1 % with 64, 1.6 %
 * with 160, 1 % with 500; at worst 2.3 %.
 *
 * -ENOENT: no member with a weight; -E2BIG: more of those than slots; -EINVAL: an address twice.
 */
int ring_build(const struct ring_member *members, size_t n, struct ring *ret);

/* All of a backend's slots: what ring_overlay()'s parts are parts of. */
#define RING_WHOLE 65536u

/* What slow_step of struct backend leaves of a whole. */
uint32_t ring_step_part(uint8_t slow_step, uint32_t whole);

/* What a backend has of its slots by its map entry, of RING_WHOLE. */
uint32_t ring_backend_part(const struct backend *backend);

/*
 * Which part of its slots a backend has now, 0 to RING_WHOLE. Below RING_WHOLE it has the first
 * such part, rounded up, of its slots in the order of their numbers, so that a growing part keeps
 * what it had.
 */
typedef uint32_t (*ring_part)(uint16_t backend, void *userdata);

/*
 * `base` with every slot that its backend has not replaced by the first other backend that has its
 * own, going along ring_next_slot() from that slot: for a backend with no part, where the kernel,
 * which tries only the first few steps, would end. What one with a part lacks goes where it would
 * go were it down, so that as its part grows slots pass to it, and none between others. If only
 * one backend has slots, it has all; if none has, `base` as it is. part() is asked about a backend
 * once or oftener and must answer alike throughout.
 *
 * Packets may read `live` meanwhile: a slot is written only if it changes, by one 16-bit store.
 * Takes 0.05 ms, or 0.1 where some backend has a part.
 */
void ring_overlay(const struct ring *base, ring_part part, void *userdata, struct ring *live);

#endif
