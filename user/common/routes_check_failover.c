/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules for a service's failover list. That the list names the only stack with a weight, which
 * then has nobody to take over from it, is allowed: weights change on their own during a rollout,
 * and must not make a valid list invalid.
 */
#include "abi.h"
#include "common/routes_rules.h"

static struct rules_mention mention_of(const struct route_service *service, size_t i)
{
	struct rules_mention mention = {.service = service,
					.key = "failover",
					.stack = service->failover[i].stack,
					.line = service->failover[i].line};

	rules_item_suffix(mention.suffix, "failover", i);
	return mention;
}

static int by_stack(const void *a, const void *b)
{
	return strcmp(((const struct route_failover *)a)->stack,
		      ((const struct route_failover *)b)->stack);
}

static void check_duplicates(struct rules_state *state, const struct route_service *service)
{
	CLEANUP_INDEX struct rules_index sorted = rules_index_new(
		service->failover, service->failover_n, sizeof(*service->failover), by_stack);

	for (size_t i = 1; i < sorted.n; i++) {
		const struct route_failover *entry = sorted.items[i], *first = sorted.items[i - 1];
		struct rules_mention mention = mention_of(service,
							  (size_t)(entry - service->failover));
		char what[256], line[RULES_FIRST_MAX];

		if (by_stack(entry, first) != 0)
			continue;
		snprintf(what, sizeof(what),
			 "failover of service '%.64s' names stack '%.64s' twice; remove one%s",
			 service->name, entry->stack, rules_first_line(first->line, line));
		rules_mention_problem(state, &mention, what);
	}
}

static bool is_in_split(const struct route_service *service, const char *stack)
{
	for (size_t i = 0; i < service->split_n; i++)
		if (strcmp(service->split[i].stack, stack) == 0)
			return true;
	return false;
}

static void check_size(struct rules_state *state, const struct route_service *service)
{
	size_t n = service->split_n;

	/* A list past its limit could make the comparison take hours. */
	if (n > STEER_SPLIT_CHOICES || service->failover_n > STEER_SPLIT_CHOICES)
		n += service->failover_n;
	else
		for (size_t i = 0; i < service->failover_n; i++)
			n += !is_in_split(service, service->failover[i].stack);
	if (n > STEER_SPLIT_CHOICES)
		rules_service_problem(state, service, service->failover[0].line, ".failover",
				      "split and failover of service '%s' name %zu stacks; they "
				      "can name up to %d",
				      service->name, n, STEER_SPLIT_CHOICES);
}

static void check_stacks(struct rules_state *state, const struct route_service *service)
{
	for (size_t i = 0; i < service->failover_n; i++) {
		struct rules_mention mention = mention_of(service, i);
		const struct route_stack *stack = rules_mentioned(state, &mention);
		const struct rules_lack *lack;
		char what[320];

		if (!stack || !state->fits || service->failover_n > STEER_SPLIT_CHOICES)
			continue;
		lack = rules_stack_lacks(stack);
		if (lack) {
			snprintf(what, sizeof(what),
				 "failover of service '%.64s' names stack '%.64s', but %s; %s, or "
				 "take it off the list",
				 service->name, stack->name, lack->what, lack->remedy);
			rules_mention_problem(state, &mention, what);
		}
		rules_check_carried(state, &mention, stack);
	}
}

/* From a message; a file's value has been through the reader. */
static void check_panic(struct rules_state *state, const struct route_service *service)
{
	if (service->panic_percent > 100)
		rules_service_problem(state, service, 0, ".panic",
				      "panic of service '%s' is %u%%; it must be 0%% to 100%%",
				      service->name, service->panic_percent);
}

void rules_check_failover(struct rules_state *state, const struct route_service *service)
{
	check_panic(state, service);
	if (!service->failover_n)
		return;
	check_duplicates(state, service);
	check_size(state, service);
	check_stacks(state, service);
}
