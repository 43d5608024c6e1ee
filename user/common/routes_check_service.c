/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rules for one service, each a function. */
#include "abi.h"
#include "common/routes_rules.h"
#include "common/text.h"

#define SPLIT_WEIGHT_MAX 1000000

static void check_name(struct rules_state *state, const struct route_service *service)
{
	if (!rules_name_is_valid(service->name))
		rules_service_problem(state, service, 0, "",
				      "service name '%.64s' is not valid; use 1 to 31 of a-z 0-9 . "
				      "_ -",
				      service->name);
}

static void check_has_vip(struct rules_state *state, const struct route_service *service)
{
	if (!service->vips_n)
		rules_service_problem(state, service, 0, ".vips",
				      "service '%s' has no VIP; add one, such as vips: "
				      "[203.0.113.10]",
				      service->name);
}

static void check_vip_addresses(struct rules_state *state, const struct route_service *service)
{
	char suffix[RULES_SUFFIX_MAX], address[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < service->vips_n; i++) {
		const struct route_vip *vip = &service->vips[i];
		const char *special = address_special(&vip->address);

		if (!special)
			continue;
		rules_service_problem(state, service, vip->line,
				      rules_item_suffix(suffix, "vips", i),
				      "VIP %s of service '%s' is %s; write an address that clients "
				      "can send to",
				      address_text(&vip->address, address), service->name, special);
	}
}

static void check_vip_duplicates(struct rules_state *state, const struct route_service *service)
{
	CLEANUP_INDEX struct rules_index sorted = rules_index_new(
		service->vips, service->vips_n, sizeof(*service->vips), rules_by_vip_address);
	char suffix[RULES_SUFFIX_MAX], first[RULES_FIRST_MAX], address[ADDRESS_TEXT_MAX];

	for (size_t i = 1; i < sorted.n; i++) {
		const struct route_vip *vip = sorted.items[i], *other = sorted.items[i - 1];

		if (rules_by_vip_address(vip, other) != 0)
			continue;
		rules_service_problem(
			state, service, vip->line,
			rules_item_suffix(suffix, "vips", (size_t)(vip - service->vips)),
			"service '%s' has VIP %s twice; remove one%s", service->name,
			address_text(&vip->address, address), rules_first_line(other->line, first));
	}
}

static int by_port(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void check_port_duplicates(struct rules_state *state, const struct route_service *service)
{
	CLEANUP_INDEX struct rules_index sorted = rules_index_new(service->ports, service->ports_n,
								  sizeof(*service->ports), by_port);

	for (size_t i = 1; i < sorted.n; i++) {
		if (by_port(sorted.items[i], sorted.items[i - 1]) == 0)
			rules_service_problem(state, service, 0, ".ports",
					      "service '%s' has port %u twice; remove one",
					      service->name, *(const uint16_t *)sorted.items[i]);
	}
}

static void check_split_size(struct rules_state *state, const struct route_service *service)
{
	if (!service->split_n)
		rules_service_problem(
			state, service, 0, ".split",
			"split of service '%s' is empty; name at least one stack, such "
			"as split: {blue: 100}",
			service->name);
	if (service->split_n > STEER_SPLIT_CHOICES)
		rules_service_problem(
			state, service, 0, ".split",
			"split of service '%s' names %zu stacks; it can have up to %d",
			service->name, service->split_n, STEER_SPLIT_CHOICES);
}

static void check_split_sum(struct rules_state *state, const struct route_service *service)
{
	for (size_t i = 0; i < service->split_n; i++) {
		if (service->split[i].weight)
			return;
	}
	if (service->split_n)
		rules_service_problem(
			state, service, service->split[0].line, ".split",
			"split of service '%s' has only weights of 0; give one stack a "
			"weight above 0",
			service->name);
}

void rules_mention_problem(struct rules_state *state, const struct rules_mention *mention,
			   const char *what)
{
	rules_service_problem(state, mention->service, mention->line, mention->suffix, "%s", what);
}

static struct rules_mention mention_of(const struct route_service *service,
				       const struct route_split *entry)
{
	struct rules_mention mention = {
		.service = service, .key = "split", .stack = entry->stack, .line = entry->line};

	snprintf(mention.suffix, sizeof(mention.suffix), ".split.%.32s", entry->stack);
	return mention;
}

static void split_problem(struct rules_state *state, const struct route_service *service,
			  const struct route_split *entry, const char *what)
{
	struct rules_mention mention = mention_of(service, entry);

	rules_mention_problem(state, &mention, what);
}

static void check_split_weights(struct rules_state *state, const struct route_service *service)
{
	for (size_t i = 0; i < service->split_n; i++) {
		const struct route_split *entry = &service->split[i];
		char what[256];

		if (entry->weight <= SPLIT_WEIGHT_MAX)
			continue;
		snprintf(
			what, sizeof(what),
			"weight of stack '%.64s' in the split of service '%.64s' is %u; it must be "
			"0 to %d",
			entry->stack, service->name, entry->weight, SPLIT_WEIGHT_MAX);
		split_problem(state, service, entry, what);
	}
}

static int by_split_stack(const void *a, const void *b)
{
	return strcmp(((const struct route_split *)a)->stack,
		      ((const struct route_split *)b)->stack);
}

static void check_split_duplicates(struct rules_state *state, const struct route_service *service)
{
	CLEANUP_INDEX struct rules_index sorted = rules_index_new(
		service->split, service->split_n, sizeof(*service->split), by_split_stack);

	for (size_t i = 1; i < sorted.n; i++) {
		const struct route_split *entry = sorted.items[i];
		char what[256];

		if (by_split_stack(entry, sorted.items[i - 1]) != 0)
			continue;
		snprintf(what, sizeof(what), "split of service '%.64s' names stack '%.64s' twice",
			 service->name, entry->stack);
		split_problem(state, service, entry, what);
	}
}

static void suggest_stack(const struct rules_state *state, const char *name, char *suggestion)
{
	CLEANUP_FREE const char **names = util_calloc(state->stacks.n, sizeof(*names));

	for (size_t i = 0; i < state->stacks.n; i++)
		names[i] = ((const struct route_stack *)state->stacks.items[i])->name;
	text_suggest(name, names, state->stacks.n, suggestion);
}

const struct route_stack *rules_mentioned(struct rules_state *state,
					  const struct rules_mention *mention)
{
	const struct route_stack *stack = rules_find_stack(state, mention->stack);
	char suggestion[TEXT_SUGGESTION_MAX] = "", what[320];

	if (stack)
		return stack;
	/* Nobody sees what is not kept, and thousands of suggestions take time. */
	if (state->problems->n < PROBLEMS_MAX)
		suggest_stack(state, mention->stack, suggestion);
	snprintf(what, sizeof(what),
		 "%s of service '%.64s' names stack '%.64s', which is not defined%s", mention->key,
		 mention->service->name, mention->stack, suggestion);
	rules_mention_problem(state, mention, what);
	return NULL;
}

const struct rules_lack *rules_stack_lacks(const struct route_stack *stack)
{
	static const struct rules_lack no_backend = {"it has no backends", "add one"};
	static const struct rules_lack no_weight = {"all its backends have weight 0",
						    "give one a weight"};

	if (!stack->backends_n)
		return stack->forward == FORWARD_AS_LOCAL ? NULL : &no_backend;
	for (size_t i = 0; i < stack->backends_n; i++)
		if (stack->backends[i].weight)
			return NULL;
	return &no_weight;
}

/* A stack with a share of the traffic must have something to take it. */
static void check_stack_serves(struct rules_state *state, const struct route_service *service,
			       const struct route_split *entry, const struct route_stack *stack)
{
	const struct rules_lack *lack = rules_stack_lacks(stack);
	char what[320];

	if (!entry->weight || !lack)
		return;
	snprintf(what, sizeof(what),
		 "split of service '%.64s' gives stack '%.64s' a weight of %u, but %s; %s, or set "
		 "the stack's weight to 0",
		 service->name, stack->name, entry->weight, lack->what, lack->remedy);
	split_problem(state, service, entry, what);
}

static const struct route_vip *first_ipv6_vip(const struct route_service *service)
{
	for (size_t i = 0; i < service->vips_n; i++) {
		if (!address_is_ipv4(&service->vips[i].address))
			return &service->vips[i];
	}
	return NULL;
}

static const struct route_backend *first_ipv4_backend(const struct rules_index *sorted)
{
	/* IPv4 addresses lie together in the order, from this one on. */
	static const struct route_backend least = {.address.bytes = {[10] = 0xff, [11] = 0xff}};
	size_t at = rules_index_lower(sorted, &least, rules_by_backend_address);
	const struct route_backend *backend = at < sorted->n ? sorted->items[at] : NULL;

	return backend && address_is_ipv4(&backend->address) ? backend : NULL;
}

/* 6-in-4 is the one pairing that has no tunnel mode; in l2 only the MAC address matters. */
static void check_families(struct rules_state *state, const struct rules_mention *mention,
			   const struct route_stack *stack)
{
	const struct route_service *service = mention->service;
	const struct rules_index *sorted = &state->backends[stack - state->routes->stacks];
	const struct route_backend *backend = first_ipv4_backend(sorted);
	const struct route_vip *vip = first_ipv6_vip(service);
	char vip_text[ADDRESS_TEXT_MAX], backend_text[ADDRESS_TEXT_MAX], what[512];

	if (!vip || !backend)
		return;
	snprintf(
		what, sizeof(what),
		"service '%.64s' has the IPv6 VIP %s, but backend %s of its stack '%.64s' is IPv4, "
		"and ipip carries no IPv6 over IPv4; give the backend by its IPv6 address, or move "
		"the VIP to a service of its own",
		service->name, address_text(&vip->address, vip_text),
		address_text(&backend->address, backend_text), stack->name);
	rules_mention_problem(state, mention, what);
}

/* A tunnel to the VIP would come back to this host. */
static void check_no_loop(struct rules_state *state, const struct rules_mention *mention,
			  const struct route_stack *stack)
{
	const struct route_service *service = mention->service;
	const struct rules_index *sorted = &state->backends[stack - state->routes->stacks];
	char address[ADDRESS_TEXT_MAX], what[320];

	for (size_t i = 0; i < service->vips_n; i++) {
		const struct route_backend key = {.address = service->vips[i].address};
		size_t at = rules_index_lower(sorted, &key, rules_by_backend_address);

		if (at == sorted->n || rules_by_backend_address(sorted->items[at], &key) != 0)
			continue;
		snprintf(
			what, sizeof(what),
			"backend %s of stack '%.64s' is a VIP of service '%.64s', which would send "
			"to itself; give the backend's own address",
			address_text(&key.address, address), stack->name, service->name);
		rules_mention_problem(state, mention, what);
	}
}

void rules_check_carried(struct rules_state *state, const struct rules_mention *mention,
			 const struct route_stack *stack)
{
	if (stack->forward != FORWARD_AS_IPIP)
		return;
	check_families(state, mention, stack);
	check_no_loop(state, mention, stack);
}

static void check_split_stacks(struct rules_state *state, const struct route_service *service)
{
	for (size_t i = 0; i < service->split_n; i++) {
		const struct route_split *entry = &service->split[i];
		struct rules_mention mention = mention_of(service, entry);
		const struct route_stack *stack = rules_mentioned(state, &mention);

		/* A document past its limits could make these take hours. */
		if (!stack || !state->fits || service->split_n > STEER_SPLIT_CHOICES)
			continue;
		check_stack_serves(state, service, entry, stack);
		rules_check_carried(state, &mention, stack);
	}
}

void rules_check_service(struct rules_state *state, const struct route_service *service)
{
	static void (*const rules[])(struct rules_state *, const struct route_service *) = {
		check_name,	      check_has_vip,	     check_vip_addresses,
		check_vip_duplicates, check_port_duplicates, check_split_size,
		check_split_sum,      check_split_weights,   check_split_duplicates,
		check_split_stacks,   rules_check_failover,
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i](state, service);
}
