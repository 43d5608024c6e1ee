/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An order about the health of a backend or a stack, as the command line gives it. */
#ifndef STEER_CLI_ORDER_H
#define STEER_CLI_ORDER_H

#include "cli/cli.h"

struct order {
	const char *target;   /* "blue" or "blue/10.1.0.11" */
	const char *override; /* enum steerd.v1.HealthOverride */
	const char *deadline; /* "5m"; NULL: none, as the next */
	const char *ttl;
	bool force;
};

/* Gives it; *ret_reply is SetHealth's. */
enum cli_result order_give(struct cli *cli, const struct order *order, json_t **ret_reply);

/*
 * Shows what its backends still have until that is nothing, or the drain's time is up. `since`:
 * when the order was heeded, by the daemon's clock.
 */
enum cli_result order_wait(struct cli *cli, const struct order *order, uint64_t since);

#endif
