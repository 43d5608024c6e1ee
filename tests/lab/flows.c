/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * usage: flows PIN_DIR SOCKET COUNT SEED RECEIVERS VIP ...
 *
 * Whether Explain says what the kernel does: random flows to the VIPs go through the live pinned
 * program one packet each; what it is told about the flow before, and about the then known flow
 * after, must be where the packet went. RECEIVERS has a line "STACK ADDRESS MODE MAC" for each
 * backend, by which a packet is recognised: its destination MAC (l2), or its outer destination
 * address (ipip). Prints how many flows went where.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "common/util.h"
#include "lib/packet.h"
#include "rpc/client.h"
#include "steerd/v1/agent.pb-c.h"

#define RECEIVERS_MAX 256
#define VIPS_MAX      8
#define OUT_MAX	      (PACKET_MAX + 64)
#define SHOWN_MAX     20 /* disagreements printed in full */
#define TIMEOUT_MS    10000

struct receiver {
	char stack[STEER_NAME];
	char address[INET6_ADDRSTRLEN];
	char mode[8];
	uint8_t mac[ETH_ALEN];
	unsigned int flows;
};

struct flow {
	char client[INET6_ADDRSTRLEN];
	const char *vip;
	bool v6, udp;
	uint16_t sport, dport;
};

/* Where one packet ends up, as the kernel did it or as Explain says. */
struct answer {
	char reason[64];
	char stack[STEER_NAME];
	char backend[INET6_ADDRSTRLEN];
};

static struct {
	int program;
	struct rpc_client *client;
	struct receiver receivers[RECEIVERS_MAX];
	unsigned int receivers_n;
	unsigned int passed; /* flows that were no service's */
	unsigned int disagreements;
} test;

static void die(const char *what)
{
	fprintf(stderr, "flows: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void read_receivers(const char *path)
{
	CLEANUP_FCLOSE FILE *file = fopen(path, "re");
	struct receiver r = {0};

	if (!file)
		die(path);
	while (test.receivers_n < RECEIVERS_MAX &&
	       fscanf(file, "%31s %45s %7s %hhx:%hhx:%hhx:%hhx:%hhx:%hhx", r.stack, r.address,
		      r.mode, &r.mac[0], &r.mac[1], &r.mac[2], &r.mac[3], &r.mac[4],
		      &r.mac[5]) == 9)
		test.receivers[test.receivers_n++] = r;
}

static void random_client(struct flow *flow)
{
	uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8};

	for (size_t i = flow->v6 ? 4 : 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	bytes[0] = flow->v6 ? bytes[0] : (uint8_t)(1 + random() % 100); /* unicast */
	inet_ntop(flow->v6 ? AF_INET6 : AF_INET, bytes, flow->client, sizeof(flow->client));
}

static void random_flow(struct flow *flow, char **vips, unsigned int vips_n)
{
	flow->vip = vips[(unsigned long)random() % vips_n];
	flow->v6 = strchr(flow->vip, ':');
	flow->udp = random() % 3 == 0;
	flow->sport = (uint16_t)(1024 + random() % 64000);
	flow->dport = random() % 16 ? 80 : 81; /* 81 is no service's */
	random_client(flow);
}

static void build_packet(const struct flow *flow, uint8_t flags, uint16_t payload,
			 struct packet *packet)
{
	struct layer ip = flow->v6 ? pkt_ip6(flow->client, flow->vip)
				   : pkt_ip4(flow->client, flow->vip);
	struct layer transport = flow->udp ? pkt_udp(flow->sport, flow->dport)
					   : pkt_tcp(flow->sport, flow->dport, flags);

	packet_build(packet, pkt_eth(), ip, transport, pkt_payload(payload));
}

/* The outer destination of a packet that has grown, as text. */
static void outer_destination(const uint8_t *out, char *ret)
{
	const struct ethhdr *eth = (const void *)out;
	const struct iphdr *ip4 = (const void *)(eth + 1);
	const struct ipv6hdr *ip6 = (const void *)(eth + 1);

	if (eth->h_proto == htons(ETH_P_IP))
		inet_ntop(AF_INET, &ip4->daddr, ret, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &ip6->daddr, ret, INET6_ADDRSTRLEN);
}

static struct receiver *find_receiver(const uint8_t *out, bool grown)
{
	const struct ethhdr *eth = (const void *)out;
	char outer[INET6_ADDRSTRLEN] = "";

	if (grown)
		outer_destination(out, outer);
	for (unsigned int i = 0; i < test.receivers_n; i++) {
		struct receiver *r = &test.receivers[i];
		bool same_mac = memcmp(r->mac, eth->h_dest, ETH_ALEN) == 0;

		if (same_mac &&
		    (grown ? strcmp(r->address, outer) == 0 : strcmp(r->mode, "l2") == 0))
			return r;
	}
	return NULL;
}

static uint32_t run_program(const struct packet *packet, uint8_t **ret_out, uint32_t *ret_size)
{
	static uint8_t buffer[2 + OUT_MAX] __attribute__((aligned(8)));
	uint8_t *out = buffer + 2; /* so that the IP header is aligned */
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet->data,
		    .data_size_in = (uint32_t)packet->size, .data_out = out,
		    .data_size_out = OUT_MAX, .repeat = 1);

	if (bpf_prog_test_run_opts(test.program, &run))
		die("cannot run the program");
	*ret_out = out;
	*ret_size = run.data_size_out;
	return run.retval;
}

static void ask_kernel(const struct packet *packet, struct answer *ret)
{
	uint8_t *out;
	uint32_t size, action = run_program(packet, &out, &size);
	struct receiver *receiver;

	*ret = (struct answer){0};
	if (action == XDP_PASS) {
		test.passed++;
		snprintf(ret->reason, sizeof(ret->reason), "not_vip");
		return;
	}
	snprintf(ret->reason, sizeof(ret->reason), "%s",
		 action == XDP_DROP ? "dropped" : "forwarded");
	receiver = find_receiver(out, size > packet->size);
	if (!receiver)
		return;
	receiver->flows++;
	memcpy(ret->stack, receiver->stack, sizeof(ret->stack));
	memcpy(ret->backend, receiver->address, sizeof(ret->backend));
}

static void ask_agent(const struct flow *flow, struct answer *ret)
{
	Steerd__V1__ExplainRequest request = STEERD__V1__EXPLAIN_REQUEST__INIT;
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	ProtobufCMessage *reply = NULL;
	const Steerd__V1__ExplainResponse *explained;

	request.protocol = flow->udp ? STEERD__V1__PROTOCOL__PROTOCOL_UDP
				     : STEERD__V1__PROTOCOL__PROTOCOL_TCP;
	request.client = (char *)flow->client;
	request.client_port = flow->sport;
	request.vip = (char *)flow->vip;
	request.vip_port = flow->dport;
	if (rpc_client_call_message(test.client, "/steerd.v1.AgentService/Explain", &request.base,
				    &steerd__v1__explain_response__descriptor, TIMEOUT_MS, &reply,
				    &error)) {
		fprintf(stderr, "flows: Explain: %s\n", error.message);
		exit(2);
	}
	explained = (const Steerd__V1__ExplainResponse *)reply;
	snprintf(ret->reason, sizeof(ret->reason), "%s", explained->reason);
	snprintf(ret->stack, sizeof(ret->stack), "%s", explained->stack);
	snprintf(ret->backend, sizeof(ret->backend), "%s", explained->backend);
	protobuf_c_message_free_unpacked(reply, NULL);
}

static void compare(const struct flow *flow, const char *when, const struct answer *kernel,
		    const struct answer *agent)
{
	if (strcmp(kernel->reason, agent->reason) == 0 &&
	    strcmp(kernel->stack, agent->stack) == 0 &&
	    strcmp(kernel->backend, agent->backend) == 0)
		return;
	if (test.disagreements++ < SHOWN_MAX)
		fprintf(stderr,
			"%s %s port %u to %s port %u: the kernel did '%s %s/%s', Explain said %s "
			"'%s %s/%s'\n",
			flow->udp ? "udp" : "tcp", flow->client, flow->sport, flow->vip,
			flow->dport, kernel->reason, kernel->stack, kernel->backend, when,
			agent->reason, agent->stack, agent->backend);
}

static void try_flow(char **vips, unsigned int vips_n)
{
	struct answer before, kernel, after;
	struct packet packet, ack;
	struct flow flow;
	uint32_t size;
	uint8_t *out;

	random_flow(&flow, vips, vips_n);
	build_packet(&flow, random() % 4 ? TH_SYN : TH_ACK, (uint16_t)(random() % 200), &packet);
	build_packet(&flow, TH_ACK, 0, &ack);
	ask_agent(&flow, &before);
	ask_kernel(&packet, &kernel);
	ask_agent(&flow, &after);
	compare(&flow, "before", &kernel, &before);
	compare(&flow, "after", &kernel, &after);
	run_program(&ack, &out, &size); /* or no handshake would ever be completed: breakers open */
}

static void print_summary(unsigned int count)
{
	printf("%u flows, %u disagreements; no service's %u", count, test.disagreements,
	       test.passed);
	for (unsigned int i = 0; i < test.receivers_n; i++)
		printf("; %s/%s %u", test.receivers[i].stack, test.receivers[i].address,
		       test.receivers[i].flows);
	printf("\n");
}

int main(int argc, char **argv)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_FREE char *pin = argc > 1 ? util_format("%s/prog", argv[1]) : NULL;
	struct rpc_client_options options = {.address = argc > 2 ? argv[2] : NULL};
	unsigned int count;

	if (argc < 7 || argc - 6 > VIPS_MAX) {
		fprintf(stderr, "usage: flows PIN_DIR SOCKET COUNT SEED RECEIVERS VIP ...\n");
		return 2;
	}
	count = (unsigned int)atoi(argv[3]);
	srandom((unsigned int)atoi(argv[4]));
	read_receivers(argv[5]);
	test.program = bpf_obj_get(pin);
	if (test.program < 0)
		die(pin);
	if (rpc_client_open(&options, &test.client, &error)) {
		fprintf(stderr, "flows: %s\n", error.message);
		return 2;
	}
	for (unsigned int i = 0; i < count; i++)
		try_flow(argv + 6, (unsigned int)(argc - 6));
	print_summary(count);
	rpc_client_close(test.client);
	return test.disagreements ? 1 : 0;
}
