/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that read like the packet:
 *
 *	struct packet p;
 *	packet_build(&p, pkt_eth(), pkt_vlan(7), pkt_ip4("198.51.100.7", "203.0.113.10"),
 *		     pkt_tcp(40000, 443, TCP_SYN), pkt_payload(10));
 *
 * What a layer does not say follows from the layers around it: EtherType, next header, lengths,
 * checksums. Fields after the positional arguments override: pkt_ip4(a, b, .tos = 0xb8).
 */
#ifndef STEER_TESTS_PACKET_H
#define STEER_TESTS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/tcp.h> /* TH_SYN and its like */

#define PACKET_MAX	  4096
#define PACKET_LAYERS_MAX 16

struct packet {
	uint8_t data[PACKET_MAX];
	size_t size;
};

enum layer_kind {
	LAYER_END,
	LAYER_ETH,
	LAYER_VLAN,
	LAYER_IP4,
	LAYER_IP6,
	LAYER_IP6_EXT,
	LAYER_TCP,
	LAYER_UDP,
	LAYER_ICMP4,
	LAYER_ICMP6,
	LAYER_PAYLOAD,
};

/* Integers in host order. 0 means "as usual" in every field that the kind derives. */
struct layer {
	enum layer_kind kind;
	const char *src, *dst; /* IP addresses, or MACs */
	uint16_t sport, dport;
	uint8_t tcp_flags;
	uint32_t seq, ack;
	int window;	 /* -1: a true zero */
	uint8_t tos;	 /* or the IPv6 traffic class */
	uint8_t ttl;	 /* or hop limit; 64 */
	uint8_t version; /* the usual one */
	uint8_t ihl;	 /* from options */
	uint8_t options; /* IPv4 and TCP: words of padding; extension header: its length field */
	uint16_t ip_id;
	uint16_t fragment; /* IPv4: flags and offset as on the wire; IPv6: offset and flag */
	uint32_t flow_label;
	int protocol;	    /* EtherType or next header; -1: a true zero */
	uint16_t length;    /* IPv4 total, IPv6 payload, UDP */
	uint8_t type, code; /* ICMP; type also: an extension header's own number */
	uint16_t rest;	    /* ICMP: its last 16 bits, the MTU of "fragmentation needed" */
	uint16_t vlan;
	uint16_t size; /* of a payload, bytes */
	uint8_t seed;  /* first byte of a payload, counting up from there */
};

#define PKT_MAC_CLIENT "02:00:00:00:00:01"
#define PKT_MAC_EDGE   "02:00:00:00:00:02"

/* The number of the extension headers that packets may carry. */
#define EXT_HOP_BY_HOP	   0
#define EXT_ROUTING	   43
#define EXT_FRAGMENT	   44
#define EXT_AUTHENTICATION 51
#define EXT_DESTINATION	   60
#define EXT_MOBILITY	   135

#define pkt_layer(KIND, ...)   ((struct layer){.kind = KIND, ##__VA_ARGS__})
#define pkt_eth(...)	       pkt_layer(LAYER_ETH, ##__VA_ARGS__)
#define pkt_vlan(ID, ...)      pkt_layer(LAYER_VLAN, .vlan = (ID), ##__VA_ARGS__)
#define pkt_ip4(SRC, DST, ...) pkt_layer(LAYER_IP4, .src = (SRC), .dst = (DST), ##__VA_ARGS__)
#define pkt_ip6(SRC, DST, ...) pkt_layer(LAYER_IP6, .src = (SRC), .dst = (DST), ##__VA_ARGS__)
#define pkt_ext(NUMBER, ...)   pkt_layer(LAYER_IP6_EXT, .type = (NUMBER), ##__VA_ARGS__)
#define pkt_tcp(SPORT, DPORT, FLAGS, ...)                                                          \
	pkt_layer(LAYER_TCP, .sport = (SPORT), .dport = (DPORT), .tcp_flags = (FLAGS),             \
		  ##__VA_ARGS__)
#define pkt_udp(SPORT, DPORT, ...)                                                                 \
	pkt_layer(LAYER_UDP, .sport = (SPORT), .dport = (DPORT), ##__VA_ARGS__)
#define pkt_icmp4(TYPE, CODE, ...)                                                                 \
	pkt_layer(LAYER_ICMP4, .type = (TYPE), .code = (CODE), ##__VA_ARGS__)
#define pkt_icmp6(TYPE, CODE, ...)                                                                 \
	pkt_layer(LAYER_ICMP6, .type = (TYPE), .code = (CODE), ##__VA_ARGS__)
#define pkt_payload(SIZE, ...) pkt_layer(LAYER_PAYLOAD, .size = (SIZE), ##__VA_ARGS__)

#define packet_build(P, ...)                                                                       \
	packet_build_layers((P), (const struct layer[]){__VA_ARGS__, {.kind = LAYER_END}})

/* Layers up to LAYER_END. Ends the process on a packet that is too large: a mistake in the test. */
void packet_build_layers(struct packet *packet, const struct layer *layers);

/* The Internet checksum (RFC 1071) of the bytes and a start; 0 over a header that is intact. */
uint16_t packet_checksum(const void *data, size_t size, uint32_t start);

/* Bytes as hex, 16 a line, to standard error. */
void packet_dump(const char *title, const void *data, size_t size);

/* Shows both if their bytes are not the same. */
bool packet_differs(const struct packet *expected, const struct packet *got);

#endif
