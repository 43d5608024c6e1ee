/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A fixture in which every flow of a service over TCP and of one over UDP is sampled, and what the
 * program then holds of them. Every test begins with nothing measured: MEASURED(test). Where the
 * machine did other things while a packet was in the program, which spoils times, it begins again.
 */
#ifndef STEER_TESTS_MEASURED_H
#define STEER_TESTS_MEASURED_H

#include "lib/fixture.h"
#include "lib/talk.h"

#define V4 "203.0.113.10" /* port 80: TCP, port 443: UDP */
#define V6 "2001:db8::10" /* port 80 */

extern struct fixture measured;
extern uint64_t measured_seed;

int measured_open(void **state);
int measured_close(void **state);
int measured_afresh(void **state);
void measured_run(void **state);
#define MEASURED(TEST)                                                                             \
	{                                                                                          \
		.name = #TEST, .test_func = measured_run, .setup_func = measured_afresh,           \
		.initial_state = (void *)(TEST)                                                    \
	}

/* Of the only backend, which counts in the only series. */
struct series *measured_series(void);
const struct flow_counts *measured_counts(void);
struct backend_watch *measured_watch(void);

struct talk measured_talk(void); /* of another flow each time, to V4 */

/* The one sample of a kind, in milliseconds. */
double measured_only_ms(enum latency_kind kind);

/* A busy machine wakes sleepers late, never early. */
#define assert_ms(VALUE, LEAST, MOST)                                                              \
	do {                                                                                       \
		double value_ = (VALUE);                                                           \
		if (value_ < (LEAST) || value_ > (MOST))                                           \
			fail_msg("%s is %.3f ms, not %g to %g", #VALUE, value_, (double)(LEAST),   \
				 (double)(MOST));                                                  \
	} while (0)

#endif
