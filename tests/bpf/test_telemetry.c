/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is measured of a flow, what is counted, and what is left out, and for which reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "common/util.h"
#include "lib/fixture.h"
#include "lib/talk.h"

#define V4 "203.0.113.10"
#define V6 "2001:db8::10"

#define ROUTES                                                                                     \
	"stacks:\n"                                                                                \
	"  blue: {backends: [{address: 10.1.0.1}]}\n"                                              \
	"services:\n"                                                                              \
	"  shop: {vips: [203.0.113.10, '2001:db8::10'], ports: [80], split: {blue: 1}}\n"          \
	"  video: {vips: [203.0.113.10], protocol: udp, ports: [443], split: {blue: 1}}\n"

static struct fixture fixture;
static uint64_t seed = 4;

/* Every pair counts in series 0. */
static void give_series(void)
{
	struct series_ref ref = {};

	for (uint16_t share = 0; share < 4; share++) {
		struct series_key key = {.share = share};

		key.backend = (uint16_t)fixture_slot(&fixture, "blue", "10.1.0.1");
		assert_int_equal(bpf_map_update_elem(fixture.view->series_of_fd, &key, &ref, 0), 0);
	}
}

static struct series *series(void)
{
	return &fixture.view->series[fixture.cpu * fixture.view->series_slots];
}

static const struct flow_counts *counts(void)
{
	return &fixture.view->flow_counts[fixture.cpu * fixture.view->backend_slots +
					  fixture_slot(&fixture, "blue", "10.1.0.1")];
}

static struct backend_watch *watch(void)
{
	return &fixture.view->watch[fixture_slot(&fixture, "blue", "10.1.0.1")];
}

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture, &(struct fixture_sizes){});
	fixture_apply(&fixture, ROUTES);
	give_series();
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static int start_afresh(void **state)
{
	(void)state;
	fixture_forget_flows(&fixture);
	memset(series(), 0, sizeof(struct series));
	memset((void *)counts(), 0, sizeof(struct flow_counts));
	*watch() = (struct backend_watch){.tick_votes = WATCH_VOTES_ENOUGH};
	return 0;
}

static struct talk new_talk(void)
{
	struct flow flow = flow_random(&seed, V4, 80, PROTOCOL_TCP);
	struct talk talk;

	talk_start(&talk, &fixture, &flow);
	return talk;
}

/* The one sample of a kind, in milliseconds. */
static double only_sample_ms(enum latency_kind kind)
{
	assert_int_equal(series()->samples[kind], 1);
	return (double)series()->sum_ns[kind] / 1e6;
}

/* A busy machine wakes sleepers late, never early. */
#define assert_ms(VALUE, LEAST, MOST)                                                              \
	do {                                                                                       \
		double value_ = (VALUE);                                                           \
		if (value_ < (LEAST) || value_ > (MOST))                                           \
			fail_msg("%s is %.3f ms, not %g to %g", #VALUE, value_, (double)(LEAST),   \
				 (double)(MOST));                                                  \
	} while (0)

static void a_handshake_is_timed_from_syn_to_ack(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 5);
	assert_ms(only_sample_ms(LATENCY_CONNECT), 5, talk_elapsed_ms(&talk));
	assert_int_equal(counts()->syns, 1);
	assert_int_equal(counts()->handshakes, 1);
	assert_int_equal(series()->flows, 1);
	assert_int_equal(series()->connects, 1);
}

static void every_sample_lies_in_the_bucket_of_its_value(void **state)
{
	struct talk talk = new_talk();
	uint32_t bucket;

	(void)state;
	talk_connect(&talk, 3);
	bucket = latency_bucket(series()->sum_ns[LATENCY_CONNECT]);
	assert_int_equal(series()->bucket[LATENCY_CONNECT][bucket], 1);
}

static void service_time_is_the_backends_own(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 12, 5);
	assert_ms(only_sample_ms(LATENCY_RESPONSE), 17, 1000);
	assert_ms(only_sample_ms(LATENCY_SERVICE), 10.5, 15);
	assert_int_equal(series()->requests, 1);
}

static void service_time_minds_no_delayed_ack(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 12, 45);
	assert_ms(only_sample_ms(LATENCY_RESPONSE), 57, 1000);
	assert_ms(only_sample_ms(LATENCY_SERVICE), 10.5, 15);
}

static void a_request_may_acknowledge_the_response_before_it(void **state)
{
	struct talk talk = new_talk();
	double asked;

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	asked = talk_elapsed_ms(&talk);
	talk_wait_ms(10);
	talk.ack += 1000;
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk_stamp(&talk, asked + 6));
	assert_ms(only_sample_ms(LATENCY_SERVICE), 5, 8);
	assert_int_equal(series()->requests, 2);
	assert_int_equal(series()->overlapped, 0);
}

static void microsecond_clocks_are_found_out(void **state)
{
	(void)state;
	watch()->tick_votes = 0;
	for (int i = 0; i < 6; i++) {
		struct talk talk = new_talk();

		talk.tick_ms = 0.001;
		talk_connect(&talk, 5);
		talk_exchange(&talk, 10, 5);
	}
	assert_true(watch()->tick_votes <= -WATCH_VOTES_ENOUGH);
	assert_int_equal(series()->samples[LATENCY_SERVICE] + series()->tick_unknown, 6);
	assert_true(series()->samples[LATENCY_SERVICE] >= 3);
	assert_ms((double)series()->sum_ns[LATENCY_SERVICE] / 1e6 /
			  series()->samples[LATENCY_SERVICE],
		  9.5, 14);
}

static void millisecond_clocks_are_found_out(void **state)
{
	(void)state;
	watch()->tick_votes = 0;
	for (int i = 0; i < 6; i++) {
		struct talk talk = new_talk();

		talk_connect(&talk, 5);
		talk_exchange(&talk, 10, 5);
	}
	assert_true(watch()->tick_votes >= WATCH_VOTES_ENOUGH);
	assert_int_equal(series()->samples[LATENCY_SERVICE] + series()->tick_unknown, 6);
}

static void a_clock_that_nothing_is_known_of_is_not_believed(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	watch()->tick_votes = 0;
	talk.tick_ms = 4; /* no tick of Linux today */
	talk_connect(&talk, 40);
	talk_exchange(&talk, 40, 5);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(series()->tick_unknown, 1);
}

static void a_repeated_syn_is_counted_and_gives_no_service_time(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk.syn_ns = talk_now_ns();
	talk_send(&talk, TH_SYN, 0, 0);
	talk_wait_ms(5);
	talk.seq--;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 5, 5);
	assert_int_equal(counts()->syns, 1);
	assert_int_equal(counts()->syn_retransmits, 1);
	assert_int_equal(counts()->handshakes, 1);
	assert_ms(only_sample_ms(LATENCY_CONNECT), 10, 1000); /* as long as the client waited */
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 1);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(series()->syn_retransmitted, 1);
}

static void without_timestamps_only_the_acks_tell(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk.timestamps = false;
	talk_connect(&talk, 5);
	talk_exchange(&talk, 5, 5);
	assert_int_equal(series()->samples[LATENCY_CONNECT], 1);
	assert_ms(only_sample_ms(LATENCY_RESPONSE), 10, 1000);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(series()->no_timestamp, 1);
}

static void an_echo_of_the_future_is_not_believed(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk.skew_ms = 500;
	talk_exchange(&talk, 5, 5);
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 1);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(series()->bad_anchor, 1);
}

static void an_echo_that_goes_back_is_forged(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk.skew_ms = -4000;
	talk_exchange(&talk, 5, 5);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(series()->forged, 1);
}

static void an_echo_from_before_the_request_is_forged(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 5);
	talk_wait_ms(20);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	talk_wait_ms(10);
	talk.ack += 1000;
	talk_send(&talk, TH_ACK, 0, talk_stamp(&talk, 10));
	assert_int_equal(series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(series()->forged, 1);
}

/* Linux puts options into a SYN cookie's timestamp, which is up to 64 ms early then. */
static void the_timestamp_of_a_syn_cookie_is_found_out(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk.skew_ms = -50;
	talk.clock_start += 100;
	talk_connect(&talk, 30);
	talk.skew_ms = 0;
	talk_exchange(&talk, 5, 30);
	talk_exchange(&talk, 5, 30);
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 2);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 0);
	assert_int_equal(series()->bad_anchor, 2);
}

static void sequence_numbers_may_wrap(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk.seq = 0xffffffd0;
	talk_connect(&talk, 2);
	talk.clock_start = 5000;
	for (int i = 0; i < 3; i++)
		talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 3);
	assert_int_equal(series()->data_retransmits, 0);
	assert_int_equal(series()->requests, 3);
}

static void acknowledgements_and_clocks_may_wrap(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk.clock_start = 0xfffffff8;
	talk.syn_ns = talk_now_ns();
	talk_send(&talk, TH_SYN, 0, 0);
	talk_wait_ms(2);
	talk.ack = 0xfffffe00;
	talk_send(&talk, TH_ACK, 0, talk_stamp(&talk, 0));
	for (int i = 0; i < 3; i++)
		talk_exchange(&talk, 5, 2);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 3);
	assert_ms((double)series()->sum_ns[LATENCY_SERVICE] / 3e6, 4, 6.1);
}

static void a_request_sent_twice_is_left_out(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	talk.seq -= 100;
	talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->data_retransmits, 1);
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 0);
	assert_int_equal(series()->retransmitted, 1);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 1);
}

static void a_segment_that_overlaps_one_sent_before_is_a_repeat(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK, 100, talk.clock_start);
	talk.seq -= 50;
	talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->data_retransmits, 1);
	assert_int_equal(series()->retransmitted, 1);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->data_retransmits, 1);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 1);
}

static void a_request_out_of_order_is_left_out_and_no_repeat(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk.seq += 100;
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	talk.seq -= 200;
	talk_send(&talk, TH_ACK, 100, talk.clock_start);
	talk.seq += 100;
	talk.ack += 1000;
	talk_wait_ms(4);
	talk_send(&talk, TH_ACK, 0, talk_stamp(&talk, talk_elapsed_ms(&talk)));
	assert_int_equal(series()->data_retransmits, 0);
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 0);
	assert_int_equal(series()->retransmitted + series()->out_of_order, 1);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 1);
}

static void a_request_ends_with_its_last_segment(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK, 1000, talk.clock_start);
	talk_wait_ms(30);
	talk_exchange(&talk, 6, 2);
	assert_ms(only_sample_ms(LATENCY_RESPONSE), 8, 25);
	assert_ms(only_sample_ms(LATENCY_SERVICE), 5, 7.5);
	assert_int_equal(series()->requests, 1);
}

static void more_data_behind_a_whole_request_makes_it_unsound(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->overlapped, 1);
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 0);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 1);
}

static void the_first_two_exchanges_of_tls_are_its_own(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk.tls = true;
	talk_connect(&talk, 2);
	for (int i = 0; i < 3; i++)
		talk_exchange(&talk, 4, 2);
	assert_int_equal(series()->requests, 3);
	assert_int_equal(series()->tls_handshake, 2);
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 1);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 1);
}

static void a_flow_met_in_its_middle_is_counted_and_not_measured(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk.ack = 5;
	talk_exchange(&talk, 4, 2);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(counts()->taken_over, 1);
	assert_int_equal(counts()->syns, 0);
	assert_int_equal(counts()->handshakes, 0);
	assert_int_equal(series()->changed, 0);
}

static void a_request_given_up_is_counted(void **state)
{
	const uint8_t ends[] = {TH_FIN | TH_ACK, TH_RST};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct talk talk = new_talk();

		talk_connect(&talk, 1);
		talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
		talk_send(&talk, ends[i], 0, talk.clock_start);
		assert_int_equal(series()->abandoned, i + 1);
	}
	assert_int_equal(series()->resets_before_response, 1);
	assert_int_equal(counts()->fins, 1);
	assert_int_equal(counts()->resets, 1);
}

static void resets_are_told_apart_by_what_came_before(void **state)
{
	struct talk refused = new_talk(), late = new_talk();

	(void)state;
	talk_send(&refused, TH_SYN, 0, 0);
	talk_send(&refused, TH_RST, 0, 0);
	assert_int_equal(counts()->resets_connecting, 1);
	assert_int_equal(counts()->handshakes, 0);
	assert_int_equal(series()->resets_before_response, 1);
	talk_connect(&late, 1);
	talk_exchange(&late, 2, 1);
	talk_send(&late, TH_RST, 0, 0);
	assert_int_equal(series()->resets_after_response, 1);
	assert_int_equal(series()->abandoned, 0);
	assert_int_equal(counts()->resets, 1);
}

static void a_repeated_fin_is_counted(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 1);
	talk_send(&talk, TH_FIN | TH_ACK, 0, talk.clock_start);
	talk.seq--;
	talk_send(&talk, TH_FIN | TH_ACK, 0, talk.clock_start);
	assert_int_equal(series()->fin_retransmits, 1);
	assert_int_equal(counts()->fins, 1);
}

static void a_closed_window_is_counted_once(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 1);
	talk.window = 0;
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	assert_int_equal(series()->zero_windows, 1);
	talk.window = 5;
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	talk.window = 0;
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	assert_int_equal(series()->zero_windows, 2);
}

static void the_last_byte_is_timed_when_the_next_request_comes(void **state)
{
	struct talk talk = new_talk();
	double asked;

	(void)state;
	talk_connect(&talk, 2);
	asked = talk_elapsed_ms(&talk);
	talk_exchange(&talk, 5, 2);
	talk_wait_ms(20);
	talk.ack += 1000;
	talk_send(&talk, TH_ACK, 0, talk_stamp(&talk, asked + 25));
	assert_int_equal(series()->samples[LATENCY_LAST_BYTE], 0);
	talk_wait_ms(10);
	talk_exchange(&talk, 5, 2);
	assert_ms(only_sample_ms(LATENCY_LAST_BYTE), 23.9, 26.1);
	assert_int_equal(series()->samples[LATENCY_SERVICE], 2);
}

static void drift_of_the_clocks_is_followed(void **state)
{
	struct talk talk = new_talk();
	uint64_t before;

	(void)state;
	talk_connect(&talk, 2);
	for (int i = 0; i < 22; i++) {
		talk_wait_ms(420);
		talk.skew_ms += 0.1;
		talk_exchange(&talk, 5, 2);
	}
	assert_int_equal(series()->samples[LATENCY_SERVICE], 22);
	before = series()->sum_ns[LATENCY_SERVICE];
	for (int i = 0; i < 10; i++)
		talk_exchange(&talk, 5, 12); /* late ACKs: the echo has to tell */
	assert_ms((double)(series()->sum_ns[LATENCY_SERVICE] - before) / 1e7, 3.9, 6.6);
}

static void a_series_given_to_others_counts_no_old_flows(void **state)
{
	struct talk talk = new_talk();

	(void)state;
	talk_connect(&talk, 1);
	fixture.view->series_generation[0]++;
	talk_exchange(&talk, 2, 1);
	fixture.view->series_generation[0]--;
	assert_int_equal(series()->requests, 0);
	assert_int_equal(series()->samples[LATENCY_RESPONSE], 0);
}

static void only_one_flow_in_n_is_sampled(void **state)
{
	struct flow flow;

	(void)state;
	fixture.view->control->sample_mask = 7;
	for (int i = 0; i < 800; i++) {
		flow = flow_random(&seed, i % 2 ? V6 : V4, 80, PROTOCOL_TCP);
		flow_send(&fixture, &flow, TH_SYN);
	}
	fixture.view->control->sample_mask = 0;
	assert_int_equal(counts()->syns, 800);
	assert_in_range(series()->flows, 60, 145);
	fixture.view->control->sample_off = 1;
	flow = flow_random(&seed, V4, 80, PROTOCOL_TCP);
	flow_send(&fixture, &flow, TH_SYN);
	fixture.view->control->sample_off = 0;
	assert_in_range(series()->flows, 60, 145);
}

/* A datagram of a QUIC client: a long header with this ID, or a short one. */
static void send_quic(const struct flow *flow, uint8_t first, uint8_t id)
{
	char client[ADDRESS_TEXT_MAX], vip[ADDRESS_TEXT_MAX];
	struct packet packet;
	struct outcome outcome;
	uint8_t *quic;

	address_text(&flow->client, client);
	address_text(&flow->vip, vip);
	packet_build(&packet, pkt_eth(), pkt_ip4(client, vip),
		     pkt_udp(flow->client_port, flow->vip_port), pkt_payload(200));
	quic = packet.data + 14 + 20 + 8;
	memset(quic, id, 32);
	quic[0] = first;
	if (first & 0x80) {
		memcpy(quic + 1, (uint8_t[]){0, 0, 0, 1, 8}, 5);
		memset(quic + 6, id, 8);
	}
	fixture_send(&fixture, &packet, &outcome);
	assert_int_equal(outcome.reason, REASON_FORWARDED);
}

static void a_quic_handshake_ends_when_the_server_has_answered(void **state)
{
	struct flow flow = flow_random(&seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&flow, 0xc3, 1);
	talk_wait_ms(4);
	send_quic(&flow, 0xc3, 1); /* the same Initial again */
	assert_int_equal(series()->samples[LATENCY_QUIC_HANDSHAKE], 0);
	talk_wait_ms(4);
	send_quic(&flow, 0xc3, 2);
	assert_ms(only_sample_ms(LATENCY_QUIC_HANDSHAKE), 8, 100);
	send_quic(&flow, 0xe3, 2);
	send_quic(&flow, 0x40, 2);
	assert_int_equal(series()->samples[LATENCY_QUIC_HANDSHAKE], 1);
}

static void datagrams_of_other_protocols_are_told_from_quic(void **state)
{
	struct flow flow = flow_random(&seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&flow, 0x12, 1);
	send_quic(&flow, 0x40, 1);
	assert_int_equal(series()->not_quic, 1);
	assert_int_equal(series()->flows, 1);
	assert_int_equal(series()->samples[LATENCY_QUIC_HANDSHAKE], 0);
}

static void turns_of_the_spin_bit_are_round_trips(void **state)
{
	struct flow flow = flow_random(&seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&flow, 0xc3, 1);
	for (int turn = 0; turn < 10; turn++) {
		for (int i = 0; i < 8; i++)
			send_quic(&flow, turn % 2 ? 0x60 : 0x40, 2);
		talk_wait_ms(5);
	}
	assert_in_range(series()->samples[LATENCY_QUIC_SPIN], 4, 6); /* once it is judged */
	assert_ms((double)series()->sum_ns[LATENCY_QUIC_SPIN] / 1e6 /
			  series()->samples[LATENCY_QUIC_SPIN],
		  5, 50);
	assert_int_equal(series()->no_spin, 0);
}

static void a_client_that_sets_the_spin_bit_at_random_is_left_out(void **state)
{
	struct flow random = flow_random(&seed, V4, 443, PROTOCOL_UDP);
	struct flow fixed = flow_random(&seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&random, 0xc3, 1);
	send_quic(&fixed, 0xc3, 1);
	for (int i = 0; i < 100; i++) {
		send_quic(&random, flow_random_number(&seed) & 0x20 ? 0x60 : 0x40, 2);
		send_quic(&fixed, 0x40, 2);
	}
	assert_int_equal(series()->samples[LATENCY_QUIC_SPIN], 0);
	assert_int_equal(series()->no_spin, 2);
}

/* From a router that could not pass on what this host sent into a tunnel. */
static void an_icmp_error_about_a_tunnel_is_counted_for_its_backend(void **state)
{
	struct tunnel_backend backend = {.slot = fixture_slot(&fixture, "blue", "10.1.0.1")};
	struct tunnel_key key = {.address = {[10] = 0xff, 0xff, 10, 1, 0, 1}};
	struct packet packet;
	struct outcome outcome;

	(void)state;
	packet_build(&packet, pkt_eth(), pkt_ip4("192.0.2.254", FIXTURE_SOURCE4),
		     pkt_icmp4(3, 4, .rest = 1400), pkt_ip4(FIXTURE_SOURCE4, "10.1.0.1"),
		     pkt_ip4("198.51.100.7", V4), pkt_tcp(40000, 80, TH_ACK));
	fixture_send(&fixture, &packet, &outcome);
	assert_int_equal(counts()->icmp_errors, 0);
	assert_int_equal(
		bpf_map_update_elem(fixture.view->tunnel_backends_fd, &key, &backend, BPF_ANY), 0);
	fixture_send(&fixture, &packet, &outcome);
	bpf_map_delete_elem(fixture.view->tunnel_backends_fd, &key);
	assert_int_equal(outcome.action, XDP_PASS);
	assert_int_equal(outcome.reason, REASON_NOT_VIP);
	assert_int_equal(counts()->icmp_errors, 1);
}

static void flows_over_ipv6_are_measured_alike(void **state)
{
	struct flow flow = flow_random(&seed, V6, 80, PROTOCOL_TCP);
	struct talk talk;

	(void)state;
	talk_start(&talk, &fixture, &flow);
	talk_connect(&talk, 5);
	talk_exchange(&talk, 12, 5);
	assert_ms(only_sample_ms(LATENCY_SERVICE), 10.5, 15);
}

#define AFRESH(TEST) cmocka_unit_test_setup(TEST, start_afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AFRESH(a_handshake_is_timed_from_syn_to_ack),
		AFRESH(every_sample_lies_in_the_bucket_of_its_value),
		AFRESH(service_time_is_the_backends_own),
		AFRESH(service_time_minds_no_delayed_ack),
		AFRESH(a_request_may_acknowledge_the_response_before_it),
		AFRESH(microsecond_clocks_are_found_out),
		AFRESH(millisecond_clocks_are_found_out),
		AFRESH(a_clock_that_nothing_is_known_of_is_not_believed),
		AFRESH(a_repeated_syn_is_counted_and_gives_no_service_time),
		AFRESH(without_timestamps_only_the_acks_tell),
		AFRESH(an_echo_of_the_future_is_not_believed),
		AFRESH(an_echo_that_goes_back_is_forged),
		AFRESH(an_echo_from_before_the_request_is_forged),
		AFRESH(the_timestamp_of_a_syn_cookie_is_found_out),
		AFRESH(sequence_numbers_may_wrap),
		AFRESH(acknowledgements_and_clocks_may_wrap),
		AFRESH(a_request_sent_twice_is_left_out),
		AFRESH(a_segment_that_overlaps_one_sent_before_is_a_repeat),
		AFRESH(a_request_out_of_order_is_left_out_and_no_repeat),
		AFRESH(a_request_ends_with_its_last_segment),
		AFRESH(more_data_behind_a_whole_request_makes_it_unsound),
		AFRESH(the_first_two_exchanges_of_tls_are_its_own),
		AFRESH(a_flow_met_in_its_middle_is_counted_and_not_measured),
		AFRESH(a_request_given_up_is_counted),
		AFRESH(resets_are_told_apart_by_what_came_before),
		AFRESH(a_repeated_fin_is_counted),
		AFRESH(a_closed_window_is_counted_once),
		AFRESH(the_last_byte_is_timed_when_the_next_request_comes),
		AFRESH(drift_of_the_clocks_is_followed),
		AFRESH(a_series_given_to_others_counts_no_old_flows),
		AFRESH(only_one_flow_in_n_is_sampled),
		AFRESH(a_quic_handshake_ends_when_the_server_has_answered),
		AFRESH(datagrams_of_other_protocols_are_told_from_quic),
		AFRESH(turns_of_the_spin_bit_are_round_trips),
		AFRESH(a_client_that_sets_the_spin_bit_at_random_is_left_out),
		AFRESH(an_icmp_error_about_a_tunnel_is_counted_for_its_backend),
		AFRESH(flows_over_ipv6_are_measured_alike),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
