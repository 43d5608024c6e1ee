/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bench/bench.h"

#include <errno.h>

#include "common/log.h"
#include "common/util.h"

#define TRIES_PER_ROUND 3    /* rounds are repeated where others were at work */
#define DISTURBED	1.05 /* times the quickest calibration */
#define WARM_PACKETS	4000U
#define LIVE_FRAMES	(1U << 22) /* of one measurement */
#define LIVE_ROUNDS	3

/* A flow that is measured, or was met by SYN at least, and has had its first answer. */
static int open_measured(struct bench *b, const struct row *row, uint32_t flows)
{
	const struct packet *packets[] = {&row->path.opening, &row->path.request,
					  &row->path.answer};
	double ignored;
	int err = 0;

	fixture_forget_flows(&b->fixture);
	lab_sample(&b->fixture, row->path.telemetry == LAB_SAMPLED);
	for (size_t i = 0; i < ARRAY_SIZE(packets) && !err; i++)
		err = drive_run(b->drive, row->program_fd, packets[i], flows, 1, &ignored);
	lab_sample(&b->fixture, false);
	return err;
}

/* Brings caches and flow table into the state that the row is about. */
static int prepare(struct bench *b, const struct row *row, const struct packet *packet)
{
	uint32_t flows = bench_flows_count(row->kind), packets = WARM_PACKETS;
	double ignored;
	int err;

	drive_number(b->drive, 0);
	if (row->kind == FLOWS_MEASURED) {
		err = open_measured(b, row, flows);
		if (err)
			return err;
		drive_number(b->drive, row->path.sequence_step);
	}

	if (row->kind == FLOWS_NEW)
		lab_fill_flows(&b->fixture);
	else if (!row->is_floor && flows > 1)
		fixture_forget_flows(&b->fixture);
	if (flows != DRIVE_EVER_NEW && flows > packets)
		packets = flows;
	return drive_run(b->drive, row->program_fd, packet, flows, packets, &ignored);
}

static bool is_disturbed(struct bench *b)
{
	uint64_t ns = drive_calibrate_ns();

	if (!b->quickest || ns < b->quickest)
		b->quickest = ns;
	return (double)ns > DISTURBED * (double)b->quickest;
}

/* The least clean one; while there is none, the least of the others. */
static void keep_sample(struct row *row, double ns, bool clean)
{
	bool first = clean ? !row->samples : !row->gross;

	if (first || ((clean || !row->samples) && ns < row->gross))
		row->gross = ns;
	row->samples += clean;
}

static int sample(struct bench *b, struct row *row)
{
	const struct packet *packet = row->kind == FLOWS_NEW ? &row->path.opening
							     : &row->path.packet;
	int err = prepare(b, row, packet);
	bool disturbed;
	double ns;

	if (err)
		return err;
	disturbed = is_disturbed(b);
	err = drive_run(b->drive, row->program_fd, packet, bench_flows_count(row->kind),
			BENCH_PACKETS, &ns);
	if (err)
		return err;
	if (drive_verdict(b->drive) != row->path.action) {
		log_error("%s, %s: the answer was %u, not %u: no figure for what does not work",
			  row->path.name, bench_flows_name(row->kind), drive_verdict(b->drive),
			  row->path.action);
		return -EPROTO;
	}
	keep_sample(row, ns, !is_disturbed(b) && !disturbed);
	return 0;
}

static int sample_list(struct bench *b, struct row *rows, size_t n, bool *ret_enough)
{
	for (size_t i = 0; i < n; i++) {
		int err = rows[i].samples >= b->rounds ? 0 : sample(b, &rows[i]);

		if (err)
			return err;
		if (rows[i].samples < b->rounds)
			*ret_enough = false;
	}
	return 0;
}

int bench_measure(struct bench *b)
{
	for (unsigned int round = 0; round < b->rounds * TRIES_PER_ROUND; round++) {
		bool enough = true;
		int err;

		log_info("round %u of %u, and more where others are at work", round + 1, b->rounds);
		err = sample_list(b, b->floors, b->floors_n, &enough);

		if (!err)
			err = sample_list(b, b->rows, b->rows_n, &enough);
		if (err || enough)
			return err;
	}
	return 0;
}

static void add_live(struct bench *b, const struct lab_path *path, enum flows_kind kind, int floor)
{
	bool is_floor = floor >= 0;

	if (is_floor || bench_wants(b, path->name, kind))
		b->live_rows[b->live_rows_n++] = (struct live_row){
			.name = path->name,
			.kind = kind,
			.path = *path,
			.program_fd = is_floor ? floor : datapath_program_fd(b->fixture.datapath),
			.is_floor = is_floor};
}

static void add_live_paths(struct bench *b, uint32_t action)
{
	static const enum flows_kind kinds[] = {FLOWS_HOT, FLOWS_MILLION, FLOWS_NEW};
	struct lab_path paths[LAB_PATHS_MAX];
	size_t n = lab_paths(paths);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (paths[i].action == action)
				add_live(b, &paths[i], kinds[k], -1);
}

/* A floor, then what is compared with it. */
static void add_live_rows(struct bench *b)
{
	struct lab_path paths[LAB_PATHS_MAX], floor;

	lab_paths(paths);
	floor = paths[0];
	floor.name = "floor: MACs, back by TX";
	add_live(b, &floor, FLOWS_HOT, live_floor_fd(b->live, XDP_TX));
	add_live_paths(b, XDP_TX);
	floor.name = "floor: MACs, redirect";
	add_live(b, &floor, FLOWS_HOT, live_floor_fd(b->live, XDP_REDIRECT));
	add_live_paths(b, XDP_REDIRECT);
}

static int measure_live_row(struct bench *b, struct live_row *row)
{
	const struct packet *packet = row->kind == FLOWS_NEW ? &row->path.opening
							     : &row->path.packet;
	uint32_t flows = bench_flows_count(row->kind);
	double mpps, lost;
	int err = 0;

	if (row->kind == FLOWS_NEW)
		lab_fill_flows(&b->fixture);
	else
		fixture_forget_flows(&b->fixture);
	if (flows != DRIVE_EVER_NEW)
		err = live_run(b->live, row->program_fd, packet, flows, flows, &mpps, &lost);
	if (!err)
		err = live_run(b->live, row->program_fd, packet, flows, LIVE_FRAMES, &mpps, &lost);
	if (!err && mpps > row->mpps) {
		row->mpps = mpps;
		row->lost = lost;
	}
	return err;
}

int bench_measure_live(struct bench *b)
{
	double floor_ns = 0;
	int err = live_open(&b->live);

	if (err)
		return err;
	lab_set_ways(&b->fixture, live_near(b->live), live_away(b->live));
	add_live_rows(b);
	for (unsigned int round = 0; round < LIVE_ROUNDS && !err; round++) {
		log_info("live frames, round %u of %u", round + 1, LIVE_ROUNDS);
		for (size_t i = 0; i < b->live_rows_n && !err; i++)
			err = measure_live_row(b, &b->live_rows[i]);
	}
	for (size_t i = 0; i < b->live_rows_n && !err; i++) {
		struct live_row *row = &b->live_rows[i];

		if (row->is_floor)
			floor_ns = 1000 / row->mpps;
		row->over_ns = 1000 / row->mpps - floor_ns;
	}
	return err;
}
