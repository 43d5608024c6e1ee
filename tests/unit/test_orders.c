/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/orders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/util.h"

#define AUTO  HEALTH_OVERRIDE_AUTO
#define UP    HEALTH_OVERRIDE_UP
#define DOWN  HEALTH_OVERRIDE_DOWN
#define DRAIN HEALTH_OVERRIDE_DRAIN

static struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

/* address NULL: the whole of blue; expires 0: an operator's. */
static bool set(struct orders *orders, const char *address, enum health_override override,
		uint64_t expires)
{
	struct saved_override order = {.stack = "blue",
				       .whole_stack = !address,
				       .override = override,
				       .expires_unix_ms = expires};

	if (address)
		order.address = address_of(address);
	return orders_set(orders, &order);
}

static enum health_override holds(const struct orders *orders, const char *address)
{
	const struct address a = address_of(address);

	return orders_meaning(orders_find(orders, "blue", &a), 1000).override;
}

static void a_backends_own_order_goes_before_its_stacks(void **state)
{
	struct orders orders = {};

	(void)state;
	assert_int_equal(holds(&orders, "10.0.0.1"), AUTO);
	set(&orders, NULL, DOWN, 0);
	set(&orders, "10.0.0.1", UP, 0);
	assert_int_equal(holds(&orders, "10.0.0.1"), UP);
	assert_int_equal(holds(&orders, "10.0.0.2"), DOWN);
	set(&orders, "10.0.0.1", AUTO, 0);
	assert_int_equal(holds(&orders, "10.0.0.1"), DOWN);
	orders_clear(&orders);
}

static void an_order_for_a_stack_replaces_those_for_its_backends(void **state)
{
	const struct address other = address_of("10.0.0.1");
	struct orders orders = {};
	struct saved_override green = {.stack = "green", .address = other, .override = DOWN};

	(void)state;
	orders_set(&orders, &green);
	set(&orders, "10.0.0.1", UP, 0);
	set(&orders, NULL, DRAIN, 0);
	assert_int_equal(holds(&orders, "10.0.0.1"), DRAIN);
	assert_int_equal(orders.n, 2);
	set(&orders, NULL, AUTO, 0);
	assert_int_equal(holds(&orders, "10.0.0.1"), AUTO);
	assert_int_equal(orders_find(&orders, "green", &other)->override, DOWN);
	orders_clear(&orders);
}

static void the_operator_goes_before_the_controller(void **state)
{
	static const struct {
		enum health_override operator, controller, holds;
		bool by_controller;
	} rows[] = {
		{AUTO, AUTO, AUTO, false},   {AUTO, UP, AUTO, false},	 {AUTO, DOWN, DOWN, true},
		{AUTO, DRAIN, DRAIN, true},  {UP, DOWN, UP, false},	 {DOWN, UP, DOWN, false},
		{DRAIN, DOWN, DRAIN, false}, {DOWN, DRAIN, DOWN, false},
	};
	const struct address address = address_of("10.0.0.1");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct health_order meaning;
		struct orders orders = {};

		set(&orders, "10.0.0.1", rows[i].operator, 0);
		set(&orders, "10.0.0.1", rows[i].controller, 5000);
		meaning = orders_meaning(orders_find(&orders, "blue", &address), 1000);
		if (meaning.override != rows[i].holds ||
		    meaning.by_controller != rows[i].by_controller)
			fail_msg("row %zu: %d", i, meaning.override);
		orders_clear(&orders);
	}
}

static void a_controllers_up_exempts_from_what_it_says_of_the_stack(void **state)
{
	struct orders orders = {};

	(void)state;
	set(&orders, NULL, DOWN, 5000);
	set(&orders, "10.0.0.1", UP, 5000);
	assert_int_equal(holds(&orders, "10.0.0.1"), AUTO);
	assert_int_equal(holds(&orders, "10.0.0.2"), DOWN);
	orders_clear(&orders);
}

static void an_operators_auto_takes_back_views_too_and_a_controllers_only_its_own(void **state)
{
	struct orders orders = {};

	(void)state;
	set(&orders, "10.0.0.1", DRAIN, 0);
	set(&orders, "10.0.0.1", DOWN, 5000);
	set(&orders, "10.0.0.1", AUTO, 6000);
	assert_int_equal(holds(&orders, "10.0.0.1"), DRAIN);
	assert_int_equal(orders.n, 1);
	set(&orders, "10.0.0.1", DOWN, 5000);
	set(&orders, "10.0.0.1", AUTO, 0);
	assert_int_equal(orders.n, 0);
	orders_clear(&orders);
}

static void only_a_renewed_view_is_no_change(void **state)
{
	struct orders orders = {};

	(void)state;
	assert_true(set(&orders, "10.0.0.1", DOWN, 5000));
	assert_false(set(&orders, "10.0.0.1", DOWN, 9000));
	assert_int_equal(orders.items[0].expires_unix_ms, 9000);
	assert_true(set(&orders, "10.0.0.1", DRAIN, 9000));
	assert_true(set(&orders, NULL, DRAIN, 9000));
	assert_true(set(&orders, NULL, AUTO, 9000));
	assert_false(set(&orders, NULL, AUTO, 9000));
	orders_clear(&orders);
}

static void what_is_due_is_told_once_and_views_are_forgotten(void **state)
{
	struct orders orders = {};
	struct saved_override drain = {
		.stack = "green", .whole_stack = true, .override = DRAIN, .deadline_unix_ms = 3000};
	char stack[STEER_NAME];
	size_t at = 0;

	(void)state;
	set(&orders, "10.0.0.1", DOWN, 2000);
	set(&orders, "10.0.0.2", DOWN, 2000);
	set(&orders, "10.0.0.3", DOWN, 4000);
	orders_set(&orders, &drain);
	assert_true(orders_next(&orders, 1000) == 2000);
	assert_null(orders_due(&orders, 0, 1999, &at, stack));
	at = 0;
	assert_string_equal(orders_due(&orders, 0, 2000, &at, stack), "blue");
	assert_string_equal(orders_due(&orders, 0, 2000, &at, stack), "blue");
	assert_null(orders_due(&orders, 0, 2000, &at, stack));
	assert_int_equal(holds(&orders, "10.0.0.1"), AUTO);
	assert_int_equal(holds(&orders, "10.0.0.2"), AUTO);
	assert_int_equal(holds(&orders, "10.0.0.3"), DOWN);
	assert_true(orders_next(&orders, 2000) == 3000);
	at = 0;
	assert_string_equal(orders_due(&orders, 2000, 3500, &at, stack), "green");
	assert_null(orders_due(&orders, 2000, 3500, &at, stack));
	at = 0;
	assert_null(orders_due(&orders, 3500, 3600, &at, stack));
	assert_int_equal(orders.n, 2);
	orders_clear(&orders);
}

static void a_drain_is_over_at_its_deadline(void **state)
{
	const struct saved_override drain = {.override = DRAIN, .deadline_unix_ms = 3000};
	const struct saved_override endless = {.override = DRAIN};

	(void)state;
	assert_false(orders_meaning(&drain, 2999).over);
	assert_true(orders_meaning(&drain, 3000).over);
	assert_false(orders_meaning(&endless, UINT64_MAX).over);
	assert_int_equal(orders_meaning(NULL, 0).override, AUTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_backends_own_order_goes_before_its_stacks),
		cmocka_unit_test(an_order_for_a_stack_replaces_those_for_its_backends),
		cmocka_unit_test(the_operator_goes_before_the_controller),
		cmocka_unit_test(a_controllers_up_exempts_from_what_it_says_of_the_stack),
		cmocka_unit_test(
			an_operators_auto_takes_back_views_too_and_a_controllers_only_its_own),
		cmocka_unit_test(only_a_renewed_view_is_no_change),
		cmocka_unit_test(what_is_due_is_told_once_and_views_are_forgotten),
		cmocka_unit_test(a_drain_is_over_at_its_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
