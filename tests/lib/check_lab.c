/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/check_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/util.h"

int check_lab_setup(void **state)
{
	struct check_lab *lab = util_calloc(1, sizeof(*lab));

	assert_true(sd_event_new(&lab->event) >= 0);
	assert_int_equal(checker_new(lab->event, 0, &lab->checker), 0);
	*state = lab;
	return 0;
}

int check_lab_teardown(void **state)
{
	struct check_lab *lab = *state;

	checker_free(lab->checker);
	sd_event_unref(lab->event);
	free(lab);
	return 0;
}

void check_lab_on_result(void *userdata, bool ok, const char *detail)
{
	struct check_result *result = userdata;

	result->last_ms = util_now_ms();
	if (ok) {
		assert_string_equal(detail, "");
		result->passed++;
	} else {
		snprintf(result->detail, sizeof(result->detail), "%s", detail);
		result->failed++;
	}
	check_free(TAKE(result->free_this));
}

unsigned int check_lab_results(const struct check_lab *lab)
{
	return lab->result.passed + lab->result.failed;
}

struct address check_lab_address(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

void check_lab_add_target(struct check_lab *lab, const struct check_target *target)
{
	assert_int_equal(
		checker_add(lab->checker, target, check_lab_on_result, &lab->result, &lab->check),
		0);
}

void check_lab_add(struct check_lab *lab, enum health_type type, uint16_t port,
		   uint32_t interval_ms, uint32_t timeout_ms)
{
	const struct check_target target = {.address = check_lab_address("127.0.0.1"),
					    .port = port,
					    .type = type,
					    .path = "/healthz",
					    .interval_ms = interval_ms,
					    .timeout_ms = timeout_ms};

	check_lab_add_target(lab, &target);
}

void check_lab_run(struct check_lab *lab, uint64_t ms)
{
	assert_true(sd_event_run(lab->event, ms * 1000) >= 0);
}
