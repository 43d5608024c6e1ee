/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Walks over live routes that are put down between steps, and taken up again although the routes
 * may be others by then: names are sorted, so the walk goes on behind the last one that it gave.
 * Nothing comes twice, and what was there all along is not missed. Pure.
 */
#ifndef STEER_ROUTES_WALK_H
#define STEER_ROUTES_WALK_H

#include "agent/bank.h"

/* Zero-initialise. Holds no pointer. */
struct routes_position {
	size_t outer, inner; /* what comes next, in the routes of `version` */
	uint64_t version;    /* 0: nothing was given yet */
	uint8_t outer_key[STEER_NAME], inner_key[STEER_NAME]; /* of the last, zero-padded */
};

enum routes_walk {
	WALK_SERVICES, /* *ret_i: into services */
	WALK_SPLITS,   /* likewise; *ret_j: into its split */
	WALK_STACKS,   /* *ret_i: into stacks */
	WALK_BACKENDS, /* *ret_i: into stacks, *ret_j: into its backends; one for a local stack */
};

/* False: that was all. */
bool routes_walk_next(enum routes_walk walk, const struct compiled *live,
		      struct routes_position *at, size_t *ret_i, size_t *ret_j);

#endif
