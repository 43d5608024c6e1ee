/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's life: start over what an earlier one left, attach, keep in step, stop. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <net/if.h>

#include "agent/hash_key.h"
#include "common/log.h"
#include "common/util.h"

#define SETTLE_MS      2000 /* at most this long until unready backends are no reason to wait */
#define SETTLE_POLL_MS 10
#define UPKEEP_MS      1000

static int on_overlay(sd_event_source *source, void *userdata)
{
	(void)source;
	agent_overlay(userdata);
	return 0;
}

static const enum xdp_mode xdp_modes[] = {[NODE_XDP_AUTO] = XDP_MODE_AUTO,
					  [NODE_XDP_NATIVE] = XDP_MODE_NATIVE,
					  [NODE_XDP_GENERIC] = XDP_MODE_GENERIC};

static bool is_decap(const struct agent *agent, size_t i)
{
	return i >= agent->config->interfaces_n;
}

static int attach(struct agent *agent, size_t i)
{
	struct agent_interface *interface = &agent->interfaces[i];
	enum xdp_mode mode = xdp_modes[agent->config->xdp_mode];
	int err, fd;

	if (is_decap(agent, i))
		err = xdp_link_attach(agent->config->pin_dir, interface->name,
				      decap_program_fd(agent->decap), mode, &interface->mode, &fd);
	else
		err = datapath_attach(agent->datapath, interface->name, mode, &interface->mode);
	if (err)
		return err;
	agent->ifindexes[i] = if_nametoindex(interface->name);
	events_add(agent->events, EVENT_INTERFACE, NULL, NULL, NULL, "%s: %s, %s XDP",
		   interface->name, is_decap(agent, i) ? "decapsulating" : "steering",
		   interface->mode);
	return 0;
}

static int open_decap(struct agent *agent)
{
	const struct node_config *config = agent->config;
	const struct decap_options options = {.pin_dir = config->pin_dir,
					      .mode = xdp_modes[config->xdp_mode],
					      .interfaces = config->decap_interfaces,
					      .interfaces_n = config->decap_interfaces_n,
					      .sources = config->decap_sources,
					      .sources_n = config->decap_sources_n};

	return config->decap_interfaces_n ? decap_open(agent->loop, &options, &agent->decap) : 0;
}

static int attach_all(struct agent *agent)
{
	CLEANUP_FREE char **names = util_calloc(agent->interfaces_n, sizeof(*names));
	int err = open_decap(agent);

	for (size_t i = 0; i < agent->interfaces_n && !err; i++) {
		names[i] = (char *)agent->interfaces[i].name;
		err = attach(agent, i);
	}
	if (err)
		return err;
	datapath_detach_others(agent->datapath, names, agent->interfaces_n);
	agent->attached = true;
	return 0;
}

/* An interface that went away takes its attachment with it; a new one of that name gets its own. */
static void attach_returned(struct agent *agent)
{
	for (size_t i = 0; i < agent->interfaces_n; i++) {
		unsigned int now = if_nametoindex(agent->interfaces[i].name);

		if (now == agent->ifindexes[i])
			continue;
		if (agent->ifindexes[i])
			events_add(agent->events, EVENT_INTERFACE, NULL, NULL, NULL,
				   "%s is gone: nothing arrives there", agent->interfaces[i].name);
		agent->ifindexes[i] = 0;
		agent->interfaces[i].mode = "gone";
		if (now)
			attach(agent, i);
	}
}

static void become_ready(struct agent *agent)
{
	agent->ready = true;
	events_add(agent->events, EVENT_AGENT, NULL, NULL, NULL, "ready after %llu ms",
		   util_now_ms() - agent->start_ms);
}

static int on_upkeep(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	bool settled = backends_settled(agent->backends) ||
		       util_now_ms() - agent->start_ms > SETTLE_MS;
	int err = 0;

	(void)usec;
	if (!agent->attached && settled)
		err = attach_all(agent);
	else if (agent->attached)
		attach_returned(agent);
	if (err)
		return sd_event_exit(agent->loop, err);
	if (settled && !agent->ready)
		become_ready(agent);
	sd_event_source_set_time_relative(source,
					  (agent->ready ? UPKEEP_MS : SETTLE_POLL_MS) * 1000ULL);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Slots keep their owners' names over a restart, or flows would be sent to somebody else. */
static void adopt_slots(struct agent *agent)
{
	const struct datapath_view *view = agent->view;
	char key[BANK_KEY_MAX];

	for (uint32_t i = 0; i < view->backend_slots; i++) {
		const struct backend *backend = &view->backends[i];
		struct address address;

		if (!backend->stack[0])
			continue;
		memcpy(address.bytes, backend->address, sizeof(address.bytes));
		bank_backend_key(backend->stack, &address, (enum forward)backend->forward, key);
		if (slots_adopt(agent->slots.backends, key, OWNER_ADOPTED, i) == 0)
			backends_adopt(agent->backends, i);
	}
	for (uint32_t i = 0; i < STEER_BANKS * view->service_slots; i++) {
		const struct service *service = &view->services[i];
		const struct stack *stacks = &view->stacks[i / view->service_slots * STEER_STACKS];

		if (!service->name[0])
			continue;
		slots_adopt(agent->slots.services, service->name, OWNER_ADOPTED,
			    i % view->service_slots);
		for (unsigned int j = 0; j < service->choices && j < STEER_SPLIT_CHOICES; j++) {
			snprintf(key, sizeof(key), "%s/%s", service->name,
				 stacks[service->choice[j].stack % STEER_STACKS].name);
			slots_adopt(agent->slots.shares, key, OWNER_ADOPTED,
				    service->choice[j].share);
		}
	}
}

/* Saved routes into a bank; *saved keeps all but the routes. */
static int restore(struct agent *agent, unsigned int bank, struct saved_routes *saved)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	CLEANUP_ROUTES struct routes *routes = TAKE(saved->routes);
	CLEANUP_FREE char *text = NULL;
	struct routes_limits limits;
	int err;

	node_config_routes_limits(agent->config, &limits);
	err = routes_check(routes, &limits, &problems);
	routes_sort(routes);
	if (!err)
		err = agent_install(agent, bank, TAKE(routes), saved->version, &problems);
	if (err) {
		text = problems_text(&problems, NULL);
		log_error("the saved routes, version %llu, cannot be restored:\n%s",
			  (unsigned long long)saved->version, text ? text : "");
	}
	return err;
}

static void restore_routes(struct agent *agent, bool kept)
{
	struct saved_routes current = {}, previous = {};
	unsigned int idle = agent_idle_bank(agent);

	if (state_load_routes(agent->state, &current, &previous))
		log_error("the saved routes cannot be read; see above");
	if (state_load_overrides(agent->state, &agent->orders.items, &agent->orders.n))
		log_error("the saved health overrides cannot be read; see above");
	agent->version = current.version > previous.version ? current.version : previous.version;
	for (unsigned int bank = 0; kept && bank < STEER_BANKS; bank++)
		if (agent->view->control->version[bank] > agent->version)
			agent->version = agent->view->control->version[bank];
	if (current.routes && restore(agent, idle, &current) == 0) {
		agent_switch(agent, idle);
		agent->applied_unix_ms = current.applied_unix_ms;
		agent->applied_by = TAKE(current.by);
		agent->tag = TAKE(current.tag);
		events_add(agent->events, EVENT_ROUTES, NULL, NULL, NULL,
			   "routes version %llu restored", (unsigned long long)current.version);
		if (previous.routes)
			restore(agent, !idle, &previous);
		agent_release_adopted(agent);
	} else if (kept) {
		log_warning("no saved routes: what is in the maps goes on, unknown to this agent, "
			    "until routes are applied");
	}
	saved_routes_clear(&current);
	saved_routes_clear(&previous);
}

static int open_datapath(struct agent *agent, bool *ret_kept)
{
	/* A host that only decapsulates needs no tables to speak of. */
	static const struct node_limits least = {.services = 1, .backends = 1, .flows = 1024};
	const struct node_limits *limits = agent->config->interfaces_n ? &agent->config->limits
								       : &least;
	const struct datapath_options options = {.pin_dir = agent->config->pin_dir,
						 .services = limits->services,
						 .backends = limits->backends,
						 .flows = limits->flows,
						 .series = limits->series,
						 .samples = limits->samples};
	uint8_t seed[STATE_SEED_SIZE];
	char text[2 * STATE_SEED_SIZE + 1];
	int err = datapath_check_kernel();

	if (!err)
		err = state_open(agent->config->state_dir, agent->loop, &agent->state);
	if (!err)
		err = datapath_open(&options, &agent->datapath, ret_kept);
	if (!err && !*ret_kept)
		err = state_node_seed(agent->state, seed);
	if (err)
		return err;
	agent->view = datapath_view(agent->datapath);
	if (!*ret_kept) {
		for (size_t i = 0; i < sizeof(seed); i++)
			snprintf(text + 2 * i, 3, "%02x", seed[i]);
		hash_key_from_text(text, &agent->view->control->node_key);
	}
	return 0;
}

static const struct compiled *live_routes(void *userdata)
{
	return agent_live(userdata);
}

static int make_parts(struct agent *agent)
{
	const struct datapath_view *view = agent->view;
	int err;

	agent->slots = (struct bank_slots){.services = slots_new(view->service_slots),
					   .shares = slots_new(view->share_slots),
					   .backends = slots_new(view->backend_slots)};
	agent->followed = util_calloc(view->backend_slots, sizeof(*agent->followed));
	err = backends_new(agent->loop, view, agent->config, agent->events, agent_mark_dirty, agent,
			   &agent->backends);
	if (!err)
		err = telemetry_new(agent->loop, view, agent->config->sample, &agent->telemetry);
	if (!err && view->has_telemetry)
		err = flow_events_new(agent->loop, view, &agent->slots, agent->events,
				      &agent->flow_events);
	if (!err && view->has_telemetry)
		err = breaker_tuner_new(agent->loop, view, agent->telemetry, live_routes, agent,
					&agent->breaker_tuner);
	if (!err && view->has_telemetry)
		err = detector_new(agent->loop, view, agent->telemetry, agent->backends,
				   agent->slots.backends, &agent->detector);
	if (!err)
		err = agent_drain_start(agent);
	if (!err)
		err = sd_event_add_defer(agent->loop, &agent->overlay, on_overlay, agent);
	if (!err)
		err = sd_event_source_set_enabled(agent->overlay, SD_EVENT_OFF);
	if (!err)
		err = sd_event_add_time_relative(agent->loop, &agent->upkeep, CLOCK_MONOTONIC, 0, 1,
						 on_upkeep, agent);
	return err < 0 ? err : 0;
}

static int find_interfaces(struct agent *agent)
{
	const struct node_config *config = agent->config;
	size_t n = config->interfaces_n + config->decap_interfaces_n;

	agent->interfaces = util_calloc(n, sizeof(*agent->interfaces));
	agent->ifindexes = util_calloc(n, sizeof(*agent->ifindexes));
	agent->interfaces_n = n;
	for (size_t i = 0; i < n; i++) {
		struct agent_interface *interface = &agent->interfaces[i];

		if (is_decap(agent, i))
			*interface = (struct agent_interface){
				config->decap_interfaces[i - config->interfaces_n], "", "decap"};
		else
			*interface = (struct agent_interface){config->interfaces[i], "", "steer"};
		if (!if_nametoindex(interface->name)) {
			log_error("interface %s of the node file is not there: see `ip link`",
				  interface->name);
			return -ENODEV;
		}
	}
	return 0;
}

static int start(struct agent *agent)
{
	bool kept = false;
	int err = find_interfaces(agent);

	if (!err)
		err = events_new(agent->loop, 0, &agent->events);
	if (!err)
		err = open_datapath(agent, &kept);
	if (!err)
		err = make_parts(agent);
	if (err)
		return err;
	if (kept)
		adopt_slots(agent);
	restore_routes(agent, kept);
	err = agent_orders_start(agent);
	if (err)
		return err;
	err = datapath_pin(agent->datapath);
	/* What steered before goes on at once; a cold start waits for the first checks. */
	if (!err && kept)
		err = attach_all(agent);
	return err;
}

int agent_new(sd_event *loop, const struct node_config *config, struct agent **ret)
{
	struct agent *agent = util_calloc(1, sizeof(*agent));
	int err;

	*agent = (struct agent){.loop = sd_event_ref(loop),
				.config = config,
				.started_unix_ms = util_unix_ms(),
				.start_ms = util_now_ms(),
				.orders_seen_ms = util_unix_ms()};
	err = start(agent);
	if (err) {
		agent_free(agent);
		return err;
	}
	*ret = agent;
	return 0;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	sd_event_source_disable_unref(agent->overlay);
	sd_event_source_disable_unref(agent->upkeep);
	if (agent->state)
		state_flush(agent->state);
	detector_free(agent->detector);
	backends_free(agent->backends);
	breaker_tuner_free(agent->breaker_tuner);
	telemetry_free(agent->telemetry);
	flow_events_free(agent->flow_events);
	decap_free(agent->decap);
	for (unsigned int bank = 0; bank < STEER_BANKS; bank++)
		compiled_free(agent->compiled[bank]);
	slots_free(agent->slots.services);
	slots_free(agent->slots.shares);
	slots_free(agent->slots.backends);
	datapath_free(agent->datapath);
	state_free(agent->state);
	events_free(agent->events);
	free(agent->followed);
	free(agent->dirty);
	free(agent->applied_by);
	free(agent->tag);
	orders_clear(&agent->orders);
	free(agent->aside);
	sd_event_source_disable_unref(agent->census_timer);
	census_free(agent->census);
	sd_event_source_disable_unref(agent->orders_timer);
	free(agent->interfaces);
	free(agent->ifindexes);
	sd_event_unref(agent->loop);
	free(agent);
}
