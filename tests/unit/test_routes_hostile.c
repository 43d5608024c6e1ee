/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Documents that are broken at random, very large, or made to be slow. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/routes_check.h"
#include "common/routes_yaml.h"
#include "common/util.h"

#define MUTATIONS 10000

static const struct routes_limits node_limits = {
	.services = 4096, .stacks = 256, .backends = 16384, .vip_keys = 16384};

static const char seed_text[] =
	"fleet_key: \"k\"\n"
	"stacks:\n"
	"  blue:\n"
	"    stage: production\n"
	"    labels: {region: eu-west, release: \"1.41\"}\n"
	"    health: {type: http, port: 8080, path: /healthz, interval: 100ms, timeout: 80ms}\n"
	"    backends:\n"
	"      - {address: 10.1.0.11, weight: 100}\n"
	"      - {address: \"2001:db8:1::11\"}\n"
	"  green: {forward: ipip, backends: [{address: 10.2.0.11}]}\n"
	"services:\n"
	"  shop:\n"
	"    vips: [203.0.113.10]\n"
	"    ports: [80, 443]\n"
	"    split: {blue: 95, green: 5}\n"
	"    sticky: {by: client}\n"
	"    on_backend_down: keep\n";

/* xorshift64 (Marsaglia, 2003): the same sequence in every run, so that a failure comes back. */
static uint64_t random_state = 0x9e3779b97f4a7c15;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state >> 16) % n;
}

/* One to four changes: a byte set, removed, put in, or a piece copied elsewhere. */
static size_t mutate(char *text, size_t size, size_t room)
{
	static const char spice[] = "\n\t :-[]{},&*!?|>'\"%@`#~\\\0\xff\xc3"
				    "019az";

	for (size_t n = 1 + random_below(4); n; n--) {
		size_t at = random_below(size), piece = 1 + random_below(40);
		char byte = spice[random_below(sizeof(spice))];

		switch (random_below(4)) {
		case 0:
			text[at] = byte;
			break;
		case 1:
			memmove(text + at, text + at + 1, --size - at);
			break;
		case 2:
			if (size + 1 > room)
				break;
			memmove(text + at + 1, text + at, size++ - at);
			text[at] = byte;
			break;
		default:
			if (at + piece > size || size + piece > room)
				break;
			memcpy(text + size, text + at, piece);
			size += piece;
		}
	}
	return size;
}

/* What is taken must survive being written and read again; what is not must be explained. */
static bool survives(const char *text, size_t size)
{
	CLEANUP_ROUTES struct routes *routes = NULL, *again = NULL;
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_FREE char *written = NULL;
	int err = routes_yaml_parse(text, size, &routes, &problems);

	if (!err)
		err = routes_check(routes, &node_limits, &problems);
	if (err) {
		assert_int_equal(err, -EINVAL);
		assert_true(problems.n > 0);
		return false;
	}
	assert_int_equal(problems.total, 0);
	assert_int_equal(routes_yaml_emit(routes, &written), 0);
	assert_int_equal(routes_yaml_parse(written, strlen(written), &again, &problems), 0);
	assert_true(routes_equal(routes, again));
	return true;
}

static void documents_broken_at_random_are_refused_or_sound(void **state)
{
	size_t taken = 0;

	(void)state;
	for (size_t i = 0; i < MUTATIONS; i++) {
		size_t room = sizeof(seed_text) + 200;
		CLEANUP_FREE char *text = util_calloc(room, 1);
		CLEANUP_FREE char *exact = NULL;
		size_t size;

		memcpy(text, seed_text, sizeof(seed_text) - 1);
		size = mutate(text, sizeof(seed_text) - 1, room);
		/* Just as long as the text: the sanitizer then sees a byte read too many. */
		exact = memcpy(util_calloc(size, 1), text, size);
		taken += survives(exact, size);
	}
	print_message("%zu of %d taken\n", taken, MUTATIONS);
	assert_in_range(taken, MUTATIONS / 100, MUTATIONS / 2);
}

static char *large_document(size_t services, size_t stacks, size_t backends)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	fputs("stacks:\n", out);
	for (size_t i = 0; i < stacks; i++) {
		fprintf(out, "  stack-%zu:\n    health: {type: tcp, port: 80}\n    backends:\n", i);
		for (size_t j = i * backends / stacks; j < (i + 1) * backends / stacks; j++)
			fprintf(out, "      - {address: 10.%zu.%zu.%zu, weight: 100}\n",
				j >> 16 & 255, j >> 8 & 255, j & 255);
	}
	fputs("services:\n", out);
	for (size_t i = 0; i < services; i++)
		fprintf(out,
			"  service-%zu:\n    vips: [198.18.%zu.%zu]\n    ports: [80, 443]\n"
			"    split: {stack-%zu: 95, stack-%zu: 5}\n",
			i, i >> 8, i & 255, i % stacks, (i + 1) % stacks);
	fclose(out);
	return text;
}

static void the_largest_intended_document_is_read_and_checked(void **state)
{
	CLEANUP_FREE char *text = large_document(1000, 256, 16384), *written = NULL;
	CLEANUP_ROUTES struct routes *routes = NULL, *again = NULL;
	CLEANUP_PROBLEMS struct problems problems = {0};
	unsigned long long start = util_now_ms(), parsed, checked, emitted;

	(void)state;
	assert_non_null(strstr(text, "{address: 10.0.0.0,"));
	assert_int_equal(routes_yaml_parse(text, strlen(text), &routes, &problems), 0);
	parsed = util_now_ms();
	assert_int_equal(routes_check(routes, &node_limits, &problems), 0);
	checked = util_now_ms();
	assert_int_equal(routes_yaml_emit(routes, &written), 0);
	emitted = util_now_ms();
	print_message("%zu KiB: parsed in %llu ms, checked in %llu ms, written in %llu ms\n",
		      strlen(text) / 1024, parsed - start, checked - parsed, emitted - checked);
	assert_int_equal(routes->services_n, 1000);
	assert_int_equal(routes->stacks_n, 256);
	assert_int_equal(routes->stacks[255].backends_n, 64);
	assert_int_equal(routes_yaml_parse(written, strlen(written), &again, &problems), 0);
	assert_true(routes_equal(routes, again));
}

/* 64 stacks that are not there in each of 4,096 services, each close to 256 names that are. */
static void thousands_of_errors_are_told_without_delay(void **state)
{
	CLEANUP_FREE char *text = large_document(4096, 256, 256);
	CLEANUP_ROUTES struct routes *routes = NULL;
	CLEANUP_PROBLEMS struct problems problems = {0};
	unsigned long long start;

	(void)state;
	assert_int_equal(routes_yaml_parse(text, strlen(text), &routes, &problems), 0);
	for (size_t i = 0; i < routes->services_n; i++) {
		struct route_service *service = &routes->services[i];

		service->split = util_realloc(service->split, 64, sizeof(*service->split));
		for (size_t j = service->split_n; j < 64; j++)
			service->split[j] = (struct route_split){
				.stack = util_format("stakc-%zu", j), .weight = 1};
		service->split_n = 64;
	}
	start = util_now_ms();
	assert_int_equal(routes_check(routes, &node_limits, &problems), -EINVAL);
	print_message("%zu problems in %llu ms\n", problems.total, util_now_ms() - start);
	assert_true(problems.total >= 4096 * 62);
	assert_int_equal(problems.n, PROBLEMS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_broken_at_random_are_refused_or_sound),
		cmocka_unit_test(the_largest_intended_document_is_read_and_checked),
		cmocka_unit_test(thousands_of_errors_are_told_without_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
