/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The form of the routes document: what is read, what is refused and in which words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/routes_yaml.h"
#include "common/util.h"
#include "common/yaml_tree.h"

static const char full[] =
	"# The document of the manual, as far as it goes today.\n"
	"fleet_key: \"shop fleet \xc3\xbc\"\n"
	"stacks:\n"
	"  blue:\n"
	"    stage: production\n"
	"    labels: {region: eu-west, release: \"1.41\", empty: \"\", nil: \"null\"}\n"
	"    forward: l2\n"
	"    health: {type: http, port: 8080, path: /healthz, interval: 100ms, timeout: 80ms,\n"
	"             fall: 4, rise: 5, via: both, status: 200-204, host: 'shop.example:80', body: "
	"'all: "
	"\xc3\xbc \"well\"'}\n"
	"    backends:\n"
	"      - {address: 10.1.0.11, weight: 200}\n"
	"      - {address: \"2001:db8:1::11\"}\n"
	"    slow_start: 30s\n"
	"    on_slow_backend: keep\n"
	"  green:\n"
	"    forward: ipip\n"
	"    health: {type: tcp, port: 443, interval: 500ms}\n"
	"    backends: [{address: 10.2.0.11}]\n"
	"  null:\n"
	"    stage: release_candidate\n"
	"    forward: local\n"
	"  grpc:\n"
	"    health: {type: grpc, port: 443, tls: true, server_name: a.example,\n"
	"             host: b.example, service: shop.v1.Cart}\n"
	"services:\n"
	"  shop:\n"
	"    vips: [203.0.113.10, \"2001:db8::10\"]\n"
	"    protocol: tcp\n"
	"    ports: [80, 443]\n"
	"    split: {blue: 95, green: 5, null: 0}\n"
	"    sticky: {by: client}\n"
	"    on_backend_down: keep\n"
	"    failover: [green, blue]\n"
	"    panic: 25%\n"
	"  dns:\n"
	"    vips: [203.0.113.10]\n"
	"    protocol: udp\n"
	"    ports: []\n"
	"    split: {green: 1}\n";

static struct routes *parse(const char *text)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct routes *routes = NULL;

	if (routes_yaml_parse(text, strlen(text), &routes, &problems))
		fail_msg("%s", problems.n ? problems.items[0].message : "no problem is named");
	return routes;
}

static void every_key_arrives_in_its_field(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(full);
	const struct route_stack *blue = &routes->stacks[0];
	const struct health_spec *grpc = &routes->stacks[3].health;
	const struct route_service *shop = &routes->services[0];
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	assert_string_equal(routes->fleet_key, "shop fleet \xc3\xbc");
	assert_int_equal(routes->stacks_n, 4);
	assert_string_equal(blue->name, "blue");
	assert_int_equal(blue->line, 4);
	assert_int_equal(blue->stage, STAGE_PRODUCTION);
	assert_int_equal(blue->forward, FORWARD_AS_L2);
	assert_int_equal(blue->labels_n, 4);
	assert_string_equal(blue->labels[1].value, "1.41");
	assert_int_equal(blue->health.type, HEALTH_HTTP);
	assert_int_equal(blue->health.port, 8080);
	assert_string_equal(blue->health.path, "/healthz");
	assert_int_equal(blue->health.interval_ms, 100);
	assert_int_equal(blue->health.timeout_ms, 80);
	assert_int_equal(blue->health.fall, 4);
	assert_int_equal(blue->health.rise, 5);
	assert_int_equal(blue->health.via, HEALTH_VIA_BOTH);
	assert_int_equal(blue->health.status_min, 200);
	assert_int_equal(blue->health.status_max, 204);
	assert_string_equal(blue->health.host, "shop.example:80");
	assert_string_equal(blue->health.body, "all: \xc3\xbc \"well\"");
	assert_int_equal(blue->health.line, 8);
	assert_int_equal(blue->slow_start_ms, 30000);
	assert_int_equal(blue->on_slow_backend, BACKEND_SLOW_KEEP);
	assert_int_equal(blue->backends_n, 2);
	assert_string_equal(address_text(&blue->backends[1].address, text), "2001:db8:1::11");
	assert_int_equal(blue->backends[0].weight, 200);
	assert_int_equal(blue->backends[0].line, 11);
	assert_int_equal(routes->stacks[1].forward, FORWARD_AS_IPIP);
	assert_int_equal(routes->stacks[2].forward, FORWARD_AS_LOCAL);
	assert_int_equal(routes->stacks[2].stage, STAGE_RELEASE_CANDIDATE);
	assert_int_equal(grpc->type, HEALTH_GRPC);
	assert_true(grpc->tls);
	assert_false(blue->health.tls);
	assert_string_equal(grpc->server_name, "a.example");
	assert_string_equal(grpc->host, "b.example");
	assert_string_equal(grpc->service, "shop.v1.Cart");
	assert_string_equal(shop->name, "shop");
	assert_int_equal(shop->vips_n, 2);
	assert_int_equal(shop->protocol, PROTOCOL_TCP);
	assert_int_equal(shop->ports_n, 2);
	assert_int_equal(shop->ports[1], 443);
	assert_int_equal(shop->split_n, 3);
	assert_string_equal(shop->split[0].stack, "blue");
	assert_int_equal(shop->split[0].weight, 95);
	assert_int_equal(shop->split[0].line, 30);
	assert_true(shop->sticky_by_client);
	assert_int_equal(shop->on_backend_down, BACKEND_DOWN_KEEP);
	assert_int_equal(shop->failover_n, 2);
	assert_string_equal(shop->failover[0].stack, "green");
	assert_int_equal(shop->failover[0].line, shop->line + 7);
	assert_int_equal(shop->panic_percent, 25);
	assert_int_equal(routes->services[1].protocol, PROTOCOL_UDP);
	assert_int_equal(routes->services[1].ports_n, 0);
}

static void what_is_left_out_has_its_default(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(full);
	const struct route_stack *green = &routes->stacks[1];

	(void)state;
	assert_int_equal(green->stage, STAGE_UNSPECIFIED);
	assert_int_equal(green->backends[0].weight, 100);
	assert_null(green->health.path);
	assert_int_equal(green->health.timeout_ms, 400); /* of an interval of 500 */
	assert_int_equal(green->health.fall, 2);
	assert_int_equal(green->health.rise, 3);
	assert_int_equal(routes->stacks[2].health.type, HEALTH_NONE);
	assert_int_equal(routes->stacks[2].health.interval_ms, 100);
	assert_int_equal(routes->stacks[2].health.timeout_ms, 80);
	assert_false(routes->services[1].sticky_by_client);
	assert_int_equal(routes->services[1].on_backend_down, BACKEND_DOWN_MOVE);
	assert_int_equal(routes->services[1].failover_n, 0);
	assert_int_equal(routes->services[1].panic_percent, 10);
}

static void every_answer_to_a_dead_backend_is_read_and_written(void **state)
{
	const struct {
		const char *word;
		enum backend_down down;
	} words[] = {
		{"move", BACKEND_DOWN_MOVE},
		{"keep", BACKEND_DOWN_KEEP},
		{"reset", BACKEND_DOWN_RESET},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		CLEANUP_FREE char *text =
			util_format("stacks:\n"
				    "  blue: {backends: [{address: 10.1.0.1}]}\n"
				    "services:\n"
				    "  shop: {vips: [203.0.113.10], split: {blue: 1}, "
				    "on_backend_down: %s}\n",
				    words[i].word);
		CLEANUP_ROUTES struct routes *routes = parse(text);
		CLEANUP_FREE char *line = util_format("on_backend_down: %s\n", words[i].word);
		CLEANUP_FREE char *written = NULL;

		assert_int_equal(routes_yaml_emit(routes, &written), 0);
		assert_int_equal(routes->services[0].on_backend_down, words[i].down);
		assert_non_null(strstr(written, line));
	}
}

static void what_is_written_reads_back_the_same(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(full), *again = NULL;
	CLEANUP_FREE char *text = NULL, *text_again = NULL;

	(void)state;
	assert_int_equal(routes_yaml_emit(routes, &text), 0);
	again = parse(text);
	assert_true(routes_equal(routes, again));
	assert_int_equal(routes_yaml_emit(again, &text_again), 0);
	assert_string_equal(text, text_again);
}

static void free_text_of_any_kind_reads_back_the_same(void **state)
{
	static const char *const values[] = {
		"",
		"~",
		"null",
		"- x",
		"a: b",
		"#x",
		"'",
		"\"",
		"\\",
		" x ",
		"{a}",
		"[",
		"*a",
		"&a",
		"!a",
		"%x",
		"@",
		"`",
		"\xf0\x9f\x98\x80",
		"?",
		"---",
		"\xef\xbb\xbf",
		"a\\nb",
		"|",
	};
	CLEANUP_ROUTES struct routes *routes = parse(full);
	struct label *label = &routes->stacks[0].labels[0];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		CLEANUP_ROUTES struct routes *again = NULL;
		CLEANUP_FREE char *text = NULL;

		free(label->value);
		label->value = util_strdup(values[i]);
		free(routes->fleet_key);
		routes->fleet_key = values[i][0] ? util_strdup(values[i]) : NULL;
		assert_int_equal(routes_yaml_emit(routes, &text), 0);
		again = parse(text);
		assert_true(routes_equal(routes, again));
	}
}

static void text_that_is_no_utf8_is_not_written(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(full);
	char *text = NULL;

	(void)state;
	memcpy(routes->stacks[0].labels[0].value, "\xff\xff", 2);
	assert_int_equal(routes_yaml_emit(routes, &text), -EINVAL);
	assert_null(text);
}

static void an_empty_document_is_valid(void **state)
{
	static const char *const texts[] = {
		"",   "\n",	"# nothing\n",		"---\n",
		"{}", "null\n", "stacks:\nservices:\n", "stacks: {}\nservices: {}\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CLEANUP_ROUTES struct routes *routes = parse(texts[i]), *again = NULL;
		CLEANUP_FREE char *text = NULL;

		assert_int_equal(routes->stacks_n, 0);
		assert_int_equal(routes->services_n, 0);
		assert_int_equal(routes_yaml_emit(routes, &text), 0);
		again = parse(text);
		assert_true(routes_equal(routes, again));
	}
}

#define STACK	"stacks:\n  blue:\n"
#define SERVICE "services:\n  shop:\n"

static const struct refusal {
	const char *text;
	const char *expect; /* all that is said */
} refusals[] = {
	{"stack: {}\n", "routes.yaml:1: unknown key 'stack' (did you mean 'stacks'?)\n"},
	{"zebra: {}\n", "routes.yaml:1: unknown key 'zebra'; it can be stacks, services or "
			"fleet_key\n"},
	{SERVICE "    splits: {}\n",
	 "routes.yaml:3: unknown key 'splits' (did you mean 'split'?)\n"},
	{SERVICE "\n    segments: []\n",
	 "routes.yaml:4: not supported yet: services.shop.segments\n"},
	{SERVICE "    shed: {}\n", "routes.yaml:3: not supported yet: services.shop.shed\n"},
	{SERVICE "    panic: 10\n",
	 "routes.yaml:3: 'panic' is '10'; it must be 0% to 100%, such as 10%\n"},
	{SERVICE "    panic: 101%\n",
	 "routes.yaml:3: 'panic' is '101%'; it must be 0% to 100%, such as 10%\n"},
	{SERVICE "    panic: -1%\n",
	 "routes.yaml:3: 'panic' is '-1%'; it must be 0% to 100%, such as 10%\n"},
	{SERVICE "    panic: 0.5%\n",
	 "routes.yaml:3: 'panic' is '0.5%'; it must be 0% to 100%, such as 10%\n"},
	{SERVICE "    panic: '%'\n",
	 "routes.yaml:3: 'panic' is '%'; it must be 0% to 100%, such as 10%\n"},
	{SERVICE "    panic: 10%%\n",
	 "routes.yaml:3: 'panic' is '10%%'; it must be 0% to 100%, such as 10%\n"},
	{SERVICE "    panic: 00000000000000000010%\n",
	 "routes.yaml:3: 'panic' is '00000000000000000010%'; it must be 0% to 100%, such as 10%\n"},
	{SERVICE "    panic: []\n", "routes.yaml:3: 'panic' must be a single value\n"},
	{SERVICE "    failover: green\n", "routes.yaml:3: 'failover' must be a list\n"},
	{SERVICE "    failover: [{green: 1}]\n",
	 "routes.yaml:3: 'services.shop.failover[0]' must be a single value\n"},
	{SERVICE "    sticky: {by: flow, ttl: 1h}\n",
	 "routes.yaml:3: not supported yet: services.shop.sticky.ttl\n"},
	{SERVICE "    on_backend_down: rest\n",
	 "routes.yaml:3: 'on_backend_down' is 'rest' (did you mean 'reset'?); it must be move, "
	 "keep or reset\n"},
	{STACK "    capacity: 20000\n", "routes.yaml:3: not supported yet: stacks.blue.capacity\n"},
	{STACK "    on_slow_backend: kep\n",
	 "routes.yaml:3: 'on_slow_backend' is 'kep' (did you mean 'keep'?); it must be shift or "
	 "keep\n"},
	{STACK "    slow_start: 30\n",
	 "routes.yaml:3: 'slow_start' is '30', which has no unit; write 30ms or 30s\n"},
	{STACK "    slow_start: soon\n",
	 "routes.yaml:3: 'slow_start' is 'soon'; it must be a duration such as 100ms, 1s, 5m or "
	 "1h\n"},
	{STACK "    slow_start: 0s\n",
	 "routes.yaml:3: 'slow_start' is '0s'; it must be a duration such as 100ms, 1s, 5m or "
	 "1h\n"},
	{STACK "    forward: gue\n",
	 "routes.yaml:3: not supported yet: stacks.blue.forward: gue\n"},
	{STACK "    forward: nat\n",
	 "routes.yaml:3: not supported yet: stacks.blue.forward: nat\n"},
	{STACK "    health: {type: tcp, port: 80, tls: yes}\n",
	 "routes.yaml:3: 'tls' is 'yes'; it must be true or false\n"},
	{STACK "    forward: ipib\n", "routes.yaml:3: 'forward' is 'ipib' (did you mean 'ipip'?); "
				      "it must be l2, ipip or local\n"},
	{STACK "    stage: prod\n",
	 "routes.yaml:3: 'stage' is 'prod'; it must be development, release_candidate, canary, "
	 "production or retired\n"},
	{STACK "    health: {port: 80}\n",
	 "routes.yaml:3: 'health' has no type; add type: tcp, http, grpc or none\n"},
	{STACK "    health: {type: tcp, port: 80, interval: 100}\n",
	 "routes.yaml:3: 'interval' is '100', which has no unit; write 100ms or 100s\n"},
	{STACK "    health: {type: tcp, port: 80, timeout: 1.5s}\n",
	 "routes.yaml:3: 'timeout' is '1.5s'; it must be a duration such as 100ms, 1s, 5m or 1h\n"},
	{STACK "    health: {type: tcp, port: 80, timeout: 0s}\n",
	 "routes.yaml:3: 'timeout' is '0s'; it must be a duration such as 100ms, 1s, 5m or 1h\n"},
	{STACK "    health: {type: tcp, port: 0}\n",
	 "routes.yaml:3: 'port' is '0'; it must be a whole number from 1 to 65535\n"},
	{STACK "    health: {type: tcp, port: 80, via: tunnel}\n",
	 "routes.yaml:3: 'via' is 'tunnel'; it must be path, direct or both\n"},
	{STACK "    health: {type: http, port: 80, status: 2xx}\n",
	 "routes.yaml:3: 'status' is '2xx'; it must be a status such as 200, or a range such as "
	 "200-299\n"},
	{STACK "    health: {type: http, port: 80, status: 200-}\n",
	 "routes.yaml:3: 'status' is '200-'; it must be a status such as 200, or a range such as "
	 "200-299\n"},
	{STACK "    health: {type: http, port: 80, status: 65736}\n",
	 "routes.yaml:3: 'status' is '65736'; it must be a status such as 200, or a range such as "
	 "200-299\n"},
	{STACK "    health: {type: tcp, port: 80, fall: 0}\n",
	 "routes.yaml:3: 'fall' is '0'; it must be a whole number from 1 to 4294967295\n"},
	{STACK "    backends: [{address: 10.1.0}]\n",
	 "routes.yaml:3: 'address' is '10.1.0', which is no IP address; write one such as "
	 "203.0.113.10 or 2001:db8::10\n"},
	{STACK "    backends:\n      - {weight: 1}\n",
	 "routes.yaml:4: 'stacks.blue.backends[0]' has no address; add address: 10.1.0.11\n"},
	{STACK "    backends: [10.1.0.11]\n",
	 "routes.yaml:3: 'stacks.blue.backends[0]' must be a map of keys and values\n"},
	{STACK "    backends: [{address: 10.1.0.11, weight: heavy}]\n",
	 "routes.yaml:3: 'weight' is 'heavy'; it must be a whole number from 0 to 4294967295\n"},
	{STACK "    backends: {address: 10.1.0.11}\n",
	 "routes.yaml:3: 'backends' must be a list\n"},
	{STACK "    labels: {a: [b]}\n", "routes.yaml:3: 'a' must be a single value\n"},
	{STACK "    stage:\n", "routes.yaml:3: 'stage' has no value; give it a single value or "
			       "remove it\n"},
	{"stacks:\n  blue:\n",
	 "routes.yaml:2: 'blue' has no value; give it a map of keys and values "
	 "or remove it\n"},
	{"stacks: [blue]\n", "routes.yaml:1: 'stacks' must be a map of names and values\n"},
	{SERVICE "    vips: [203.0.113.10/32]\n",
	 "routes.yaml:3: 'services.shop.vips[0]' is '203.0.113.10/32', which is no IP address; "
	 "write "
	 "one such as 203.0.113.10 or 2001:db8::10\n"},
	{SERVICE "    ports: [80, 70000]\n",
	 "routes.yaml:3: 'services.shop.ports[1]' is '70000'; it must be a whole number from 1 to "
	 "65535\n"},
	{SERVICE "    ports:\n",
	 "routes.yaml:3: 'ports' has no value; give it a list or remove it\n"},
	{SERVICE "    protocol: sctp\n",
	 "routes.yaml:3: 'protocol' is 'sctp' (did you mean 'tcp'?); "
	 "it must be tcp or udp\n"},
	{SERVICE "    sticky: {by: source}\n",
	 "routes.yaml:3: 'by' is 'source'; it must be flow or client\n"},
	{SERVICE "    split: {blue: -1}\n",
	 "routes.yaml:3: 'blue' is '-1'; it must be a whole number from 0 to 4294967295\n"},
	{SERVICE "    split: {blue: 18446744073709551616}\n",
	 "routes.yaml:3: 'blue' is '18446744073709551616'; it must be a whole number from 0 to "
	 "4294967295\n"},
	{"- a\n", "routes.yaml:1: 'the document' must be a map of keys and values\n"},
	{"text\n", "routes.yaml:1: 'the document' must be a map of keys and values\n"},
	/* The tree */
	{SERVICE "    ports: [1]\n    vips: []\n    ports: [2]\n",
	 "routes.yaml:5: key 'ports' is given twice, first on line 3; keep one of them\n"},
	{"stacks:\n  blue: {}\n  green: {}\n  blue: {}\n",
	 "routes.yaml:4: key 'blue' is given twice, first on line 2; keep one of them\n"},
	{"stacks: &all {}\n", "routes.yaml:1: anchors (&name) are not supported; remove it\n"},
	{"stacks: &all []\n", "routes.yaml:1: anchors (&name) are not supported; remove it\n"},
	{"fleet_key: &all k\n", "routes.yaml:1: anchors (&name) are not supported; remove it\n"},
	{"stacks: !!seq []\n", "routes.yaml:1: tags (!name) are not supported; remove it\n"},
	{"fleet_key: !!str k\n", "routes.yaml:1: tags (!name) are not supported; remove it\n"},
	{"stacks:\n  *all\n", "routes.yaml:2: aliases (*name) are not supported; write the value "
			      "out\n"},
	{"stacks: !!map {}\n", "routes.yaml:1: tags (!name) are not supported; remove it\n"},
	{"stacks: {}\n---\nstacks: {}\n",
	 "routes.yaml:2: a second document begins; a file holds one only\n"},
	{"? [a]\n: b\n", "routes.yaml:1: a key must be plain text\n"},
	{"fleet_key: \"a\\0b\"\n", "routes.yaml:1: text with a NUL byte\n"},
	{"a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n",
	 "routes.yaml:1: the document is nested more than 16 levels deep\n"},
	{"stacks: {\n", "routes.yaml:2: no valid YAML: "},
	{"stacks:\n\tblue: {}\n", "routes.yaml:2: no valid YAML: "},
	{"fleet_key: \"\xff\"\n", "routes.yaml: no valid text: "},
};

static void wrong_documents_are_refused_with_line_and_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		CLEANUP_PROBLEMS struct problems problems = {0};
		CLEANUP_ROUTES struct routes *routes = NULL;
		CLEANUP_FREE char *said = NULL;
		const char *text = refusals[i].text, *expect = refusals[i].expect;
		int err = routes_yaml_parse(text, strlen(text), &routes, &problems);

		said = problems_text(&problems, "routes.yaml");
		if (err != -EINVAL || routes || problems.total != 1 ||
		    strncmp(said, expect, strlen(expect)) != 0)
			fail_msg("for\n%s\nsaid (%d):\n%s\nexpected:\n%s", text, err, said, expect);
	}
}

static void every_error_is_found_at_once(void **state)
{
	static const char text[] = "stacks:\n"
				   "  blue: {forward: gue, backends: [{address: x}]}\n"
				   "services:\n"
				   "  shop: {ports: [0], splits: {}}\n";
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct routes *routes = NULL;

	(void)state;
	assert_int_equal(routes_yaml_parse(text, strlen(text), &routes, &problems), -EINVAL);
	assert_int_equal(problems.total, 4);
	assert_string_equal(problems.items[0].path, "stacks.blue.forward");
	assert_string_equal(problems.items[1].path, "stacks.blue.backends[0].address");
	assert_string_equal(problems.items[2].path, "services.shop.ports[0]");
	assert_string_equal(problems.items[3].path, "services.shop.splits");
}

static void a_text_of_16_mib_is_read_and_a_byte_more_is_not(void **state)
{
	CLEANUP_FREE char *text = util_calloc(YAML_TREE_SIZE_MAX + 1, 1);
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL, *none = NULL;

	(void)state;
	memset(text, '\n', YAML_TREE_SIZE_MAX + 1);
	assert_int_equal(routes_yaml_parse(text, YAML_TREE_SIZE_MAX, &routes, &problems), 0);
	assert_int_equal(routes_yaml_parse(text, YAML_TREE_SIZE_MAX + 1, &none, &problems), -EFBIG);
	assert_string_equal(problems.items[0].message, "larger than 16 MiB");
}

static void too_many_values_are_refused(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	size_t size = 2 * YAML_TREE_NODES_MAX;
	CLEANUP_FREE char *text = util_calloc(size + 16, 1);
	struct routes *routes = NULL;

	(void)state;
	text[0] = '[';
	for (size_t i = 0; i < size; i++)
		text[i + 1] = i % 2 ? ',' : 'a';
	text[size] = ']';
	assert_int_equal(routes_yaml_parse(text, size + 1, &routes, &problems), -EINVAL);
	assert_string_equal(problems.items[0].message, "the document has more than 400000 values");
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_FREE char *said = NULL;
	struct routes *routes = NULL;

	(void)state;
	assert_int_equal(routes_yaml_load("/nonexistent/routes.yaml", &routes, &problems), -ENOENT);
	said = problems_text(&problems, "/nonexistent/routes.yaml");
	assert_string_equal(
		said, "/nonexistent/routes.yaml: cannot be read: No such file or directory\n");
}

static void a_file_reads_like_its_text(void **state)
{
	char path[] = "/tmp/test_routes_yaml.XXXXXX";
	CLEANUP_ROUTES struct routes *from_text = parse(full), *from_file = NULL;
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_CLOSE int fd = mkstemp(path);
	int err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, full, strlen(full)), strlen(full));
	err = routes_yaml_load(path, &from_file, &problems);
	unlink(path);
	assert_int_equal(err, 0);
	assert_true(routes_equal(from_text, from_file));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_arrives_in_its_field),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(every_answer_to_a_dead_backend_is_read_and_written),
		cmocka_unit_test(what_is_written_reads_back_the_same),
		cmocka_unit_test(free_text_of_any_kind_reads_back_the_same),
		cmocka_unit_test(text_that_is_no_utf8_is_not_written),
		cmocka_unit_test(an_empty_document_is_valid),
		cmocka_unit_test(wrong_documents_are_refused_with_line_and_reason),
		cmocka_unit_test(every_error_is_found_at_once),
		cmocka_unit_test(a_text_of_16_mib_is_read_and_a_byte_more_is_not),
		cmocka_unit_test(too_many_values_are_refused),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(a_file_reads_like_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
