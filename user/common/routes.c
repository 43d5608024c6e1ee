/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/routes.h"

#include "common/util.h"

static void set_default(uint32_t *field, uint32_t value)
{
	if (!*field)
		*field = value;
}

void routes_health_clear(struct health_spec *health)
{
	free(health->path);
	free(health->host);
	free(health->body);
	free(health->service);
	free(health->server_name);
	*health = (struct health_spec){};
}

static void settle_http(struct health_spec *health)
{
	if (!health->path)
		health->path = util_strdup("/");
	if (!health->status_min && !health->status_max) {
		health->status_min = HEALTH_STATUS_MIN;
		health->status_max = HEALTH_STATUS_MAX;
	}
	if (!health->status_max)
		health->status_max = health->status_min;
}

static uint32_t default_timeout(uint32_t interval_ms)
{
	uint64_t timeout_ms = (interval_ms * 4ULL + 4) / 5;

	return timeout_ms < HEALTH_TIMEOUT_MAX_MS ? (uint32_t)timeout_ms : HEALTH_TIMEOUT_MAX_MS;
}

void routes_health_settle(struct health_spec *health)
{
	if (health->type == HEALTH_NONE) {
		int line = health->line;

		routes_health_clear(health);
		health->line = line;
	}
	if (health->type == HEALTH_HTTP)
		settle_http(health);
	set_default(&health->interval_ms, HEALTH_INTERVAL_MS);
	set_default(&health->timeout_ms, default_timeout(health->interval_ms));
	set_default(&health->fall, HEALTH_FALL);
	set_default(&health->rise, HEALTH_RISE);
}

static void stack_clear(struct route_stack *stack)
{
	for (size_t i = 0; i < stack->labels_n; i++) {
		free(stack->labels[i].key);
		free(stack->labels[i].value);
	}
	free(stack->labels);
	free(stack->backends);
	routes_health_clear(&stack->health);
	free(stack->name);
}

static void service_clear(struct route_service *service)
{
	for (size_t i = 0; i < service->split_n; i++)
		free(service->split[i].stack);
	for (size_t i = 0; i < service->failover_n; i++)
		free(service->failover[i].stack);
	free(service->failover);
	free(service->split);
	free(service->vips);
	free(service->ports);
	free(service->name);
}

void routes_free(struct routes *routes)
{
	if (!routes)
		return;
	for (size_t i = 0; i < routes->stacks_n; i++)
		stack_clear(&routes->stacks[i]);
	for (size_t i = 0; i < routes->services_n; i++)
		service_clear(&routes->services[i]);
	free(routes->stacks);
	free(routes->services);
	free(routes->fleet_key);
	free(routes);
}

static char *copy_text(const char *text)
{
	return text ? util_strdup(text) : NULL;
}

/* NULL for no items, as everywhere in routes. */
static void *copy_items(const void *items, size_t n, size_t size)
{
	return n ? memcpy(util_calloc(n, size), items, n * size) : NULL;
}

struct health_spec routes_health_copy(const struct health_spec *health)
{
	struct health_spec copy = *health;

	copy.path = copy_text(health->path);
	copy.host = copy_text(health->host);
	copy.body = copy_text(health->body);
	copy.service = copy_text(health->service);
	copy.server_name = copy_text(health->server_name);
	return copy;
}

static struct route_stack stack_copy(const struct route_stack *from)
{
	struct route_stack to = *from;

	to.name = copy_text(from->name);
	to.health = routes_health_copy(&from->health);
	to.backends = copy_items(from->backends, from->backends_n, sizeof(*from->backends));
	to.labels = copy_items(from->labels, from->labels_n, sizeof(*from->labels));
	for (size_t i = 0; i < from->labels_n; i++) {
		to.labels[i].key = copy_text(from->labels[i].key);
		to.labels[i].value = copy_text(from->labels[i].value);
	}
	return to;
}

static struct route_service service_copy(const struct route_service *from)
{
	struct route_service to = *from;

	to.name = copy_text(from->name);
	to.vips = copy_items(from->vips, from->vips_n, sizeof(*from->vips));
	to.ports = copy_items(from->ports, from->ports_n, sizeof(*from->ports));
	to.split = copy_items(from->split, from->split_n, sizeof(*from->split));
	for (size_t i = 0; i < from->split_n; i++)
		to.split[i].stack = copy_text(from->split[i].stack);
	to.failover = copy_items(from->failover, from->failover_n, sizeof(*from->failover));
	for (size_t i = 0; i < from->failover_n; i++)
		to.failover[i].stack = copy_text(from->failover[i].stack);
	return to;
}

struct routes *routes_copy(const struct routes *routes)
{
	struct routes *copy = util_calloc(1, sizeof(*copy));

	copy->fleet_key = copy_text(routes->fleet_key);
	copy->sorted = routes->sorted;
	copy->stacks = copy_items(routes->stacks, routes->stacks_n, sizeof(*routes->stacks));
	copy->stacks_n = routes->stacks_n;
	for (size_t i = 0; i < routes->stacks_n; i++)
		copy->stacks[i] = stack_copy(&routes->stacks[i]);
	copy->services = copy_items(routes->services, routes->services_n,
				    sizeof(*routes->services));
	copy->services_n = routes->services_n;
	for (size_t i = 0; i < routes->services_n; i++)
		copy->services[i] = service_copy(&routes->services[i]);
	return copy;
}

static int compare_stacks(const void *a, const void *b)
{
	return strcmp(((const struct route_stack *)a)->name, ((const struct route_stack *)b)->name);
}

static int compare_services(const void *a, const void *b)
{
	return strcmp(((const struct route_service *)a)->name,
		      ((const struct route_service *)b)->name);
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static int compare_splits(const void *a, const void *b)
{
	return strcmp(((const struct route_split *)a)->stack,
		      ((const struct route_split *)b)->stack);
}

static int compare_backends(const void *a, const void *b)
{
	return address_compare(&((const struct route_backend *)a)->address,
			       &((const struct route_backend *)b)->address);
}

static int compare_vips(const void *a, const void *b)
{
	return address_compare(&((const struct route_vip *)a)->address,
			       &((const struct route_vip *)b)->address);
}

static int compare_ports(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* qsort() wants an array even for none. */
static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	if (n > 1)
		qsort(items, n, size, compare);
}

static bool is_in_split(const struct route_service *service, const char *stack)
{
	for (size_t i = 0; i < service->split_n; i++)
		if (strcmp(service->split[i].stack, stack) == 0)
			return true;
	return false;
}

static void add_standbys(struct route_service *service)
{
	for (size_t i = 0; i < service->failover_n; i++) {
		const struct route_failover *standby = &service->failover[i];

		if (is_in_split(service, standby->stack))
			continue;
		service->split = util_realloc(service->split, service->split_n + 1,
					      sizeof(*service->split));
		service->split[service->split_n++] = (struct route_split){
			.stack = util_strdup(standby->stack), .line = standby->line};
	}
}

void routes_sort(struct routes *routes)
{
	sort(routes->stacks, routes->stacks_n, sizeof(*routes->stacks), compare_stacks);
	for (size_t i = 0; i < routes->stacks_n; i++) {
		struct route_stack *stack = &routes->stacks[i];

		sort(stack->labels, stack->labels_n, sizeof(*stack->labels), compare_labels);
		sort(stack->backends, stack->backends_n, sizeof(*stack->backends),
		     compare_backends);
	}
	sort(routes->services, routes->services_n, sizeof(*routes->services), compare_services);
	for (size_t i = 0; i < routes->services_n; i++) {
		struct route_service *service = &routes->services[i];

		sort(service->vips, service->vips_n, sizeof(*service->vips), compare_vips);
		sort(service->ports, service->ports_n, sizeof(*service->ports), compare_ports);
		add_standbys(service);
		sort(service->split, service->split_n, sizeof(*service->split), compare_splits);
	}
	routes->sorted = true;
}

/* NULL and "" are the same text. */
static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool routes_health_equal(const struct health_spec *a, const struct health_spec *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == HEALTH_NONE)
		return true;
	return a->port == b->port && same_text(a->path, b->path) && same_text(a->host, b->host) &&
	       same_text(a->body, b->body) && same_text(a->service, b->service) &&
	       a->tls == b->tls && same_text(a->server_name, b->server_name) &&
	       a->status_min == b->status_min && a->status_max == b->status_max &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->via == b->via && a->fall == b->fall && a->rise == b->rise;
}

static bool same_stack(const struct route_stack *a, const struct route_stack *b)
{
	if (!same_text(a->name, b->name) || a->stage != b->stage || a->forward != b->forward ||
	    a->slow_start_ms != b->slow_start_ms || a->on_slow_backend != b->on_slow_backend ||
	    !routes_health_equal(&a->health, &b->health) || a->labels_n != b->labels_n ||
	    a->backends_n != b->backends_n)
		return false;
	for (size_t i = 0; i < a->labels_n; i++) {
		if (!same_text(a->labels[i].key, b->labels[i].key) ||
		    !same_text(a->labels[i].value, b->labels[i].value))
			return false;
	}
	for (size_t i = 0; i < a->backends_n; i++) {
		if (address_compare(&a->backends[i].address, &b->backends[i].address) != 0 ||
		    a->backends[i].weight != b->backends[i].weight)
			return false;
	}
	return true;
}

static bool same_service(const struct route_service *a, const struct route_service *b)
{
	if (!same_text(a->name, b->name) || a->protocol != b->protocol ||
	    a->sticky_by_client != b->sticky_by_client ||
	    a->on_backend_down != b->on_backend_down || a->vips_n != b->vips_n ||
	    a->ports_n != b->ports_n || a->split_n != b->split_n ||
	    a->failover_n != b->failover_n || a->panic_percent != b->panic_percent)
		return false;
	for (size_t i = 0; i < a->vips_n; i++) {
		if (address_compare(&a->vips[i].address, &b->vips[i].address) != 0)
			return false;
	}
	for (size_t i = 0; i < a->ports_n; i++) {
		if (a->ports[i] != b->ports[i])
			return false;
	}
	for (size_t i = 0; i < a->split_n; i++) {
		if (!same_text(a->split[i].stack, b->split[i].stack) ||
		    a->split[i].weight != b->split[i].weight)
			return false;
	}
	for (size_t i = 0; i < a->failover_n; i++) {
		if (!same_text(a->failover[i].stack, b->failover[i].stack))
			return false;
	}
	return true;
}

bool routes_equal(const struct routes *a, const struct routes *b)
{
	if (!same_text(a->fleet_key, b->fleet_key) || a->stacks_n != b->stacks_n ||
	    a->services_n != b->services_n)
		return false;
	for (size_t i = 0; i < a->stacks_n; i++) {
		if (!same_stack(&a->stacks[i], &b->stacks[i]))
			return false;
	}
	for (size_t i = 0; i < a->services_n; i++) {
		if (!same_service(&a->services[i], &b->services[i]))
			return false;
	}
	return true;
}

static void *find_sorted(const void *key, void *items, size_t n, size_t size,
			 int (*compare)(const void *, const void *))
{
	return n ? bsearch(key, items, n, size, compare) : NULL;
}

struct route_stack *routes_find_stack(const struct routes *routes, const char *name)
{
	const struct route_stack key = {.name = (char *)name};

	if (routes->sorted)
		return find_sorted(&key, routes->stacks, routes->stacks_n, sizeof(key),
				   compare_stacks);
	for (size_t i = 0; i < routes->stacks_n; i++)
		if (strcmp(routes->stacks[i].name, name) == 0)
			return &routes->stacks[i];
	return NULL;
}

struct route_service *routes_find_service(const struct routes *routes, const char *name)
{
	const struct route_service key = {.name = (char *)name};

	if (routes->sorted)
		return find_sorted(&key, routes->services, routes->services_n, sizeof(key),
				   compare_services);
	for (size_t i = 0; i < routes->services_n; i++)
		if (strcmp(routes->services[i].name, name) == 0)
			return &routes->services[i];
	return NULL;
}
