/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a sampled UDP flow tells if it is QUIC: the time from the first Initial to the first packet
 * that shows that the server answered, and turns of the spin bit (RFC 9000, 7.2 and 17).
 */
#ifndef STEER_QUIC_H
#define STEER_QUIC_H

#include "sample.h"

#define QUIC_LONG	 0x80 /* header form */
#define QUIC_FIXED	 0x40
#define QUIC_SPIN	 0x20 /* of a short header */
#define QUIC_TYPE	 0x30 /* of a long header; 0 is Initial in version 1 */
#define QUIC_VERSION_2	 0x6b3343cf
#define QUIC_LONG_HEADER 14 /* bytes: first byte, version, length of an ID, 8 bytes of it */
#define QUIC_ID_MIN	 8  /* bytes of a client's first destination ID, at least */
#define QUIC_JUDGE	 32 /* packets after which a client's spinning is judged */

/* flow_sample.flags of a SAMPLE_UDP */
#define SAMPLE_QUIC_INITIAL 0x01 /* waits for a sign of the server's answer */
#define SAMPLE_QUIC_SHORT   0x02 /* short headers go by */
#define SAMPLE_QUIC_BIT	    0x04 /* the spin bit last seen */
#define SAMPLE_QUIC_EDGE    0x08 /* armed_ns is of an edge */
#define SAMPLE_QUIC_JUDGED  0x10
#define SAMPLE_QUIC_SPINS   0x20

/* A flow's first datagram. False: no QUIC Initial. */
static __always_inline bool quic_begins(struct flow_sample *s, const __u8 *head)
{
	__u32 version = bpf_ntohl(*(const __be32 *)(head + 1));
	__u8 initial = version == QUIC_VERSION_2 ? 0x10 : 0;

	if ((head[0] & (QUIC_LONG | QUIC_FIXED)) != (QUIC_LONG | QUIC_FIXED) || !version ||
	    (head[0] & QUIC_TYPE) != initial || head[5] < QUIC_ID_MIN)
		return false;
	s->flags = SAMPLE_QUIC_INITIAL;
	s->echo = *(const __u32 *)(head + 6); /* of the ID that the client chose */
	return true;
}

/* The client uses the ID that the server chose as soon as it has heard from it. */
static __always_inline void quic_handshake(struct flow_sample *s, struct series *to,
					   const __u8 *head)
{
	if ((head[0] & QUIC_LONG) && *(const __u32 *)(head + 6) == s->echo)
		return;
	s->flags &= ~SAMPLE_QUIC_INITIAL;
	series_record(to, LATENCY_QUIC_HANDSHAKE, bpf_ktime_get_ns() - s->armed_ns);
}

/* Clients that take part turn the bit once a round trip; others leave it, or set it at random. */
static __always_inline void quic_judge(struct flow_sample *s, struct series *to)
{
	if ((s->flags & SAMPLE_QUIC_JUDGED) || s->seq_next < QUIC_JUDGE)
		return;
	s->flags |= SAMPLE_QUIC_JUDGED;
	if (s->ack && s->ack < QUIC_JUDGE / 3)
		s->flags |= SAMPLE_QUIC_SPINS;
	else
		SERIES_ADD(to, no_spin);
}

static __always_inline void quic_short(struct flow_sample *s, struct series *to, __u8 first)
{
	bool bit = first & QUIC_SPIN, before = s->flags & SAMPLE_QUIC_BIT;
	__u64 now;

	if (!(s->flags & SAMPLE_QUIC_SHORT))
		before = bit;
	s->flags |= SAMPLE_QUIC_SHORT;
	s->flags = bit ? s->flags | SAMPLE_QUIC_BIT : s->flags & ~SAMPLE_QUIC_BIT;
	s->seq_next++;
	quic_judge(s, to);
	if (bit == before || ((s->flags & SAMPLE_QUIC_JUDGED) && !(s->flags & SAMPLE_QUIC_SPINS)))
		return;
	s->ack++;
	now = bpf_ktime_get_ns();
	if ((s->flags & SAMPLE_QUIC_EDGE) && (s->flags & SAMPLE_QUIC_SPINS))
		series_record(to, LATENCY_QUIC_SPIN, now - s->armed_ns);
	s->flags |= SAMPLE_QUIC_EDGE;
	s->armed_ns = now;
}

static __always_inline void quic_datagram(struct flow_sample *s, struct series *to,
					  const __u8 *head)
{
	if (s->flags & SAMPLE_QUIC_INITIAL)
		quic_handshake(s, to, head);
	if (!(s->flags & SAMPLE_QUIC_INITIAL) && (head[0] & (QUIC_LONG | QUIC_FIXED)) == QUIC_FIXED)
		quic_short(s, to, head[0]);
}

#endif
