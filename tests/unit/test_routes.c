/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses, durations, problems, and routes as plain data. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/routes.h"
#include "common/routes_yaml.h"
#include "common/text.h"
#include "common/util.h"

static void addresses_read_and_write_the_same_text(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0", "10.1.0.11", "255.255.255.255", "::", "::1", "2001:db8::10", "fe80::1",
	};
	char text[ADDRESS_TEXT_MAX];
	struct address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(address_parse(texts[i], &address), 0);
		assert_string_equal(address_text(&address, text), texts[i]);
		assert_int_equal(address_is_ipv4(&address), strchr(texts[i], ':') == NULL);
	}
}

static void ipv4_lies_in_an_address_as_the_maps_hold_it(void **state)
{
	static const uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff, 10, 1, 0, 11};
	struct address address;

	(void)state;
	assert_int_equal(address_parse("10.1.0.11", &address), 0);
	assert_memory_equal(address.bytes, bytes, sizeof(bytes));
}

static void what_is_no_address_is_refused_and_leaves_the_output(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"10.1.0",
		"10.1.0.256",
		"10.1.0.11 ",
		"010.1.0.11x",
		"2001:db8:",
		"host",
		"::ffff:10.1.0.11",
		"10.1.0.11/32",
		"fe80::1%eth0",
	};
	struct address address, before;

	(void)state;
	assert_int_equal(address_parse("192.0.2.1", &before), 0);
	address = before;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(address_parse(texts[i], &address), -EINVAL);
		assert_int_equal(address_compare(&address, &before), 0);
	}
}

static void prefixes_count_bits_of_the_128(void **state)
{
	static const struct {
		const char *text;
		int err;
		int bits;
	} cases[] = {
		{"10.0.0.0/8", 0, 104},
		{"10.0.0.1", 0, 128},
		{"0.0.0.0/0", 0, 96},
		{"10.0.0.1/32", 0, 128},
		{"2001:db8::/32", 0, 32},
		{"::/0", 0, 0},
		{"2001:db8::1", 0, 128},
		{"10.0.0.1/8", -EDOM, 0},
		{"2001:db8::1/64", -EDOM, 0},
		{"10.0.0.0/33", -EINVAL, 0},
		{"::/129", -EINVAL, 0},
		{"10.0.0.0/", -EINVAL, 0},
		{"/8", -EINVAL, 0},
		{"10.0.0.0/8/8", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct address_prefix prefix = {0};

		assert_int_equal(address_parse_prefix(cases[i].text, &prefix), cases[i].err);
		assert_int_equal(prefix.bits, cases[i].bits);
	}
}

static void endpoints_need_a_port_and_brackets_for_ipv6(void **state)
{
	static const char *const refused[] = {
		"127.0.0.1",	"127.0.0.1:", "127.0.0.1:0",	"127.0.0.1:65536",
		"::1:80",	"[::1]",      "[127.0.0.1]:80", ":80",
		"localhost:80", "",	      "[]:80",		"127.0.0.1:80x",
	};
	char text[ADDRESS_TEXT_MAX];
	struct address address;
	uint16_t port = 0;

	(void)state;
	assert_int_equal(address_parse_endpoint("127.0.0.1:9451", &address, &port), 0);
	assert_string_equal(address_text(&address, text), "127.0.0.1");
	assert_int_equal(port, 9451);
	assert_int_equal(address_parse_endpoint("[2001:db8::1]:65535", &address, &port), 0);
	assert_string_equal(address_text(&address, text), "2001:db8::1");
	assert_int_equal(port, 65535);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(address_parse_endpoint(refused[i], &address, &port), -EINVAL);
}

static void durations_need_a_unit_and_fit(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint32_t ms;
	} cases[] = {
		{"100ms", 0, 100},
		{"1s", 0, 1000},
		{"5m", 0, 300000},
		{"1h", 0, 3600000},
		{"0s", 0, 0},
		{"4294967295ms", 0, UINT32_MAX},
		{"100", -EDOM, 0},
		{"1.5s", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1d", -EINVAL, 0},
		{"4294967296ms", -ERANGE, 0},
		{"1194h", -ERANGE, 0},
		{"99999999999999999999ms", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t ms = 0;

		assert_int_equal(text_parse_duration(cases[i].text, &ms), cases[i].err);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void durations_write_the_largest_unit_that_is_exact(void **state)
{
	static const struct {
		uint32_t ms;
		const char *text;
	} cases[] = {
		{0, "0ms"},	  {80, "80ms"},	    {1000, "1s"},
		{1500, "1500ms"}, {60000, "1m"},    {90000, "90s"},
		{3600000, "1h"},  {5400000, "90m"}, {UINT32_MAX, "4294967295ms"},
	};
	char text[TEXT_DURATION_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text_duration(cases[i].ms, text), cases[i].text);
}

static void text_that_is_not_printable_is_found_and_mended(void **state)
{
	static const struct {
		const char *text;
		const char *mended;
	} cases[] = {
		{"plain", "plain"},
		{"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"a\nb\x1b[0m\x7f", "a?b?[0m?"},
		{"\xc2\x85", "??"},	      /* C1 control */
		{"\xc0\xaf", "??"},	      /* not the shortest form */
		{"\xed\xa0\x80", "???"},      /* surrogate */
		{"\xf4\x90\x80\x80", "????"}, /* above U+10FFFF */
		{"a\xe2\x82", "a??"},	      /* cut short */
		{"\xff", "?"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *text = util_strdup(cases[i].text);

		text_make_printable(text);
		assert_string_equal(text, cases[i].mended);
		assert_int_equal(text_is_printable(cases[i].text),
				 strcmp(cases[i].text, cases[i].mended) == 0);
	}
}

static void problems_say_file_and_line_or_else_the_path(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_FREE char *in_file = NULL, *elsewhere = NULL;

	(void)state;
	problems_add(&problems, "services.shop", 14, "wrong by %d", 3);
	problems_add(&problems, "services.store", 0, "wrong too");
	problems_add(&problems, "", 0, "cannot be read");
	in_file = problems_text(&problems, "routes.yaml");
	elsewhere = problems_text(&problems, NULL);
	assert_string_equal(in_file, "routes.yaml:14: wrong by 3\n"
				     "services.store: wrong too\n"
				     "routes.yaml: cannot be read\n");
	assert_string_equal(elsewhere, "line 14: wrong by 3\n"
				       "services.store: wrong too\n"
				       "cannot be read\n");
}

static void problems_past_the_maximum_are_counted(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_FREE char *text = NULL;

	(void)state;
	for (int i = 0; i < PROBLEMS_MAX + 7; i++)
		problems_add(&problems, "x", i + 1, "wrong");
	assert_int_equal(problems.n, PROBLEMS_MAX);
	assert_int_equal(problems.total, PROBLEMS_MAX + 7);
	text = problems_text(&problems, NULL);
	assert_non_null(strstr(text, "line 100: wrong\nand 7 more\n"));
}

static void what_a_problem_quotes_cannot_reach_a_terminal(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_FREE char *large = util_calloc(1, 100001);

	(void)state;
	memset(large, 'x', 100000);
	problems_add(&problems, "a\x1b", 0, "key '%s'", "\x1b[2J\n");
	problems_add(&problems, large, 0, "key '%s'", large);
	assert_string_equal(problems.items[0].path, "a?");
	assert_string_equal(problems.items[0].message, "key '?[2J?'");
	assert_true(strlen(problems.items[1].path) < 512);
	assert_true(strlen(problems.items[1].message) < 512);
}

static struct routes *parse(const char *text)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct routes *routes = NULL;

	if (routes_yaml_parse(text, strlen(text), &routes, &problems))
		fail_msg("%s", problems.n ? problems.items[0].message : "no problem is named");
	return routes;
}

static const char in_order[] =
	"stacks:\n"
	"  blue:\n"
	"    labels: {a: x, b: y}\n"
	"    backends: [{address: 10.0.0.1}, {address: 10.0.0.2, weight: 5}]\n"
	"  green:\n"
	"    backends: [{address: '2001:db8::1'}]\n"
	"services:\n"
	"  shop:\n"
	"    vips: [203.0.113.1, 203.0.113.2]\n"
	"    ports: [80, 443]\n"
	"    split: {blue: 9, green: 1}\n"
	"  store:\n"
	"    vips: [203.0.113.3]\n"
	"    split: {green: 1}\n";

static const char in_another_order[] =
	"services:\n"
	"  store: {split: {green: 1}, vips: [203.0.113.3]}\n"
	"  shop:\n"
	"    split: {green: 1, blue: 9}\n"
	"    ports: [443, 80]\n"
	"    vips: [203.0.113.2, 203.0.113.1]\n"
	"stacks:\n"
	"  green: {backends: [{address: '2001:db8::1', weight: 100}]}\n"
	"  blue:\n"
	"    backends: [{weight: 5, address: 10.0.0.2}, {address: 10.0.0.1}]\n"
	"    labels: {b: y, a: x}\n";

static void the_order_of_a_document_means_nothing_once_sorted(void **state)
{
	CLEANUP_ROUTES struct routes *a = parse(in_order);
	CLEANUP_ROUTES struct routes *b = parse(in_another_order);

	(void)state;
	assert_false(routes_equal(a, b));
	routes_sort(a);
	routes_sort(b);
	assert_true(routes_equal(a, b));
	assert_string_equal(b->services[0].name, "shop");
	assert_string_equal(b->services[0].split[0].stack, "blue");
	assert_int_equal(b->services[0].ports[0], 80);
}

static void a_copy_is_equal_and_independent(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(in_order);
	CLEANUP_ROUTES struct routes *copy = routes_copy(routes);

	(void)state;
	assert_true(routes_equal(routes, copy));
	copy->stacks[0].name[0] = 'g';
	copy->stacks[0].labels[0].value[0] = 'z';
	copy->services[0].split[0].weight = 7;
	assert_string_equal(routes->stacks[0].name, "blue");
	assert_string_equal(routes->stacks[0].labels[0].value, "x");
	assert_int_equal(routes->services[0].split[0].weight, 9);
}

static void every_field_of_a_health_check_makes_a_difference(void **state)
{
	static char a[] = "a", b[] = "b";
	const struct health_spec base = {.type = HEALTH_HTTP,
					 .port = 1,
					 .path = a,
					 .host = a,
					 .body = a,
					 .service = a,
					 .server_name = a,
					 .status_min = 200,
					 .status_max = 399,
					 .interval_ms = 1,
					 .timeout_ms = 1,
					 .fall = 1,
					 .rise = 1};
	struct health_spec copy, others[15];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = base;
	others[0].type = HEALTH_TCP;
	others[1].port = 2;
	others[2].path = b;
	others[3].host = NULL;
	others[4].body = b;
	others[5].status_min = 201;
	others[6].status_max = 201;
	others[7].interval_ms = 2;
	others[8].timeout_ms = 2;
	others[9].fall = 2;
	others[10].rise = 2;
	others[11].service = b;
	others[12].tls = true;
	others[13].server_name = b;
	others[14].via = HEALTH_VIA_BOTH;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (routes_health_equal(&base, &others[i]))
			fail_msg("case %zu is equal", i);
	copy = routes_health_copy(&base);
	assert_true(routes_health_equal(&base, &copy));
	copy.server_name[0] = 'c';
	assert_false(routes_health_equal(&base, &copy));
	routes_health_clear(&copy);
	assert_null(copy.body);
}

static void every_field_makes_a_difference(void **state)
{
	static const struct {
		const char *find;
		const char *replace;
	} changes[] = {
		{"a: x", "a: z"},
		{"a: x", "c: x"},
		{"10.0.0.1", "10.0.0.9"},
		{"weight: 5", "weight: 6"},
		{"  green:\n    backends", "  green:\n    forward: ipip\n    backends"},
		{"  green:\n    backends", "  green:\n    stage: canary\n    backends"},
		{"  green:\n    backends", "  green:\n    slow_start: 1s\n    backends"},
		{"  green:\n    backends", "  green:\n    on_slow_backend: keep\n    backends"},
		{"  green:\n    backends",
		 "  green:\n    health: {type: tcp, port: 80}\n    backends"},
		{"203.0.113.3", "203.0.113.4"},
		{"443", "444"},
		{"blue: 9", "blue: 8"},
		{"  store:\n", "  store:\n    protocol: udp\n"},
		{"  store:\n", "  store:\n    sticky: {by: client}\n"},
		{"  store:\n", "  store:\n    on_backend_down: keep\n"},
		{"stacks:\n", "fleet_key: k\nstacks:\n"},
	};
	CLEANUP_ROUTES struct routes *routes = parse(in_order);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		const char *at = strstr(in_order, changes[i].find);
		CLEANUP_FREE char *text = NULL;
		CLEANUP_ROUTES struct routes *other = NULL;

		assert_non_null(at);
		text = util_format("%.*s%s%s", (int)(at - in_order), in_order, changes[i].replace,
				   at + strlen(changes[i].find));
		other = parse(text);
		assert_false(routes_equal(routes, other));
	}
}

static void stacks_and_services_are_found_by_name(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(in_order);

	(void)state;
	assert_ptr_equal(routes_find_stack(routes, "green"), &routes->stacks[1]);
	assert_ptr_equal(routes_find_service(routes, "store"), &routes->services[1]);
	assert_null(routes_find_stack(routes, "shop"));
	assert_null(routes_find_service(routes, "green"));
}

static void sorted_routes_are_searched_alike(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(in_another_order);

	(void)state;
	routes_sort(routes);
	assert_string_equal(routes_find_stack(routes, "blue")->name, "blue");
	assert_string_equal(routes_find_service(routes, "store")->name, "store");
	assert_null(routes_find_stack(routes, "shop"));
	assert_null(routes_find_service(routes, "green"));
}

static void a_stack_that_only_failover_names_joins_the_split_without_weight(void **state)
{
	static const char text[] = "stacks: {blue: {}, amber: {}, green: {}}\n"
				   "services:\n"
				   "  shop: {vips: [203.0.113.10], split: {blue: 7, green: 0},\n"
				   "    failover: [green, amber, blue]}\n";
	CLEANUP_ROUTES struct routes *routes = NULL, *again = NULL;
	CLEANUP_PROBLEMS struct problems problems = {0};
	const struct route_service *shop;

	(void)state;
	assert_int_equal(routes_yaml_parse(text, strlen(text), &routes, &problems), 0);
	routes_sort(routes);
	shop = &routes->services[0];
	assert_int_equal(shop->split_n, 3);
	assert_string_equal(shop->split[0].stack, "amber");
	assert_int_equal(shop->split[0].weight, 0);
	assert_string_equal(shop->split[1].stack, "blue");
	assert_int_equal(shop->split[1].weight, 7);
	assert_string_equal(shop->failover[1].stack, "amber");
	again = routes_copy(routes);
	routes_sort(again);
	assert_true(routes_equal(routes, again));
}

static void the_order_of_failover_and_the_panic_share_make_a_difference(void **state)
{
	static const char text[] = "stacks: {blue: {}, green: {}}\n"
				   "services:\n"
				   "  shop: {split: {blue: 7}, failover: [green, blue]}\n";
	CLEANUP_ROUTES struct routes *routes = NULL, *other = NULL;
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct route_failover swap;

	(void)state;
	assert_int_equal(routes_yaml_parse(text, strlen(text), &routes, &problems), 0);
	routes_sort(routes);
	other = routes_copy(routes);
	other->services[0].panic_percent++;
	assert_false(routes_equal(routes, other));
	other->services[0].panic_percent--;
	swap = other->services[0].failover[0];
	other->services[0].failover[0] = other->services[0].failover[1];
	other->services[0].failover[1] = swap;
	assert_false(routes_equal(routes, other));
}

static void a_check_may_take_most_of_its_interval(void **state)
{
	const struct {
		uint32_t interval_ms, timeout_ms;
	} cases[] = {{20, 16}, {21, 17}, {100, 80}, {1000, 800}, {2500, 2000}, {3600000, 2000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct health_spec health = {.type = HEALTH_TCP,
					     .interval_ms = cases[i].interval_ms};

		routes_health_settle(&health);
		assert_int_equal(health.timeout_ms, cases[i].timeout_ms);
		routes_health_clear(&health);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_read_and_write_the_same_text),
		cmocka_unit_test(ipv4_lies_in_an_address_as_the_maps_hold_it),
		cmocka_unit_test(what_is_no_address_is_refused_and_leaves_the_output),
		cmocka_unit_test(prefixes_count_bits_of_the_128),
		cmocka_unit_test(endpoints_need_a_port_and_brackets_for_ipv6),
		cmocka_unit_test(durations_need_a_unit_and_fit),
		cmocka_unit_test(durations_write_the_largest_unit_that_is_exact),
		cmocka_unit_test(text_that_is_not_printable_is_found_and_mended),
		cmocka_unit_test(problems_say_file_and_line_or_else_the_path),
		cmocka_unit_test(problems_past_the_maximum_are_counted),
		cmocka_unit_test(what_a_problem_quotes_cannot_reach_a_terminal),
		cmocka_unit_test(the_order_of_a_document_means_nothing_once_sorted),
		cmocka_unit_test(a_copy_is_equal_and_independent),
		cmocka_unit_test(every_field_of_a_health_check_makes_a_difference),
		cmocka_unit_test(every_field_makes_a_difference),
		cmocka_unit_test(stacks_and_services_are_found_by_name),
		cmocka_unit_test(sorted_routes_are_searched_alike),
		cmocka_unit_test(a_stack_that_only_failover_names_joins_the_split_without_weight),
		cmocka_unit_test(the_order_of_failover_and_the_panic_share_make_a_difference),
		cmocka_unit_test(a_check_may_take_most_of_its_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
