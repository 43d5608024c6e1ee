/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bench as a whole: rows of a table, sampled in turns, judged by floors of the same run. */
#ifndef STEER_BENCH_H
#define STEER_BENCH_H

#include "bench/drive.h"
#include "bench/lab.h"
#include "bench/live.h"

#define BENCH_ROWS_MAX 64
#define BENCH_PACKETS  1000000U /* of one sample */
#define BENCH_MANY     (1U << 16)
#define BENCH_MILLION  (1U << 20)

/* What the issue asks for. */
#define BENCH_HOT_FACTOR	2.0  /* times parse-and-encapsulate, a known flow that is hot */
#define BENCH_MISS_ALLOWANCE_NS 30.0 /* above one bucket look-up, a known flow of a million */
#define BENCH_NEW_FACTOR	1.5  /* times that, a new flow */
#define BENCH_NO_VIP_NS		15.0
#define BENCH_UNSAMPLED_NS	2.0 /* above the same packet without telemetry, hot */
#define BENCH_SAMPLED_ACK_NS	8.0
#define BENCH_SAMPLED_DATA_NS	30.0

enum flows_kind {
	FLOWS_MEASURED,
	FLOWS_HOT,
	FLOWS_MANY,
	FLOWS_MILLION,
	FLOWS_NEW,
	FLOWS_OTHER,
	FLOWS_KIND_MAX
};

/* One line of the table, and how to come by it. */
struct row {
	struct lab_path path;
	enum flows_kind kind;
	int program_fd;
	bool is_floor;
	double gross; /* the least sample, ns a packet */
	unsigned int samples;
	double net;
	double floor; /* what it is judged by, net ns; 0: nothing */
	double goal;  /* at most, net ns; 0: none is set */
};

/* One line of the table of live frames. */
struct live_row {
	const char *name;
	enum flows_kind kind;
	struct lab_path path;
	int program_fd;
	bool is_floor;	/* what the following ones are compared with */
	double mpps;	/* the most of all rounds */
	double lost;	/* share of the frames, in that round */
	double over_ns; /* a packet, above the floor */
};

struct bench {
	struct fixture fixture;
	struct fixture plain; /* without telemetry */
	struct drive *drive;
	struct live *live;
	struct row rows[BENCH_ROWS_MAX];
	size_t rows_n;
	struct row floors[2 * DRIVE_PROGRAM_MAX];
	size_t floors_n;
	struct live_row live_rows[BENCH_ROWS_MAX];
	size_t live_rows_n;
	uint64_t quickest; /* calibration, ns */
	unsigned int rounds;
	const char *only; /* NULL: all rows */
};

const char *bench_flows_name(enum flows_kind kind);
uint32_t bench_flows_count(enum flows_kind kind);
bool bench_wants(const struct bench *bench, const char *path, enum flows_kind kind);

/* Which rows there are, and after measuring, what they cost and by what they are judged. */
void bench_add_rows(struct bench *bench);
void bench_judge(struct bench *bench);

/*
 * All rows take turns, round after round; a sample counts only if a known loop took no longer than
 * usual before and after it; the least of a row's samples is its figure. 0 or -errno.
 */
int bench_measure(struct bench *bench);

/* Frames across a veth pair, in a network namespace that this process moves to. */
int bench_measure_live(struct bench *bench);

void bench_print_table(const struct bench *bench);
void bench_print_json(const struct bench *bench);

#endif
