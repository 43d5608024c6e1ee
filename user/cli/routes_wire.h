/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between struct routes and the messages that carry it. */
#ifndef STEER_CLI_ROUTES_WIRE_H
#define STEER_CLI_ROUTES_WIRE_H

#include "common/routes.h"
#include "rpc/client.h"

/* A packed steerd.v1.ApplyRequest, which the caller clears. */
void routes_wire_apply(const struct routes *routes, bool dry_run, struct rpc_bytes *ret_request);

/*
 * The routes of a packed steerd.v1.GetStatusResponse as a routes file, which the caller frees.
 * -EBADMSG: the bytes are none, or hold no routes that this version knows.
 */
int routes_wire_status_yaml(const struct rpc_bytes *reply, char **ret_text);

#endif
