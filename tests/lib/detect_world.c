/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/detect_world.h"

#include <math.h>
#include <string.h>

#include "agent/mix.h"

#define SYN_RETRY_TICKS (1000 / DETECT_TICK_MS)
#define LAG_TICKS	(DETECT_LAG_EVERY_S * 1000 / DETECT_TICK_MS)

double world_uniform(struct world *w)
{
	return (double)(mix64(w->random++) >> 11) * 0x1p-53;
}

/* Knuth, TAOCP 2, 3.4.1: by the times between events; a large mean in parts. */
static uint32_t poisson(struct world *w, double mean)
{
	double left = 1, limit;
	uint32_t n = 0;

	for (; mean > 20; mean -= 20)
		n += poisson(w, 20);
	limit = exp(-mean);
	while ((left *= world_uniform(w)) > limit)
		n++;
	return n;
}

static double draw_rtt_ms(struct world *w)
{
	return w->rtt_min_ms * pow(w->rtt_max_ms / w->rtt_min_ms, world_uniform(w));
}

static uint32_t tick_after(double ms)
{
	uint32_t ticks = (uint32_t)(ms / DETECT_TICK_MS);

	return ticks < WORLD_AHEAD ? ticks : WORLD_AHEAD - 1;
}

static void measure(struct world *w, enum detect_channel channel, double ms)
{
	w->latency[channel][latency_bucket((uint64_t)(ms * 1e6))]++;
}

/* A SYN passes, late_ms after the first; its flow asks as soon as it is connected. */
static void flow_connects(struct world *w, struct world_backend *b, double late_ms)
{
	double phase = world_uniform(w) * DETECT_TICK_MS, rtt = draw_rtt_ms(w);
	double answer = rtt - log(1 - world_uniform(w)) * w->service_ms + b->slow_ms;

	b->handshakes[(w->tick + tick_after(phase + rtt)) % WORLD_AHEAD]++;
	measure(w, DETECT_CONNECT, late_ms + rtt);
	if (b->fault == FAULT_STOPPED)
		return;
	b->answers[(w->tick + tick_after(phase + rtt + answer)) % WORLD_AHEAD]++;
	measure(w, DETECT_ANSWER, answer);
}

/* Lost, it is sent again 1, 3 and 7 seconds after the first: elsewhere, if it is out by then. */
static void syn_arrives(struct world *w, struct world_backend *b, uint32_t tries)
{
	if (b->fault != FAULT_DEAD && (b->fault != FAULT_LOSSY || world_uniform(w) >= 0.25))
		flow_connects(w, b, ((1 << tries) - 1) * 1000);
	else if (tries < WORLD_TRIES)
		b->again[tries][(w->tick + (SYN_RETRY_TICKS << tries)) % WORLD_AHEAD]++;
}

static uint32_t take(uint16_t *of, uint32_t tick)
{
	uint32_t n = of[tick % WORLD_AHEAD];

	of[tick % WORLD_AHEAD] = 0;
	return n;
}

static void backend_tick(struct world *w, struct world_backend *b)
{
	uint32_t flows = b->out ? 0 : poisson(w, b->per_s * DETECT_TICK_MS / 1000), n;

	for (uint32_t i = 0; i < flows; i++)
		if (world_uniform(w) >= w->junk)
			syn_arrives(w, b, 0);
	if (!b->out && w->flood_per_s > 0)
		flows += poisson(w, w->flood_per_s * DETECT_TICK_MS / 1000);
	for (uint32_t tries = 1; tries <= WORLD_TRIES; tries++)
		for (n = take(b->again[tries - 1], w->tick); n && !b->out; n--) {
			b->counts.repeated++;
			syn_arrives(w, b, tries);
		}
	b->counts.begun[DETECT_CONNECT] += flows;
	n = take(b->handshakes, w->tick);
	b->counts.done[DETECT_CONNECT] += n;
	b->counts.begun[DETECT_ANSWER] += n;
	b->counts.done[DETECT_ANSWER] += take(b->answers, w->tick);
}

static void on_found(void *userdata, const struct detect_finding *finding)
{
	struct world *w = userdata;
	uint32_t slot = finding->slot;

	if (finding->verdict == DETECT_SUSPECT) {
		w->suspects++;
		if (!w->suspect_tick[slot])
			w->suspect_tick[slot] = w->tick;
		return;
	}
	w->declared++;
	w->last = *finding;
	w->backend[slot].out = true;
	if (!w->declared_tick[slot])
		w->declared_tick[slot] = w->tick;
}

/* As telemetry would tell it, of all backends together. */
static void look_at_latencies(struct world *w)
{
	for (int c = 0; c < DETECT_CHANNEL_MAX; c++) {
		detect_lag_add(&w->lag[c], (enum detect_channel)c, w->latency[c], NULL);
		memset(w->latency[c], 0, sizeof(w->latency[c]));
		w->lag_ticks[c] = detect_lag_ticks(&w->lag[c], w->lag_ticks[c]);
		for (uint32_t i = 0; i < w->backends; i++)
			detect_set_lag(w->detect, i, (enum detect_channel)c, w->lag_ticks[c]);
	}
}

void world_begin(struct world *w, uint64_t seed, uint32_t backends, double per_s)
{
	struct detect_place place = {.has_weight = true};

	memset(w, 0, sizeof(*w));
	w->random = mix64(seed);
	w->backends = backends;
	w->rtt_min_ms = 0.2;
	w->rtt_max_ms = 300;
	w->service_ms = 5;
	w->detect = detect_new(WORLD_BACKENDS, on_found, w);
	for (uint32_t i = 0; i < backends; i++) {
		w->backend[i].per_s = per_s;
		detect_put(w->detect, i, &place, false);
		detect_open(w->detect, i, true);
	}
}

void world_end(struct world *w)
{
	detect_free(w->detect);
}

void world_tick(struct world *w)
{
	w->tick++;
	for (uint32_t i = 0; i < w->backends; i++) {
		backend_tick(w, &w->backend[i]);
		if (detect_is_due(w->detect, i))
			detect_feed(w->detect, i, &w->backend[i].counts);
	}
	detect_tick(w->detect);
	if (w->tick % LAG_TICKS == 0)
		look_at_latencies(w);
}

void world_run(struct world *w, double seconds)
{
	for (uint32_t n = (uint32_t)(seconds * 1000 / DETECT_TICK_MS); n; n--)
		world_tick(w);
}

void world_hang(struct world *w, double seconds)
{
	for (uint32_t n = (uint32_t)(seconds * 1000 / DETECT_TICK_MS); n; n--) {
		w->tick++;
		for (uint32_t i = 0; i < w->backends; i++)
			backend_tick(w, &w->backend[i]);
	}
	detect_late(w->detect);
}

double world_fault(struct world *w, uint32_t backend, enum fault fault, double seconds)
{
	uint32_t begun = w->tick;

	w->backend[backend].fault = fault;
	for (uint32_t n = (uint32_t)(seconds * 1000 / DETECT_TICK_MS); n; n--) {
		world_tick(w);
		if (w->backend[backend].out)
			return (w->tick - begun) * DETECT_TICK_MS;
	}
	return -1;
}
