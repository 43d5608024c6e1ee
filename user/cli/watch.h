/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The telemetry stream of a daemon. */
#ifndef STEER_CLI_WATCH_H
#define STEER_CLI_WATCH_H

#include "cli/cli.h"
#include "cli/measured_wire.h"

#define WATCH_INTERVAL_MIN_MS 100
#define WATCH_INTERVAL_MAX_MS 60000

/* timeout_ms: of the whole stream; 0: none. 0 or -EIO. */
int watch_open(struct rpc_client *client, const struct measured_request *request,
	       uint32_t timeout_ms, struct rpc_stream **ret_stream);

/*
 * 1 with an interval, of as many messages as it came in; 0 at the end of the stream; -EREMOTEIO
 * with *error.
 */
int watch_receive(struct rpc_stream *stream, struct measured **ret_message,
		  struct rpc_error *error);

/* All that has been counted since the epoch when from_start, else of some 100 ms. */
enum cli_result watch_once(struct cli *cli, bool from_start, struct measured **ret_message);

#endif
