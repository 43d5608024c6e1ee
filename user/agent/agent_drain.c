/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* While backends drain: how many flows they still have, counted once a second. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <time.h>

#include "common/util.h"

#define SLICE_EVERY_US 2000
#define COUNT_EVERY_MS 1000
#define EMPTY_EVERY_MS 10000 /* no flows are left, but the order stands */

/* Of the kernel's jiffies, which begin so long before they would overflow 32 bits. */
#define JIFFIES_BEGIN_S 300

static uint64_t jiffy_ns(void)
{
	struct timespec coarse;

	clock_getres(CLOCK_MONOTONIC_COARSE, &coarse);
	return (uint64_t)coarse.tv_nsec + (coarse.tv_nsec == 0);
}

/* What bpf_jiffies64() >> FLOW_TICK_SHIFT is now, give or take one. */
static uint16_t tick_now(void)
{
	uint64_t jiffy = jiffy_ns(), hz = (1000000000 + jiffy / 2) / jiffy;
	uint64_t jiffies = (uint32_t) - (JIFFIES_BEGIN_S * hz) + util_now_ms() * 1000000 / jiffy;

	return (uint16_t)(jiffies >> FLOW_TICK_SHIFT);
}

static bool is_draining(const struct agent *agent, uint32_t slot)
{
	struct backend_view look;

	backends_look(agent->backends, slot, &look);
	return look.order.override == HEALTH_OVERRIDE_DRAIN;
}

/* Orders that drain a stack of the live routes. */
static bool any_drains(const struct agent *agent)
{
	const struct compiled *live = agent_live(agent);

	for (size_t i = 0; live && i < agent->orders.n; i++)
		if (agent->orders.items[i].override == HEALTH_OVERRIDE_DRAIN &&
		    routes_find_stack(live->routes, agent->orders.items[i].stack))
			return true;
	return false;
}

static uint64_t flows_left(const struct agent *agent)
{
	const struct compiled *live = agent_live(agent);
	uint64_t sum = 0;

	for (size_t s = 0; live && s < live->routes->stacks_n; s++)
		for (size_t i = 0; i < live->stacks[s].slots_n; i++)
			if (is_draining(agent, live->stacks[s].slots[i]))
				sum += census_flows(agent->census, live->stacks[s].slots[i]).flows;
	return sum;
}

/* By slot: no TCP service of the live routes has it. */
static bool *find_udp_only(const struct agent *agent)
{
	const struct compiled *live = agent_live(agent);
	bool *udp_only = util_calloc(agent->view->backend_slots, sizeof(bool));

	memset(udp_only, true, agent->view->backend_slots * sizeof(bool));
	for (size_t s = 0; live && s < live->routes->services_n; s++) {
		const struct compiled_service *service = &live->services[s];

		for (size_t i = 0; i < service->route->split_n; i++) {
			const struct compiled_stack *stack =
				&live->stacks[service->choice[i].stack];

			for (size_t j = 0;
			     service->route->protocol == PROTOCOL_TCP && j < stack->slots_n; j++)
				udp_only[stack->slots[j]] = false;
		}
	}
	return udp_only;
}

static void begin_count(struct agent *agent)
{
	CLEANUP_FREE bool *udp_only = find_udp_only(agent);

	census_begin(agent->census, tick_now(), udp_only);
	agent->census_runs = true;
	agent->census_began_ms = util_unix_ms();
}

static int on_census(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	uint64_t next_us = SLICE_EVERY_US;

	(void)usec;
	if (!agent->census_runs && !any_drains(agent))
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (!agent->census_runs)
		begin_count(agent);
	if (census_go_on(agent->census)) {
		agent->census_runs = false;
		agent->counted_unix_ms = agent->census_began_ms;
		next_us = 1000ULL * (flows_left(agent) ? COUNT_EVERY_MS : EMPTY_EVERY_MS);
	}
	sd_event_source_set_time_relative(source, next_us);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int agent_drain_start(struct agent *agent)
{
	int err;

	agent->census = census_new(agent->view, jiffy_ns() << FLOW_TICK_SHIFT);
	err = sd_event_add_time_relative(agent->loop, &agent->census_timer, CLOCK_MONOTONIC, 0, 1,
					 on_census, agent);
	return err < 0 ? err : 0;
}

void agent_drain_count(struct agent *agent)
{
	if (agent->census_runs || !any_drains(agent))
		return;
	sd_event_source_set_time_relative(agent->census_timer, 0);
	sd_event_source_set_enabled(agent->census_timer, SD_EVENT_ONESHOT);
}

void agent_drain_look(const struct agent *agent, uint32_t slot, struct agent_drain *ret)
{
	const struct census_flows flows = census_flows(agent->census, slot);

	*ret = (struct agent_drain){};
	if (!is_draining(agent, slot) || !agent->counted_unix_ms)
		return;
	ret->flows = flows.flows;
	ret->silent_flows = flows.silent;
	ret->counted_unix_ms = agent->counted_unix_ms;
}
