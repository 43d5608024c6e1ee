/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/telemetry_internal.h"

#include <errno.h>

#include "common/log.h"
#include "common/util.h"

#define TICK_MS	      1000
#define COLLECT_TICKS 4 /* ticks between collections; telemetry_flows_tick() counts on 4 s */

/* clang-format off */
const char *const series_count_names[SERIES_COUNT_MAX] = {
#define X(name) #name,
	SERIES_COUNTS(X)
#undef X
};

const char *const series_left_out_names[SERIES_LEFT_OUT_MAX] = {
#define X(name) #name,
	SERIES_LEFT_OUT(X)
#undef X
};

const char *const flow_count_names[FLOW_COUNT_MAX] = {
#define X(name) #name,
	FLOW_COUNTS(X)
#undef X
};
/* clang-format on */

/* Flows that have begun: those that could be sampled, which a flood beyond its ration is not. */
static uint64_t count_flows(const struct telemetry *t)
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < t->view->cpus; cpu++)
		sum += __atomic_load_n(&t->view->reasons[cpu].flow_inserts, __ATOMIC_RELAXED);
	return sum;
}

static void store_sampling(struct telemetry *t)
{
	struct control *control = t->view->control;
	uint32_t one_in = telemetry_sampling(t);

	if (one_in)
		__atomic_store_n(&control->sample_mask, one_in - 1, __ATOMIC_RELAXED);
	__atomic_store_n(&control->sample_off, !one_in, __ATOMIC_RELAXED);
}

uint32_t telemetry_set_sampling(struct telemetry *t, uint32_t one_in)
{
	sampling_set(&t->sampling, one_in);
	store_sampling(t);
	return telemetry_sampling(t);
}

uint32_t telemetry_sampling(const struct telemetry *t)
{
	return t->series_max ? t->sampling.one_in : 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct telemetry *t = userdata;
	uint64_t now_ms = util_now_ms();

	(void)usec;
	sampling_step(&t->sampling, count_flows(t), now_ms);
	store_sampling(t);
	telemetry_series_clean(t, now_ms);
	if (++t->ticks % COLLECT_TICKS == 0) {
		telemetry_collect(t);
		telemetry_flows_tick(t);
	}
	sd_event_source_set_time_relative(source, TICK_MS * 1000ULL);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* After a restart, automatic sampling goes on from where it was. */
static void begin_sampling(struct telemetry *t, uint32_t wanted)
{
	const struct control *control = t->view->control;

	if (!control->sample_off && control->sample_mask < SAMPLING_MAX)
		t->sampling.one_in = control->sample_mask + 1;
	telemetry_set_sampling(t, wanted);
	sampling_step(&t->sampling, count_flows(t), util_now_ms());
}

int telemetry_new(sd_event *loop, const struct datapath_view *view, uint32_t sample,
		  struct telemetry **ret)
{
	struct telemetry *t = util_calloc(1, sizeof(*t));
	int err;

	t->view = view;
	t->series_max = view->has_telemetry ? view->series_slots : 0;
	telemetry_flows_open(t);
	err = telemetry_series_open(t, util_now_ms());
	if (!err)
		err = sd_event_add_time_relative(loop, &t->timer, CLOCK_MONOTONIC,
						 TICK_MS * 1000ULL, 0, on_timer, t);
	if (err < 0) {
		telemetry_free(t);
		return log_errno(err, "cannot collect what is measured of flows");
	}
	begin_sampling(t, sample);
	*ret = t;
	return 0;
}

void telemetry_free(struct telemetry *t)
{
	if (!t)
		return;
	sd_event_source_disable_unref(t->timer);
	telemetry_series_close(t);
	telemetry_flows_close(t);
	free(t);
}
