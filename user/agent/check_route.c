/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_route.h"

#include "abi.h"
#include "agent/rtnl.h"
#include "agent/tc_filter.h"
#include "common/util.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <poll.h>
#include <sys/socket.h>

#define WAIT_MS 2000

static struct nlmsghdr *put_rule(void *buffer, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *rule;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	rule = mnl_nlmsg_put_extra_header(message, sizeof(*rule));
	rule->family = family;
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(message, FRA_PRIORITY, CHECK_ROUTE_PRIORITY);
	mnl_attr_put_u32(message, FRA_FWMARK, CHECK_MARK);
	mnl_attr_put_u32(message, FRA_FWMASK, CHECK_MARK_MASK);
	mnl_attr_put_u32(message, FRA_TABLE, CHECK_ROUTE_TABLE);
	return message;
}

static struct nlmsghdr *put_route(void *buffer, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nlattr *metrics;
	struct rtmsg *route;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = family;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_HOST;
	route->rtm_type = RTN_LOCAL;
	mnl_attr_put_u32(message, RTA_TABLE, CHECK_ROUTE_TABLE);
	mnl_attr_put_u32(message, RTA_OIF, TC_FILTER_LOOPBACK);
	metrics = mnl_attr_nest_start(message, RTA_METRICS);
	mnl_attr_put_u32(message, RTAX_MTU, CHECK_ROUTE_MTU);
	mnl_attr_nest_end(message, metrics);
	return message;
}

static int on_message(const struct nlmsghdr *message, void *userdata)
{
	(void)message;
	(void)userdata;
	return MNL_CB_OK;
}

/* The kernel's answer to one request: 0 or -errno. */
static int ask(int fd, const struct nlmsghdr *message)
{
	CLEANUP_FREE void *buffer = util_calloc(1, RTNL_RECEIVE_MAX);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (send(fd, message, message->nlmsg_len, 0) < 0)
		return -errno;
	/* It answers within the call that asks; the time is for safety. */
	while ((n = rtnl_receive(fd, buffer)) == 0)
		if (poll(&wait, 1, WAIT_MS) <= 0)
			return -ETIMEDOUT;
	if (n < 0)
		return (int)n;
	return mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, NULL) < 0 ? -errno : 0;
}

/* Whoever added them: that they are there is what counts. */
static int add_family(int fd, uint8_t family, bool *missing)
{
	_Alignas(struct nlmsghdr) char buffer[RTNL_REQUEST_MAX];
	const uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;
	int route = ask(fd, put_route(buffer, RTM_NEWROUTE, flags, family)), rule;

	if (route && route != -EEXIST)
		return route;
	rule = ask(fd, put_rule(buffer, RTM_NEWRULE, flags, family));
	if (rule && rule != -EEXIST)
		return rule;
	*missing |= !route || !rule;
	return 0;
}

int check_route_add(struct check_route *ret_route, bool *missing)
{
	CLEANUP_CLOSE int fd = rtnl_open(NULL, 0);
	int ipv4, ipv6;

	if (fd < 0)
		return fd;
	ipv4 = add_family(fd, AF_INET, missing);
	ipv6 = add_family(fd, AF_INET6, missing);
	if (ipv4 && ipv6)
		return ipv4;
	*ret_route = (struct check_route){.ipv4 = !ipv4, .ipv6 = !ipv6};
	return 0;
}

void check_route_remove(void)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	_Alignas(struct nlmsghdr) char buffer[RTNL_REQUEST_MAX];
	CLEANUP_CLOSE int fd = rtnl_open(NULL, 0);

	for (size_t i = 0; i < ARRAY_SIZE(families) && fd >= 0; i++) {
		ask(fd, put_rule(buffer, RTM_DELRULE, 0, families[i]));
		ask(fd, put_route(buffer, RTM_DELROUTE, 0, families[i]));
	}
}
