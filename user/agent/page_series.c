/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The families of what was measured of sampled flows, by service, stack and backend. */
#include "agent/metrics_page.h"

#include "common/util.h"

#include <netinet/in.h>

/* The series at the position, or NULL; steps on. false in *ret_more: it is the last. */
static const struct series_totals *next_series(const struct metrics_source *source,
					       struct page_position *at, bool *ret_more)
{
	size_t n = source->telemetry ? telemetry_series_max(source->telemetry) : 0;
	const struct series_totals *series = NULL;

	if (at->series < n)
		series = telemetry_series(source->telemetry, at->series++);
	*ret_more = at->series < n;
	return series;
}

/* A stack's backends that share one series have no backend's name. */
#define SERIES_LABELS(series, ...)                                                                 \
	METRIC_LABELS({"service", (series)->service}, {"stack", (series)->stack},                  \
		      {"backend", (series)->backend[0] ? (series)->backend : NULL}, ##__VA_ARGS__)

static bool is_udp(const struct series_totals *series)
{
	return series->protocol == IPPROTO_UDP;
}

static void put_latency(struct metrics_out *out, const struct series_totals *series, int kind)
{
	if (series->samples[kind])
		metrics_latency(out, series->bucket[kind], series->sum_ns[kind],
				SERIES_LABELS(series));
}

static bool step_tcp_latency(struct metrics_out *out, const struct page_family *family,
			     const struct metrics_source *source, struct page_position *at)
{
	bool more;
	const struct series_totals *series = next_series(source, at, &more);

	if (series && !is_udp(series))
		put_latency(out, series, family->part[0].what);
	return more;
}

static bool step_udp_latency(struct metrics_out *out, const struct page_family *family,
			     const struct metrics_source *source, struct page_position *at)
{
	bool more;
	const struct series_totals *series = next_series(source, at, &more);

	if (series && is_udp(series))
		put_latency(out, series, family->part[0].what);
	return more;
}

static bool step_flows(struct metrics_out *out, const struct page_family *family,
		       const struct metrics_source *source, struct page_position *at)
{
	bool more;
	const struct series_totals *series = next_series(source, at, &more);

	(void)family;
	if (series)
		metrics_count(out, series->counts[SERIES_flows], SERIES_LABELS(series));
	return more;
}

/* Of TCP, what its sequence numbers tell. */
static bool step_counts(struct metrics_out *out, const struct page_family *family,
			const struct metrics_source *source, struct page_position *at)
{
	bool more;
	const struct series_totals *series = next_series(source, at, &more);

	for (size_t i = 0; series && !is_udp(series) && i < (family->label ? 2 : 1); i++)
		metrics_count(out, series->counts[family->part[i].what],
			      SERIES_LABELS(series, {family->label ? family->label : "kind",
						     family->part[i].value}));
	return more;
}

static bool step_left_out(struct metrics_out *out, const struct page_family *family,
			  const struct metrics_source *source, struct page_position *at)
{
	bool more;
	const struct series_totals *series = next_series(source, at, &more);

	for (int i = 0; series && i < SERIES_LEFT_OUT_MAX; i++) {
		bool of_udp = i == LEFT_OUT_not_quic || i == LEFT_OUT_no_spin;

		if (of_udp == is_udp(series))
			metrics_count(
				out, series->left_out[i],
				SERIES_LABELS(series, {family->label, series_left_out_names[i]}));
	}
	return more;
}

/* clang-format off */
static const struct page_family families[] = {
	{{"steerd_connect_latency_seconds", METRIC_HISTOGRAM,
	  "TCP, sampled: from the client's first SYN to its first ACK."},
	 step_tcp_latency, .part = {{LATENCY_CONNECT}}},
	{{"steerd_response_latency_seconds", METRIC_HISTOGRAM,
	  "TCP, sampled: from a request to the client's first ACK of its response."},
	 step_tcp_latency, .part = {{LATENCY_RESPONSE}}},
	{{"steerd_service_time_seconds", METRIC_HISTOGRAM,
	  "TCP, sampled: the backend's part of the response latency, by echoed timestamps."},
	 step_tcp_latency, .part = {{LATENCY_SERVICE}}},
	{{"steerd_last_byte_latency_seconds", METRIC_HISTOGRAM,
	  "TCP, sampled: from a request to the last byte of its response."},
	 step_tcp_latency, .part = {{LATENCY_LAST_BYTE}}},
	{{"steerd_quic_handshake_seconds", METRIC_HISTOGRAM,
	  "QUIC, sampled: from the client's first Initial packet to its Handshake packet."},
	 step_udp_latency, .part = {{LATENCY_QUIC_HANDSHAKE}}},
	{{"steerd_quic_spin_rtt_seconds", METRIC_HISTOGRAM,
	  "QUIC, sampled: between turns of the spin bit, where the client spins it."},
	 step_udp_latency, .part = {{LATENCY_QUIC_SPIN}}},
	{{"steerd_sampled_flows_total", METRIC_COUNTER,
	  "Flows that were sampled from their first packet on."},
	 step_flows, .label = NULL},
	{{"steerd_requests_total", METRIC_COUNTER,
	  "Sampled flows: runs of data from the client that await a response."},
	 step_counts, .part = {{SERIES_requests}}},
	{{"steerd_sampled_connects_total", METRIC_COUNTER,
	  "Sampled flows: handshakes completed."},
	 step_counts, .part = {{SERIES_connects}}},
	{{"steerd_retransmits_total", METRIC_COUNTER,
	  "Sampled flows: segments that the client sent again."},
	 step_counts, "kind", {{SERIES_data_retransmits, "data"}, {SERIES_fin_retransmits, "fin"}}},
	{{"steerd_abandoned_requests_total", METRIC_COUNTER,
	  "Sampled flows: FIN or RST from the client while a request waited."},
	 step_counts, .part = {{SERIES_abandoned}}},
	{{"steerd_sampled_resets_total", METRIC_COUNTER,
	  "Sampled flows: RST from the client before or after anything came back."},
	 step_counts, "when", {{SERIES_resets_before_response, "before_response"},
			       {SERIES_resets_after_response, "after_response"}}},
	{{"steerd_zero_windows_total", METRIC_COUNTER,
	  "Sampled flows: times that the client's receive buffer ran full."},
	 step_counts, .part = {{SERIES_zero_windows}}},
	{{"steerd_latency_left_out_total", METRIC_COUNTER,
	  "Latencies that were not recorded, since they would not have been sound, by reason."},
	 step_left_out, .label = "reason"},
};
/* clang-format on */

const struct page_table page_series_table = {families, ARRAY_SIZE(families)};
