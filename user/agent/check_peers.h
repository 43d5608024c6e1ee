/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The addresses and ports that are checked, each once, however many checks there are of it. */
#ifndef STEER_CHECK_PEERS_H
#define STEER_CHECK_PEERS_H

#include "common/routes.h"

#include <stdint.h>
#include <sys/queue.h>

struct check_peers;

struct check_peer {
	uint64_t free_us; /* the caller's, 0 at first: see check_schedule_turn_us() */

	LIST_ENTRY(check_peer) bucket; /* the rest is the functions' own */
	struct address address;
	uint16_t port;
	uint32_t users;
};

struct check_peers *check_peers_new(void);
void check_peers_free(struct check_peers *peers); /* nobody has a peer any more; accepts NULL */

/* To be given back. */
struct check_peer *check_peers_get(struct check_peers *peers, const struct address *address,
				   uint16_t port);
void check_peer_put(struct check_peer *peer);

#endif
