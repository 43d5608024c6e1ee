/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/rtnl.h"

#include "common/util.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <poll.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (4 << 20) /* bytes of socket memory, where we are allowed that much */
#define DUMP_WAIT_MS   2000

struct attributes {
	const struct nlattr **table;
	uint16_t max;
};

static int attribute_keep(const struct nlattr *attr, void *userdata)
{
	const struct attributes *attributes = userdata;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= attributes->max)
		attributes->table[type] = attr;
	return MNL_CB_OK;
}

/* table[0..max] starts as NULLs. */
static int attributes_parse(const struct nlmsghdr *message, size_t header_size,
			    const struct nlattr **table, uint16_t max)
{
	struct attributes attributes = {table, max};

	/* The kernel pads each attribute; without the padding libmnl would read beyond the end. */
	if (message->nlmsg_len % NLMSG_ALIGNTO || mnl_nlmsg_get_payload_len(message) < header_size)
		return -EINVAL;
	if (mnl_attr_parse(message, (unsigned int)header_size, attribute_keep, &attributes) < 0)
		return -EINVAL;
	return 0;
}

static bool attribute_get(const struct nlattr *attr, void *value, size_t size)
{
	if (!attr || mnl_attr_get_payload_len(attr) < size)
		return false;
	memcpy(value, mnl_attr_get_payload(attr), size);
	return true;
}

static bool address_set(struct address *address, int family, const void *bytes, size_t size)
{
	*address = (struct address){};
	if (family == AF_INET && size >= 4) {
		address->bytes[10] = address->bytes[11] = 0xff;
		memcpy(address->bytes + 12, bytes, 4);
		return true;
	}
	if (family == AF_INET6 && size >= 16) {
		memcpy(address->bytes, bytes, 16);
		return true;
	}
	return false;
}

static bool address_get(const struct nlattr *attr, int family, struct address *address)
{
	return attr && address_set(address, family, mnl_attr_get_payload(attr),
				   mnl_attr_get_payload_len(attr));
}

static bool link_is_vlan(const struct nlattr *info)
{
	const struct nlattr *attr;

	if (!info)
		return false;
	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			return mnl_attr_get_payload_len(attr) >= sizeof("vlan") &&
			       !strcmp(mnl_attr_get_str(attr), "vlan");
	}
	return false;
}

int rtnl_parse_link(const struct nlmsghdr *message, struct rtnl_link *ret_link)
{
	const struct nlattr *table[IFLA_MAX + 1] = {};
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct rtnl_link link = {};
	int r;

	r = attributes_parse(message, sizeof(*info), table, IFLA_MAX);
	if (r < 0)
		return r;
	if (info->ifi_family != AF_UNSPEC)
		return -EAFNOSUPPORT;
	if (!table[IFLA_IFNAME] || mnl_attr_validate(table[IFLA_IFNAME], MNL_TYPE_NUL_STRING) < 0)
		return -EINVAL;
	link.ifindex = (uint32_t)info->ifi_index;
	link.flags = info->ifi_flags;
	link.type = info->ifi_type;
	link.vlan = link_is_vlan(table[IFLA_LINKINFO]);
	snprintf(link.name, sizeof(link.name), "%s", mnl_attr_get_str(table[IFLA_IFNAME]));
	attribute_get(table[IFLA_MTU], &link.mtu, sizeof(link.mtu));
	attribute_get(table[IFLA_ADDRESS], link.mac, sizeof(link.mac));
	*ret_link = link;
	return 0;
}

static uint32_t metrics_mtu(const struct nlattr *metrics)
{
	const struct nlattr *attr;
	uint32_t mtu = 0;

	if (!metrics)
		return 0;
	mnl_attr_for_each_nested(attr, metrics)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			attribute_get(attr, &mtu, sizeof(mtu));
	}
	return mtu;
}

/* RTA_VIA: a gateway of another family than the route's. */
static bool via_get(const struct nlattr *attr, struct address *address)
{
	const struct rtvia *via;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(*via))
		return false;
	via = mnl_attr_get_payload(attr);
	return address_set(address, via->rtvia_family, via->rtvia_addr,
			   mnl_attr_get_payload_len(attr) - sizeof(*via));
}

int rtnl_parse_route(const struct nlmsghdr *message, struct rtnl_route *ret_route)
{
	const struct nlattr *table[RTA_MAX + 1] = {};
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct rtnl_route route = {};
	int r;

	r = attributes_parse(message, sizeof(*info), table, RTA_MAX);
	if (r < 0)
		return r;
	if (info->rtm_family != AF_INET && info->rtm_family != AF_INET6)
		return -EAFNOSUPPORT;
	route.type = info->rtm_type;
	route.mtu = metrics_mtu(table[RTA_METRICS]);
	attribute_get(table[RTA_OIF], &route.ifindex, sizeof(route.ifindex));
	address_get(table[RTA_PREFSRC], info->rtm_family, &route.source);
	route.has_gateway = address_get(table[RTA_GATEWAY], info->rtm_family, &route.gateway) ||
			    via_get(table[RTA_VIA], &route.gateway);
	*ret_route = route;
	return 0;
}

int rtnl_parse_neighbour(const struct nlmsghdr *message, struct rtnl_neighbour *ret_neighbour)
{
	const struct nlattr *table[NDA_MAX + 1] = {};
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	struct rtnl_neighbour neighbour = {};
	int r;

	r = attributes_parse(message, sizeof(*info), table, NDA_MAX);
	if (r < 0)
		return r;
	if (info->ndm_family != AF_INET && info->ndm_family != AF_INET6)
		return -EAFNOSUPPORT;
	if (!address_get(table[NDA_DST], info->ndm_family, &neighbour.address))
		return -EINVAL;
	neighbour.ifindex = (uint32_t)info->ndm_ifindex;
	neighbour.state = info->ndm_state;
	neighbour.has_mac = attribute_get(table[NDA_LLADDR], neighbour.mac, sizeof(neighbour.mac));
	*ret_neighbour = neighbour;
	return 0;
}

static uint8_t address_family(const struct address *address)
{
	return address_is_ipv4(address) ? AF_INET : AF_INET6;
}

static void address_put(struct nlmsghdr *message, uint16_t type, const struct address *address)
{
	if (address_is_ipv4(address))
		mnl_attr_put(message, type, 4, address->bytes + 12);
	else
		mnl_attr_put(message, type, 16, address->bytes);
}

static struct nlmsghdr *message_put(void *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	return message;
}

struct nlmsghdr *rtnl_put_get_route(void *buffer, const struct address *address)
{
	struct nlmsghdr *message = message_put(buffer, RTM_GETROUTE, 0);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->rtm_family = address_family(address);
	info->rtm_dst_len = address_is_ipv4(address) ? 32 : 128;
	address_put(message, RTA_DST, address);
	return message;
}

static struct nlmsghdr *neighbour_put(void *buffer, uint16_t type, uint16_t flags, uint32_t ifindex,
				      const struct address *address)
{
	struct nlmsghdr *message = message_put(buffer, type, flags);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->ndm_family = address_family(address);
	info->ndm_ifindex = (int)ifindex;
	address_put(message, NDA_DST, address);
	return message;
}

struct nlmsghdr *rtnl_put_get_neighbour(void *buffer, uint32_t ifindex,
					const struct address *address)
{
	return neighbour_put(buffer, RTM_GETNEIGH, 0, ifindex, address);
}

struct nlmsghdr *rtnl_put_use_neighbour(void *buffer, uint32_t ifindex,
					const struct address *address)
{
	struct nlmsghdr *message = neighbour_put(buffer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK,
						 ifindex, address);
	struct ndmsg *info = mnl_nlmsg_get_payload(message);

	info->ndm_flags = NTF_USE;
	return message;
}

/* Before groups are joined: the room is there when the first message comes. */
static void receive_buffer_grow(int fd)
{
	const int size = RECEIVE_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int rtnl_open(const unsigned int *groups, size_t groups_n)
{
	const struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	CLEANUP_CLOSE int fd = -1;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	receive_buffer_grow(fd);
	/* An error then comes without a copy of the request. Kernels that cannot do it send one. */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &(int){1}, sizeof(int));
	if (bind(fd, (const struct sockaddr *)&self, sizeof(self)) < 0)
		return -errno;
	for (size_t i = 0; i < groups_n; i++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	}
	return TAKE_FD(fd);
}

ssize_t rtnl_receive(int fd, void *buffer)
{
	struct sockaddr_nl from = {};
	socklen_t from_size;
	ssize_t n;

	do {
		from_size = sizeof(from);
		n = recvfrom(fd, buffer, RTNL_RECEIVE_MAX, MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&from, &from_size);
	} while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid));
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	/* What does not fit is lost just as what found no room in the socket. */
	return n > RTNL_RECEIVE_MAX ? -ENOBUFS : n;
}

struct link_dump {
	void (*callback)(void *userdata, const struct rtnl_link *link);
	void *userdata;
};

static int on_dumped_link(const struct nlmsghdr *message, void *userdata)
{
	struct link_dump *dump = userdata;
	struct rtnl_link link;

	if (message->nlmsg_type == RTM_NEWLINK && rtnl_parse_link(message, &link) == 0)
		dump->callback(dump->userdata, &link);
	return MNL_CB_OK;
}

static int link_dump_read(int fd, struct link_dump *dump)
{
	CLEANUP_FREE void *buffer = util_calloc(1, RTNL_RECEIVE_MAX);
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	for (;;) {
		ssize_t n = rtnl_receive(fd, buffer);
		int r;

		if (n < 0)
			return (int)n;
		if (n == 0) {
			/* The kernel answers within the call that asks; this is for safety. */
			r = poll(&wait, 1, DUMP_WAIT_MS);
			if (r <= 0)
				return r < 0 ? -errno : -ETIMEDOUT;
			continue;
		}
		r = mnl_cb_run(buffer, (size_t)n, 0, 0, on_dumped_link, dump);
		if (r < 0)
			return -errno;
		if (r == MNL_CB_STOP)
			return 0;
	}
}

int rtnl_dump_links(void (*callback)(void *userdata, const struct rtnl_link *link), void *userdata)
{
	struct link_dump dump = {callback, userdata};
	_Alignas(struct nlmsghdr) char buffer[RTNL_REQUEST_MAX];
	struct nlmsghdr *message = message_put(buffer, RTM_GETLINK, NLM_F_DUMP);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	CLEANUP_CLOSE int fd = -1;

	info->ifi_family = AF_UNSPEC;
	fd = rtnl_open(NULL, 0);
	if (fd < 0)
		return fd;
	if (send(fd, message, message->nlmsg_len, 0) < 0)
		return -errno;
	return link_dump_read(fd, &dump);
}
