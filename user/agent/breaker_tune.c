/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/breaker_tune.h"

#include <errno.h>
#include <netinet/in.h>

#include "agent/breaker.h"
#include "agent/telemetry_reader.h"
#include "common/util.h"

#define PERIOD_US     1000000
#define SUCCESSES     20  /* without any of so many that should have come */
#define P90_FACTOR    3	  /* clients beyond the 90th percentile are seldom farther than that */
#define SAMPLES_LEAST 100 /* before a percentile is believed */
#define RATE_KEPT     0.9 /* in a second without: it is what the backend was before it died */

enum owed_kind { OWED_HANDSHAKES, OWED_ANSWERS, OWED_MAX };

static const enum latency_kind latency_of[OWED_MAX] = {LATENCY_CONNECT, LATENCY_RESPONSE};
static const uint64_t least_ns[OWED_MAX] = {BREAKER_HANDSHAKE_LEAST_NS, BREAKER_ANSWER_LEAST_NS};
static const uint64_t most_ns[OWED_MAX] = {BREAKER_HANDSHAKE_NS, BREAKER_ANSWER_NS};

struct stack_times {
	char name[STEER_NAME];
	uint32_t bucket[OWED_MAX][LATENCY_BUCKETS]; /* since the last percentile */
	uint32_t samples[OWED_MAX];
	uint64_t p90_ns[OWED_MAX]; /* 0: not known yet */
};

struct slot_rates {
	uint32_t life; /* of telemetry_backend_life() */
	uint64_t count[OWED_MAX];
	double rate[OWED_MAX];
};

struct breaker_tuner {
	const struct datapath_view *view;
	struct telemetry *telemetry;
	struct telemetry_reader *reader;
	breaker_live live;
	void *userdata;
	sd_event_source *timer;
	uint64_t now_ns;
	struct stack_times *stacks; /* STEER_STACKS, by index in the live routes */
	struct slot_rates *slots;
};

uint64_t breaker_limit_ns(uint64_t p90_ns, double rate, uint64_t least, uint64_t most)
{
	uint64_t limit = p90_ns * P90_FACTOR;

	if (!p90_ns || p90_ns > most / P90_FACTOR || rate * (double)most < SUCCESSES * 1e9)
		return most;
	if (rate * (double)limit < SUCCESSES * 1e9)
		limit = (uint64_t)(SUCCESSES * 1e9 / rate);
	return limit < least ? least : limit;
}

uint64_t breaker_p90_ns(const uint32_t bucket[LATENCY_BUCKETS])
{
	uint64_t all = 0, below = 0;

	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
		all += bucket[i];
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		below += bucket[i];
		if (all && below * 10 >= all * 9)
			return latency_bucket_floor(i + 1 < LATENCY_BUCKETS ? i + 1 : i);
	}
	return 0;
}

static struct stack_times *stack_times(struct breaker_tuner *tuner, const struct compiled *live,
				       const char *name)
{
	const struct route_stack *route = routes_find_stack(live->routes, name);
	struct stack_times *times;

	if (!route)
		return NULL;
	times = &tuner->stacks[route - live->routes->stacks];
	if (strcmp(times->name, name)) {
		*times = (struct stack_times){};
		snprintf(times->name, sizeof(times->name), "%s", name);
	}
	return times;
}

static void add_series(struct stack_times *times, const struct series_totals *now,
		       const struct series_totals *before)
{
	for (int owed = 0; owed < OWED_MAX; owed++) {
		enum latency_kind kind = latency_of[owed];

		for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
			uint32_t fresh = (uint32_t)(now->bucket[kind][i] -
						    (before ? before->bucket[kind][i] : 0));

			times->bucket[owed][i] += fresh;
			times->samples[owed] += fresh;
		}
	}
}

static void read_times(struct breaker_tuner *tuner, const struct compiled *live)
{
	const struct series_totals *now, *before;
	struct stack_times *times;

	telemetry_collect(tuner->telemetry);
	for (size_t at = 0; telemetry_reader_next(tuner->reader, &at, &now, &before); at++) {
		times = now->protocol == IPPROTO_TCP ? stack_times(tuner, live, now->stack) : NULL;
		if (times)
			add_series(times, now, before);
		telemetry_reader_sent(tuner->reader, at);
	}
	for (size_t i = 0; i < live->routes->stacks_n; i++)
		for (int owed = 0; owed < OWED_MAX; owed++) {
			times = &tuner->stacks[i];
			if (times->samples[owed] < SAMPLES_LEAST)
				continue;
			times->p90_ns[owed] = breaker_p90_ns(times->bucket[owed]);
			memset(times->bucket[owed], 0, sizeof(times->bucket[owed]));
			times->samples[owed] = 0;
		}
}

static void count_successes(const struct datapath_view *view, uint32_t slot, uint64_t ret[OWED_MAX])
{
	uint32_t answered = 0;

	ret[OWED_HANDSHAKES] = 0;
	for (uint32_t cpu = 0; cpu < view->cpus; cpu++) {
		const struct flow_counts *c = &view->flow_counts[cpu * view->backend_slots + slot];

		ret[OWED_HANDSHAKES] += __atomic_load_n(&c->handshakes, __ATOMIC_RELAXED);
		answered += __atomic_load_n(&c->answered, __ATOMIC_RELAXED);
	}
	ret[OWED_ANSWERS] = answered;
}

static void follow_rates(struct breaker_tuner *tuner, uint32_t slot, double seconds)
{
	uint32_t life = telemetry_backend_life(tuner->telemetry, slot);
	struct slot_rates *slot_rates = &tuner->slots[slot];
	uint64_t count[OWED_MAX];
	double rate;

	count_successes(tuner->view, slot, count);
	if (slot_rates->life != life)
		*slot_rates = (struct slot_rates){.life = life};
	else
		for (int owed = 0; owed < OWED_MAX; owed++) {
			rate = (uint32_t)(count[owed] - slot_rates->count[owed]) / seconds;
			slot_rates->rate[owed] *= RATE_KEPT;
			if (rate > slot_rates->rate[owed])
				slot_rates->rate[owed] = rate;
		}
	memcpy(slot_rates->count, count, sizeof(count));
}

static void set_limits(struct breaker_tuner *tuner, const struct stack_times *times, uint32_t slot)
{
	struct backend_watch *watch = &tuner->view->watch[slot];
	struct owed *owed[OWED_MAX] = {&watch->handshakes, &watch->answers};

	for (int i = 0; i < OWED_MAX; i++)
		__atomic_store_n(&owed[i]->limit_ns,
				 breaker_limit_ns(times->p90_ns[i], tuner->slots[slot].rate[i],
						  least_ns[i], most_ns[i]),
				 __ATOMIC_RELAXED);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct breaker_tuner *tuner = userdata;
	const struct compiled *live = tuner->live(tuner->userdata);
	uint64_t now_ns = util_now_ns();
	double seconds = (double)(now_ns - tuner->now_ns) / 1e9;

	(void)usec;
	tuner->now_ns = now_ns;
	if (live)
		read_times(tuner, live);
	for (size_t i = 0; live && i < live->routes->stacks_n; i++) {
		const struct stack_times *times = stack_times(tuner, live,
							      live->routes->stacks[i].name);

		for (size_t j = 0; j < live->stacks[i].slots_n; j++) {
			follow_rates(tuner, live->stacks[i].slots[j], seconds);
			set_limits(tuner, times, live->stacks[i].slots[j]);
		}
	}
	sd_event_source_set_time_relative(source, PERIOD_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int breaker_tuner_new(sd_event *loop, const struct datapath_view *view, struct telemetry *telemetry,
		      breaker_live live, void *userdata, struct breaker_tuner **ret)
{
	struct breaker_tuner *tuner = util_calloc(1, sizeof(*tuner));
	int err;

	*tuner = (struct breaker_tuner){
		.view = view,
		.telemetry = telemetry,
		.live = live,
		.userdata = userdata,
		.now_ns = util_now_ns(),
		.stacks = util_calloc(STEER_STACKS, sizeof(*tuner->stacks)),
		.slots = util_calloc(view->backend_slots, sizeof(*tuner->slots)),
	};
	err = telemetry_reader_new(telemetry, false, &tuner->reader);
	if (!err)
		err = sd_event_add_time_relative(loop, &tuner->timer, CLOCK_MONOTONIC, PERIOD_US,
						 PERIOD_US / 20, on_timer, tuner);
	if (err < 0) {
		breaker_tuner_free(tuner);
		return err;
	}
	*ret = tuner;
	return 0;
}

void breaker_tuner_free(struct breaker_tuner *tuner)
{
	if (!tuner)
		return;
	sd_event_source_disable_unref(tuner->timer);
	telemetry_reader_free(tuner->reader);
	free(tuner->stacks);
	free(tuner->slots);
	free(tuner);
}
