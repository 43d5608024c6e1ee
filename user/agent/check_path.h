/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way of health checks through the datapath (bpf/check_path.bpf.c): a program on the loopback
 * device's egress, and the routing rule that leads marked sockets there. While it is open, a
 * socket with check_path_mark(SLOT) that connects to a VIP talks to that slot's backend as a
 * client would whose packets were steered there.
 */
#ifndef STEER_CHECK_PATH_H
#define STEER_CHECK_PATH_H

#include "abi.h"
#include "agent/check_route.h"

#include <stdbool.h>
#include <stdint.h>

struct check_path;

/*
 * Loads the program over the `backends` map, attaches it, adds the rule, pins check_prog and
 * check_reasons where there is a pin_dir. What an agent that crashed left is replaced. One agent
 * in a network namespace may have it: another gets -EADDRINUSE. 0 or -errno; nothing is logged,
 * and nothing stays behind.
 */
int check_path_open(const char *pin_dir, int backends_fd, struct check_path **ret);

/* Takes program and rule out: without the agent there are no checks. Accepts NULL. */
void check_path_close(struct check_path *path);

/* Puts back what others have taken out since: *ret_missing says that it was. 0 or -errno. */
int check_path_mend(struct check_path *path, bool *ret_missing);

/* The families that checks can be made in. */
const struct check_route *check_path_families(const struct check_path *path);

/* For SO_MARK. */
static inline uint32_t check_path_mark(uint32_t slot)
{
	return CHECK_MARK | slot;
}

int check_path_program_fd(const struct check_path *path);

/* Packets by what became of them, over all CPUs. */
void check_path_count(const struct check_path *path, struct check_reasons *ret_reasons);

#endif
