/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading the agent's state and the datapath's counters. */
#include "agent/agent_internal.h"

#include "common/util.h"

bool agent_is_ready(const struct agent *agent)
{
	return agent->ready;
}

const struct compiled *agent_live(const struct agent *agent)
{
	return agent->compiled[agent_bank(agent)];
}

unsigned int agent_bank(const struct agent *agent)
{
	return agent->view->control->active & (STEER_BANKS - 1);
}

const struct datapath_view *agent_view(const struct agent *agent)
{
	return agent->view;
}

const struct bank_slots *agent_slots(const struct agent *agent)
{
	return &agent->slots;
}

const struct backends *agent_backends(const struct agent *agent)
{
	return agent->backends;
}

struct events *agent_events(const struct agent *agent)
{
	return agent->events;
}

struct telemetry *agent_telemetry(const struct agent *agent)
{
	return agent->telemetry;
}

uint64_t agent_detected(const struct agent *agent, enum detect_verdict verdict)
{
	return detector_total(agent->detector, verdict);
}

sd_event *agent_loop(const struct agent *agent)
{
	return agent->loop;
}

void agent_info(const struct agent *agent, struct agent_info *ret)
{
	const struct compiled *live = agent_live(agent);
	const struct compiled *before = agent->compiled[agent_idle_bank(agent)];

	*ret = (struct agent_info){.node = agent->config->node,
				   .version = live ? live->version : 0,
				   .applied_unix_ms = agent->applied_unix_ms,
				   .applied_by = agent->applied_by ? agent->applied_by : "",
				   .tag = agent->tag ? agent->tag : "",
				   .previous_version = before ? before->version : 0,
				   .started_unix_ms = agent->started_unix_ms,
				   .persist_error = state_error(agent->state)};
}

size_t agent_interfaces(const struct agent *agent, const struct agent_interface **ret)
{
	*ret = agent->interfaces;
	return agent->interfaces_n;
}

/* One of the datapath's counters, summed over CPUs; NULL past the last. */
static const char *steer_counter(const struct agent *agent, size_t i, uint64_t *ret_value)
{
	static const struct {
		const char *name;
		size_t offset;
	} counters[] = {
#define X(name, NAME) {#name, offsetof(struct reasons, name)},
		STEER_REASONS(X)
#undef X
#define X(name) {#name, offsetof(struct reasons, name)},
			STEER_NOTES(X)
#undef X
	};

	if (i >= ARRAY_SIZE(counters))
		return NULL;
	*ret_value = 0;
	for (uint32_t cpu = 0; cpu < agent->view->cpus; cpu++) {
		const char *line = (const char *)&agent->view->reasons[cpu];
		const uint64_t *counter = (const void *)(line + counters[i].offset);

		*ret_value += __atomic_load_n(counter, __ATOMIC_RELAXED);
	}
	return counters[i].name;
}

static const char *decap_counter(const struct agent *agent, size_t i, uint64_t *ret_value)
{
	static const char *const names[] = {
#define X(name, NAME) "decap_" #name,
		DECAP_REASONS(X)
#undef X
	};
	struct decap_reasons reasons;

	if (!agent->decap || i >= ARRAY_SIZE(names))
		return NULL;
	decap_count(agent->decap, &reasons);
	*ret_value = (&reasons.decapsulated)[i];
	return names[i];
}

const char *agent_counter(const struct agent *agent, size_t i, uint64_t *ret_value)
{
	const char *name = steer_counter(agent, i, ret_value);
	uint64_t unused;
	size_t n = 0;

	if (name)
		return name;
	while (steer_counter(agent, n, &unused))
		n++;
	return decap_counter(agent, i - n, ret_value);
}

void agent_service_traffic(const struct agent *agent, uint32_t slot, struct traffic *ret)
{
	const struct datapath_view *view = agent->view;

	*ret = (struct traffic){};
	for (uint32_t cpu = 0; cpu < view->cpus; cpu++) {
		const struct traffic *t = &view->service_counters[cpu * view->service_slots + slot];

		ret->packets += __atomic_load_n(&t->packets, __ATOMIC_RELAXED);
		ret->bytes += __atomic_load_n(&t->bytes, __ATOMIC_RELAXED);
	}
}

uint64_t agent_share_flows(const struct agent *agent, uint32_t share)
{
	const struct datapath_view *view = agent->view;
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < view->cpus; cpu++)
		sum += __atomic_load_n(
			&view->share_counters[cpu * view->share_slots + share].new_flows,
			__ATOMIC_RELAXED);
	return sum;
}
