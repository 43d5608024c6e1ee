/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rules for one stack, each a function. */
#include "common/routes_rules.h"
#include "common/text.h"

#define LABEL_KEY_MAX	       63
#define LABEL_VALUE_MAX	       255
#define HEALTH_PATH_MAX	       1024
#define HEALTH_HOST_MAX	       255
#define HEALTH_SERVER_NAME_MAX 253
#define HEALTH_SERVICE_MAX     255
#define STATUS_MIN	       200
#define STATUS_MAX	       599
#define INTERVAL_MIN_MS	       20
#define INTERVAL_MAX_MS	       3600000
#define FALL_RISE_MAX	       100
#define BACKEND_WEIGHT_MAX     65535
#define SLOW_START_MIN_MS      1000
#define SLOW_START_MAX_MS      3600000

static void check_name(struct rules_state *state, const struct route_stack *stack)
{
	if (!rules_name_is_valid(stack->name))
		rules_stack_problem(state, stack, 0, "",
				    "stack name '%.64s' is not valid; use 1 to 31 of a-z 0-9 . _ -",
				    stack->name);
}

static void check_labels(struct rules_state *state, const struct route_stack *stack)
{
	for (size_t i = 0; i < stack->labels_n; i++) {
		const char *key = stack->labels[i].key, *value = stack->labels[i].value;

		if (!*key || strlen(key) > LABEL_KEY_MAX || !text_is_printable(key))
			rules_stack_problem(
				state, stack, 0, ".labels",
				"label '%.64s' of stack '%s': a label's name is 1 to %d "
				"bytes of printable text",
				key, stack->name, LABEL_KEY_MAX);
		else if (strlen(value) > LABEL_VALUE_MAX || !text_is_printable(value))
			rules_stack_problem(state, stack, 0, ".labels",
					    "value of label '%s' of stack '%s' must be up to %d "
					    "bytes of printable text",
					    key, stack->name, LABEL_VALUE_MAX);
	}
}

static int by_label_key(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static void check_label_duplicates(struct rules_state *state, const struct route_stack *stack)
{
	CLEANUP_INDEX struct rules_index sorted = rules_index_new(
		stack->labels, stack->labels_n, sizeof(*stack->labels), by_label_key);

	for (size_t i = 1; i < sorted.n; i++) {
		const struct label *label = sorted.items[i];

		if (by_label_key(label, sorted.items[i - 1]) == 0)
			rules_stack_problem(state, stack, 0, ".labels",
					    "label '%.64s' of stack '%s' is given twice",
					    label->key, stack->name);
	}
}

static void check_backend_duplicates(struct rules_state *state, const struct route_stack *stack)
{
	const struct rules_index *sorted = &state->backends[stack - state->routes->stacks];
	char suffix[RULES_SUFFIX_MAX], first[RULES_FIRST_MAX], address[ADDRESS_TEXT_MAX];

	for (size_t i = 1; i < sorted->n; i++) {
		const struct route_backend *backend = sorted->items[i],
					   *other = sorted->items[i - 1];

		if (address_compare(&backend->address, &other->address) != 0)
			continue;
		rules_stack_problem(
			state, stack, backend->line,
			rules_item_suffix(suffix, "backends", (size_t)(backend - stack->backends)),
			"stack '%s' has backend %s twice; remove one%s", stack->name,
			address_text(&backend->address, address),
			rules_first_line(other->line, first));
	}
}

static bool address_fits(const struct route_stack *stack, const char *special)
{
	/* A local stack is checked where its own service listens. IPv4 link-local is reachable. */
	return !special || (stack->forward == FORWARD_AS_LOCAL && strcmp(special, "loopback") == 0);
}

static void check_backend_addresses(struct rules_state *state, const struct route_stack *stack)
{
	char suffix[RULES_SUFFIX_MAX], address[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < stack->backends_n; i++) {
		const struct route_backend *backend = &stack->backends[i];
		const char *special = address_special(&backend->address);

		if (address_fits(stack, special))
			continue;
		rules_stack_problem(state, stack, backend->line,
				    rules_item_suffix(suffix, "backends", i),
				    "backend %s of stack '%s' is %s; write an address that packets "
				    "can be sent to",
				    address_text(&backend->address, address), stack->name, special);
	}
}

static void check_backend_weights(struct rules_state *state, const struct route_stack *stack)
{
	char suffix[RULES_SUFFIX_MAX], address[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < stack->backends_n; i++) {
		const struct route_backend *backend = &stack->backends[i];

		if (backend->weight <= BACKEND_WEIGHT_MAX)
			continue;
		rules_stack_problem(state, stack, backend->line,
				    rules_item_suffix(suffix, "backends", i),
				    "weight of backend %s of stack '%s' is %u; it must be 0 to %d",
				    address_text(&backend->address, address), stack->name,
				    backend->weight, BACKEND_WEIGHT_MAX);
	}
}

static void check_local(struct rules_state *state, const struct route_stack *stack)
{
	if (stack->forward != FORWARD_AS_LOCAL)
		return;
	if (stack->backends_n > 1)
		rules_stack_problem(
			state, stack, 0, ".backends",
			"stack '%s' is local and has %zu backends; this host is the only "
			"one: leave one, for its health checks, or none",
			stack->name, stack->backends_n);
	if (!stack->backends_n && stack->health.type != HEALTH_NONE)
		rules_stack_problem(
			state, stack, stack->health.line, ".health",
			"stack '%s' is local and has no address to check; add backends: "
			"[{address: 127.0.0.1}], or use type: none",
			stack->name);
}

static void check_slow_start(struct rules_state *state, const struct route_stack *stack)
{
	char text[TEXT_DURATION_MAX];

	if (stack->slow_start_ms &&
	    (stack->slow_start_ms < SLOW_START_MIN_MS || stack->slow_start_ms > SLOW_START_MAX_MS))
		rules_stack_problem(state, stack, 0, ".slow_start",
				    "slow_start of stack '%s' is %s; it must be 1s to 1h, or left "
				    "out for none",
				    stack->name, text_duration(stack->slow_start_ms, text));
}

static void check_health_port(struct rules_state *state, const struct route_stack *stack)
{
	if (!stack->health.port)
		rules_stack_problem(state, stack, stack->health.line, ".health.port",
				    "health of stack '%s' has no port; add one, such as port: 80",
				    stack->name);
}

/* The path goes into a request line as it is. */
static bool is_request_path(const char *path)
{
	for (const char *at = path; *at; at++) {
		if (*at <= ' ' || *at > '~')
			return false;
	}
	return path[0] == '/' && strlen(path) <= HEALTH_PATH_MAX;
}

static void check_health_path(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;

	if (health->type == HEALTH_HTTP && !is_request_path(health->path ? health->path : "/"))
		rules_stack_problem(
			state, stack, health->line, ".health.path",
			"health path '%.64s' of stack '%s' must begin with '/' and be up "
			"to %d printable ASCII characters without spaces",
			health->path, stack->name, HEALTH_PATH_MAX);
}

/* What is given although this type of check does nothing with it. */
static void check_health_keys(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;
	const bool http = health->type == HEALTH_HTTP, grpc = health->type == HEALTH_GRPC;
	const struct {
		const char *key;
		bool is_set;
		bool has_use;
		const char *user;
	} keys[] = {
		{"path", health->path, http, "type: http"},
		{"host", health->host, http || grpc, "type: http or grpc"},
		{"body", health->body, http, "type: http"},
		{"status", health->status_min || health->status_max, http, "type: http"},
		{"service", health->service, grpc, "type: grpc"},
		{"server_name", health->server_name, health->tls, "tls: true"},
	};
	char suffix[RULES_SUFFIX_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(suffix, sizeof(suffix), ".health.%s", keys[i].key);
		if (keys[i].is_set && !keys[i].has_use)
			rules_stack_problem(state, stack, health->line, suffix,
					    "health of stack '%s' has a %s, which only %s has; "
					    "remove it",
					    stack->name, keys[i].key, keys[i].user);
	}
}

/* It goes into a header as it is. */
static bool is_host(const char *host)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "-._:[]";
	size_t size = strlen(host);

	return size && size <= HEALTH_HOST_MAX && strspn(host, fit) == size;
}

static void check_health_host(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;

	if (health->host && !is_host(health->host))
		rules_stack_problem(state, stack, health->line, ".health.host",
				    "health host '%.64s' of stack '%s' must be a name or an "
				    "address, with a port or without, up to %d bytes, such as "
				    "shop.example.com",
				    health->host, stack->name, HEALTH_HOST_MAX);
}

/* TLS wants a host's name, no address (RFC 6066, section 3). */
static bool is_server_name(const char *name)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "-._";
	struct address address;
	size_t size = strlen(name);

	return size && size <= HEALTH_SERVER_NAME_MAX && strspn(name, fit) == size &&
	       address_parse(name, &address);
}

static void check_health_server_name(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;

	if (health->server_name && !is_server_name(health->server_name))
		rules_stack_problem(state, stack, health->line, ".health.server_name",
				    "health server_name '%.64s' of stack '%s' must be a name of up "
				    "to %d bytes, no address, such as shop.example.com",
				    health->server_name, stack->name, HEALTH_SERVER_NAME_MAX);
}

static void check_health_service(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;

	if (health->service && (!*health->service || strlen(health->service) > HEALTH_SERVICE_MAX ||
				!text_is_printable(health->service)))
		rules_stack_problem(state, stack, health->line, ".health.service",
				    "health service of stack '%s' must be 1 to %d bytes of "
				    "printable text, such as shop.v1.Cart; without it, the server "
				    "as a whole is asked for",
				    stack->name, HEALTH_SERVICE_MAX);
}

static void check_health_body(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;

	if (health->type != HEALTH_HTTP || !health->body)
		return;
	if (!*health->body || strlen(health->body) > HEALTH_BODY_MAX ||
	    !text_is_printable(health->body))
		rules_stack_problem(state, stack, health->line, ".health.body",
				    "health body of stack '%s' must be 1 to %d bytes of printable "
				    "text",
				    stack->name, HEALTH_BODY_MAX);
}

static void check_health_status(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;

	if (health->type == HEALTH_HTTP &&
	    (health->status_min < STATUS_MIN || health->status_max > STATUS_MAX ||
	     health->status_min > health->status_max))
		rules_stack_problem(state, stack, health->line, ".health.status",
				    "health status of stack '%s' is %u-%u; it must be a status "
				    "from %d to %d, or a range of them, the lower first",
				    stack->name, health->status_min, health->status_max, STATUS_MIN,
				    STATUS_MAX);
}

static void check_health_times(struct rules_state *state, const struct route_stack *stack)
{
	const struct health_spec *health = &stack->health;
	char interval[TEXT_DURATION_MAX], timeout[TEXT_DURATION_MAX];

	text_duration(health->interval_ms, interval);
	text_duration(health->timeout_ms, timeout);
	if (health->interval_ms < INTERVAL_MIN_MS || health->interval_ms > INTERVAL_MAX_MS)
		rules_stack_problem(state, stack, health->line, ".health.interval",
				    "health interval of stack '%s' is %s; it must be 20ms to 1h",
				    stack->name, interval);
	if (!health->timeout_ms || health->timeout_ms > health->interval_ms)
		rules_stack_problem(state, stack, health->line, ".health.timeout",
				    "health timeout of stack '%s' is %s; it must be 1ms to the "
				    "interval, which is %s",
				    stack->name, timeout, interval);
}

static void check_health_count(struct rules_state *state, const struct route_stack *stack,
			       const char *key, uint32_t count)
{
	char suffix[RULES_SUFFIX_MAX];

	snprintf(suffix, sizeof(suffix), ".health.%s", key);
	if (count < 1 || count > FALL_RISE_MAX)
		rules_stack_problem(state, stack, stack->health.line, suffix,
				    "health %s of stack '%s' is %u; it must be 1 to %d", key,
				    stack->name, count, FALL_RISE_MAX);
}

static void check_health(struct rules_state *state, const struct route_stack *stack)
{
	if (stack->health.type == HEALTH_NONE)
		return;
	check_health_port(state, stack);
	check_health_keys(state, stack);
	check_health_path(state, stack);
	check_health_host(state, stack);
	check_health_server_name(state, stack);
	check_health_service(state, stack);
	check_health_body(state, stack);
	check_health_status(state, stack);
	check_health_times(state, stack);
	check_health_count(state, stack, "fall", stack->health.fall);
	check_health_count(state, stack, "rise", stack->health.rise);
}

void rules_check_stack(struct rules_state *state, const struct route_stack *stack)
{
	static void (*const rules[])(struct rules_state *, const struct route_stack *) = {
		check_name,
		check_labels,
		check_label_duplicates,
		check_backend_duplicates,
		check_backend_addresses,
		check_backend_weights,
		check_local,
		check_slow_start,
		check_health,
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i](state, stack);
}
