/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A client's side of a TCP conversation, as the datapath sees it. Time is real; what the backend
 * would have stamped is up to the test.
 */
#ifndef STEER_TESTS_TALK_H
#define STEER_TESTS_TALK_H

#include "lib/fixture.h"
#include "lib/flow.h"

struct talk {
	const struct fixture *fixture;
	struct flow flow;
	uint32_t seq, ack;    /* the next to send */
	uint16_t window;      /* 0x100 unless set */
	bool timestamps;      /* on every segment */
	uint32_t clock_start; /* the backend's clock when the SYN came */
	double tick_ms;	      /* of that clock: 1, or 0.001 */
	double skew_ms;	      /* added to the backend's clock from now on */
	uint64_t syn_ns;      /* when that was, CLOCK_MONOTONIC */
	bool tls;	      /* payloads begin like a TLS handshake record */
};

void talk_start(struct talk *talk, const struct fixture *fixture, const struct flow *flow);

uint64_t talk_now_ns(void);
void talk_wait_ms(double ms);

/* The backend's clock, so long after the SYN came in. */
uint32_t talk_stamp(const struct talk *talk, double ms_after_syn);
double talk_elapsed_ms(const struct talk *talk); /* since the SYN */

/* Called, if set, where a packet took so long that nobody can say when the program met it. */
extern void (*talk_disturbed)(void);

/*
 * One segment with talk->seq and talk->ack and so much payload, which moves talk->seq on; echo:
 * TSecr, where there are timestamps. The backend's slot, or -1.
 */
int talk_send(struct talk *talk, uint8_t flags, uint16_t payload, uint32_t echo);

/* SYN, rtt_ms, ACK that echoes what the backend stamped as the SYN came in. */
void talk_connect(struct talk *talk, double rtt_ms);

/*
 * A request of 100 bytes, and after service_ms + delay_ms the ACK of 1000 bytes of response, which
 * echoes what the backend stamped after service_ms.
 */
void talk_exchange(struct talk *talk, double service_ms, double delay_ms);

#endif
