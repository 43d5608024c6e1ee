/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/routes_check.h"

#include <errno.h>
#include <stdarg.h>

#include "common/routes_rules.h"
#include "common/text.h"
#include "common/util.h"

#define NAME_LENGTH_MAX 31
#define FLEET_KEY_MAX	1024

static int compare_items(const void *a, const void *b, void *by)
{
	const char *left = *(const char *const *)a, *right = *(const char *const *)b;
	int order = (*(rules_compare *)by)(left, right);

	return order ? order : (left > right) - (left < right);
}

struct rules_index rules_index_new(const void *items, size_t n, size_t size, rules_compare by)
{
	struct rules_index index = {.items = util_calloc(n, sizeof(*index.items)), .n = n};

	for (size_t i = 0; i < n; i++)
		index.items[i] = (const char *)items + i * size;
	qsort_r(index.items, n, sizeof(*index.items), compare_items, &by);
	return index;
}

void rules_index_clear(struct rules_index *index)
{
	free(index->items);
	*index = (struct rules_index){0};
}

size_t rules_index_lower(const struct rules_index *index, const void *key, rules_compare by)
{
	size_t low = 0, high = index->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by(index->items[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int rules_by_stack_name(const void *a, const void *b)
{
	return strcmp(((const struct route_stack *)a)->name, ((const struct route_stack *)b)->name);
}

static int by_service_name(const void *a, const void *b)
{
	return strcmp(((const struct route_service *)a)->name,
		      ((const struct route_service *)b)->name);
}

int rules_by_backend_address(const void *a, const void *b)
{
	return address_compare(&((const struct route_backend *)a)->address,
			       &((const struct route_backend *)b)->address);
}

int rules_by_vip_address(const void *a, const void *b)
{
	return address_compare(&((const struct route_vip *)a)->address,
			       &((const struct route_vip *)b)->address);
}

const struct route_stack *rules_find_stack(const struct rules_state *state, const char *name)
{
	const struct route_stack key = {.name = (char *)name};
	size_t at = rules_index_lower(&state->stacks, &key, rules_by_stack_name);
	const struct route_stack *stack = at < state->stacks.n ? state->stacks.items[at] : NULL;

	return stack && strcmp(stack->name, name) == 0 ? stack : NULL;
}

static void add_problem(struct rules_state *state, const char *kind, const char *name, int line,
			const char *suffix, const char *format, va_list args)
{
	CLEANUP_FREE char *path = util_format("%s.%.64s%s", kind, name, suffix);
	char message[512];

	vsnprintf(message, sizeof(message), format, args);
	problems_add(state->problems, path, line, "%s", message);
}

void rules_stack_problem(struct rules_state *state, const struct route_stack *stack, int line,
			 const char *suffix, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_problem(state, "stacks", stack->name, line ? line : stack->line, suffix, format, args);
	va_end(args);
}

void rules_service_problem(struct rules_state *state, const struct route_service *service, int line,
			   const char *suffix, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_problem(state, "services", service->name, line ? line : service->line, suffix, format,
		    args);
	va_end(args);
}

const char *rules_item_suffix(char *suffix, const char *list, size_t i)
{
	snprintf(suffix, RULES_SUFFIX_MAX, ".%s[%zu]", list, i);
	return suffix;
}

const char *rules_first_line(int line, char *text)
{
	text[0] = '\0';
	if (line)
		snprintf(text, RULES_FIRST_MAX, "; the first is on line %d", line);
	return text;
}

bool rules_name_is_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return length >= 1 && length <= NAME_LENGTH_MAX && !name[length];
}

size_t routes_vip_keys(const struct routes *routes)
{
	size_t keys = 0, vips_n = 0, at = 0;
	CLEANUP_FREE struct route_vip *vips = NULL;
	CLEANUP_INDEX struct rules_index sorted = {0};

	for (size_t i = 0; i < routes->services_n; i++) {
		const struct route_service *service = &routes->services[i];

		vips_n += service->vips_n;
		keys += service->vips_n * (service->ports_n ? service->ports_n : 1);
	}
	vips = util_calloc(vips_n, sizeof(*vips));
	for (size_t i = 0; i < routes->services_n; i++) {
		for (size_t j = 0; j < routes->services[i].vips_n; j++)
			vips[at++] = routes->services[i].vips[j];
	}
	sorted = rules_index_new(vips, vips_n, sizeof(*vips), rules_by_vip_address);
	for (size_t i = 0; i < vips_n; i++)
		keys += i == 0 || rules_by_vip_address(sorted.items[i], sorted.items[i - 1]) != 0;
	return keys;
}

/* A local stack without backends takes a slot for the host itself. */
static size_t count_backends(const struct routes *routes)
{
	size_t n = 0;

	for (size_t i = 0; i < routes->stacks_n; i++) {
		const struct route_stack *stack = &routes->stacks[i];

		n += stack->backends_n || stack->forward != FORWARD_AS_LOCAL ? stack->backends_n
									     : 1;
	}
	return n;
}

static void check_limit(struct rules_state *state, const char *key, size_t limit, size_t n)
{
	if (n <= limit)
		return;
	state->fits = false;
	problems_add(state->problems, key, 0,
		     "limits.%s is %zu in the node file; the routes have %zu", key, limit, n);
}

static void check_limits(struct rules_state *state)
{
	size_t keys = routes_vip_keys(state->routes);

	check_limit(state, "services", state->limits->services, state->routes->services_n);
	check_limit(state, "stacks", state->limits->stacks, state->routes->stacks_n);
	check_limit(state, "backends", state->limits->backends, count_backends(state->routes));
	if (keys <= state->limits->vip_keys)
		return;
	state->fits = false;
	problems_add(state->problems, "services", 0,
		     "the services take %zu keys of the VIP table (VIPs x ports, and one for each "
		     "VIP), which holds %u; list fewer ports, or [] for every port",
		     keys, state->limits->vip_keys);
}

static void check_fleet_key(struct rules_state *state)
{
	const char *text = state->routes->fleet_key ? state->routes->fleet_key : "";

	if (strlen(text) > FLEET_KEY_MAX)
		problems_add(state->problems, "fleet_key", 0,
			     "fleet_key has %zu bytes; it may have up to %d", strlen(text),
			     FLEET_KEY_MAX);
	else if (!text_is_printable(text))
		problems_add(state->problems, "fleet_key", 0,
			     "fleet_key has control characters or is no UTF-8; use plain text");
}

static void check_stack_names(struct rules_state *state)
{
	char first[RULES_FIRST_MAX];

	for (size_t i = 1; i < state->stacks.n; i++) {
		const struct route_stack *stack = state->stacks.items[i];
		const struct route_stack *other = state->stacks.items[i - 1];

		if (strcmp(stack->name, other->name) == 0)
			rules_stack_problem(state, stack, 0, "", "stack '%s' is defined twice%s",
					    stack->name, rules_first_line(other->line, first));
	}
}

static void check_service_names(struct rules_state *state)
{
	CLEANUP_INDEX struct rules_index sorted =
		rules_index_new(state->routes->services, state->routes->services_n,
				sizeof(*state->routes->services), by_service_name);
	char first[RULES_FIRST_MAX];

	for (size_t i = 1; i < sorted.n; i++) {
		const struct route_service *service = sorted.items[i];
		const struct route_service *other = sorted.items[i - 1];

		if (strcmp(service->name, other->name) == 0)
			rules_service_problem(state, service, 0, "",
					      "service '%s' is defined twice%s", service->name,
					      rules_first_line(other->line, first));
	}
}

/* One (VIP, protocol, port) that a service claims; port 0: every port not claimed by itself. */
struct claim {
	struct address address;
	enum protocol protocol;
	uint16_t port;
	int line;
	const struct route_service *service;
};

static int by_claim(const void *a, const void *b)
{
	const struct claim *left = a, *right = b;
	int order = address_compare(&left->address, &right->address);

	if (order)
		return order;
	if (left->protocol != right->protocol)
		return left->protocol < right->protocol ? -1 : 1;
	return left->port - right->port;
}

static void refuse_claim(struct rules_state *state, const struct claim *claim,
			 const struct claim *other)
{
	char vip[ADDRESS_TEXT_MAX], first[RULES_FIRST_MAX], port[16] = "every port";

	if (claim->port)
		snprintf(port, sizeof(port), "port %u", claim->port);
	rules_service_problem(state, claim->service, claim->line, ".vips",
			      "services '%s' and '%s' both have VIP %s with %s %s; remove it from "
			      "one of them%s",
			      other->service->name, claim->service->name,
			      address_text(&claim->address, vip),
			      claim->protocol == PROTOCOL_UDP ? "udp" : "tcp", port,
			      rules_first_line(other->line, first));
}

static size_t add_claims(const struct route_service *service, struct claim *claims)
{
	size_t n = 0;

	for (size_t i = 0; i < service->vips_n; i++) {
		struct claim claim = {
			.address = service->vips[i].address,
			.protocol = service->protocol,
			.line = service->vips[i].line,
			.service = service,
		};

		if (!service->ports_n)
			claims[n++] = claim;
		for (size_t j = 0; j < service->ports_n; j++) {
			claim.port = service->ports[j];
			claims[n++] = claim;
		}
	}
	return n;
}

static void check_claims(struct rules_state *state)
{
	CLEANUP_FREE struct claim *claims = NULL;
	CLEANUP_INDEX struct rules_index sorted = {0};
	size_t n = 0;

	if (!state->fits)
		return;
	claims = util_calloc(routes_vip_keys(state->routes), sizeof(*claims));
	for (size_t i = 0; i < state->routes->services_n; i++)
		n += add_claims(&state->routes->services[i], claims + n);
	sorted = rules_index_new(claims, n, sizeof(*claims), by_claim);
	for (size_t i = 1; i < n; i++) {
		const struct claim *claim = sorted.items[i], *other = sorted.items[i - 1];

		/* A VIP or port that one service lists twice is told of by its own rule. */
		if (by_claim(claim, other) == 0 && claim->service != other->service)
			refuse_claim(state, claim, other);
	}
}

static void check_stacks(struct rules_state *state)
{
	for (size_t i = 0; i < state->routes->stacks_n; i++)
		rules_check_stack(state, &state->routes->stacks[i]);
}

static void check_services(struct rules_state *state)
{
	for (size_t i = 0; i < state->routes->services_n; i++)
		rules_check_service(state, &state->routes->services[i]);
}

static void state_open(struct rules_state *state)
{
	const struct routes *routes = state->routes;

	state->fits = true;
	state->stacks = rules_index_new(routes->stacks, routes->stacks_n, sizeof(*routes->stacks),
					rules_by_stack_name);
	state->backends = util_calloc(routes->stacks_n, sizeof(*state->backends));
	for (size_t i = 0; i < routes->stacks_n; i++)
		state->backends[i] = rules_index_new(
			routes->stacks[i].backends, routes->stacks[i].backends_n,
			sizeof(*routes->stacks[i].backends), rules_by_backend_address);
}

static void state_close(struct rules_state *state)
{
	for (size_t i = 0; i < state->routes->stacks_n; i++)
		rules_index_clear(&state->backends[i]);
	free(state->backends);
	rules_index_clear(&state->stacks);
}

int routes_check(const struct routes *routes, const struct routes_limits *limits,
		 struct problems *problems)
{
	static void (*const rules[])(struct rules_state *) = {
		check_limits, check_fleet_key, check_stack_names, check_service_names,
		check_stacks, check_services,  check_claims,
	};
	struct rules_state state = {.routes = routes, .limits = limits, .problems = problems};
	size_t before = problems->total;

	state_open(&state);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i](&state);
	state_close(&state);
	return problems->total > before ? -EINVAL : 0;
}
