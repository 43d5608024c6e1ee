/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON to the wire and back: against protobuf-c with the real messages, and with a message that
 * has a field of every type.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/base64.h"
#include "cli/codec.h"
#include "cli/json_print.h"
#include "cli/wire.h"
#include "common/util.h"
#include "lib/descriptors.h"
#include "rpc/method.h"
#include "steerd/v1/agent.pb-c.h"

#define MUTATIONS	 20000
#define SCHEMA_MUTATIONS 3000

static struct schema *real, *made;
static const struct schema_message *all_types;

static int setup(void **state)
{
	struct wire_buffer file = descriptor_all_types();
	const char *missing;

	(void)state;
	real = schema_new();
	assert_int_equal(schema_add_set(real, rpc_protoset, rpc_protoset_size), 0);
	assert_int_equal(schema_link(real, &missing), 0);
	made = schema_new();
	assert_int_equal(schema_add_file(made, file.data, file.size), 0);
	assert_int_equal(schema_link(made, &missing), 0);
	free(file.data);
	all_types = schema_find_message(made, "test.All");
	assert_non_null(all_types);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	schema_free(real);
	schema_free(made);
	return 0;
}

/* ---- helpers ---- */

struct packed {
	uint8_t *data;
	size_t size;
	char *error;
};

static int encode(const struct schema_message *type, const char *text, struct packed *ret)
{
	json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
	int result;

	assert_non_null(value);
	*ret = (struct packed){0};
	result = codec_encode(type, value, &ret->data, &ret->size, &ret->error);
	json_decref(value);
	return result;
}

static void free_packed(struct packed *packed)
{
	free(packed->data);
	free(packed->error);
}

static void expect_error(const struct schema_message *type, const char *text, const char *error)
{
	struct packed packed;

	assert_int_equal(encode(type, text, &packed), -EINVAL);
	assert_string_equal(packed.error, error);
	free_packed(&packed);
}

/* Bytes that cannot be read leave nothing behind and say so. */
static void expect_unreadable(const void *data, size_t size, const char *error)
{
	CLEANUP_FREE char *text = NULL;
	json_t *value = NULL;

	assert_int_equal(codec_decode(all_types, data, size, false, &value, &text), -EBADMSG);
	assert_null(value);
	assert_string_equal(text, error);
}

/* What the bytes read as; "" where they do not. */
static void expect_text(const struct schema_message *type, const uint8_t *data, size_t size,
			const char *wanted)
{
	CLEANUP_FREE char *text = NULL, *error = NULL;
	json_t *value;

	assert_int_equal(codec_decode(type, data, size, false, &value, &error), 0);
	text = json_dumps(value, JSON_COMPACT);
	assert_string_equal(text, wanted);
	json_decref(value);
}

/* `text` comes back as `wanted` after a way over the wire. */
static void expect_round_trip(const char *text, const char *wanted)
{
	struct packed packed;

	if (encode(all_types, text, &packed) < 0)
		fail_msg("%s", packed.error);
	expect_text(all_types, packed.data, packed.size, wanted);
	free_packed(&packed);
}

#define EXPECT_BYTES(wanted, ...)                                                                  \
	expect_text(all_types, (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}),   \
		    wanted)
#define EXPECT_UNREADABLE(error, ...)                                                              \
	expect_unreadable((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), error)

/* ---- tests ---- */

static const char apply_text[] =
	"{\"routes\": {\"fleet_key\": \"k\", \"stacks\": [{\"name\": \"blue\", \"stage\": "
	"\"STAGE_CANARY\", \"labels\": {\"region\": \"eu\", \"empty\": \"\"}, \"forward\": 2, "
	"\"health\": {\"type\": \"HEALTH_TYPE_HTTP\", \"port\": 8080, \"intervalMs\": \"250\"}, "
	"\"backends\": [{\"address\": \"10.1.0.11\", \"weight\": 0}, {\"address\": \"::1\"}]}], "
	"\"services\": [{\"name\": \"shop\", \"vips\": [\"203.0.113.10\"], \"protocol\": "
	"\"PROTOCOL_TCP\", \"ports\": [80, 443, 65535]}]}, \"dryRun\": true}";

static void what_is_encoded_means_the_same_to_protobuf_c(void **state)
{
	const struct schema_message *type = schema_find_message(real, "steerd.v1.ApplyRequest");
	Steerd__V1__ApplyRequest *request;
	const Steerd__V1__Stack *stack;
	struct packed packed;

	(void)state;
	assert_int_equal(encode(type, apply_text, &packed), 0);
	request = steerd__v1__apply_request__unpack(NULL, packed.size, packed.data);
	assert_non_null(request);
	assert_true(request->dry_run);
	assert_string_equal(request->routes->fleet_key, "k");
	stack = request->routes->stacks[0];
	assert_int_equal(stack->stage, STEERD__V1__STAGE__STAGE_CANARY);
	assert_int_equal(stack->forward, STEERD__V1__FORWARD__FORWARD_IPIP);
	assert_int_equal(stack->n_labels, 2);
	assert_string_equal(stack->labels[0]->value, "eu");
	assert_int_equal(stack->health->interval_ms, 250);
	assert_int_equal(stack->backends[0]->weight_set_case,
			 STEERD__V1__BACKEND__WEIGHT_SET_WEIGHT);
	assert_int_equal(stack->backends[1]->weight_set_case,
			 STEERD__V1__BACKEND__WEIGHT_SET__NOT_SET);
	assert_int_equal(request->routes->services[0]->n_ports, 3);
	assert_int_equal(request->routes->services[0]->ports[2], 65535);
	steerd__v1__apply_request__free_unpacked(request, NULL);
	free_packed(&packed);
}

static void what_protobuf_c_packs_is_decoded(void **state)
{
	Steerd__V1__BackendStatus backend = STEERD__V1__BACKEND_STATUS__INIT;
	Steerd__V1__ShareStatus share = STEERD__V1__SHARE_STATUS__INIT;
	uint8_t data[256];

	(void)state;
	backend.address = (char *)"10.1.0.11";
	backend.up = true;
	backend.override = STEERD__V1__HEALTH_OVERRIDE__HEALTH_OVERRIDE_DRAIN;
	backend.packets = UINT64_MAX;
	backend.bytes = 1ULL << 53;
	expect_text(schema_find_message(real, "steerd.v1.BackendStatus"), data,
		    steerd__v1__backend_status__pack(&backend, data),
		    "{\"address\":\"10.1.0.11\",\"up\":true,\"override\":\"HEALTH_OVERRIDE_DRAIN\","
		    "\"packets\":\"18446744073709551615\",\"bytes\":9007199254740992}");
	share.wanted_share = 0.25;
	expect_text(schema_find_message(real, "steerd.v1.ShareStatus"), data,
		    steerd__v1__share_status__pack(&share, data), "{\"wanted_share\":0.25}");
}

static void every_type_survives_the_way_there_and_back(void **state)
{
	static const char *const same[] = {
		"{}",
		"{\"type_1\":0.5,\"type_2\":-1.5,\"type_3\":-9007199254740992}",
		"{\"type_3\":\"-9223372036854775808\",\"type_4\":\"18446744073709551615\"}",
		"{\"type_5\":-2147483648,\"type_13\":4294967295,\"type_7\":4294967295}",
		"{\"type_6\":\"18446744073709551615\",\"type_16\":\"-9223372036854775808\"}",
		"{\"type_15\":-2147483648,\"type_17\":-2147483648}",
		"{\"type_18\":\"-9223372036854775808\"}",
		"{\"type_17\":2147483647,\"type_18\":\"9223372036854775807\"}",
		"{\"type_8\":true,\"type_9\":\"gr\\u00fcn\",\"type_12\":\"AAEC/w==\"}",
		"{\"type_14\":\"COLOR_NEGATIVE\"}",
		"{\"type_14\":42}",
		"{\"type_11\":{\"type_11\":{\"type_5\":1}}}",
		"{\"type_11\":{}}",
		"{\"types_1\":[0.0,1.0],\"types_3\":[0,-1],\"types_8\":[false,true]}",
		"{\"types_9\":[\"\",\"a\"],\"types_11\":[{},{\"type_5\":1}],\"types_12\":[\"\","
		"\"AA==\"]}",
		"{\"types_14\":[\"COLOR_UNSPECIFIED\",\"COLOR_RED\",9]}",
		"{\"types_15\":[-1,1],\"types_16\":[-1],\"types_17\":[-1,1],\"types_18\":[0]}",
		"{\"choice_text\":\"\"}",
		"{\"choice_number\":0}",
		"{\"by_name\":{\"a\":{},\"\":{\"type_5\":1}},\"by_flag\":{\"true\":-5,\"false\":0}"
		"}",
		"{\"type_1\":\"NaN\",\"type_2\":\"-Infinity\"}",
		"{\"type_2\":0.1}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		json_t *value = json_loads(same[i], 0, NULL);
		CLEANUP_FREE char *normal = json_dumps(value, JSON_COMPACT);

		expect_round_trip(same[i], normal);
		json_decref(value);
	}
}

static void values_are_read_in_each_of_their_forms(void **state)
{
	(void)state;
	expect_round_trip("{\"type5\": \"7\"}", "{\"type_5\":7}");
	expect_round_trip("{\"type_5\": 1e3}", "{\"type_5\":1000}");
	expect_round_trip("{\"type_5\": null, \"types_5\": []}", "{}");
	expect_round_trip("{\"type_5\": 0, \"type_9\": \"\", \"type_8\": false}", "{}");
	expect_round_trip("{\"type_1\": \"0.5\", \"type_2\": 2}",
			  "{\"type_1\":0.5,\"type_2\":2.0}");
	expect_round_trip("{\"type_12\": \"_-8\"}", "{\"type_12\":\"/+8=\"}");
	expect_round_trip("{\"type_14\": 1}", "{\"type_14\":\"COLOR_RED\"}");
	expect_round_trip("{\"choice_text\": null, \"choice_number\": 1}", "{\"choice_number\":1}");
}

static void a_wrong_value_is_refused_with_its_path(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"[]", "$: must be an object, not a list"},
		{"{\"typ_5\":1}", "$.typ_5: test.All has no such field (did you mean 'type_5'?)"},
		{"{\"type_5\":2147483648}", "$.type_5: 2147483648 is out of the range of int32"},
		{"{\"type_5\":-2147483649}", "$.type_5: -2147483649 is out of the range of int32"},
		{"{\"type_13\":-1}", "$.type_13: -1 is out of the range of uint32"},
		{"{\"type_3\":\"9223372036854775808\"}",
		 "$.type_3: 9223372036854775808 is out of the range of int64"},
		{"{\"type_4\":\"18446744073709551616\"}",
		 "$.type_4: '18446744073709551616' is not a whole number"},
		{"{\"type_5\":1.5}", "$.type_5: must be a whole number, not a number"},
		{"{\"type_5\":\"x\"}", "$.type_5: 'x' is not a whole number"},
		{"{\"type_8\":1}", "$.type_8: must be true or false, not a number"},
		{"{\"type_9\":1}", "$.type_9: must be text, not a number"},
		{"{\"type_12\":\"a\"}", "$.type_12: is not base64"},
		{"{\"type_1\":\"1,5\"}", "$.type_1: '1,5' is not a number"},
		{"{\"type_2\":1e300}", "$.type_2: 1e+300 is out of the range of float"},
		{"{\"types_5\":1}", "$.types_5: must be a list, not a number"},
		{"{\"types_5\":[1,null]}", "$.types_5[1]: must be a whole number, not null"},
		{"{\"types_11\":[{},{\"type_11\":{\"type_8\":\"\"}}]}",
		 "$.types_11[1].type_11.type_8: must be true or false, not text"},
		{"{\"type_14\":\"COLOR_READ\"}",
		 "$.type_14: test.Color has no value 'COLOR_READ' (did you mean 'COLOR_RED'?)"},
		{"{\"by_name\":{\"a\":1}}", "$.by_name.a: must be an object, not a number"},
		{"{\"by_name\":{\"a\":null}}", "$.by_name.a: must be a value, not null"},
		{"{\"by_flag\":{\"yes\":1}}", "$.by_flag.yes: must be true or false, not text"},
		{"{\"type_5\":1,\"type5\":1}", "$.type_5: stands there as 'type5' as well"},
		{"{\"choice_text\":\"a\",\"choice_number\":1}",
		 "$.choice_text: excludes 'choice_number': only one of them can be set"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_error(all_types, cases[i].text, cases[i].error);
}

static void depth_is_bounded_in_both_directions(void **state)
{
	struct wire_buffer inner = {0}, outer = {0};
	CLEANUP_FREE char *text = util_strdup("{}"), *error = NULL;
	struct packed packed;
	json_t *value;

	(void)state;
	for (int i = 0; i < CODEC_DEPTH_MAX; i++) {
		char *deeper = util_format("{\"type_11\":%s}", text);

		free(text);
		text = deeper;
		descriptor_put_inner(&outer, 11, &inner);
		inner = outer;
		outer = (struct wire_buffer){0};
	}
	assert_int_equal(encode(all_types, text, &packed), -EINVAL);
	assert_non_null(strstr(packed.error, "more than 64 objects inside each other"));
	free_packed(&packed);
	assert_int_equal(codec_decode(all_types, inner.data, inner.size, false, &value, &error),
			 -EBADMSG);
	assert_non_null(strstr(error, "too many messages inside each other"));
	free(inner.data);
}

static void lists_are_read_packed_and_unpacked(void **state)
{
	(void)state;
	EXPECT_BYTES("{\"types_5\":[1,2,3]}", 0xca, 0x01, 0x02, 1, 2, 0xc8, 0x01, 3);
}

static void a_field_that_comes_twice_is_replaced_or_merged(void **state)
{
	(void)state;
	EXPECT_BYTES("{\"type_5\":2}", 0x28, 1, 0x28, 2);
	EXPECT_BYTES("{\"type_11\":{\"type_5\":1,\"type_13\":2}}", 0x5a, 2, 0x28, 1, 0x5a, 2, 0x68,
		     2);
	EXPECT_BYTES("{\"choice_number\":1}", 0x92, 0x03, 1, 'a', 0x98, 0x03, 1);
	EXPECT_BYTES("{\"by_flag\":{\"true\":0}}", 0xaa, 0x03, 2, 0x08, 1);
}

static void unknown_fields_are_passed_over(void **state)
{
	(void)state;
	EXPECT_BYTES("{\"type_5\":1}", 0x80, 0x06, 5, 0x81, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0x82,
		     0x06, 1, 0, 0x85, 0x06, 1, 2, 3, 4, 0x28, 1);
}

static void bytes_that_are_no_message_are_refused(void **state)
{
	(void)state;
	EXPECT_UNREADABLE("test.All: cut short", 0x80);
	EXPECT_UNREADABLE("test.All: cut short", 0x00, 0x01);
	EXPECT_UNREADABLE("test.All: cut short", 0x83, 0x06);
	EXPECT_UNREADABLE("test.All: cut short", 0x82, 0x06, 2, 0);
	EXPECT_UNREADABLE("test.All.type_5: cut short", 0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 0xff, 0xff, 0x02);
	EXPECT_UNREADABLE("test.All.type_1: cut short", 0x09, 0, 0, 0);
	EXPECT_UNREADABLE("test.All.type_9: cut short", 0x4a, 2, 'a');
	EXPECT_UNREADABLE("test.All.type_9: text is not UTF-8", 0x4a, 1, 0xff);
	EXPECT_UNREADABLE("test.All.type_5: of another type than expected", 0x2a, 0);
	EXPECT_UNREADABLE("test.All.types_5: cut short", 0xca, 0x01, 1, 0x80);
	EXPECT_UNREADABLE("test.All.by_flag: cut short", 0xaa, 0x03, 1);
}

static void defaults_are_spelled_out_on_demand_in_the_order_of_the_type(void **state)
{
	const struct schema_message *type = schema_find_message(real, "steerd.v1.ApplyResponse");
	static const uint8_t data[] = {0x12, 0x00, 0x08, 0x07};
	CLEANUP_FREE char *text = NULL, *error = NULL;
	json_t *value;

	(void)state;
	assert_int_equal(codec_decode(type, data, sizeof(data), true, &value, &error), 0);
	text = json_dumps(value, JSON_COMPACT);
	assert_string_equal(text, "{\"version\":7,\"plan\":{\"changes\":[],\"moves\":[]}}");
	json_decref(value);
}

static void methods_are_found_by_any_name_that_is_theirs_alone(void **state)
{
	static const char *const names[] = {
		"Apply", "AgentService/Apply", "steerd.v1.AgentService/Apply",
		"/steerd.v1.AgentService/Apply", "steerd.v1.AgentService.Apply"};
	static const char *const wrong[] = {"",
					    "/",
					    "apply",
					    "pply",
					    "Service/Apply",
					    "x/Apply",
					    "steerd.v1.AgentService/",
					    "a.steerd.v1.AgentService/Apply"};
	const struct schema_method *method;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(schema_find_method(real, names[i], &method), 0);
		assert_string_equal(method->path, "/steerd.v1.AgentService/Apply");
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(schema_find_method(real, wrong[i], &method), -ENOENT);
	assert_int_equal(schema_find_method(real, "ServerReflectionInfo", &method), -ENOTUNIQ);
	assert_int_equal(schema_find_method(real, "Sync", &method), 0);
	assert_true(method->client_streams && method->server_streams);
}

static void a_schema_that_names_an_absent_type_is_not_linked(void **state)
{
	CLEANUP_SCHEMA struct schema *schema = schema_new();
	struct wire_buffer file = {0}, message = {0};
	const char *missing;

	(void)state;
	descriptor_put_text(&file, 1, "a.proto");
	descriptor_put_text(&file, 3, "b.proto");
	descriptor_put_text(&message, 1, "A");
	descriptor_put_field(&message, "b", 1, DESCRIPTOR_OPTIONAL, SCHEMA_MESSAGE, ".b.B", -1);
	descriptor_put_inner(&file, 4, &message);
	assert_int_equal(schema_add_file(schema, file.data, file.size), 0);
	free(file.data);
	assert_string_equal(schema_missing_file(schema), "b.proto");
	assert_int_equal(schema_link(schema, &missing), -ENOENT);
	assert_string_equal(missing, "b.B");
}

static void base64_reads_what_it_writes(void **state)
{
	static const char *const wrong[] = {"A", "AA=A", "A===", "AA==AA==", "A A=", "=", "AAA=="};
	uint8_t data[40], *read;
	size_t size;

	(void)state;
	for (size_t n = 0; n < sizeof(data); n++) {
		CLEANUP_FREE char *text = NULL;

		data[n] = (uint8_t)(n * 37 + 250);
		text = base64_encode(data, n);
		assert_int_equal(base64_decode(text, strlen(text), &read, &size), 0);
		assert_int_equal(size, n);
		assert_memory_equal(read, data, n);
		free(read);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(base64_decode(wrong[i], strlen(wrong[i]), &read, &size), -EINVAL);
}

/* Numbers that are the same in every run. */
static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

/* Changes up to four bytes, or cuts the end off, or repeats a part. Returns the new size. */
static size_t mutate(uint8_t *data, size_t size, size_t room, uint64_t *seed)
{
	size_t at = next_random(seed) % size, length;

	switch (next_random(seed) % 8) {
	case 0:
		return at;
	case 1:
		length = next_random(seed) % (size - at) + 1;
		if (size + length > room)
			return size;
		memmove(data + at + length, data + at, size - at);
		return size + length;
	default:
		for (uint32_t n = next_random(seed) % 4 + 1; n; n--)
			data[next_random(seed) % size] = (uint8_t)next_random(seed);
		return size;
	}
}

static struct packed sample_of(const struct schema_message **ret_type, unsigned int which)
{
	static const char all_text[] =
		"{\"type_1\":0.5,\"type_2\":0.25,\"type_9\":\"text\",\"type_11\":{\"type_11\":"
		"{\"types_5\":[1,2,300]}},\"types_12\":[\"AAEC\"],\"types_14\":[1,-7],\"types_16\":"
		"[1,2],\"choice_text\":\"x\",\"by_name\":{\"a\":{\"type_18\":-1}},\"by_flag\":{"
		"\"true\":"
		"1},\"types_9\":[\"a\",\"b\"],\"types_2\":[0.1,1e30],\"types_1\":[1e300]}";
	struct packed packed;

	*ret_type = which ? all_types : schema_find_message(real, "steerd.v1.ApplyRequest");
	assert_int_equal(encode(*ret_type, which ? all_text : apply_text, &packed), 0);
	return packed;
}

/*
 * What can be decoded can be encoded, and is then decoded to the same; with defaults, since a zero
 * may stand in the bytes or not.
 */
static void check_bytes(const struct schema_message *type, const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *error = NULL;
	struct packed packed = {0};
	json_t *first, *second;

	if (codec_decode(type, data, size, true, &first, &error) < 0) {
		assert_non_null(error);
		return;
	}
	if (codec_encode(type, first, &packed.data, &packed.size, &packed.error) < 0)
		fail_msg("%s", packed.error);
	assert_int_equal(codec_decode(type, packed.data, packed.size, true, &second, &error), 0);
	if (!json_equal(first, second)) {
		json_dumpf(first, stderr, 0);
		json_dumpf(second, stderr, 0);
		fail();
	}
	json_decref(first);
	json_decref(second);
	free_packed(&packed);
}

static void mutated_bytes_are_refused_or_keep_their_meaning(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned int which = 0; which < 2; which++) {
		const struct schema_message *type;
		struct packed sample = sample_of(&type, which);
		size_t room = sample.size * 2;
		CLEANUP_FREE uint8_t *data = util_calloc(room, 1);

		for (int i = 0; i < MUTATIONS; i++) {
			size_t size = sample.size;

			memcpy(data, sample.data, size);
			for (uint32_t n = next_random(&seed) % 3 + 1; n && size; n--)
				size = mutate(data, size, room, &seed);
			check_bytes(type, data, size);
		}
		free_packed(&sample);
	}
}

static void mutated_json_is_refused_or_encoded(void **state)
{
	const struct schema_message *type = schema_find_message(real, "steerd.v1.ApplyRequest");
	size_t length = strlen(apply_text), encoded = 0;
	CLEANUP_FREE char *text = util_calloc(length * 2 + 1, 1);
	uint64_t seed = 2;

	(void)state;
	for (int i = 0; i < MUTATIONS; i++) {
		struct packed packed = {0};
		json_t *value;

		memcpy(text, apply_text, length);
		for (uint32_t n = next_random(&seed) % 3 + 1; n; n--)
			text[next_random(&seed) % length] =
				"019e-[]{}\",:nat \\u"[next_random(&seed) % 18];
		value = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
		if (!value)
			continue;
		if (codec_encode(type, value, &packed.data, &packed.size, &packed.error) == 0) {
			check_bytes(type, packed.data, packed.size);
			encoded++;
		} else {
			assert_non_null(packed.error);
		}
		json_decref(value);
		free_packed(&packed);
	}
	assert_true(encoded > 100);
}

static void mutated_descriptors_are_refused_or_usable(void **state)
{
	CLEANUP_FREE uint8_t *data = util_calloc(rpc_protoset_size * 2, 1);
	uint64_t seed = 3;

	(void)state;
	for (int i = 0; i < SCHEMA_MUTATIONS; i++) {
		CLEANUP_SCHEMA struct schema *schema = schema_new();
		size_t size = rpc_protoset_size;
		const struct schema_message *type;
		struct packed packed = {0};
		const char *missing;
		json_t *value;

		memcpy(data, rpc_protoset, size);
		size = mutate(data, size, size * 2, &seed);
		if (schema_add_set(schema, data, size) < 0 || schema_link(schema, &missing) < 0)
			continue;
		type = schema_find_message(schema, "steerd.v1.ApplyRequest");
		if (!type)
			continue;
		value = json_loads(apply_text, 0, NULL);
		if (codec_encode(type, value, &packed.data, &packed.size, &packed.error) == 0)
			check_bytes(type, packed.data, packed.size);
		json_decref(value);
		free_packed(&packed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_means_the_same_to_protobuf_c),
		cmocka_unit_test(what_protobuf_c_packs_is_decoded),
		cmocka_unit_test(every_type_survives_the_way_there_and_back),
		cmocka_unit_test(values_are_read_in_each_of_their_forms),
		cmocka_unit_test(a_wrong_value_is_refused_with_its_path),
		cmocka_unit_test(depth_is_bounded_in_both_directions),
		cmocka_unit_test(lists_are_read_packed_and_unpacked),
		cmocka_unit_test(a_field_that_comes_twice_is_replaced_or_merged),
		cmocka_unit_test(unknown_fields_are_passed_over),
		cmocka_unit_test(bytes_that_are_no_message_are_refused),
		cmocka_unit_test(defaults_are_spelled_out_on_demand_in_the_order_of_the_type),
		cmocka_unit_test(methods_are_found_by_any_name_that_is_theirs_alone),
		cmocka_unit_test(a_schema_that_names_an_absent_type_is_not_linked),
		cmocka_unit_test(base64_reads_what_it_writes),
		cmocka_unit_test(mutated_bytes_are_refused_or_keep_their_meaning),
		cmocka_unit_test(mutated_json_is_refused_or_encoded),
		cmocka_unit_test(mutated_descriptors_are_refused_or_usable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
