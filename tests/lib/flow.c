/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/flow.h"

#include <arpa/inet.h>

#include "common/util.h"

uint64_t flow_random_number(uint64_t *seed)
{
	uint64_t x = *seed += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

struct flow flow_random(uint64_t *seed, const char *vip, uint16_t vip_port, enum protocol protocol)
{
	struct flow flow = {.vip_port = vip_port, .protocol = protocol};
	uint64_t a = flow_random_number(seed), b = flow_random_number(seed);

	if (address_parse(vip, &flow.vip))
		abort();
	flow.client_port = (uint16_t)(1024 + (a >> 32) % 60000);
	memcpy(flow.client.bytes, flow.vip.bytes, 16);
	memcpy(flow.client.bytes + 12, &a, 4);
	if (!address_is_ipv4(&flow.vip))
		memcpy(flow.client.bytes + 4, &b, 8);
	return flow;
}

void flow_packet(const struct flow *flow, uint8_t tcp_flags, struct packet *ret)
{
	char client[INET6_ADDRSTRLEN], vip[INET6_ADDRSTRLEN];
	bool v4 = address_is_ipv4(&flow->vip);
	int family = v4 ? AF_INET : AF_INET6;
	struct layer ip, transport;

	inet_ntop(family, flow->client.bytes + (v4 ? 12 : 0), client, sizeof(client));
	inet_ntop(family, flow->vip.bytes + (v4 ? 12 : 0), vip, sizeof(vip));
	ip = v4 ? pkt_ip4(client, vip) : pkt_ip6(client, vip);
	if (flow->protocol == PROTOCOL_TCP)
		transport = pkt_tcp(flow->client_port, flow->vip_port, tcp_flags);
	else
		transport = pkt_udp(flow->client_port, flow->vip_port);
	packet_build(ret, pkt_eth(), ip, transport, pkt_payload(16));
}

struct flow_tuple flow_tuple_of(const struct flow *flow)
{
	struct flow_tuple t = {
		.sport_be = htons(flow->client_port),
		.dport_be = htons(flow->vip_port),
		.protocol = (uint8_t)flow->protocol,
		.family = address_is_ipv4(&flow->vip) ? 4 : 6,
	};

	memcpy(t.src_be, flow->client.bytes, sizeof(t.src_be));
	memcpy(t.dst_be, flow->vip.bytes, sizeof(t.dst_be));
	return t;
}

uint32_t flow_send(const struct fixture *f, const struct flow *flow, uint8_t tcp_flags)
{
	struct outcome outcome;
	struct packet packet;
	int slot;

	flow_packet(flow, tcp_flags, &packet);
	fixture_send(f, &packet, &outcome);
	slot = fixture_receiver(&outcome);
	if (slot < 0) {
		fprintf(stderr, "flow: not forwarded: %s\n", fixture_reason_name(outcome.reason));
		packet_dump("packet", packet.data, packet.size);
		abort();
	}
	return (uint32_t)slot;
}

struct flow_pick flow_expect(const struct fixture *f, const char *name, const struct flow *flow,
			     bool sticky_by_client)
{
	const struct datapath_view *v = f->view;
	unsigned int bank = v->control->active;
	const struct service *service =
		&v->services[bank * v->service_slots + fixture_service(f, name)];
	const struct hash_key *key = &v->control->fleet_key[bank];
	struct flow_tuple tuple = flow_tuple_of(flow);
	uint64_t client_sum = hash_client_sum(key, &tuple);
	uint64_t sum = sticky_by_client ? client_sum : hash_flow_sum(key, &tuple, client_sum);
	const struct split *split = &v->splits[bank * v->split_slots + service->split];
	uint8_t entry = split->choice[split_slot(client_sum)];
	struct flow_pick pick = {service->choice[split_owner(entry)], 0};

	pick.slot = v->rings[bank * STEER_STACKS + pick.choice.stack].backend[ring_slot(sum)];
	return pick;
}

struct flow_entry *flow_find(const struct fixture *f, const struct flow *flow)
{
	struct flow_tuple tuple = flow_tuple_of(flow);
	uint64_t fingerprint = flow_fingerprint(&f->view->control->node_key, &tuple);
	struct flow_bucket *bucket =
		&f->view->flows[flow_bucket_of(fingerprint, f->view->flow_buckets)];

	for (int i = 0; i < STEER_BUCKET_ENTRIES; i++)
		if (bucket->entry[i].word &&
		    (bucket->entry[i].key ^ bucket->entry[i].word) == fingerprint)
			return &bucket->entry[i];
	return NULL;
}

void flow_age(struct flow_entry *entry, uint16_t ticks)
{
	uint64_t fingerprint = entry->key ^ entry->word;

	entry->data.seen = (uint16_t)(entry->data.seen - ticks);
	entry->key = fingerprint ^ entry->word;
}
