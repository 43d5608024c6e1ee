/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/packet.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TTL 64
#define TCP_WINDOW  65535

/* A packet under construction: where each layer lies. */
struct draft {
	uint8_t *data;
	const struct layer *layers;
	size_t offset[PACKET_LAYERS_MAX + 1]; /* the last: the packet's end */
	size_t n;
};

static void refuse(const char *what)
{
	fprintf(stderr, "packet: %s\n", what);
	abort();
}

static size_t layer_size(const struct layer *l)
{
	switch (l->kind) {
	case LAYER_ETH:
		return sizeof(struct ether_header);
	case LAYER_VLAN:
		return 4;
	case LAYER_IP4:
		return sizeof(struct iphdr) + l->options * 4U;
	case LAYER_IP6:
		return sizeof(struct ip6_hdr);
	case LAYER_IP6_EXT:
		return l->type == EXT_AUTHENTICATION ? 8 + l->options * 4U : 8 + l->options * 8U;
	case LAYER_TCP:
		return sizeof(struct tcphdr) + l->options * 4U;
	case LAYER_UDP:
	case LAYER_ICMP4:
	case LAYER_ICMP6:
		return 8;
	default:
		return l->size;
	}
}

/* What the layer before calls this one: an EtherType after Ethernet and VLAN, else a protocol. */
static int layer_number(const struct layer *l, bool ethertype)
{
	switch (l->kind) {
	case LAYER_VLAN:
		return ETHERTYPE_VLAN;
	case LAYER_IP4:
		return ethertype ? ETHERTYPE_IP : IPPROTO_IPIP;
	case LAYER_IP6:
		return ethertype ? ETHERTYPE_IPV6 : IPPROTO_IPV6;
	case LAYER_IP6_EXT:
		return l->type;
	case LAYER_TCP:
		return IPPROTO_TCP;
	case LAYER_UDP:
		return IPPROTO_UDP;
	case LAYER_ICMP4:
		return IPPROTO_ICMP;
	case LAYER_ICMP6:
		return IPPROTO_ICMPV6;
	default:
		return IPPROTO_NONE;
	}
}

static int next_number(const struct draft *d, size_t i, bool ethertype)
{
	const struct layer *l = &d->layers[i];

	if (l->protocol)
		return l->protocol < 0 ? 0 : l->protocol;
	return layer_number(&d->layers[i + 1], ethertype);
}

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static void put_mac(uint8_t *at, const char *text)
{
	unsigned int b[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		refuse("not a MAC address");
	for (int i = 0; i < 6; i++)
		at[i] = (uint8_t)b[i];
}

static void put_address(uint8_t *at, int family, const char *text)
{
	if (inet_pton(family, text, at) != 1)
		refuse(text);
}

uint16_t packet_checksum(const void *data, size_t size, uint32_t start)
{
	const uint8_t *bytes = data;
	uint64_t sum = start;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The sum of the pseudo header of the IP layer above layer i. */
static uint32_t pseudo_sum(const struct draft *d, size_t i, unsigned int protocol)
{
	size_t length = d->offset[d->n] - d->offset[i], at = i;
	const uint8_t *ip;
	uint32_t sum = protocol + (uint32_t)length;

	while (at > 0 && d->layers[at].kind != LAYER_IP4 && d->layers[at].kind != LAYER_IP6)
		at--;
	ip = d->data + d->offset[at];
	if (d->layers[at].kind == LAYER_IP4)
		return sum + (uint16_t)~packet_checksum(ip + 12, 8, 0);
	return d->layers[at].kind == LAYER_IP6 ? sum + (uint16_t)~packet_checksum(ip + 8, 32, 0)
					       : 0;
}

static void put_l4_checksum(const struct draft *d, size_t i, size_t field, unsigned int protocol)
{
	uint8_t *at = d->data + d->offset[i];
	uint32_t start = protocol == IPPROTO_ICMP ? 0 : pseudo_sum(d, i, protocol);
	uint16_t sum = packet_checksum(at, d->offset[d->n] - d->offset[i], start);

	put16(at + field, protocol == IPPROTO_UDP && !sum ? 0xffff : sum);
}

static void fill_eth(const struct draft *d, size_t i, uint8_t *at)
{
	const struct layer *l = &d->layers[i];

	put_mac(at, l->dst ? l->dst : PKT_MAC_EDGE);
	put_mac(at + 6, l->src ? l->src : PKT_MAC_CLIENT);
	put16(at + 12, (unsigned int)next_number(d, i, true));
}

static void fill_vlan(const struct draft *d, size_t i, uint8_t *at)
{
	put16(at, d->layers[i].vlan);
	put16(at + 2, (unsigned int)next_number(d, i, true));
}

static void fill_ip4(const struct draft *d, size_t i, uint8_t *at)
{
	const struct layer *l = &d->layers[i];
	size_t size = layer_size(l);

	memset(at + sizeof(struct iphdr), 1, size - sizeof(struct iphdr)); /* no operation */
	at[0] = (uint8_t)((l->version ? l->version : 4) << 4 | (l->ihl ? l->ihl : size / 4));
	at[1] = l->tos;
	put16(at + 2, l->length ? l->length : (unsigned int)(d->offset[d->n] - d->offset[i]));
	put16(at + 4, l->ip_id);
	put16(at + 6, l->fragment);
	at[8] = l->ttl ? l->ttl : DEFAULT_TTL;
	at[9] = (uint8_t)next_number(d, i, false);
	put_address(at + 12, AF_INET, l->src);
	put_address(at + 16, AF_INET, l->dst);
	put16(at + 10, 0);
	put16(at + 10, packet_checksum(at, size, 0));
}

static void fill_ip6(const struct draft *d, size_t i, uint8_t *at)
{
	const struct layer *l = &d->layers[i];
	size_t body = d->offset[d->n] - d->offset[i] - sizeof(struct ip6_hdr);

	at[0] = (uint8_t)((l->version ? l->version : 6) << 4 | l->tos >> 4);
	at[1] = (uint8_t)((l->tos & 15) << 4 | (l->flow_label >> 16 & 15));
	put16(at + 2, l->flow_label & 0xffff);
	put16(at + 4, l->length ? l->length : (unsigned int)body);
	at[6] = (uint8_t)next_number(d, i, false);
	at[7] = l->ttl ? l->ttl : DEFAULT_TTL;
	put_address(at + 8, AF_INET6, l->src);
	put_address(at + 24, AF_INET6, l->dst);
}

static void fill_ext(const struct draft *d, size_t i, uint8_t *at)
{
	const struct layer *l = &d->layers[i];

	at[0] = (uint8_t)next_number(d, i, false);
	at[1] = l->type == EXT_FRAGMENT ? 0 : l->options;
	if (l->type == EXT_FRAGMENT)
		put16(at + 2, l->fragment);
}

static void fill_tcp(const struct draft *d, size_t i, uint8_t *at)
{
	const struct layer *l = &d->layers[i];

	memset(at + sizeof(struct tcphdr), 1, layer_size(l) - sizeof(struct tcphdr));
	put16(at, l->sport);
	put16(at + 2, l->dport);
	at[12] = (uint8_t)(layer_size(l) / 4 << 4);
	at[13] = l->tcp_flags;
	put32(at + 4, l->seq);
	put32(at + 8, l->ack);
	put16(at + 14, l->window < 0 ? 0 : l->window ? (unsigned int)l->window : TCP_WINDOW);
	put_l4_checksum(d, i, 16, IPPROTO_TCP);
}

static void fill_udp(const struct draft *d, size_t i, uint8_t *at)
{
	const struct layer *l = &d->layers[i];

	put16(at, l->sport);
	put16(at + 2, l->dport);
	put16(at + 4, l->length ? l->length : (unsigned int)(d->offset[d->n] - d->offset[i]));
	put_l4_checksum(d, i, 6, IPPROTO_UDP);
}

static void fill_icmp(const struct draft *d, size_t i, uint8_t *at)
{
	const struct layer *l = &d->layers[i];

	at[0] = l->type;
	at[1] = l->code;
	put16(at + 6, l->rest);
	put_l4_checksum(d, i, 2, l->kind == LAYER_ICMP4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static void fill(const struct draft *d, size_t i)
{
	const struct layer *l = &d->layers[i];
	uint8_t *at = d->data + d->offset[i];

	switch (l->kind) {
	case LAYER_ETH:
		return fill_eth(d, i, at);
	case LAYER_VLAN:
		return fill_vlan(d, i, at);
	case LAYER_IP4:
		return fill_ip4(d, i, at);
	case LAYER_IP6:
		return fill_ip6(d, i, at);
	case LAYER_IP6_EXT:
		return fill_ext(d, i, at);
	case LAYER_TCP:
		return fill_tcp(d, i, at);
	case LAYER_UDP:
		return fill_udp(d, i, at);
	case LAYER_ICMP4:
	case LAYER_ICMP6:
		return fill_icmp(d, i, at);
	default:
		for (size_t j = 0; j < l->size; j++)
			at[j] = (uint8_t)(l->seed + j);
	}
}

/* Checksums cover what follows and need the addresses before: addresses first, then backwards. */
void packet_build_layers(struct packet *packet, const struct layer *layers)
{
	struct draft d = {.data = packet->data, .layers = layers};

	for (; layers[d.n].kind != LAYER_END; d.n++) {
		if (d.n == PACKET_LAYERS_MAX)
			refuse("too many layers");
		d.offset[d.n + 1] = d.offset[d.n] + layer_size(&layers[d.n]);
		if (d.offset[d.n + 1] > PACKET_MAX)
			refuse("too large");
	}
	packet->size = d.offset[d.n];
	memset(packet->data, 0, packet->size);
	for (size_t i = 0; i < d.n; i++)
		if (layers[i].kind == LAYER_IP4 || layers[i].kind == LAYER_IP6)
			fill(&d, i);
	for (size_t i = d.n; i-- > 0;)
		fill(&d, i);
}

void packet_dump(const char *title, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	fprintf(stderr, "%s, %zu bytes:", title, size);
	for (size_t i = 0; i < size; i++)
		fprintf(stderr, "%s%02x", i % 16 ? " " : "\n  ", bytes[i]);
	fprintf(stderr, "\n");
}

bool packet_differs(const struct packet *expected, const struct packet *got)
{
	if (got->size == expected->size && !memcmp(got->data, expected->data, expected->size))
		return false;
	packet_dump("expected", expected->data, expected->size);
	packet_dump("got", got->data, got->size);
	return true;
}
