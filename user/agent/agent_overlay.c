/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bringing tables in step with health, and telling what it did to services. */
#include "agent/agent_internal.h"

#include "common/util.h"

#define SERVICES_TOLD 16 /* of those that one change is about; of the rest their number is told */

void agent_mark_dirty(void *userdata, const char *stack)
{
	struct agent *agent = userdata;
	const struct compiled *live = agent_live(agent);
	const struct route_stack *route = live ? routes_find_stack(live->routes, stack) : NULL;

	if (!route || !agent->dirty)
		return;
	agent->dirty[route - live->routes->stacks] = true;
	sd_event_source_set_enabled(agent->overlay, SD_EVENT_ONESHOT);
}

/* "green, violet": the split's stacks of these values. */
static const char *names_of(const struct bank_split *split, unsigned int values, char *text,
			    size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < split->n && length < size; i++)
		if (values >> i & 1)
			length += (size_t)snprintf(text + length, size - length, "%s%s",
						   length ? ", " : "", split->names[i]);
	return text;
}

/* What people should know by now of a split; first checks that are not back yet are no news. */
struct news {
	unsigned int out;
	bool panic;
};

static struct news news_of(const struct compiled *live, const struct compiled_split *split)
{
	unsigned int takers = bank_takers(split->table), waiting = 0;

	for (size_t i = 0; i < split->table->n; i++)
		if (live->stacks[split->stack[i]].health.waits)
			waiting |= takers & 1U << i;
	if (split->panic)
		return (struct news){.out = split->told_out,
				     .panic = !waiting || split->told_panic};
	return (struct news){.out = takers & ~split->fit & (split->told_out | ~waiting)};
}

static bool is_told(const struct compiled_split *split, const struct news *news)
{
	return news->out == split->told_out && news->panic == split->told_panic;
}

static void tell_panic(struct agent *agent, const char *service, const struct compiled_split *split)
{
	const struct bank_split *table = split->table;

	if (table->panic_percent)
		events_add(agent->events, EVENT_STACK, service, NULL, NULL,
			   "service %s is in panic: no stack has %u%% of its backends healthy; "
			   "health is ignored",
			   service, table->panic_percent);
	else
		events_add(agent->events, EVENT_STACK, service, NULL, NULL,
			   "service %s is in panic: no stack has a healthy backend; health is "
			   "ignored",
			   service);
}

/* "40% of its backends are healthy" */
static const char *health_text(const struct stack_health *health, char *text, size_t size)
{
	if (health->counted)
		snprintf(text, size, "%u%% of its backends are healthy",
			 (unsigned int)(health->healthy * 100 / health->counted));
	else
		snprintf(text, size, "an operator holds all of its backends");
	return text;
}

static void tell_stack(struct agent *agent, const char *service, const struct compiled *live,
		       const struct compiled_split *split, size_t value, bool out)
{
	const struct stack_health *health = &live->stacks[split->stack[value]].health;
	char heirs[STEER_SPLIT_CHOICES * (STEER_NAME + 2)], text[64];
	unsigned int values = bank_heirs(split);
	const char *stack = split->table->names[value];

	health_text(health, text, sizeof(text));
	if (!out)
		events_add(agent->events, EVENT_STACK, service, stack, NULL,
			   "stack %s is back for service %s, %s", stack, service, text);
	else if (!split->table->weights[value])
		events_add(agent->events, EVENT_STACK, service, stack, NULL,
			   "stack %s is out for service %s, where it stands by, %s", stack, service,
			   text);
	else
		events_add(agent->events, EVENT_STACK, service, stack, NULL,
			   "stack %s is out for service %s, %s: %s %s its clients", stack, service,
			   text, names_of(split->table, values, heirs, sizeof(heirs)),
			   values & (values - 1) ? "have" : "has");
}

static void tell_service(struct agent *agent, const struct compiled *live,
			 const struct compiled_service *service, const struct news *news)
{
	const struct compiled_split *split = &live->splits[service->split_index];
	const char *name = service->route->name;

	if (news->panic && !split->told_panic)
		tell_panic(agent, name, split);
	else if (split->told_panic && !news->panic)
		events_add(agent->events, EVENT_STACK, name, NULL, NULL,
			   "service %s is out of panic: health counts again", name);
	for (size_t i = 0; i < split->table->n; i++)
		if ((news->out ^ split->told_out) >> i & 1)
			tell_stack(agent, name, live, split, i, news->out >> i & 1);
}

static void tell(struct agent *agent, const struct compiled *live)
{
	size_t told = 0;

	for (size_t i = 0; i < live->routes->services_n; i++) {
		const struct compiled_service *service = &live->services[i];
		const struct compiled_split *split = &live->splits[service->split_index];
		struct news news = news_of(live, split);

		if (!is_told(split, &news) && told++ < SERVICES_TOLD)
			tell_service(agent, live, service, &news);
	}
	if (told > SERVICES_TOLD)
		events_add(agent->events, EVENT_STACK, NULL, NULL, NULL,
			   "likewise for %zu more services", told - SERVICES_TOLD);
	for (size_t i = 0; told && i < live->splits_n; i++) {
		struct news news = news_of(live, &live->splits[i]);

		live->splits[i].told_out = (uint16_t)news.out;
		live->splits[i].told_panic = news.panic;
	}
}

void agent_carry_news(const struct compiled *was, const struct compiled *now)
{
	for (size_t i = 0; was && i < now->routes->services_n; i++) {
		struct compiled_split *to = &now->splits[now->services[i].split_index];
		const struct route_service *route =
			routes_find_service(was->routes, now->services[i].route->name);
		const struct compiled_split *from =
			route ? &was->splits[was->services[route - was->routes->services]
						     .split_index]
			      : NULL;

		if (!from)
			continue;
		to->told_panic |= from->told_panic;
		for (size_t j = 0; j < to->table->n; j++)
			for (size_t k = 0; k < from->table->n; k++)
				if (from->told_out >> k & 1 &&
				    !strcmp(from->table->names[k], to->table->names[j]))
					to->told_out |= (uint16_t)(1U << j);
	}
}

void agent_overlay(struct agent *agent)
{
	const struct compiled *live = agent_live(agent);
	bool changed = false;

	agent_views_review(agent);
	for (size_t i = 0; live && agent->dirty && i < live->routes->stacks_n; i++) {
		const char *name = live->routes->stacks[i].name;

		if (!agent->dirty[i])
			continue;
		agent->dirty[i] = false;
		changed = true;
		for (unsigned int bank = 0; bank < STEER_BANKS; bank++) {
			const struct compiled *compiled = agent->compiled[bank];
			struct route_stack *route =
				compiled ? routes_find_stack(compiled->routes, name) : NULL;

			if (route)
				bank_overlay(agent->view, bank, compiled,
					     (size_t)(route - compiled->routes->stacks));
		}
	}
	if (changed)
		tell(agent, live);
}
