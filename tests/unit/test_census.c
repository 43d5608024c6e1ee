/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/census.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "common/util.h"

#define TICK_NS 256000000ULL /* at 1000 Hz: 60 s are 234 ticks */
#define NOW	40000

struct world {
	struct datapath_view view;
	struct census *census;
	bool *ends_silently;
};

static void world_open(struct world *w, uint32_t buckets, uint32_t slots)
{
	*w = (struct world){.view = {.flow_buckets = buckets, .backend_slots = slots}};
	w->view.flows = util_calloc(buckets, sizeof(*w->view.flows));
	w->view.backends = util_calloc(slots, sizeof(*w->view.backends));
	w->ends_silently = util_calloc(slots, sizeof(bool));
	for (uint32_t i = 0; i < slots; i++)
		w->view.backends[i].generation = (uint16_t)(i + 7);
	w->census = census_new(&w->view, TICK_NS);
}

static void world_close(struct world *w)
{
	census_free(w->census);
	free(w->view.flows);
	free(w->view.backends);
	free(w->ends_silently);
}

static void put(struct world *w, uint32_t bucket, int at, uint16_t slot, uint8_t flags, int age)
{
	w->view.flows[bucket].entry[at].data =
		(struct flow_data){.backend = slot,
				   .generation = (uint16_t)(slot + 7),
				   .seen = (uint16_t)(NOW - age),
				   .flags = flags,
				   .used = 1};
}

static int count_all(struct world *w)
{
	int slices = 1;

	census_begin(w->census, NOW, w->ends_silently);
	while (!census_go_on(w->census))
		slices++;
	return slices;
}

static void expect(const struct world *w, uint32_t slot, uint32_t flows, uint32_t silent)
{
	assert_int_equal(census_flows(w->census, slot).flows, flows);
	assert_int_equal(census_flows(w->census, slot).silent, silent);
}

static void only_established_flows_of_the_backend_count(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 16, 4);
	put(&w, 0, 0, 1, 0, 0);
	put(&w, 0, 3, 1, FLOW_SAMPLED, 5);
	put(&w, 15, 3, 1, 0, 0);
	put(&w, 1, 0, 2, 0, 0);
	put(&w, 1, 1, 1, FLOW_CLOSING, 0);
	put(&w, 1, 2, 1, FLOW_CONNECTING, 0);
	put(&w, 2, 0, 1, 0, 0);
	w.view.flows[2].entry[0].data.generation--; /* of the slot's last owner */
	put(&w, 2, 1, 3, 0, 0);
	w.view.flows[2].entry[1].data.used = 0;
	put(&w, 2, 2, 4000, 0, 0); /* no such slot */
	assert_int_equal(count_all(&w), 1);
	expect(&w, 0, 0, 0);
	expect(&w, 1, 3, 0);
	expect(&w, 2, 1, 0);
	expect(&w, 3, 0, 0);
	world_close(&w);
}

static void silent_flows_are_told_apart_and_those_of_udp_end(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 16, 4);
	for (int i = 0; i < 3; i++) {
		put(&w, 0, i, 1, 0, (int[]){FLOW_UDP_IDLE_TICKS, 234, 235}[i]);
		put(&w, 1, i, 2, 0, (int[]){FLOW_UDP_IDLE_TICKS, FLOW_UDP_IDLE_TICKS + 1, 235}[i]);
	}
	put(&w, 2, 0, 1, 0, -1); /* the kernel is ahead of us */
	w.ends_silently[2] = true;
	count_all(&w);
	expect(&w, 1, 4, 1);
	expect(&w, 2, 1, 0);
	world_close(&w);
}

static void a_count_shows_when_it_is_whole(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 2 * CENSUS_SLICE + 1, 4);
	put(&w, 0, 0, 1, 0, 0);
	put(&w, 2 * CENSUS_SLICE, 3, 1, 0, 0);
	census_begin(w.census, NOW, w.ends_silently);
	expect(&w, 1, 0, 0);
	assert_false(census_go_on(w.census));
	assert_false(census_go_on(w.census));
	expect(&w, 1, 0, 0);
	assert_true(census_go_on(w.census));
	expect(&w, 1, 2, 0);
	w.view.flows[0].entry[0].word = 0;
	assert_int_equal(count_all(&w), 3);
	expect(&w, 1, 1, 0);
	world_close(&w);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* 1 M flows, 1000 backends. The bound is loose: machines are busy. */
static void no_slice_of_a_full_table_takes_long(void **state)
{
	double begun, worst = 0, sum = 0;
	int slices = 0;
	struct world w;
	bool done;

	(void)state;
	world_open(&w, 1 << 18, 2048);
	for (uint32_t i = 0; i < w.view.flow_buckets; i++)
		for (int j = 0; j < STEER_BUCKET_ENTRIES; j++)
			put(&w, i, j, (uint16_t)((i * 40503U + (uint32_t)j * 977) % 1000), 0,
			    (int)(i % 500));
	census_begin(w.census, NOW, w.ends_silently);
	do {
		begun = now_ms();
		done = census_go_on(w.census);
		worst = now_ms() - begun > worst ? now_ms() - begun : worst;
		sum += now_ms() - begun;
		slices++;
	} while (!done);
	print_message("1 M flows: %d slices, %.3f ms each, %.3f ms at worst\n", slices,
		      sum / slices, worst);
	assert_int_equal(slices, 128);
	assert_true(sum / slices < 5);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_established_flows_of_the_backend_count),
		cmocka_unit_test(silent_flows_are_told_apart_and_those_of_udp_end),
		cmocka_unit_test(a_count_shows_when_it_is_whole),
		cmocka_unit_test(no_slice_of_a_full_table_takes_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
