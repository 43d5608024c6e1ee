/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/watch.h"

#include <errno.h>

#include "common/util.h"

#define METHOD "/steerd.v1.AgentService/WatchTelemetry"

int watch_open(struct rpc_client *client, const struct measured_request *request,
	       uint32_t timeout_ms, struct rpc_stream **ret_stream)
{
	CLEANUP_RPC_BYTES struct rpc_bytes packed = {0};

	measured_wire_request(request, &packed);
	if (rpc_stream_open(client, METHOD, timeout_ms, ret_stream) < 0)
		return -EIO;
	/* A send that fails shows in how the call ends. */
	if (rpc_stream_send(*ret_stream, packed.data, packed.size) == 0)
		rpc_stream_send_end(*ret_stream);
	return 0;
}

static int receive_part(struct rpc_stream *stream, struct measured **ret_part,
			struct rpc_error *error)
{
	CLEANUP_RPC_BYTES struct rpc_bytes bytes = {0};
	int ret = rpc_stream_receive(stream, &bytes, error);

	if (ret <= 0)
		return ret;
	if (measured_wire_read(&bytes, ret_part) == 0)
		return 1;
	rpc_error_clear(error);
	error->message = util_strdup("an answer of the daemon cannot be read: is this steerctl "
				     "of its version?");
	return -EREMOTEIO;
}

int watch_receive(struct rpc_stream *stream, struct measured **ret_message, struct rpc_error *error)
{
	CLEANUP_MEASURED struct measured *message = NULL;
	int ret = receive_part(stream, &message, error);

	while (ret > 0 && message->more) {
		CLEANUP_MEASURED struct measured *part = NULL;

		ret = receive_part(stream, &part, error);
		if (ret > 0)
			measured_append(message, part);
	}
	if (ret > 0)
		*ret_message = TAKE(message);
	return ret;
}

enum cli_result watch_once(struct cli *cli, bool from_start, struct measured **ret_message)
{
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	const struct measured_request request = {
		.interval_ms = WATCH_INTERVAL_MIN_MS,
		.from_start = from_start,
		.messages = 1,
	};
	enum cli_result result = cli_connect(cli);
	int ret;

	if (result)
		return result;
	if (watch_open(cli->client, &request, cli->timeout_ms, &stream) < 0)
		return cli_fail("the call could not be started");
	ret = watch_receive(stream, ret_message, &error);
	if (ret < 0)
		return cli_fail_call(cli, "WatchTelemetry", &error);
	return ret ? CLI_DONE : cli_fail("%s sent nothing", cli->target.address);
}
