/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_vips.h"
#include "common/routes_yaml.h"
#include "common/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char document[] =
	"stacks:\n"
	"  blue: {health: {type: tcp, port: 8080}, backends: [{address: 10.1.0.1}]}\n"
	"  dark: {health: {type: tcp, port: 80}, backends: [{address: 10.1.0.2}]}\n"
	"  green: {health: {type: tcp, port: 443}, backends: [{address: 10.1.0.3}]}\n"
	"  spare: {health: {type: tcp, port: 80}, backends: [{address: 10.1.0.4}]}\n"
	"services:\n"
	"  alpha: {vips: [203.0.113.1], protocol: udp, ports: [8080], split: {blue: 1, dark: 1}}\n"
	"  beta: {vips: [203.0.113.2, '2001:db8::2'], ports: [80], split: {blue: 1, green: 1}}\n"
	"  gamma: {vips: [203.0.113.4, 203.0.113.3], ports: [443, 8080], split: {blue: 0}}\n"
	"  omega: {vips: ['2001:db8::9'], ports: [], split: {green: 1}}\n";

static struct check_vips of(const char *stack)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	CLEANUP_ROUTES struct routes *routes = NULL;
	struct check_vips all[8], one;

	assert_int_equal(routes_yaml_parse(document, strlen(document), &routes, &problems), 0);
	routes_sort(routes);
	assert_in_range(routes->stacks_n, 1, ARRAY_SIZE(all));
	check_vips_collect(routes, all);
	one = all[routes_find_stack(routes, stack) - routes->stacks];
	return one;
}

static void check(const char *stack, const char *backend, enum forward forward, const char *wanted)
{
	struct check_vips vips = of(stack);
	const struct address *vip;
	struct address address;
	char text[ADDRESS_TEXT_MAX] = "none";

	assert_int_equal(address_parse(backend, &address), 0);
	vip = check_vips_pick(&vips, &address, forward);
	if (vip)
		address_text(vip, text);
	assert_string_equal(text, wanted);
}

static void a_service_at_the_checks_port_comes_first(void **state)
{
	(void)state;
	check("blue", "10.1.0.1", FORWARD_AS_L2, "203.0.113.3");     /* also with weight 0 */
	check("green", "2001:db8::1", FORWARD_AS_L2, "2001:db8::9"); /* it has every port */
}

static void a_service_at_another_port_will_do(void **state)
{
	(void)state;
	check("blue", "2001:db8::1", FORWARD_AS_L2, "2001:db8::2");
	check("green", "10.1.0.3", FORWARD_AS_L2, "203.0.113.2");
}

static void a_udp_service_will_do_where_there_is_no_other(void **state)
{
	(void)state;
	check("dark", "10.1.0.2", FORWARD_AS_IPIP, "203.0.113.1");
}

static void another_family_will_do_where_the_mode_carries_it(void **state)
{
	(void)state;
	check("dark", "2001:db8::1", FORWARD_AS_IPIP, "203.0.113.1");
	check("dark", "2001:db8::1", FORWARD_AS_L2, "203.0.113.1");
	check("dark", "2001:db8::1", FORWARD_AS_LOCAL, "none");
}

static void there_is_no_6_in_4(void **state)
{
	struct check_vips vips = of("green");
	struct address address;

	(void)state;
	vips.ipv4.rank = 0;
	assert_int_equal(address_parse("10.1.0.3", &address), 0);
	assert_null(check_vips_pick(&vips, &address, FORWARD_AS_IPIP));
	assert_non_null(check_vips_pick(&vips, &address, FORWARD_AS_L2));
}

static void a_stack_that_no_service_sends_to_has_none(void **state)
{
	(void)state;
	check("spare", "10.1.0.4", FORWARD_AS_L2, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_at_the_checks_port_comes_first),
		cmocka_unit_test(a_service_at_another_port_will_do),
		cmocka_unit_test(a_udp_service_will_do_where_there_is_no_other),
		cmocka_unit_test(another_family_will_do_where_the_mode_carries_it),
		cmocka_unit_test(there_is_no_6_in_4),
		cmocka_unit_test(a_stack_that_no_service_sends_to_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
