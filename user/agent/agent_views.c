/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * No controller takes a service's last backends out, neither at once (agent_set_health() refuses)
 * nor bit by bit: what it says of the service's stacks is set aside while nobody else takes new
 * flows. Forced views stay.
 */
#include "agent/agent_internal.h"

#include "common/util.h"

/* stack NULL: of any. */
static bool has_views(const struct agent *agent, const char *stack)
{
	for (size_t i = 0; i < agent->orders.n; i++) {
		const struct saved_override *order = &agent->orders.items[i];

		if (order->expires_unix_ms && !order->forced &&
		    (!stack || !strcmp(order->stack, stack)))
			return true;
	}
	return false;
}

static bool is_aside(const struct agent *agent, const char *stack)
{
	for (size_t i = 0; i < agent->aside_n; i++)
		if (!strcmp(agent->aside[i], stack))
			return true;
	return false;
}

bool agent_view_is_aside(const struct agent *agent, const struct saved_override *order)
{
	return order->expires_unix_ms && !order->forced && is_aside(agent, order->stack);
}

/* Takes new flows, and would if all views were heeded. */
static bool serves(const struct agent *agent, const struct compiled_stack *stack, size_t i)
{
	const uint8_t both = BACKEND_NEW | BACKEND_ROUTE;
	const struct saved_override *order;

	if (stack->route->backends_n && !stack->route->backends[i].weight)
		return false;
	if ((agent->view->backends[stack->slots[i]].state & both) != both)
		return false;
	order = orders_find(&agent->orders, stack->route->name,
			    agent_backend_address(stack->route, i));
	return !order || !order->expires_unix_ms;
}

static bool stack_serves(const struct agent *agent, const struct compiled_stack *stack)
{
	for (size_t i = 0; i < stack->slots_n; i++)
		if (serves(agent, stack, i))
			return true;
	return false;
}

/* Marks the stacks of services that nobody serves but by what a controller takes out. */
static void review_split(const struct agent *agent, const struct compiled_split *split, bool *aside)
{
	const struct compiled *live = agent_live(agent);
	unsigned int takers = bank_takers(split->table);

	for (size_t i = 0; i < split->table->n; i++)
		if (takers & 1U << i && stack_serves(agent, &live->stacks[split->stack[i]]))
			return;
	for (size_t i = 0; i < split->table->n; i++)
		if (takers & 1U << i)
			aside[split->stack[i]] = true;
}

static void set_aside(struct agent *agent, const struct compiled *live, const bool *aside)
{
	size_t n = 0;

	free(agent->aside);
	agent->aside = util_calloc(live->routes->stacks_n, sizeof(*agent->aside));
	for (size_t i = 0; i < live->routes->stacks_n; i++)
		if (aside[i])
			snprintf(agent->aside[n++], STEER_NAME, "%s", live->routes->stacks[i].name);
	agent->aside_n = n;
}

void agent_views_review(struct agent *agent)
{
	const struct compiled *live = agent_live(agent);
	CLEANUP_FREE bool *aside = NULL, *changed = NULL;

	if (!live || (!agent->aside_n && !has_views(agent, NULL)))
		return;
	aside = util_calloc(live->routes->stacks_n, sizeof(*aside));
	changed = util_calloc(live->routes->stacks_n, sizeof(*changed));
	for (size_t i = 0; i < live->splits_n; i++)
		review_split(agent, &live->splits[i], aside);
	for (size_t i = 0; i < live->routes->stacks_n; i++) {
		const char *name = live->routes->stacks[i].name;

		aside[i] = aside[i] && has_views(agent, name);
		changed[i] = aside[i] != is_aside(agent, name);
	}
	set_aside(agent, live, aside);
	for (size_t i = 0; i < live->routes->stacks_n; i++) {
		const char *name = live->routes->stacks[i].name;

		if (!changed[i])
			continue;
		events_add(agent->events, EVENT_BACKEND, NULL, name, NULL,
			   "what controllers say of stack %s %s", name,
			   aside[i] ? "is set aside: a service has no other backend"
				    : "is heeded again");
		agent_orders_apply(agent, &live->stacks[i]);
	}
}
