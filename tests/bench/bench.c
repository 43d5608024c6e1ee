/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet costs, beside the floors measured in the same run. */
#include "bench/bench.h"

#include <errno.h>
#include <getopt.h>

#include "common/log.h"
#include "common/util.h"

#define ROUNDS_DEFAULT 5

static int measure(struct bench *b, bool live)
{
	int err;

	lab_open(&b->plain, false);
	lab_open(&b->fixture, true);
	err = drive_open(b->fixture.view->flow_buckets, &b->drive);
	if (err)
		return err;
	bench_add_rows(b);
	if (!b->rows_n) {
		log_error("no row's name has '%s' in it", b->only);
		return -ENOENT;
	}
	err = bench_measure(b);
	if (err)
		return err;
	bench_judge(b);
	return live ? bench_measure_live(b) : 0;
}

static void usage(FILE *out)
{
	fprintf(out, "Usage: bench [--only WORDS] [--rounds N] [--no-live] [-o json]\n"
		     "What a packet costs, beside the floors measured in the same run. Root only.\n"
		     "  --only WORDS  rows whose path and flows have these words in them, like "
		     "'hot' or 'IPv6, ipip'\n"
		     "  --rounds N    samples of each row (default 5)\n"
		     "  --no-live     leave out the frames across veth pairs\n"
		     "  -o json       instead of a table\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"only", required_argument, NULL, 'y'}, {"rounds", required_argument, NULL, 'r'},
		{"no-live", no_argument, NULL, 'l'},	{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},	{},
	};
	static struct bench b = {.rounds = ROUNDS_DEFAULT};
	bool json = false, live = true;
	int c, err;

	while ((c = getopt_long(argc, argv, "o:h", options, NULL)) >= 0) {
		if (c == 'y')
			b.only = optarg;
		else if (c == 'r' && atoi(optarg) > 0)
			b.rounds = (unsigned int)atoi(optarg);
		else if (c == 'l')
			live = false;
		else if (c == 'o' && !strcmp(optarg, "json"))
			json = true;
		else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	err = measure(&b, live);
	if (!err && json)
		bench_print_json(&b);
	else if (!err)
		bench_print_table(&b);
	live_close(b.live);
	drive_close(b.drive);
	fixture_close(&b.fixture);
	fixture_close(&b.plain);
	return err ? 1 : 0;
}
