/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a routes document makes sense and fits this node. Pure: the same answer for the same
 * document, however it came. Takes n log n time of the document's size.
 */
#ifndef STEER_ROUTES_CHECK_H
#define STEER_ROUTES_CHECK_H

#include "common/routes.h"

/* What the node file's limits allow (node_config.h), and what a bank's VIP table holds. */
struct routes_limits {
	uint32_t services;
	uint32_t stacks;
	uint32_t backends; /* over all stacks */
	uint32_t vip_keys; /* see routes_vip_keys(); STEER_VIP_KEYS_MAX */
};

/* 0, or -EINVAL with every rule that is broken in `problems`. */
int routes_check(const struct routes *routes, const struct routes_limits *limits,
		 struct problems *problems);

/*
 * Keys that the routes take in a VIP table: for each service VIPs x ports (one for every port),
 * and one for each distinct VIP.
 */
size_t routes_vip_keys(const struct routes *routes);

#endif
