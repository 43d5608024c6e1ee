/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/histogram.h"

#include <inttypes.h>

#include "common/util.h"

void histogram_clear(struct histogram *histogram)
{
	measured_sum_clear(&histogram->sum);
	free(histogram->node);
	histogram->node = NULL;
}

void histogram_add(struct histogram *histogram, const struct measured *message)
{
	if (!histogram->node) {
		histogram->node = util_strdup(message->node);
		histogram->from_unix_ms = message->from_unix_ms;
	}
	histogram->epoch = message->epoch;
	histogram->to_unix_ms = message->to_unix_ms;
	histogram->sample_one_in = message->sample_one_in;
	measured_sum_add(&histogram->sum, message);
}

bool histogram_wants(const struct histogram *histogram, enum measured_kind kind)
{
	return !histogram->has_kind || histogram->kind == kind;
}

struct measured_filter histogram_filter(const struct histogram *histogram, size_t i)
{
	struct measured_filter filter = histogram->filter;

	if (histogram->compared[i])
		filter.stack = histogram->compared[i];
	return filter;
}

static uint64_t samples_of(const struct histogram *histogram, size_t i, enum measured_kind kind)
{
	struct measured_filter filter = histogram_filter(histogram, i);
	struct distribution d;

	measured_sum_distribution(&histogram->sum, &filter, kind, &d);
	return distribution_total(&d);
}

uint64_t histogram_samples(const struct histogram *histogram, enum measured_kind kind)
{
	uint64_t samples = samples_of(histogram, 0, kind);

	return histogram->compared[1] ? samples + samples_of(histogram, 1, kind) : samples;
}

enum measured_kind histogram_compared_kind(const struct histogram *histogram)
{
	/* The backend's own part first, then what has most of the network in it last. */
	static const enum measured_kind by_worth[] = {
		MEASURED_SERVICE, MEASURED_RESPONSE,	   MEASURED_LAST_BYTE,
		MEASURED_CONNECT, MEASURED_QUIC_HANDSHAKE, MEASURED_QUIC_SPIN,
	};

	if (histogram->has_kind)
		return histogram->kind;
	for (size_t i = 0; i < ARRAY_SIZE(by_worth); i++)
		if (samples_of(histogram, 0, by_worth[i]) && samples_of(histogram, 1, by_worth[i]))
			return by_worth[i];
	for (size_t i = 0; i < ARRAY_SIZE(by_worth); i++)
		if (histogram_samples(histogram, by_worth[i]))
			return by_worth[i];
	return by_worth[0];
}

char *histogram_filter_text(const struct measured_filter *filter)
{
	const char *const names[] = {"service", "stack", "backend"};
	const char *const values[] = {filter->service, filter->stack, filter->backend};
	char *text = util_strdup("");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP_FREE char *before = text;

		text = values[i] ? util_format("%s%s%s %s", before, *before ? ", " : "", names[i],
					       values[i])
				 : util_strdup(before);
	}
	return text;
}

/* " connect 12, response 11"; "" for none. */
static char *other_kinds(const struct histogram *histogram, size_t i)
{
	char *text = util_strdup("");

	for (size_t kind = 0; kind < MEASURED_KIND_MAX; kind++) {
		uint64_t samples = samples_of(histogram, i, (enum measured_kind)kind);
		CLEANUP_FREE char *before = text;

		text = samples ? util_format("%s%s %s %" PRIu64, before, *before ? "," : "",
					     measured_kind_names[kind], samples)
			       : util_strdup(before);
	}
	return text;
}

#define OF(kind) (1U << MEASURED_##kind)

/* Whether a latency of this kind can be left out for that reason; of any, if it is not known. */
static bool can_leave_out(const char *reason, enum measured_kind kind)
{
	static const struct {
		const char *reason;
		unsigned int kinds;
	} table[] = {
		{"no_timestamp", OF(SERVICE)},
		{"syn_retransmitted", OF(SERVICE)},
		{"tick_unknown", OF(SERVICE)},
		{"forged", OF(SERVICE)},
		{"bad_anchor", OF(SERVICE)},
		{"retransmitted", OF(RESPONSE) | OF(SERVICE) | OF(LAST_BYTE)},
		{"out_of_order", OF(RESPONSE) | OF(SERVICE) | OF(LAST_BYTE)},
		{"overlapped", OF(RESPONSE) | OF(SERVICE) | OF(LAST_BYTE)},
		{"tls_handshake", OF(RESPONSE) | OF(SERVICE) | OF(LAST_BYTE)},
		{"not_quic", OF(QUIC_HANDSHAKE)},
		{"no_spin", OF(QUIC_SPIN)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].reason, reason) == 0)
			return table[i].kinds & 1U << kind;
	return true;
}

static char *reasons_text(const struct histogram *histogram,
			  const struct measured_counters *counters)
{
	char *text = util_strdup("");

	for (size_t i = 0; i < counters->n; i++) {
		CLEANUP_FREE char *before = text;
		bool applies = !histogram->has_kind ||
			       can_leave_out(counters->item[i].name, histogram->kind);

		text = counters->item[i].value && applies
			       ? util_format("%s%s %s %" PRIu64, before, *before ? "," : "",
					     counters->item[i].name, counters->item[i].value)
			       : util_strdup(before);
	}
	return text;
}

static uint64_t new_flows(const struct histogram *histogram, const struct measured_filter *filter)
{
	struct measured_filter of_shares = {.service = filter->service, .stack = filter->stack};
	uint64_t flows = 0;

	for (size_t i = 0; i < histogram->sum.n; i++)
		if (measured_matches(&of_shares, histogram->sum.totals[i]))
			flows += histogram->sum.totals[i]->new_flows;
	return flows;
}

static char *reason_none(const struct histogram *histogram, size_t i)
{
	CLEANUP_MEASURED_COUNTERS struct measured_counters errors = {0}, left_out = {0};
	struct measured_filter filter = histogram_filter(histogram, i);
	CLEANUP_FREE char *others = other_kinds(histogram, i), *reasons = NULL;
	uint64_t flows = new_flows(histogram, &filter);
	uint64_t waiting;

	measured_sum_counters(&histogram->sum, &filter, &errors, &left_out);
	reasons = reasons_text(histogram, &left_out);
	waiting = measured_counter(&errors, "abandoned");
	if (*reasons)
		return util_format("latencies were left out:%s%s%s", reasons,
				   *others ? "; there are samples of:" : "", others);
	if (*others)
		return util_format("there are samples of:%s", others);
	if (!histogram->sample_one_in)
		return util_strdup("sampling is off ('steerctl sampling auto' turns it on)");
	if (waiting)
		return util_format("%" PRIu64 " requests were abandoned before a response",
				   waiting);
	if (!flows)
		return util_strdup("no new flow came in that time");
	if (histogram->sample_one_in == 1)
		return util_format(
			"%" PRIu64 " new flows came, and nothing of them is complete yet", flows);
	return util_format("%" PRIu64 " new flows came, of which one in %" PRIu32
			   " is measured, and nothing of those is complete yet",
			   flows, histogram->sample_one_in);
}

char *histogram_why_none(const struct histogram *histogram, size_t i)
{
	struct measured_filter filter = histogram_filter(histogram, i);
	CLEANUP_FREE char *reason = reason_none(histogram, i);
	CLEANUP_FREE char *what = histogram_filter_text(&filter);

	return util_format("no samples%s%s%s%s: %s", histogram->has_kind ? " of " : "",
			   histogram->has_kind ? measured_kind_names[histogram->kind] : "",
			   *what ? " for " : "", what, reason);
}
