/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/http_accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/util.h"

enum { TEXT, PROTOBUF };

static size_t best(const char *accept)
{
	static const struct http_offer offers[] = {
		{"text/plain", ""},
		{"application/vnd.google.protobuf",
		 "proto=io.prometheus.client.MetricFamily;encoding=delimited"},
	};

	return http_accept_best(accept, offers, ARRAY_SIZE(offers));
}

#define PB  "application/vnd.google.protobuf;"
#define ALL "proto=io.prometheus.client.MetricFamily;encoding=delimited"

static void what_scrapers_send_is_understood(void **state)
{
	(void)state;
	/* Prometheus 2.42 without and with native histograms, and 3.x */
	assert_int_equal(best("application/openmetrics-text;version=1.0.0,application/openmetrics-"
			      "text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
			 TEXT);
	assert_int_equal(best(PB ALL ",application/openmetrics-text;version=1.0.0;q=0.8,"
				     "application/openmetrics-text;version=0.0.1;q=0.75,"
				     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
			 PROTOBUF);
	assert_int_equal(best(PB ALL ";escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;"
				     "escaping=allow-utf-8;q=0.5,*/*;q=0.1"),
			 PROTOBUF);
}

static void without_a_wish_the_first_is_sent(void **state)
{
	const char *const headers[] = {NULL,
				       "",
				       "*/*",
				       "text/html",
				       ",;,",
				       "image/*",
				       "text/plain;q=0",
				       "application/json"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		assert_int_equal(best(headers[i]), TEXT);
}

static void the_higher_quality_wins(void **state)
{
	(void)state;
	assert_int_equal(best(PB ALL ";q=0.3, text/plain;q=0.301"), TEXT);
	assert_int_equal(best("text/plain;q=0.3, " PB ALL ";q=0.301"), PROTOBUF);
	assert_int_equal(best("text/plain; q=0, " PB ALL "; q=0.001"), PROTOBUF);
	assert_int_equal(best(PB ALL ";q=0, */*"), TEXT);
	assert_int_equal(best("text/plain;q=1.000," PB ALL ";q=0.999"), TEXT);
}

static void between_equals_the_one_that_is_named_wins(void **state)
{
	(void)state;
	assert_int_equal(best("*/*, " PB ALL), PROTOBUF);
	assert_int_equal(best("text/*, " PB ALL), PROTOBUF);
	assert_int_equal(best("application/*, text/plain"), TEXT);
	assert_int_equal(best(PB ALL ", text/plain"), TEXT);
}

static void a_range_with_other_parameters_means_something_else(void **state)
{
	(void)state;
	assert_int_equal(best(PB "proto=io.prometheus.client.MetricFamily;encoding=text"), TEXT);
	assert_int_equal(best(PB "encoding=delimited"), TEXT);
	assert_int_equal(best("application/vnd.google.protobuf"), TEXT);
	assert_int_equal(best("Application/Vnd.Google.Protobuf ; Encoding = delimited ; proto = "
			      "\"io.prometheus.client.MetricFamily\""),
			 PROTOBUF);
}

static void a_quality_that_is_none_is_no_wish(void **state)
{
	const char *const bad[] = {"q=2", "q=x", "q=1.5", "q=-1", "q=0.x", "q=.5"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP_FREE char *header = util_format(PB ALL ";%s, */*;q=0.1", bad[i]);

		assert_int_equal(best(header), TEXT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_scrapers_send_is_understood),
		cmocka_unit_test(without_a_wish_the_first_is_sent),
		cmocka_unit_test(the_higher_quality_wins),
		cmocka_unit_test(between_equals_the_one_that_is_named_wins),
		cmocka_unit_test(a_range_with_other_parameters_means_something_else),
		cmocka_unit_test(a_quality_that_is_none_is_no_wish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
