/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/backends_internal.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "agent/breaker.h"
#include "common/log.h"
#include "common/text.h"
#include "common/util.h"

int backends_new(sd_event *loop, const struct datapath_view *view, const struct node_config *config,
		 struct events *events, backends_changed changed, void *userdata,
		 struct backends **ret)
{
	struct backends *b = util_calloc(1, sizeof(*b));
	int err;

	*b = (struct backends){.view = view,
			       .config = config,
			       .events = events,
			       .changed = changed,
			       .userdata = userdata};
	b->entries = util_calloc(view->backend_slots, sizeof(*b->entries));
	for (uint32_t i = 0; i < view->backend_slots; i++)
		b->entries[i].owner = b;
	err = nexthop_new(loop, &b->nexthops);
	if (err)
		log_errno(err, "cannot follow the kernel's routes and neighbours");
	else
		err = backends_check_init(b, loop);
	if (!err)
		err = backends_ramp_init(b, loop);
	if (err) {
		backends_free(b);
		return err;
	}
	*ret = b;
	return 0;
}

static void stop_following(struct backend_entry *entry)
{
	backends_check_stop(entry);
	nexthop_unwatch(entry->watch);
	entry->watch = NULL;
	entry->hop_answered = false;
	entry->live = false;
}

void backends_free(struct backends *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->view->backend_slots; i++)
		stop_following(&b->entries[i]);
	backends_ramp_clear(b);
	backends_check_clear(b);
	nexthop_free(b->nexthops);
	free(b->entries);
	free(b);
}

static const char *entry_text(const struct backend_entry *entry, char text[ADDRESS_TEXT_MAX])
{
	return address_text(&entry->address, text);
}

static void add_event(const struct backend_entry *entry, uint8_t was, uint8_t now)
{
	bool lets_go = !(was & BACKEND_NEW) && was & ~now & BACKEND_KEEP;
	char address[ADDRESS_TEXT_MAX], length[TEXT_DURATION_MAX];
	bool ramps = entry->ramp.running;

	entry_text(entry, address);
	events_add(entry->owner->events, EVENT_BACKEND, NULL, entry->stack, address,
		   "backend %s of stack %s %s%s%s%s%s", address, entry->stack,
		   lets_go	       ? "keeps its flows no longer"
		   : now & BACKEND_NEW ? "takes new flows"
				       : "takes no new flows",
		   entry->health.reason[0] ? ": " : "", entry->health.reason,
		   ramps ? ", all of its share after " : "",
		   ramps ? text_duration(entry->ramp.length_ms, length) : "");
}

/* The health state's bits, and why these are no news of the stack's health. */
static uint8_t map_state(const struct backend_entry *entry)
{
	const struct health_state *health = &entry->health;
	bool waits = health->verdict == HEALTH_VERDICT_NONE ||
		     (!entry->local && !entry->hop_answered);

	if (health->order.override == HEALTH_OVERRIDE_DOWN ||
	    health->order.override == HEALTH_OVERRIDE_DRAIN)
		return health->bits | BACKEND_HELD;
	return health->bits | (waits && !(health->bits & BACKEND_NEW) ? BACKEND_WAITS : 0);
}

/* Once for each change: asked for again, two clocks differ by a millisecond, or by what was set. */
static void since_follow(struct backend_entry *entry)
{
	if (entry->since_ms == entry->health.since_ms)
		return;
	entry->since_ms = entry->health.since_ms;
	entry->since_unix_ms = util_unix_ms() - (util_now_ms() - entry->since_ms);
}

/*
 * What an input to the health state changed becomes the map's byte, an event and a call. That a
 * new backend is not up yet is no news.
 */
static void publish(struct backend_entry *entry, unsigned int changed)
{
	uint8_t was = backend_entry_map(entry)->state, now = map_state(entry);
	bool up = now & BACKEND_NEW, was_up = was & BACKEND_NEW;

	since_follow(entry);
	if (up && !was_up) {
		breaker_close(&entry->owner->view->watch[backend_entry_slot(entry)]);
		backends_ramp_begin(entry);
	} else if (!up) {
		backends_ramp_end(entry);
	}
	__atomic_store_n(&backend_entry_map(entry)->state, now, __ATOMIC_RELEASE);
	if (now == was && !(changed & HEALTH_CHANGED_BITS))
		return;
	if (changed & HEALTH_CHANGED_BITS && entry->health.been_up)
		add_event(entry, was, now);
	entry->owner->changed(entry->owner->userdata, entry->stack);
}

void backend_entry_publish(struct backend_entry *entry, unsigned int changed)
{
	publish(entry, changed);
}

static void store_mac(uint8_t in_map[6], const uint8_t mac[6], uint16_t rest)
{
	uint64_t word = 0;

	memcpy(&word, mac, 6);
	memcpy((uint8_t *)&word + 6, &rest, 2);
	__atomic_store_n((uint64_t *)(void *)in_map, word, __ATOMIC_RELAXED);
}

/* Sum of the outer IPv4 header's words that do not vary by packet, as they lie in memory. */
static uint32_t outer_sum(const struct backend *backend)
{
	uint8_t all[14] = {0x45, 0, 0x40, 0, 64, 0};
	uint32_t sum = 0;

	memcpy(all + 6, backend->outer_src + 12, 4);
	memcpy(all + 10, backend->address + 12, 4);
	for (size_t i = 0; i < sizeof(all); i += 2) {
		uint16_t word;

		memcpy(&word, all + i, 2);
		sum += word;
	}
	return sum;
}

/* The outer source: the node file's, else the address that the kernel would send from. */
static void fill_source(const struct backend_entry *entry, const struct nexthop *hop)
{
	const struct node_config *config = entry->owner->config;
	bool v4 = address_is_ipv4(&entry->address);
	const struct node_source *source = v4 ? &config->tunnel_source : &config->tunnel_source6;
	struct backend *backend = backend_entry_map(entry);

	memcpy(backend->outer_src, source->set ? source->address.bytes : hop->source.bytes,
	       sizeof(backend->outer_src));
	backend->source_bits = source->set ? source->host_bits : 0;
	backend->outer_family = v4 ? 4 : 6;
	__atomic_store_n(&backend->outer_sum, v4 ? outer_sum(backend) : 0, __ATOMIC_RELAXED);
}

/* A router would send the frame to whoever has the VIP, not to this backend. */
static void refuse_gateway(struct backend_entry *entry, const struct nexthop *hop)
{
	char gateway[ADDRESS_TEXT_MAX], reason[160];

	snprintf(reason, sizeof(reason),
		 "it is behind router %s on %s; l2 needs it on the same link, ipip does not",
		 address_text(&hop->gateway, gateway), hop->ifname);
	entry->next_hop[0] = '\0';
	publish(entry, health_state_route(&entry->health, false, reason, util_now_ms()));
}

static void on_nexthop(void *userdata, const struct nexthop *hop)
{
	struct backend_entry *entry = userdata;
	struct backend *backend = backend_entry_map(entry);
	uint16_t rest;

	entry->hop_answered = true;
	if (hop->resolved && hop->has_gateway && backend->forward == FORWARD_L2) {
		refuse_gateway(entry, hop);
		backends_check_aim(entry);
		return;
	}
	if (hop->resolved) {
		fill_source(entry, hop);
		store_mac(backend->dst_mac, hop->dst_mac, hop->mtu);
		memcpy(&rest, backend->src_mac + 6, 2);
		store_mac(backend->src_mac, hop->src_mac, rest);
		__atomic_store_n(&backend->ifindex, hop->ifindex, __ATOMIC_RELAXED);
		snprintf(entry->next_hop, sizeof(entry->next_hop),
			 "%s %02x:%02x:%02x:%02x:%02x:%02x", hop->ifname, hop->dst_mac[0],
			 hop->dst_mac[1], hop->dst_mac[2], hop->dst_mac[3], hop->dst_mac[4],
			 hop->dst_mac[5]);
	} else {
		entry->next_hop[0] = '\0';
	}
	publish(entry,
		health_state_route(&entry->health, hop->resolved, hop->reason, util_now_ms()));
	backends_check_aim(entry);
}

void backends_on_check(void *userdata, bool ok, const char *detail)
{
	struct backend_entry *entry = userdata;
	bool first = entry->health.verdict == HEALTH_VERDICT_NONE;
	unsigned int changed = health_state_check(&entry->health, ok, detail, util_now_ms());
	char address[ADDRESS_TEXT_MAX];

	if (first && !ok)
		events_add(entry->owner->events, EVENT_BACKEND, NULL, entry->stack,
			   entry_text(entry, address), "backend %s of stack %s is not up yet: %s",
			   address, entry->stack, entry->health.reason);
	check_doubt(entry->check, health_state_in_doubt(&entry->health));
	publish(entry, changed);
}

/* What was counted and found out about the slot's last owner. */
static void forget_last(const struct datapath_view *view, uint32_t slot, uint16_t generation)
{
	for (uint32_t cpu = 0; cpu < view->cpus; cpu++) {
		view->backend_counters[cpu * view->backend_slots + slot] = (struct traffic){};
		view->flow_counts[cpu * view->backend_slots + slot] = (struct flow_counts){};
	}
	breaker_start(&view->watch[slot], generation);
}

/* Whose ICMP errors about tunnels to the slot's address are: the first one's that has it. */
static void tunnel_store(struct backends *b, uint32_t slot)
{
	const struct backend *backend = &b->view->backends[slot];
	struct tunnel_backend value = {.slot = slot};

	if (backend->forward != FORWARD_IPIP || !b->view->has_telemetry)
		return;
	if (bpf_map_update_elem(b->view->tunnel_backends_fd, backend->address, &value, BPF_NOEXIST))
		b->shares_addresses = true;
}

/* They are another's now, if a backend elsewhere has the address too. */
static void tunnel_forget(struct backends *b, uint32_t slot)
{
	const struct datapath_view *view = b->view;
	const struct backend *mine = &view->backends[slot], *other;
	struct tunnel_backend value;

	if (mine->forward != FORWARD_IPIP || !view->has_telemetry ||
	    bpf_map_lookup_elem(view->tunnel_backends_fd, mine->address, &value) ||
	    value.slot != slot)
		return;
	bpf_map_delete_elem(view->tunnel_backends_fd, mine->address);
	for (uint32_t i = 0; b->shares_addresses && i < view->backend_slots; i++) {
		other = &view->backends[i];
		if (i != slot && other->stack[0] && other->forward == FORWARD_IPIP &&
		    !memcmp(other->address, mine->address, sizeof(mine->address))) {
			tunnel_store(b, i);
			return;
		}
	}
}

void backends_claim(struct backends *b, uint32_t slot, const struct route_stack *stack,
		    const struct address *address, int64_t twin)
{
	struct backend_entry *entry = &b->entries[slot];
	struct backend *backend = backend_entry_map(entry);
	uint16_t generation = (uint16_t)(backend->generation + 1);

	forget_last(b->view, slot, generation);
	*backend = (struct backend){.generation = generation, .forward = (uint8_t)stack->forward};
	memcpy(backend->address, address->bytes, sizeof(backend->address));
	snprintf(backend->stack, sizeof(backend->stack), "%s", stack->name);
	tunnel_store(b, slot);
	health_state_init(&entry->health, stack->health.type != HEALTH_NONE, stack->health.fall,
			  stack->health.rise, util_now_ms());
	if (twin >= 0 && b->entries[twin].health.verdict == HEALTH_VERDICT_UP)
		health_state_check(&entry->health, true, "", util_now_ms());
	backend->state = map_state(entry);
}

void backends_adopt(struct backends *b, uint32_t slot)
{
	struct backend_entry *entry = &b->entries[slot];
	health_state_init(&entry->health, true, 1, 1, util_now_ms());
	health_state_presume(&entry->health, backend_entry_map(entry)->state);
}

static void start_watch(struct backend_entry *entry)
{
	int err;

	if (entry->local) {
		publish(entry, health_state_route(&entry->health, true, "", util_now_ms()));
		return;
	}
	err = nexthop_watch(entry->owner->nexthops, &entry->address, on_nexthop, entry,
			    &entry->watch);
	if (err)
		publish(entry,
			health_state_route(&entry->health, false, strerror(-err), util_now_ms()));
}

void backends_follow(struct backends *b, uint32_t slot, const struct route_stack *stack,
		     const struct check_vips *vips, const struct address *address,
		     struct health_order order)
{
	struct backend_entry *entry = &b->entries[slot];
	const struct health_spec *spec = &stack->health;
	uint64_t now = util_now_ms();
	unsigned int changed;

	snprintf(entry->stack, sizeof(entry->stack), "%s", stack->name);
	entry->address = *address;
	entry->local = stack->forward == FORWARD_AS_LOCAL;
	entry->slow_start_ms = stack->slow_start_ms;
	backends_ramp_configure(entry);
	changed = health_state_configure(&entry->health, spec->type != HEALTH_NONE, spec->fall,
					 spec->rise, now);
	changed |= health_state_order(&entry->health, order, now);
	publish(entry, changed);
	backends_check_configure(entry, spec, vips);
	if (!entry->live) {
		entry->live = true;
		start_watch(entry);
	}
	backends_check_aim(entry);
}

void backends_drop(struct backends *b, uint32_t slot)
{
	struct backend_entry *entry = &b->entries[slot];
	struct backend *backend = backend_entry_map(entry);

	stop_following(entry);
	backends_ramp_end(entry);
	entry->next_hop[0] = '\0';
	__atomic_store_n(&backend->state, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&backend->generation, (uint16_t)(backend->generation + 1),
			 __ATOMIC_RELEASE);
	health_state_init(&entry->health, true, 1, 1, util_now_ms());
}

void backends_release(struct backends *b, uint32_t slot)
{
	struct backend *backend = backend_entry_map(&b->entries[slot]);

	tunnel_forget(b, slot);
	*backend = (struct backend){.generation = (uint16_t)(backend->generation + 1)};
}

void backends_order(struct backends *b, uint32_t slot, struct health_order order)
{
	struct backend_entry *entry = &b->entries[slot];

	publish(entry, health_state_order(&entry->health, order, util_now_ms()));
}

void backends_forgive(struct backends *b, uint32_t slot)
{
	health_state_forgive(&b->entries[slot].health);
}

void backends_look(const struct backends *b, uint32_t slot, struct backend_view *ret)
{
	const struct backend_entry *entry = &b->entries[slot];
	const struct datapath_view *view = b->view;
	uint64_t now = util_now_ms();

	*ret = (struct backend_view){.takes_new = entry->health.bits & BACKEND_NEW,
				     .reason = entry->health.reason,
				     .since_unix_ms = entry->since_unix_ms,
				     .order = entry->health.order,
				     .failovers = entry->health.failovers,
				     .part = (double)ring_backend_part(backend_entry_map(entry)) /
					     RING_WHOLE,
				     .ramp_left_ms = ramp_left_ms(&entry->ramp, now),
				     .slow = backends_slow_text(entry),
				     .next_hop = entry->next_hop};
	if (view->has_telemetry && ret->takes_new)
		breaker_text(&view->watch[slot], util_now_ns(), ret->breaker);
	for (uint32_t cpu = 0; cpu < view->cpus; cpu++) {
		const struct traffic *t = &view->backend_counters[cpu * view->backend_slots + slot];

		ret->packets += __atomic_load_n(&t->packets, __ATOMIC_RELAXED);
		ret->bytes += __atomic_load_n(&t->bytes, __ATOMIC_RELAXED);
	}
}

void backends_checks(const struct backends *b, struct checker_stats *ret)
{
	checker_get_stats(b->checker, ret);
}

bool backends_settled(const struct backends *b)
{
	for (uint32_t i = 0; i < b->view->backend_slots; i++) {
		const struct backend_entry *entry = &b->entries[i];

		if (!entry->live)
			continue;
		if (entry->health.checked && entry->health.verdict == HEALTH_VERDICT_NONE)
			return false;
		if (!entry->local && !entry->hop_answered)
			return false;
	}
	return true;
}
