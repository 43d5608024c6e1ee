/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the routes document and its message. One of the files that may name generated types. */
#ifndef STEER_ROUTES_PROTO_H
#define STEER_ROUTES_PROTO_H

#include "common/routes.h"
#include "steerd/v1/agent.pb-c.h"

/*
 * 0, or -EINVAL with every value in `problems` that has no place in struct routes: enum values
 * that are not known, ports and weights out of range, addresses that are none. Fills defaults
 * in. Does not judge what the document means: that is routes_check(). NULL: an empty document.
 */
int routes_from_proto(const Steerd__V1__Routes *message, struct routes **ret,
		      struct problems *problems);

/* A message of its own, every default spelled out; routes_proto_free() frees it. */
Steerd__V1__Routes *routes_to_proto(const struct routes *routes);

/* The same as steerd__v1__routes__free_unpacked(message, NULL). Accepts NULL. */
void routes_proto_free(Steerd__V1__Routes *message);

/* A split alone, for SetSplit: an array of n items for struct route_service; NULL for none. */
struct route_split *routes_split_from_proto(Steerd__V1__SplitEntry *const *entries, size_t n);

#endif
