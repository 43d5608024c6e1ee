/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What operators and controllers say of backends: heeded, refused, kept, and run out. */
#include "agent/agent_internal.h"

#include <errno.h>

#include "common/util.h"

#define ORDER_TIME_MIN_MS 1000
#define ORDER_TTL_MAX_MS  86400000

struct health_order agent_order_for(const struct agent *agent, const char *stack,
				    const struct address *address)
{
	const struct saved_override *order = orders_find(&agent->orders, stack, address);

	if (order && agent_view_is_aside(agent, order))
		order = NULL;
	return orders_meaning(order, util_unix_ms());
}

void agent_order_times(const struct agent *agent, const struct route_stack *stack, size_t i,
		       struct agent_order_times *ret)
{
	const struct saved_override *order = orders_find(&agent->orders, stack->name,
							 agent_backend_address(stack, i));

	*ret = (struct agent_order_times){};
	if (!order)
		return;
	ret->deadline_unix_ms = order->deadline_unix_ms;
	ret->expires_unix_ms = order->expires_unix_ms;
}

static bool is_meant(const struct route_stack *stack, size_t i, const struct address *address)
{
	return !address ||
	       (stack->backends_n && !address_compare(&stack->backends[i].address, address));
}

/* Whether a backend of the stack takes new flows; of `target`, those at `address` do not count. */
static bool takes_new(const struct agent *agent, const struct compiled_stack *stack,
		      const struct compiled_stack *target, const struct address *address)
{
	const uint8_t both = BACKEND_NEW | BACKEND_ROUTE;

	for (size_t i = 0; i < stack->slots_n; i++) {
		if (stack->route->backends_n && !stack->route->backends[i].weight)
			continue;
		if (stack == target && is_meant(stack->route, i, address))
			continue;
		if ((agent->view->backends[stack->slots[i]].state & both) == both)
			return true;
	}
	return false;
}

/* target NULL: as it is. */
static bool service_has_backend(const struct agent *agent, const struct compiled_service *service,
				const struct compiled_stack *target, const struct address *address)
{
	const struct compiled *live = agent_live(agent);
	const struct compiled_split *split = &live->splits[service->split_index];
	unsigned int takers = bank_takers(split->table);

	for (size_t i = 0; i < split->table->n; i++)
		if (takers & 1U << i &&
		    takes_new(agent, &live->stacks[split->stack[i]], target, address))
			return true;
	return false;
}

/* What is down already is not taken from anybody. */
static int check_services(const struct agent *agent, const struct compiled_stack *target,
			  const struct agent_order *order, struct problems *problems)
{
	const struct compiled *live = agent_live(agent);
	const char *verb = order->override == HEALTH_OVERRIDE_DRAIN ? "drain" : "down";
	char text[ADDRESS_TEXT_MAX];
	int err = 0;

	for (size_t i = 0; i < live->routes->services_n; i++) {
		const struct compiled_service *service = &live->services[i];

		if (!service_has_backend(agent, service, NULL, NULL) ||
		    service_has_backend(agent, service, target, order->address))
			continue;
		problems_add(problems, "", 0,
			     "%s of %s%s%s would leave service %s with no backend: add --force",
			     verb, order->stack, order->address ? "/" : "",
			     order->address ? address_text(order->address, text) : "",
			     service->route->name);
		err = -EBUSY;
	}
	return err;
}

static int check_times(const struct agent_order *order, struct problems *problems)
{
	if (order->deadline_ms && order->override != HEALTH_OVERRIDE_DRAIN)
		problems_add(problems, "deadline_ms", 0, "only a drain has a deadline");
	else if (order->deadline_ms && order->deadline_ms < ORDER_TIME_MIN_MS)
		problems_add(problems, "deadline_ms", 0, "is %u; it must be %u at least, or 0",
			     order->deadline_ms, ORDER_TIME_MIN_MS);
	else if (order->ttl_ms &&
		 (order->ttl_ms < ORDER_TIME_MIN_MS || order->ttl_ms > ORDER_TTL_MAX_MS))
		problems_add(problems, "ttl_ms", 0, "is %u; it must be %u to %u, or 0",
			     order->ttl_ms, ORDER_TIME_MIN_MS, ORDER_TTL_MAX_MS);
	else
		return 0;
	return -EINVAL;
}

void agent_orders_apply(struct agent *agent, const struct compiled_stack *stack)
{
	for (size_t i = 0; i < stack->slots_n; i++)
		backends_order(agent->backends, stack->slots[i],
			       agent_order_for(agent, stack->route->name,
					       agent_backend_address(stack->route, i)));
}

static void arm(struct agent *agent)
{
	uint64_t next = orders_next(&agent->orders, agent->orders_seen_ms);

	if (next == UINT64_MAX) {
		sd_event_source_set_enabled(agent->orders_timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(agent->orders_timer, next * 1000);
	sd_event_source_set_enabled(agent->orders_timer, SD_EVENT_ONESHOT);
}

/* Views of one stack often run out together: first all are forgotten, then it is told. */
static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	const struct compiled *live = agent_live(agent);
	size_t stacks_n = live ? live->routes->stacks_n : 0, at = 0;
	CLEANUP_FREE bool *due = util_calloc(stacks_n, sizeof(*due));
	uint64_t now = util_unix_ms();
	char name[STEER_NAME];

	(void)source;
	(void)usec;
	while (orders_due(&agent->orders, agent->orders_seen_ms, now, &at, name)) {
		struct route_stack *route = live ? routes_find_stack(live->routes, name) : NULL;

		if (route)
			due[route - live->routes->stacks] = true;
	}
	agent->orders_seen_ms = now;
	for (size_t i = 0; i < stacks_n; i++)
		if (due[i])
			agent_orders_apply(agent, &live->stacks[i]);
	arm(agent);
	return 0;
}

int agent_orders_start(struct agent *agent)
{
	int err = sd_event_add_time(agent->loop, &agent->orders_timer, CLOCK_REALTIME, 0, 1000,
				    on_due, agent);

	if (err < 0)
		return err;
	arm(agent);
	return 0;
}

/* The stack that the order is about, and how many of its backends. */
static int find_target(const struct agent *agent, const struct agent_order *order,
		       const struct compiled_stack **ret_stack, unsigned int *ret_backends,
		       struct problems *problems)
{
	const struct compiled *live = agent_live(agent);
	struct route_stack *route = live ? routes_find_stack(live->routes, order->stack) : NULL;
	const struct compiled_stack *stack;
	char text[ADDRESS_TEXT_MAX];
	unsigned int n = 0;

	if (!route) {
		agent_add_missing_stack(problems, live, order->stack);
		return -ENOENT;
	}
	stack = &live->stacks[route - live->routes->stacks];
	for (size_t i = 0; i < stack->slots_n; i++)
		n += is_meant(route, i, order->address);
	if (!n) {
		problems_add(problems, "", 0, "stack '%s' has no backend %s", order->stack,
			     address_text(order->address, text));
		return -ENOENT;
	}
	*ret_stack = stack;
	*ret_backends = n;
	return 0;
}

static struct saved_override order_to_keep(const struct agent_order *order)
{
	uint64_t now = util_unix_ms();
	struct saved_override kept = {.whole_stack = !order->address,
				      .override = order->override,
				      .forced = order->force};

	snprintf(kept.stack, sizeof(kept.stack), "%s", order->stack);
	if (order->address)
		kept.address = *order->address;
	if (order->deadline_ms)
		kept.deadline_unix_ms = now + order->deadline_ms;
	if (order->ttl_ms)
		kept.expires_unix_ms = now + order->ttl_ms;
	return kept;
}

/* Whoever says `auto` by hand has looked: what the backends did before is forgiven. */
static void forgive(struct agent *agent, const struct compiled_stack *stack,
		    const struct address *address)
{
	for (size_t i = 0; i < stack->slots_n; i++)
		if (is_meant(stack->route, i, address))
			backends_forgive(agent->backends, stack->slots[i]);
}

int agent_set_health(struct agent *agent, const struct agent_order *order,
		     unsigned int *ret_backends, struct problems *problems)
{
	bool takes_out = order->override == HEALTH_OVERRIDE_DOWN ||
			 order->override == HEALTH_OVERRIDE_DRAIN;
	const struct compiled_stack *stack;
	struct saved_override kept;
	unsigned int n;
	int err = find_target(agent, order, &stack, &n, problems);

	if (!err)
		err = check_times(order, problems);
	if (!err && takes_out && !order->force)
		err = check_services(agent, stack, order, problems);
	if (err)
		return err;
	if (order->override == HEALTH_OVERRIDE_AUTO && !order->ttl_ms)
		forgive(agent, stack, order->address);
	kept = order_to_keep(order);
	if (orders_set(&agent->orders, &kept)) {
		agent_orders_apply(agent, stack);
		state_save_overrides(agent->state, agent->orders.items, agent->orders.n, NULL,
				     NULL);
	}
	agent_drain_count(agent);
	arm(agent);
	*ret_backends = n;
	return 0;
}
