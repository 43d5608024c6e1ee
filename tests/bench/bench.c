/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet costs, beside the floors measured in the same run. All rows take turns, round
 * after round; a sample counts only if a known loop took no longer than usual before and after it;
 * the least of a row's samples is its figure.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <sys/utsname.h>

#include "bench/drive.h"
#include "bench/lab.h"
#include "common/log.h"
#include "common/util.h"

#define ROUNDS_DEFAULT	  7
#define TRIES_PER_ROUND	  4    /* rounds are repeated where others were at work */
#define DISTURBED	  1.05 /* times the quickest calibration */
#define PACKETS		  1000000U
#define WARM_PACKETS	  4000U
#define HOT		  1U
#define MANY		  (1U << 16)
#define MILLION		  (1U << 20)
#define MISS_ALLOWANCE_NS 30.0 /* above one bucket look-up, for a known flow out of a million */
#define NEW_FLOW_FACTOR	  1.5
#define HOT_FACTOR	  2.0
#define NO_VIP_NS	  15.0
#define ROWS_MAX	  64

enum flows_kind { FLOWS_HOT, FLOWS_MANY, FLOWS_MILLION, FLOWS_NEW, FLOWS_OTHER, FLOWS_KIND_MAX };

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

struct bench {
	struct fixture fixture;
	struct drive *drive;
	struct row rows[ROWS_MAX];
	size_t rows_n;
	struct row floors[2 * DRIVE_PROGRAM_MAX];
	size_t floors_n;
	uint64_t quickest; /* calibration, ns */
	unsigned int rounds;
	const char *only;
};

static const char *const flows_names[] = {
	[FLOWS_HOT] = "known, one hot flow",  [FLOWS_MANY] = "known, 64 k flows",
	[FLOWS_MILLION] = "known, 1 M flows", [FLOWS_NEW] = "new flow, every packet",
	[FLOWS_OTHER] = "passed, 64 k flows",
};

static uint32_t flows_count(enum flows_kind kind)
{
	switch (kind) {
	case FLOWS_HOT:
		return HOT;
	case FLOWS_MILLION:
		return MILLION;
	case FLOWS_NEW:
		return DRIVE_EVER_NEW;
	default:
		return MANY;
	}
}

/* Brings caches and flow table into the state that the row is about. */
static int prepare(struct bench *b, const struct row *row, const struct packet *packet)
{
	uint32_t flows = flows_count(row->kind), packets = WARM_PACKETS;
	double ignored;

	if (row->kind == FLOWS_NEW)
		lab_fill_flows(&b->fixture);
	else if (!row->is_floor && row->kind == FLOWS_MILLION)
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
	err = drive_run(b->drive, row->program_fd, packet, flows_count(row->kind), PACKETS, &ns);
	if (err)
		return err;
	if (drive_verdict(b->drive) != row->path.action) {
		log_error("%s, %s: the answer was %u, not %u: no figure for what does not work",
			  row->path.name, flows_names[row->kind], drive_verdict(b->drive),
			  row->path.action);
		return -EPROTO;
	}
	if (is_disturbed(b) || disturbed)
		return 0;
	if (!row->samples++ || ns < row->gross)
		row->gross = ns;
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

static int measure(struct bench *b)
{
	for (unsigned int round = 0; round < b->rounds * TRIES_PER_ROUND; round++) {
		bool enough = true;
		int err = sample_list(b, b->floors, b->floors_n, &enough);

		if (!err)
			err = sample_list(b, b->rows, b->rows_n, &enough);
		if (err || enough)
			return err;
	}
	return 0;
}

static void add_floor(struct bench *b, const char *name, enum drive_program program, bool v6,
		      enum flows_kind kind)
{
	struct lab_path paths[LAB_PATHS_MAX];
	struct row *row = &b->floors[b->floors_n++];

	lab_paths(paths);
	*row = (struct row){
		.kind = kind, .is_floor = true, .program_fd = drive_program_fd(b->drive, program)};
	for (size_t i = 0; i < LAB_PATHS_MAX; i++)
		if (paths[i].name && (paths[i].packet.data[12] == 0x86) == v6) {
			row->path = paths[i];
			break;
		}
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
	CLEANUP_FREE char *text = util_format("%s, %s", path->name, flows_names[kind]);

	if (b->only && !strcasestr(text, b->only))
		return;
	b->rows[b->rows_n++] = (struct row){.path = *path,
					    .kind = kind,
					    .program_fd = datapath_program_fd(b->fixture.datapath)};
}

static void add_rows(struct bench *b)
{
	struct lab_path paths[LAB_PATHS_MAX];
	size_t n = lab_paths(paths);

	for (int kind = FLOWS_HOT; kind <= FLOWS_NEW; kind++)
		for (size_t i = 0; i < n; i++)
			add_row(b, &paths[i], (enum flows_kind)kind);
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
		    (row->path.packet.data[12] == 0x86) == v6)
			return row;
	}
	abort();
}

/* Without the harness, and without its taking off of an outer header. */
static double net_of(const struct bench *b, const struct row *row)
{
	bool v6 = row->path.packet.data[12] == 0x86;
	double null = find_floor(b, DRIVE_NULL, v6, FLOWS_HOT)->gross;
	double null4 = find_floor(b, DRIVE_NULL, false, FLOWS_HOT)->gross;
	double once = find_floor(b, DRIVE_GROW, false, FLOWS_HOT)->gross;
	double twice = find_floor(b, DRIVE_GROW_TWICE, false, FLOWS_HOT)->gross;
	double taking_off = once - null4 - (twice - once);

	return row->gross - null - (row->path.grows ? taking_off : 0);
}

static void judge(struct bench *b)
{
	double encapsulate, miss;

	for (size_t i = 0; i < b->floors_n; i++)
		b->floors[i].net = net_of(b, &b->floors[i]);
	encapsulate = find_floor(b, DRIVE_4IN4, false, FLOWS_HOT)->net;
	miss = find_floor(b, DRIVE_BUCKET, false, FLOWS_MILLION)->net;
	for (size_t i = 0; i < b->rows_n; i++) {
		struct row *row = &b->rows[i];

		row->net = net_of(b, row);
		if (row->kind == FLOWS_HOT) {
			row->floor = encapsulate;
			row->goal = HOT_FACTOR * row->floor;
		} else if (row->kind == FLOWS_MANY) {
			row->floor = find_floor(b, DRIVE_BUCKET, false, FLOWS_MANY)->net;
		} else if (row->kind == FLOWS_OTHER) {
			row->goal = NO_VIP_NS;
		} else {
			row->floor = miss;
			row->goal = miss + MISS_ALLOWANCE_NS;
			if (row->kind == FLOWS_NEW)
				row->goal *= NEW_FLOW_FACTOR;
		}
	}
}

static void print_row(const struct row *row)
{
	printf("%-30s  %-24s %7.1f", row->path.name, flows_names[row->kind], row->net);
	if (row->floor)
		printf(" %7.1f %5.2f", row->floor, row->net / row->floor);
	else
		printf(" %7s %5s", "", "");
	if (row->goal)
		printf(" %8.1f  %s", row->goal, row->net <= row->goal ? "met" : "not met");
	printf("%s\n", row->samples ? "" : "  (never undisturbed)");
}

static void print_machine(const struct bench *b)
{
	struct utsname u;

	uname(&u);
	printf("Linux %s, %s; verifier: %u instructions; CPU %u\n", u.release, u.machine,
	       datapath_verified_instructions(b->fixture.datapath), b->fixture.cpu);
	printf("%d services, %d backends a stack, flow table of %u entries; "
	       "new flows are not rationed and each evicts another\n",
	       LAB_SERVICES, LAB_BACKENDS, LAB_FLOWS);
	printf("net ns per packet: the least of %u undisturbed rounds of %u packets each\n\n",
	       b->rounds, PACKETS);
}

static void print_table(const struct bench *b)
{
	print_machine(b);
	printf("%-30s  %-24s %7s %7s %5s %8s\n", "path", "flows", "ns", "floor", "ratio",
	       "at most");
	for (size_t i = 0; i < b->rows_n; i++) {
		if (i && b->rows[i].kind != b->rows[i - 1].kind)
			printf("\n");
		print_row(&b->rows[i]);
	}
	printf("\nfloors\n");
	for (size_t i = 0; i < b->floors_n; i++)
		print_row(&b->floors[i]);
}

static json_t *row_json(const struct row *row)
{
	json_t *o = json_pack("{s:s, s:s, s:f}", "path", row->path.name, "flows",
			      flows_names[row->kind], "net_ns", row->net);

	if (row->floor)
		json_object_set_new(o, "floor_ns", json_real(row->floor));
	if (row->goal) {
		json_object_set_new(o, "goal_ns", json_real(row->goal));
		json_object_set_new(o, "met", json_boolean(row->net <= row->goal));
	}
	json_object_set_new(o, "samples", json_integer(row->samples));
	return o;
}

static void print_json(const struct bench *b)
{
	json_t *rows = json_array(), *floors = json_array(), *all;

	for (size_t i = 0; i < b->rows_n; i++)
		json_array_append_new(rows, row_json(&b->rows[i]));
	for (size_t i = 0; i < b->floors_n; i++)
		json_array_append_new(floors, row_json(&b->floors[i]));
	all = json_pack("{s:i, s:o, s:o}", "verifier_instructions",
			(int)datapath_verified_instructions(b->fixture.datapath), "rows", rows,
			"floors", floors);
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	printf("\n");
	json_decref(all);
}

static int run(struct bench *b, bool json)
{
	int err;

	lab_open(&b->fixture);
	err = drive_open(b->fixture.view->flow_buckets, &b->drive);
	if (err)
		return err;
	add_floors(b);
	add_rows(b);
	if (!b->rows_n) {
		log_error("no row's name has '%s' in it", b->only);
		return -ENOENT;
	}
	err = measure(b);
	if (err)
		return err;
	judge(b);
	if (json)
		print_json(b);
	else
		print_table(b);
	return 0;
}

static void usage(FILE *out)
{
	fprintf(out, "Usage: bench [--only WORDS] [--rounds N] [-o json]\n"
		     "What a packet costs, beside the floors measured in the same run. Root only.\n"
		     "  --only WORDS  rows whose path and flows have these words in them, like "
		     "'hot' or 'IPv6, ipip'\n"
		     "  --rounds N    samples of each row (default 7)\n"
		     "  -o json       instead of a table\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"only", required_argument, NULL, 'y'},
		{"rounds", required_argument, NULL, 'r'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	static struct bench b = {.rounds = ROUNDS_DEFAULT};
	bool json = false;
	int c, err;

	while ((c = getopt_long(argc, argv, "o:h", options, NULL)) >= 0) {
		if (c == 'y')
			b.only = optarg;
		else if (c == 'r' && atoi(optarg) > 0)
			b.rounds = (unsigned int)atoi(optarg);
		else if (c == 'o' && !strcmp(optarg, "json"))
			json = true;
		else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	err = run(&b, json);
	drive_close(b.drive);
	fixture_close(&b.fixture);
	return err ? 1 : 0;
}
