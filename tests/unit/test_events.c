/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/events.h"

#include "common/log.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KEPT 8

struct fixture {
	sd_event *loop;
	struct events *events;
};

static int setup(void **state)
{
	static struct fixture f;

	log_set_level(LOG_LEVEL_ERROR);
	assert_true(sd_event_new(&f.loop) >= 0);
	assert_int_equal(events_new(f.loop, KEPT, &f.events), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	events_free(f->events);
	sd_event_unref(f->loop);
	return 0;
}

static void add(struct fixture *f, int n)
{
	while (n--)
		events_add(f->events, EVENT_AGENT, NULL, NULL, NULL, "event %d",
			   (int)events_last(f->events) + 1);
}

/* Runs the loop until it has nothing more to do. */
static void settle(struct fixture *f)
{
	while (sd_event_run(f->loop, 0) > 0)
		;
}

/* Reads one and checks which it is; returns how many were missed before it. */
static uint64_t expect(struct event_reader *reader, uint64_t sequence)
{
	uint64_t missed = 99;
	const struct event *event = event_reader_next(reader, &missed);

	assert_non_null(event);
	assert_int_equal(event->sequence, sequence);
	return missed;
}

static void expect_nothing(struct event_reader *reader)
{
	uint64_t missed;

	assert_null(event_reader_next(reader, &missed));
}

static void an_event_carries_all_it_was_given(void **state)
{
	struct fixture *f = *state;
	struct event_reader *reader;
	const struct event *event;
	uint64_t missed;

	assert_int_equal(event_reader_new(f->events, 0, NULL, NULL, &reader), 0);
	events_add(f->events, EVENT_BACKEND, "shop", "blue", "10.1.0.11", "backend %s is down",
		   "10.1.0.11");
	event = event_reader_next(reader, &missed);
	assert_int_equal(event->kind, EVENT_BACKEND);
	assert_string_equal(event_kind_name(event->kind), "backend");
	assert_string_equal(event->message, "backend 10.1.0.11 is down");
	assert_string_equal(event->service, "shop");
	assert_string_equal(event->stack, "blue");
	assert_string_equal(event->backend, "10.1.0.11");
	assert_true(event->unix_ms > 1600000000000);

	events_add(f->events, EVENT_ROUTES, NULL, NULL, NULL, "new routes");
	event = event_reader_next(reader, &missed);
	assert_string_equal(event->service, "");
	assert_string_equal(event->stack, "");
	assert_string_equal(event->backend, "");
	event_reader_free(reader);
}

static void a_long_or_binary_message_is_cut_and_made_printable(void **state)
{
	struct fixture *f = *state;
	char text[2 * EVENT_MESSAGE_MAX + 1] = "a\x1b\xff";
	const struct event *event;
	struct event_reader *reader;
	uint64_t missed;

	/* Two-byte characters from an odd place on, so that the cut falls into one. */
	for (size_t i = 3; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(event_reader_new(f->events, 0, NULL, NULL, &reader), 0);
	events_add(f->events, EVENT_AGENT, text, NULL, NULL, "%s", text);
	event = event_reader_next(reader, &missed);
	assert_int_equal(strlen(event->message), EVENT_MESSAGE_MAX - 1);
	assert_memory_equal(event->message, "a??\xc3\xa4", 5);
	assert_true(text_is_printable(event->message));
	assert_true(text_is_printable(event->service));
	event_reader_free(reader);
}

static void readers_read_alone_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct event_reader *early, *late;

	assert_int_equal(event_reader_new(f->events, 0, NULL, NULL, &early), 0);
	expect_nothing(early);
	add(f, 3);
	assert_int_equal(expect(early, 1), 0);
	assert_int_equal(event_reader_new(f->events, 2, NULL, NULL, &late), 0);
	assert_int_equal(expect(late, 3), 0);
	expect_nothing(late);
	assert_int_equal(expect(early, 2), 0);
	event_reader_free(late);
	assert_int_equal(expect(early, 3), 0);
	expect_nothing(early);
	event_reader_free(early);
}

static void a_slow_reader_learns_how_many_it_missed(void **state)
{
	struct fixture *f = *state;
	struct event_reader *reader;

	assert_int_equal(event_reader_new(f->events, 0, NULL, NULL, &reader), 0);
	add(f, KEPT);
	assert_int_equal(expect(reader, 1), 0);
	add(f, 1); /* takes the place of the one that was read */
	assert_int_equal(expect(reader, 2), 0);
	add(f, KEPT + 2);
	assert_int_equal(expect(reader, 2 * KEPT + 3 - KEPT + 1), 9);
	for (uint64_t s = KEPT + 5; s <= 2 * KEPT + 3; s++)
		assert_int_equal(expect(reader, s), 0);
	expect_nothing(reader);
	event_reader_free(reader);
}

static void a_reader_starts_where_it_asks_to(void **state)
{
	struct fixture *f = *state;
	const struct {
		uint64_t after, first, missed;
	} cases[] = {
		{0, 13, 0},  /* all that is kept: nothing was promised before */
		{2, 13, 10}, /* 3 to 12 are gone */
		{12, 13, 0}, /* the oldest that is kept */
		{19, 20, 0}, /* the newest */
		{20, 0, 0},  /* only what is new */
		{21, 13, 0}, /* an earlier agent's sequence */
		{UINT64_MAX, 13, 0},
	};

	add(f, 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_reader *reader;

		assert_int_equal(event_reader_new(f->events, cases[i].after, NULL, NULL, &reader),
				 0);
		if (cases[i].first)
			assert_int_equal(expect(reader, cases[i].first), cases[i].missed);
		else
			expect_nothing(reader);
		event_reader_free(reader);
	}
}

static void count(void *userdata)
{
	++*(int *)userdata;
}

static void a_reader_is_notified_once_until_it_has_read_all(void **state)
{
	struct fixture *f = *state;
	struct event_reader *reader;
	int notified = 0;

	assert_int_equal(event_reader_new(f->events, 0, count, &notified, &reader), 0);
	settle(f);
	assert_int_equal(notified, 0);
	add(f, 3);
	assert_int_equal(notified, 0); /* never from within events_add() */
	settle(f);
	assert_int_equal(notified, 1);
	expect(reader, 1);
	add(f, 1);
	settle(f);
	assert_int_equal(notified, 1); /* it is behind, and knows */
	expect(reader, 2);
	expect(reader, 3);
	expect(reader, 4);
	expect_nothing(reader);
	add(f, 1);
	settle(f);
	assert_int_equal(notified, 2);
	event_reader_free(reader);

	assert_int_equal(event_reader_new(f->events, 2, count, &notified, &reader), 0);
	settle(f);
	assert_int_equal(notified, 3); /* something was there at the start */
	event_reader_free(reader);
}

static void free_it(void *userdata)
{
	struct event_reader **reader = userdata;

	event_reader_free(*reader);
	*reader = NULL;
}

static void a_reader_may_be_freed_by_its_notification_or_before_it(void **state)
{
	struct fixture *f = *state;
	struct event_reader *readers[3];
	int notified = 0;

	assert_int_equal(event_reader_new(f->events, 0, free_it, &readers[0], &readers[0]), 0);
	assert_int_equal(event_reader_new(f->events, 0, count, &notified, &readers[1]), 0);
	assert_int_equal(event_reader_new(f->events, 0, free_it, &readers[2], &readers[2]), 0);
	add(f, 1);
	event_reader_free(readers[1]);
	settle(f);
	assert_null(readers[0]);
	assert_null(readers[2]);
	assert_int_equal(notified, 0);
	add(f, 1);
	settle(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_carries_all_it_was_given),
		TEST(a_long_or_binary_message_is_cut_and_made_printable),
		TEST(readers_read_alone_and_in_order),
		TEST(a_slow_reader_learns_how_many_it_missed),
		TEST(a_reader_starts_where_it_asks_to),
		TEST(a_reader_is_notified_once_until_it_has_read_all),
		TEST(a_reader_may_be_freed_by_its_notification_or_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
