/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/hop.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <sys/epoll.h>

#define REASK_DELAY_US	  20000 /* changes of routes come in flocks */
#define REASK_COST_FACTOR 9	/* asking about all routes takes at most a tenth of the time */
#define MESSAGES_A_TURN	  64	/* of the loop, which others use, too */

static const unsigned int groups[] = {
	RTNLGRP_LINK,	    RTNLGRP_NEIGH,	 RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_RULE,  RTNLGRP_IPV6_RULE,	 RTNLGRP_NEXTHOP,
};

void hop_follow_answered(struct hop_entry *entry)
{
	struct nexthop_table *table = entry->table;

	if (!entry->counted)
		return;
	entry->counted = false;
	if (--table->reask_left == 0)
		table->reask_cost_us = util_now_ms() * 1000 - table->reask_began_us;
}

/* A round that took long, there being many addresses, puts the next one off in proportion. */
static void reask_arm(struct nexthop_table *table)
{
	uint64_t delay_us = REASK_DELAY_US + REASK_COST_FACTOR * table->reask_cost_us;

	if (sd_event_source_get_enabled(table->reask, NULL) > 0)
		return;
	sd_event_source_set_time_relative(table->reask, delay_us);
	sd_event_source_set_enabled(table->reask, SD_EVENT_ONESHOT);
}

static int on_reask(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct nexthop_table *table = userdata;
	struct hop_entry *entry;

	(void)source;
	(void)usec;
	if (table->reask_left) {
		reask_arm(table);
		return 0;
	}
	table->reask_began_us = util_now_ms() * 1000;
	LIST_FOREACH(entry, &table->entries, all)
	{
		entry->counted = true;
		table->reask_left++;
		rtnl_queue_submit(table->requests, &entry->request);
	}
	return 0;
}

static void link_entries_judge(struct nexthop_table *table, uint32_t ifindex)
{
	struct hop_entry *entry;

	LIST_FOREACH(entry, &table->entries, all)
	{
		if (entry->asked && entry->route.ifindex == ifindex)
			hop_entry_judge(entry);
	}
}

static void link_neighbours_hurry(struct nexthop_table *table, uint32_t ifindex)
{
	struct hop_neighbour *neighbour;

	LIST_FOREACH(neighbour, &table->neighbours, all)
	{
		if (neighbour->key.ifindex == ifindex)
			hop_neighbour_hurry(neighbour);
	}
}

static void on_link(void *userdata, const struct rtnl_link *found)
{
	struct nexthop_table *table = userdata;
	struct hop_link *link = hop_tree_find(&table->link_tree, found->ifindex, NULL);
	bool came_up;

	if (!link) {
		link = util_calloc(1, sizeof(*link));
		link->key.ifindex = found->ifindex;
		LIST_INSERT_HEAD(&table->links, link, all);
		hop_tree_add(&table->link_tree, link);
	}
	link->seen = true;
	if (!memcmp(&link->link, found, sizeof(*found)))
		return;
	came_up = (found->flags & IFF_RUNNING) && !(link->link.flags & IFF_RUNNING);
	link->link = *found;
	if (came_up)
		link_neighbours_hurry(table, found->ifindex);
	link_entries_judge(table, found->ifindex);
	reask_arm(table);
}

static void link_remove(struct nexthop_table *table, struct hop_link *link)
{
	uint32_t ifindex = link->key.ifindex;

	hop_tree_remove(&table->link_tree, link);
	LIST_REMOVE(link, all);
	free(link);
	link_entries_judge(table, ifindex);
	reask_arm(table);
}

static int links_dump(struct nexthop_table *table)
{
	struct hop_link *link, *next;
	int r;

	LIST_FOREACH(link, &table->links, all)
	{
		link->seen = false;
	}
	r = rtnl_dump_links(on_link, table);
	if (r < 0)
		return r;
	for (link = LIST_FIRST(&table->links); link; link = next) {
		next = LIST_NEXT(link, all);
		if (!link->seen)
			link_remove(table, link);
	}
	return 0;
}

static void event_neighbour(struct nexthop_table *table, const struct nlmsghdr *message)
{
	struct hop_neighbour *neighbour;
	struct rtnl_neighbour found;

	if (rtnl_parse_neighbour(message, &found) < 0)
		return;
	neighbour = hop_tree_find(&table->neighbour_tree, found.ifindex, &found.address);
	if (!neighbour)
		return;
	if (message->nlmsg_type == RTM_DELNEIGH)
		found = (struct rtnl_neighbour){};
	/* An answer that is under way may be older than this. */
	if (neighbour->get.state == RTNL_REQUEST_SENT)
		rtnl_queue_submit(table->requests, &neighbour->get);
	hop_neighbour_input(neighbour, found.state, found.has_mac ? found.mac : NULL);
}

static void event_link(struct nexthop_table *table, const struct nlmsghdr *message)
{
	struct hop_link *link;
	struct rtnl_link found;

	if (rtnl_parse_link(message, &found) < 0)
		return;
	if (message->nlmsg_type == RTM_NEWLINK) {
		on_link(table, &found);
		return;
	}
	link = hop_tree_find(&table->link_tree, found.ifindex, NULL);
	if (link)
		link_remove(table, link);
}

static int on_message(const struct nlmsghdr *message, void *userdata)
{
	struct nexthop_table *table = userdata;

	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		event_neighbour(table, message);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		event_link(table, message);
		break;
	default:
		/* Whatever else of our groups it is, some route may now lead elsewhere. */
		reask_arm(table);
	}
	return MNL_CB_OK;
}

/* Messages were lost: everything is looked at again. */
static void table_resync(struct nexthop_table *table)
{
	struct hop_neighbour *neighbour;
	int r;

	while (rtnl_receive(table->fd, table->buffer) > 0)
		;
	r = links_dump(table);
	if (r < 0)
		log_errno(r, "cannot list the network interfaces");
	LIST_FOREACH(neighbour, &table->neighbours, all)
	{
		rtnl_queue_submit(table->requests, &neighbour->get);
	}
	reask_arm(table);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct nexthop_table *table = userdata;

	(void)source;
	(void)revents;
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		ssize_t n = rtnl_receive(fd, table->buffer);

		if (n == -ENOBUFS)
			table_resync(table);
		else if (n < 0)
			log_errno((int)n, "cannot read the news of rtnetlink");
		if (n <= 0)
			break;
		mnl_cb_run(table->buffer, (size_t)n, 0, 0, on_message, table);
	}
	return 0;
}

int hop_follow_start(struct nexthop_table *table)
{
	int r;

	table->fd = r = rtnl_open(groups, ARRAY_SIZE(groups));
	if (r < 0)
		return r;
	r = sd_event_add_io(table->event, &table->io, table->fd, EPOLLIN, on_readable, table);
	if (r < 0)
		return r;
	r = sd_event_add_time(table->event, &table->reask, CLOCK_MONOTONIC, UINT64_MAX,
			      HOP_TIMER_ACCURACY_US, on_reask, table);
	if (r < 0)
		return r;
	r = links_dump(table);
	if (r < 0)
		return r;
	/* That was all news, but there is nothing to ask again. */
	return sd_event_source_set_enabled(table->reask, SD_EVENT_OFF);
}

void hop_follow_stop(struct nexthop_table *table)
{
	while (!LIST_EMPTY(&table->links))
		link_remove(table, LIST_FIRST(&table->links));
	sd_event_source_disable_unref(table->io);
	sd_event_source_disable_unref(table->reask);
	if (table->fd >= 0)
		close(table->fd);
}
