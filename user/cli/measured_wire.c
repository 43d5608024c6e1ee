/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/measured_wire.h"

#include <errno.h>

#include "common/util.h"
#include "steerd/v1/agent.pb-c.h"

void measured_wire_request(const struct measured_request *request, struct rpc_bytes *ret_bytes)
{
	Steerd__V1__WatchTelemetryRequest message = STEERD__V1__WATCH_TELEMETRY_REQUEST__INIT;

	message.interval_ms = request->interval_ms;
	message.from_start = request->from_start;
	message.messages = request->messages;
	ret_bytes->size = steerd__v1__watch_telemetry_request__get_packed_size(&message);
	ret_bytes->data = util_calloc(1, ret_bytes->size);
	steerd__v1__watch_telemetry_request__pack(&message, ret_bytes->data);
}

/* False: of a later version. */
static bool read_kind(Steerd__V1__LatencyKind kind, enum measured_kind *ret_kind)
{
	switch (kind) {
	case STEERD__V1__LATENCY_KIND__LATENCY_KIND_CONNECT:
		*ret_kind = MEASURED_CONNECT;
		return true;
	case STEERD__V1__LATENCY_KIND__LATENCY_KIND_RESPONSE:
		*ret_kind = MEASURED_RESPONSE;
		return true;
	case STEERD__V1__LATENCY_KIND__LATENCY_KIND_SERVICE:
		*ret_kind = MEASURED_SERVICE;
		return true;
	case STEERD__V1__LATENCY_KIND__LATENCY_KIND_LAST_BYTE:
		*ret_kind = MEASURED_LAST_BYTE;
		return true;
	case STEERD__V1__LATENCY_KIND__LATENCY_KIND_QUIC_HANDSHAKE:
		*ret_kind = MEASURED_QUIC_HANDSHAKE;
		return true;
	case STEERD__V1__LATENCY_KIND__LATENCY_KIND_QUIC_SPIN:
		*ret_kind = MEASURED_QUIC_SPIN;
		return true;
	default:
		return false;
	}
}

static void read_latency(const Steerd__V1__LatencyDelta *delta, struct measured_item *item)
{
	size_t n = delta->n_bucket < delta->n_bucket_count ? delta->n_bucket
							   : delta->n_bucket_count;
	struct measured_latency *latency;
	enum measured_kind kind;

	if (!read_kind(delta->kind, &kind))
		return;
	latency = &item->latencies[item->latencies_n++];
	latency->kind = kind;
	latency->count = delta->count;
	latency->sum_ns = delta->sum_ns;
	latency->bucket = util_calloc(n, sizeof(*latency->bucket));
	latency->bucket_count = util_calloc(n, sizeof(*latency->bucket_count));
	for (size_t i = 0; i < n; i++) {
		if (delta->bucket[i] >= LATENCY_BUCKETS)
			continue;
		latency->bucket[latency->n] = delta->bucket[i];
		latency->bucket_count[latency->n++] = delta->bucket_count[i];
	}
}

static void read_counters(Steerd__V1__Counter *const *counters, size_t n,
			  struct measured_counters *to)
{
	for (size_t i = 0; i < n; i++)
		measured_counters_add(to, counters[i]->name, counters[i]->value);
}

static struct measured_item *add_item(struct measured *message, const char *service,
				      const char *stack, const char *backend)
{
	struct measured_item *item = &message->items[message->n++];

	item->service = util_strdup(service);
	item->stack = util_strdup(stack);
	item->backend = util_strdup(backend);
	return item;
}

static void read_series(const Steerd__V1__SeriesDelta *delta, struct measured *message)
{
	struct measured_item *item = add_item(message, delta->service, delta->stack,
					      delta->backend);

	item->latencies = util_calloc(delta->n_latencies, sizeof(*item->latencies));
	for (size_t i = 0; i < delta->n_latencies; i++)
		read_latency(delta->latencies[i], item);
	read_counters(delta->errors, delta->n_errors, &item->errors);
	read_counters(delta->left_out, delta->n_left_out, &item->left_out);
}

static void read_backend(const Steerd__V1__BackendFlows *flows, struct measured *message)
{
	struct measured_item *item = add_item(message, "", flows->stack, flows->backend);

	read_counters(flows->counters, flows->n_counters, &item->flows);
	item->packets = flows->packets;
	item->bytes = flows->bytes;
}

static void read_share(const Steerd__V1__ShareFlows *share, struct measured *message)
{
	struct measured_item *item = add_item(message, share->service, share->stack, "");

	item->new_flows = share->new_flows;
	item->wanted_share = share->wanted_share;
	item->has_share = true;
}

int measured_wire_read(const struct rpc_bytes *bytes, struct measured **ret)
{
	Steerd__V1__WatchTelemetryResponse *reply;
	struct measured *message;

	reply = steerd__v1__watch_telemetry_response__unpack(NULL, bytes->size, bytes->data);
	if (!reply)
		return -EBADMSG;
	message = util_calloc(1, sizeof(*message));
	message->node = util_strdup(reply->node);
	message->epoch = reply->epoch;
	message->epoch_unix_ms = reply->epoch_unix_ms;
	message->started_unix_ms = reply->started_unix_ms;
	message->from_unix_ms = reply->from_unix_ms;
	message->to_unix_ms = reply->to_unix_ms;
	message->sample_one_in = reply->sample_one_in;
	message->more = reply->more;
	message->items = util_calloc(reply->n_series + reply->n_backends + reply->n_shares,
				     sizeof(*message->items));
	for (size_t i = 0; i < reply->n_series; i++)
		read_series(reply->series[i], message);
	for (size_t i = 0; i < reply->n_backends; i++)
		read_backend(reply->backends[i], message);
	for (size_t i = 0; i < reply->n_shares; i++)
		read_share(reply->shares[i], message);
	steerd__v1__watch_telemetry_response__free_unpacked(reply, NULL);
	*ret = message;
	return 0;
}
