/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changing what is live: routes, splits, rollback, health overrides. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "common/log.h"
#include "common/util.h"

#define GRACE_US 100000 /* far longer than a packet can be in the program */

static void on_backend_freed(uint32_t slot, void *userdata)
{
	struct agent *agent = userdata;

	backends_release(agent->backends, slot);
}

void agent_release_adopted(struct agent *agent)
{
	slots_release(agent->slots.backends, OWNER_ADOPTED, on_backend_freed, agent);
	slots_release(agent->slots.services, OWNER_ADOPTED, NULL, NULL);
	slots_release(agent->slots.shares, OWNER_ADOPTED, NULL, NULL);
	telemetry_release_adopted(agent->telemetry);
}

/* A service's or a share's next owner counts from zero. */
static void on_service_freed(uint32_t slot, void *userdata)
{
	const struct datapath_view *view = ((struct agent *)userdata)->view;

	for (uint32_t cpu = 0; cpu < view->cpus; cpu++)
		view->service_counters[cpu * view->service_slots + slot] = (struct traffic){};
}

static void on_share_freed(uint32_t slot, void *userdata)
{
	const struct agent *agent = userdata;
	const struct datapath_view *view = agent->view;

	for (uint32_t cpu = 0; cpu < view->cpus; cpu++)
		view->share_counters[cpu * view->share_slots + slot] = (struct share){};
	telemetry_share_freed(agent->telemetry, slot);
}

/* The same address and stack under another forwarding mode: it is as healthy as that. */
static int64_t find_twin(const struct agent *agent, const struct route_stack *stack,
			 const struct address *address)
{
	char key[BANK_KEY_MAX];
	uint32_t slot;

	for (int mode = 0; mode < FORWARD_AS_MAX; mode++) {
		bank_backend_key(stack->name, address, (enum forward)mode, key);
		if (mode != (int)stack->forward &&
		    slots_find(agent->slots.backends, key, &slot) == 0)
			return slot;
	}
	return -1;
}

static void on_fresh_backend(uint32_t slot, const struct route_stack *stack,
			     const struct address *address, void *userdata)
{
	struct agent *agent = userdata;

	backends_claim(agent->backends, slot, stack, address, find_twin(agent, stack, address));
	telemetry_backend_filled(agent->telemetry, slot);
}

/* No packet that began under the bank we are about to write can still be reading it. */
static void wait_for_packets(const struct agent *agent)
{
	if (util_now_us() - agent->activated_us < GRACE_US)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

int agent_install(struct agent *agent, unsigned int bank, struct routes *routes, uint64_t version,
		  struct problems *problems)
{
	struct compiled *before = agent->compiled[bank], *compiled;
	unsigned int owner = 1U << bank;
	int err;

	agent_overlay(agent); /* bank_write() leaves tables alone that both results share */
	slots_release(agent->slots.backends, owner, on_backend_freed, agent);
	slots_release(agent->slots.services, owner, on_service_freed, agent);
	slots_release(agent->slots.shares, owner, on_share_freed, agent);
	err = bank_compile(routes, version, bank, &agent->slots, agent->view,
			   agent->compiled[!bank], on_fresh_backend, agent, &compiled, problems);
	if (!err) {
		wait_for_packets(agent);
		telemetry_set_routes(agent->telemetry, bank, compiled);
		bank_write(agent->view, bank, compiled, before);
	}
	agent->compiled[bank] = err ? NULL : compiled;
	compiled_free(before);
	return err;
}

/* A local stack without a backend list has one backend, which only its stack's order is about. */
const struct address *agent_backend_address(const struct route_stack *stack, size_t i)
{
	static const struct address nowhere;

	return stack->backends_n ? &stack->backends[i].address : &nowhere;
}

static void follow_stack(struct agent *agent, const struct compiled_stack *stack,
			 const struct check_vips *vips)
{
	for (size_t i = 0; i < stack->slots_n; i++) {
		agent->followed[stack->slots[i]] = agent->change;
		backends_follow(agent->backends, stack->slots[i], stack->route, vips,
				agent_backend_address(stack->route, i),
				agent_order_for(agent, stack->route->name,
						agent_backend_address(stack->route, i)));
	}
}

static void drop_gone(struct agent *agent, const struct compiled *was)
{
	for (size_t s = 0; was && s < was->routes->stacks_n; s++)
		for (size_t i = 0; i < was->stacks[s].slots_n; i++)
			if (agent->followed[was->stacks[s].slots[i]] != agent->change)
				backends_drop(agent->backends, was->stacks[s].slots[i]);
}

void agent_switch(struct agent *agent, unsigned int bank)
{
	const struct compiled *was = agent->compiled[!bank], *now = agent->compiled[bank];
	CLEANUP_FREE struct check_vips *vips = util_calloc(now->routes->stacks_n, sizeof(*vips));

	check_vips_collect(now->routes, vips);
	bank_activate(agent->view, bank);
	telemetry_activate(agent->telemetry, bank, now);
	if (agent->detector)
		detector_set_routes(agent->detector, now);
	agent->activated_us = util_now_us();
	agent->change++;
	free(agent->dirty);
	agent->dirty = util_calloc(now->routes->stacks_n, sizeof(*agent->dirty));
	agent_carry_news(was, now);
	for (size_t i = 0; i < now->routes->stacks_n; i++)
		follow_stack(agent, &now->stacks[i], &vips[i]);
	drop_gone(agent, was);
	/* Other routes, other stacks that orders are about. */
	sd_event_source_set_enabled(agent->overlay, SD_EVENT_ONESHOT);
	agent_drain_count(agent);
}

static void replace_text(char **text, const char *with)
{
	free(*text);
	*text = util_strdup(with ? with : "");
}

/* same_routes: what is saved differs in its tag alone. */
static void save_live(struct agent *agent, const struct agent_change *change, bool same_routes)
{
	const struct compiled *live = agent_live(agent);
	const struct saved_routes saved = {.routes = live->routes,
					   .version = live->version,
					   .applied_unix_ms = agent->applied_unix_ms,
					   .by = agent->applied_by,
					   .tag = agent->tag};
	int err = (same_routes ? state_resave_routes : state_save_routes)(
		agent->state, &saved, change->saved, change->userdata);

	if (err && change->saved)
		change->saved(change->userdata, err);
}

/* begun_us: when the change was asked for, by util_now_us(). */
static void note_change(struct agent *agent, const struct agent_change *change,
			const struct plan *plan, uint64_t version, uint64_t begun_us)
{
	agent->version = version;
	agent->applied_unix_ms = util_unix_ms();
	replace_text(&agent->applied_by, change->by);
	replace_text(&agent->tag, change->tag);
	events_add(agent->events, EVENT_ROUTES, NULL, NULL, NULL,
		   "routes version %llu live after %.1f ms, by %s: %s%s",
		   (unsigned long long)version, (double)(agent->activated_us - begun_us) / 1000,
		   change->by, plan->changes_n ? plan->changes[0] : "no change",
		   plan->changes_n > 1 ? ", and more" : "");
	save_live(agent, change, false);
}

/* The routes are what is live already; a controller may have another name for them. */
static void note_same(struct agent *agent, const struct agent_change *change)
{
	if (change->tag && strcmp(change->tag, agent->tag ? agent->tag : "")) {
		replace_text(&agent->tag, change->tag);
		save_live(agent, change, true);
	} else if (change->saved) {
		change->saved(change->userdata, 0);
	}
}

/* Sorts them, too: standbys count among the shares. */
static int check(struct agent *agent, struct routes *routes, struct problems *problems)
{
	struct routes_limits limits;
	size_t shares = 0;
	int err;

	if (!agent->config->interfaces_n) {
		problems_add(problems, "", 0,
			     "this node steers nothing, it only decapsulates: name `interfaces` in "
			     "its node file");
		return -EINVAL;
	}
	node_config_routes_limits(agent->config, &limits);
	err = routes_check(routes, &limits, problems);
	if (err)
		return err;
	routes_sort(routes);
	for (size_t i = 0; i < routes->services_n; i++)
		shares += routes->services[i].split_n;
	if (shares > agent->view->share_slots / 2) {
		problems_add(problems, "services", 0,
			     "the splits name %zu stacks in all, and there is room for %u: raise "
			     "limits.services in the node file",
			     shares, agent->view->share_slots / 2);
		err = -EINVAL;
	}
	return err;
}

/* More than the routes' text takes: a change that the next start would not know is refused. */
static int check_space(const struct agent *agent, const struct routes *routes,
		       struct problems *problems)
{
	size_t bytes = 8192;
	int err;

	for (size_t i = 0; i < routes->stacks_n; i++)
		bytes += 512 + routes->stacks[i].labels_n * 128 + routes->stacks[i].backends_n * 96;
	for (size_t i = 0; i < routes->services_n; i++)
		bytes += 256 + routes->services[i].vips_n * 64 + routes->services[i].ports_n * 8 +
			 routes->services[i].split_n * 64 + routes->services[i].failover_n * 40;
	err = state_try_space(agent->state, bytes);
	if (err)
		problems_add(problems, "", 0,
			     "the routes cannot be saved in %s (%s), and would be lost with the "
			     "next start: make room for %zu KiB there",
			     agent->config->state_dir, strerror(-err), bytes / 1024);
	return err ? -ENOSPC : 0;
}

int agent_apply(struct agent *agent, struct routes *taken, const struct agent_change *change,
		struct plan *ret_plan, struct problems *problems)
{
	CLEANUP_ROUTES struct routes *routes = taken;
	const struct compiled *live = agent_live(agent);
	uint64_t begun_us = util_now_us();
	struct plan plan;
	int err = check(agent, routes, problems);

	if (err)
		return err;
	plan_make(live, routes, &plan);
	if (live && routes_equal(live->routes, routes)) {
		if (!change->dry_run)
			note_same(agent, change);
	} else if (!change->dry_run) {
		unsigned int bank = agent_idle_bank(agent);

		err = check_space(agent, routes, problems);
		if (!err)
			err = agent_install(agent, bank, TAKE(routes), agent->version + 1,
					    problems);
		if (err) {
			plan_clear(&plan);
			return err;
		}
		agent_switch(agent, bank);
		agent_release_adopted(agent);
		note_change(agent, change, &plan, agent->version + 1, begun_us);
	}
	*ret_plan = plan;
	return 0;
}

static void add_missing(struct problems *problems, const char *kind, const char *name,
			const char *const *names, size_t n)
{
	const char *nearest = util_nearest(name, names, n);

	if (nearest)
		problems_add(problems, "", 0, "there is no %s '%s' (did you mean '%s'?)", kind,
			     name, nearest);
	else
		problems_add(problems, "", 0, "there is no %s '%s': see `steerctl status`", kind,
			     name);
}

static void problems_add_missing_service(struct problems *problems, const struct compiled *live,
					 const char *name)
{
	size_t n = live ? live->routes->services_n : 0;
	CLEANUP_FREE const char **names = util_calloc(n, sizeof(*names));

	for (size_t i = 0; i < n; i++)
		names[i] = live->routes->services[i].name;
	add_missing(problems, "service", name, names, n);
}

void agent_add_missing_stack(struct problems *problems, const struct compiled *live,
			     const char *name)
{
	size_t n = live ? live->routes->stacks_n : 0;
	CLEANUP_FREE const char **names = util_calloc(n, sizeof(*names));

	for (size_t i = 0; i < n; i++)
		names[i] = live->routes->stacks[i].name;
	add_missing(problems, "stack", name, names, n);
}

static void free_split(struct route_split *split, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(split[i].stack);
	free(split);
}

int agent_set_split(struct agent *agent, const char *name, struct route_split *split, size_t n,
		    const struct agent_change *change, struct plan *ret_plan,
		    struct problems *problems)
{
	const struct compiled *live = agent_live(agent);
	CLEANUP_ROUTES struct routes *routes = live ? routes_copy(live->routes) : NULL;
	struct route_service *service = routes ? routes_find_service(routes, name) : NULL;

	if (!service) {
		free_split(split, n);
		problems_add_missing_service(problems, live, name);
		return -ENOENT;
	}
	free_split(service->split, service->split_n);
	service->split = split;
	service->split_n = n;
	return agent_apply(agent, TAKE(routes), change, ret_plan, problems);
}

/* Only one service goes back: its old self in the routes as they are. */
static int rollback_service(struct agent *agent, const char *name,
			    const struct agent_change *change, struct plan *ret_plan,
			    struct problems *problems)
{
	const struct routes *before = agent->compiled[agent_idle_bank(agent)]->routes;
	CLEANUP_ROUTES struct routes *old = routes_copy(before);
	CLEANUP_ROUTES struct routes *routes = routes_copy(agent_live(agent)->routes);
	struct route_service *from = routes_find_service(old, name);
	struct route_service *to = routes_find_service(routes, name), swap;

	if (!from || !to) {
		problems_add(problems, "", 0, "service '%s' is not in the %s routes", name,
			     from ? "live" : "previous");
		return -ENOENT;
	}
	swap = *from;
	*from = *to;
	*to = swap;
	return agent_apply(agent, TAKE(routes), change, ret_plan, problems);
}

int agent_rollback(struct agent *agent, const char *service, const struct agent_change *change,
		   struct plan *ret_plan, struct problems *problems)
{
	unsigned int bank = agent_idle_bank(agent);
	struct compiled *before = agent->compiled[bank];
	uint64_t begun_us = util_now_us();

	if (!before || !agent_live(agent)) {
		problems_add(problems, "", 0,
			     "there are no earlier routes to go back to on this host");
		return -ENOENT;
	}
	if (service && service[0])
		return rollback_service(agent, service, change, ret_plan, problems);
	plan_make(agent_live(agent), before->routes, ret_plan);
	if (change->dry_run)
		return 0;
	agent_overlay(agent);
	/* Stacks that only the earlier routes have were dropped, and are to be checked anew. */
	for (size_t i = 0; i < before->routes->stacks_n; i++)
		bank_overlay(agent->view, bank, before, i);
	before->version = agent->version + 1;
	agent->view->control->version[bank] = before->version;
	agent_switch(agent, bank);
	note_change(agent, change, ret_plan, before->version, begun_us);
	return 0;
}
