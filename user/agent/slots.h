/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which slot of a map belongs to whom. A key (text) keeps its slot while any owner, such as a
 * bank of routes, holds it; then the slot is free for another.
 */
#ifndef STEER_SLOTS_H
#define STEER_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slots;

struct slots *slots_new(uint32_t max);
void slots_free(struct slots *slots); /* accepts NULL */

/*
 * The slot of `key`, held by the owners in the mask from now on; the lowest free one if it has
 * none yet (*ret_fresh). -ENOSPC: all are held.
 */
int slots_hold(struct slots *slots, const char *key, unsigned int owners, uint32_t *ret_slot,
	       bool *ret_fresh);

/* The given slot for the key, both unused so far: what an earlier agent left. -EEXIST otherwise. */
int slots_adopt(struct slots *slots, const char *key, unsigned int owners, uint32_t slot);

/* More owners for a slot that is held. */
void slots_mark(struct slots *slots, uint32_t slot, unsigned int owners);

/* -ENOENT: nobody holds it. */
int slots_find(const struct slots *slots, const char *key, uint32_t *ret_slot);

/*
 * Takes the owners off every key. freed(slot, userdata) is called for each slot that nobody holds
 * any more.
 */
void slots_release(struct slots *slots, unsigned int owners,
		   void (*freed)(uint32_t slot, void *userdata), void *userdata);

/* The owners that hold a slot; 0: free. */
unsigned int slots_owners(const struct slots *slots, uint32_t slot);
const char *slots_key(const struct slots *slots, uint32_t slot); /* NULL: free */

#endif
