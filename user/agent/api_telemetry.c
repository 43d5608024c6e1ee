/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* WatchTelemetry and SetSampling. */
#include "agent/api_internal.h"

#include <errno.h>

#include "agent/api_deltas.h"
#include "agent/telemetry_reader.h"
#include "common/log.h"
#include "common/util.h"

#define INTERVAL_MS_MIN	    100
#define INTERVAL_MS_MAX	    60000
#define INTERVAL_MS_DEFAULT 1000
#define FRESH_MS	    20 /* streams whose time comes together share one collection */

struct stream {
	struct rpc_call *call;
	struct agent *agent;
	struct deltas *deltas;
	sd_event_source *timer;
	uint64_t interval_us;
	uint32_t left; /* rounds until the end; 0: it has none */
	uint64_t sequence;
	uint64_t from_unix_ms;
	uint32_t intervals; /* since then */
	bool blocked;	    /* the reader is slow: intervals are added up until it reads */
};

static void stream_free(struct stream *stream)
{
	sd_event_source_disable_unref(stream->timer);
	deltas_free(stream->deltas);
	free(stream);
}

static void stream_closed(struct rpc_call *call, void *userdata)
{
	(void)call;
	stream_free(userdata);
}

static void collect(const struct stream *stream)
{
	struct telemetry *telemetry = agent_telemetry(stream->agent);

	if (util_now_ms() - telemetry_collected_ms(telemetry) > FRESH_MS)
		telemetry_collect(telemetry);
}

static void fill_head(const struct stream *stream, uint64_t to_unix_ms,
		      Steerd__V1__WatchTelemetryResponse *message)
{
	const struct control *control = agent_view(stream->agent)->control;
	struct agent_info info;

	agent_info(stream->agent, &info);
	message->node = (char *)info.node;
	message->epoch = control->epoch;
	message->epoch_unix_ms = control->epoch_ns / 1000000;
	message->started_unix_ms = info.started_unix_ms;
	message->sequence = stream->sequence + 1;
	message->from_unix_ms = stream->from_unix_ms;
	message->to_unix_ms = to_unix_ms;
	message->intervals = stream->intervals;
	message->sample_one_in = telemetry_sampling(agent_telemetry(stream->agent));
}

/* One message of the round; *ret_more: there is another. */
static int send_part(struct stream *stream, uint64_t to_unix_ms, bool *ret_more)
{
	Steerd__V1__WatchTelemetryResponse message = STEERD__V1__WATCH_TELEMETRY_RESPONSE__INIT;
	int err;

	fill_head(stream, to_unix_ms, &message);
	*ret_more = deltas_fill(stream->deltas, &message);
	message.more = *ret_more;
	err = rpc_send_agent_service_watch_telemetry(stream->call, &message);
	if (err) {
		deltas_take_back(stream->deltas);
		return err;
	}
	deltas_sent(stream->deltas);
	stream->sequence++;
	return 0;
}

static void send_round(struct stream *stream);

static void stream_writable(struct rpc_call *call, void *userdata)
{
	struct stream *stream = userdata;

	(void)call;
	stream->blocked = false;
	send_round(stream);
}

static void end_stream(struct stream *stream, int err)
{
	if (err)
		rpc_call_fail(stream->call, RPC_CODE_RESOURCE_EXHAUSTED,
			      "what was counted does not go into a message: %s", strerror(-err));
	else
		rpc_call_finish(stream->call);
	stream_free(stream);
}

/* Everything that is new. May end the stream. */
static void send_round(struct stream *stream)
{
	uint64_t to_unix_ms = util_unix_ms();
	bool more = true;
	int err = 0;

	collect(stream);
	deltas_begin(stream->deltas);
	while (more && !err)
		err = send_part(stream, to_unix_ms, &more);
	if (err == -ENOBUFS) {
		stream->blocked = true;
		rpc_call_on_writable(stream->call, stream_writable, stream);
		return;
	}
	stream->from_unix_ms = to_unix_ms;
	stream->intervals = 0;
	if (err || (stream->left && !--stream->left))
		end_stream(stream, err);
}

/* A loop that was busy for long leaves intervals out rather than to send them in a row. */
static int on_interval(sd_event_source *source, uint64_t due_us, void *userdata)
{
	struct stream *stream = userdata;
	uint64_t now_us = due_us;

	sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now_us);
	due_us += stream->interval_us;
	if (due_us <= now_us)
		due_us = now_us + stream->interval_us;
	sd_event_source_set_time(source, due_us);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	stream->intervals++;
	if (!stream->blocked)
		send_round(stream);
	return 0;
}

static int start_timer(struct stream *stream)
{
	int err = sd_event_add_time_relative(agent_loop(stream->agent), &stream->timer,
					     CLOCK_MONOTONIC, stream->interval_us, 1, on_interval,
					     stream);

	return err < 0 ? err : 0;
}

static int open_stream(struct rpc_call *call, const Steerd__V1__WatchTelemetryRequest *request,
		       struct agent *agent, struct stream **ret)
{
	uint32_t interval_ms = request->interval_ms ? request->interval_ms : INTERVAL_MS_DEFAULT;
	struct stream *stream = util_calloc(1, sizeof(*stream));
	int err;

	*stream = (struct stream){.call = call,
				  .agent = agent,
				  .interval_us = interval_ms * 1000ULL,
				  .left = request->messages,
				  .from_unix_ms = util_unix_ms()};
	err = deltas_new(agent, request->from_start, &stream->deltas);
	if (!err)
		err = start_timer(stream);
	if (err) {
		stream_free(stream);
		return err;
	}
	*ret = stream;
	return 0;
}

void api_watch_telemetry(struct rpc_call *call, const Steerd__V1__WatchTelemetryRequest *request,
			 void *userdata)
{
	struct agent *agent = userdata;
	struct stream *stream;
	int err;

	if (request->interval_ms &&
	    (request->interval_ms < INTERVAL_MS_MIN || request->interval_ms > INTERVAL_MS_MAX)) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      "interval_ms: %u is not from %d to %d milliseconds",
			      request->interval_ms, INTERVAL_MS_MIN, INTERVAL_MS_MAX);
		return;
	}
	err = open_stream(call, request, agent, &stream);
	if (err) {
		rpc_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
			      "no more telemetry streams are served (at most %d at once): end one",
			      TELEMETRY_STREAMS_MAX);
		return;
	}
	rpc_call_on_closed(call, stream_closed, stream);
	if (!request->from_start)
		return;
	stream->from_unix_ms = agent_view(agent)->control->epoch_ns / 1000000;
	stream->intervals = 1;
	send_round(stream);
}

void api_set_sampling(struct rpc_call *call, const Steerd__V1__SetSamplingRequest *request,
		      void *userdata)
{
	Steerd__V1__SetSamplingResponse response = STEERD__V1__SET_SAMPLING_RESPONSE__INIT;
	struct agent *agent = userdata;

	if (request->one_in > NODE_SAMPLE_MAX || (request->off && request->one_in)) {
		rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT,
			      request->off
				      ? "off: one_in is %u at the same time, give one of the two"
				      : "one_in: %u is not from 0 to 65536",
			      request->one_in);
		return;
	}
	if (!telemetry_series_max(agent_telemetry(agent))) {
		rpc_call_fail(call, RPC_CODE_FAILED_PRECONDITION,
			      "nothing is measured on this node: limits.series is 0 in its file");
		return;
	}
	response.one_in = telemetry_set_sampling(agent_telemetry(agent),
						 request->off ? NODE_SAMPLE_OFF : request->one_in);
	if (response.one_in)
		events_add(agent_events(agent), EVENT_AGENT, NULL, NULL, NULL,
			   "sampling by order: one new flow in %u is measured%s", response.one_in,
			   request->one_in ? "" : ", by their rate from here on");
	else
		events_add(agent_events(agent), EVENT_AGENT, NULL, NULL, NULL,
			   "sampling by order: no flow is measured");
	rpc_reply_agent_service_set_sampling(call, &response);
}
