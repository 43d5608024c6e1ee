/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one entry of the kernel's neighbour table means for us, and when to ask the kernel to
 * resolve it. Pure: time comes in as any clock's milliseconds, chance as a number.
 *
 * Unresolved: asked for at once and then every second. Stale: from time to time, since packets
 * that are sent by XDP confirm nothing. A neighbour that answered once and is lost keeps its MAC
 * address for NEIGHBOUR_HOLD_MS; one never heard of is silent after as long, or as soon as the
 * kernel has given up asking.
 */
#ifndef STEER_NEIGHBOUR_STATE_H
#define STEER_NEIGHBOUR_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define NEIGHBOUR_HOLD_MS    3000
#define NEIGHBOUR_ASK_MS     1000  /* between requests while unresolved, give or take a tenth */
#define NEIGHBOUR_CONFIRM_MS 15000 /* likewise, while stale */
#define NEIGHBOUR_NEVER	     UINT64_MAX

enum neighbour_answer {
	NEIGHBOUR_UNKNOWN, /* not decided yet */
	NEIGHBOUR_ANSWERS, /* `mac` holds */
	NEIGHBOUR_SILENT
};

struct neighbour_state {
	enum neighbour_answer answer;
	uint8_t mac[6];
	bool valid;	  /* the kernel has a MAC address now */
	bool stale;	  /* and wants it confirmed */
	bool heard;	  /* the kernel has said something at all */
	bool asked;	  /* we have, since it was valid last */
	uint64_t lost_ms; /* while not valid: since when */
	uint64_t ask_ms;  /* when to ask next, or NEIGHBOUR_NEVER */
};

void neighbour_state_init(struct neighbour_state *state, uint64_t now_ms);

/*
 * The kernel's entry is now in state `nud` (NUD_…, 0: there is none) with `mac` (NULL: none).
 * `chance` is any random number, here and below.
 */
void neighbour_state_input(struct neighbour_state *state, uint16_t nud, const uint8_t *mac,
			   uint64_t now_ms, uint32_t chance);

/* The way there has just come up: do not wait with the next request. */
void neighbour_state_hurry(struct neighbour_state *state, uint64_t now_ms);

/* Time has passed. True: ask the kernel to resolve or confirm it now. */
bool neighbour_state_tick(struct neighbour_state *state, uint64_t now_ms, uint32_t chance);

/* When neighbour_state_tick() wants to be called next, or NEIGHBOUR_NEVER. */
uint64_t neighbour_state_next(const struct neighbour_state *state);

#endif
