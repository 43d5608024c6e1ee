/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/detector_internal.h"

#include <errno.h>
#include <netinet/in.h>

#include "agent/telemetry_reader.h"
#include "common/log.h"
#include "common/util.h"

#define TICK_US	     (DETECT_TICK_MS * 1000ULL)
#define LATE_US	     (2 * TICK_US) /* after the last look at counts */
#define LAG_TICKS    (DETECT_LAG_EVERY_S * 1000 / DETECT_TICK_MS)
#define CONNECT_LAG  102	/* ticks, while nothing was measured: a SYN's first repeat */
#define LAG_OF_STACK UINT32_MAX /* a backend's own is not known */

static void on_found(void *userdata, const struct detect_finding *finding)
{
	struct detector *d = userdata;

	if (finding->verdict == DETECT_DECLARED)
		backends_declare(d->backends, finding->slot, finding->partly, finding->evidence);
	else
		backends_suspect(d->backends, finding->slot);
}

static uint32_t load(const __u64 *counter)
{
	return (uint32_t)__atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void read_counts(const struct datapath_view *view, uint32_t slot, struct detect_counts *ret)
{
	*ret = (struct detect_counts){};
	for (uint32_t cpu = 0; cpu < view->cpus; cpu++) {
		const struct flow_counts *counts =
			&view->flow_counts[cpu * view->backend_slots + slot];

		ret->begun[DETECT_CONNECT] += load(&counts->syns);
		ret->done[DETECT_CONNECT] += load(&counts->handshakes);
		ret->begun[DETECT_ANSWER] += __atomic_load_n(&counts->asked, __ATOMIC_RELAXED);
		ret->done[DETECT_ANSWER] += __atomic_load_n(&counts->answered, __ATOMIC_RELAXED);
		ret->repeated += load(&counts->syn_retransmits);
	}
}

static void feed(struct detector *d, uint32_t slot)
{
	const uint8_t both = BACKEND_NEW | BACKEND_ROUTE;
	uint8_t state = __atomic_load_n(&d->view->backends[slot].state, __ATOMIC_RELAXED);
	struct detect_counts counts;

	detect_open(d->detect, slot, (state & both) == both);
	read_counts(d->view, slot, &counts);
	detect_feed(d->detect, slot, &counts);
	if (!(state & BACKEND_NEW))
		backends_wait(d->backends, slot);
}

/* A series' new samples; backend "" stands for all of a stack. */
static void add_samples(struct detector *d, const struct series_totals *now,
			const struct series_totals *before)
{
	static const enum latency_kind kinds[] = {
		[DETECT_CONNECT] = LATENCY_CONNECT, [DETECT_ANSWER] = LATENCY_RESPONSE};
	const struct route_stack *route = routes_find_stack(d->live->routes, now->stack);
	struct watched_stack *stack;
	struct address address;
	char key[BANK_KEY_MAX];
	uint32_t slot;

	if (!route || now->protocol != IPPROTO_TCP)
		return;
	stack = &d->stacks[route - d->live->routes->stacks];
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++)
		detect_lag_add(&stack->lag[c], (enum detect_channel)c, now->bucket[kinds[c]],
			       before ? before->bucket[kinds[c]] : NULL);
	if (address_parse(now->backend, &address))
		return;
	bank_backend_key(now->stack, &address, route->forward, key);
	if (slots_find(d->backend_slots, key, &slot) || !d->slots[slot].watched)
		return;
	if (!d->slots[slot].lag)
		d->slots[slot].lag = util_calloc(DETECT_CHANNEL_MAX, sizeof(struct detect_lag));
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++)
		detect_lag_add(&d->slots[slot].lag[c], (enum detect_channel)c,
			       now->bucket[kinds[c]], before ? before->bucket[kinds[c]] : NULL);
	detector_add_samples(&d->slots[slot], now, before);
}

/* The longer of a backend's own and its stack's; unknown, if either is too long to wait for. */
static void set_lag(struct detector *d, const struct watched *watched, int c)
{
	uint32_t stack = d->stacks[watched->stack].ticks[c], own = LAG_OF_STACK;

	if (d->slots[watched->slot].lag)
		own = detect_lag_ticks(&d->slots[watched->slot].lag[c], LAG_OF_STACK);
	if (own == LAG_OF_STACK)
		own = stack;
	if (own && stack && stack > own)
		own = stack;
	detect_set_lag(d->detect, watched->slot, (enum detect_channel)c, stack ? own : stack);
}

static void look_at_latencies(struct detector *d)
{
	const struct series_totals *now, *before;

	telemetry_collect(d->telemetry);
	for (size_t at = 0; telemetry_reader_next(d->reader, &at, &now, &before); at++) {
		add_samples(d, now, before);
		telemetry_reader_sent(d->reader, at);
	}
	detector_find_outliers(d);
	for (size_t i = 0; i < d->stacks_n; i++)
		for (int c = 0; c < DETECT_CHANNEL_MAX; c++)
			d->stacks[i].ticks[c] = detect_lag_ticks(&d->stacks[i].lag[c],
								 d->stacks[i].ticks[c]);
	for (size_t i = 0; i < d->watched_n; i++)
		for (int c = 0; c < DETECT_CHANNEL_MAX; c++)
			set_lag(d, &d->watched[i], c);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct detector *d = userdata;

	(void)usec;
	d->tick++;
	if (d->live && d->tick % LAG_TICKS == 0)
		look_at_latencies(d);
	if (util_now_us() - d->fed_us > LATE_US)
		detect_late(d->detect);
	d->fed_us = util_now_us();
	for (size_t i = 0; i < d->watched_n; i++) {
		uint32_t slot = d->watched[i].slot;

		if (detect_is_due(d->detect, slot))
			feed(d, slot);
	}
	detect_tick(d->detect);
	sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int detector_new(sd_event *loop, const struct datapath_view *view, struct telemetry *telemetry,
		 struct backends *backends, const struct slots *backend_slots,
		 struct detector **ret)
{
	struct detector *d = util_calloc(1, sizeof(*d));
	int err;

	*d = (struct detector){.view = view,
			       .telemetry = telemetry,
			       .backends = backends,
			       .backend_slots = backend_slots};
	d->detect = detect_new(view->backend_slots, on_found, d);
	d->slots = util_calloc(view->backend_slots, sizeof(*d->slots));
	err = telemetry_reader_new(telemetry, true, &d->reader);
	if (!err)
		err = sd_event_add_time_relative(loop, &d->timer, CLOCK_MONOTONIC, TICK_US, 1000,
						 on_tick, d);
	if (err < 0) {
		detector_free(d);
		return log_errno(err, "cannot watch backends' flows");
	}
	*ret = d;
	return 0;
}

static void forget(struct detector *d, uint32_t slot)
{
	detect_drop(d->detect, slot);
	free(d->slots[slot].lag);
	free(d->slots[slot].samples);
	d->slots[slot] = (struct slot_state){};
}

void detector_free(struct detector *d)
{
	if (!d)
		return;
	sd_event_source_disable_unref(d->timer);
	telemetry_reader_free(d->reader);
	for (size_t i = 0; i < d->watched_n; i++)
		forget(d, d->watched[i].slot);
	detect_free(d->detect);
	free(d->watched);
	free(d->slots);
	free(d->stacks);
	free(d);
}

bool detector_by_client(const struct compiled *compiled, size_t stack)
{
	for (size_t i = 0; i < compiled->routes->services_n; i++) {
		const struct compiled_service *service = &compiled->services[i];

		for (size_t j = 0; service->route->sticky_by_client && j < service->route->split_n;
		     j++)
			if (service->choice[j].stack == stack)
				return true;
	}
	return false;
}

static uint32_t weight_of(const struct compiled_stack *stack, size_t i)
{
	return stack->route->backends_n ? stack->route->backends[i].weight : 1;
}

static void watch_stack(struct detector *d, const struct compiled *compiled, size_t index)
{
	const struct compiled_stack *stack = &compiled->stacks[index];
	struct detect_place place = {.stack = (uint16_t)index,
				     .mode = (uint8_t)stack->route->forward,
				     .by_client = detector_by_client(compiled, index)};
	uint32_t weights = 0, weight;

	for (size_t i = 0; i < stack->slots_n; i++)
		weights += weight_of(stack, i);
	for (size_t i = 0; i < stack->slots_n; i++) {
		struct slot_state *slot = &d->slots[stack->slots[i]];

		weight = weight_of(stack, i);
		place.has_weight = weight;
		detect_put(d->detect, stack->slots[i], &place,
			   slot->weight != weight || slot->weights != weights);
		outlier_adopt(&slot->outlier, backends_slow_step(d->backends, stack->slots[i]),
			      util_now_ms());
		slot->watched = true;
		slot->weight = weight;
		slot->weights = weights;
		d->watched[d->watched_n++] = (struct watched){.slot = stack->slots[i],
							      .stack = (uint16_t)index};
	}
}

/* A stack keeps what was measured under its name. */
static struct watched_stack *make_stacks(const struct detector *d, const struct compiled *compiled)
{
	struct watched_stack *stacks = util_calloc(compiled->routes->stacks_n, sizeof(*stacks));

	for (size_t i = 0; i < compiled->routes->stacks_n; i++) {
		snprintf(stacks[i].name, sizeof(stacks[i].name), "%s",
			 compiled->routes->stacks[i].name);
		stacks[i].ticks[DETECT_CONNECT] = CONNECT_LAG;
		for (size_t j = 0; j < d->stacks_n; j++)
			if (!strcmp(stacks[i].name, d->stacks[j].name))
				stacks[i] = d->stacks[j];
		stacks[i].spare_percent = detector_spare_percent(compiled, i);
	}
	return stacks;
}

void detector_set_routes(struct detector *d, const struct compiled *compiled)
{
	CLEANUP_FREE struct watched *were = TAKE(d->watched);
	size_t were_n = d->watched_n, n = 0;
	struct watched_stack *stacks = make_stacks(d, compiled);

	for (size_t i = 0; i < were_n; i++)
		d->slots[were[i].slot].watched = false;
	for (size_t i = 0; i < compiled->routes->stacks_n; i++)
		n += compiled->stacks[i].slots_n;
	free(d->stacks);
	d->stacks = stacks;
	d->stacks_n = compiled->routes->stacks_n;
	d->live = compiled;
	d->watched = util_calloc(n, sizeof(*d->watched));
	d->watched_n = 0;
	for (size_t i = 0; i < compiled->routes->stacks_n; i++)
		watch_stack(d, compiled, i);
	for (size_t i = 0; i < were_n; i++)
		if (!d->slots[were[i].slot].watched)
			forget(d, were[i].slot);
}

uint64_t detector_total(const struct detector *d, enum detect_verdict verdict)
{
	return d ? detect_total(d->detect, verdict) : 0;
}
