/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Net nanoseconds of a program per packet, by test runs through the harness (harness.bpf.c), on
 * the CPU that the caller has bound itself to.
 */
#ifndef STEER_BENCH_DRIVE_H
#define STEER_BENCH_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/harness.h"
#include "lib/packet.h"

#define DRIVE_EVER_NEW 0 /* as a number of flows: none twice */

struct drive;

enum drive_program {
	DRIVE_NULL,
	DRIVE_GROW,
	DRIVE_GROW_TWICE,
	DRIVE_4IN4,	   /* checksum by the kernel's helper, as a plain program has it */
	DRIVE_4IN4_INLINE, /* by the program's own additions */
	DRIVE_4IN6,
	DRIVE_6IN6,
	DRIVE_BUCKET,
	DRIVE_PROGRAM_MAX
};

/* floor_buckets: size of the table that DRIVE_BUCKET looks into, a power of two. */
int drive_open(uint32_t floor_buckets, struct drive **ret);
void drive_close(struct drive *drive);

/* The harness's own programs, to run like any other. */
int drive_program_fd(const struct drive *drive, enum drive_program program);

/* From here on TCP segments count up by step, for rows that want it; 0: they stay as they are. */
void drive_number(struct drive *drive, uint32_t step);

/*
 * Runs `packets` packets (a multiple of four is made of it) through the program: `packet` with the
 * address and port of flow after flow out of `flows`, a power of two, in a scattered order; a run
 * of at least that many packets meets each. Gross nanoseconds per packet by the kernel's clock.
 */
int drive_run(struct drive *drive, int program_fd, const struct packet *packet, uint32_t flows,
	      uint32_t packets, double *ret_ns);

/* What the harness must be told to send `packet` as so many flows. */
void drive_settings(const struct packet *packet, uint32_t flows, struct harness_settings *ret);
bool drive_is_ipv6(const struct packet *packet);

/* What the program answered last in drive_run(), XDP_*. */
uint32_t drive_verdict(const struct drive *drive);

/* A loop of fixed length on this CPU, in nanoseconds: longer than usual, and others are at work. */
uint64_t drive_calibrate_ns(void);

#endif
