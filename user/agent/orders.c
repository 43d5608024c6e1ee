/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/orders.h"

#include "common/util.h"

void orders_clear(struct orders *orders)
{
	free(orders->items);
	*orders = (struct orders){};
}

static bool is_view(const struct saved_override *order)
{
	return order->expires_unix_ms;
}

static bool is_about_same(const struct saved_override *a, const struct saved_override *b)
{
	return a->whole_stack == b->whole_stack &&
	       (a->whole_stack || !address_compare(&a->address, &b->address));
}

/* Whether the new order makes an old one void. */
static bool replaces(const struct saved_override *order, const struct saved_override *old)
{
	if (strcmp(order->stack, old->stack))
		return false;
	if (is_view(order) != is_view(old) &&
	    (is_view(order) || order->override != HEALTH_OVERRIDE_AUTO))
		return false;
	return order->whole_stack || is_about_same(order, old);
}

static bool is_repeated(const struct saved_override *order, const struct saved_override *old)
{
	return order->override == old->override && is_about_same(order, old) && is_view(order);
}

bool orders_set(struct orders *orders, const struct saved_override *order)
{
	size_t kept = 0, repeated = 0, replaced;

	for (size_t i = 0; i < orders->n; i++) {
		const struct saved_override *old = &orders->items[i];

		if (replaces(order, old))
			repeated += is_repeated(order, old);
		else
			orders->items[kept++] = *old;
	}
	replaced = orders->n - kept;
	orders->n = kept;
	if (order->override == HEALTH_OVERRIDE_AUTO)
		return replaced;
	orders->items = util_realloc(orders->items, kept + 1, sizeof(*orders->items));
	orders->items[orders->n++] = *order;
	return replaced != 1 || !repeated;
}

/* Of one kind of authority: the backend's own, or its stack's. */
static const struct saved_override *find_of(const struct orders *orders, const char *stack,
					    const struct address *address, bool views)
{
	const struct saved_override *whole = NULL;

	for (size_t i = 0; i < orders->n; i++) {
		const struct saved_override *order = &orders->items[i];

		if (is_view(order) != views || strcmp(order->stack, stack))
			continue;
		if (order->whole_stack)
			whole = order;
		else if (!address_compare(&order->address, address))
			return order;
	}
	return whole;
}

const struct saved_override *orders_find(const struct orders *orders, const char *stack,
					 const struct address *address)
{
	const struct saved_override *order = find_of(orders, stack, address, false);

	if (!order)
		order = find_of(orders, stack, address, true);
	return order && is_view(order) && order->override == HEALTH_OVERRIDE_UP ? NULL : order;
}

struct health_order orders_meaning(const struct saved_override *order, uint64_t unix_ms)
{
	if (!order)
		return (struct health_order){};
	return (struct health_order){
		.override = order->override,
		.by_controller = is_view(order),
		.over = order->deadline_unix_ms && order->deadline_unix_ms <= unix_ms,
	};
}

static void take_earlier(uint64_t *next, uint64_t at, uint64_t unix_ms)
{
	if (at > unix_ms && at < *next)
		*next = at;
}

uint64_t orders_next(const struct orders *orders, uint64_t unix_ms)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < orders->n; i++) {
		take_earlier(&next, orders->items[i].deadline_unix_ms, unix_ms);
		take_earlier(&next, orders->items[i].expires_unix_ms, unix_ms);
	}
	return next;
}

const char *orders_due(struct orders *orders, uint64_t since, uint64_t unix_ms, size_t *at,
		       char stack[STEER_NAME])
{
	for (; *at < orders->n; ++*at) {
		const struct saved_override *order = &orders->items[*at];
		bool gone = is_view(order) && order->expires_unix_ms <= unix_ms;

		if (!gone &&
		    (order->deadline_unix_ms <= since || order->deadline_unix_ms > unix_ms))
			continue;
		memcpy(stack, order->stack, STEER_NAME);
		if (gone)
			orders->items[*at] = orders->items[--orders->n];
		else
			++*at;
		return stack;
	}
	return NULL;
}
