/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/plan.h"

#include <stdarg.h>

#include "agent/split.h"
#include "common/util.h"

static void __attribute__((format(printf, 2, 3)))
add_change(struct plan *plan, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	if (plan->changes_total++ >= PLAN_CHANGES_MAX)
		return;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	plan->changes = util_realloc(plan->changes, plan->changes_n + 2, sizeof(*plan->changes));
	plan->changes[plan->changes_n++] = text;
}

static void add_more_line(struct plan *plan)
{
	if (plan->changes_total > PLAN_CHANGES_MAX)
		plan->changes[plan->changes_n++] =
			util_format("and %zu more", plan->changes_total - PLAN_CHANGES_MAX);
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static const struct route_backend *find_backend(const struct route_stack *stack,
						const struct address *address)
{
	size_t low = 0, high = stack->backends_n;

	while (low < high) { /* sorted by address */
		size_t middle = (low + high) / 2;
		int order = address_compare(&stack->backends[middle].address, address);

		if (order == 0)
			return &stack->backends[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void compare_backends(struct plan *plan, const struct route_stack *from,
			     const struct route_stack *to)
{
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < to->backends_n; i++) {
		const struct route_backend *now = &to->backends[i];
		const struct route_backend *then = find_backend(from, &now->address);

		if (!then)
			add_change(plan, "stack %s: backend %s added with weight %u", to->name,
				   address_text(&now->address, text), now->weight);
		else if (then->weight != now->weight)
			add_change(plan, "stack %s: backend %s weight %u, was %u", to->name,
				   address_text(&now->address, text), now->weight, then->weight);
	}
	for (size_t i = 0; i < from->backends_n; i++)
		if (!find_backend(to, &from->backends[i].address))
			add_change(plan, "stack %s: backend %s removed", to->name,
				   address_text(&from->backends[i].address, text));
}

static void compare_stack(struct plan *plan, const struct route_stack *from,
			  const struct route_stack *to)
{
	static const char *const modes[] = {"l2", "ipip", "local"};

	if (from->forward != to->forward)
		add_change(plan, "stack %s: forward %s, was %s", to->name, modes[to->forward],
			   modes[from->forward]);
	if (from->stage != to->stage)
		add_change(plan, "stack %s: stage changed", to->name);
	if (!routes_health_equal(&from->health, &to->health))
		add_change(plan, "stack %s: health check changed", to->name);
	if (from->slow_start_ms != to->slow_start_ms)
		add_change(plan, "stack %s: slow_start changed", to->name);
	if (from->on_slow_backend != to->on_slow_backend)
		add_change(plan, "stack %s: on_slow_backend changed", to->name);
	compare_backends(plan, from, to);
}

static void split_text(const struct route_service *service, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < service->split_n && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%s=%u", i ? " " : "",
					   service->split[i].stack, service->split[i].weight);
}

static bool same_split(const struct route_service *a, const struct route_service *b)
{
	if (a->split_n != b->split_n)
		return false;
	for (size_t i = 0; i < a->split_n; i++)
		if (a->split[i].weight != b->split[i].weight ||
		    strcmp(a->split[i].stack, b->split[i].stack))
			return false;
	return true;
}

static double moved_share(const struct bank_split *from, const struct route_service *to)
{
	const char *names_from[STEER_SPLIT_CHOICES], *names_to[STEER_SPLIT_CHOICES];
	struct split_member members[STEER_SPLIT_CHOICES];
	struct split table;

	for (size_t i = 0; i < from->n; i++)
		names_from[i] = from->names[i];
	for (size_t i = 0; i < to->split_n; i++) {
		names_to[i] = to->split[i].stack;
		members[i] = (struct split_member){to->split[i].stack, to->split[i].weight};
	}
	if (split_build(members, to->split_n, &table))
		return 0;
	return split_moved_share(&from->base, names_from, &table, names_to);
}

static bool same_way_in(const struct route_service *a, const struct route_service *b)
{
	if (a->protocol != b->protocol || a->vips_n != b->vips_n || a->ports_n != b->ports_n)
		return false;
	for (size_t i = 0; i < a->vips_n; i++)
		if (address_compare(&a->vips[i].address, &b->vips[i].address))
			return false;
	return !a->ports_n || !memcmp(a->ports, b->ports, a->ports_n * sizeof(*a->ports));
}

static void failover_text(const struct route_service *service, char *text, size_t size)
{
	size_t length = (size_t)snprintf(text, size, service->failover_n ? "" : "none");

	for (size_t i = 0; i < service->failover_n && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%s", i ? ", " : "",
					   service->failover[i].stack);
}

/* Of a split's stacks, the one with a weight; NULL where there are several. */
static const char *sole_stack(const struct route_service *service)
{
	const char *sole = NULL;

	for (size_t i = 0; i < service->split_n; i++) {
		if (service->split[i].weight && sole)
			return NULL;
		if (service->split[i].weight)
			sole = service->split[i].stack;
	}
	return sole;
}

static void compare_failover(struct plan *plan, const struct route_service *from,
			     const struct route_service *to)
{
	char then[512], now[512];
	const char *sole = sole_stack(to);

	failover_text(from, then, sizeof(then));
	failover_text(to, now, sizeof(now));
	if (strcmp(then, now))
		add_change(plan, "service %s: failover %s, was %s", to->name, now, then);
	if (from->panic_percent != to->panic_percent)
		add_change(plan, "service %s: panic %u%%, was %u%%", to->name, to->panic_percent,
			   from->panic_percent);
	if (to->failover_n == 1 && sole && !strcmp(sole, to->failover[0].stack) &&
	    !(same_split(from, to) && !strcmp(then, now)))
		add_change(plan,
			   "service %s: failover names only stack %s, which has the whole split: "
			   "nobody takes over from it",
			   to->name, sole);
}

static void compare_service(struct plan *plan, const struct compiled_service *from,
			    const struct route_service *to)
{
	char then[512], now[512];

	if (!same_way_in(from->route, to))
		add_change(plan, "service %s: VIPs, protocol or ports changed", to->name);
	if (from->route->sticky_by_client != to->sticky_by_client)
		add_change(plan, "service %s: sticky by %s", to->name,
			   to->sticky_by_client ? "client" : "flow");
	if (from->route->on_backend_down != to->on_backend_down)
		add_change(plan, "service %s: on_backend_down changed", to->name);
	compare_failover(plan, from->route, to);
	if (same_split(from->route, to))
		return;
	split_text(from->route, then, sizeof(then));
	split_text(to, now, sizeof(now));
	add_change(plan, "service %s: split %s, was %s", to->name, now, then);
	plan->moves = util_realloc(plan->moves, plan->moves_n + 1, sizeof(*plan->moves));
	plan->moves[plan->moves_n].moved_share = moved_share(from->split, to);
	snprintf(plan->moves[plan->moves_n++].service, STEER_NAME, "%s", to->name);
}

void plan_make(const struct compiled *from, const struct routes *to, struct plan *ret)
{
	static const struct routes nothing;
	const struct routes *was = from ? from->routes : &nothing;

	*ret = (struct plan){};
	if (!same_text(was->fleet_key, to->fleet_key) && from)
		add_change(ret, "fleet_key changed: every client may change stack");
	for (size_t i = 0; i < to->stacks_n; i++) {
		const struct route_stack *old = routes_find_stack(was, to->stacks[i].name);

		if (old)
			compare_stack(ret, old, &to->stacks[i]);
		else
			add_change(ret, "stack %s added with %zu backend%s", to->stacks[i].name,
				   to->stacks[i].backends_n,
				   to->stacks[i].backends_n == 1 ? "" : "s");
	}
	for (size_t i = 0; i < was->stacks_n; i++)
		if (!routes_find_stack(to, was->stacks[i].name))
			add_change(ret, "stack %s removed", was->stacks[i].name);
	for (size_t i = 0; i < to->services_n; i++) {
		const struct route_service *old = routes_find_service(was, to->services[i].name);

		if (from && old)
			compare_service(ret, &from->services[old - was->services],
					&to->services[i]);
		else
			add_change(ret, "service %s added", to->services[i].name);
	}
	for (size_t i = 0; i < was->services_n; i++)
		if (!routes_find_service(to, was->services[i].name))
			add_change(ret, "service %s removed", was->services[i].name);
	add_more_line(ret);
}

void plan_clear(struct plan *plan)
{
	for (size_t i = 0; i < plan->changes_n; i++)
		free(plan->changes[i]);
	free(plan->changes);
	free(plan->moves);
	*plan = (struct plan){};
}
