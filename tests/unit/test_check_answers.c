/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_answers.h"
#include "common/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HERE  5 /* the interface that answers come in by */
#define OTHER 6

static const struct {
	const char *vip;
	struct check_facts facts;
	const char *says; /* "": answers get through */
} cases[] = {
	{"203.0.113.10", {.has_route = true, .ifindex = OTHER}, ""},
	{"203.0.113.10", {.has_route = false}, ""},
	{"203.0.113.10",
	 {.has_route = true, .ifindex = OTHER, .rp_filter = 1},
	 "answers from 203.0.113.10 would be dropped on eth1, where no route to it leads "
	 "(net.ipv4.conf.*.rp_filter is 1)"},
	{"203.0.113.10",
	 {.rp_filter = 1},
	 "answers from 203.0.113.10 would be dropped on eth1, where no route to it leads "
	 "(net.ipv4.conf.*.rp_filter is 1)"},
	{"203.0.113.10", {.has_route = true, .ifindex = HERE, .rp_filter = 1}, ""},
	{"203.0.113.10", {.has_route = true, .ifindex = OTHER, .rp_filter = 2}, ""},
	{"203.0.113.10",
	 {.rp_filter = 2},
	 "answers from 203.0.113.10 would be dropped: there is no route to it "
	 "(net.ipv4.conf.*.rp_filter is 2)"},
	{"203.0.113.10",
	 {.has_route = true, .is_local = true, .ifindex = 1},
	 "203.0.113.10 is this host's own, whose answers eth1 would not take "
	 "(net.ipv4.conf.*.accept_local)"},
	{"203.0.113.10",
	 {.has_route = true, .is_local = true, .ifindex = 1, .accept_local = true},
	 ""},
	{"203.0.113.10",
	 {.has_route = true, .is_local = true, .ifindex = 1, .accept_local = true, .rp_filter = 1},
	 "answers from 203.0.113.10 would be dropped on eth1, where no route to it leads "
	 "(net.ipv4.conf.*.rp_filter is 1)"},
	{"2001:db8::10", {.is_local = true, .rp_filter = 1}, ""},
};

static void tells_answers_that_the_kernel_would_drop(void **state)
{
	const struct nexthop hop = {.resolved = true, .ifindex = HERE, .ifname = "eth1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[CHECK_ANSWERS_TEXT_MAX];
		struct address vip;

		assert_int_equal(address_parse(cases[i].vip, &vip), 0);
		check_answers_judge(&vip, &cases[i].facts, &hop, text);
		if (strcmp(text, cases[i].says))
			fail_msg("case %zu: '%s', not '%s'", i, text, cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_answers_that_the_kernel_would_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
