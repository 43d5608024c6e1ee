/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long clients wait, as it is told from their packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/measured.h"

static void a_handshake_is_timed_from_syn_to_ack(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 5);
	assert_ms(measured_only_ms(LATENCY_CONNECT), 5, talk_elapsed_ms(&talk));
	assert_int_equal(measured_counts()->syns, 1);
	assert_int_equal(measured_counts()->handshakes, 1);
	assert_int_equal(measured_series()->flows, 1);
	assert_int_equal(measured_series()->connects, 1);
}

static void every_sample_lies_in_the_bucket_of_its_value(void **state)
{
	struct talk talk = measured_talk();
	uint32_t bucket;

	(void)state;
	talk_connect(&talk, 3);
	bucket = latency_bucket(measured_series()->sum_ns[LATENCY_CONNECT]);
	assert_int_equal(measured_series()->bucket[LATENCY_CONNECT][bucket], 1);
}

static void service_time_is_the_backends_own(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 12, 5);
	assert_ms(measured_only_ms(LATENCY_RESPONSE), 17, 1000);
	assert_ms(measured_only_ms(LATENCY_SERVICE), 10.5, 15);
	assert_int_equal(measured_series()->requests, 1);
}

static void service_time_minds_no_delayed_ack(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 12, 45);
	assert_ms(measured_only_ms(LATENCY_RESPONSE), 57, 1000);
	assert_ms(measured_only_ms(LATENCY_SERVICE), 10.5, 15);
}

static void a_request_may_acknowledge_the_response_before_it(void **state)
{
	struct talk talk = measured_talk();
	double asked;

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	asked = talk_elapsed_ms(&talk);
	talk_wait_ms(10);
	talk.ack += 1000;
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk_stamp(&talk, asked + 6));
	assert_ms(measured_only_ms(LATENCY_SERVICE), 5, 8);
	assert_int_equal(measured_series()->requests, 2);
	assert_int_equal(measured_series()->overlapped, 0);
}

static void microsecond_clocks_are_found_out(void **state)
{
	(void)state;
	measured_watch()->tick_votes = 0;
	for (int i = 0; i < 6; i++) {
		struct talk talk = measured_talk();

		talk.tick_ms = 0.001;
		talk_connect(&talk, 5);
		talk_exchange(&talk, 10, 5);
	}
	assert_true(measured_watch()->tick_votes <= -WATCH_VOTES_ENOUGH);
	assert_int_equal(
		measured_series()->samples[LATENCY_SERVICE] + measured_series()->tick_unknown, 6);
	assert_true(measured_series()->samples[LATENCY_SERVICE] >= 3);
	assert_ms((double)measured_series()->sum_ns[LATENCY_SERVICE] / 1e6 /
			  measured_series()->samples[LATENCY_SERVICE],
		  9.5, 14);
}

static void millisecond_clocks_are_found_out(void **state)
{
	(void)state;
	measured_watch()->tick_votes = 0;
	for (int i = 0; i < 6; i++) {
		struct talk talk = measured_talk();

		talk_connect(&talk, 5);
		talk_exchange(&talk, 10, 5);
	}
	assert_true(measured_watch()->tick_votes >= WATCH_VOTES_ENOUGH);
	assert_int_equal(
		measured_series()->samples[LATENCY_SERVICE] + measured_series()->tick_unknown, 6);
}

static void a_clock_that_nothing_is_known_of_is_not_believed(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	measured_watch()->tick_votes = 0;
	talk.tick_ms = 4; /* no tick of Linux today */
	talk_connect(&talk, 40);
	talk_exchange(&talk, 40, 5);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(measured_series()->tick_unknown, 1);
}

static void a_repeated_syn_is_counted_and_gives_no_service_time(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk.syn_ns = talk_now_ns();
	talk_send(&talk, TH_SYN, 0, 0);
	talk_wait_ms(5);
	talk.seq--;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 5, 5);
	assert_int_equal(measured_counts()->syns, 1);
	assert_int_equal(measured_counts()->syn_retransmits, 1);
	assert_int_equal(measured_counts()->handshakes, 1);
	assert_ms(measured_only_ms(LATENCY_CONNECT), 10, 1000); /* as long as the client waited */
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 1);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(measured_series()->syn_retransmitted, 1);
}

static void without_timestamps_only_the_acks_tell(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk.timestamps = false;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 5, 5);
	assert_int_equal(measured_series()->samples[LATENCY_CONNECT], 1);
	assert_ms(measured_only_ms(LATENCY_RESPONSE), 10, 1000);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(measured_series()->no_timestamp, 1);
}

static void an_echo_of_the_future_is_not_believed(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk.skew_ms = 500;
	talk_exchange(&talk, 5, 5);
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 1);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(measured_series()->bad_anchor, 1);
}

static void an_echo_that_goes_back_is_forged(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk.skew_ms = -4000;
	talk_exchange(&talk, 5, 5);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(measured_series()->forged, 1);
}

static void an_echo_from_before_the_request_is_forged(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk_wait_ms(20);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	talk_wait_ms(10);
	talk.ack += 1000;
	talk_send(&talk, TH_ACK, 0, talk_stamp(&talk, 10));
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(measured_series()->forged, 1);
}

/* Linux puts options into a SYN cookie's timestamp, which is up to 64 ms early then. */
static void the_timestamp_of_a_syn_cookie_is_found_out(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk.skew_ms = -50;
	talk.clock_start += 100;
	talk_connect(&talk, 30);
	talk.skew_ms = 0;
	talk_exchange(&talk, 5, 30);
	talk_exchange(&talk, 5, 30);
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 2);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(measured_series()->bad_anchor, 2);
}

static void sequence_numbers_may_wrap(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk.seq = 0xffffffd0;
	talk_connect(&talk, 2);
	talk.clock_start = 5000;
	for (int i = 0; i < 3; i++)
		talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 3);
	assert_int_equal(measured_series()->data_retransmits, 0);
	assert_int_equal(measured_series()->requests, 3);
}

static void acknowledgements_and_clocks_may_wrap(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk.clock_start = 0xfffffff8;
	talk.syn_ns = talk_now_ns();
	talk_send(&talk, TH_SYN, 0, 0);
	talk_wait_ms(2);
	talk.ack = 0xfffffe00;
	talk_send(&talk, TH_ACK, 0, talk_stamp(&talk, 0));
	for (int i = 0; i < 3; i++)
		talk_exchange(&talk, 5, 2);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 3);
	assert_ms((double)measured_series()->sum_ns[LATENCY_SERVICE] / 3e6, 4, 6.1);
}

static void the_last_byte_is_timed_when_the_next_request_comes(void **state)
{
	struct talk talk = measured_talk();
	double asked;

	(void)state;
	talk_connect(&talk, 2);
	asked = talk_elapsed_ms(&talk);
	talk_exchange(&talk, 5, 2);
	talk_wait_ms(20);
	talk.ack += 1000;
	talk_send(&talk, TH_ACK, 0, talk_stamp(&talk, asked + 25));
	assert_int_equal(measured_series()->samples[LATENCY_LAST_BYTE], 0);
	talk_wait_ms(10);
	talk_exchange(&talk, 5, 2);
	assert_ms(measured_only_ms(LATENCY_LAST_BYTE), 23.9, 26.1);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 2);
}

static void drift_of_the_clocks_is_followed(void **state)
{
	struct talk talk = measured_talk();
	uint64_t before;

	(void)state;
	talk_connect(&talk, 2);
	for (int i = 0; i < 22; i++) {
		talk_wait_ms(420);
		talk.skew_ms += 0.08;
		talk_exchange(&talk, 5, 2);
	}
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 22);
	before = measured_series()->sum_ns[LATENCY_SERVICE];
	for (int i = 0; i < 10; i++)
		talk_exchange(&talk, 5, 12); /* late ACKs: the echo has to tell */
	assert_ms((double)(measured_series()->sum_ns[LATENCY_SERVICE] - before) / 1e7, 3.9, 6.2);
}

/* As if the time in which the least lag of the live flow is looked for were over. */
static void end_window(void)
{
	for (uint32_t i = 0; i < measured.view->sample_slots; i++)
		if (measured.view->samples[i].key)
			measured.view->samples[i].window_at -= 1U << 14;
}

static void the_clock_of_a_near_backend_stays_where_it_is(void **state)
{
	struct talk talk = measured_talk();
	uint64_t before;

	(void)state;
	talk_connect(&talk, 0.05);
	for (int i = 0; i < 10 * 16; i++) {
		if (i % 16 == 0)
			end_window();
		talk_wait_ms(0.07 * (i % 16));
		talk_exchange(&talk, 0.1, 0.05);
	}
	assert_int_equal(measured_series()->bad_anchor, 0);
	before = measured_series()->sum_ns[LATENCY_SERVICE];
	for (int i = 0; i < 10; i++)
		talk_exchange(&talk, 5, 12);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 10 * 16 + 10);
	assert_ms((double)(measured_series()->sum_ns[LATENCY_SERVICE] - before) / 1e7, 4.4, 5.6);
}

static void a_series_given_to_others_counts_no_old_flows(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 1);
	measured.view->series_generation[0]++;
	talk_exchange(&talk, 2, 1);
	measured.view->series_generation[0]--;
	assert_int_equal(measured_series()->requests, 0);
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 0);
}

static void flows_over_ipv6_are_measured_alike(void **state)
{
	struct flow flow = flow_random(&measured_seed, V6, 80, PROTOCOL_TCP);
	struct talk talk;

	(void)state;
	talk_start(&talk, &measured, &flow);
	talk_connect(&talk, 5);
	talk_exchange(&talk, 12, 5);
	assert_ms(measured_only_ms(LATENCY_SERVICE), 10.5, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEASURED(a_handshake_is_timed_from_syn_to_ack),
		MEASURED(every_sample_lies_in_the_bucket_of_its_value),
		MEASURED(service_time_is_the_backends_own),
		MEASURED(service_time_minds_no_delayed_ack),
		MEASURED(a_request_may_acknowledge_the_response_before_it),
		MEASURED(microsecond_clocks_are_found_out),
		MEASURED(millisecond_clocks_are_found_out),
		MEASURED(a_clock_that_nothing_is_known_of_is_not_believed),
		MEASURED(a_repeated_syn_is_counted_and_gives_no_service_time),
		MEASURED(without_timestamps_only_the_acks_tell),
		MEASURED(an_echo_of_the_future_is_not_believed),
		MEASURED(an_echo_that_goes_back_is_forged),
		MEASURED(an_echo_from_before_the_request_is_forged),
		MEASURED(the_timestamp_of_a_syn_cookie_is_found_out),
		MEASURED(sequence_numbers_may_wrap),
		MEASURED(acknowledgements_and_clocks_may_wrap),
		MEASURED(the_last_byte_is_timed_when_the_next_request_comes),
		MEASURED(drift_of_the_clocks_is_followed),
		MEASURED(the_clock_of_a_near_backend_stays_where_it_is),
		MEASURED(a_series_given_to_others_counts_no_old_flows),
		MEASURED(flows_over_ipv6_are_measured_alike),
	};

	return cmocka_run_group_tests(tests, measured_open, measured_close);
}
