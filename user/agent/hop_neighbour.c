/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/hop.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>

static void neighbour_publish(struct hop_neighbour *neighbour)
{
	uint64_t next_ms = neighbour_state_next(&neighbour->state);
	struct hop_entry *entry;

	if (next_ms == NEIGHBOUR_NEVER) {
		sd_event_source_set_enabled(neighbour->timer, SD_EVENT_OFF);
	} else {
		sd_event_source_set_time(neighbour->timer, next_ms * 1000);
		sd_event_source_set_enabled(neighbour->timer, SD_EVENT_ONESHOT);
	}
	LIST_FOREACH(entry, &neighbour->entries, by_neighbour)
	{
		hop_entry_judge(entry);
	}
}

void hop_neighbour_input(struct hop_neighbour *neighbour, uint16_t nud, const uint8_t *mac)
{
	neighbour_state_input(&neighbour->state, nud, mac, util_now_ms(),
			      hop_table_chance(neighbour->table));
	neighbour_publish(neighbour);
}

void hop_neighbour_hurry(struct hop_neighbour *neighbour)
{
	neighbour_state_hurry(&neighbour->state, util_now_ms());
	neighbour_publish(neighbour);
}

static int on_neighbour_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hop_neighbour *neighbour = userdata;
	struct nexthop_table *table = neighbour->table;

	(void)source;
	(void)usec;
	if (neighbour_state_tick(&neighbour->state, util_now_ms(), hop_table_chance(table))) {
		/* The look behind the request makes good for a message that was lost. */
		rtnl_queue_submit(table->requests, &neighbour->use);
		rtnl_queue_submit(table->requests, &neighbour->get);
	}
	neighbour_publish(neighbour);
	return 0;
}

static struct nlmsghdr *put_get(void *owner, void *buffer)
{
	const struct hop_neighbour *neighbour = owner;

	return rtnl_put_get_neighbour(buffer, neighbour->key.ifindex, &neighbour->key.address);
}

static void on_get(void *owner, int error, const struct nlmsghdr *message)
{
	struct rtnl_neighbour found = {};

	if (!error && message && message->nlmsg_type == RTM_NEWNEIGH)
		rtnl_parse_neighbour(message, &found);
	hop_neighbour_input(owner, found.state, found.has_mac ? found.mac : NULL);
}

static struct nlmsghdr *put_use(void *owner, void *buffer)
{
	const struct hop_neighbour *neighbour = owner;

	return rtnl_put_use_neighbour(buffer, neighbour->key.ifindex, &neighbour->key.address);
}

static void on_use(void *owner, int error, const struct nlmsghdr *message)
{
	struct hop_neighbour *neighbour = owner;

	(void)message;
	if (neighbour->use_error == error)
		return;
	neighbour->use_error = error;
	neighbour_publish(neighbour);
}

void hop_neighbour_free(struct hop_neighbour *neighbour)
{
	struct nexthop_table *table = neighbour->table;

	rtnl_queue_cancel(table->requests, &neighbour->get);
	rtnl_queue_cancel(table->requests, &neighbour->use);
	sd_event_source_disable_unref(neighbour->timer);
	hop_tree_remove(&table->neighbour_tree, neighbour);
	LIST_REMOVE(neighbour, all);
	free(neighbour);
}

struct hop_neighbour *hop_neighbour_new(struct nexthop_table *table, uint32_t ifindex,
					const struct address *address)
{
	struct hop_neighbour *neighbour = util_calloc(1, sizeof(*neighbour));
	int r;

	r = sd_event_add_time(table->event, &neighbour->timer, CLOCK_MONOTONIC, UINT64_MAX,
			      HOP_TIMER_ACCURACY_US, on_neighbour_timer, neighbour);
	if (r < 0) {
		log_errno(r, "cannot follow a neighbour");
		free(neighbour);
		return NULL;
	}
	neighbour->key = (struct hop_key){ifindex, *address};
	neighbour->table = table;
	neighbour_state_init(&neighbour->state, util_now_ms());
	rtnl_request_init(&neighbour->get, put_get, on_get, neighbour);
	rtnl_request_init(&neighbour->use, put_use, on_use, neighbour);
	LIST_INIT(&neighbour->entries);
	LIST_INSERT_HEAD(&table->neighbours, neighbour, all);
	hop_tree_add(&table->neighbour_tree, neighbour);
	rtnl_queue_submit(table->requests, &neighbour->get);
	return neighbour;
}
