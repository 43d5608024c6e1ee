/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bench/bench.h"

#include "common/util.h"

const char *bench_flows_name(enum flows_kind kind)
{
	static const char *const names[FLOWS_KIND_MAX] = {
		[FLOWS_HOT] = "known, one hot flow",   [FLOWS_MANY] = "known, 64 k flows",
		[FLOWS_MILLION] = "known, 1 M flows",  [FLOWS_NEW] = "new flow, every packet",
		[FLOWS_MEASURED] = "l2, one hot flow", [FLOWS_OTHER] = "passed, 64 k flows",
	};

	return names[kind];
}

uint32_t bench_flows_count(enum flows_kind kind)
{
	switch (kind) {
	case FLOWS_HOT:
	case FLOWS_MEASURED:
		return 1;
	case FLOWS_MILLION:
		return BENCH_MILLION;
	case FLOWS_NEW:
		return DRIVE_EVER_NEW;
	default:
		return BENCH_MANY;
	}
}

bool bench_wants(const struct bench *b, const char *path, enum flows_kind kind)
{
	CLEANUP_FREE char *text = util_format("%s, %s", path, bench_flows_name(kind));

	return !b->only || strcasestr(text, b->only);
}

static void add_floor(struct bench *b, const char *name, enum drive_program program, bool v6,
		      enum flows_kind kind)
{
	struct lab_path paths[LAB_PATHS_MAX];
	size_t n = lab_paths(paths), i = 0;
	struct row *row = &b->floors[b->floors_n++];

	while (i < n - 1 && drive_is_ipv6(&paths[i].packet) != v6)
		i++;
	*row = (struct row){.kind = kind,
			    .is_floor = true,
			    .path = paths[i],
			    .program_fd = drive_program_fd(b->drive, program)};
	row->path.name = name;
	row->path.floor = program;
	row->path.action = program == DRIVE_NULL ? XDP_PASS : XDP_TX;
	row->path.grows = program != DRIVE_NULL && program != DRIVE_BUCKET;
}

static void add_floors(struct bench *b)
{
	add_floor(b, "return at once, IPv4", DRIVE_NULL, false, FLOWS_HOT);
	add_floor(b, "return at once, IPv6", DRIVE_NULL, true, FLOWS_HOT);
	add_floor(b, "room for one header", DRIVE_GROW, false, FLOWS_HOT);
	add_floor(b, "room for two headers", DRIVE_GROW_TWICE, false, FLOWS_HOT);
	add_floor(b, "parse and encapsulate 4-in-4", DRIVE_4IN4, false, FLOWS_HOT);
	add_floor(b, "the same, sum inlined", DRIVE_4IN4_INLINE, false, FLOWS_HOT);
	add_floor(b, "parse and encapsulate 4-in-6", DRIVE_4IN6, false, FLOWS_HOT);
	add_floor(b, "parse and encapsulate 6-in-6", DRIVE_6IN6, true, FLOWS_HOT);
	add_floor(b, "one bucket look-up", DRIVE_BUCKET, false, FLOWS_HOT);
	add_floor(b, "one bucket look-up", DRIVE_BUCKET, false, FLOWS_MANY);
	add_floor(b, "one bucket look-up", DRIVE_BUCKET, false, FLOWS_MILLION);
}

static void add_row(struct bench *b, const struct lab_path *path, enum flows_kind kind)
{
	if (bench_wants(b, path->name, kind))
		b->rows[b->rows_n++] = (struct row){
			.path = *path,
			.kind = kind,
			.program_fd = datapath_program_fd(path->telemetry == LAB_WITHOUT
								  ? b->plain.datapath
								  : b->fixture.datapath)};
}

void bench_add_rows(struct bench *b)
{
	struct lab_path paths[LAB_PATHS_MAX];
	size_t n = lab_paths(paths);

	add_floors(b);
	for (int kind = FLOWS_HOT; kind <= FLOWS_NEW; kind++)
		for (size_t i = 0; i < n; i++)
			add_row(b, &paths[i], (enum flows_kind)kind);
	n = lab_telemetry_paths(paths);
	for (size_t i = 0; i < n; i++)
		add_row(b, &paths[i], FLOWS_MEASURED);
	n = lab_other_paths(paths);
	for (size_t i = 0; i < n; i++)
		add_row(b, &paths[i], FLOWS_OTHER);
}

static const struct row *find_floor(const struct bench *b, enum drive_program program, bool v6,
				    enum flows_kind kind)
{
	for (size_t i = 0; i < b->floors_n; i++) {
		const struct row *row = &b->floors[i];

		if (row->path.floor == program && row->kind == kind &&
		    drive_is_ipv6(&row->path.packet) == v6)
			return row;
	}
	abort();
}

/* Without the harness, and without its taking off of an outer header. */
static double net_of(const struct bench *b, const struct row *row)
{
	bool v6 = drive_is_ipv6(&row->path.packet);
	double null = find_floor(b, DRIVE_NULL, v6, FLOWS_HOT)->gross;
	double null4 = find_floor(b, DRIVE_NULL, false, FLOWS_HOT)->gross;
	double once = find_floor(b, DRIVE_GROW, false, FLOWS_HOT)->gross;
	double twice = find_floor(b, DRIVE_GROW_TWICE, false, FLOWS_HOT)->gross;
	double taking_off = once - null4 - (twice - once);

	return row->gross - null - (row->path.grows ? taking_off : 0);
}

static void judge_row(struct row *row, double encapsulate, double miss_many, double miss)
{
	switch (row->kind) {
	case FLOWS_HOT:
		row->floor = encapsulate;
		row->goal = BENCH_HOT_FACTOR * encapsulate;
		return;
	case FLOWS_MANY:
		row->floor = miss_many;
		return;
	case FLOWS_OTHER:
		row->goal = BENCH_NO_VIP_NS;
		return;
	default:
		row->floor = miss;
		row->goal = miss + BENCH_MISS_ALLOWANCE_NS;
		if (row->kind == FLOWS_NEW)
			row->goal *= BENCH_NEW_FACTOR;
	}
}

/* By the row without telemetry, which comes before the others of its kind. */
static void judge_measured(struct row *row, const struct row **without)
{
	bool data = row->path.sequence_step;

	if (row->path.telemetry == LAB_WITHOUT) {
		*without = row;
		return;
	}
	if (!*without)
		return; /* not asked for */
	row->floor = (*without)->net;
	if (row->path.telemetry == LAB_UNSAMPLED)
		row->goal = row->floor + BENCH_UNSAMPLED_NS;
	else
		row->goal = row->floor + (data ? BENCH_SAMPLED_DATA_NS : BENCH_SAMPLED_ACK_NS);
}

void bench_judge(struct bench *b)
{
	const struct row *without = NULL;
	double encapsulate, miss_many, miss;

	for (size_t i = 0; i < b->floors_n; i++)
		b->floors[i].net = net_of(b, &b->floors[i]);
	encapsulate = find_floor(b, DRIVE_4IN4, false, FLOWS_HOT)->net;
	miss_many = find_floor(b, DRIVE_BUCKET, false, FLOWS_MANY)->net;
	miss = find_floor(b, DRIVE_BUCKET, false, FLOWS_MILLION)->net;
	for (size_t i = 0; i < b->rows_n; i++) {
		b->rows[i].net = net_of(b, &b->rows[i]);
		if (b->rows[i].kind == FLOWS_MEASURED)
			judge_measured(&b->rows[i], &without);
		else
			judge_row(&b->rows[i], encapsulate, miss_many, miss);
	}
}
