/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the routes document and its message. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/routes_proto.h"
#include "common/routes_yaml.h"
#include "common/util.h"

static const char full[] =
	"fleet_key: k\n"
	"stacks:\n"
	"  blue:\n"
	"    stage: production\n"
	"    labels: {region: eu-west, release: '1.41'}\n"
	"    slow_start: 90s\n"
	"    on_slow_backend: keep\n"
	"    health: {type: http, port: 8080, path: /healthz, interval: 100ms, timeout: 80ms,\n"
	"             via: direct, status: 200-299, host: shop.example, body: 'all is well'}\n"
	"    backends: [{address: 10.1.0.11, weight: 0}, {address: '2001:db8:1::11'}]\n"
	"  green: {forward: ipip, health: {type: tcp, port: 443}, backends: [{address: "
	"10.2.0.1}]}\n"
	"  grpc: {health: {type: grpc, port: 443, tls: true, server_name: a.example, host: "
	"b.example,\n"
	"                  service: shop.v1.Cart}}\n"
	"  red: {stage: retired, forward: local}\n"
	"services:\n"
	"  shop:\n"
	"    vips: [203.0.113.10, '2001:db8::10']\n"
	"    ports: [80, 443]\n"
	"    split: {blue: 95, green: 5, red: 0}\n"
	"    sticky: {by: client}\n"
	"    on_backend_down: keep\n"
	"    failover: [violet, green]\n"
	"    panic: 0%\n"
	"  web: {vips: [203.0.113.11], split: {green: 1}, on_backend_down: reset}\n"
	"  dns: {vips: [203.0.113.10], protocol: udp, split: {green: 1}}\n";

static void a_message_that_was_packed_reads_back_the_same(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL, *again = NULL;
	CLEANUP_FREE uint8_t *packed = NULL;
	Steerd__V1__Routes *message, *unpacked;
	size_t size;

	(void)state;
	assert_int_equal(routes_yaml_parse(full, strlen(full), &routes, &problems), 0);
	message = routes_to_proto(routes);
	packed = util_calloc(steerd__v1__routes__get_packed_size(message), 1);
	size = steerd__v1__routes__pack(message, packed);
	routes_proto_free(message);
	unpacked = steerd__v1__routes__unpack(NULL, size, packed);
	assert_non_null(unpacked);
	assert_int_equal(routes_from_proto(unpacked, &again, &problems), 0);
	routes_proto_free(unpacked);
	assert_true(routes_equal(routes, again));
}

static void an_absent_message_is_an_empty_document(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL;
	Steerd__V1__Routes *message;

	(void)state;
	assert_int_equal(routes_from_proto(NULL, &routes, &problems), 0);
	assert_int_equal(routes->stacks_n, 0);
	assert_int_equal(routes->services_n, 0);
	assert_null(routes->fleet_key);
	message = routes_to_proto(routes);
	assert_int_equal(steerd__v1__routes__get_packed_size(message), 0);
	routes_proto_free(message);
	routes_proto_free(NULL);
}

/* A stack and a service by hand, as a client writes that sets little. */
struct hand_made {
	Steerd__V1__Backend backend, *backends[1];
	Steerd__V1__Health health;
	Steerd__V1__Stack stack, *stacks[1];
	Steerd__V1__SplitEntry entry, *split[1];
	Steerd__V1__Sticky sticky;
	Steerd__V1__Service service, *services[1];
	char *vips[1];
	uint32_t ports[1];
	Steerd__V1__Routes routes;
};

static void hand_make(struct hand_made *m)
{
	steerd__v1__backend__init(&m->backend);
	steerd__v1__health__init(&m->health);
	steerd__v1__stack__init(&m->stack);
	steerd__v1__split_entry__init(&m->entry);
	steerd__v1__sticky__init(&m->sticky);
	steerd__v1__service__init(&m->service);
	steerd__v1__routes__init(&m->routes);
	m->backend.address = (char *)"10.1.0.11";
	m->backends[0] = &m->backend;
	m->stack.name = (char *)"blue";
	m->stack.n_backends = 1;
	m->stack.backends = m->backends;
	m->stacks[0] = &m->stack;
	m->entry.stack = (char *)"blue";
	m->entry.weight = 1;
	m->split[0] = &m->entry;
	m->service.name = (char *)"shop";
	m->vips[0] = (char *)"203.0.113.10";
	m->service.n_vips = 1;
	m->service.vips = m->vips;
	m->ports[0] = 80;
	m->service.n_ports = 1;
	m->service.ports = m->ports;
	m->service.n_split = 1;
	m->service.split = m->split;
	m->services[0] = &m->service;
	m->routes.n_stacks = 1;
	m->routes.stacks = m->stacks;
	m->routes.n_services = 1;
	m->routes.services = m->services;
}

static void what_a_message_leaves_out_has_its_default(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL;
	struct hand_made m;

	(void)state;
	hand_make(&m);
	m.stack.health = &m.health;
	m.health.type = STEERD__V1__HEALTH_TYPE__HEALTH_TYPE_HTTP;
	m.health.port = 80;
	m.health.interval_ms = 50;
	assert_int_equal(routes_from_proto(&m.routes, &routes, &problems), 0);
	assert_int_equal(routes->stacks[0].forward, FORWARD_AS_L2);
	assert_int_equal(routes->stacks[0].stage, STAGE_UNSPECIFIED);
	assert_int_equal(routes->stacks[0].slow_start_ms, 0);
	assert_int_equal(routes->stacks[0].on_slow_backend, BACKEND_SLOW_SHIFT);
	assert_string_equal(routes->stacks[0].health.path, "/");
	assert_int_equal(routes->stacks[0].health.via, HEALTH_VIA_PATH);
	assert_null(routes->stacks[0].health.host);
	assert_null(routes->stacks[0].health.body);
	assert_int_equal(routes->stacks[0].health.status_min, 200);
	assert_int_equal(routes->stacks[0].health.status_max, 399);
	assert_int_equal(routes->stacks[0].health.timeout_ms, 40);
	assert_int_equal(routes->stacks[0].health.fall, 2);
	assert_int_equal(routes->stacks[0].health.rise, 3);
	assert_int_equal(routes->stacks[0].backends[0].weight, 100);
	assert_int_equal(routes->services[0].protocol, PROTOCOL_TCP);
	assert_false(routes->services[0].sticky_by_client);
	assert_int_equal(routes->services[0].on_backend_down, BACKEND_DOWN_MOVE);
}

static void a_weight_of_0_is_not_the_default(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL;
	struct hand_made m;

	(void)state;
	hand_make(&m);
	m.backend.weight_set_case = STEERD__V1__BACKEND__WEIGHT_SET_WEIGHT;
	assert_int_equal(routes_from_proto(&m.routes, &routes, &problems), 0);
	assert_int_equal(routes->stacks[0].backends[0].weight, 0);
}

static void values_that_have_no_place_are_refused_with_their_path(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_FREE char *said = NULL;
	struct routes *routes = NULL;
	struct hand_made m;

	(void)state;
	hand_make(&m);
	m.stack.stage = (Steerd__V1__Stage)99;
	m.stack.forward = (Steerd__V1__Forward)98;
	m.stack.health = &m.health;
	m.health.type = (Steerd__V1__HealthType)97;
	m.health.port = 65536;
	m.health.status_min = 65736;
	m.health.via = (Steerd__V1__HealthVia)94;
	m.backend.address = (char *)"10.1";
	m.service.protocol = (Steerd__V1__Protocol)96;
	m.service.sticky = &m.sticky;
	m.sticky.by = (Steerd__V1__StickyBy)95;
	m.service.on_backend_down = (Steerd__V1__OnBackendDown)-1;
	m.stack.on_slow_backend = (Steerd__V1__OnSlowBackend)7;
	m.vips[0] = (char *)"";
	m.ports[0] = 0;
	assert_int_equal(routes_from_proto(&m.routes, &routes, &problems), -EINVAL);
	assert_null(routes);
	said = problems_text(&problems, NULL);
	assert_string_equal(
		said,
		"stacks.blue.stage: stage is 99, which is not known here\n"
		"stacks.blue.forward: forward is 98, which is not known here\n"
		"stacks.blue.on_slow_backend: on_slow_backend is 7, which is not known here\n"
		"stacks.blue.health.type: type is 97, which is not known here\n"
		"stacks.blue.health.port: port is 65536; it must be 1 to 65535\n"
		"stacks.blue.health.status_min: status_min is 65736; it must be 200 to 599\n"
		"stacks.blue.health.via: via is 94, which is not known here\n"
		"stacks.blue.backends[0].address: '10.1' is no IP address; write one such as "
		"203.0.113.10 or 2001:db8::10\n"
		"services.shop.protocol: protocol is 96, which is not known here\n"
		"services.shop.sticky.by: sticky.by is 95, which is not known here\n"
		"services.shop.on_backend_down: on_backend_down is -1, which is not known here\n"
		"services.shop.vips[0]: '' is no IP address; write one such as 203.0.113.10 or "
		"2001:db8::10\n"
		"services.shop.ports[0]: port is 0; it must be 1 to 65535\n");
}

static void a_split_alone_is_read_as_it_is(void **state)
{
	struct hand_made m;
	struct route_split *split;

	(void)state;
	hand_make(&m);
	split = routes_split_from_proto(m.split, 1);
	assert_string_equal(split[0].stack, "blue");
	assert_int_equal(split[0].weight, 1);
	free(split[0].stack);
	free(split);
	assert_null(routes_split_from_proto(NULL, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_that_was_packed_reads_back_the_same),
		cmocka_unit_test(an_absent_message_is_an_empty_document),
		cmocka_unit_test(what_a_message_leaves_out_has_its_default),
		cmocka_unit_test(a_weight_of_0_is_not_the_default),
		cmocka_unit_test(values_that_have_no_place_are_refused_with_their_path),
		cmocka_unit_test(a_split_alone_is_read_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
