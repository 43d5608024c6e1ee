/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* telemetry.otlp of the node file: what is sent in the clear, and what is refused. */
#include "agent/node_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/util.h"

static int parse(const char *otlp, struct node_config *config, struct problems *problems)
{
	CLEANUP_FREE char *text = util_format("interfaces: [eth0]\ntelemetry: {%s}\n", otlp);

	return node_config_parse(text, strlen(text), config, problems);
}

static void expect_taken(const char *otlp, struct node_config *config)
{
	CLEANUP_PROBLEMS struct problems problems = {};

	if (parse(otlp, config, &problems))
		fail_msg("%s: %s", otlp, problems.items[0].message);
}

static void expect_refused(const char *otlp, const char *part)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	struct node_config config = {};

	assert_int_equal(parse(otlp, &config, &problems), -EINVAL);
	assert_int_equal(problems.n, 1);
	if (!strstr(problems.items[0].message, part))
		fail_msg("%s: %s", otlp, problems.items[0].message);
}

static void nothing_is_sent_unless_asked_for(void **state)
{
	CLEANUP_NODE_CONFIG struct node_config config = {};

	(void)state;
	expect_taken("sample: 8", &config);
	assert_null(config.otlp.endpoint);
}

static void every_key_arrives_in_its_field(void **state)
{
	CLEANUP_NODE_CONFIG struct node_config config = {};

	(void)state;
	expect_taken("otlp: {endpoint: 'otel.example:4317', interval: 30s, "
		     "tls: {ca: /ca, cert: /c, key: /k}}",
		     &config);
	assert_string_equal(config.otlp.endpoint, "otel.example:4317");
	assert_int_equal(config.otlp.interval_ms, 30000);
	assert_false(config.otlp.is_plaintext);
	assert_string_equal(config.otlp.ca, "/ca");
	assert_string_equal(config.otlp.cert, "/c");
	assert_string_equal(config.otlp.key, "/k");
}

static void this_host_is_spoken_to_in_the_clear(void **state)
{
	const char *const endpoints[] = {"127.0.0.1:4317", "127.9.9.9:1", "[::1]:4317",
					 "localhost:65535", "unix:///run/otel.sock"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		CLEANUP_FREE char *otlp = util_format("otlp: {endpoint: '%s'}", endpoints[i]);
		CLEANUP_NODE_CONFIG struct node_config config = {};

		expect_taken(otlp, &config);
		assert_true(config.otlp.is_plaintext);
		assert_int_equal(config.otlp.interval_ms, 10000);
	}
}

static void other_hosts_need_tls_or_a_word(void **state)
{
	const char *const endpoints[] = {"otel.example:4317",	"192.0.2.1:4317",
					 "[2001:db8::1]:4317",	"128.0.0.1:1",
					 "localhost.example:1", "0.0.0.0:1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		CLEANUP_FREE char *bare = util_format("otlp: {endpoint: '%s'}", endpoints[i]);
		CLEANUP_FREE char *insecure = util_format("otlp: {endpoint: '%s', insecure: true}",
							  endpoints[i]);
		CLEANUP_FREE char *tls = util_format("otlp: {endpoint: '%s', tls: {ca: /ca}}",
						     endpoints[i]);
		CLEANUP_NODE_CONFIG struct node_config first = {};
		CLEANUP_NODE_CONFIG struct node_config second = {};

		expect_refused(bare, "which is another host; add tls: {ca: FILE}, or insecure: "
				     "true to send in the clear");
		expect_taken(insecure, &first);
		assert_true(first.otlp.is_plaintext);
		expect_taken(tls, &second);
		assert_false(second.otlp.is_plaintext);
	}
}

static void wrong_endpoints_are_refused(void **state)
{
	const char *const endpoints[] = {"",
					 "otel.example",
					 "otel.example:",
					 "otel:0",
					 "otel:65536",
					 "https://otel:4317",
					 ":4317",
					 "2001:db8::1:4317",
					 "[]:4317",
					 "unix:///",
					 "unix://run/x.sock",
					 "a b:1",
					 "user@otel:1",
					 "otel:4317/v1/metrics"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		CLEANUP_FREE char *otlp = util_format("otlp: {endpoint: '%s', insecure: true}",
						      endpoints[i]);

		expect_refused(otlp, "it must be the collector's gRPC host and port");
	}
}

static void half_settings_are_refused(void **state)
{
	(void)state;
	expect_refused("otlp: {interval: 10s}", "telemetry.otlp has no 'endpoint'");
	expect_refused("otlp: {endpoint: 'otel:1', tls: {cert: /c, key: /k}}", "has no 'ca'");
	expect_refused("otlp: {endpoint: 'otel:1', tls: {ca: /a, cert: /c}}",
		       "has one of 'cert' and 'key'");
	expect_refused("otlp: {endpoint: 'otel:1', tls: {ca: /a}, insecure: true}",
		       "has both 'tls' and insecure: true");
	expect_refused("otlp: {endpoint: 'localhost:1', interval: 999ms}", "1s to 1h");
	expect_refused("otlp: {endpoint: 'localhost:1', interval: 61m}", "1s to 1h");
	expect_refused("otlp: {endpoint: 'localhost:1', insecure: yes}", "must be false or true");
	expect_refused("otlp: {endpont: 'localhost:1'}", "did you mean 'endpoint'?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_sent_unless_asked_for),
		cmocka_unit_test(every_key_arrives_in_its_field),
		cmocka_unit_test(this_host_is_spoken_to_in_the_clear),
		cmocka_unit_test(other_hosts_need_tls_or_a_word),
		cmocka_unit_test(wrong_endpoints_are_refused),
		cmocka_unit_test(half_settings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
