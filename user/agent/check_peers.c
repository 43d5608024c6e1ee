/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_peers.h"

#include "agent/mix.h"
#include "common/util.h"

#define BUCKETS 4096 /* a few peers each at the most backends there may be */

struct check_peers {
	LIST_HEAD(check_peer_list, check_peer) buckets[BUCKETS];
};

struct check_peers *check_peers_new(void)
{
	return util_calloc(1, sizeof(struct check_peers));
}

void check_peers_free(struct check_peers *peers)
{
	free(peers);
}

struct check_peer *check_peers_get(struct check_peers *peers, const struct address *address,
				   uint16_t port)
{
	uint64_t hash = mix_bytes(address->bytes, sizeof(address->bytes), port);
	struct check_peer_list *bucket = &peers->buckets[hash % BUCKETS];
	struct check_peer *peer;

	LIST_FOREACH(peer, bucket, bucket)
	{
		if (peer->port == port && !address_compare(&peer->address, address))
			break;
	}
	if (!peer) {
		peer = util_calloc(1, sizeof(*peer));
		peer->address = *address;
		peer->port = port;
		LIST_INSERT_HEAD(bucket, peer, bucket);
	}
	peer->users++;
	return peer;
}

void check_peer_put(struct check_peer *peer)
{
	if (--peer->users)
		return;
	LIST_REMOVE(peer, bucket);
	free(peer);
}
