/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A real RPC server with handlers for tests, in this process, and tests/unit/rpc_client.py as its
 * client in another. Their scenarios are described there.
 */
#ifndef STEER_TEST_RPC_WORLD_H
#define STEER_TEST_RPC_WORLD_H

#include "rpc/server.h"

struct rpc_world {
	char *directory; /* its own, removed with all that is in it */
	sd_event *loop;
	struct rpc_server *server;
	unsigned int closed_n;	     /* calls that the other side gave up */
	unsigned int explain_n;	     /* Explain calls that wait for their answer */
	size_t held_bytes;	     /* queued when a send was first refused; 0: none was */
	unsigned int drained_n;	     /* drains that are over */
	unsigned int drain_limit_ms; /* what Apply with dry_run starts */
};

/* Listens on the unix socket DIRECTORY/sock. SIGCHLD must be blocked. */
struct rpc_world *rpc_world_new(const struct rpc_limits *limits);
void rpc_world_free(struct rpc_world *world);
char *rpc_world_path(const struct rpc_world *world, const char *name); /* the caller frees */
/* Leaves a sign for the client: DIRECTORY/NAME. Takes no descriptor. */
void rpc_world_signal(const struct rpc_world *world, const char *name);
/* Runs the loop until the client has gone through the scenario, which must go well. */
void rpc_world_run(struct rpc_world *world, const char *scenario);

#endif
