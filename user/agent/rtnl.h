/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few rtnetlink messages that next hops are learnt from: read into structs, and built.
 * Parsers never trust a length; they return -EINVAL for what is malformed and -EAFNOSUPPORT for
 * a message about another family (bridge ports come on the same groups as links do).
 */
#ifndef STEER_RTNL_H
#define STEER_RTNL_H

#include "common/routes.h"

#include <assert.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTNL_REQUEST_MAX 128   /* bytes; no rtnl_put_…() writes more */
#define RTNL_RECEIVE_MAX 32768 /* bytes; the kernel sends no larger piece */

struct rtnl_link {
	uint32_t ifindex;
	uint32_t flags; /* IFF_… */
	uint32_t mtu;
	uint16_t type; /* ARPHRD_… */
	uint8_t mac[6];
	char name[IF_NAMESIZE];
	bool vlan;
	uint8_t unused[3];
};
static_assert(sizeof(struct rtnl_link) == 40, "no padding: compared by memcmp()");

struct rtnl_route {
	uint8_t type; /* RTN_… */
	bool has_gateway;
	uint32_t ifindex;	/* 0: none */
	uint32_t mtu;		/* 0: the route has none of its own */
	struct address gateway; /* of either family, whatever the route's is */
	struct address source;	/* all zero: none */
};

struct rtnl_neighbour {
	uint32_t ifindex;
	uint16_t state; /* NUD_… */
	bool has_mac;
	uint8_t mac[6];
	struct address address;
};

int rtnl_parse_link(const struct nlmsghdr *message, struct rtnl_link *ret_link);
int rtnl_parse_route(const struct nlmsghdr *message, struct rtnl_route *ret_route);
int rtnl_parse_neighbour(const struct nlmsghdr *message, struct rtnl_neighbour *ret_neighbour);

/*
 * Each writes one request, answered by exactly one message, with sequence number 0, to a buffer
 * aligned as struct nlmsghdr is.
 */
struct nlmsghdr *rtnl_put_get_route(void *buffer, const struct address *address);
struct nlmsghdr *rtnl_put_get_neighbour(void *buffer, uint32_t ifindex,
					const struct address *address);
/* Has the kernel resolve, or confirm, as if a packet were to be sent (NTF_USE). */
struct nlmsghdr *rtnl_put_use_neighbour(void *buffer, uint32_t ifindex,
					const struct address *address);

/* A non-blocking socket, member of the groups (RTNLGRP_…). Returns it, or -errno. */
int rtnl_open(const unsigned int *groups, size_t groups_n);

/*
 * One piece of what the kernel sent, RTNL_RECEIVE_MAX bytes at most, never from another process.
 * Its size, 0 for nothing now, or -errno; -ENOBUFS: messages were lost.
 */
ssize_t rtnl_receive(int fd, void *buffer);

/* Calls back for each link there is. 0 or -errno. */
int rtnl_dump_links(void (*callback)(void *userdata, const struct rtnl_link *link), void *userdata);

#endif
