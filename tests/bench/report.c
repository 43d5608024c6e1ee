/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bench/bench.h"

#include <jansson.h>
#include <sys/utsname.h>

static void print_row(const struct row *row)
{
	printf("%-30s  %-24s %7.1f", row->path.name, bench_flows_name(row->kind), row->net);
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
	       b->rounds, BENCH_PACKETS);
}

static void print_live(const struct bench *b)
{
	printf("\nlive frames across veth pairs, generator and all on CPU %u, most of several "
	       "rounds\n",
	       b->fixture.cpu);
	printf("%-30s  %-24s %7s %12s %7s\n", "path", "flows", "Mpps", "ns > floor", "lost");
	for (size_t i = 0; i < b->live_rows_n; i++) {
		const struct live_row *row = &b->live_rows[i];

		printf("%-30s  %-24s %7.2f", row->name,
		       row->is_floor ? "" : bench_flows_name(row->kind), row->mpps);
		if (row->is_floor)
			printf(" %12s", "");
		else
			printf(" %12.1f", row->over_ns);
		printf(" %6.2f%%\n", 100 * row->lost);
	}
}

void bench_print_table(const struct bench *b)
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
	if (b->live_rows_n)
		print_live(b);
}

static json_t *row_json(const struct row *row)
{
	json_t *o = json_pack("{s:s, s:s, s:f}", "path", row->path.name, "flows",
			      bench_flows_name(row->kind), "net_ns", row->net);

	if (row->floor)
		json_object_set_new(o, "floor_ns", json_real(row->floor));
	if (row->goal) {
		json_object_set_new(o, "goal_ns", json_real(row->goal));
		json_object_set_new(o, "met", json_boolean(row->net <= row->goal));
	}
	json_object_set_new(o, "samples", json_integer(row->samples));
	return o;
}

static json_t *live_json(const struct live_row *row)
{
	return json_pack("{s:s, s:s, s:f, s:f, s:f}", "path", row->name, "flows",
			 bench_flows_name(row->kind), "mpps", row->mpps, "over_floor_ns",
			 row->over_ns, "lost", row->lost);
}

void bench_print_json(const struct bench *b)
{
	json_t *rows = json_array(), *floors = json_array(), *live = json_array(), *all;

	for (size_t i = 0; i < b->rows_n; i++)
		json_array_append_new(rows, row_json(&b->rows[i]));
	for (size_t i = 0; i < b->floors_n; i++)
		json_array_append_new(floors, row_json(&b->floors[i]));
	for (size_t i = 0; i < b->live_rows_n; i++)
		json_array_append_new(live, live_json(&b->live_rows[i]));
	all = json_pack("{s:i, s:o, s:o, s:o}", "verifier_instructions",
			(int)datapath_verified_instructions(b->fixture.datapath), "rows", rows,
			"floors", floors, "live", live);
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	printf("\n");
	json_decref(all);
}
