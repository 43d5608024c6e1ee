/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The open-addressed table in which a packet's VIP is looked up. */
#ifndef STEER_VIP_TABLE_H
#define STEER_VIP_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "common/routes.h"

struct vip_key {
	struct address address;
	uint16_t port; /* host order; 0: every port */
	uint8_t protocol;
	uint8_t flags;	  /* VIP_KEEP, VIP_RESET, VIP_STICKY_CLIENT; VIP_USED is added */
	uint16_t service; /* without the bank */
};

/*
 * Places the keys, and beside them the bare address of each, once (protocol and port 0; `keys` may
 * name it too). No entry lies STEER_VIP_PROBE or more slots
 * from its home. The table depends on the set of keys, not on their order. Slots beyond the mask
 * are left as they were. Zero keys make a table in which nothing is found.
 *
 * -ENOSPC: more than STEER_VIP_KEYS_MAX entries with the bare addresses, or no seed of those tried
 * keeps every probe short; -EEXIST: a key twice; -EINVAL: a port without a protocol.
 */
int vip_table_build(const struct vip_key *keys, size_t n, struct vip_table *ret);

/*
 * What a packet to this address, port (host order) and protocol would find: its own key, else the
 * one for every port. Protocol 0 and port 0: the bare address. NULL: nothing.
 */
const struct vip_entry *vip_table_find(const struct vip_table *table, const struct address *address,
				       uint16_t port, uint8_t protocol);

#endif
