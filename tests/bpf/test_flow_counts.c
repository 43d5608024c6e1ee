/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is counted of a flow, and what is left out, and for which reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "common/util.h"
#include "lib/measured.h"

static void a_request_sent_twice_is_left_out(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	talk.seq -= 100;
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->data_retransmits, 1);
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 0);
	assert_int_equal(measured_series()->retransmitted, 1);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 1);
}

static void a_segment_that_overlaps_one_sent_before_is_a_repeat(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK, 100, talk.clock_start);
	talk.seq -= 50;
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->data_retransmits, 1);
	assert_int_equal(measured_series()->retransmitted, 1);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->data_retransmits, 1);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 1);
}

static void a_keep_alive_with_a_byte_is_no_repeat(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_exchange(&talk, 4, 2);
	talk.seq--;
	talk_send(&talk, TH_ACK, 1, talk.clock_start);
	assert_int_equal(measured_series()->data_retransmits, 0);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 2);
	assert_int_equal(measured_series()->retransmitted, 0);
}

static void a_request_out_of_order_is_left_out_and_no_repeat(void **state)
{
	struct talk talk = measured_talk();

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
	assert_int_equal(measured_series()->data_retransmits, 0);
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 0);
	assert_int_equal(measured_series()->retransmitted + measured_series()->out_of_order, 1);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 1);
}

static void a_request_ends_with_its_last_segment(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK, 1000, talk.clock_start);
	talk_wait_ms(30);
	talk_exchange(&talk, 6, 2);
	assert_ms(measured_only_ms(LATENCY_RESPONSE), 8, 25);
	assert_ms(measured_only_ms(LATENCY_SERVICE), 5, 7.5);
	assert_int_equal(measured_series()->requests, 1);
}

static void more_data_behind_a_whole_request_makes_it_unsound(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 2);
	talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->overlapped, 1);
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 0);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 1);
}

static void the_first_two_exchanges_of_tls_are_its_own(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk.tls = true;
	talk_connect(&talk, 2);
	for (int i = 0; i < 3; i++)
		talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_series()->requests, 3);
	assert_int_equal(measured_series()->tls_handshake, 2);
	assert_int_equal(measured_series()->samples[LATENCY_RESPONSE], 1);
	assert_int_equal(measured_series()->samples[LATENCY_SERVICE], 1);
}

static void a_flow_met_in_its_middle_is_counted_and_not_measured(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk.ack = 5;
	talk_exchange(&talk, 4, 2);
	talk_exchange(&talk, 4, 2);
	assert_int_equal(measured_counts()->taken_over, 1);
	assert_int_equal(measured_counts()->syns, 0);
	assert_int_equal(measured_counts()->handshakes, 0);
	assert_int_equal(measured_series()->changed, 0);
}

static void a_request_given_up_is_counted(void **state)
{
	const uint8_t ends[] = {TH_FIN | TH_ACK, TH_RST};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct talk talk = measured_talk();

		talk_connect(&talk, 1);
		talk_send(&talk, TH_ACK | TH_PUSH, 100, talk.clock_start);
		talk_send(&talk, ends[i], 0, talk.clock_start);
		assert_int_equal(measured_series()->abandoned, i + 1);
	}
	assert_int_equal(measured_series()->resets_before_response, 1);
	assert_int_equal(measured_counts()->fins, 1);
	assert_int_equal(measured_counts()->resets, 1);
}

static void resets_are_told_apart_by_what_came_before(void **state)
{
	struct talk refused = measured_talk(), late = measured_talk();

	(void)state;
	talk_send(&refused, TH_SYN, 0, 0);
	talk_send(&refused, TH_RST, 0, 0);
	assert_int_equal(measured_counts()->resets_connecting, 1);
	assert_int_equal(measured_counts()->handshakes, 0);
	assert_int_equal(measured_series()->resets_before_response, 1);
	talk_connect(&late, 1);
	talk_exchange(&late, 2, 1);
	talk_send(&late, TH_RST, 0, 0);
	assert_int_equal(measured_series()->resets_after_response, 1);
	assert_int_equal(measured_series()->abandoned, 0);
	assert_int_equal(measured_counts()->resets, 1);
}

static void a_repeated_fin_is_counted(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 1);
	talk_send(&talk, TH_FIN | TH_ACK, 0, talk.clock_start);
	talk.seq--;
	talk_send(&talk, TH_FIN | TH_ACK, 0, talk.clock_start);
	assert_int_equal(measured_series()->fin_retransmits, 1);
	assert_int_equal(measured_counts()->fins, 1);
}

static void a_closed_window_is_counted_once(void **state)
{
	struct talk talk = measured_talk();

	(void)state;
	talk_connect(&talk, 1);
	talk.window = 0;
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	assert_int_equal(measured_series()->zero_windows, 1);
	talk.window = 5;
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	talk.window = 0;
	talk_send(&talk, TH_ACK, 0, talk.clock_start);
	assert_int_equal(measured_series()->zero_windows, 2);
}

static void only_one_flow_in_n_is_sampled(void **state)
{
	struct flow flow;

	(void)state;
	measured.view->control->sample_mask = 7;
	for (int i = 0; i < 800; i++) {
		flow = flow_random(&measured_seed, i % 2 ? V6 : V4, 80, PROTOCOL_TCP);
		flow_send(&measured, &flow, TH_SYN);
	}
	measured.view->control->sample_mask = 0;
	assert_int_equal(measured_counts()->syns, 800);
	assert_in_range(measured_series()->flows, 60, 145);
	measured.view->control->sample_off = 1;
	flow = flow_random(&measured_seed, V4, 80, PROTOCOL_TCP);
	flow_send(&measured, &flow, TH_SYN);
	measured.view->control->sample_off = 0;
	assert_in_range(measured_series()->flows, 60, 145);
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
	fixture_send(&measured, &packet, &outcome);
	assert_int_equal(outcome.reason, REASON_FORWARDED);
}

static void a_quic_handshake_ends_when_the_server_has_answered(void **state)
{
	struct flow flow = flow_random(&measured_seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&flow, 0xc3, 1);
	talk_wait_ms(4);
	send_quic(&flow, 0xc3, 1); /* the same Initial again */
	assert_int_equal(measured_series()->samples[LATENCY_QUIC_HANDSHAKE], 0);
	talk_wait_ms(4);
	send_quic(&flow, 0xc3, 2);
	assert_ms(measured_only_ms(LATENCY_QUIC_HANDSHAKE), 8, 100);
	send_quic(&flow, 0xe3, 2);
	send_quic(&flow, 0x40, 2);
	assert_int_equal(measured_series()->samples[LATENCY_QUIC_HANDSHAKE], 1);
}

static void datagrams_of_other_protocols_are_told_from_quic(void **state)
{
	struct flow flow = flow_random(&measured_seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&flow, 0x12, 1);
	send_quic(&flow, 0x40, 1);
	assert_int_equal(measured_series()->not_quic, 1);
	assert_int_equal(measured_series()->flows, 1);
	assert_int_equal(measured_series()->samples[LATENCY_QUIC_HANDSHAKE], 0);
}

static void turns_of_the_spin_bit_are_round_trips(void **state)
{
	struct flow flow = flow_random(&measured_seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&flow, 0xc3, 1);
	for (int turn = 0; turn < 10; turn++) {
		for (int i = 0; i < 8; i++)
			send_quic(&flow, turn % 2 ? 0x60 : 0x40, 2);
		talk_wait_ms(5);
	}
	assert_in_range(measured_series()->samples[LATENCY_QUIC_SPIN], 4,
			6); /* once it is judged */
	assert_ms((double)measured_series()->sum_ns[LATENCY_QUIC_SPIN] / 1e6 /
			  measured_series()->samples[LATENCY_QUIC_SPIN],
		  5, 50);
	assert_int_equal(measured_series()->no_spin, 0);
}

static void a_client_that_sets_the_spin_bit_at_random_is_left_out(void **state)
{
	struct flow random = flow_random(&measured_seed, V4, 443, PROTOCOL_UDP);
	struct flow fixed = flow_random(&measured_seed, V4, 443, PROTOCOL_UDP);

	(void)state;
	send_quic(&random, 0xc3, 1);
	send_quic(&fixed, 0xc3, 1);
	for (int i = 0; i < 100; i++) {
		send_quic(&random, flow_random_number(&measured_seed) & 0x20 ? 0x60 : 0x40, 2);
		send_quic(&fixed, 0x40, 2);
	}
	assert_int_equal(measured_series()->samples[LATENCY_QUIC_SPIN], 0);
	assert_int_equal(measured_series()->no_spin, 2);
}

/* From a router that could not pass on what this host sent into a tunnel. */
static void an_icmp_error_about_a_tunnel_is_counted_for_its_backend(void **state)
{
	struct tunnel_backend backend = {.slot = fixture_slot(&measured, "blue", "10.1.0.1")};
	struct tunnel_key key = {.address = {[10] = 0xff, 0xff, 10, 1, 0, 1}};
	struct packet packet;
	struct outcome outcome;

	(void)state;
	packet_build(&packet, pkt_eth(), pkt_ip4("192.0.2.254", FIXTURE_SOURCE4),
		     pkt_icmp4(3, 4, .rest = 1400), pkt_ip4(FIXTURE_SOURCE4, "10.1.0.1"),
		     pkt_ip4("198.51.100.7", V4), pkt_tcp(40000, 80, TH_ACK));
	fixture_send(&measured, &packet, &outcome);
	assert_int_equal(measured_counts()->icmp_errors, 0);
	assert_int_equal(
		bpf_map_update_elem(measured.view->tunnel_backends_fd, &key, &backend, BPF_ANY), 0);
	fixture_send(&measured, &packet, &outcome);
	bpf_map_delete_elem(measured.view->tunnel_backends_fd, &key);
	assert_int_equal(outcome.action, XDP_PASS);
	assert_int_equal(outcome.reason, REASON_NOT_VIP);
	assert_int_equal(measured_counts()->icmp_errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEASURED(a_request_sent_twice_is_left_out),
		MEASURED(a_segment_that_overlaps_one_sent_before_is_a_repeat),
		MEASURED(a_keep_alive_with_a_byte_is_no_repeat),
		MEASURED(a_request_out_of_order_is_left_out_and_no_repeat),
		MEASURED(a_request_ends_with_its_last_segment),
		MEASURED(more_data_behind_a_whole_request_makes_it_unsound),
		MEASURED(the_first_two_exchanges_of_tls_are_its_own),
		MEASURED(a_flow_met_in_its_middle_is_counted_and_not_measured),
		MEASURED(a_request_given_up_is_counted),
		MEASURED(resets_are_told_apart_by_what_came_before),
		MEASURED(a_repeated_fin_is_counted),
		MEASURED(a_closed_window_is_counted_once),
		MEASURED(only_one_flow_in_n_is_sampled),
		MEASURED(a_quic_handshake_ends_when_the_server_has_answered),
		MEASURED(datagrams_of_other_protocols_are_told_from_quic),
		MEASURED(turns_of_the_spin_bit_are_round_trips),
		MEASURED(a_client_that_sets_the_spin_bit_at_random_is_left_out),
		MEASURED(an_icmp_error_about_a_tunnel_is_counted_for_its_backend),
	};

	return cmocka_run_group_tests(tests, measured_open, measured_close);
}
