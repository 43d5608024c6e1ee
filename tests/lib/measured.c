/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <sched.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/measured.h"

#define ROUTES                                                                                     \
	"stacks:\n"                                                                                \
	"  blue: {backends: [{address: 10.1.0.1}]}\n"                                              \
	"services:\n"                                                                              \
	"  shop: {vips: [" V4 ", '" V6 "'], ports: [80], split: {blue: 1}}\n"                      \
	"  video: {vips: [" V4 "], protocol: udp, ports: [443], split: {blue: 1}}\n"

#define RUNS_MAX 20

struct fixture measured;
uint64_t measured_seed = 4;
static jmp_buf beginning;
static int runs;

static uint32_t slot(void)
{
	return fixture_slot(&measured, "blue", "10.1.0.1");
}

static void give_series(void)
{
	struct series_ref ref = {};

	for (uint16_t share = 0; share < 4; share++) {
		struct series_key key = {.backend = (uint16_t)slot(), .share = share};

		assert_int_equal(bpf_map_update_elem(measured.view->series_of_fd, &key, &ref, 0),
				 0);
	}
}

struct series *measured_series(void)
{
	return &measured.view->series[measured.cpu * measured.view->series_slots];
}

const struct flow_counts *measured_counts(void)
{
	return &measured.view->flow_counts[measured.cpu * measured.view->backend_slots + slot()];
}

struct backend_watch *measured_watch(void)
{
	return &measured.view->watch[slot()];
}

/* Other work on the machine must not come between a packet and the look at the clock. */
int measured_open(void **state)
{
	const struct sched_param first = {.sched_priority = 1};

	(void)state;
	sched_setscheduler(0, SCHED_FIFO, &first);
	fixture_open(&measured, &(struct fixture_sizes){});
	fixture_apply(&measured, ROUTES);
	give_series();
	return 0;
}

int measured_close(void **state)
{
	(void)state;
	fixture_close(&measured);
	return 0;
}

int measured_afresh(void **state)
{
	(void)state;
	fixture_forget_flows(&measured);
	memset(measured_series(), 0, sizeof(struct series));
	memset((void *)measured_counts(), 0, sizeof(struct flow_counts));
	*measured_watch() = (struct backend_watch){.tick_votes = WATCH_VOTES_ENOUGH};
	return 0;
}

static void run_again(void)
{
	if (++runs < RUNS_MAX)
		longjmp(beginning, 1);
}

void measured_run(void **state)
{
	CMUnitTestFunction test = (CMUnitTestFunction)*state;

	runs = 0;
	talk_disturbed = run_again;
	if (setjmp(beginning))
		measured_afresh(state);
	test(state);
}

struct talk measured_talk(void)
{
	struct flow flow = flow_random(&measured_seed, V4, 80, PROTOCOL_TCP);
	struct talk talk;

	talk_start(&talk, &measured, &flow);
	return talk;
}

double measured_only_ms(enum latency_kind kind)
{
	assert_int_equal(measured_series()->samples[kind], 1);
	return (double)measured_series()->sum_ns[kind] / 1e6;
}
