/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/guard.h"

#include "common/util.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "steerd/v1/agent.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define APPLY	 (&steerd__v1__apply_request__descriptor)
#define STATUS	 (&steerd__v1__get_status_response__descriptor)
#define SERVICES (&steerd__v1__service__descriptor)

/* Bytes of a message under construction. */
struct bytes {
	uint8_t data[65536];
	size_t n;
};

static const struct guard_limits wide = {.bytes = 1 << 20, .elements = 100000, .depth = 16};

static void put_varint(struct bytes *bytes, uint64_t value)
{
	do {
		bytes->data[bytes->n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
	} while (value);
}

static void put_tag(struct bytes *bytes, uint32_t field, uint32_t wire)
{
	put_varint(bytes, field << 3 | wire);
}

static void put_number(struct bytes *bytes, uint32_t field, uint64_t value)
{
	put_tag(bytes, field, 0);
	put_varint(bytes, value);
}

static void put_data(struct bytes *bytes, uint32_t field, const void *data, size_t n)
{
	put_tag(bytes, field, 2);
	put_varint(bytes, n);
	memcpy(bytes->data + bytes->n, data, n);
	bytes->n += n;
}

static void put_text(struct bytes *bytes, uint32_t field, const char *text)
{
	put_data(bytes, field, text, strlen(text));
}

static void put_message(struct bytes *bytes, uint32_t field, const struct bytes *inner)
{
	put_data(bytes, field, inner->data, inner->n);
}

/* Scans bytes copied to the heap, so that a read past their end is seen. */
static int scan(const ProtobufCMessageDescriptor *type, const struct bytes *bytes,
		const struct guard_limits *limits, char **ret_error)
{
	CLEANUP_FREE uint8_t *copy = malloc(bytes->n ? bytes->n : 1);

	memcpy(copy, bytes->data, bytes->n);
	return guard_scan(type, copy, bytes->n, limits, ret_error);
}

static void expect_refused(const ProtobufCMessageDescriptor *type, const struct bytes *bytes,
			   const struct guard_limits *limits, int code, const char *sentence)
{
	CLEANUP_FREE char *error = NULL;

	assert_int_equal(scan(type, bytes, limits, &error), code);
	assert_string_equal(error, sentence);
}

static void expect_taken(const ProtobufCMessageDescriptor *type, const struct bytes *bytes)
{
	char *error = NULL;

	if (scan(type, bytes, &wide, &error))
		fail_msg("refused: %s", error);
}

/* routes { services { name, vips, ports (packed), split }, stacks { backends } } */
static void put_routes(struct bytes *request)
{
	struct bytes routes = {}, service = {}, stack = {}, backend = {}, split = {}, ports = {};

	put_text(&backend, 1, "10.1.0.11");
	put_number(&backend, 2, 100);
	put_text(&stack, 1, "blue");
	put_number(&stack, 4, 2);
	put_message(&stack, 6, &backend);
	put_message(&stack, 6, &backend);
	put_message(&routes, 1, &stack);
	put_text(&split, 1, "blue");
	put_number(&split, 2, 5);
	put_varint(&ports, 80);
	put_varint(&ports, 443);
	put_text(&service, 1, "shop");
	put_text(&service, 2, "203.0.113.10");
	put_data(&service, 4, ports.data, ports.n);
	put_message(&service, 5, &split);
	put_message(&routes, 2, &service);
	put_message(request, 1, &routes);
}

static void takes_a_well_formed_message(void **state)
{
	struct bytes request = {}, empty = {};

	(void)state;
	put_routes(&request);
	expect_taken(APPLY, &request);
	expect_taken(APPLY, &empty);
}

static void refuses_more_bytes_than_the_limit(void **state)
{
	struct guard_limits limits = wide;
	struct bytes request = {};

	(void)state;
	put_routes(&request);
	limits.bytes = request.n - 1;
	CLEANUP_FREE char *sentence =
		util_format("steerd.v1.ApplyRequest: %zu bytes are more than the limit of %zu",
			    request.n, request.n - 1);
	expect_refused(APPLY, &request, &limits, -EMSGSIZE, sentence);
}

static void refuses_messages_nested_deeper_than_the_limit(void **state)
{
	struct guard_limits limits = wide;
	struct bytes request = {};

	(void)state;
	put_routes(&request);
	limits.depth = 2;
	expect_refused(APPLY, &request, &limits, -EMSGSIZE,
		       "routes.stacks[0].backends[0]: messages are nested deeper than 2");
}

/* DescriptorProto.nested_type is a message inside itself, as deep as one likes. */
static void survives_nesting_by_the_thousand(void **state)
{
	struct bytes inner = {}, outer = {};

	(void)state;
	for (int i = 0; i < 10000; i++) {
		outer.n = 0;
		put_message(&outer, 3, &inner);
		inner = outer;
	}
	CLEANUP_FREE char *error = NULL;
	assert_int_equal(
		scan(&google__protobuf__descriptor_proto__descriptor, &outer, &wide, &error),
		-EMSGSIZE);
}

static void refuses_more_elements_than_the_limit(void **state)
{
	struct guard_limits limits = wide;
	struct bytes service = {}, ports = {};

	(void)state;
	for (int i = 0; i < 100; i++)
		put_varint(&ports, 80);
	put_data(&service, 4, ports.data, ports.n);
	limits.elements = 101;
	CLEANUP_FREE char *error = NULL;
	assert_int_equal(scan(SERVICES, &service, &limits, &error), 0);
	limits.elements = 100;
	expect_refused(SERVICES, &service, &limits, -EMSGSIZE,
		       "ports[0]: here the message has more than 100 elements");
}

static void refuses_a_single_submessage_given_twice(void **state)
{
	struct bytes request = {};

	(void)state;
	put_routes(&request);
	put_routes(&request);
	expect_refused(APPLY, &request, &wide, -EBADMSG, "routes: it is there twice; send it once");
}

static void takes_repeated_submessages_as_often_as_they_come(void **state)
{
	struct bytes service = {}, split = {};

	(void)state;
	for (int i = 0; i < 1000; i++)
		put_message(&service, 5, &split);
	expect_taken(SERVICES, &service);
}

static void names_the_element_that_is_wrong(void **state)
{
	struct bytes request = {}, routes = {}, good = {}, bad = {}, backend = {};

	(void)state;
	put_text(&good, 1, "blue");
	put_text(&backend, 1, "10.1.0.11");
	put_message(&bad, 6, &backend);
	put_number(&backend, 99, 1);
	put_message(&bad, 6, &backend);
	put_message(&routes, 1, &good);
	put_text(&routes, 3, "a fleet key in between");
	put_message(&routes, 1, &bad);
	put_message(&request, 1, &routes);
	expect_refused(APPLY, &request, &wide, -EBADMSG,
		       "routes.stacks[1].backends[1]: steerd.v1.Backend has no field 99 here; is "
		       "the sender newer than this program?");
}

static void refuses_unknown_fields(void **state)
{
	struct bytes request = {};

	(void)state;
	put_number(&request, 7, 1);
	expect_refused(APPLY, &request, &wide, -EBADMSG,
		       "steerd.v1.ApplyRequest has no field 7 here; is the sender newer than this "
		       "program?");
}

static void refuses_groups(void **state)
{
	struct bytes request = {};

	(void)state;
	put_tag(&request, 1, 3);
	put_tag(&request, 1, 4);
	expect_refused(APPLY, &request, &wide, -EBADMSG,
		       "steerd.v1.ApplyRequest has no groups, but field 1 is one");
}

static void refuses_wire_types_that_are_not_the_fields(void **state)
{
	struct bytes text = {}, number = {};

	(void)state;
	put_number(&text, 1, 5);
	expect_refused(SERVICES, &text, &wide, -EBADMSG,
		       "name: wire type 0 is not that of its type");
	put_text(&number, 3, "tcp");
	expect_refused(SERVICES, &number, &wide, -EBADMSG,
		       "protocol: wire type 2 is not that of its type");
}

static void refuses_numbers_out_of_their_fields_range(void **state)
{
	struct bytes weight = {}, flag = {}, negative = {};

	(void)state;
	put_number(&weight, 2, 1ULL << 32);
	expect_refused(&steerd__v1__split_entry__descriptor, &weight, &wide, -EBADMSG,
		       "weight: 4294967296 is out of its range");
	put_number(&flag, 2, 2);
	expect_refused(APPLY, &flag, &wide, -EBADMSG, "dry_run: 2 is out of its range");
	/* An enum is a signed number, which travels in 64 bits when negative. */
	put_number(&negative, 3, UINT64_MAX);
	expect_taken(SERVICES, &negative);
}

static void refuses_varints_over_64_bits(void **state)
{
	static const uint8_t eleven[] = {0x10, 0xff, 0xff, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0x7f};
	struct bytes request = {.n = sizeof(eleven)};

	(void)state;
	memcpy(request.data, eleven, sizeof(eleven));
	expect_refused(APPLY, &request, &wide, -EBADMSG,
		       "dry_run: its number is cut short or over 64 bits");
}

static void refuses_field_number_zero(void **state)
{
	struct bytes request = {};

	(void)state;
	put_number(&request, 0, 1);
	expect_refused(APPLY, &request, &wide, -EBADMSG,
		       "a field number of steerd.v1.ApplyRequest is malformed");
}

/* Every prefix is either refused or, where it ends between two fields, itself a message. */
static void a_cut_message_is_never_read_past_its_end(void **state)
{
	struct bytes request = {};
	size_t refused = 0;

	(void)state;
	put_number(&request, 2, 1);
	put_routes(&request);
	for (size_t n = 1; n < request.n; n++) {
		struct bytes cut = request;
		CLEANUP_FREE char *error = NULL;

		cut.n = n;
		refused += scan(APPLY, &cut, &wide, &error) == -EBADMSG;
	}
	assert_int_equal(refused, request.n - 2);
}

static void refuses_lengths_that_overflow(void **state)
{
	struct bytes request = {};

	(void)state;
	put_tag(&request, 1, 2);
	put_varint(&request, UINT64_MAX);
	expect_refused(APPLY, &request, &wide, -EBADMSG, "routes: it is cut short");
}

static void refuses_text_that_is_not_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		bool good;
	} cases[] = {
		{"plain", 5, true},
		{"gr\xc3\xbcn", 5, true},
		{"\xe2\x82\xac", 3, true},
		{"\xf0\x9f\x98\x80", 4, true},
		{"\xf4\x8f\xbf\xbf", 4, true},
		{"\xed\x9f\xbf", 3, true},
		{"a\0b", 3, false},
		{"\x80", 1, false},
		{"\xc0\x80", 2, false},		/* overlong */
		{"\xc1\xbf", 2, false},		/* overlong */
		{"\xe0\x9f\xbf", 3, false},	/* overlong */
		{"\xf0\x8f\xbf\xbf", 4, false}, /* overlong */
		{"\xed\xa0\x80", 3, false},	/* surrogate */
		{"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
		{"\xff", 1, false},
		{"\xe2\x82", 2, false}, /* cut */
		{"\xc3(", 2, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes service = {};

		put_data(&service, 1, cases[i].text, cases[i].n);
		if (cases[i].good)
			expect_taken(SERVICES, &service);
		else
			expect_refused(SERVICES, &service, &wide, -EBADMSG,
				       "name: its text is not UTF-8 or contains a NUL");
	}
}

static void unpacks_within_the_budget_and_gives_all_of_it_back(void **state)
{
	struct guard_budget budget;
	ProtobufCMessage *message = NULL;
	struct bytes request = {};
	char *error = NULL;

	(void)state;
	put_routes(&request);
	guard_budget_init(&budget, 1 << 20);
	assert_int_equal(
		guard_unpack(APPLY, request.data, request.n, &wide, &budget, &message, &error), 0);
	const Steerd__V1__ApplyRequest *apply = (const Steerd__V1__ApplyRequest *)message;
	assert_int_equal(apply->routes->services[0]->ports[1], 443);
	assert_string_equal(apply->routes->stacks[0]->backends[1]->address, "10.1.0.11");
	assert_true(budget.left < 1 << 20);
	guard_free(message, &budget);
	assert_int_equal(budget.left, 1 << 20);
}

/* Whichever allocation is the one too many, nothing is lost and nothing is leaked. */
static void fails_cleanly_at_every_budget_that_is_too_small(void **state)
{
	struct bytes request = {};
	size_t enough = 0;

	(void)state;
	put_routes(&request);
	for (size_t bytes = 0; !enough; bytes += 8) {
		struct guard_budget budget;
		ProtobufCMessage *message = NULL;
		CLEANUP_FREE char *error = NULL;

		guard_budget_init(&budget, bytes);
		if (!guard_unpack(APPLY, request.data, request.n, &wide, &budget, &message, &error))
			enough = bytes;
		else
			assert_non_null(strstr(error, "bytes of memory"));
		guard_free(message, &budget);
		assert_int_equal(budget.left, bytes);
	}
	assert_in_range(enough, 500, 10000);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void mutate(struct bytes *bytes, uint64_t *random)
{
	size_t times = 1 + next_random(random) % 4;

	while (times-- && bytes->n) {
		size_t at = next_random(random) % bytes->n;

		switch (next_random(random) % 4) {
		case 0:
			bytes->data[at] ^= (uint8_t)(1 << next_random(random) % 8);
			break;
		case 1:
			bytes->data[at] = (uint8_t)next_random(random);
			break;
		case 2:
			bytes->n = at;
			break;
		default:
			memmove(bytes->data + at + 1, bytes->data + at, bytes->n - at);
			bytes->n++;
		}
	}
}

/* What the guard lets pass, the unpacker must understand, and no field of it may be ignored. */
static void whatever_it_takes_the_unpacker_takes_too(void **state)
{
	struct bytes seeds[2] = {};
	uint64_t random = 0x9e3779b97f4a7c15;
	size_t taken = 0, refused = 0;

	(void)state;
	put_routes(&seeds[0]);
	put_text(&seeds[1], 1, "edge-1");
	put_number(&seeds[1], 3, 12);
	for (int i = 0; i < 40000; i++) {
		struct bytes mutated;
		struct guard_budget budget;
		ProtobufCMessage *message = NULL;
		CLEANUP_FREE char *error = NULL;
		CLEANUP_FREE uint8_t *copy = NULL;
		int err;

		mutated.n = seeds[i % 2].n;
		memcpy(mutated.data, seeds[i % 2].data, mutated.n);
		mutate(&mutated, &random);
		copy = malloc(mutated.n ? mutated.n : 1);
		memcpy(copy, mutated.data, mutated.n);
		guard_budget_init(&budget, 1 << 20);
		err = guard_unpack(i % 2 ? STATUS : APPLY, copy, mutated.n, &wide, &budget,
				   &message, &error);
		if (err) {
			assert_null(strstr(error, "cannot be unpacked"));
			refused++;
		} else {
			assert_int_equal(message->n_unknown_fields, 0);
			taken++;
		}
		guard_free(message, &budget);
		assert_int_equal(budget.left, 1 << 20);
	}
	assert_true(taken > 1000 && refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_well_formed_message),
		cmocka_unit_test(refuses_more_bytes_than_the_limit),
		cmocka_unit_test(refuses_messages_nested_deeper_than_the_limit),
		cmocka_unit_test(survives_nesting_by_the_thousand),
		cmocka_unit_test(refuses_more_elements_than_the_limit),
		cmocka_unit_test(refuses_a_single_submessage_given_twice),
		cmocka_unit_test(takes_repeated_submessages_as_often_as_they_come),
		cmocka_unit_test(names_the_element_that_is_wrong),
		cmocka_unit_test(refuses_unknown_fields),
		cmocka_unit_test(refuses_groups),
		cmocka_unit_test(refuses_wire_types_that_are_not_the_fields),
		cmocka_unit_test(refuses_numbers_out_of_their_fields_range),
		cmocka_unit_test(refuses_varints_over_64_bits),
		cmocka_unit_test(refuses_field_number_zero),
		cmocka_unit_test(a_cut_message_is_never_read_past_its_end),
		cmocka_unit_test(refuses_lengths_that_overflow),
		cmocka_unit_test(refuses_text_that_is_not_utf8),
		cmocka_unit_test(unpacks_within_the_budget_and_gives_all_of_it_back),
		cmocka_unit_test(fails_cleanly_at_every_budget_that_is_too_small),
		cmocka_unit_test(whatever_it_takes_the_unpacker_takes_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
