/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* GetStatus and Explain: what is live, as messages. */
#include "agent/api_internal.h"

#include <arpa/inet.h>
#include <errno.h>

#include "agent/api_arena.h"
#include "agent/explain.h"
#include "agent/split.h"
#include "common/routes_proto.h"
#include "common/util.h"

static char *arena_address(struct arena *arena, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	return arena_take(arena, util_strdup(address_text(address, text)));
}

/* Stacks without a weight that stand by have no clients to lose. */
static void fill_failover(struct arena *arena, const struct compiled_split *split, size_t value,
			  Steerd__V1__ShareStatus *share)
{
	unsigned int heirs = bank_heirs(split);

	share->out = !split->panic && bank_takers(split->table) >> value & 1 &&
		     !(split->fit >> value & 1);
	if (!share->out || !split->table->weights[value])
		return;
	share->taken_by = arena_calloc(arena, split->table->n, sizeof(*share->taken_by));
	for (size_t i = 0; i < split->table->n; i++)
		if (heirs >> i & 1)
			share->taken_by[share->n_taken_by++] = split->table->names[i];
}

static void fill_shares(struct arena *arena, const struct agent *agent,
			const struct compiled_service *service, Steerd__V1__ServiceStatus *status)
{
	const struct datapath_view *view = agent_view(agent);
	const struct route_service *route = service->route;
	const struct compiled_split *split = &agent_live(agent)->splits[service->split_index];
	unsigned int counts[STEER_SPLIT_CHOICES];
	Steerd__V1__ShareStatus *shares;
	uint64_t sum = 0;

	split_count(&view->splits[agent_bank(agent) * view->split_slots + service->split_index],
		    counts);
	for (size_t i = 0; i < route->split_n; i++)
		sum += route->split[i].weight;
	status->n_shares = route->split_n;
	ARENA_LIST(arena, route->split_n, steerd__v1__share_status__init, shares, status->shares);
	for (size_t i = 0; i < route->split_n; i++) {
		shares[i].stack = route->split[i].stack;
		shares[i].weight = route->split[i].weight;
		shares[i].wanted_share = (double)route->split[i].weight / (double)sum;
		shares[i].table_share = (double)counts[i] / STEER_SPLIT_SLOTS;
		shares[i].new_flows = agent_share_flows(agent, service->choice[i].share);
		fill_failover(arena, split, i, &shares[i]);
	}
}

static void fill_service(struct arena *arena, const struct agent *agent,
			 const struct compiled_service *service, Steerd__V1__ServiceStatus *status)
{
	const struct route_service *route = service->route;
	struct traffic traffic;

	agent_service_traffic(agent, service->slot, &traffic);
	status->name = route->name;
	status->protocol = route->protocol == PROTOCOL_UDP ? STEERD__V1__PROTOCOL__PROTOCOL_UDP
							   : STEERD__V1__PROTOCOL__PROTOCOL_TCP;
	status->packets = traffic.packets;
	status->bytes = traffic.bytes;
	status->n_vips = route->vips_n;
	status->vips = arena_calloc(arena, route->vips_n, sizeof(*status->vips));
	for (size_t i = 0; i < route->vips_n; i++)
		status->vips[i] = arena_address(arena, &route->vips[i].address);
	status->n_ports = route->ports_n;
	status->ports = arena_calloc(arena, route->ports_n, sizeof(*status->ports));
	for (size_t i = 0; i < route->ports_n; i++)
		status->ports[i] = route->ports[i];
	fill_shares(arena, agent, service, status);
	status->n_failover = route->failover_n;
	status->failover = arena_calloc(arena, route->failover_n, sizeof(*status->failover));
	for (size_t i = 0; i < route->failover_n; i++)
		status->failover[i] = route->failover[i].stack;
	status->panic_percent = route->panic_percent;
	status->panic = agent_live(agent)->splits[service->split_index].panic;
}

static uint64_t left_ms(uint64_t unix_ms)
{
	uint64_t now = util_unix_ms();

	return unix_ms > now ? unix_ms - now : 0;
}

static void fill_order(const struct agent *agent, const struct compiled_stack *stack, size_t i,
		       const struct health_order *order, Steerd__V1__BackendStatus *status)
{
	struct agent_order_times times;
	struct agent_drain drain;

	agent_order_times(agent, stack->route, i, &times);
	agent_drain_look(agent, stack->slots[i], &drain);
	status->override = api_override_to_proto(order->override);
	status->view_left_ms = order->by_controller ? left_ms(times.expires_unix_ms) : 0;
	if (order->override != HEALTH_OVERRIDE_DRAIN)
		return;
	status->drain_left_ms = left_ms(times.deadline_unix_ms);
	status->drain_over = order->over;
	status->flows = drain.flows;
	status->silent_flows = drain.silent_flows;
	status->flows_counted_unix_ms = drain.counted_unix_ms;
}

static void fill_backend(struct arena *arena, const struct agent *agent,
			 const struct compiled_stack *stack, size_t i,
			 Steerd__V1__BackendStatus *status)
{
	const struct route_stack *route = stack->route;
	struct backend_view look;

	backends_look(agent_backends(agent), stack->slots[i], &look);
	if (!look.reason[0] && look.breaker[0])
		look.reason = arena_take(arena, util_strdup(look.breaker));
	status->address = route->backends_n ? arena_address(arena, &route->backends[i].address)
					    : (char *)"local";
	status->weight = route->backends_n ? route->backends[i].weight : 1;
	status->up = look.takes_new;
	status->reason = (char *)look.reason;
	status->since_unix_ms = look.since_unix_ms;
	status->packets = look.packets;
	status->bytes = look.bytes;
	status->next_hop = (char *)look.next_hop;
	status->part = look.part;
	status->slow = (char *)look.slow;
	status->slow_start_left_ms = look.ramp_left_ms;
	fill_order(agent, stack, i, &look.order, status);
	status->check = arena_take(arena,
				   backends_check_text(agent_backends(agent), stack->slots[i]));
	status->syns_unanswered = telemetry_syns_unanswered(agent_telemetry(agent),
							    stack->slots[i]);
}

static void fill_stack(struct arena *arena, const struct agent *agent, size_t index,
		       Steerd__V1__StackStatus *status)
{
	const struct compiled_stack *stack = &agent_live(agent)->stacks[index];
	Steerd__V1__BackendStatus *backends;

	status->name = stack->route->name;
	status->stage = (Steerd__V1__Stage)stack->route->stage;
	status->forward = (Steerd__V1__Forward)(stack->route->forward + 1);
	status->up = agent_view(agent)->stacks[agent_bank(agent) * STEER_STACKS + index].up;
	status->n_backends = stack->slots_n;
	ARENA_LIST(arena, stack->slots_n, steerd__v1__backend_status__init, backends,
		   status->backends);
	for (size_t i = 0; i < stack->slots_n; i++)
		fill_backend(arena, agent, stack, i, &backends[i]);
}

static void fill_counters(struct arena *arena, const struct agent *agent,
			  Steerd__V1__GetStatusResponse *response)
{
	Steerd__V1__Counter *counters;
	uint64_t value;
	size_t n = 0;

	while (agent_counter(agent, n, &value))
		n++;
	ARENA_LIST(arena, n, steerd__v1__counter__init, counters, response->counters);
	response->n_counters = n;
	for (size_t i = 0; i < n; i++) {
		counters[i].name = (char *)agent_counter(agent, i, &value);
		counters[i].value = value;
	}
}

static void fill_interfaces(struct arena *arena, const struct agent *agent,
			    Steerd__V1__GetStatusResponse *response)
{
	const struct agent_interface *from;
	Steerd__V1__InterfaceStatus *to;

	response->n_interfaces = agent_interfaces(agent, &from);
	ARENA_LIST(arena, response->n_interfaces, steerd__v1__interface_status__init, to,
		   response->interfaces);
	for (size_t i = 0; i < response->n_interfaces; i++) {
		to[i].name = (char *)from[i].name;
		to[i].mode = (char *)from[i].mode;
		to[i].role = (char *)from[i].role;
	}
}

static void fill_routes(struct arena *arena, const struct agent *agent,
			Steerd__V1__GetStatusResponse *response)
{
	const struct compiled *live = agent_live(agent);
	Steerd__V1__ServiceStatus *services;
	Steerd__V1__StackStatus *stacks;

	if (!live)
		return;
	response->n_services = live->routes->services_n;
	ARENA_LIST(arena, response->n_services, steerd__v1__service_status__init, services,
		   response->services);
	for (size_t i = 0; i < response->n_services; i++)
		fill_service(arena, agent, &live->services[i], &services[i]);
	response->n_stacks = live->routes->stacks_n;
	ARENA_LIST(arena, response->n_stacks, steerd__v1__stack_status__init, stacks,
		   response->stacks);
	for (size_t i = 0; i < response->n_stacks; i++)
		fill_stack(arena, agent, i, &stacks[i]);
}

void api_get_status(struct rpc_call *call, const Steerd__V1__GetStatusRequest *request,
		    void *userdata)
{
	Steerd__V1__GetStatusResponse response = STEERD__V1__GET_STATUS_RESPONSE__INIT;
	const struct agent *agent = userdata;
	struct arena arena = {};
	struct agent_info info;

	agent_info(agent, &info);
	response.node = (char *)info.node;
	response.program_version = (char *)STEER_VERSION;
	response.version = info.version;
	response.applied_unix_ms = info.applied_unix_ms;
	response.applied_by = (char *)info.applied_by;
	response.previous_version = info.previous_version;
	response.started_unix_ms = info.started_unix_ms;
	response.persist_error = (char *)info.persist_error;
	response.sample_one_in = telemetry_sampling(agent_telemetry(agent));
	fill_interfaces(&arena, agent, &response);
	fill_routes(&arena, agent, &response);
	fill_counters(&arena, agent, &response);
	if (request->routes && agent_live(agent))
		response.routes = routes_to_proto(agent_live(agent)->routes);
	rpc_reply_agent_service_get_status(call, &response);
	routes_proto_free(response.routes);
	arena_clear(&arena);
}

/* The flow that the request names; -EINVAL with the call refused. */
static int read_tuple(struct rpc_call *call, const Steerd__V1__ExplainRequest *request,
		      struct flow_tuple *ret)
{
	struct address client, vip;

	if (address_parse(request->client, &client) || address_parse(request->vip, &vip)) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      "client '%s' and vip '%s' have to be IP addresses", request->client,
			      request->vip);
		return -EINVAL;
	}
	if (address_is_ipv4(&client) != address_is_ipv4(&vip)) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      "client %s and vip %s are not of one family", request->client,
			      request->vip);
		return -EINVAL;
	}
	if (request->client_port > 65535 || request->vip_port > 65535 || !request->vip_port) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      "client_port is 0 to 65535, vip_port 1 to 65535");
		return -EINVAL;
	}
	if (request->protocol != STEERD__V1__PROTOCOL__PROTOCOL_TCP &&
	    request->protocol != STEERD__V1__PROTOCOL__PROTOCOL_UDP) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      "protocol has to be PROTOCOL_TCP or PROTOCOL_UDP");
		return -EINVAL;
	}
	*ret = (struct flow_tuple){
		.sport_be = htons((uint16_t)request->client_port),
		.dport_be = htons((uint16_t)request->vip_port),
		.protocol = request->protocol == STEERD__V1__PROTOCOL__PROTOCOL_UDP ? PROTOCOL_UDP
										    : PROTOCOL_TCP,
		.family = address_is_ipv4(&vip) ? 4 : 6};
	memcpy(ret->src_be, client.bytes, sizeof(ret->src_be));
	memcpy(ret->dst_be, vip.bytes, sizeof(ret->dst_be));
	return 0;
}

void api_explain(struct rpc_call *call, const Steerd__V1__ExplainRequest *request, void *userdata)
{
	Steerd__V1__ExplainResponse response = STEERD__V1__EXPLAIN_RESPONSE__INIT;
	Steerd__V1__ExplainStage stages[EXPLAIN_STAGES_MAX], *pointers[EXPLAIN_STAGES_MAX];
	char backend[ADDRESS_TEXT_MAX];
	struct explanation explanation;
	struct flow_tuple tuple;

	if (read_tuple(call, request, &tuple))
		return;
	explain_packet(agent_view(userdata), agent_live(userdata), &tuple, &explanation);
	if (request->service[0] && strcmp(request->service, explanation.service)) {
		rpc_call_fail(call, RPC_CODE_NOT_FOUND,
			      "%s port %u is not a VIP of service '%s'%s%s", request->vip,
			      request->vip_port, request->service,
			      explanation.service[0] ? " but of " : "", explanation.service);
		return;
	}
	for (size_t i = 0; i < explanation.stages_n; i++) {
		steerd__v1__explain_stage__init(&stages[i]);
		stages[i].name = (char *)explanation.stages[i].name;
		stages[i].verdict = explanation.stages[i].verdict;
		pointers[i] = &stages[i];
	}
	response.stages = pointers;
	response.n_stages = explanation.stages_n;
	response.reason = (char *)explain_reason_name(explanation.reason);
	response.service = explanation.service;
	response.stack = explanation.stack;
	if (explanation.has_backend)
		response.backend = (char *)address_text(&explanation.backend, backend);
	rpc_reply_agent_service_explain(call, &response);
}
