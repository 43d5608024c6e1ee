/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's HTTP pages: /metrics, /healthz, /readyz. */
#ifndef STEER_PAGES_H
#define STEER_PAGES_H

#include "agent/http.h"
#include "agent/metrics_page.h"

/*
 * Starts serving where the node file says; *ret NULL where it says nowhere. The source, with an
 * agent, must outlive the pages. 0 or -errno, logged.
 */
int pages_serve(sd_event *loop, const struct node_config *config,
		const struct metrics_source *source, struct http **ret);

#endif
