/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/routes_walk.h"

#include <string.h>

static void address_key(const struct address *address, uint8_t ret[STEER_NAME])
{
	memset(ret, 0, STEER_NAME);
	memcpy(ret, address->bytes, sizeof(address->bytes));
}

static void name_key(const char *name, uint8_t ret[STEER_NAME])
{
	memset(ret, 0, STEER_NAME);
	memcpy(ret, name, strnlen(name, STEER_NAME));
}

/* How to walk over stacks and their backends, or services and what they are split over. */
struct walker {
	size_t (*outers)(const struct compiled *live);
	const char *(*outer_name)(const struct compiled *live, size_t i);
	size_t (*inners)(const struct compiled *live, size_t i);
	void (*inner_key)(const struct compiled *live, size_t i, size_t j, uint8_t *ret);
};

/* Other routes are live than before: the position goes to what follows those keys in them. */
static void find_again(const struct walker *walk, const struct compiled *live,
		       struct routes_position *at)
{
	uint8_t key[STEER_NAME];
	int order = 1;

	for (at->outer = 0; at->outer < walk->outers(live); at->outer++) {
		name_key(walk->outer_name(live, at->outer), key);
		order = memcmp(key, at->outer_key, STEER_NAME);
		if (order >= 0)
			break;
	}
	at->inner = 0;
	for (; order == 0 && at->inner < walk->inners(live, at->outer); at->inner++) {
		walk->inner_key(live, at->outer, at->inner, key);
		if (memcmp(key, at->inner_key, STEER_NAME) > 0)
			break;
	}
}

static size_t services_n(const struct compiled *live)
{
	return live->routes->services_n;
}

static const char *service_name(const struct compiled *live, size_t i)
{
	return live->services[i].route->name;
}

static size_t one(const struct compiled *live, size_t i)
{
	(void)live;
	(void)i;
	return 1;
}

static void no_key(const struct compiled *live, size_t i, size_t j, uint8_t *ret)
{
	(void)live;
	(void)i;
	(void)j;
	memset(ret, 0, STEER_NAME);
}

static size_t splits_n(const struct compiled *live, size_t i)
{
	return live->services[i].route->split_n;
}

static void split_key(const struct compiled *live, size_t i, size_t j, uint8_t *ret)
{
	name_key(live->services[i].route->split[j].stack, ret);
}

static size_t stacks_n(const struct compiled *live)
{
	return live->routes->stacks_n;
}

static const char *stack_name(const struct compiled *live, size_t i)
{
	return live->stacks[i].route->name;
}

static size_t backends_n(const struct compiled *live, size_t i)
{
	return live->stacks[i].slots_n;
}

static void backend_key(const struct compiled *live, size_t i, size_t j, uint8_t *ret)
{
	const struct route_stack *stack = live->stacks[i].route;

	memset(ret, 0, STEER_NAME);
	if (stack->backends_n)
		address_key(&stack->backends[j].address, ret);
}

static const struct walker walkers[] = {
	[WALK_SERVICES] = {services_n, service_name, one, no_key},
	[WALK_SPLITS] = {services_n, service_name, splits_n, split_key},
	[WALK_STACKS] = {stacks_n, stack_name, one, no_key},
	[WALK_BACKENDS] = {stacks_n, stack_name, backends_n, backend_key},
};

bool routes_walk_next(enum routes_walk which, const struct compiled *live,
		      struct routes_position *at, size_t *ret_i, size_t *ret_j)
{
	const struct walker *walk = &walkers[which];

	if (at->version && at->version != live->version)
		find_again(walk, live, at);
	at->version = live->version;
	while (at->outer < walk->outers(live) && at->inner >= walk->inners(live, at->outer)) {
		at->outer++;
		at->inner = 0;
	}
	if (at->outer >= walk->outers(live))
		return false;
	name_key(walk->outer_name(live, at->outer), at->outer_key);
	walk->inner_key(live, at->outer, at->inner, at->inner_key);
	*ret_i = at->outer;
	*ret_j = at->inner++;
	return true;
}
