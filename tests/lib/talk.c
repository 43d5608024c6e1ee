/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/talk.h"

#include <time.h>

#include "common/util.h"

#define TIMESTAMP_WORDS 3
#define RESPONSE	1000
#define DISTURBED_NS	1000000

void (*talk_disturbed)(void);

uint64_t talk_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void talk_wait_ms(double ms)
{
	uint64_t until = talk_now_ns() + (uint64_t)(ms * 1e6);
	struct timespec at = {.tv_sec = (time_t)(until / 1000000000),
			      .tv_nsec = (long)(until % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
		;
}

void talk_start(struct talk *talk, const struct fixture *fixture, const struct flow *flow)
{
	*talk = (struct talk){
		.fixture = fixture,
		.flow = *flow,
		.seq = 1000,
		.window = 0x100,
		.timestamps = true,
		.clock_start = 5000,
		.tick_ms = 1,
	};
}

uint32_t talk_stamp(const struct talk *talk, double ms_after_syn)
{
	return talk->clock_start + (uint32_t)((ms_after_syn + talk->skew_ms) / talk->tick_ms);
}

double talk_elapsed_ms(const struct talk *talk)
{
	return (double)(talk_now_ns() - talk->syn_ns) / 1e6;
}

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The header checksum covers what is written here; the datapath leaves that to the receiver. */
static void fill_tcp(const struct talk *talk, uint8_t *tcp, uint32_t echo)
{
	put32(tcp + 4, talk->seq);
	put32(tcp + 8, talk->ack);
	tcp[14] = (uint8_t)(talk->window >> 8);
	tcp[15] = (uint8_t)talk->window;
	if (!talk->timestamps)
		return;
	put32(tcp + 20, 0x0101080a);
	put32(tcp + 24, (uint32_t)(talk_now_ns() / 1000000));
	put32(tcp + 28, echo);
}

int talk_send(struct talk *talk, uint8_t flags, uint16_t payload, uint32_t echo)
{
	char client[ADDRESS_TEXT_MAX], vip[ADDRESS_TEXT_MAX];
	bool v4 = address_is_ipv4(&talk->flow.vip);
	const uint8_t handshake[] = {0x16, 3, 1};
	uint8_t words = talk->timestamps ? TIMESTAMP_WORDS : 0;
	struct packet packet;
	struct outcome outcome;
	struct layer ip;
	uint64_t begun;
	uint8_t *tcp;

	address_text(&talk->flow.client, client);
	address_text(&talk->flow.vip, vip);
	ip = v4 ? pkt_ip4(client, vip) : pkt_ip6(client, vip);
	packet_build(&packet, pkt_eth(), ip,
		     pkt_tcp(talk->flow.client_port, talk->flow.vip_port, flags, .options = words),
		     pkt_payload(payload));
	tcp = packet.data + 14 + (v4 ? 20 : 40);
	fill_tcp(talk, tcp, echo);
	if (talk->tls && payload >= sizeof(handshake))
		memcpy(tcp + 20 + words * 4, handshake, sizeof(handshake));
	begun = talk_now_ns();
	fixture_send(talk->fixture, &packet, &outcome);
	if (talk_disturbed && talk_now_ns() - begun > DISTURBED_NS)
		talk_disturbed();
	talk->seq += payload + !!(flags & (TH_SYN | TH_FIN));
	return fixture_receiver(&outcome);
}

void talk_connect(struct talk *talk, double rtt_ms)
{
	talk->syn_ns = talk_now_ns();
	talk_send(talk, TH_SYN, 0, 0);
	talk_wait_ms(rtt_ms);
	talk->ack = 777;
	talk_send(talk, TH_ACK, 0, talk_stamp(talk, 0));
}

void talk_exchange(struct talk *talk, double service_ms, double delay_ms)
{
	double asked;

	talk_send(talk, TH_ACK | TH_PUSH, 100, talk->clock_start);
	asked = talk_elapsed_ms(talk);
	talk_wait_ms(service_ms + delay_ms);
	talk->ack += RESPONSE;
	talk_send(talk, TH_ACK, 0, talk_stamp(talk, asked + service_ms));
}
