/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/explain.h"

#include <arpa/inet.h>
#include <stdarg.h>

#include "agent/vip_table.h"
#include "common/util.h"

static void __attribute__((format(printf, 3, 4)))
say(struct explanation *ret, const char *stage, const char *format, ...)
{
	struct explain_stage *to = &ret->stages[ret->stages_n++];
	va_list args;

	to->name = stage;
	va_start(args, format);
	vsnprintf(to->verdict, sizeof(to->verdict), format, args);
	va_end(args);
}

const char *explain_reason_name(enum steer_reason reason)
{
	static const char *const names[] = {
#define X(name, NAME) [REASON_##NAME] = #name,
		STEER_REASONS(X)
#undef X
	};

	return reason < REASON_MAX ? names[reason] : "unknown";
}

static const struct backend *look_backend(const struct datapath_view *view, uint32_t slot,
					  struct backend *ret)
{
	if (slot >= view->backend_slots)
		return NULL;
	*ret = view->backends[slot];
	return ret;
}

static void set_backend(struct explanation *ret, uint32_t slot, const struct backend *backend)
{
	ret->has_backend = true;
	ret->slot = slot;
	memcpy(ret->backend.bytes, backend->address, sizeof(ret->backend.bytes));
	snprintf(ret->stack, sizeof(ret->stack), "%s", backend->stack);
}

static const char *backend_text(const struct backend *backend, char text[ADDRESS_TEXT_MAX])
{
	struct address address;

	memcpy(address.bytes, backend->address, sizeof(address.bytes));
	return address_text(&address, text);
}

/* The newest tick that any CPU has noted: close to now while flows arrive. */
static uint16_t newest_tick(const struct datapath_view *view, uint16_t seen)
{
	uint16_t newest = seen;

	for (uint32_t cpu = 0; cpu < view->cpus; cpu++) {
		uint16_t tick = (uint16_t)view->reasons[cpu].ration_tick;

		if ((int16_t)(tick - newest) > 0)
			newest = tick;
	}
	return newest;
}

static bool find_flow(const struct datapath_view *view, const struct flow_tuple *tuple,
		      struct flow_data *ret)
{
	uint64_t tag = flow_fingerprint(&view->control->node_key, tuple);
	const struct flow_bucket *bucket = &view->flows[flow_bucket_of(tag, view->flow_buckets)];

	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++) {
		struct flow_entry e = bucket->entry[i];

		if ((e.key ^ e.word) == tag) {
			*ret = e.data;
			return true;
		}
	}
	return false;
}

/*
 * True: the flow is known and stays where it is; ret has the backend. *ret_reset, else left alone:
 * the slot of the backend whose going down ends the flow, unless balance finds it again.
 */
static bool explain_affinity(const struct datapath_view *view, const struct flow_tuple *tuple,
			     const struct vip_entry *vip, struct explanation *ret,
			     int64_t *ret_reset)
{
	bool reset = vip->flags & VIP_RESET && tuple->protocol == PROTOCOL_TCP;
	uint8_t wanted = vip->flags & VIP_KEEP ? BACKEND_ROUTE : BACKEND_KEEP | BACKEND_ROUTE;
	char text[ADDRESS_TEXT_MAX];
	struct flow_data flow;
	struct backend b;

	if (!find_flow(view, tuple, &flow)) {
		say(ret, "affinity", "not a known flow");
		return false;
	}
	if (!look_backend(view, flow.backend, &b) || b.generation != flow.generation) {
		say(ret, "affinity", "known, but its backend is in the routes no more");
		return false;
	}
	if (tuple->protocol == PROTOCOL_UDP &&
	    (uint16_t)(newest_tick(view, flow.seen) - flow.seen) > FLOW_UDP_IDLE_TICKS) {
		say(ret, "affinity", "known, but silent for so long that it is new");
		return false;
	}
	if ((b.state & wanted) != wanted) {
		say(ret, "affinity", "known, but backend %s of stack %s is down: %s",
		    backend_text(&b, text), b.stack,
		    reset ? "answered with a RST; a SYN is balanced anew" : "it moves");
		if (reset)
			*ret_reset = flow.backend;
		return false;
	}
	set_backend(ret, flow.backend, &b);
	say(ret, "affinity", "known: stays with backend %s of stack %s%s", backend_text(&b, text),
	    b.stack, flow.flags & FLOW_CLOSING ? " (closing: a SYN would start anew)" : "");
	return true;
}

static bool breaker_open(const struct datapath_view *view, uint32_t slot)
{
	return view->has_telemetry && breaker_is_open(&view->watch[slot], util_now_ns());
}

/* What one stack has to offer to a flow. */
struct offer {
	bool takes; /* the backend is as wanted; else, where there is one, the first with a route */
	int64_t slot;		 /* of the backend; -1: none */
	uint32_t at;		 /* slot of the ring */
	unsigned int down, open; /* slots passed over: the backend is down, its breaker open */
};

static struct offer offer_of(const struct datapath_view *view, const struct ring *ring, uint32_t at,
			     uint8_t wanted)
{
	struct offer offer = {.slot = -1};
	struct backend b;

	for (unsigned int i = 0; i < STEER_BACKEND_TRIES; i++, at = ring_next_slot(at)) {
		uint32_t slot = ring->backend[at];
		bool takes = look_backend(view, slot, &b) && (b.state & wanted) == wanted;
		bool open = takes && wanted & BACKEND_NEW && breaker_open(view, slot);

		if (takes && !open)
			return (struct offer){true, slot, at, offer.down, offer.open};
		if (offer.slot < 0 && look_backend(view, slot, &b) && b.state & BACKEND_ROUTE) {
			offer.slot = slot;
			offer.at = at;
		}
		offer.down += !takes;
		offer.open += open;
	}
	return offer;
}

/* The way of a flow through the service's stacks, as balance_stack() of bpf/balance.h. */
struct search {
	const char *own;    /* the client's stack, "" where it is not known */
	const char *now;    /* the split has this in its place */
	const char *chosen; /* "": none */
	uint32_t index;	    /* its */
	unsigned int asked; /* stacks */
	bool panic;
	struct offer first; /* of the stack `now` */
	struct offer offer;
};

static void search_stacks(const struct datapath_view *view, uint32_t bank,
			  const struct service *service, uint32_t slot, uint32_t ring_at,
			  struct search *search)
{
	const struct split *split = &view->splits[bank * view->split_slots + service->split];
	uint8_t wanted = service->panic ? BACKEND_ROUTE : BACKEND_NEW | BACKEND_ROUTE;
	uint8_t entry = split->choice[slot];
	uint32_t index = split_owner(entry), left = service->takers;

	search->panic = service->panic;
	search->chosen = "";
	search->offer = (struct offer){.slot = -1};
	for (uint32_t i = 0; i < STEER_STACK_TRIES + STEER_SPLIT_CHOICES; i++) {
		uint32_t stack = bank * STEER_STACKS +
				 service->choice[index % STEER_SPLIT_CHOICES].stack;

		if (left >> index & 1) {
			struct offer offer = offer_of(view, &view->rings[stack], ring_at, wanted);

			if (!search->asked++) {
				search->now = view->stacks[stack].name;
				search->first = offer;
			}
			if (offer.takes || (search->offer.slot < 0 && offer.slot >= 0)) {
				search->offer = offer;
				search->chosen = view->stacks[stack].name;
				search->index = stack % STEER_STACKS;
			}
			left &= ~(1U << index);
			if (offer.takes)
				return;
		}
		if (i >= STEER_STACK_TRIES - 1) {
			index = i - (STEER_STACK_TRIES - 1);
		} else if (i % 2) {
			slot = split_next_slot(slot);
			entry = split->choice[slot];
			index = split_owner(entry);
		} else {
			index = split_heir(entry);
		}
	}
}

static void explain_health(const struct search *search, struct explanation *ret)
{
	const char *own = search->own[0] ? search->own : search->now;

	if (search->panic)
		say(ret, "health",
		    "panic: no stack has enough healthy backends, health is ignored");
	else if (!search->offer.takes)
		say(ret, "health",
		    "nobody in %u stack%s takes new flows; of stack %s, %u tries met one that is "
		    "down, %u one whose breaker is open: health is ignored",
		    search->asked, search->asked == 1 ? "" : "s", search->now, search->first.down,
		    search->first.open);
	else if (strcmp(search->chosen, search->now))
		say(ret, "health",
		    "stack %s has nobody left (%u tries met one that is down, %u one whose "
		    "breaker is open): stack %s has its clients",
		    search->now, search->first.down, search->first.open, search->chosen);
	else if (strcmp(own, search->now))
		say(ret, "health", "stack %s is out: stack %s has these of its clients", own,
		    search->now);
	else
		say(ret, "health", "stack %s takes new flows", own);
}

/*
 * ", in the place of …", where the flow's own backend takes new flows, but has a part of its slots
 * only; else "".
 */
static const char *own_text(const struct datapath_view *view, const struct compiled *live,
			    uint32_t bank, uint32_t at, const struct search *search,
			    char text[EXPLAIN_VERDICT_MAX])
{
	const struct ring *base = live ? bank_base_ring(&live->stacks[search->index]) : NULL;
	const struct ring *ring = &view->rings[bank * STEER_STACKS + search->index];
	uint32_t own = base ? base->backend[at] : 0, all = 0, has = 0;
	const uint8_t wanted = BACKEND_NEW | BACKEND_ROUTE;
	char address[ADDRESS_TEXT_MAX];
	struct backend b;

	text[0] = '\0';
	if (!base || search->panic || ring->backend[at] == own || !look_backend(view, own, &b) ||
	    (b.state & wanted) != wanted)
		return text;
	for (uint32_t i = 0; i < STEER_RING_SLOTS; i++) {
		all += base->backend[i] == own;
		has += base->backend[i] == own && ring->backend[i] == own;
	}
	snprintf(text, EXPLAIN_VERDICT_MAX, ", in the place of %s, which has %.0f %% of its share",
		 backend_text(&b, address), 100.0 * has / all);
	return text;
}

static bool explain_backend(const struct datapath_view *view, const struct search *search,
			    const char *own, struct explanation *ret)
{
	const struct offer *offer = &search->offer;
	char text[ADDRESS_TEXT_MAX];
	struct backend b;

	if (offer->slot < 0 || !look_backend(view, (uint32_t)offer->slot, &b)) {
		say(ret, "balance", "no backend that packets could be sent to");
		return false;
	}
	set_backend(ret, (uint32_t)offer->slot, &b);
	say(ret, "balance", "ring slot %u of %u: backend %s of stack %s%s%s%s", offer->at,
	    STEER_RING_SLOTS, backend_text(&b, text), search->chosen, own,
	    offer->takes && offer->down ? ", those before being down" : "",
	    offer->takes && offer->open ? ", those before having an open breaker" : "");
	return true;
}

/* Whose client it is while all is well. */
static const char *own_stack(const struct compiled *live, const char *service, uint32_t slot)
{
	const struct route_service *route = live ? routes_find_service(live->routes, service)
						 : NULL;
	const struct bank_split *split =
		route ? live->services[route - live->routes->services].split : NULL;

	return split ? split->names[split->base.choice[slot]] : "";
}

static bool explain_balance(const struct datapath_view *view, const struct compiled *live,
			    const struct flow_tuple *tuple, const struct vip_entry *vip,
			    struct explanation *ret)
{
	uint32_t bank = view->control->active & (STEER_BANKS - 1);
	const struct hash_key *fleet = &view->control->fleet_key[bank];
	uint64_t client = hash_client_sum(fleet, tuple);
	uint64_t flow = hash_flow_sum(fleet, tuple, client);
	const struct service *service = &view->services[bank * view->service_slots + vip->service];
	uint32_t slot = split_slot(client);
	uint32_t at = ring_slot(vip->flags & VIP_STICKY_CLIENT ? client : flow);
	char text[EXPLAIN_VERDICT_MAX];
	struct search search = {.own = own_stack(live, service->name, slot)};

	say(ret, "policy", "the service's own split; the client's slot is %u of %u%s%s", slot,
	    STEER_SPLIT_SLOTS, search.own[0] ? ", of stack " : "", search.own);
	search_stacks(view, bank, service, slot, at, &search);
	explain_health(&search, ret);
	return explain_backend(view, &search, own_text(view, live, bank, at, &search, text), ret);
}

static enum steer_reason explain_forward(const struct datapath_view *view, struct explanation *ret)
{
	const struct backend *b = &view->backends[ret->slot];
	char text[ADDRESS_TEXT_MAX];

	if (b->forward == FORWARD_LOCAL) {
		say(ret, "forward", "local: passed up to this host");
		return REASON_LOCAL;
	}
	if (b->forward == FORWARD_IPIP)
		say(ret, "forward", "ipip to %s out of interface %u, packets up to %u bytes",
		    backend_text(b, text), b->ifindex,
		    b->mtu ? b->mtu - (b->outer_family == 6 ? 40 : 20) : 65535);
	else
		say(ret, "forward",
		    "l2 to %02x:%02x:%02x:%02x:%02x:%02x out of interface %u, packets up to %u "
		    "bytes",
		    b->dst_mac[0], b->dst_mac[1], b->dst_mac[2], b->dst_mac[3], b->dst_mac[4],
		    b->dst_mac[5], b->ifindex, b->mtu ? b->mtu : 65535);
	return REASON_FORWARDED;
}

/* What balance found is where the client's next connection goes. */
static enum steer_reason explain_reset(struct explanation *ret)
{
	say(ret, "forward", "reset: the client is answered with a RST%s",
	    ret->has_backend ? ", and a SYN goes to the backend above" : "");
	ret->has_backend = false;
	ret->stack[0] = 0;
	return REASON_RESET;
}

void explain_packet(const struct datapath_view *view, const struct compiled *live,
		    const struct flow_tuple *tuple, struct explanation *ret)
{
	uint32_t bank = view->control->active & (STEER_BANKS - 1);
	const struct vip_entry *vip;
	struct address address;
	char text[ADDRESS_TEXT_MAX];
	int64_t reset = -1;
	bool found;

	*ret = (struct explanation){.reason = REASON_NOT_VIP};
	memcpy(address.bytes, tuple->dst_be, sizeof(address.bytes));
	vip = vip_table_find(&view->vips[bank], &address, ntohs(tuple->dport_be), tuple->protocol);
	if (!vip) {
		say(ret, "classify", "%s port %u is no VIP of any service: passed untouched",
		    address_text(&address, text), ntohs(tuple->dport_be));
		return;
	}
	snprintf(ret->service, sizeof(ret->service), "%s",
		 view->services[bank * view->service_slots + vip->service].name);
	say(ret, "classify", "%s port %u is a VIP of service %s%s", address_text(&address, text),
	    ntohs(tuple->dport_be), ret->service, vip->port_be ? "" : " (every port)");
	found = explain_affinity(view, tuple, vip, ret, &reset) ||
		explain_balance(view, live, tuple, vip, ret);
	if (reset >= 0 && !(found && ret->slot == reset))
		ret->reason = explain_reset(ret);
	else if (found)
		ret->reason = explain_forward(view, ret);
	else
		ret->reason = REASON_NO_BACKEND;
}
