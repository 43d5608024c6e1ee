/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/bank_internal.h"

#include <arpa/inet.h>
#include <errno.h>

#include "agent/hash_key.h"
#include "agent/split.h"
#include "agent/vip_table.h"
#include "common/util.h"

void bank_backend_key(const char *stack, const struct address *address, enum forward forward,
		      char text[BANK_KEY_MAX])
{
	char name[ADDRESS_TEXT_MAX];

	snprintf(text, BANK_KEY_MAX, "%s|%s|%d", stack, address_text(address, name), (int)forward);
}

static void ring_put(struct bank_ring *ring)
{
	if (ring && --ring->users == 0)
		free(ring);
}

static void split_put(struct bank_split *split)
{
	if (split && --split->users == 0)
		free(split);
}

void compiled_free(struct compiled *compiled)
{
	if (!compiled)
		return;
	for (size_t i = 0; compiled->stacks && i < compiled->routes->stacks_n; i++) {
		ring_put(compiled->stacks[i].ring);
		free(compiled->stacks[i].slots);
	}
	for (size_t i = 0; i < compiled->splits_n; i++)
		split_put(compiled->splits[i].table);
	slots_free(compiled->split_index);
	routes_free(compiled->routes);
	free(compiled->stacks);
	free(compiled->services);
	free(compiled->splits);
	free(compiled->vips);
	free(compiled);
}

/* What one bank_compile() works with. */
struct compilation {
	struct compiled *result;
	const struct compiled *like;
	struct bank_slots *slots;
	unsigned int owner; /* bit of the bank */
	bank_fresh_backend fresh;
	void *userdata;
	struct problems *problems;
};

static const struct compiled_stack *find_compiled_stack(const struct compiled *compiled,
							const char *name)
{
	struct route_stack *route = compiled ? routes_find_stack(compiled->routes, name) : NULL;

	return route ? &compiled->stacks[route - compiled->routes->stacks] : NULL;
}

static bool same_members(const struct route_stack *a, const struct route_stack *b)
{
	if (a->forward != b->forward || a->backends_n != b->backends_n)
		return false;
	for (size_t i = 0; i < a->backends_n; i++)
		if (a->backends[i].weight != b->backends[i].weight ||
		    address_compare(&a->backends[i].address, &b->backends[i].address))
			return false;
	return true;
}

static int hold_backend(struct compilation *c, const struct route_stack *stack,
			const struct address *address, uint32_t *ret_slot)
{
	char key[BANK_KEY_MAX];
	bool fresh;
	int err;

	bank_backend_key(stack->name, address, stack->forward, key);
	err = slots_hold(c->slots->backends, key, c->owner, ret_slot, &fresh);
	if (err)
		problems_add(c->problems, "stacks", stack->line,
			     "no backend slot is left for %s of stack '%s': raise limits.backends "
			     "in the node file",
			     key, stack->name);
	else if (fresh)
		c->fresh(*ret_slot, stack, address, c->userdata);
	return err;
}

static int compile_members(struct compilation *c, struct compiled_stack *stack)
{
	static const struct route_backend this_host = {
		.address.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .weight = 1};
	const struct route_stack *route = stack->route;
	const struct route_backend *backends = route->backends_n ? route->backends : &this_host;
	CLEANUP_FREE struct ring_member *members = NULL;
	int err;

	stack->slots_n = route->backends_n;
	if (!stack->slots_n && route->forward == FORWARD_AS_LOCAL)
		stack->slots_n = 1;
	stack->slots = util_calloc(stack->slots_n, sizeof(*stack->slots));
	members = util_calloc(stack->slots_n, sizeof(*members));
	for (size_t i = 0; i < stack->slots_n; i++) {
		err = hold_backend(c, route, &backends[i].address, &stack->slots[i]);
		if (err)
			return err;
		members[i] = (struct ring_member){backends[i].address, backends[i].weight,
						  (uint16_t)stack->slots[i]};
	}
	stack->ring = util_calloc(1, sizeof(*stack->ring));
	stack->ring->users = 1;
	err = ring_build(members, stack->slots_n, &stack->ring->base);
	if (!err)
		return 0;
	ring_put(stack->ring);
	stack->ring = NULL;
	if (err == -E2BIG)
		problems_add(c->problems, "stacks", route->line,
			     "stack '%s' has more than %d backends with a weight: split it",
			     route->name, STEER_RING_SLOTS);
	return err == -ENOENT ? 0 : err;
}

static int compile_stack(struct compilation *c, struct compiled_stack *stack)
{
	const struct compiled_stack *old = find_compiled_stack(c->like, stack->route->name);

	if (!old || !same_members(old->route, stack->route))
		return compile_members(c, stack);
	stack->slots_n = old->slots_n;
	stack->slots = util_calloc(old->slots_n, sizeof(*stack->slots));
	memcpy(stack->slots, old->slots, old->slots_n * sizeof(*stack->slots));
	for (size_t i = 0; i < stack->slots_n; i++)
		slots_mark(c->slots->backends, stack->slots[i], c->owner);
	stack->ring = old->ring;
	if (stack->ring)
		stack->ring->users++;
	return 0;
}

/* The value of a stack that stands in the split: all on a failover list do (routes_sort()). */
static uint8_t value_of(const struct bank_split *split, const char *stack)
{
	uint8_t i = 0;

	while (i < split->n - 1 && strcmp(split->names[i], stack))
		i++;
	return i;
}

static struct bank_split *make_split(const struct route_service *service)
{
	struct split_member members[STEER_SPLIT_CHOICES];
	struct bank_split *split = util_calloc(1, sizeof(*split));
	uint8_t list[STEER_SPLIT_CHOICES];

	split->users = 1;
	split->n = service->split_n;
	split->panic_percent = (uint8_t)service->panic_percent;
	for (size_t i = 0; i < split->n; i++) {
		snprintf(split->names[i], STEER_NAME, "%s", service->split[i].stack);
		split->weights[i] = service->split[i].weight;
		members[i] = (struct split_member){split->names[i], split->weights[i]};
	}
	if (split_build(members, split->n, &split->base)) {
		free(split);
		return NULL;
	}
	for (size_t i = 0; i < service->failover_n; i++)
		list[i] = value_of(split, service->failover[i].stack);
	split_heirs_make(members, split->n, list, service->failover_n, &split->heirs);
	split_overlay(&split->base, &split->heirs, bank_takers(split), &split->whole);
	return split;
}

/* What two services have in common that share a split. */
static char *split_key(const struct route_service *route)
{
	char *key = NULL;
	size_t size;
	FILE *out = open_memstream(&key, &size);

	if (!out)
		abort();
	for (size_t i = 0; i < route->split_n; i++)
		fprintf(out, "%s=%u ", route->split[i].stack, route->split[i].weight);
	fprintf(out, "panic=%u", route->panic_percent);
	for (size_t i = 0; i < route->failover_n; i++)
		fprintf(out, " %s", route->failover[i].stack);
	if (fclose(out))
		abort();
	return key;
}

/* The tables: already in the result, or in `like`, or new ones. */
static int compile_split(struct compilation *c, struct compiled_service *service)
{
	const struct route_service *route = service->route;
	CLEANUP_FREE char *key = split_key(route);
	struct compiled *result = c->result;
	struct compiled_split *split;
	uint32_t old;
	bool fresh;
	int err;

	err = slots_hold(result->split_index, key, 1, &service->split_index, &fresh);
	if (err) {
		problems_add(c->problems, "services", route->line,
			     "no table is left for the split of service '%s': raise "
			     "limits.services in the node file",
			     route->name);
		return err;
	}
	split = &result->splits[service->split_index];
	if (fresh) {
		if (c->like && slots_find(c->like->split_index, key, &old) == 0) {
			split->table = c->like->splits[old].table;
			split->table->users++;
		} else {
			split->table = make_split(route);
		}
		if (!split->table)
			return -EINVAL;
		for (size_t i = 0; i < route->split_n; i++)
			split->stack[i] = service->choice[i].stack;
		result->splits_n++;
	}
	service->split = split->table;
	return 0;
}

static int compile_service(struct compilation *c, struct compiled_service *service)
{
	const struct route_service *route = service->route;
	char key[2 * STEER_NAME + 2];
	uint32_t share;
	bool fresh;
	int err = slots_hold(c->slots->services, route->name, c->owner, &service->slot, &fresh);

	for (size_t i = 0; i < route->split_n && !err; i++) {
		const struct route_stack *stack = routes_find_stack(c->result->routes,
								    route->split[i].stack);

		snprintf(key, sizeof(key), "%s/%s", route->name, route->split[i].stack);
		err = slots_hold(c->slots->shares, key, c->owner, &share, &fresh);
		service->choice[i].stack = (uint16_t)(stack - c->result->routes->stacks);
		service->choice[i].share = (uint16_t)share;
	}
	if (err) {
		problems_add(c->problems, "services", route->line,
			     "no slot is left for service '%s': raise limits.services in the node "
			     "file",
			     route->name);
		return err;
	}
	return compile_split(c, service);
}

static int compile_vips(struct compilation *c)
{
	static const uint8_t down_flags[BACKEND_DOWN_MAX] = {
		[BACKEND_DOWN_KEEP] = VIP_KEEP,
		[BACKEND_DOWN_RESET] = VIP_RESET,
	};
	const struct compiled *compiled = c->result;
	CLEANUP_FREE struct vip_key *keys = util_calloc(STEER_VIP_KEYS_MAX, sizeof(*keys));
	size_t n = 0;
	int err;

	for (size_t i = 0; i < compiled->routes->services_n; i++) {
		const struct route_service *service = &compiled->routes->services[i];
		uint8_t flags = down_flags[service->on_backend_down];

		if (service->sticky_by_client)
			flags |= VIP_STICKY_CLIENT;
		for (size_t v = 0; v < service->vips_n; v++)
			for (size_t p = 0; p < (service->ports_n ? service->ports_n : 1); p++)
				keys[n++] = (struct vip_key){
					.address = service->vips[v].address,
					.port = service->ports_n ? service->ports[p] : 0,
					.protocol = (uint8_t)service->protocol,
					.flags = flags,
					.service = (uint16_t)compiled->services[i].slot};
	}
	err = vip_table_build(keys, n, compiled->vips);
	if (err)
		problems_add(c->problems, "services", 0,
			     "no VIP table of %d slots holds these %zu VIPs and ports with short "
			     "probes: use fewer",
			     STEER_VIP_SLOTS, n);
	return err;
}

static int compile_all(struct compilation *c)
{
	struct routes *routes = c->result->routes;
	int err = 0;

	for (size_t i = 0; i < routes->stacks_n && !err; i++) {
		c->result->stacks[i].route = &routes->stacks[i];
		err = compile_stack(c, &c->result->stacks[i]);
	}
	for (size_t i = 0; i < routes->services_n && !err; i++) {
		c->result->services[i].route = &routes->services[i];
		err = compile_service(c, &c->result->services[i]);
	}
	return err ? err : compile_vips(c);
}

int bank_compile(struct routes *routes, uint64_t version, unsigned int bank,
		 struct bank_slots *slots, const struct datapath_view *view,
		 const struct compiled *like, bank_fresh_backend fresh, void *userdata,
		 struct compiled **ret, struct problems *problems)
{
	struct compiled *result = util_calloc(1, sizeof(*result));
	struct compilation c = {.result = result,
				.like = like,
				.slots = slots,
				.owner = 1U << bank,
				.fresh = fresh,
				.userdata = userdata,
				.problems = problems};
	int err;

	result->routes = routes;
	result->version = version;
	result->stacks = util_calloc(routes->stacks_n, sizeof(*result->stacks));
	result->services = util_calloc(routes->services_n, sizeof(*result->services));
	result->splits = util_calloc(view->split_slots, sizeof(*result->splits));
	result->split_index = slots_new(view->split_slots);
	result->vips = util_calloc(1, sizeof(*result->vips));
	err = compile_all(&c);
	if (err) {
		compiled_free(result);
		return err;
	}
	*ret = result;
	return 0;
}

static void write_services(const struct datapath_view *view, unsigned int bank,
			   const struct compiled *compiled)
{
	struct service *services = &view->services[bank * view->service_slots];

	memset(services, 0, view->service_slots * sizeof(*services));
	for (size_t i = 0; i < compiled->routes->services_n; i++) {
		const struct compiled_service *from = &compiled->services[i];
		struct service *to = &services[from->slot];

		to->split = (uint16_t)from->split_index;
		to->choices = (uint16_t)from->route->split_n;
		to->takers = (uint16_t)bank_takers(compiled->splits[from->split_index].table);
		to->panic = compiled->splits[from->split_index].panic;
		memcpy(to->choice, from->choice, sizeof(to->choice));
		snprintf(to->name, sizeof(to->name), "%s", from->route->name);
	}
}

/* The slots in use are a few kilobytes of a large table. */
static void write_vips(const struct datapath_view *view, unsigned int bank,
		       const struct compiled *compiled)
{
	const struct vip_table *from = compiled->vips;

	memcpy(&view->vips[bank], from,
	       offsetof(struct vip_table, slot) + (from->mask + 1) * sizeof(from->slot[0]));
}

static void write_stacks(const struct datapath_view *view, unsigned int bank,
			 const struct compiled *compiled)
{
	struct stack *stacks = &view->stacks[bank * STEER_STACKS];

	memset(stacks, 0, STEER_STACKS * sizeof(*stacks));
	for (size_t i = 0; i < compiled->routes->stacks_n; i++) {
		snprintf(stacks[i].name, sizeof(stacks[i].name), "%s",
			 compiled->routes->stacks[i].name);
		stacks[i].up = compiled->stacks[i].health.healthy > 0;
	}
}

static bool same_ring(const struct compiled *a, const struct compiled *b, size_t i)
{
	return a && i < a->routes->stacks_n && a->stacks[i].ring == b->stacks[i].ring &&
	       a->stacks[i].panics == b->stacks[i].panics;
}

static bool same_split(const struct compiled *a, const struct compiled *b, size_t i)
{
	return a && i < a->splits_n && a->splits[i].table == b->splits[i].table &&
	       a->splits[i].fit == b->splits[i].fit;
}

void bank_write(const struct datapath_view *view, unsigned int bank,
		const struct compiled *compiled, const struct compiled *before)
{
	bank_judge(view, compiled);
	hash_key_from_text(compiled->routes->fleet_key, &view->control->fleet_key[bank]);
	view->control->version[bank] = compiled->version;
	write_vips(view, bank, compiled);
	write_services(view, bank, compiled);
	write_stacks(view, bank, compiled);
	for (size_t i = 0; i < compiled->routes->stacks_n; i++)
		if (!same_ring(before, compiled, i))
			bank_fill_ring(view, bank, compiled, i);
	for (size_t i = 0; i < compiled->splits_n; i++)
		if (!same_split(before, compiled, i))
			bank_fill_split(view, bank, compiled, i);
}

const struct ring *bank_base_ring(const struct compiled_stack *stack)
{
	return stack->ring ? &stack->ring->base : NULL;
}

void bank_activate(const struct datapath_view *view, unsigned int bank)
{
	__atomic_store_n(&view->control->active, bank, __ATOMIC_RELEASE);
}
