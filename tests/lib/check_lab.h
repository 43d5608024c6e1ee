/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A checker on a loop of its own, and what became of its checks. */
#ifndef STEER_TEST_CHECK_LAB_H
#define STEER_TEST_CHECK_LAB_H

#include "agent/checker.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define LAB_PATIENCE_MS 20000

struct check_result {
	unsigned int passed;
	unsigned int failed;
	char detail[128]; /* of the last failure */
	uint64_t last_ms;
	struct check *free_this; /* in the callback */
};

struct check_lab {
	sd_event *event;
	struct checker *checker;
	struct check_result result; /* of all its checks together */
	struct check *check;	    /* the last that was added */
};

/* cmocka's; *state is the lab. */
int check_lab_setup(void **state);
int check_lab_teardown(void **state);

#define check_lab_test(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, check_lab_setup, check_lab_teardown)

void check_lab_on_result(void *userdata, bool ok, const char *detail);
unsigned int check_lab_results(const struct check_lab *lab);
struct address check_lab_address(const char *text);

void check_lab_add_target(struct check_lab *lab, const struct check_target *target);

/* Of 127.0.0.1; an HTTP check asks for /healthz. */
void check_lab_add(struct check_lab *lab, enum health_type type, uint16_t port,
		   uint32_t interval_ms, uint32_t timeout_ms);

/* One turn of the loop, which waits for up to so long. */
void check_lab_run(struct check_lab *lab, uint64_t ms);

#define check_lab_wait(lab, condition)                                                             \
	do {                                                                                       \
		uint64_t end_ms_ = util_now_ms() + LAB_PATIENCE_MS;                                \
		while (!(condition)) {                                                             \
			if (util_now_ms() > end_ms_)                                               \
				fail_msg("never came true: %s", #condition);                       \
			check_lab_run(lab, 10);                                                    \
		}                                                                                  \
	} while (0)

#endif
