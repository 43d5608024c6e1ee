/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where packets to an address leave this host: interface, MAC addresses, MTU and source address,
 * as the kernel's routes, neighbours and links say, followed as they change (rtnetlink). Each
 * distinct address is looked up once, however many watch it.
 *
 * An unresolved neighbour is asked for by the kernel (NTF_USE) every second while somebody
 * watches, a stale one is confirmed from time to time, and one that stops answering keeps its
 * last MAC address for three seconds before it counts as unresolved. An interface that goes
 * down or away counts at once.
 */
#ifndef STEER_NEXTHOP_H
#define STEER_NEXTHOP_H

#include "common/routes.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define NEXTHOP_REASON_MAX 128

struct nexthop_table;
struct nexthop_watch;

/* Unless resolved, only `reason` means anything. */
struct nexthop {
	bool resolved;
	char reason[NEXTHOP_REASON_MAX]; /* why not; "" when resolved */
	uint32_t ifindex;
	char ifname[IF_NAMESIZE];
	uint8_t dst_mac[6];
	uint8_t src_mac[6];
	uint16_t mtu;	       /* bytes from the IP header on; the route's where it has one */
	struct address source; /* that the kernel would send from; all zero: it would not say */
	bool has_gateway;      /* dst_mac is a router's, not the address's own: no way for l2 */
	struct address gateway;
};

/*
 * `nexthop` has become known, or has changed; valid during the call. Made from the loop only,
 * never from within nexthop_watch(). May watch and unwatch, also itself.
 */
typedef void (*nexthop_callback)(void *userdata, const struct nexthop *nexthop);

/* Follows this network namespace. Takes its own reference to the loop. 0 or -errno. */
int nexthop_new(sd_event *event, struct nexthop_table **ret_table);

/* Frees it with every watch that is left. Not from within a callback. Accepts NULL. */
void nexthop_free(struct nexthop_table *table);

/*
 * The callback comes once soon (when the neighbour answers, or does not), then on each change.
 * Where the address is known already, it comes in the loop's next round.
 */
int nexthop_watch(struct nexthop_table *table, const struct address *address,
		  nexthop_callback callback, void *userdata, struct nexthop_watch **ret_watch);

/* No callback comes after this. Accepts NULL. */
void nexthop_unwatch(struct nexthop_watch *watch);

/* What is known now; before the first callback, unresolved with a reason that says so. */
const struct nexthop *nexthop_watch_current(const struct nexthop_watch *watch);

#endif
