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
#include "agent/split.h"
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

/* A split's tables, shared between services and between results. */
struct bank_split {
	unsigned int users;
	size_t n;
	char names[STEER_SPLIT_CHOICES][STEER_NAME]; /* what the tables' values stand for */
	uint32_t weights[STEER_SPLIT_CHOICES];
	struct split_heirs heirs;
	uint8_t panic_percent;
	struct split base;
	struct split whole; /* as packets read it while all stacks are fit */
};

/* A bank's split: its tables, and what health makes of them. */
struct compiled_split {
	struct bank_split *table;
	uint16_t stack[STEER_SPLIT_CHOICES]; /* index into .stacks, by value */
	/* Written by bank_overlay() and bank_write(). */
	uint16_t
		fit; /* bit: value; stacks that take flows. In panic: those that could be sent to */
	bool panic;  /* no stack has enough healthy backends: what health says is ignored */
	/* The caller's own: what was told to people. Nothing is, in a new result. */
	uint16_t told_out; /* bit: value */
	bool told_panic;
};

/* Of a stack's backends that have a weight. */
struct stack_health {
	uint64_t healthy; /* sum of weights: takes new flows */
	uint64_t counted; /* likewise: all but those held by an operator or before a first check */
	bool routed;	  /* one could be sent to */
	bool offered;	  /* likewise, and no operator holds it */
	bool waits;	  /* one has no first check yet */
};

struct compiled_stack {
	struct route_stack *route; /* into .routes */
	uint32_t *slots;	   /* of route->backends, in their order; one for a local stack */
	size_t slots_n;
	struct bank_ring *ring; /* NULL: nobody has a weight */
	/* Written by bank_overlay() and bank_write(). */
	struct stack_health health;
	bool panics; /* the ring ignores health, for a service in panic */
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
	struct compiled_split *splits;	   /* the distinct ones */
	size_t splits_n;
	struct vip_table *vips;
	struct slots *split_index; /* slot: index into splits */
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
 * slots of its ring that now belong to another, and, where the stack came to be fit or unfit for
 * splits that name it, those of these splits. Safe on the live bank.
 *
 * A stack is fit for a service if its healthy share is the service's `panic` or more, by weight,
 * and not 0. Of an unfit one, the clients go to its heirs (route_service.failover). A service
 * without a fit stack is in panic: each client goes to its own stack, and there to any backend that
 * packets can be sent to; what an operator holds is used only where nothing else is left.
 */
void bank_overlay(const struct datapath_view *view, unsigned int bank,
		  const struct compiled *compiled, size_t stack);

/* What the stack's ring is while all of its backends have all of their share; NULL: it has none. */
const struct ring *bank_base_ring(const struct compiled_stack *stack);

/*
 * A split's values (bit: value) that can get clients at all. Stacks that neither have a weight nor
 * stand by get none, however healthy.
 */
unsigned int bank_takers(const struct bank_split *split);

/* Those (bit: value) that have the clients of stacks that are out. */
unsigned int bank_heirs(const struct compiled_split *split);

#endif
