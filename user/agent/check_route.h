/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The routing rule that leads health checks to the program on the loopback device: packets of
 * sockets marked CHECK_MARK are looked up in a table of their own, where every address is on `lo`.
 * As an operator would see it, for each family:
 *
 *	ip rule add pref 50 fwmark 0x5ee70000/0xffff0000 lookup 24295
 *	ip route add local default dev lo table 24295 mtu 1280
 */
#ifndef STEER_CHECK_ROUTE_H
#define STEER_CHECK_ROUTE_H

#include <stdbool.h>

#define CHECK_ROUTE_PRIORITY 50
#define CHECK_ROUTE_TABLE    24295
#define CHECK_ROUTE_MTU	     1280 /* bytes: a check's packets fit every way, tunnelled too */

/* Which families have their rule and route. */
struct check_route {
	bool ipv4;
	bool ipv6;
};

/*
 * Adds what is missing, and says so by *missing = true; to be called again from time to time, since
 * others may take it out. 0 where a family at least has both; -errno where none has.
 */
int check_route_add(struct check_route *ret_route, bool *missing);

/* Removes all of it, what an earlier process left too. */
void check_route_remove(void);

#endif
