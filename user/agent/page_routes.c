/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The families of the live routes: services, their splits, and all packets and flows to backends. */
#include "agent/metrics_page.h"

#include "common/util.h"

enum service_number { SERVICE_PACKETS, SERVICE_BYTES, SERVICE_PANIC };

static bool step_service(struct metrics_out *out, const struct page_family *family,
			 const struct metrics_source *source, struct page_position *at)
{
	const struct compiled *live = agent_live(source->agent);
	int what = family->part[0].what;
	struct traffic traffic;
	size_t i, j;

	if (!live || !routes_walk_next(WALK_SERVICES, live, &at->routes, &i, &j))
		return false;
	if (what == SERVICE_PANIC) {
		metrics_gauge(out, live->splits[live->services[i].split_index].panic,
			      METRIC_LABELS({"service", live->services[i].route->name}));
		return true;
	}
	agent_service_traffic(source->agent, live->services[i].slot, &traffic);
	metrics_count(out, what == SERVICE_PACKETS ? traffic.packets : traffic.bytes,
		      METRIC_LABELS({"service", live->services[i].route->name}));
	return true;
}

static bool step_new_flows(struct metrics_out *out, const struct page_family *family,
			   const struct metrics_source *source, struct page_position *at)
{
	const struct compiled *live = agent_live(source->agent);
	size_t i, j;

	(void)family;
	if (!live || !routes_walk_next(WALK_SPLITS, live, &at->routes, &i, &j))
		return false;
	metrics_count(out, agent_share_flows(source->agent, live->services[i].choice[j].share),
		      METRIC_LABELS({"service", live->services[i].route->name},
				    {"stack", live->services[i].route->split[j].stack}));
	return true;
}

static bool step_split_ratio(struct metrics_out *out, const struct page_family *family,
			     const struct metrics_source *source, struct page_position *at)
{
	const struct compiled *live = agent_live(source->agent);
	const struct route_service *service;
	uint64_t sum = 0;
	size_t i, j;

	(void)family;
	if (!live || !routes_walk_next(WALK_SPLITS, live, &at->routes, &i, &j))
		return false;
	service = live->services[i].route;
	for (size_t k = 0; k < service->split_n; k++)
		sum += service->split[k].weight;
	metrics_gauge(
		out, sum ? (double)service->split[j].weight / (double)sum : 0,
		METRIC_LABELS({"service", service->name}, {"stack", service->split[j].stack}));
	return true;
}

static bool step_stack_up(struct metrics_out *out, const struct page_family *family,
			  const struct metrics_source *source, struct page_position *at)
{
	const struct compiled *live = agent_live(source->agent);
	size_t i, j;

	(void)family;
	if (!live || !routes_walk_next(WALK_STACKS, live, &at->routes, &i, &j))
		return false;
	metrics_gauge(out, live->stacks[i].health.healthy > 0,
		      METRIC_LABELS({"stack", live->stacks[i].route->name}));
	return true;
}

static const char *backend_text(const struct compiled *live, size_t i, size_t j,
				char text[ADDRESS_TEXT_MAX])
{
	const struct route_stack *stack = live->stacks[i].route;

	return stack->backends_n ? address_text(&stack->backends[j].address, text) : "local";
}

enum backend_number {
	BACKEND_PACKETS,
	BACKEND_BYTES,
	BACKEND_UP,
	BACKEND_BREAKER,
	BACKEND_PART,
	BACKEND_FAILOVERS
};

static uint64_t backend_count(const struct backend_view *look, enum backend_number what)
{
	switch (what) {
	case BACKEND_PACKETS:
		return look->packets;
	case BACKEND_BYTES:
		return look->bytes;
	default:
		return look->failovers;
	}
}

static bool step_backend(struct metrics_out *out, const struct page_family *family,
			 const struct metrics_source *source, struct page_position *at)
{
	const struct compiled *live = agent_live(source->agent);
	char text[ADDRESS_TEXT_MAX];
	const struct metric_labels *labels;
	struct backend_view look;
	enum backend_number what = (enum backend_number)family->part[0].what;
	size_t i, j;

	if (!live || !routes_walk_next(WALK_BACKENDS, live, &at->routes, &i, &j))
		return false;
	backends_look(agent_backends(source->agent), live->stacks[i].slots[j], &look);
	labels = METRIC_LABELS({"stack", live->stacks[i].route->name},
			       {"backend", backend_text(live, i, j, text)});
	if (what == BACKEND_UP)
		metrics_gauge(out, look.takes_new, labels);
	else if (what == BACKEND_BREAKER)
		metrics_gauge(out, look.breaker[0] != 0, labels);
	else if (what == BACKEND_PART)
		metrics_gauge(out, look.part, labels);
	else
		metrics_count(out, backend_count(&look, what), labels);
	return true;
}

#define SYNS_UNANSWERED FLOW_COUNT_MAX /* beside the numbers of enum flow_count */

static bool step_flow_counts(struct metrics_out *out, const struct page_family *family,
			     const struct metrics_source *source, struct page_position *at)
{
	const struct compiled *live = agent_live(source->agent);
	uint64_t counts[FLOW_COUNT_MAX + 1];
	char text[ADDRESS_TEXT_MAX];
	size_t i, j;

	if (!live || !source->telemetry ||
	    !routes_walk_next(WALK_BACKENDS, live, &at->routes, &i, &j))
		return false;
	telemetry_flows(source->telemetry, live->stacks[i].slots[j], counts);
	if (family->part[0].what == SYNS_UNANSWERED)
		counts[SYNS_UNANSWERED] = telemetry_syns_unanswered(source->telemetry,
								    live->stacks[i].slots[j]);
	for (size_t k = 0; k < (family->label ? 2 : 1); k++)
		metrics_count(out, counts[family->part[k].what],
			      METRIC_LABELS({"stack", live->stacks[i].route->name},
					    {"backend", backend_text(live, i, j, text)},
					    {family->label ? family->label : "when",
					     family->part[k].value}));
	return true;
}

/* clang-format off */
static const struct page_family families[] = {
	{{"steerd_service_packets_total", METRIC_COUNTER,
	  "Packets of known services, by the service's VIP."},
	 step_service, .part = {{SERVICE_PACKETS}}},
	{{"steerd_service_bytes_total", METRIC_COUNTER,
	  "Bytes of known services from the IP header on, by the service's VIP."},
	 step_service, .part = {{SERVICE_BYTES}}},
	{{"steerd_panic", METRIC_GAUGE,
	  "Whether all of the service's stacks are out, and health is ignored: 1 or 0."},
	 step_service, .part = {{SERVICE_PANIC}}},
	{{"steerd_new_flows_total", METRIC_COUNTER,
	  "Flows first seen, by the stack that the split gave them."},
	 step_new_flows, .label = NULL},
	{{"steerd_split_ratio", METRIC_GAUGE,
	  "The share of a service's clients that its split gives to the stack, 0 to 1."},
	 step_split_ratio, .label = NULL},
	{{"steerd_stack_up", METRIC_GAUGE, "Whether a backend of the stack takes new flows: 1 or 0."},
	 step_stack_up, .label = NULL},
	{{"steerd_packets_total", METRIC_COUNTER, "Packets sent to a backend."},
	 step_backend, .part = {{BACKEND_PACKETS}}},
	{{"steerd_bytes_total", METRIC_COUNTER,
	  "Bytes sent to a backend, from the client's IP header on."},
	 step_backend, .part = {{BACKEND_BYTES}}},
	{{"steerd_backend_up", METRIC_GAUGE, "Whether the backend takes new flows: 1 or 0."},
	 step_backend, .part = {{BACKEND_UP}}},
	{{"steerd_breaker_open", METRIC_GAUGE,
	  "Whether the kernel gives the backend no new flows though health would: 1 or 0."},
	 step_backend, .part = {{BACKEND_BREAKER}}},
	{{"steerd_backend_part_ratio", METRIC_GAUGE,
	  "What a backend has of its share of new flows: less than 1 in its slow start, or if slow."},
	 step_backend, .part = {{BACKEND_PART}}},
	{{"steerd_failovers_total", METRIC_COUNTER,
	  "Times that health checks or a lost next hop took the backend out of new flows."},
	 step_backend, .part = {{BACKEND_FAILOVERS}}},
	{{"steerd_syns_total", METRIC_COUNTER, "TCP: SYNs that began a flow."},
	 step_flow_counts, .part = {{FLOW_COUNT_syns}}},
	{{"steerd_syn_retransmits_total", METRIC_COUNTER,
	  "TCP: SYNs that clients repeated while nothing had come back."},
	 step_flow_counts, .part = {{FLOW_COUNT_syn_retransmits}}},
	{{"steerd_handshakes_total", METRIC_COUNTER, "TCP: handshakes that clients completed."},
	 step_flow_counts, .part = {{FLOW_COUNT_handshakes}}},
	{{"steerd_syn_unanswered_total", METRIC_COUNTER,
	  "TCP: SYNs that no handshake followed within 8 seconds."},
	 step_flow_counts, .part = {{SYNS_UNANSWERED}}},
	{{"steerd_client_resets_total", METRIC_COUNTER,
	  "TCP: RSTs from clients, while connecting and in connected flows."},
	 step_flow_counts, "when", {{FLOW_COUNT_resets_connecting, "connecting"},
				    {FLOW_COUNT_resets, "connected"}}},
	{{"steerd_client_closes_total", METRIC_COUNTER, "TCP: flows that clients closed with a FIN."},
	 step_flow_counts, .part = {{FLOW_COUNT_fins}}},
	{{"steerd_tunnel_icmp_errors_total", METRIC_COUNTER,
	  "ICMP errors about packets of a backend's flows, and about tunnels to it."},
	 step_flow_counts, .part = {{FLOW_COUNT_icmp_errors}}},
	{{"steerd_taken_over_flows_total", METRIC_COUNTER, "TCP: flows first met in their middle."},
	 step_flow_counts, .part = {{FLOW_COUNT_taken_over}}},
};
/* clang-format on */

const struct page_table page_routes_table = {families, ARRAY_SIZE(families)};
