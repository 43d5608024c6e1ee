/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Totals of what packets count: whose they are, over changes of routes and of agents. */
#include "lib/telemetry_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/node_config.h"
#include "agent/telemetry_internal.h"
#include "common/util.h"

#define MS 1000000ULL

#define HEAD "{forward: l2, backends: ["
#define SHOP(BLUE, GREEN)                                                                          \
	"stacks:\n"                                                                                \
	"  blue: " HEAD BLUE "]}\n"                                                                \
	"  green: " HEAD GREEN "]}\n"                                                              \
	"services:\n"                                                                              \
	"  shop: {vips: [203.0.113.10], protocol: tcp, ports: [80], split: {blue: 3, green: 1}}\n"

#define A "{address: 10.1.0.1}"
#define B "{address: 10.1.0.2}"
#define C "{address: 10.1.0.3}"
#define D "{address: 10.1.0.4}"

static struct telemetry_world *open_world(struct telemetry_world *w, uint32_t series)
{
	telemetry_world_open(w, 4, series);
	return w;
}

static uint64_t requests(struct telemetry_world *w, const char *stack, const char *backend)
{
	const struct series_totals *totals;

	telemetry_collect(w->telemetry);
	totals = telemetry_world_totals(w, "shop", stack, backend, NULL);
	assert_non_null(totals);
	return totals->counts[SERIES_requests];
}

static void add_requests(struct telemetry_world *w, const char *stack, const char *backend,
			 uint32_t cpu, uint32_t n)
{
	struct series *row = telemetry_world_row(w, "shop", stack, backend, cpu);

	assert_non_null(row);
	row->requests += n;
	row->changed += n;
}

static void every_backend_of_a_service_has_its_own_series(void **state)
{
	struct telemetry_world w;
	size_t a, b, c;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A "," B, C));
	assert_non_null(telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", &a));
	assert_non_null(telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", &b));
	assert_non_null(telemetry_world_totals(&w, "shop", "green", "10.1.0.3", &c));
	assert_true(a != b && b != c && a != c);
	assert_int_equal(telemetry_world_entries(&w), 3);
	assert_int_equal(telemetry_series_shared(w.telemetry), 0);
	add_requests(&w, "blue", "10.1.0.2", 0, 5);
	assert_int_equal(requests(&w, "blue", "10.1.0.2"), 5);
	assert_int_equal(requests(&w, "blue", "10.1.0.1"), 0);
	telemetry_world_close(&w);
}

static void totals_are_sums_over_cpus(void **state)
{
	const struct series_totals *totals;
	struct telemetry_world w;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		telemetry_world_record(&w, "shop", "blue", "10.1.0.1", cpu, LATENCY_SERVICE,
				       (cpu + 1) * MS);
	telemetry_collect(w.telemetry);
	totals = telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", NULL);
	assert_int_equal(totals->samples[LATENCY_SERVICE], 4);
	assert_int_equal(totals->sum_ns[LATENCY_SERVICE], 10 * MS);
	assert_int_equal(totals->bucket[LATENCY_SERVICE][latency_bucket(3 * MS)], 1);
	assert_int_equal(totals->samples[LATENCY_RESPONSE], 0);
	telemetry_world_close(&w);
}

static void changes_tell_who_has_news(void **state)
{
	const struct series_totals *a, *c;
	struct telemetry_world w;
	uint64_t before;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	a = telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", NULL);
	c = telemetry_world_totals(&w, "shop", "green", "10.1.0.3", NULL);
	before = c->changes;
	add_requests(&w, "blue", "10.1.0.1", 3, 1);
	telemetry_collect(w.telemetry);
	assert_int_equal(a->changes, 1);
	telemetry_collect(w.telemetry);
	assert_int_equal(a->changes, 1);
	assert_int_equal(c->changes, before);
	telemetry_world_close(&w);
}

static void counts_that_wrap_go_on(void **state)
{
	struct telemetry_world w;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	add_requests(&w, "blue", "10.1.0.1", 0, 0xfffffff0U);
	add_requests(&w, "blue", "10.1.0.1", 1, 8);
	assert_int_equal(requests(&w, "blue", "10.1.0.1"), 0xfffffff8U);
	add_requests(&w, "blue", "10.1.0.1", 0, 0x20);
	assert_int_equal(requests(&w, "blue", "10.1.0.1"), 0x100000018ULL);
	add_requests(&w, "blue", "10.1.0.1", 1, 0xffffffffU);
	assert_int_equal(requests(&w, "blue", "10.1.0.1"), 0x200000017ULL);
	telemetry_world_close(&w);
}

/* A packet caught between its count and its bucket is counted when its bucket is there. */
static void the_count_of_a_histogram_is_the_sum_of_its_buckets(void **state)
{
	const struct series_totals *totals;
	struct telemetry_world w;
	struct series *row;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	telemetry_world_record(&w, "shop", "blue", "10.1.0.1", 1, LATENCY_CONNECT, 5 * MS);
	row = telemetry_world_row(&w, "shop", "blue", "10.1.0.1", 1);
	row->samples[LATENCY_CONNECT]++;
	telemetry_collect(w.telemetry);
	totals = telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", NULL);
	assert_int_equal(totals->samples[LATENCY_CONNECT], 1);
	row->bucket[LATENCY_CONNECT][latency_bucket(5 * MS)]++;
	row->changed++;
	telemetry_collect(w.telemetry);
	assert_int_equal(totals->samples[LATENCY_CONNECT], 2);
	telemetry_world_close(&w);
}

/* A packet that came between the look at the sum and that at the buckets: its sum follows. */
static void a_sum_catches_up_with_its_buckets(void **state)
{
	const struct series_totals *totals;
	struct telemetry_world w;
	struct series *row;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	telemetry_world_record(&w, "shop", "blue", "10.1.0.1", 1, LATENCY_CONNECT, 5 * MS);
	row = telemetry_world_row(&w, "shop", "blue", "10.1.0.1", 1);
	row->bucket[LATENCY_CONNECT][latency_bucket(7 * MS)]++;
	telemetry_collect(w.telemetry);
	totals = telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", NULL);
	assert_int_equal(totals->samples[LATENCY_CONNECT], 2);
	assert_int_equal(totals->sum_ns[LATENCY_CONNECT], 5 * MS);
	row->sum_ns[LATENCY_CONNECT] += 7 * MS;
	row->samples[LATENCY_CONNECT]++;
	row->changed++;
	telemetry_collect(w.telemetry);
	assert_int_equal(totals->samples[LATENCY_CONNECT], 2);
	assert_int_equal(totals->sum_ns[LATENCY_CONNECT], 12 * MS);
	telemetry_world_close(&w);
}

/* ---- a packet's part, in a thread of its own ---- */

struct writer {
	struct series *row;
	bool stop;
	uint64_t written;
};

#define RAISE(field) __atomic_store_n(&(field), (field) + 1, __ATOMIC_RELEASE)

static void *write_on(void *userdata)
{
	struct writer *writer = userdata;
	struct series *row = writer->row;

	for (uint32_t i = 0; !__atomic_load_n(&writer->stop, __ATOMIC_RELAXED); i++) {
		__atomic_store_n(&row->sum_ns[LATENCY_SERVICE], row->sum_ns[LATENCY_SERVICE] + MS,
				 __ATOMIC_RELEASE);
		RAISE(row->samples[LATENCY_SERVICE]);
		RAISE(row->bucket[LATENCY_SERVICE][i % LATENCY_BUCKETS]);
		RAISE(row->changed);
		writer->written++;
	}
	return NULL;
}

static void totals_never_go_back_under_writing_packets(void **state)
{
	const struct series_totals *totals;
	struct series_totals last = {};
	struct telemetry_world w;
	struct writer writer = {};
	pthread_t thread;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	writer.row = telemetry_world_row(&w, "shop", "blue", "10.1.0.1", 2);
	totals = telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", NULL);
	pthread_create(&thread, NULL, write_on, &writer);
	for (int i = 0; i < 20000; i++) {
		uint64_t sum = 0;

		telemetry_collect(w.telemetry);
		for (size_t b = 0; b < LATENCY_BUCKETS; b++) {
			assert_true(totals->bucket[LATENCY_SERVICE][b] >=
				    last.bucket[LATENCY_SERVICE][b]);
			sum += totals->bucket[LATENCY_SERVICE][b];
		}
		assert_int_equal(totals->samples[LATENCY_SERVICE], sum);
		assert_true(totals->sum_ns[LATENCY_SERVICE] >= last.sum_ns[LATENCY_SERVICE]);
		last = *totals;
	}
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	telemetry_collect(w.telemetry);
	assert_int_equal(totals->samples[LATENCY_SERVICE], writer.written);
	assert_int_equal(totals->sum_ns[LATENCY_SERVICE], writer.written * MS);
	telemetry_world_close(&w);
}

/* ---- changes of routes ---- */

static void a_backend_that_stays_keeps_its_series_and_totals(void **state)
{
	struct telemetry_world w;
	size_t before, after;
	uint32_t generation;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(B, C));
	add_requests(&w, "blue", "10.1.0.2", 0, 7);
	generation = telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", &before)->generation;
	for (int i = 0; i < 5; i++) {
		telemetry_world_apply(&w, i % 2 ? SHOP(B, C "," D) : SHOP(A "," B, D));
		assert_int_equal(
			telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", &after)->generation,
			generation);
		assert_int_equal(after, before);
	}
	add_requests(&w, "blue", "10.1.0.2", 0, 1);
	assert_int_equal(requests(&w, "blue", "10.1.0.2"), 8);
	telemetry_world_close(&w);
}

static void a_backend_in_two_modes_is_one_series(void **state)
{
	struct telemetry_world w;
	size_t before, after;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	add_requests(&w, "blue", "10.1.0.1", 0, 7);
	telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", &before);
	telemetry_world_apply(
		&w,
		"stacks:\n"
		"  blue: {forward: ipip, backends: [{address: 10.1.0.1}]}\n"
		"services:\n"
		"  shop: {vips: [203.0.113.10], protocol: tcp, ports: [80], split: {blue: 3}}\n");
	telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", &after);
	assert_int_equal(before, after);
	assert_int_equal(requests(&w, "blue", "10.1.0.1"), 7);
	/* the l2 one is still the other bank's */
	assert_int_equal(telemetry_world_entries(&w), 3);
	telemetry_world_close(&w);
}

static void what_no_bank_holds_is_removed(void **state)
{
	struct telemetry_world w;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A "," B, C));
	telemetry_world_apply(&w, SHOP(A, C));
	assert_int_equal(telemetry_world_entries(&w), 3);
	assert_non_null(telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", NULL));
	telemetry_world_apply(&w, SHOP(A, D));
	assert_int_equal(telemetry_world_entries(&w), 3);
	assert_null(telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", NULL));
	telemetry_world_close(&w);
}

static void another_owner_begins_at_zero_under_another_generation(void **state)
{
	const struct series_totals *totals;
	struct telemetry_world w;
	uint32_t generation;
	size_t before, after;

	(void)state;
	telemetry_world_apply(open_world(&w, 2), SHOP(A, C));
	add_requests(&w, "blue", "10.1.0.1", 1, 1000);
	telemetry_world_record(&w, "shop", "blue", "10.1.0.1", 0, LATENCY_CONNECT, MS);
	assert_int_equal(requests(&w, "blue", "10.1.0.1"), 1000);
	generation = telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", &before)->generation;
	telemetry_world_apply(&w, SHOP(B, C));
	totals = telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", &after);
	assert_int_equal(before, after);
	assert_true(totals->generation != generation);
	assert_int_equal(totals->changes, 0);
	assert_int_equal(requests(&w, "blue", "10.1.0.2"), 0);
	add_requests(&w, "blue", "10.1.0.2", 1, 3);
	assert_int_equal(requests(&w, "blue", "10.1.0.2"), 3);
	assert_int_equal(totals->samples[LATENCY_CONNECT], 0);
	telemetry_world_close(&w);
}

/* Another service's backend in the place of one that is gone, with the same share and slot. */
static void a_place_taken_by_others_leads_to_their_series(void **state)
{
	struct telemetry_world w;
	static const char other[] =
		"stacks:\n"
		"  red: {forward: l2, backends: [{address: 10.1.0.9}]}\n"
		"services:\n"
		"  mail: {vips: [203.0.113.11], protocol: udp, ports: [53], split: {red: 3}}\n";

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	add_requests(&w, "blue", "10.1.0.1", 0, 1000);
	telemetry_world_apply(&w, SHOP(B, D));
	telemetry_world_apply(&w, other);
	telemetry_world_apply(&w, other);
	telemetry_world_record(&w, "mail", "red", "10.1.0.9", 0, LATENCY_QUIC_HANDSHAKE, MS);
	telemetry_collect(w.telemetry);
	assert_int_equal(telemetry_world_totals(&w, "mail", "red", "10.1.0.9", NULL)
				 ->samples[LATENCY_QUIC_HANDSHAKE],
			 1);
	assert_int_equal(telemetry_world_totals(&w, "mail", "red", "10.1.0.9", NULL)->protocol,
			 PROTOCOL_UDP);
	telemetry_world_close(&w);
}

/* ---- running short ---- */

static void where_series_run_short_a_stack_shares_one(void **state)
{
	struct telemetry_world w;

	(void)state;
	/* blue and green want four; blue is first, and leaves one for green */
	telemetry_world_apply(open_world(&w, 3), SHOP(A "," B, C "," D));
	assert_non_null(telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", NULL));
	assert_non_null(telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", NULL));
	assert_non_null(telemetry_world_totals(&w, "shop", "green", "", NULL));
	assert_int_equal(telemetry_series_shared(w.telemetry), 2);
	add_requests(&w, "green", "10.1.0.3", 0, 2);
	add_requests(&w, "green", "10.1.0.4", 0, 3);
	assert_int_equal(requests(&w, "green", ""), 5);
	telemetry_world_close(&w);
}

static void who_shares_follows_from_the_routes_alone(void **state)
{
	struct telemetry_world once, later;

	(void)state;
	telemetry_world_apply(open_world(&once, 3), SHOP(A "," B, C "," D));
	telemetry_world_apply(open_world(&later, 3), SHOP(C "," D "," A, A "," B));
	telemetry_world_apply(&later, SHOP(A, B));
	telemetry_world_apply(&later, SHOP(A "," B, C "," D));
	for (int i = 0; i < 3; i++) {
		const struct series_totals *totals = telemetry_series(once.telemetry, (size_t)i);

		assert_non_null(telemetry_world_totals(&later, totals->service, totals->stack,
						       totals->backend, NULL));
	}
	assert_non_null(telemetry_world_row(&later, "shop", "green", "10.1.0.4", 0));
	telemetry_world_close(&once);
	telemetry_world_close(&later);
}

static void with_fewer_series_than_stacks_the_last_are_not_measured(void **state)
{
	struct telemetry_world w;

	(void)state;
	telemetry_world_apply(open_world(&w, 1), SHOP(A "," B, C));
	assert_non_null(telemetry_world_totals(&w, "shop", "blue", "", NULL));
	assert_null(telemetry_world_row(&w, "shop", "green", "10.1.0.3", 0));
	assert_int_equal(telemetry_series_shared(w.telemetry), 3);
	telemetry_world_close(&w);
}

static void the_live_routes_take_from_the_others_and_give_back(void **state)
{
	struct telemetry_world w;

	(void)state;
	telemetry_world_apply(open_world(&w, 2), SHOP(A, C));
	telemetry_world_apply(&w, SHOP(B, D));
	assert_non_null(telemetry_world_row(&w, "shop", "blue", "10.1.0.2", 0));
	assert_non_null(telemetry_world_row(&w, "shop", "green", "10.1.0.4", 0));
	telemetry_world_rollback(&w);
	assert_non_null(telemetry_world_row(&w, "shop", "blue", "10.1.0.1", 0));
	assert_non_null(telemetry_world_row(&w, "shop", "green", "10.1.0.3", 0));
	assert_null(telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", NULL));
	telemetry_world_rollback(&w);
	add_requests(&w, "green", "10.1.0.4", 0, 2);
	assert_int_equal(requests(&w, "green", "10.1.0.4"), 2);
	telemetry_world_close(&w);
}

static void with_no_series_nothing_is_measured(void **state)
{
	struct telemetry_world w;

	(void)state;
	telemetry_world_apply(open_world(&w, 0), SHOP(A, C));
	telemetry_collect(w.telemetry);
	assert_int_equal(telemetry_series_max(w.telemetry), 0);
	assert_null(telemetry_series(w.telemetry, 0));
	assert_int_equal(telemetry_set_sampling(w.telemetry, 4), 0);
	assert_int_equal(w.view.control->sample_off, 1);
	telemetry_world_close(&w);
}

/* ---- another agent ---- */

static void another_agent_goes_on_with_series_and_counts(void **state)
{
	struct telemetry_world w;
	size_t before, after;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A "," B, C));
	add_requests(&w, "blue", "10.1.0.2", 0, 41);
	add_requests(&w, "blue", "10.1.0.2", 3, 1);
	telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", &before);
	telemetry_world_restart(&w, SHOP(B, C));
	assert_int_equal(requests(&w, "blue", "10.1.0.2"), 42);
	telemetry_world_totals(&w, "shop", "blue", "10.1.0.2", &after);
	assert_int_equal(before, after);
	add_requests(&w, "blue", "10.1.0.2", 0, 8);
	assert_int_equal(requests(&w, "blue", "10.1.0.2"), 50);
	telemetry_world_close(&w);
}

static void what_another_agent_has_no_use_for_is_removed(void **state)
{
	struct telemetry_world w;
	struct series *row;
	uint32_t generation;
	size_t was;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A "," B, C));
	add_requests(&w, "blue", "10.1.0.1", 2, 41);
	row = telemetry_world_row(&w, "shop", "blue", "10.1.0.1", 2);
	generation = telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", &was)->generation;
	telemetry_world_restart(&w, SHOP(B, C));
	assert_int_equal(telemetry_world_entries(&w), 2);
	assert_true(w.view.series_generation[was] != generation);
	telemetry_series_clean(w.telemetry, util_now_ms() + SERIES_GRACE_MS);
	assert_int_equal(row->changed, 0);
	telemetry_world_close(&w);
}

/* Own series do not become the stack's, nor the stack's one of its backends'. */
static void another_agent_takes_over_only_what_means_the_same(void **state)
{
	static const char both[] = SHOP(A "," B, C "," D);
	struct telemetry_world w;

	(void)state;
	telemetry_world_apply(open_world(&w, 3), both);
	add_requests(&w, "green", "10.1.0.3", 0, 5);
	telemetry_world_restart(&w, both);
	assert_int_equal(requests(&w, "green", ""), 5);
	telemetry_world_restart(&w, SHOP(A, C "," D));
	assert_int_equal(requests(&w, "green", "10.1.0.3"), 0);
	assert_int_equal(requests(&w, "green", "10.1.0.4"), 0);
	telemetry_world_close(&w);
}

static void entries_of_a_past_generation_are_removed_at_start(void **state)
{
	struct telemetry_world w;
	size_t at;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	add_requests(&w, "blue", "10.1.0.1", 0, 5);
	telemetry_world_totals(&w, "shop", "blue", "10.1.0.1", &at);
	w.view.series_generation[at]++;
	telemetry_world_restart(&w, SHOP(A, C));
	assert_int_equal(requests(&w, "blue", "10.1.0.1"), 0);
	assert_int_equal(telemetry_world_entries(&w), 2);
	telemetry_world_close(&w);
}

/* ---- counts of all flows ---- */

static struct flow_counts *flow_counts(struct telemetry_world *w, uint32_t slot, uint32_t cpu)
{
	return &w->view.flow_counts[cpu * w->view.backend_slots + slot];
}

static void syns_are_unanswered_once_8_s_have_passed(void **state)
{
	struct telemetry_world w;
	uint32_t slot;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	slot = telemetry_world_backend(&w, "blue", "10.1.0.1");
	flow_counts(&w, slot, 0)->syns = 10;
	flow_counts(&w, slot, 1)->syns = 5;
	telemetry_flows_tick(w.telemetry);
	flow_counts(&w, slot, 1)->handshakes = 12;
	telemetry_flows_tick(w.telemetry);
	assert_int_equal(telemetry_syns_unanswered(w.telemetry, slot), 0);
	telemetry_flows_tick(w.telemetry);
	assert_int_equal(telemetry_syns_unanswered(w.telemetry, slot), 3);
	telemetry_world_close(&w);
}

static void syns_unanswered_never_fall(void **state)
{
	struct telemetry_world w;
	uint32_t slot;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	slot = telemetry_world_backend(&w, "blue", "10.1.0.1");
	flow_counts(&w, slot, 0)->syns = 10;
	for (int i = 0; i < 3; i++)
		telemetry_flows_tick(w.telemetry);
	flow_counts(&w, slot, 0)->handshakes = 9; /* late ones */
	for (int i = 0; i < 3; i++)
		telemetry_flows_tick(w.telemetry);
	assert_int_equal(telemetry_syns_unanswered(w.telemetry, slot), 10);
	telemetry_world_restart(&w, SHOP(A, C));
	assert_int_equal(telemetry_syns_unanswered(w.telemetry, slot), 1);
	telemetry_world_close(&w);
}

static void a_backend_in_anothers_slot_begins_at_zero(void **state)
{
	struct telemetry_world w;
	uint32_t slot, life;

	(void)state;
	telemetry_world_apply(open_world(&w, 64), SHOP(A, C));
	slot = telemetry_world_backend(&w, "blue", "10.1.0.1");
	life = telemetry_backend_life(w.telemetry, slot);
	flow_counts(&w, slot, 0)->syns = 10;
	for (int i = 0; i < 3; i++)
		telemetry_flows_tick(w.telemetry);
	telemetry_world_apply(&w, SHOP(B, C));
	telemetry_world_apply(&w, SHOP(D, C));
	assert_int_equal(telemetry_world_backend(&w, "blue", "10.1.0.4"), slot);
	assert_int_equal(telemetry_syns_unanswered(w.telemetry, slot), 0);
	assert_true(telemetry_backend_life(w.telemetry, slot) != life);
	telemetry_world_close(&w);
}

/* ---- sampling ---- */

static void sampling_is_stored_where_packets_read_it(void **state)
{
	struct telemetry_world w;

	(void)state;
	open_world(&w, 64);
	assert_int_equal(telemetry_sampling(w.telemetry), 1);
	assert_int_equal(telemetry_set_sampling(w.telemetry, 100), 128);
	assert_int_equal(w.view.control->sample_mask, 127);
	assert_int_equal(w.view.control->sample_off, 0);
	assert_int_equal(telemetry_set_sampling(w.telemetry, NODE_SAMPLE_OFF), 0);
	assert_int_equal(w.view.control->sample_off, 1);
	assert_int_equal(telemetry_set_sampling(w.telemetry, NODE_SAMPLE_AUTO), 1);
	assert_int_equal(w.view.control->sample_off, 0);
	assert_int_equal(w.view.control->sample_mask, 0);
	telemetry_world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_backend_of_a_service_has_its_own_series),
		cmocka_unit_test(totals_are_sums_over_cpus),
		cmocka_unit_test(changes_tell_who_has_news),
		cmocka_unit_test(counts_that_wrap_go_on),
		cmocka_unit_test(the_count_of_a_histogram_is_the_sum_of_its_buckets),
		cmocka_unit_test(a_sum_catches_up_with_its_buckets),
		cmocka_unit_test(totals_never_go_back_under_writing_packets),
		cmocka_unit_test(a_backend_that_stays_keeps_its_series_and_totals),
		cmocka_unit_test(a_backend_in_two_modes_is_one_series),
		cmocka_unit_test(what_no_bank_holds_is_removed),
		cmocka_unit_test(another_owner_begins_at_zero_under_another_generation),
		cmocka_unit_test(a_place_taken_by_others_leads_to_their_series),
		cmocka_unit_test(where_series_run_short_a_stack_shares_one),
		cmocka_unit_test(who_shares_follows_from_the_routes_alone),
		cmocka_unit_test(with_fewer_series_than_stacks_the_last_are_not_measured),
		cmocka_unit_test(the_live_routes_take_from_the_others_and_give_back),
		cmocka_unit_test(with_no_series_nothing_is_measured),
		cmocka_unit_test(another_agent_goes_on_with_series_and_counts),
		cmocka_unit_test(what_another_agent_has_no_use_for_is_removed),
		cmocka_unit_test(another_agent_takes_over_only_what_means_the_same),
		cmocka_unit_test(entries_of_a_past_generation_are_removed_at_start),
		cmocka_unit_test(syns_are_unanswered_once_8_s_have_passed),
		cmocka_unit_test(syns_unanswered_never_fall),
		cmocka_unit_test(a_backend_in_anothers_slot_begins_at_zero),
		cmocka_unit_test(sampling_is_stored_where_packets_read_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
