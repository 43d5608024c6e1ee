/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The routes file of the node file: applied at start and whenever its content changes. A file
 * that has not changed since it was last applied is not applied again at start: what was pushed
 * since stands.
 */
#ifndef STEER_ROUTES_FILE_H
#define STEER_ROUTES_FILE_H

#include "agent/agent.h"

struct routes_file;

/*
 * Applies the file now, if it is new, then watches it. A file with errors is logged, with every
 * one of them, and leaves the routes as they are; so does a missing one. 0 or -errno, logged,
 * where it cannot be watched. Both must outlive the result.
 */
int routes_file_new(sd_event *loop, const struct node_config *config, struct agent *agent,
		    struct routes_file **ret);
void routes_file_free(struct routes_file *file); /* accepts NULL */

#endif
