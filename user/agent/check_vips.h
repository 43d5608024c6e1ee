/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which VIPs the checks of a stack go to: of each family one, of the first service by name that
 * sends to the stack. Services that clients reach at the check's port come first, then other TCP
 * services, then UDP: a VIP is on the backend's loopback device whatever is spoken there. Pure.
 */
#ifndef STEER_CHECK_VIPS_H
#define STEER_CHECK_VIPS_H

#include "common/routes.h"

/* Of one family. */
struct check_vip {
	struct address address;
	uint8_t rank; /* 0: there is none */
};

struct check_vips {
	struct check_vip ipv4;
	struct check_vip ipv6;
};

/* For every stack of the routes, which are sorted; ret has stacks_n of them. */
void check_vips_collect(const struct routes *routes, struct check_vips *ret);

/*
 * The one for a backend: of its own family, else of the other where its forwarding mode can carry
 * that. NULL: none.
 */
const struct address *check_vips_pick(const struct check_vips *vips, const struct address *backend,
				      enum forward forward);

#endif
