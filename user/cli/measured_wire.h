/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between struct measured and the messages that carry it. */
#ifndef STEER_CLI_MEASURED_WIRE_H
#define STEER_CLI_MEASURED_WIRE_H

#include "cli/measured.h"
#include "rpc/client.h"

struct measured_request {
	uint32_t interval_ms;
	bool from_start;   /* all since the epoch comes first */
	uint32_t messages; /* 0: without end */
};

/* A packed steerd.v1.WatchTelemetryRequest, which the caller clears. */
void measured_wire_request(const struct measured_request *request, struct rpc_bytes *ret_bytes);

/*
 * 0 with what a packed steerd.v1.WatchTelemetryResponse says, or -EBADMSG. Kinds and buckets that
 * this version does not know are left out.
 */
int measured_wire_read(const struct rpc_bytes *bytes, struct measured **ret);

#endif
