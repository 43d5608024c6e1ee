/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a backend's breaker opens, what that does to new flows and to others, and what closes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/util.h"
#include "lib/fixture.h"
#include "lib/talk.h"

#define VIP	 "203.0.113.10"
#define LIMIT	 8
#define LIMIT_MS 20
#define UP	 (BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)
#define ENOUGH	 60 /* flows of which each of three backends gets some */

#define ROUTES                                                                                     \
	"stacks:\n"                                                                                \
	"  blue: {backends: [{address: 10.1.0.1}, {address: 10.1.0.2}, {address: 10.1.0.3}]}\n"    \
	"  green: {backends: [{address: 10.2.0.1}]}\n"                                             \
	"services:\n"                                                                              \
	"  one: {vips: [" VIP "], ports: [80], split: {blue: 1}}\n"                                \
	"  two: {vips: [" VIP "], ports: [81], split: {blue: 1, green: 1}}\n"                      \
	"  kept: {vips: [" VIP "], ports: [82], split: {blue: 1}, on_backend_down: keep}\n"

static struct fixture fixture;
static uint64_t seed = 9;
static const char *const blue[] = {"10.1.0.1", "10.1.0.2", "10.1.0.3"};

static uint32_t blue_slot(int i)
{
	return fixture_slot(&fixture, "blue", blue[i]);
}

static struct backend_watch *watch(uint32_t slot)
{
	return &fixture.view->watch[slot];
}

static bool is_open(uint32_t slot)
{
	return breaker_is_open(watch(slot), talk_now_ns());
}

static const struct flow_counts *counts(uint32_t slot)
{
	return &fixture.view->flow_counts[fixture.cpu * fixture.view->backend_slots + slot];
}

static int start_afresh(void **state)
{
	const uint64_t limit_ns = LIMIT_MS * 1000000ULL;

	(void)state;
	fixture_forget_flows(&fixture);
	for (uint32_t slot = 0; slot < fixture.view->backend_slots; slot++) {
		*watch(slot) = (struct backend_watch){
			.handshakes = {.limit = LIMIT, .limit_ns = limit_ns},
			.answers = {.limit = LIMIT, .limit_ns = limit_ns},
		};
		*(struct flow_counts *)counts(slot) = (struct flow_counts){};
	}
	return 0;
}

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture, &(struct fixture_sizes){});
	fixture_apply(&fixture, ROUTES);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static struct talk new_talk(uint16_t port)
{
	struct flow flow = flow_random(&seed, VIP, port, PROTOCOL_TCP);
	struct talk talk;

	talk_start(&talk, &fixture, &flow);
	return talk;
}

static uint32_t send_syn(struct talk *talk)
{
	int slot = talk_send(talk, TH_SYN, 0, 0);

	assert_true(slot >= 0);
	return (uint32_t)slot;
}

/* So many new clients; all but those of the dead backend are answered. SYNs that it got. */
static unsigned int arrive(unsigned int n, uint16_t port, uint32_t dead)
{
	unsigned int lost = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct talk talk = new_talk(port);

		if (send_syn(&talk) == dead)
			lost++;
		else
			talk_send(&talk, TH_ACK, 0, 0);
	}
	return lost;
}

/* Until the limits are reached. */
static void die(uint32_t dead)
{
	for (unsigned int lost = 0; lost < LIMIT;)
		lost += arrive(1, 80, dead);
	talk_wait_ms(LIMIT_MS);
	assert_true(is_open(dead));
}

/* As if it were time to let the next flow through. */
static void let_time_pass(uint32_t slot)
{
	watch(slot)->trial_ns -= BREAKER_TRIAL_NS;
	watch(slot)->handshakes.first_ns -= BREAKER_TRIAL_NS;
}

static void syns_that_nobody_answers_open_it(void **state)
{
	uint32_t dead = blue_slot(0);
	uint64_t refusals = fixture_reasons(&fixture).refusals;

	(void)state;
	die(dead);
	assert_int_equal(arrive(ENOUGH, 80, dead), 0);
	assert_true(fixture_reasons(&fixture).refusals > refusals);
	assert_false(is_open(blue_slot(1)));
	assert_false(is_open(blue_slot(2)));
}

static void few_syns_do_not_open_it_however_old(void **state)
{
	uint32_t dead = blue_slot(0);

	(void)state;
	for (unsigned int lost = 0; lost < LIMIT - 1;)
		lost += arrive(1, 80, dead);
	talk_wait_ms(LIMIT_MS);
	assert_false(is_open(dead));
	assert_true(arrive(ENOUGH, 80, dead) > 0);
}

static void a_burst_of_syns_may_await_its_round_trip(void **state)
{
	uint32_t slot = blue_slot(0);
	struct talk talks[ENOUGH];

	(void)state;
	watch(slot)->handshakes.limit_ns = 1000000000;
	for (int i = 0; i < ENOUGH; i++) {
		talks[i] = new_talk(80);
		send_syn(&talks[i]);
	}
	assert_true(watch(slot)->handshakes.n >= LIMIT);
	assert_false(is_open(slot));
	for (int i = 0; i < ENOUGH; i++)
		talk_send(&talks[i], TH_ACK, 0, 0);
	assert_int_equal(watch(slot)->handshakes.n, 0);
}

static void one_flow_is_let_through_to_try_and_its_handshake_closes_it(void **state)
{
	uint32_t dead = blue_slot(0);

	(void)state;
	die(dead);
	assert_int_equal(arrive(ENOUGH, 80, dead), 0);
	let_time_pass(dead);
	assert_int_equal(arrive(ENOUGH, 80, dead), 1);
	let_time_pass(dead);
	arrive(ENOUGH, 80, UINT32_MAX);
	assert_false(is_open(dead));
	assert_int_equal(watch(dead)->handshakes.n, 0);
}

static void flows_that_it_has_stay(void **state)
{
	uint32_t dead = blue_slot(0);
	struct talk talk;

	(void)state;
	do
		talk = new_talk(80);
	while (send_syn(&talk) != dead);
	talk_send(&talk, TH_ACK, 0, 0);
	die(dead);
	assert_int_equal(talk_send(&talk, TH_ACK, 100, 0), dead);
}

static void a_syn_sent_again_goes_to_another(void **state)
{
	uint32_t dead = blue_slot(0), other;
	uint64_t syns;
	struct talk talk;

	(void)state;
	do
		talk = new_talk(80);
	while (send_syn(&talk) != dead);
	die(dead);
	talk.seq--;
	other = send_syn(&talk);
	assert_int_not_equal(other, dead);
	syns = counts(other)->syns;
	assert_int_equal(talk_send(&talk, TH_ACK, 0, 0), other);
	assert_int_equal(counts(other)->syns, syns);
	assert_int_equal(counts(dead)->syn_retransmits, 0);
}

/* Where the first backend's state has become this one meanwhile. */
static bool leaves(uint8_t backend_state)
{
	uint32_t first = blue_slot(0), second;
	struct talk talk;

	do
		talk = new_talk(82);
	while (send_syn(&talk) != first);
	fixture_set_state(&fixture, "blue", blue[0], backend_state);
	talk.seq--;
	second = send_syn(&talk);
	fixture_set_state(&fixture, "blue", blue[0], UP);
	return second != first;
}

static void so_does_one_of_a_backend_that_is_down_whatever_the_service_says(void **state)
{
	(void)state;
	assert_true(leaves(BACKEND_ROUTE));
	assert_true(leaves(BACKEND_ROUTE | BACKEND_KEEP)); /* declared, and not yet confirmed */
}

/* Its SYN-ACK may be on the way. */
static void one_of_a_backend_that_drains_stays(void **state)
{
	(void)state;
	assert_false(leaves(BACKEND_ROUTE | BACKEND_KEEP | BACKEND_HELD));
}

static void answers_that_are_owed_open_it_too(void **state)
{
	uint32_t stopped = blue_slot(1);
	unsigned int waiting = 0;
	struct talk talk;

	(void)state;
	while (waiting < LIMIT) {
		talk = new_talk(80);
		if (send_syn(&talk) != stopped)
			continue;
		talk_send(&talk, TH_ACK, 0, 0);
		talk_send(&talk, TH_ACK | TH_PUSH, 100, 0);
		waiting++;
	}
	talk_wait_ms(LIMIT_MS);
	assert_int_equal(watch(stopped)->handshakes.n, 0);
	assert_int_equal(watch(stopped)->answers.n, LIMIT);
	assert_int_equal(arrive(ENOUGH, 80, stopped), 0);
	talk_send(&talk, TH_ACK, 0, 0);
	assert_int_equal(watch(stopped)->answers.n, 0);
	assert_true(arrive(ENOUGH, 80, stopped) > 0);
}

static void a_flow_asks_and_is_answered_once(void **state)
{
	struct talk talk = new_talk(80);
	uint32_t slot = send_syn(&talk);

	(void)state;
	talk_send(&talk, TH_ACK, 0, 0);
	assert_int_equal(counts(slot)->asked, 0);
	talk_send(&talk, TH_ACK, 100, 0);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, 0);
	assert_int_equal(counts(slot)->asked, 1);
	assert_int_equal(counts(slot)->answered, 0);
	for (int i = 0; i < 3; i++) {
		talk_send(&talk, TH_ACK, 0, 0);
		talk_send(&talk, TH_ACK | TH_PUSH, 100, 0);
	}
	assert_int_equal(counts(slot)->asked, 1);
	assert_int_equal(counts(slot)->answered, 1);
}

static void giving_up_is_no_answer(void **state)
{
	const uint8_t ends[] = {TH_FIN | TH_ACK, TH_RST, TH_RST | TH_ACK};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct talk talk = new_talk(80);
		uint32_t slot = send_syn(&talk);

		start_afresh(NULL);
		send_syn(&talk);
		talk_send(&talk, TH_ACK | TH_PUSH, 100, 0);
		talk_send(&talk, ends[i], 0, 0);
		assert_int_equal(counts(slot)->asked, 1);
		assert_int_equal(counts(slot)->answered, 0);
		assert_int_equal(watch(slot)->answers.n, 1);
	}
}

static void open_every(const char *stack, const char *const *addresses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct backend_watch *w = watch(fixture_slot(&fixture, stack, addresses[i]));

		w->handshakes.n = LIMIT;
		w->handshakes.first_ns = talk_now_ns() - LIMIT_MS * 1000000ULL;
		w->trial_ns = talk_now_ns();
	}
}

static void a_stack_with_no_other_backend_gives_its_clients_to_the_next(void **state)
{
	uint32_t green = fixture_slot(&fixture, "green", "10.2.0.1");
	uint64_t panics = fixture_reasons(&fixture).panics;

	(void)state;
	for (int i = 0; i < ENOUGH; i++) {
		struct talk talk = new_talk(81);

		open_every("blue", blue, ARRAY_SIZE(blue)); /* again, or it may be time to try */
		assert_int_equal(send_syn(&talk), green);
	}
	assert_int_equal(fixture_reasons(&fixture).panics, panics);
}

static void where_all_are_open_all_are_ignored(void **state)
{
	uint64_t panics = fixture_reasons(&fixture).panics;
	unsigned int got[3] = {};

	(void)state;
	open_every("blue", blue, ARRAY_SIZE(blue));
	for (int i = 0; i < ENOUGH; i++) {
		struct talk talk = new_talk(80);
		uint32_t slot = send_syn(&talk);

		for (int j = 0; j < 3; j++)
			got[j] += slot == blue_slot(j);
	}
	assert_int_equal(fixture_reasons(&fixture).panics, panics + ENOUGH);
	assert_true(got[0] && got[1] && got[2]);
}

static void without_telemetry_there_is_none(void **state)
{
	struct fixture with = fixture;
	uint32_t dead;

	(void)state;
	fixture_open(&fixture, &(struct fixture_sizes){.no_telemetry = true});
	fixture_apply(&fixture, ROUTES);
	start_afresh(NULL);
	dead = blue_slot(0);
	watch(dead)->handshakes.n = LIMIT;
	assert_true(is_open(dead));
	assert_true(arrive(ENOUGH, 80, dead) > 0);
	fixture_close(&fixture);
	fixture = with;
}

#define AFRESH(TEST) cmocka_unit_test_setup(TEST, start_afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AFRESH(syns_that_nobody_answers_open_it),
		AFRESH(few_syns_do_not_open_it_however_old),
		AFRESH(a_burst_of_syns_may_await_its_round_trip),
		AFRESH(one_flow_is_let_through_to_try_and_its_handshake_closes_it),
		AFRESH(flows_that_it_has_stay),
		AFRESH(a_syn_sent_again_goes_to_another),
		AFRESH(so_does_one_of_a_backend_that_is_down_whatever_the_service_says),
		AFRESH(one_of_a_backend_that_drains_stays),
		AFRESH(answers_that_are_owed_open_it_too),
		AFRESH(a_flow_asks_and_is_answered_once),
		AFRESH(giving_up_is_no_answer),
		AFRESH(a_stack_with_no_other_backend_gives_its_clients_to_the_next),
		AFRESH(where_all_are_open_all_are_ignored),
		AFRESH(without_telemetry_there_is_none),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
