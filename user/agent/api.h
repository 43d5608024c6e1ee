/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * steerd.v1.AgentService on top of agent.h. The api*.c files are the ones that turn messages into
 * the agent's terms and back.
 */
#ifndef STEER_API_H
#define STEER_API_H

#include "agent/agent.h"
#include "rpc/server.h"

/* Registers every method; both must outlive the server's last call. */
void api_register(struct rpc_server *server, struct agent *agent);

#endif
