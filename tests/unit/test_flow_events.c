/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events about flows: in words, and how many of them are told. */
#include "agent/flow_events.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct flow_event event_of(enum flow_event_kind kind)
{
	struct flow_event event = {.kind = kind,
				   .tuple = {.family = 4,
					     .protocol = 6,
					     .sport_be = htons(41234),
					     .dport_be = htons(80),
					     .src_be = {0, 0, htonl(0xffff), htonl(0xc6336407)},
					     .dst_be = {0, 0, htonl(0xffff), htonl(0xcb00710a)}}};

	return event;
}

static void expect_text(const struct flow_event *event, const char *backend, const char *stack,
			uint64_t unreported, const char *wanted)
{
	char text[EVENT_MESSAGE_MAX];

	flow_event_text(event, backend, stack, unreported, text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void every_kind_names_the_flow_and_the_backend(void **state)
{
	static const struct {
		enum flow_event_kind kind;
		const char *text;
	} cases[] = {
		{FLOW_EVENT_FIRST_FLOW, "first connection to backend 10.1.0.11 of stack blue: "
					"client 198.51.100.7:41234 to "
					"203.0.113.10:80 (tcp)"},
		{FLOW_EVENT_SYN_RETRANSMITTED,
		 "client 198.51.100.7:41234 repeated its SYN to 203.0.113.10:80 (tcp): nothing "
		 "came back from backend 10.1.0.11 of stack blue"},
		{FLOW_EVENT_CONNECT_RESET,
		 "client 198.51.100.7:41234 reset its connection to 203.0.113.10:80 (tcp) while "
		 "backend 10.1.0.11 of stack blue set it up"},
		{FLOW_EVENT_RESET_STORM,
		 "clients reset many connections to backend 10.1.0.11 of stack blue at once; one "
		 "is 198.51.100.7:41234 to 203.0.113.10:80 (tcp)"},
		{FLOW_EVENT_ABANDONED,
		 "client 198.51.100.7:41234 left 203.0.113.10:80 (tcp) while its request waited "
		 "for backend 10.1.0.11 of stack blue"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct flow_event event = event_of(cases[i].kind);

		expect_text(&event, "10.1.0.11", "blue", 0, cases[i].text);
	}
}

static void ipv6_and_udp_are_told_as_such(void **state)
{
	struct flow_event event = event_of(FLOW_EVENT_FIRST_FLOW);

	(void)state;
	event.tuple.family = 6;
	event.tuple.protocol = 17;
	inet_pton(AF_INET6, "2001:db8::7", event.tuple.src_be);
	inet_pton(AF_INET6, "2001:db8::10", event.tuple.dst_be);
	expect_text(&event, "2001:db8:1::11", "blue", 0,
		    "first connection to backend 2001:db8:1::11 of stack blue: client "
		    "[2001:db8::7]:41234 to [2001:db8::10]:80 (udp)");
}

static void what_was_not_reported_is_told(void **state)
{
	const struct flow_event event = event_of(FLOW_EVENT_ABANDONED);

	(void)state;
	expect_text(&event, "", "", 12,
		    "client 198.51.100.7:41234 left 203.0.113.10:80 (tcp) while its request waited "
		    "for a backend that is gone; 12 more were not reported");
	expect_text(&event, "", "", 1,
		    "client 198.51.100.7:41234 left 203.0.113.10:80 (tcp) while its request waited "
		    "for a backend that is gone; 1 more was not reported");
}

static void errors_of_tunnels_are_told_by_family(void **state)
{
	static const struct {
		const char *backend;
		uint32_t detail;
		const char *text;
	} cases[] = {
		{"10.1.0.11", 3U << 24 | 4U << 16 | 1400, "fragmentation needed, MTU 1400"},
		{"10.1.0.11", 3U << 24 | 1U << 16, "host unreachable"},
		{"10.1.0.11", 3U << 24 | 2U << 16, "protocol unreachable: it takes no such tunnel"},
		{"10.1.0.11", 3U << 24 | 13U << 16, "destination unreachable"},
		{"10.1.0.11", 11U << 24, "time to live exceeded"},
		{"10.1.0.11", 42U << 24 | 7U << 16, "ICMP type 42, code 7"},
		{"2001:db8::1", 2U << 24 | 1280, "packet too big, MTU 1280"},
		{"2001:db8::1", 3U << 24, "hop limit exceeded"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flow_event event = event_of(FLOW_EVENT_TUNNEL_ERROR);
		char wanted[EVENT_MESSAGE_MAX];

		event.detail = cases[i].detail;
		snprintf(wanted, sizeof(wanted),
			 "the tunnel to backend %s of stack blue has an error: %s; client "
			 "198.51.100.7:41234 to 203.0.113.10:80 (tcp)",
			 cases[i].backend, cases[i].text);
		expect_text(&event, cases[i].backend, "blue", 0, wanted);
	}
}

static void a_flood_is_told_in_part_and_counted_whole(void **state)
{
	struct flow_event_ration ration;
	uint64_t unreported = 0, told = 0, kept_back = 0;

	(void)state;
	flow_event_ration_init(&ration, 5000);
	/* 10 s of 100 events a second, each with two more that packets kept back */
	for (int i = 0; i < 1000; i++)
		if (flow_event_ration_take(&ration, 2, 5000 + (uint64_t)i * 10, &unreported)) {
			told++;
			kept_back += unreported;
		}
	assert_int_equal(told, FLOW_EVENTS_BURST + 9);
	assert_int_equal(told + kept_back + ration.unreported, 3000);
}

static void after_silence_there_is_a_burst_again(void **state)
{
	struct flow_event_ration ration;
	uint64_t unreported;
	unsigned int told = 0;

	(void)state;
	flow_event_ration_init(&ration, 0);
	for (int i = 0; i < 100; i++)
		flow_event_ration_take(&ration, 0, 0, &unreported);
	for (int i = 0; i < 100; i++)
		told += flow_event_ration_take(&ration, 0, 3600000, &unreported);
	assert_int_equal(told, FLOW_EVENTS_BURST);
	assert_false(flow_event_ration_take(&ration, 0, 3600999, &unreported));
	assert_true(flow_event_ration_take(&ration, 0, 3601000, &unreported));
	assert_int_equal(unreported, 85);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_names_the_flow_and_the_backend),
		cmocka_unit_test(ipv6_and_udp_are_told_as_such),
		cmocka_unit_test(what_was_not_reported_is_told),
		cmocka_unit_test(errors_of_tunnels_are_told_by_family),
		cmocka_unit_test(a_flood_is_told_in_part_and_counted_whole),
		cmocka_unit_test(after_silence_there_is_a_burst_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
