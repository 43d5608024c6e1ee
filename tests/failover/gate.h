/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a gate's program in the kernel and the one outside share. */
#ifndef STEER_FAILOVER_GATE_H
#define STEER_FAILOVER_GATE_H

#include <linux/types.h>

#define GATE_NOTES_SIZE (1 << 18) /* bytes; a second at 6,500 SYNs/s */

/* One SYN that came. */
struct gate_note {
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u32 source_be;
	__u32 target_be;
	__u32 sequence_be;
	__u16 port_be; /* of the source */
	__u16 lost;    /* 1: it got no further */
};

#endif
