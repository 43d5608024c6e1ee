/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/routes_proto.h"

#include <errno.h>
#include <stdarg.h>

#include "common/util.h"

/* Where a value stands, for the problems: "stacks.blue" and so on. */
struct place {
	struct problems *problems;
	char path[128];
};

static struct place place_in(const struct place *outer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static struct place place_in(const struct place *outer, const char *format, ...)
{
	struct place place = *outer;
	size_t length = strlen(place.path);
	va_list args;

	va_start(args, format);
	vsnprintf(place.path + length, sizeof(place.path) - length, format, args);
	va_end(args);
	return place;
}

struct enum_map {
	int message;
	int routes;
};

/* Values that the table does not have are a problem, and leave the output alone. */
static void read_enum(const struct place *place, const char *key, int value,
		      const struct enum_map *map, size_t n, int *ret_value)
{
	struct place here = place_in(place, ".%s", key);

	for (size_t i = 0; i < n; i++) {
		if (map[i].message == value) {
			*ret_value = map[i].routes;
			return;
		}
	}
	problems_add(here.problems, here.path, 0, "%s is %d, which is not known here", key, value);
}

static int write_enum(int value, const struct enum_map *map, size_t n)
{
	/* From the end: the first of each table is the zero value, which says nothing. */
	for (size_t i = n; i-- > 0;) {
		if (map[i].routes == value)
			return map[i].message;
	}
	return 0;
}

static const struct enum_map stage_map[] = {
	{STEERD__V1__STAGE__STAGE_UNSPECIFIED, STAGE_UNSPECIFIED},
	{STEERD__V1__STAGE__STAGE_DEVELOPMENT, STAGE_DEVELOPMENT},
	{STEERD__V1__STAGE__STAGE_RELEASE_CANDIDATE, STAGE_RELEASE_CANDIDATE},
	{STEERD__V1__STAGE__STAGE_CANARY, STAGE_CANARY},
	{STEERD__V1__STAGE__STAGE_PRODUCTION, STAGE_PRODUCTION},
	{STEERD__V1__STAGE__STAGE_RETIRED, STAGE_RETIRED},
};

static const struct enum_map forward_map[] = {
	{STEERD__V1__FORWARD__FORWARD_UNSPECIFIED, FORWARD_AS_L2},
	{STEERD__V1__FORWARD__FORWARD_L2, FORWARD_AS_L2},
	{STEERD__V1__FORWARD__FORWARD_IPIP, FORWARD_AS_IPIP},
	{STEERD__V1__FORWARD__FORWARD_LOCAL, FORWARD_AS_LOCAL},
};

static const struct enum_map health_map[] = {
	{STEERD__V1__HEALTH_TYPE__HEALTH_TYPE_UNSPECIFIED, HEALTH_NONE},
	{STEERD__V1__HEALTH_TYPE__HEALTH_TYPE_NONE, HEALTH_NONE},
	{STEERD__V1__HEALTH_TYPE__HEALTH_TYPE_TCP, HEALTH_TCP},
	{STEERD__V1__HEALTH_TYPE__HEALTH_TYPE_HTTP, HEALTH_HTTP},
	{STEERD__V1__HEALTH_TYPE__HEALTH_TYPE_GRPC, HEALTH_GRPC},
};

static const struct enum_map via_map[] = {
	{STEERD__V1__HEALTH_VIA__HEALTH_VIA_UNSPECIFIED, HEALTH_VIA_PATH},
	{STEERD__V1__HEALTH_VIA__HEALTH_VIA_PATH, HEALTH_VIA_PATH},
	{STEERD__V1__HEALTH_VIA__HEALTH_VIA_DIRECT, HEALTH_VIA_DIRECT},
	{STEERD__V1__HEALTH_VIA__HEALTH_VIA_BOTH, HEALTH_VIA_BOTH},
};

static const struct enum_map protocol_map[] = {
	{STEERD__V1__PROTOCOL__PROTOCOL_UNSPECIFIED, PROTOCOL_TCP},
	{STEERD__V1__PROTOCOL__PROTOCOL_TCP, PROTOCOL_TCP},
	{STEERD__V1__PROTOCOL__PROTOCOL_UDP, PROTOCOL_UDP},
};

static const struct enum_map sticky_map[] = {
	{STEERD__V1__STICKY_BY__STICKY_BY_UNSPECIFIED, false},
	{STEERD__V1__STICKY_BY__STICKY_BY_FLOW, false},
	{STEERD__V1__STICKY_BY__STICKY_BY_CLIENT, true},
};

static const struct enum_map down_map[] = {
	{STEERD__V1__ON_BACKEND_DOWN__ON_BACKEND_DOWN_UNSPECIFIED, BACKEND_DOWN_MOVE},
	{STEERD__V1__ON_BACKEND_DOWN__ON_BACKEND_DOWN_MOVE, BACKEND_DOWN_MOVE},
	{STEERD__V1__ON_BACKEND_DOWN__ON_BACKEND_DOWN_KEEP, BACKEND_DOWN_KEEP},
	{STEERD__V1__ON_BACKEND_DOWN__ON_BACKEND_DOWN_RESET, BACKEND_DOWN_RESET},
};

static const struct enum_map slow_map[] = {
	{STEERD__V1__ON_SLOW_BACKEND__ON_SLOW_BACKEND_UNSPECIFIED, BACKEND_SLOW_SHIFT},
	{STEERD__V1__ON_SLOW_BACKEND__ON_SLOW_BACKEND_SHIFT, BACKEND_SLOW_SHIFT},
	{STEERD__V1__ON_SLOW_BACKEND__ON_SLOW_BACKEND_KEEP, BACKEND_SLOW_KEEP},
};

static uint16_t read_port(const struct place *place, uint32_t port)
{
	if (port >= 1 && port <= UINT16_MAX)
		return (uint16_t)port;
	problems_add(place->problems, place->path, 0, "port is %u; it must be 1 to 65535", port);
	return 0;
}

static void read_address(const struct place *place, const char *text, struct address *ret_address)
{
	if (address_parse(text, ret_address))
		problems_add(place->problems, place->path, 0,
			     "'%.64s' is no IP address; write one such as 203.0.113.10 or "
			     "2001:db8::10",
			     text);
}

/* What fits the field; the rules say what of it is an HTTP status. */
static uint16_t read_status(const struct place *place, const char *key, uint32_t status)
{
	struct place here = place_in(place, ".%s", key);

	if (status > UINT16_MAX)
		problems_add(here.problems, here.path, 0, "%s is %u; it must be 200 to 599", key,
			     status);
	return (uint16_t)status;
}

static void read_health(const struct place *place, const Steerd__V1__Health *message,
			struct health_spec *health)
{
	struct place here = place_in(place, ".health"), at = place_in(&here, ".port");
	int type = HEALTH_NONE, via = HEALTH_VIA_PATH;

	if (message) {
		read_enum(&here, "type", (int)message->type, health_map, ARRAY_SIZE(health_map),
			  &type);
		health->type = (enum health_type)type;
		health->port = message->port ? read_port(&at, message->port) : 0;
		health->path = message->path[0] ? util_strdup(message->path) : NULL;
		health->host = message->host[0] ? util_strdup(message->host) : NULL;
		health->body = message->body[0] ? util_strdup(message->body) : NULL;
		health->service = message->service[0] ? util_strdup(message->service) : NULL;
		health->tls = message->tls;
		health->server_name = message->server_name[0] ? util_strdup(message->server_name)
							      : NULL;
		health->status_min = read_status(&here, "status_min", message->status_min);
		health->status_max = read_status(&here, "status_max", message->status_max);
		read_enum(&here, "via", (int)message->via, via_map, ARRAY_SIZE(via_map), &via);
		health->via = (enum health_via)via;
		health->interval_ms = message->interval_ms;
		health->timeout_ms = message->timeout_ms;
		health->fall = message->fall;
		health->rise = message->rise;
	}
	routes_health_settle(health);
}

static void read_labels(const Steerd__V1__Stack *message, struct route_stack *stack)
{
	stack->labels = message->n_labels ? util_calloc(message->n_labels, sizeof(*stack->labels))
					  : NULL;
	for (size_t i = 0; i < message->n_labels; i++) {
		stack->labels[i].key = util_strdup(message->labels[i]->key);
		stack->labels[i].value = util_strdup(message->labels[i]->value);
	}
	stack->labels_n = message->n_labels;
}

static void read_backends(const struct place *place, const Steerd__V1__Stack *message,
			  struct route_stack *stack)
{
	if (!message->n_backends)
		return;
	stack->backends = util_calloc(message->n_backends, sizeof(*stack->backends));
	stack->backends_n = message->n_backends;
	for (size_t i = 0; i < message->n_backends; i++) {
		const Steerd__V1__Backend *backend = message->backends[i];
		struct place here = place_in(place, ".backends[%zu].address", i);

		read_address(&here, backend->address, &stack->backends[i].address);
		stack->backends[i].weight = backend->weight_set_case ==
							    STEERD__V1__BACKEND__WEIGHT_SET_WEIGHT
						    ? backend->weight
						    : 100;
	}
}

static void read_stack(const struct place *place, const Steerd__V1__Stack *message,
		       struct route_stack *stack)
{
	struct place here = place_in(place, "stacks.%.64s", message->name);
	int stage = STAGE_UNSPECIFIED, forward = FORWARD_AS_L2, slow = BACKEND_SLOW_SHIFT;

	stack->name = util_strdup(message->name);
	read_enum(&here, "stage", (int)message->stage, stage_map, ARRAY_SIZE(stage_map), &stage);
	read_enum(&here, "forward", (int)message->forward, forward_map, ARRAY_SIZE(forward_map),
		  &forward);
	read_enum(&here, "on_slow_backend", (int)message->on_slow_backend, slow_map,
		  ARRAY_SIZE(slow_map), &slow);
	stack->on_slow_backend = (enum backend_slow)slow;
	stack->stage = (enum stage)stage;
	stack->forward = (enum forward)forward;
	stack->slow_start_ms = message->slow_start_ms;
	read_health(&here, message->health, &stack->health);
	read_labels(message, stack);
	read_backends(&here, message, stack);
}

static struct route_split *read_split(Steerd__V1__SplitEntry *const *entries, size_t n)
{
	struct route_split *split = n ? util_calloc(n, sizeof(*split)) : NULL;

	for (size_t i = 0; i < n; i++) {
		split[i].stack = util_strdup(entries[i]->stack);
		split[i].weight = entries[i]->weight;
	}
	return split;
}

static void read_failover(const Steerd__V1__Service *message, struct route_service *service)
{
	service->failover = message->n_failover
				    ? util_calloc(message->n_failover, sizeof(*service->failover))
				    : NULL;
	for (; service->failover_n < message->n_failover; service->failover_n++)
		service->failover[service->failover_n].stack =
			util_strdup(message->failover[service->failover_n]);
	service->panic_percent = message->panic_set_case ==
						 STEERD__V1__SERVICE__PANIC_SET_PANIC_PERCENT
					 ? message->panic_percent
					 : PANIC_PERCENT_DEFAULT;
}

static void read_vips(const struct place *place, const Steerd__V1__Service *message,
		      struct route_service *service)
{
	if (!message->n_vips)
		return;
	service->vips = util_calloc(message->n_vips, sizeof(*service->vips));
	service->vips_n = message->n_vips;
	for (size_t i = 0; i < message->n_vips; i++) {
		struct place here = place_in(place, ".vips[%zu]", i);

		read_address(&here, message->vips[i], &service->vips[i].address);
	}
}

static void read_ports(const struct place *place, const Steerd__V1__Service *message,
		       struct route_service *service)
{
	if (!message->n_ports)
		return;
	service->ports = util_calloc(message->n_ports, sizeof(*service->ports));
	service->ports_n = message->n_ports;
	for (size_t i = 0; i < message->n_ports; i++) {
		struct place here = place_in(place, ".ports[%zu]", i);

		service->ports[i] = read_port(&here, message->ports[i]);
	}
}

static void read_service(const struct place *place, const Steerd__V1__Service *message,
			 struct route_service *service)
{
	struct place here = place_in(place, "services.%.64s", message->name);
	int protocol = PROTOCOL_TCP, sticky = false, down = BACKEND_DOWN_MOVE;

	service->name = util_strdup(message->name);
	read_enum(&here, "protocol", (int)message->protocol, protocol_map, ARRAY_SIZE(protocol_map),
		  &protocol);
	if (message->sticky)
		read_enum(&here, "sticky.by", (int)message->sticky->by, sticky_map,
			  ARRAY_SIZE(sticky_map), &sticky);
	read_enum(&here, "on_backend_down", (int)message->on_backend_down, down_map,
		  ARRAY_SIZE(down_map), &down);
	service->protocol = (enum protocol)protocol;
	service->sticky_by_client = sticky;
	service->on_backend_down = (enum backend_down)down;
	read_vips(&here, message, service);
	read_ports(&here, message, service);
	service->split = read_split(message->split, message->n_split);
	service->split_n = message->n_split;
	read_failover(message, service);
}

int routes_from_proto(const Steerd__V1__Routes *message, struct routes **ret,
		      struct problems *problems)
{
	static const Steerd__V1__Routes empty = STEERD__V1__ROUTES__INIT;
	CLEANUP_ROUTES struct routes *routes = util_calloc(1, sizeof(*routes));
	struct place place = {.problems = problems};
	size_t before = problems->total;

	if (!message)
		message = &empty;
	routes->fleet_key = message->fleet_key[0] ? util_strdup(message->fleet_key) : NULL;
	routes->stacks = message->n_stacks ? util_calloc(message->n_stacks, sizeof(*routes->stacks))
					   : NULL;
	for (; routes->stacks_n < message->n_stacks; routes->stacks_n++)
		read_stack(&place, message->stacks[routes->stacks_n],
			   &routes->stacks[routes->stacks_n]);
	routes->services = message->n_services
				   ? util_calloc(message->n_services, sizeof(*routes->services))
				   : NULL;
	for (; routes->services_n < message->n_services; routes->services_n++)
		read_service(&place, message->services[routes->services_n],
			     &routes->services[routes->services_n]);
	if (problems->total > before)
		return -EINVAL;
	*ret = TAKE(routes);
	return 0;
}

struct route_split *routes_split_from_proto(Steerd__V1__SplitEntry *const *entries, size_t n)
{
	return read_split(entries, n);
}

static char *address_copy(const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	return util_strdup(address_text(address, text));
}

/* A message on the heap, for protobuf-c's own free. */
#define NEW(type, init)                                                                            \
	({                                                                                         \
		type *message_ = util_calloc(1, sizeof(*message_));                                \
		init(message_);                                                                    \
		message_;                                                                          \
	})

static Steerd__V1__Health *write_health(const struct health_spec *health)
{
	Steerd__V1__Health *message;

	if (health->type == HEALTH_NONE)
		return NULL;
	message = NEW(Steerd__V1__Health, steerd__v1__health__init);
	message->type = (Steerd__V1__HealthType)write_enum((int)health->type, health_map,
							   ARRAY_SIZE(health_map));
	message->port = health->port;
	if (health->path)
		message->path = util_strdup(health->path);
	if (health->host)
		message->host = util_strdup(health->host);
	if (health->body)
		message->body = util_strdup(health->body);
	if (health->service)
		message->service = util_strdup(health->service);
	message->tls = health->tls;
	if (health->server_name)
		message->server_name = util_strdup(health->server_name);
	message->status_min = health->status_min;
	message->status_max = health->status_max;
	message->interval_ms = health->interval_ms;
	message->timeout_ms = health->timeout_ms;
	if (health->via != HEALTH_VIA_PATH)
		message->via = (Steerd__V1__HealthVia)write_enum((int)health->via, via_map,
								 ARRAY_SIZE(via_map));
	message->fall = health->fall;
	message->rise = health->rise;
	return message;
}

static Steerd__V1__Backend *write_backend(const struct route_backend *backend)
{
	Steerd__V1__Backend *message = NEW(Steerd__V1__Backend, steerd__v1__backend__init);

	message->address = address_copy(&backend->address);
	message->weight_set_case = STEERD__V1__BACKEND__WEIGHT_SET_WEIGHT;
	message->weight = backend->weight;
	return message;
}

static Steerd__V1__Stack__LabelsEntry *write_label(const struct label *label)
{
	Steerd__V1__Stack__LabelsEntry *message = NEW(Steerd__V1__Stack__LabelsEntry,
						      steerd__v1__stack__labels_entry__init);

	message->key = util_strdup(label->key);
	message->value = util_strdup(label->value);
	return message;
}

static Steerd__V1__Stack *write_stack(const struct route_stack *stack)
{
	Steerd__V1__Stack *message = NEW(Steerd__V1__Stack, steerd__v1__stack__init);

	message->name = util_strdup(stack->name);
	message->stage = (Steerd__V1__Stage)write_enum((int)stack->stage, stage_map,
						       ARRAY_SIZE(stage_map));
	message->forward = (Steerd__V1__Forward)write_enum((int)stack->forward, forward_map,
							   ARRAY_SIZE(forward_map));
	message->health = write_health(&stack->health);
	message->slow_start_ms = stack->slow_start_ms;
	message->on_slow_backend = (Steerd__V1__OnSlowBackend)write_enum(
		(int)stack->on_slow_backend, slow_map, ARRAY_SIZE(slow_map));
	message->labels = util_calloc(stack->labels_n, sizeof(*message->labels));
	for (; message->n_labels < stack->labels_n; message->n_labels++)
		message->labels[message->n_labels] = write_label(&stack->labels[message->n_labels]);
	message->backends = util_calloc(stack->backends_n, sizeof(*message->backends));
	for (; message->n_backends < stack->backends_n; message->n_backends++)
		message->backends[message->n_backends] =
			write_backend(&stack->backends[message->n_backends]);
	return message;
}

static Steerd__V1__SplitEntry *write_split_entry(const struct route_split *entry)
{
	Steerd__V1__SplitEntry *message = NEW(Steerd__V1__SplitEntry,
					      steerd__v1__split_entry__init);

	message->stack = util_strdup(entry->stack);
	message->weight = entry->weight;
	return message;
}

static Steerd__V1__Service *write_service(const struct route_service *service)
{
	Steerd__V1__Service *message = NEW(Steerd__V1__Service, steerd__v1__service__init);

	message->name = util_strdup(service->name);
	message->protocol = (Steerd__V1__Protocol)write_enum((int)service->protocol, protocol_map,
							     ARRAY_SIZE(protocol_map));
	message->sticky = NEW(Steerd__V1__Sticky, steerd__v1__sticky__init);
	message->sticky->by = (Steerd__V1__StickyBy)write_enum(service->sticky_by_client,
							       sticky_map, ARRAY_SIZE(sticky_map));
	message->on_backend_down = (Steerd__V1__OnBackendDown)write_enum(
		(int)service->on_backend_down, down_map, ARRAY_SIZE(down_map));
	message->vips = util_calloc(service->vips_n, sizeof(*message->vips));
	for (; message->n_vips < service->vips_n; message->n_vips++)
		message->vips[message->n_vips] =
			address_copy(&service->vips[message->n_vips].address);
	message->ports = util_calloc(service->ports_n, sizeof(*message->ports));
	for (; message->n_ports < service->ports_n; message->n_ports++)
		message->ports[message->n_ports] = service->ports[message->n_ports];
	message->split = util_calloc(service->split_n, sizeof(*message->split));
	for (; message->n_split < service->split_n; message->n_split++)
		message->split[message->n_split] =
			write_split_entry(&service->split[message->n_split]);
	message->failover = util_calloc(service->failover_n, sizeof(*message->failover));
	for (; message->n_failover < service->failover_n; message->n_failover++)
		message->failover[message->n_failover] =
			util_strdup(service->failover[message->n_failover].stack);
	message->panic_set_case = STEERD__V1__SERVICE__PANIC_SET_PANIC_PERCENT;
	message->panic_percent = service->panic_percent;
	return message;
}

Steerd__V1__Routes *routes_to_proto(const struct routes *routes)
{
	Steerd__V1__Routes *message = NEW(Steerd__V1__Routes, steerd__v1__routes__init);

	if (routes->fleet_key)
		message->fleet_key = util_strdup(routes->fleet_key);
	message->stacks = util_calloc(routes->stacks_n, sizeof(*message->stacks));
	for (; message->n_stacks < routes->stacks_n; message->n_stacks++)
		message->stacks[message->n_stacks] =
			write_stack(&routes->stacks[message->n_stacks]);
	message->services = util_calloc(routes->services_n, sizeof(*message->services));
	for (; message->n_services < routes->services_n; message->n_services++)
		message->services[message->n_services] =
			write_service(&routes->services[message->n_services]);
	return message;
}

void routes_proto_free(Steerd__V1__Routes *message)
{
	if (message)
		steerd__v1__routes__free_unpacked(message, NULL);
}
