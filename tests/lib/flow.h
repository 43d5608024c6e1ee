/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows as numbers: made at random, turned into packets, and steered by the tables in C. */
#ifndef STEER_TESTS_FLOW_H
#define STEER_TESTS_FLOW_H

#include "abi.h"
#include "lib/fixture.h"

struct flow {
	struct address client, vip;
	uint16_t client_port, vip_port; /* host order */
	enum protocol protocol;
};

/* The next of a sequence that follows from *seed. */
uint64_t flow_random_number(uint64_t *seed);

/* A random client of this VIP, out of all of IPv4 or of a /32 of IPv6. */
struct flow flow_random(uint64_t *seed, const char *vip, uint16_t vip_port, enum protocol protocol);

/* flags: TH_…, of no meaning for UDP. */
void flow_packet(const struct flow *flow, uint8_t tcp_flags, struct packet *ret);

struct flow_tuple flow_tuple_of(const struct flow *flow);

/*
 * Sends one packet of the flow, which must be forwarded by a way that leaves the backend's MAC to
 * see (not local). The backend's slot.
 */
uint32_t flow_send(const struct fixture *fixture, const struct flow *flow, uint8_t tcp_flags);

/* What the live tables of a service have in store for a new flow while every backend is up. */
struct flow_pick {
	struct choice choice;
	uint32_t slot; /* of the backend */
};
struct flow_pick flow_expect(const struct fixture *fixture, const char *service,
			     const struct flow *flow, bool sticky_by_client);

/* The flow's entry in the table by the agent's own look at it; NULL: not known. */
struct flow_entry *flow_find(const struct fixture *fixture, const struct flow *flow);

/* Makes the entry look last used so many ticks before it was. */
void flow_age(struct flow_entry *entry, uint16_t ticks);

#endif
