/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/routes_walk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/routes_yaml.h"
#include "common/util.h"

#define LONG "a-name-of-thirty-one-characters" /* the longest */

static const char many[] = "stacks:\n"
			   "  blue: {backends: [{address: 10.1.0.9}, {address: 10.1.0.10}]}\n"
			   "  empty: {backends: []}\n"
			   "  here: {forward: local}\n"
			   "  " LONG ": {backends: [{address: '2001:db8::1'}]}\n"
			   "services:\n"
			   "  shop: {vips: [203.0.113.10], split: {blue: 1, here: 2}}\n"
			   "  " LONG ": {vips: [203.0.113.11], split: {blue: 1}}\n";

/* As much of compiled routes as a walk looks at. */
struct live {
	struct compiled compiled;
	struct compiled_stack stacks[8];
	struct compiled_service services[8];
};

static void make(struct live *live, const char *yaml, uint64_t version)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	struct routes *routes;

	assert_int_equal(routes_yaml_parse(yaml, strlen(yaml), &routes, &problems), 0);
	routes_sort(routes);
	*live = (struct live){.compiled = {.routes = routes, .version = version}};
	live->compiled.stacks = live->stacks;
	live->compiled.services = live->services;
	for (size_t i = 0; i < routes->stacks_n; i++) {
		struct route_stack *stack = &routes->stacks[i];
		bool is_local = stack->forward == FORWARD_AS_LOCAL;

		live->stacks[i] = (struct compiled_stack){
			.route = stack, .slots_n = is_local ? 1 : stack->backends_n};
	}
	for (size_t i = 0; i < routes->services_n; i++)
		live->services[i].route = &routes->services[i];
}

/* One step, as text: "blue/10.1.0.9", "shop/blue", "shop"; NULL: that was all. */
static const char *next(const struct live *live, enum routes_walk walk, struct routes_position *at)
{
	static char text[128];
	char address[ADDRESS_TEXT_MAX] = "local";
	size_t i, j;

	if (!routes_walk_next(walk, &live->compiled, at, &i, &j))
		return NULL;
	if (walk == WALK_BACKENDS) {
		const struct route_stack *stack = live->stacks[i].route;

		if (stack->backends_n)
			address_text(&stack->backends[j].address, address);
		snprintf(text, sizeof(text), "%s/%s", stack->name, address);
	} else if (walk == WALK_SPLITS) {
		snprintf(text, sizeof(text), "%s/%s", live->services[i].route->name,
			 live->services[i].route->split[j].stack);
	} else {
		snprintf(text, sizeof(text), "%s", live->services[i].route->name);
	}
	return text;
}

/* The rest of a walk: names with a space behind each. */
static void expect_rest(const struct live *live, enum routes_walk walk, struct routes_position *at,
			const char *wanted)
{
	char all[512] = "";
	const char *name;

	while ((name = next(live, walk, at))) {
		strcat(all, name);
		strcat(all, " ");
	}
	assert_string_equal(all, wanted);
}

static void a_walk_gives_everything_once_in_order(void **state)
{
	struct live live;

	(void)state;
	make(&live, many, 7);
	expect_rest(&live, WALK_BACKENDS, &(struct routes_position){},
		    LONG "/2001:db8::1 blue/10.1.0.9 blue/10.1.0.10 here/local ");
	expect_rest(&live, WALK_SERVICES, &(struct routes_position){}, LONG " shop ");
	expect_rest(&live, WALK_SPLITS, &(struct routes_position){},
		    LONG "/blue shop/blue shop/here ");
	routes_free(live.compiled.routes);
}

static void no_routes_are_a_short_walk(void **state)
{
	struct routes_position at = {};
	struct live live;

	(void)state;
	make(&live, "stacks: {}\n", 1);
	for (int walk = WALK_SERVICES; walk <= WALK_BACKENDS; walk++)
		assert_null(next(&live, (enum routes_walk)walk, &at));
	routes_free(live.compiled.routes);
}

#define BACKEND(n) "{address: 10.0.0." #n "}"

/* Routes change when `steps` backends were given; what comes then. */
static void change_after(int steps, const char *before, const char *after, const char *wanted)
{
	struct routes_position at = {};
	struct live live;

	make(&live, before, 1);
	for (int i = 0; i < steps; i++)
		assert_non_null(next(&live, WALK_BACKENDS, &at));
	routes_free(live.compiled.routes);
	make(&live, after, 2);
	expect_rest(&live, WALK_BACKENDS, &at, wanted);
	routes_free(live.compiled.routes);
}

#define TWO                                                                                        \
	"stacks:\n  a: {backends: [" BACKEND(2) ", " BACKEND(4) "]}\n  c: {backends: [" BACKEND(   \
		6) "]}\n"

static void other_routes_go_on_behind_the_last_one_given(void **state)
{
	(void)state;
	change_after(1, TWO, TWO, "a/10.0.0.4 c/10.0.0.6 ");
	/* Others before, between and behind. */
	change_after(1, TWO,
		     "stacks:\n  a: {backends: [" BACKEND(1) ", " BACKEND(2) ", " BACKEND(
			     3) ", " BACKEND(4) "]}\n  b: {backends: [" BACKEND(5) "]}\n",
		     "a/10.0.0.3 a/10.0.0.4 b/10.0.0.5 ");
	/* The last one given is gone, then its stack. */
	change_after(1, TWO, "stacks:\n  a: {backends: [" BACKEND(1) ", " BACKEND(4) "]}\n",
		     "a/10.0.0.4 ");
	change_after(1, TWO, "stacks:\n  b: {backends: [" BACKEND(1) "]}\n", "b/10.0.0.1 ");
	change_after(3, TWO, "stacks:\n  b: {backends: [" BACKEND(1) "]}\n", "");
	change_after(3, TWO, TWO, "");
	/* Nothing was given yet. */
	change_after(0, TWO, TWO, "a/10.0.0.2 a/10.0.0.4 c/10.0.0.6 ");
}

static void a_split_goes_on_behind_the_last_stack_given(void **state)
{
	struct routes_position at = {};
	struct live live;

	(void)state;
	make(&live, many, 1);
	assert_string_equal(next(&live, WALK_SPLITS, &at), LONG "/blue");
	assert_string_equal(next(&live, WALK_SPLITS, &at), "shop/blue");
	routes_free(live.compiled.routes);
	make(&live,
	     "stacks: {azure: {forward: local}, blue: {forward: local}, cyan: {forward: local}}\n"
	     "services:\n"
	     "  shop: {vips: [203.0.113.10], split: {azure: 1, blue: 1, cyan: 1}}\n",
	     2);
	expect_rest(&live, WALK_SPLITS, &at, "shop/cyan ");
	routes_free(live.compiled.routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_gives_everything_once_in_order),
		cmocka_unit_test(no_routes_are_a_short_walk),
		cmocka_unit_test(other_routes_go_on_behind_the_last_one_given),
		cmocka_unit_test(a_split_goes_on_behind_the_last_stack_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
