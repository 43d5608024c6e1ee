/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/nexthop.h"

#include "agent/hop.h"
#include "agent/mix.h"
#include "agent/nexthop_judge.h"
#include "common/util.h"

#include <errno.h>
#include <search.h>

static int key_compare(const void *left, const void *right)
{
	const struct hop_key *a = left, *b = right;

	if (a->ifindex != b->ifindex)
		return a->ifindex < b->ifindex ? -1 : 1;
	return address_compare(&a->address, &b->address);
}

void *hop_tree_find(void *const *tree, uint32_t ifindex, const struct address *address)
{
	struct hop_key key = {.ifindex = ifindex};
	void **found;

	if (address)
		key.address = *address;
	found = tfind(&key, tree, key_compare);
	return found ? *found : NULL;
}

void hop_tree_add(void **tree, void *object)
{
	if (!tsearch(object, tree, key_compare))
		abort(); /* as util_calloc() does without memory */
}

void hop_tree_remove(void **tree, void *object)
{
	tdelete(object, tree, key_compare);
}

uint32_t hop_table_chance(struct nexthop_table *table)
{
	table->random += 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(mix64(table->random) >> 32);
}

static void watch_queue(struct nexthop_watch *watch)
{
	struct nexthop_table *table = watch->entry->table;

	if (watch->queued)
		return;
	watch->queued = true;
	TAILQ_INSERT_TAIL(&table->queue, watch, queue);
	sd_event_source_set_enabled(table->notify, SD_EVENT_ONESHOT);
}

static struct nexthop_facts entry_facts(const struct hop_entry *entry)
{
	const struct hop_link *link = hop_tree_find(&entry->table->link_tree, entry->route.ifindex,
						    NULL);

	return (struct nexthop_facts){
		.address = &entry->key.address,
		.asked = entry->asked,
		.route_error = entry->route_error,
		.route = &entry->route,
		.link = link ? &link->link : NULL,
		.neighbour = entry->neighbour ? &entry->neighbour->state : NULL,
		.neighbour_error = entry->neighbour ? entry->neighbour->use_error : 0,
	};
}

/* While it is too early to say, what was said before stands. */
void hop_entry_judge(struct hop_entry *entry)
{
	struct nexthop_facts facts = entry_facts(entry);
	struct nexthop_watch *watch;
	struct nexthop nexthop;
	bool decided = nexthop_judge(&facts, &nexthop);

	if (!decided) {
		if (!entry->decided)
			memcpy(&entry->current, &nexthop, sizeof(nexthop));
		return;
	}
	/* Both were zeroed whole before they were filled in. */
	if (entry->decided && !memcmp(&nexthop, &entry->current, sizeof(nexthop))) /* NOLINT */
		return;
	memcpy(&entry->current, &nexthop, sizeof(nexthop));
	entry->decided = true;
	LIST_FOREACH(watch, &entry->watches, of_entry)
	{
		watch_queue(watch);
	}
}

static void entry_detach(struct hop_entry *entry)
{
	struct hop_neighbour *neighbour = TAKE(entry->neighbour);

	if (!neighbour)
		return;
	LIST_REMOVE(entry, by_neighbour);
	if (LIST_EMPTY(&neighbour->entries))
		hop_neighbour_free(neighbour);
}

/* Goes by the neighbour that the route now wants, which may be the same. */
static void entry_attach(struct hop_entry *entry)
{
	struct nexthop_table *table = entry->table;
	struct nexthop_facts facts = entry_facts(entry);
	struct hop_neighbour *neighbour = NULL;

	if (nexthop_facts_want_neighbour(&facts)) {
		const struct address *target = nexthop_facts_target(&facts);

		neighbour = hop_tree_find(&table->neighbour_tree, entry->route.ifindex, target);
		if (!neighbour)
			neighbour = hop_neighbour_new(table, entry->route.ifindex, target);
	}
	if (neighbour == entry->neighbour)
		return;
	entry_detach(entry);
	entry->neighbour = neighbour;
	if (neighbour)
		LIST_INSERT_HEAD(&neighbour->entries, entry, by_neighbour);
}

static struct nlmsghdr *put_route(void *owner, void *buffer)
{
	const struct hop_entry *entry = owner;

	return rtnl_put_get_route(buffer, &entry->key.address);
}

static void on_route(void *owner, int error, const struct nlmsghdr *message)
{
	struct hop_entry *entry = owner;
	struct rtnl_route route = {};

	if (!error)
		error = message && message->nlmsg_type == RTM_NEWROUTE
				? rtnl_parse_route(message, &route)
				: -EPROTO;
	hop_follow_answered(entry);
	entry->asked = true;
	entry->route_error = error;
	entry->route = route;
	entry_attach(entry);
	hop_entry_judge(entry);
}

static int on_notify(sd_event_source *source, void *userdata)
{
	struct nexthop_table *table = userdata;
	struct nexthop_watch *watch;

	(void)source;
	while ((watch = TAILQ_FIRST(&table->queue))) {
		struct nexthop current = watch->entry->current;

		TAILQ_REMOVE(&table->queue, watch, queue);
		watch->queued = false;
		watch->callback(watch->userdata, &current);
	}
	return 0;
}

int nexthop_new(sd_event *event, struct nexthop_table **ret_table)
{
	struct nexthop_table *table = util_calloc(1, sizeof(*table));
	int r;

	table->event = sd_event_ref(event);
	table->fd = -1;
	table->random = util_now_ms() ^ ((uint64_t)getpid() << 32);
	TAILQ_INIT(&table->queue);
	r = rtnl_queue_new(event, &table->requests);
	if (r >= 0)
		r = sd_event_add_defer(event, &table->notify, on_notify, table);
	if (r >= 0)
		r = sd_event_source_set_enabled(table->notify, SD_EVENT_OFF);
	if (r >= 0)
		r = hop_follow_start(table);
	if (r < 0) {
		nexthop_free(table);
		return r;
	}
	*ret_table = table;
	return 0;
}

void nexthop_free(struct nexthop_table *table)
{
	if (!table)
		return;
	while (!LIST_EMPTY(&table->entries))
		nexthop_unwatch(LIST_FIRST(&LIST_FIRST(&table->entries)->watches));
	hop_follow_stop(table);
	rtnl_queue_free(table->requests);
	sd_event_source_disable_unref(table->notify);
	sd_event_unref(table->event);
	free(table);
}

static struct hop_entry *entry_new(struct nexthop_table *table, const struct address *address)
{
	struct hop_entry *entry = util_calloc(1, sizeof(*entry));

	entry->key.address = *address;
	entry->table = table;
	LIST_INIT(&entry->watches);
	LIST_INSERT_HEAD(&table->entries, entry, all);
	hop_tree_add(&table->entry_tree, entry);
	rtnl_request_init(&entry->request, put_route, on_route, entry);
	rtnl_queue_submit(table->requests, &entry->request);
	hop_entry_judge(entry);
	return entry;
}

static void entry_free(struct hop_entry *entry)
{
	struct nexthop_table *table = entry->table;

	hop_follow_answered(entry);
	rtnl_queue_cancel(table->requests, &entry->request);
	entry_detach(entry);
	hop_tree_remove(&table->entry_tree, entry);
	LIST_REMOVE(entry, all);
	free(entry);
}

int nexthop_watch(struct nexthop_table *table, const struct address *address,
		  nexthop_callback callback, void *userdata, struct nexthop_watch **ret_watch)
{
	struct nexthop_watch *watch = util_calloc(1, sizeof(*watch));

	watch->entry = hop_tree_find(&table->entry_tree, 0, address);
	if (!watch->entry)
		watch->entry = entry_new(table, address);
	watch->callback = callback;
	watch->userdata = userdata;
	LIST_INSERT_HEAD(&watch->entry->watches, watch, of_entry);
	if (watch->entry->decided)
		watch_queue(watch);
	*ret_watch = watch;
	return 0;
}

void nexthop_unwatch(struct nexthop_watch *watch)
{
	if (!watch)
		return;
	if (watch->queued)
		TAILQ_REMOVE(&watch->entry->table->queue, watch, queue);
	LIST_REMOVE(watch, of_entry);
	if (LIST_EMPTY(&watch->entry->watches))
		entry_free(watch->entry);
	free(watch);
}

const struct nexthop *nexthop_watch_current(const struct nexthop_watch *watch)
{
	return &watch->entry->current;
}
