/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the bench and its harness share. */
#ifndef STEER_BENCH_HARNESS_H
#define STEER_BENCH_HARNESS_H

#include <linux/types.h>

#define HARNESS_CPUS   256 /* that are told apart, a power of two */
#define HARNESS_BATCH  4   /* packets of one test-run repeat; `duration` is whole nanoseconds */
#define HARNESS_STRIDE 2654435769U /* odd: every flow once in a pass, no two neighbours in turn */

/*
 * Of packets without VLAN tags and options: 8 bytes that hold the last 32 bits of the source
 * address (IPv4: the first half of them; IPv6: the second), and the two ports.
 */
#define HARNESS_ADDRESS_AT(v6) ((v6) ? 14 + 16 : 14 + 12)
#define HARNESS_PORTS_AT(v6)   ((v6) ? 14 + 40 : 14 + 20)
#define HARNESS_NUMBERS_AT(v6) (HARNESS_PORTS_AT(v6) + 4) /* TCP sequence number */
#define HARNESS_SIZE	       96 /* of every packet, bytes: a multiple of 8 */

/* Set before each run. */
struct harness_settings {
	__u64 address_rest; /* the 8 bytes at HARNESS_ADDRESS_AT, what varies 0 */
	__u32 ports_rest;   /* the 4 bytes at HARNESS_PORTS_AT, the source 0 */
	__u32 next;	    /* counts up by the stride; masked, the flow's index */
	__u32 mask;	    /* flows - 1, of a power of two; all ones: never the same flow */
	__be16 protocol_be; /* EtherType, which taking off an outer header overwrites */
	__u16 unused;
	__u64 packet[HARNESS_SIZE / 8]; /* live frames: what each is made from */
	__u32 generator;		/* live frames: the interface that they leave by */
	__u32 away;			/* live frames: where floor_redirect sends them */
	__u32 sequence, sequence_step;	/* TCP sequence number of the next packet, host order */
	__u32 numbered;			/* 0: packets keep the sequence number that they have */
	__u64 clock;			/* read between packets, and of no use but that */
};

#endif
