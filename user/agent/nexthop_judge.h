/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From what the kernel said of route, interface and neighbour to one next hop. Pure. */
#ifndef STEER_NEXTHOP_JUDGE_H
#define STEER_NEXTHOP_JUDGE_H

#include "agent/neighbour_state.h"
#include "agent/nexthop.h"
#include "agent/rtnl.h"

/* What is known of the way to `address`. */
struct nexthop_facts {
	const struct address *address;
	bool asked;	 /* the kernel has answered for the route */
	int route_error; /* -errno of that answer; 0: `route` holds */
	const struct rtnl_route *route;
	const struct rtnl_link *link;		 /* the route's interface; NULL: gone */
	const struct neighbour_state *neighbour; /* NULL: not looked for */
	int neighbour_error;			 /* -errno of the last request to resolve it */
};

/* The address whose MAC address is wanted: the gateway, or the address itself. */
const struct address *nexthop_facts_target(const struct nexthop_facts *facts);

/* True when a neighbour is worth looking for: an Ethernet interface that can be used. */
bool nexthop_facts_want_neighbour(const struct nexthop_facts *facts);

/*
 * Fills *ret_nexthop whole, padding included, so that memcmp() compares. False where it is too
 * early to say; the reason then says what is waited for.
 */
bool nexthop_judge(const struct nexthop_facts *facts, struct nexthop *ret_nexthop);

#endif
