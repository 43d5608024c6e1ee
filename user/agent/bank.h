/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes as the tables of a bank. bank_compile() works them out, reusing what an earlier result
 * has in common with them; bank_write() puts them into an idle bank; bank_overlay() keeps a bank's
 * live tables in step with health. Packets switch banks by control.active, which
 * bank_activate() stores. Nothing here does I/O beyond the mapped tables.
 */
#ifndef STEER_BANK_H
#define STEER_BANK_H

#include "agent/datapath.h"
#include "agent/slots.h"
#include "common/routes.h"

/* Who has which slot, over both banks; owners are bits 1 << bank. */
struct bank_slots {
	struct slots *services; /* key: name */
	struct slots *shares;	/* key: service "/" stack */
	struct slots *backends; /* key: bank_backend_key() */
};

/* "STACK|ADDRESS|MODE", at most BANK_KEY_MAX bytes: a backend's identity on this host. */
#define BANK_KEY_MAX 96
void bank_backend_key(const char *stack, const struct address *address, enum forward forward,
		      char text[BANK_KEY_MAX]);

struct bank_ring; /* a stack's base ring, shared between results */

/* A split's base table, shared between services and between results. */
struct bank_split {
	unsigned int users;
	size_t n;
	char names[STEER_SPLIT_CHOICES][STEER_NAME]; /* what the table's values stand for */
	uint32_t weights[STEER_SPLIT_CHOICES];
	struct split base;
};

struct compiled_stack {
	struct route_stack *route; /* into .routes */
	uint32_t *slots;	   /* of route->backends, in their order; one for a local stack */
	size_t slots_n;
	struct bank_ring *ring; /* NULL: nobody has a weight */
};

struct compiled_service {
	struct route_service *route; /* into .routes */
	uint32_t slot;
	uint32_t split_index;			   /* into .splits and the bank's splits */
	struct choice choice[STEER_SPLIT_CHOICES]; /* as route->split, which is sorted by name */
	struct bank_split *split;
};

struct compiled {
	struct routes *routes; /* sorted; owned */
	uint64_t version;
	struct compiled_stack *stacks;	   /* as routes->stacks; the index is the bank's stack */
	struct compiled_service *services; /* as routes->services */
	struct bank_split **splits;	   /* the distinct ones */
	size_t splits_n;
	struct vip_table *vips;
	struct slots *split_index; /* key: names and weights; slot: index into splits */
};

/* A backend slot that no bank held before; its struct backend has to be filled. */
typedef void (*bank_fresh_backend)(uint32_t slot, const struct route_stack *stack,
				   const struct address *address, void *userdata);

/*
 * `routes` is sorted and has passed routes_check(); it is owned by the result, or freed on an
 * error. Holds slots for `bank`, whose earlier content must have been released by
 * bank_release(). `like`, or NULL: a result to share rings and splits with. -ENOSPC with a
 * problem when some table is full.
 */
int bank_compile(struct routes *routes, uint64_t version, unsigned int bank,
		 struct bank_slots *slots, const struct datapath_view *view,
		 const struct compiled *like, bank_fresh_backend fresh, void *userdata,
		 struct compiled **ret, struct problems *problems);
void compiled_free(struct compiled *compiled); /* accepts NULL */

/*
 * Writes the whole idle bank, with the overlay of health as it is in view->backends. Tables that
 * are the same as the bank already has are left alone: `before` is what it holds, or NULL.
 * Holds no pointer to either afterwards.
 */
void bank_write(const struct datapath_view *view, unsigned int bank,
		const struct compiled *compiled, const struct compiled *before);

/* One store: every packet from here on reads this bank. */
void bank_activate(const struct datapath_view *view, unsigned int bank);

/*
 * The health of backends of compiled->stacks[stack] changed: stores stack.up, then rewrites the
 * slots of its ring, and of the splits that name it if up changed, that now belong to another.
 * Safe on the live bank.
 */
void bank_overlay(const struct datapath_view *view, unsigned int bank,
		  const struct compiled *compiled, size_t stack);

#endif
