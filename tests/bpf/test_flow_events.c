/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a packet through the ring buffer into the event log. */
#include "agent/flow_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/log.h"
#include "lib/fixture.h"
#include "lib/flow.h"

#define ROUTES                                                                                     \
	"stacks:\n"                                                                                \
	"  blue: {backends: [{address: 10.1.0.1}]}\n"                                              \
	"services:\n"                                                                              \
	"  shop: {vips: [203.0.113.10], ports: [80], split: {blue: 1}}\n"

static struct {
	struct fixture fixture;
	sd_event *loop;
	struct events *log;
	struct flow_events *flow_events;
} world;

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fixture_open(&world.fixture, &(struct fixture_sizes){});
	fixture_apply(&world.fixture, ROUTES);
	assert_true(sd_event_new(&world.loop) >= 0);
	assert_int_equal(events_new(world.loop, 0, &world.log), 0);
	assert_int_equal(flow_events_new(world.loop, world.fixture.view, &world.fixture.slots,
					 world.log, &world.flow_events),
			 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flow_events_free(world.flow_events);
	events_free(world.log);
	sd_event_unref(world.loop);
	fixture_close(&world.fixture);
	return 0;
}

static void settle(void)
{
	while (sd_event_run(world.loop, 0) > 0)
		;
}

static void a_repeated_syn_becomes_an_event(void **state)
{
	const struct flow flow = {
		.client.bytes = {[10] = 0xff, [11] = 0xff, 198, 51, 100, 7},
		.vip.bytes = {[10] = 0xff, [11] = 0xff, 203, 0, 113, 10},
		.client_port = 41234,
		.vip_port = 80,
		.protocol = PROTOCOL_TCP,
	};
	struct event_reader *reader;
	const struct event *event;
	uint64_t missed;

	(void)state;
	flow_send(&world.fixture, &flow, TH_SYN);
	settle();
	assert_int_equal(events_last(world.log), 0);
	flow_send(&world.fixture, &flow, TH_SYN);
	settle();
	assert_int_equal(event_reader_new(world.log, 0, NULL, NULL, &reader), 0);
	event = event_reader_next(reader, &missed);
	assert_non_null(event);
	assert_int_equal(event->kind, EVENT_FLOW);
	assert_string_equal(event_kind_name(event->kind), "flow");
	assert_string_equal(event->service, "shop");
	assert_string_equal(event->stack, "blue");
	assert_string_equal(event->backend, "10.1.0.1");
	assert_string_equal(event->message,
			    "client 198.51.100.7:41234 repeated its SYN to 203.0.113.10:80 (tcp): "
			    "nothing came back from backend 10.1.0.1 of stack blue");
	assert_null(event_reader_next(reader, &missed));
	event_reader_free(reader);
}

static void handshakes_tell_of_a_backend_once(void **state)
{
	uint64_t seed = 3, before = events_last(world.log);

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct flow flow = flow_random(&seed, "203.0.113.10", 80, PROTOCOL_TCP);

		flow_send(&world.fixture, &flow, TH_SYN);
		flow_send(&world.fixture, &flow, TH_ACK);
	}
	settle();
	assert_int_equal(events_last(world.log), before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_repeated_syn_becomes_an_event, setup, teardown),
		cmocka_unit_test_setup_teardown(handshakes_tell_of_a_backend_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
