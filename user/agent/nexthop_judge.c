/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/nexthop_judge.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT(address) address_text(address, (char[ADDRESS_TEXT_MAX]){""})

/* Always true: the judgement is made. */
static bool unresolved(struct nexthop *nexthop, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool unresolved(struct nexthop *nexthop, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(nexthop->reason, sizeof(nexthop->reason), format, args);
	va_end(args);
	return true;
}

const struct address *nexthop_facts_target(const struct nexthop_facts *facts)
{
	return facts->route->has_gateway ? &facts->route->gateway : facts->address;
}

bool nexthop_facts_want_neighbour(const struct nexthop_facts *facts)
{
	return facts->asked && !facts->route_error && facts->route->type == RTN_UNICAST &&
	       facts->link && facts->link->type == ARPHRD_ETHER && !facts->link->vlan;
}

static bool judge_route_error(const struct nexthop_facts *facts, struct nexthop *nexthop)
{
	const char *to = TEXT(facts->address);

	switch (-facts->route_error) {
	case ENETUNREACH:
		return unresolved(nexthop, "no route to %s", to);
	case EHOSTUNREACH:
		return unresolved(nexthop, "the route to %s is of type unreachable", to);
	case EACCES:
		return unresolved(nexthop, "the route to %s is of type prohibit", to);
	case EINVAL:
		return unresolved(nexthop, "the route to %s is of type blackhole", to);
	default:
		return unresolved(nexthop, "no route to %s: %s", to, strerror(-facts->route_error));
	}
}

static bool judge_route_type(const struct nexthop_facts *facts, struct nexthop *nexthop)
{
	const char *to = TEXT(facts->address);

	switch (facts->route->type) {
	case RTN_LOCAL:
		return unresolved(nexthop, "%s is an address of this host", to);
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_MULTICAST:
		return unresolved(nexthop, "%s is not the address of one host", to);
	default:
		return unresolved(nexthop, "the route to %s is of a type that sends nothing", to);
	}
}

static bool judge_silence(const struct nexthop_facts *facts, struct nexthop *nexthop)
{
	const char *target = TEXT(nexthop_facts_target(facts));
	const char *what = facts->route->has_gateway ? "gateway " : "";
	const char *name = facts->link->name;

	switch (-facts->neighbour_error) {
	case 0:
		return unresolved(nexthop, "%s%s does not answer on %s", what, target, name);
	case ENOBUFS:
		return unresolved(nexthop,
				  "%s: neighbour table full (net.ipv%c.neigh.default.gc_thresh3)",
				  target, address_is_ipv4(nexthop_facts_target(facts)) ? '4' : '6');
	default:
		return unresolved(nexthop, "%s%s cannot be resolved on %s: %s", what, target, name,
				  strerror(-facts->neighbour_error));
	}
}

static bool judge_neighbour(const struct nexthop_facts *facts, struct nexthop *nexthop)
{
	const struct rtnl_link *link = facts->link;
	uint32_t mtu = link->mtu;

	if (!facts->neighbour || facts->neighbour->answer == NEIGHBOUR_UNKNOWN) {
		unresolved(nexthop, "waiting for %s to answer on %s",
			   TEXT(nexthop_facts_target(facts)), link->name);
		return false;
	}
	if (facts->neighbour->answer == NEIGHBOUR_SILENT)
		return judge_silence(facts, nexthop);
	if (facts->route->mtu && facts->route->mtu < mtu)
		mtu = facts->route->mtu;
	nexthop->resolved = true;
	nexthop->ifindex = link->ifindex;
	nexthop->mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
	nexthop->source = facts->route->source;
	nexthop->has_gateway = facts->route->has_gateway;
	if (nexthop->has_gateway)
		nexthop->gateway = facts->route->gateway;
	memcpy(nexthop->ifname, link->name, sizeof(nexthop->ifname));
	memcpy(nexthop->src_mac, link->mac, sizeof(nexthop->src_mac));
	memcpy(nexthop->dst_mac, facts->neighbour->mac, sizeof(nexthop->dst_mac));
	return true;
}

bool nexthop_judge(const struct nexthop_facts *facts, struct nexthop *ret_nexthop)
{
	const struct rtnl_link *link = facts->link;

	memset(ret_nexthop, 0, sizeof(*ret_nexthop));
	if (!facts->asked) {
		unresolved(ret_nexthop, "not looked up yet");
		return false;
	}
	if (facts->route_error)
		return judge_route_error(facts, ret_nexthop);
	if (facts->route->type != RTN_UNICAST)
		return judge_route_type(facts, ret_nexthop);
	if (!link)
		return unresolved(ret_nexthop, "the interface towards %s is gone",
				  TEXT(facts->address));
	if (link->vlan)
		return unresolved(ret_nexthop,
				  "egress interface %s is a VLAN device; not supported yet",
				  link->name);
	if (link->type != ARPHRD_ETHER)
		return unresolved(ret_nexthop, "egress interface %s is not Ethernet", link->name);
	if (!(link->flags & IFF_UP))
		return unresolved(ret_nexthop, "interface %s is down", link->name);
	if (!(link->flags & IFF_RUNNING))
		return unresolved(ret_nexthop, "interface %s has no carrier", link->name);
	return judge_neighbour(facts, ret_nexthop);
}
