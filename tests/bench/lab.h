/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the bench steers: routes of some size, and one packet of HARNESS_SIZE bytes for each path
 * through the program.
 */
#ifndef STEER_BENCH_LAB_H
#define STEER_BENCH_LAB_H

#include "bench/drive.h"
#include "lib/fixture.h"

#define LAB_SERVICES 1000	/* that no packet of the bench is for, beside the bench's own */
#define LAB_BACKENDS 10		/* of each stack */
#define LAB_FLOWS    (1U << 22) /* entries in the flow table, of which a quarter is used */

/* What the datapath measures of a path's flow. */
enum lab_telemetry {
	LAB_UNSAMPLED, /* what any flow costs */
	LAB_SAMPLED,
	LAB_WITHOUT, /* by a program that has no telemetry */
};

struct lab_path {
	const char *name;
	struct packet packet;  /* of a flow that may be known */
	struct packet opening; /* the first of a flow */
	struct packet request; /* telemetry's rows: then the first data, and the client's ACK of */
	struct packet answer;  /* an answer, after which no breaker watches the flow any longer */
	uint32_t action;       /* XDP_* that the program must answer with */
	enum lab_telemetry telemetry;
	uint32_t sequence_step;	  /* bytes of data in each packet, where they have to be new */
	bool grows;		  /* an outer header is added */
	enum drive_program floor; /* parse and encapsulate, what a hot flow is judged by */
};

#define LAB_PATHS_MAX 16

/* Paths of packets for a VIP; their number. */
size_t lab_paths(struct lab_path paths[LAB_PATHS_MAX]);

/* Paths that telemetry makes dearer, each kind of packet first without it. */
size_t lab_telemetry_paths(struct lab_path paths[LAB_PATHS_MAX]);

/* Paths of packets that are for no VIP. */
size_t lab_other_paths(struct lab_path paths[LAB_PATHS_MAX]);

void lab_open(struct fixture *fixture, bool telemetry);

/* New flows are sampled from here on, or none is. */
void lab_sample(const struct fixture *fixture, bool sampled);

/* The interfaces of backends: where packets arrive, and another. */
void lab_set_ways(const struct fixture *fixture, uint32_t near, uint32_t away);

/* Fills the flow table with flows of others, so that every new flow takes the place of one. */
void lab_fill_flows(const struct fixture *fixture);

#endif
