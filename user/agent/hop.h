/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The objects behind nexthop.h, for its three files: nexthop.c, hop_neighbour.c, hop_follow.c. */
#ifndef STEER_HOP_H
#define STEER_HOP_H

#include "agent/neighbour_state.h"
#include "agent/nexthop.h"
#include "agent/rtnl.h"
#include "agent/rtnl_queue.h"

#include <sys/queue.h>

#define HOP_TIMER_ACCURACY_US 5000

/* Each object in a tree begins with its key; what an object is not known by is zero. */
struct hop_key {
	uint32_t ifindex;
	struct address address;
};

struct hop_link {
	struct hop_key key;
	LIST_ENTRY(hop_link) all;
	bool seen; /* by the dump that is going on */
	struct rtnl_link link;
};

/* Freed with the last entry that goes this way. */
struct hop_neighbour {
	struct hop_key key;
	struct nexthop_table *table;
	struct neighbour_state state;
	int use_error; /* -errno of the last request to resolve it */
	struct rtnl_request get;
	struct rtnl_request use;
	sd_event_source *timer;
	LIST_ENTRY(hop_neighbour) all;
	LIST_HEAD(hop_entry_sublist, hop_entry) entries;
};

/* Freed with its last watch. */
struct hop_entry {
	struct hop_key key;
	struct nexthop_table *table;
	struct rtnl_request request;
	bool asked;	 /* the route has been answered for at least once */
	bool counted;	 /* in table->reask_left */
	int route_error; /* -errno of the last answer */
	struct rtnl_route route;
	struct hop_neighbour *neighbour; /* NULL: none is wanted */
	bool decided;			 /* `current` has been, or is being, told */
	struct nexthop current;
	LIST_ENTRY(hop_entry) all;
	LIST_ENTRY(hop_entry) by_neighbour;
	LIST_HEAD(hop_watch_list, nexthop_watch) watches;
};

struct nexthop_watch {
	struct hop_entry *entry;
	nexthop_callback callback;
	void *userdata;
	bool queued; /* to be called back */
	LIST_ENTRY(nexthop_watch) of_entry;
	TAILQ_ENTRY(nexthop_watch) queue;
};

struct nexthop_table {
	sd_event *event;
	int fd; /* what the kernel tells unasked */
	sd_event_source *io;
	sd_event_source *reask;	 /* fires when all routes are to be asked about again */
	sd_event_source *notify; /* enabled while `queue` has watches */
	struct rtnl_queue *requests;
	uint64_t random;
	uint64_t reask_began_us;
	uint64_t reask_cost_us; /* how long the last round took */
	uint32_t reask_left;	/* answers of this round still to come */
	void *entry_tree;
	void *neighbour_tree;
	void *link_tree;
	LIST_HEAD(hop_entry_list, hop_entry) entries;
	LIST_HEAD(hop_neighbour_list, hop_neighbour) neighbours;
	LIST_HEAD(hop_link_list, hop_link) links;
	TAILQ_HEAD(hop_watch_queue, nexthop_watch) queue;
	_Alignas(struct nlmsghdr) char buffer[RTNL_RECEIVE_MAX];
};

/* The object of that key, or NULL. `address` NULL: all zero. */
void *hop_tree_find(void *const *tree, uint32_t ifindex, const struct address *address);
void hop_tree_add(void **tree, void *object);
void hop_tree_remove(void **tree, void *object);

/* Any random number. */
uint32_t hop_table_chance(struct nexthop_table *table);

/* Judges an entry by what is known now, and has its watches called back where that is news. */
void hop_entry_judge(struct hop_entry *entry);

/* NULL where the loop would not give it a timer. Asks for what the kernel knows of it already. */
struct hop_neighbour *hop_neighbour_new(struct nexthop_table *table, uint32_t ifindex,
					const struct address *address);
void hop_neighbour_free(struct hop_neighbour *neighbour);

/* The kernel's entry is now in state `nud` with `mac` (NULL: none). */
void hop_neighbour_input(struct hop_neighbour *neighbour, uint16_t nud, const uint8_t *mac);
void hop_neighbour_hurry(struct hop_neighbour *neighbour);

/* Begins to follow the kernel: opens the socket, lists the links. 0 or -errno. */
int hop_follow_start(struct nexthop_table *table);
void hop_follow_stop(struct nexthop_table *table); /* also when started by half, or not */

/* One of the routes asked for by a round has been answered, or is wanted no more. */
void hop_follow_answered(struct hop_entry *entry);

#endif
