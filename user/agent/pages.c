/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/pages.h"

#include "agent/metrics.h"
#include "common/util.h"

static void service_metrics(FILE *out, const struct agent *agent, const struct compiled *live)
{
	struct traffic traffic;

	metrics_family(out, "steerd_service_packets_total", METRIC_COUNTER,
		       "Packets of known services, by the service's VIP.");
	for (size_t i = 0; i < live->routes->services_n; i++) {
		agent_service_traffic(agent, live->services[i].slot, &traffic);
		metrics_count(out, "steerd_service_packets_total", traffic.packets, "service",
			      live->services[i].route->name, NULL);
	}
	metrics_family(out, "steerd_service_bytes_total", METRIC_COUNTER,
		       "Bytes of known services from the IP header on, by the service's VIP.");
	for (size_t i = 0; i < live->routes->services_n; i++) {
		agent_service_traffic(agent, live->services[i].slot, &traffic);
		metrics_count(out, "steerd_service_bytes_total", traffic.bytes, "service",
			      live->services[i].route->name, NULL);
	}
	metrics_family(out, "steerd_new_flows_total", METRIC_COUNTER,
		       "Flows first seen, by the stack that the split gave them.");
	for (size_t i = 0; i < live->routes->services_n; i++) {
		const struct compiled_service *service = &live->services[i];

		for (size_t j = 0; j < service->route->split_n; j++)
			metrics_count(out, "steerd_new_flows_total",
				      agent_share_flows(agent, service->choice[j].share), "service",
				      service->route->name, "stack", service->route->split[j].stack,
				      NULL);
	}
}

enum backend_metric { BACKEND_PACKETS, BACKEND_BYTES, BACKEND_UP };

static void backend_metric(FILE *out, const struct agent *agent, const struct compiled *live,
			   const char *name, enum backend_metric which)
{
	char address[ADDRESS_TEXT_MAX];
	struct backend_view look;

	for (size_t s = 0; s < live->routes->stacks_n; s++) {
		const struct compiled_stack *stack = &live->stacks[s];

		for (size_t i = 0; i < stack->slots_n; i++) {
			const char *text = "local";
			uint64_t value;

			if (stack->route->backends_n)
				text = address_text(&stack->route->backends[i].address, address);
			backends_look(agent_backends(agent), stack->slots[i], &look);
			value = which == BACKEND_PACKETS ? look.packets
				: which == BACKEND_BYTES ? look.bytes
							 : look.takes_new;
			metrics_count(out, name, value, "stack", stack->route->name, "backend",
				      text, NULL);
		}
	}
}

static void backend_metrics(FILE *out, const struct agent *agent, const struct compiled *live)
{
	metrics_family(out, "steerd_packets_total", METRIC_COUNTER, "Packets sent to a backend.");
	backend_metric(out, agent, live, "steerd_packets_total", BACKEND_PACKETS);
	metrics_family(out, "steerd_bytes_total", METRIC_COUNTER,
		       "Bytes sent to a backend, from the client's IP header on.");
	backend_metric(out, agent, live, "steerd_bytes_total", BACKEND_BYTES);
	metrics_family(out, "steerd_backend_up", METRIC_GAUGE,
		       "Whether the backend takes new flows: 1 or 0.");
	backend_metric(out, agent, live, "steerd_backend_up", BACKEND_UP);
}

static void reason_metrics(FILE *out, const struct agent *agent)
{
	const char *name;
	uint64_t value;

	metrics_family(out, "steerd_drops_total", METRIC_COUNTER,
		       "Packets for a VIP that were dropped.");
	for (size_t i = 0; i < REASON_MAX && (name = agent_counter(agent, i, &value)); i++)
		if (i >= REASON_FRAGMENT)
			metrics_count(out, "steerd_drops_total", value, "reason", name, NULL);
	metrics_family(out, "steerd_reasons_total", METRIC_COUNTER,
		       "Packets by the reason with which they left the datapath.");
	for (size_t i = 0; i < REASON_MAX && (name = agent_counter(agent, i, &value)); i++)
		metrics_count(out, "steerd_reasons_total", value, "reason", name, NULL);
	metrics_family(out, "steerd_flow_table_events_total", METRIC_COUNTER,
		       "What happened to flows on the way: inserts, evictions, moves, re-picks.");
	for (size_t i = REASON_MAX; i < STEER_COUNTERS; i++) {
		name = agent_counter(agent, i, &value);
		metrics_count(out, "steerd_flow_table_events_total", value, "event", name, NULL);
	}
	if (!agent_counter(agent, STEER_COUNTERS, &value))
		return;
	metrics_family(out, "steerd_decap_packets_total", METRIC_COUNTER,
		       "Packets that met the decapsulator, by what became of them.");
	for (size_t i = STEER_COUNTERS; (name = agent_counter(agent, i, &value)); i++)
		metrics_count(out, "steerd_decap_packets_total", value, "reason",
			      name + strlen("decap_"), NULL);
}

static int render_metrics(void *userdata, FILE *out)
{
	const struct agent *agent = userdata;
	const struct compiled *live = agent_live(agent);
	struct agent_info info;

	agent_info(agent, &info);
	metrics_family(out, "steerd_config_version", METRIC_GAUGE, "Version of the live routes.");
	metrics_gauge(out, "steerd_config_version", (double)info.version, NULL);
	metrics_family(out, "steerd_config_saved", METRIC_GAUGE,
		       "Whether the live routes are saved for the next start: 1 or 0.");
	metrics_gauge(out, "steerd_config_saved", !info.persist_error[0], NULL);
	reason_metrics(out, agent);
	if (live) {
		service_metrics(out, agent, live);
		backend_metrics(out, agent, live);
	}
	return 200;
}

static int render_healthz(void *userdata, FILE *out)
{
	(void)userdata;
	fputs("ok\n", out);
	return 200;
}

static int render_readyz(void *userdata, FILE *out)
{
	bool ready = agent_is_ready(userdata);

	fputs(ready ? "ready\n" : "starting: waiting for the first health checks\n", out);
	return ready ? 200 : 503;
}

int pages_serve(sd_event *loop, const struct node_config *config, struct agent *agent,
		struct http **ret)
{
	const struct http_page pages[] = {
		{"/metrics", NULL, render_metrics, agent},
		{"/healthz", "text/plain", render_healthz, agent},
		{"/readyz", "text/plain", render_readyz, agent},
	};

	*ret = NULL;
	if (!config->http.text)
		return 0;
	return http_new(loop, &config->http, pages, ARRAY_SIZE(pages), NULL, ret);
}
