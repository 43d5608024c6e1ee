/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/api_deltas.h"

#include "agent/api_arena.h"
#include "agent/telemetry_reader.h"
#include "common/util.h"

/* Of one message: clients take 4 MB by default. */
#define SERIES_MAX   256  /* of 4 KB at most */
#define BACKENDS_MAX 2048 /* of 300 bytes */
#define SHARES_MAX   4096 /* of 90 */

#define BACKEND_COUNTS (FLOW_COUNT_MAX + 2) /* and packets, bytes */

/* What was sent of a slot, if it is still in the same life. */
struct backend_sent {
	uint32_t life;
	uint64_t counts[BACKEND_COUNTS];
};

struct share_sent {
	uint32_t life;
	bool told; /* wanted was */
	uint64_t flows;
	double wanted;
};

/* Of a message that is filled and not sent yet. */
struct backend_due {
	uint32_t slot;
	struct backend_sent sent;
};

struct share_due {
	uint32_t share;
	struct share_sent sent;
};

struct deltas {
	const struct agent *agent;
	struct telemetry_reader *reader;
	struct backend_sent *backends; /* by slot */
	struct share_sent *shares;     /* by share */

	/* How far the round is. */
	size_t series_at;
	size_t stack_at, member_at;
	size_t service_at;

	struct arena arena; /* of the message */
	size_t series[SERIES_MAX];
	size_t series_n;
	struct backend_due *backends_due;
	size_t backends_n;
	struct share_due *shares_due;
	size_t shares_n;
};

static void count_backend(const struct agent *agent, uint32_t slot, struct backend_sent *ret)
{
	struct backend_view look;

	ret->life = telemetry_backend_life(agent_telemetry(agent), slot);
	telemetry_flows(agent_telemetry(agent), slot, ret->counts);
	backends_look(agent_backends(agent), slot, &look);
	ret->counts[FLOW_COUNT_MAX] = look.packets;
	ret->counts[FLOW_COUNT_MAX + 1] = look.bytes;
}

static void count_share(const struct agent *agent, uint32_t share, struct share_sent *ret)
{
	ret->life = telemetry_share_life(agent_telemetry(agent), share);
	ret->flows = agent_share_flows(agent, share);
}

/* All that a bank holds is as good as sent. */
static void skip_past(struct deltas *d)
{
	const struct datapath_view *view = agent_view(d->agent);
	const struct bank_slots *slots = agent_slots(d->agent);

	for (uint32_t i = 0; i < view->backend_slots; i++)
		if (slots_owners(slots->backends, i))
			count_backend(d->agent, i, &d->backends[i]);
	for (uint32_t i = 0; i < view->share_slots; i++)
		if (slots_owners(slots->shares, i))
			count_share(d->agent, i, &d->shares[i]);
}

int deltas_new(const struct agent *agent, bool from_start, struct deltas **ret)
{
	const struct datapath_view *view = agent_view(agent);
	struct deltas *d = util_calloc(1, sizeof(*d));
	int err = telemetry_reader_new(agent_telemetry(agent), from_start, &d->reader);

	if (err) {
		free(d);
		return err;
	}
	d->agent = agent;
	d->backends = util_calloc(view->backend_slots, sizeof(*d->backends));
	d->shares = util_calloc(view->share_slots, sizeof(*d->shares));
	d->backends_due = util_calloc(BACKENDS_MAX, sizeof(*d->backends_due));
	d->shares_due = util_calloc(SHARES_MAX, sizeof(*d->shares_due));
	if (!from_start)
		skip_past(d);
	*ret = d;
	return 0;
}

void deltas_free(struct deltas *d)
{
	if (!d)
		return;
	telemetry_reader_free(d->reader);
	arena_clear(&d->arena);
	free(d->backends);
	free(d->shares);
	free(d->backends_due);
	free(d->shares_due);
	free(d);
}

/* ---- Series ---- */

static Steerd__V1__LatencyKind kind_to_proto(uint8_t protocol, int kind)
{
	if (protocol != PROTOCOL_UDP)
		return (Steerd__V1__LatencyKind)(STEERD__V1__LATENCY_KIND__LATENCY_KIND_CONNECT +
						 kind);
	return kind == LATENCY_QUIC_HANDSHAKE
		       ? STEERD__V1__LATENCY_KIND__LATENCY_KIND_QUIC_HANDSHAKE
		       : STEERD__V1__LATENCY_KIND__LATENCY_KIND_QUIC_SPIN;
}

/* Only what changed of n counts is listed. */
static void fill_counters(struct arena *arena, size_t n, const char *const *names,
			  const uint64_t *now, const uint64_t *before, size_t *ret_n,
			  Steerd__V1__Counter ***ret_list)
{
	Steerd__V1__Counter *counters;
	size_t changed = 0;

	for (size_t i = 0; i < n; i++)
		changed += now[i] != before[i];
	if (!changed)
		return;
	ARENA_LIST(arena, changed, steerd__v1__counter__init, counters, *ret_list);
	*ret_n = changed;
	for (size_t i = 0; i < n; i++)
		if (now[i] != before[i]) {
			counters->name = (char *)names[i];
			counters++->value = now[i] - before[i];
		}
}

static void fill_latency(struct arena *arena, const uint64_t *now, const uint64_t *before,
			 Steerd__V1__LatencyDelta *delta)
{
	for (size_t b = 0; b < LATENCY_BUCKETS; b++)
		delta->n_bucket += now[b] != before[b];
	delta->n_bucket_count = delta->n_bucket;
	delta->bucket = arena_calloc(arena, delta->n_bucket, sizeof(*delta->bucket));
	delta->bucket_count = arena_calloc(arena, delta->n_bucket, sizeof(*delta->bucket_count));
	for (uint32_t b = 0, i = 0; b < LATENCY_BUCKETS; b++)
		if (now[b] != before[b]) {
			delta->bucket[i] = b;
			delta->bucket_count[i++] = now[b] - before[b];
		}
}

static void fill_series(struct arena *arena, const struct series_totals *now,
			const struct series_totals *before, Steerd__V1__SeriesDelta *delta)
{
	static const struct series_totals nothing;
	Steerd__V1__LatencyDelta *latencies;

	if (!before)
		before = &nothing;
	delta->service = (char *)now->service;
	delta->stack = (char *)now->stack;
	delta->backend = (char *)now->backend;
	ARENA_LIST(arena, LATENCY_KIND_MAX, steerd__v1__latency_delta__init, latencies,
		   delta->latencies);
	for (int kind = 0; kind < LATENCY_KIND_MAX; kind++) {
		Steerd__V1__LatencyDelta *latency = &latencies[delta->n_latencies];

		if (now->samples[kind] == before->samples[kind])
			continue;
		delta->n_latencies++;
		latency->kind = kind_to_proto(now->protocol, kind);
		latency->count = now->samples[kind] - before->samples[kind];
		latency->sum_ns = now->sum_ns[kind] - before->sum_ns[kind];
		fill_latency(arena, now->bucket[kind], before->bucket[kind], latency);
	}
	fill_counters(arena, SERIES_COUNT_MAX, series_count_names, now->counts, before->counts,
		      &delta->n_errors, &delta->errors);
	fill_counters(arena, SERIES_LEFT_OUT_MAX, series_left_out_names, now->left_out,
		      before->left_out, &delta->n_left_out, &delta->left_out);
}

static void add_series(struct deltas *d, Steerd__V1__WatchTelemetryResponse *message)
{
	const struct series_totals *now, *before;
	Steerd__V1__SeriesDelta *list;

	ARENA_LIST(&d->arena, SERIES_MAX, steerd__v1__series_delta__init, list, message->series);
	while (d->series_n < SERIES_MAX &&
	       telemetry_reader_next(d->reader, &d->series_at, &now, &before)) {
		fill_series(&d->arena, now, before, &list[d->series_n]);
		d->series[d->series_n++] = d->series_at++;
	}
	message->n_series = d->series_n;
}

/* ---- Backends ---- */

static void fill_backend(struct deltas *d, const struct compiled_stack *stack, size_t member,
			 const struct backend_sent *now, const struct backend_sent *before,
			 Steerd__V1__BackendFlows *flows)
{
	char address[ADDRESS_TEXT_MAX];

	flows->stack = stack->route->name;
	flows->backend = (char *)"local";
	if (stack->route->backends_n)
		flows->backend = arena_take(
			&d->arena, util_strdup(address_text(&stack->route->backends[member].address,
							    address)));
	fill_counters(&d->arena, FLOW_COUNT_MAX, flow_count_names, now->counts, before->counts,
		      &flows->n_counters, &flows->counters);
	flows->packets = now->counts[FLOW_COUNT_MAX] - before->counts[FLOW_COUNT_MAX];
	flows->bytes = now->counts[FLOW_COUNT_MAX + 1] - before->counts[FLOW_COUNT_MAX + 1];
}

static void add_backend(struct deltas *d, const struct compiled_stack *stack, size_t member,
			Steerd__V1__BackendFlows *list)
{
	uint32_t slot = stack->slots[member];
	const struct backend_sent none = {}, *before = &d->backends[slot];
	struct backend_sent now;

	count_backend(d->agent, slot, &now);
	if (before->life != now.life)
		before = &none;
	if (!memcmp(now.counts, before->counts, sizeof(now.counts)))
		return;
	fill_backend(d, stack, member, &now, before, &list[d->backends_n]);
	d->backends_due[d->backends_n++] = (struct backend_due){slot, now};
}

static void add_backends(struct deltas *d, const struct compiled *live,
			 Steerd__V1__WatchTelemetryResponse *message)
{
	Steerd__V1__BackendFlows *list;

	ARENA_LIST(&d->arena, BACKENDS_MAX, steerd__v1__backend_flows__init, list,
		   message->backends);
	while (d->stack_at < live->routes->stacks_n && d->backends_n < BACKENDS_MAX) {
		const struct compiled_stack *stack = &live->stacks[d->stack_at];

		if (d->member_at < stack->slots_n) {
			add_backend(d, stack, d->member_at++, list);
			continue;
		}
		d->member_at = 0;
		d->stack_at++;
	}
	message->n_backends = d->backends_n;
}

/* ---- Shares ---- */

static void add_share(struct deltas *d, const struct compiled_service *service, size_t choice,
		      uint64_t weights, Steerd__V1__ShareFlows *list)
{
	uint32_t share = service->choice[choice].share;
	const struct share_sent none = {}, *before = &d->shares[share];
	struct share_sent now = {.told = true};

	count_share(d->agent, share, &now);
	if (weights)
		now.wanted = (double)service->route->split[choice].weight / (double)weights;
	if (before->life != now.life)
		before = &none;
	if (before->told && before->flows == now.flows && before->wanted == now.wanted)
		return;
	list[d->shares_n].service = service->route->name;
	list[d->shares_n].stack = service->route->split[choice].stack;
	list[d->shares_n].new_flows = now.flows - before->flows;
	list[d->shares_n].wanted_share = now.wanted;
	d->shares_due[d->shares_n++] = (struct share_due){share, now};
}

static void add_shares(struct deltas *d, const struct compiled *live,
		       Steerd__V1__WatchTelemetryResponse *message)
{
	Steerd__V1__ShareFlows *list;

	ARENA_LIST(&d->arena, SHARES_MAX, steerd__v1__share_flows__init, list, message->shares);
	for (; d->service_at < live->routes->services_n &&
	       d->shares_n <= SHARES_MAX - STEER_SPLIT_CHOICES;
	     d->service_at++) {
		const struct compiled_service *service = &live->services[d->service_at];
		uint64_t weights = 0;

		for (size_t i = 0; i < service->route->split_n; i++)
			weights += service->route->split[i].weight;
		for (size_t i = 0; i < service->route->split_n; i++)
			add_share(d, service, i, weights, list);
	}
	message->n_shares = d->shares_n;
}

/* ---- Messages ---- */

void deltas_begin(struct deltas *d)
{
	d->series_at = d->stack_at = d->member_at = d->service_at = 0;
}

bool deltas_fill(struct deltas *d, Steerd__V1__WatchTelemetryResponse *message)
{
	const struct compiled *live = agent_live(d->agent);
	const struct series_totals *now, *before;

	add_series(d, message);
	if (live) {
		add_backends(d, live, message);
		add_shares(d, live, message);
	}
	return telemetry_reader_next(d->reader, &d->series_at, &now, &before) ||
	       (live &&
		(d->stack_at < live->routes->stacks_n || d->service_at < live->routes->services_n));
}

void deltas_sent(struct deltas *d)
{
	for (size_t i = 0; i < d->series_n; i++)
		telemetry_reader_sent(d->reader, d->series[i]);
	for (size_t i = 0; i < d->backends_n; i++)
		d->backends[d->backends_due[i].slot] = d->backends_due[i].sent;
	for (size_t i = 0; i < d->shares_n; i++)
		d->shares[d->shares_due[i].share] = d->shares_due[i].sent;
	deltas_take_back(d);
}

void deltas_take_back(struct deltas *d)
{
	arena_clear(&d->arena);
	d->series_n = d->backends_n = d->shares_n = 0;
}
