/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The families of the agent itself, and of the ways that packets left the datapath. */
#include "agent/metrics_page.h"

#include "agent/backends.h"
#include "agent/otlp.h"
#include "common/util.h"

enum agent_number { CONFIG_VERSION, CONFIG_SAVED, READY, SAMPLING, SERIES_SHARED };

static double agent_number(const struct metrics_source *source, int what)
{
	struct agent_info info;

	agent_info(source->agent, &info);
	switch (what) {
	case CONFIG_VERSION:
		return (double)info.version;
	case CONFIG_SAVED:
		return !info.persist_error[0];
	case READY:
		return agent_is_ready(source->agent);
	case SAMPLING:
		return telemetry_sampling(source->telemetry);
	default:
		return (double)telemetry_series_shared(source->telemetry);
	}
}

static bool step_agent(struct metrics_out *out, const struct page_family *family,
		       const struct metrics_source *source, struct page_position *at)
{
	int what = family->part[0].what;

	(void)at;
	if (what < SAMPLING || source->telemetry)
		metrics_gauge(out, agent_number(source, what), METRIC_NO_LABELS);
	return false;
}

static bool step_otlp(struct metrics_out *out, const struct page_family *family,
		      const struct metrics_source *source, struct page_position *at)
{
	(void)family;
	(void)at;
	if (source->otlp)
		metrics_count(out, otlp_failures(source->otlp), METRIC_NO_LABELS);
	return false;
}

static bool step_checks(struct metrics_out *out, const struct page_family *family,
			const struct metrics_source *source, struct page_position *at)
{
	struct checker_stats stats;

	(void)at;
	backends_checks(agent_backends(source->agent), &stats);
	metrics_count(out, stats.passed, METRIC_LABELS({family->label, "passed"}));
	metrics_count(out, stats.finished - stats.passed, METRIC_LABELS({family->label, "failed"}));
	metrics_count(out, stats.skipped, METRIC_LABELS({family->label, "skipped"}));
	return false;
}

static bool step_checks_waiting(struct metrics_out *out, const struct page_family *family,
				const struct metrics_source *source, struct page_position *at)
{
	struct checker_stats stats;

	(void)family;
	(void)at;
	backends_checks(agent_backends(source->agent), &stats);
	metrics_gauge(out, stats.waiting, METRIC_NO_LABELS);
	return false;
}

static bool step_detected(struct metrics_out *out, const struct page_family *family,
			  const struct metrics_source *source, struct page_position *at)
{
	(void)at;
	if (source->telemetry)
		metrics_count(
			out,
			agent_detected(source->agent, (enum detect_verdict)family->part[0].what),
			METRIC_NO_LABELS);
	return false;
}

/* By number, see agent_counter(). */
enum counter_range { DROPS, REASONS, NOTES, DECAP };

static bool step_counters(struct metrics_out *out, const struct page_family *family,
			  const struct metrics_source *source, struct page_position *at)
{
	static const struct {
		size_t from, to;
	} ranges[] = {
		[DROPS] = {REASON_FRAGMENT, REASON_MAX},
		[REASONS] = {0, REASON_MAX},
		[NOTES] = {REASON_MAX, STEER_COUNTERS},
		[DECAP] = {STEER_COUNTERS, SIZE_MAX},
	};
	int which = family->part[0].what;
	const char *name;
	uint64_t value;

	(void)at;
	for (size_t i = ranges[which].from; i < ranges[which].to; i++) {
		name = agent_counter(source->agent, i, &value);
		if (!name)
			break;
		if (which == DECAP)
			name += strlen("decap_");
		metrics_count(out, value, METRIC_LABELS({family->label, name}));
	}
	return false;
}

/* clang-format off */
static const struct page_family families[] = {
	{{"steerd_config_version", METRIC_GAUGE, "Version of the live routes."},
	 step_agent, .part = {{CONFIG_VERSION}}},
	{{"steerd_config_saved", METRIC_GAUGE,
	  "Whether the live routes are saved for the next start: 1 or 0."},
	 step_agent, .part = {{CONFIG_SAVED}}},
	{{"steerd_ready", METRIC_GAUGE,
	  "Whether saved routes are live and health checks have spoken: 1 or 0."},
	 step_agent, .part = {{READY}}},
	{{"steerd_sampling_one_in", METRIC_GAUGE,
	  "Of how many new flows one is sampled; 0: none is."},
	 step_agent, .part = {{SAMPLING}}},
	{{"steerd_series_shared", METRIC_GAUGE,
	  "Backends of services that are not measured apart, limits.series having run short."},
	 step_agent, .part = {{SERIES_SHARED}}},
	{{"steerd_otlp_failures_total", METRIC_COUNTER,
	  "Exports to the OTLP collector that failed."},
	 step_otlp, .label = NULL},
	{{"steerd_health_checks_total", METRIC_COUNTER,
	  "Health checks by result; skipped: this host could not make them."},
	 step_checks, .label = "result"},
	{{"steerd_health_checks_waiting", METRIC_GAUGE,
	  "Health checks that are due and have not started yet."},
	 step_checks_waiting, .label = NULL},
	{{"steerd_detect_suspects_total", METRIC_COUNTER,
	  "Times that a backend's flows looked bad enough to check it at once."},
	 step_detected, .part = {{DETECT_SUSPECT, NULL}}},
	{{"steerd_detect_declared_total", METRIC_COUNTER,
	  "Times that a backend was taken out for what its flows showed."},
	 step_detected, .part = {{DETECT_DECLARED, NULL}}},
	{{"steerd_drops_total", METRIC_COUNTER, "Packets for a VIP that were dropped."},
	 step_counters, "reason", {{DROPS, NULL}}},
	{{"steerd_reasons_total", METRIC_COUNTER,
	  "Packets by the reason with which they left the datapath."},
	 step_counters, "reason", {{REASONS, NULL}}},
	{{"steerd_flow_table_events_total", METRIC_COUNTER,
	  "What happened to flows on the way: inserts, evictions, moves, re-picks."},
	 step_counters, "event", {{NOTES, NULL}}},
	{{"steerd_decap_packets_total", METRIC_COUNTER,
	  "Packets that met the decapsulator, by what became of them."},
	 step_counters, "reason", {{DECAP, NULL}}},
};
/* clang-format on */

const struct page_table page_agent_table = {families, ARRAY_SIZE(families)};
