/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a server says about itself: gRPC server reflection, v1 and, for older servers, v1alpha. */
#ifndef STEER_CLI_REFLECTION_H
#define STEER_CLI_REFLECTION_H

#include "cli/schema.h"
#include "rpc/client.h"

/*
 * 0 with the types and methods of every service of the server, linked. `own` holds the messages
 * of grpc.reflection.v1. -EREMOTEIO with *error filled; also for an answer that makes no sense.
 */
int reflection_fetch(struct rpc_client *client, const struct schema *own, uint32_t timeout_ms,
		     struct schema **ret_schema, struct rpc_error *error);

#endif
