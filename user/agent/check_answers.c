/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_answers.h"

#include "agent/mix.h"
#include "agent/rtnl.h"
#include "common/util.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define KEPT	   256
#define KEPT_MS	   1000
#define WAIT_MS	   1000
#define SYSCTL_MAX 64 /* bytes of its value; any has fewer */

/* One answer, for a VIP by an interface, in the place that its hash gives it. */
struct kept_answer {
	struct address vip;
	struct address hop_source;
	uint32_t ifindex; /* 0: the place is free */
	uint64_t until_ms;
	struct address source;
	char text[CHECK_ANSWERS_TEXT_MAX];
};

struct check_answers {
	int fd; /* rtnetlink */
	void *buffer;
	struct kept_answer kept[KEPT];
};

int check_answers_new(struct check_answers **ret)
{
	int fd = rtnl_open(NULL, 0);
	struct check_answers *answers;

	if (fd < 0)
		return fd;
	answers = util_calloc(1, sizeof(*answers));
	answers->fd = fd;
	answers->buffer = util_calloc(1, RTNL_RECEIVE_MAX);
	*ret = answers;
	return 0;
}

void check_answers_free(struct check_answers *answers)
{
	if (!answers)
		return;
	close(answers->fd);
	free(answers->buffer);
	free(answers);
}

void check_answers_forget(struct check_answers *answers)
{
	for (size_t i = 0; i < KEPT; i++)
		answers->kept[i].ifindex = 0;
}

void check_answers_judge(const struct address *vip, const struct check_facts *facts,
			 const struct nexthop *hop, char *text)
{
	char address[ADDRESS_TEXT_MAX];

	text[0] = '\0';
	if (!address_is_ipv4(vip))
		return; /* IPv6 has no such rules */
	address_text(vip, address);
	if (facts->is_local && !facts->accept_local)
		snprintf(text, CHECK_ANSWERS_TEXT_MAX,
			 "%s is this host's own, whose answers %s would not take "
			 "(net.ipv4.conf.*.accept_local)",
			 address, hop->ifname);
	else if (facts->rp_filter == 1 && (!facts->has_route || facts->ifindex != hop->ifindex))
		snprintf(text, CHECK_ANSWERS_TEXT_MAX,
			 "answers from %s would be dropped on %s, where no route to it leads "
			 "(net.ipv4.conf.*.rp_filter is 1)",
			 address, hop->ifname);
	else if (facts->rp_filter == 2 && !facts->has_route)
		snprintf(text, CHECK_ANSWERS_TEXT_MAX,
			 "answers from %s would be dropped: there is no route to it "
			 "(net.ipv4.conf.*.rp_filter is 2)",
			 address);
}

/* 0 where there is no such setting. */
static int read_sysctl(const char *interface, const char *name)
{
	CLEANUP_FREE char *path = util_format("/proc/sys/net/ipv4/conf/%s/%s", interface, name);
	CLEANUP_FREE char *text = NULL;
	size_t size;

	return util_read_file(path, SYSCTL_MAX, &text, &size) ? 0 : atoi(text);
}

/* The larger of the two is what counts. */
static int interface_setting(const char *interface, const char *name)
{
	int all = read_sysctl("all", name), one = read_sysctl(interface, name);

	return all > one ? all : one;
}

/* The kernel answers within the call that asks; the time is for safety. */
static int find_route(struct check_answers *answers, const struct address *vip,
		      struct rtnl_route *ret_route)
{
	_Alignas(struct nlmsghdr) char request[RTNL_REQUEST_MAX];
	struct nlmsghdr *message = rtnl_put_get_route(request, vip);
	struct pollfd wait = {.fd = answers->fd, .events = POLLIN};
	const struct nlmsghdr *answer = answers->buffer;
	ssize_t n;

	if (send(answers->fd, message, message->nlmsg_len, 0) < 0)
		return -errno;
	while ((n = rtnl_receive(answers->fd, answers->buffer)) == 0)
		if (poll(&wait, 1, WAIT_MS) <= 0)
			return -ETIMEDOUT;
	if (n < (ssize_t)sizeof(*answer) || answer->nlmsg_len > (size_t)n ||
	    answer->nlmsg_type != RTM_NEWROUTE)
		return -ENOENT;
	return rtnl_parse_route(answer, ret_route);
}

static void find_facts(struct check_answers *answers, const struct address *vip,
		       const struct nexthop *hop, struct check_facts *ret)
{
	struct rtnl_route route = {};

	*ret = (struct check_facts){};
	if (!address_is_ipv4(vip))
		return;
	ret->has_route = find_route(answers, vip, &route) == 0 &&
			 (route.type == RTN_UNICAST || route.type == RTN_LOCAL);
	ret->is_local = ret->has_route && route.type == RTN_LOCAL;
	ret->ifindex = route.ifindex;
	ret->rp_filter = interface_setting(hop->ifname, "rp_filter");
	ret->accept_local = interface_setting(hop->ifname, "accept_local");
}

static bool address_of(const struct ifaddrs *one, bool ipv4, struct address *ret)
{
	const struct sockaddr *from = one->ifa_addr;

	*ret = (struct address){};
	if (!from || from->sa_family != (ipv4 ? AF_INET : AF_INET6))
		return false;
	if (ipv4) {
		ret->bytes[10] = ret->bytes[11] = 0xff;
		memcpy(ret->bytes + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
	} else {
		memcpy(ret->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
	}
	return !address_special(ret);
}

/* Not a VIP, which may be this host's too: best of the interface, else of any. */
static bool find_source(const struct address *vip, const struct nexthop *hop, struct address *ret)
{
	bool ipv4 = address_is_ipv4(vip), found = false;
	struct ifaddrs *all;
	struct address one;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		bool here = !strcmp(i->ifa_name, hop->ifname);

		if ((found && !here) || !strcmp(i->ifa_name, "lo") || !address_of(i, ipv4, &one) ||
		    !address_compare(&one, vip))
			continue;
		*ret = one;
		found = true;
		if (here)
			break;
	}
	freeifaddrs(all);
	return found;
}

static void ask(struct check_answers *answers, struct kept_answer *kept, const struct nexthop *hop)
{
	static const struct address none;
	struct check_facts facts;

	find_facts(answers, &kept->vip, hop, &facts);
	check_answers_judge(&kept->vip, &facts, hop, kept->text);
	if (kept->text[0])
		return;
	kept->source = hop->source;
	if (address_is_ipv4(&kept->vip) == address_is_ipv4(&hop->source) &&
	    address_compare(&hop->source, &none))
		return;
	if (!find_source(&kept->vip, hop, &kept->source))
		snprintf(kept->text, sizeof(kept->text), "this host has no %s address to ask from",
			 address_is_ipv4(&kept->vip) ? "IPv4" : "IPv6");
}

static struct kept_answer *place_of(struct check_answers *answers, const struct address *vip,
				    uint32_t ifindex)
{
	return &answers->kept[mix_bytes(vip->bytes, sizeof(vip->bytes), ifindex) % KEPT];
}

static bool still_holds(const struct kept_answer *kept, const struct address *vip,
			const struct nexthop *hop, uint64_t now_ms)
{
	return kept->ifindex == hop->ifindex && kept->until_ms > now_ms &&
	       !address_compare(&kept->vip, vip) &&
	       !address_compare(&kept->hop_source, &hop->source);
}

const char *check_answers_obstacle(struct check_answers *answers, const struct address *vip,
				   const struct nexthop *hop, struct address *ret_source)
{
	uint64_t now_ms = util_now_ms();
	struct kept_answer *kept = place_of(answers, vip, hop->ifindex);

	if (!still_holds(kept, vip, hop, now_ms)) {
		*kept = (struct kept_answer){.vip = *vip,
					     .hop_source = hop->source,
					     .ifindex = hop->ifindex,
					     .until_ms = now_ms + KEPT_MS};
		ask(answers, kept, hop);
	}
	if (kept->text[0])
		return kept->text;
	*ret_source = kept->source;
	return NULL;
}
