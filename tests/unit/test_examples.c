/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Run from the top of the tree, as all tests are. */
#include "abi.h"
#include "agent/node_config.h"
#include "common/routes_check.h"
#include "common/routes_yaml.h"
#include "common/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NODE_FILE   "tools/examples/steerd.yaml"
#define ROUTES_FILE "tools/examples/routes.yaml"

static void fail_with(const struct problems *problems, const char *file)
{
	CLEANUP_FREE char *text = problems_text(problems, file);

	fail_msg("%s", text ? text : file);
}

static void the_example_node_file_is_valid(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_NODE_CONFIG struct node_config config = {0};

	(void)state;
	if (node_config_load(NODE_FILE, &config, &problems))
		fail_with(&problems, NODE_FILE);
	assert_int_equal(config.interfaces_n, 1);
	assert_null(config.listen_tcp.text);
	assert_non_null(config.routes);
}

/* It says of itself that it shows the defaults. */
static void the_example_node_file_shows_the_defaults(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_NODE_CONFIG struct node_config config = {0}, defaults = {0};
	const char least[] = "interfaces: [eth0]\n";

	(void)state;
	assert_int_equal(node_config_load(NODE_FILE, &config, &problems), 0);
	assert_int_equal(node_config_parse(least, strlen(least), &defaults, &problems), 0);
	assert_int_equal(config.xdp_mode, defaults.xdp_mode);
	assert_string_equal(config.listen_unix, defaults.listen_unix);
	assert_string_equal(config.http.text, defaults.http.text);
	assert_string_equal(config.pin_dir, defaults.pin_dir);
	assert_string_equal(config.state_dir, defaults.state_dir);
	assert_memory_equal(&config.limits, &defaults.limits, sizeof(config.limits));
	assert_int_equal(config.decap_interfaces_n, 0);
}

/* What is commented out has to be right too, once the marks are off. */
static void what_the_example_node_file_leaves_out_is_valid(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_NODE_CONFIG struct node_config config = {0};
	CLEANUP_FREE char *text = NULL;
	const char *const marked[] = {
		"# tcp:",	  "#   address:", "#   cert:",	     "#   key:",
		"#   client_ca:", "# decap:",	  "#   interfaces:", "#   sources:",
		"# tunnel:",	  "#   source:",  "#   source6:"};
	size_t size;

	(void)state;
	assert_int_equal(util_read_file(NODE_FILE, 1 << 16, &text, &size), 0);
	for (size_t i = 0; i < ARRAY_SIZE(marked); i++) {
		CLEANUP_FREE char *line = util_format("\n%s", marked[i]);
		char *at = strstr(text, line);

		assert_non_null(at);
		/* `tcp:` belongs to `listen:` above it; the others are top keys. */
		if (i < 5)
			at[1] = ' ';
		else
			memmove(at + 1, at + 3, strlen(at + 3) + 1);
	}
	if (node_config_parse(text, strlen(text), &config, &problems))
		fail_with(&problems, NODE_FILE);
	assert_non_null(config.tcp_client_ca);
	assert_int_equal(config.decap_interfaces_n, 1);
	assert_true(config.tunnel_source.set);
	assert_true(config.tunnel_source6.set);
}

static void the_example_routes_are_valid(void **state)
{
	const struct routes_limits limits = {.services = 4096,
					     .stacks = STEER_STACKS,
					     .backends = 16384,
					     .vip_keys = STEER_VIP_KEYS_MAX};
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL;

	(void)state;
	if (routes_yaml_load(ROUTES_FILE, &routes, &problems) ||
	    routes_check(routes, &limits, &problems))
		fail_with(&problems, ROUTES_FILE);
	assert_int_equal(routes->stacks_n, 3);
	assert_int_equal(routes->services_n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_node_file_is_valid),
		cmocka_unit_test(the_example_node_file_shows_the_defaults),
		cmocka_unit_test(what_the_example_node_file_leaves_out_is_valid),
		cmocka_unit_test(the_example_routes_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
