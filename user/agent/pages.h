/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's HTTP pages: /metrics, /healthz, /readyz. */
#ifndef STEER_PAGES_H
#define STEER_PAGES_H

#include "agent/agent.h"
#include "agent/http.h"

/* Starts serving where the node file says; *ret NULL where it says nowhere. 0 or -errno, logged. */
int pages_serve(sd_event *loop, const struct node_config *config, struct agent *agent,
		struct http **ret);

#endif
