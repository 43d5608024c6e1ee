/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * usage: push COUNT PAUSE_MS ADDRESS SERVICE VIP MAC SENDER RECEIVER STACK RECEIVER STACK
 *
 * How long a weight push takes to reach packets: SetSplit moves a UDP service whole from one stack
 * to the other and back, COUNT times, PAUSE_MS after the answer to the one before. Meanwhile
 * frames to the VIP, each of a new client, leave eth0 of namespace SENDER for the edge's MAC all
 * the time, PACE_NS apart at least, and arrive in the RECEIVER of the STACK that the kernel
 * chose for them. Prints a line for each push, in ms since just before the call: when the first
 * frame arrived at the other stack, and when the answer did.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "common/util.h"
#include "lib/packet.h"
#include "rpc/client.h"
#include "steerd/v1/agent.pb-c.h"

#define PORT	    80
#define PROTOCOL_AT (ETH_HLEN + (ssize_t)offsetof(struct iphdr, protocol))
#define PACE_NS	    20000
#define STEADY	    200 /* frames in a row that must arrive at one stack before a push */
#define PATIENCE_S  10
#define TIMEOUT_MS  (PATIENCE_S * 1000)

struct receiver {
	const char *stack;
	int fd;
	unsigned long frames;
};

static struct {
	const char *vip, *mac, *service;
	int sender_fd;
	unsigned int flow; /* of the next frame */
	struct receiver receivers[2];
	struct rpc_client *rpc;
	sem_t wanted;	  /* a push */
	unsigned int to;  /* which receiver gets everything */
	double begun;	  /* s: the call */
	double answered;  /* s */
	atomic_bool done; /* answered */
} test;

static void die(const char *what)
{
	fprintf(stderr, "push: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A socket stays where it was made. protocol 0: it gets nothing. */
static int open_packet_socket(const char *namespace, uint16_t protocol)
{
	CLEANUP_FREE char *path = util_format("/run/netns/%s", namespace);
	CLEANUP_CLOSE int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	CLEANUP_CLOSE int there = open(path, O_RDONLY | O_CLOEXEC);
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	int fd;

	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET))
		die(path);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	at.sll_ifindex = (int)if_nametoindex("eth0");
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("cannot open a packet socket on eth0");
	if (setns(home, CLONE_NEWNET))
		die("cannot come back from the namespace");
	return fd;
}

static void send_frame(void)
{
	unsigned int i = test.flow++;
	struct packet packet;
	char client[16];

	snprintf(client, sizeof(client), "10.64.%u.%u", i >> 8 & 255, i & 255);
	packet_build(&packet, pkt_eth(.dst = test.mac), pkt_ip4(client, test.vip),
		     pkt_udp((uint16_t)(1024 + (i >> 16) % 64000), PORT), pkt_payload(18));
	if (send(test.sender_fd, packet.data, packet.size, 0) < 0)
		die("cannot send a frame");
}

/* Health checks of the same backends come as TCP, and are not counted. */
static void count_frames(struct receiver *receiver)
{
	uint8_t frame[128];
	ssize_t n;

	while ((n = recv(receiver->fd, frame, sizeof(frame), 0)) >= 0)
		if (n > PROTOCOL_AT && frame[PROTOCOL_AT] == IPPROTO_IPIP)
			receiver->frames++;
	if (errno != EAGAIN)
		die("cannot receive");
}

static void pump(void)
{
	const struct timespec pace = {.tv_nsec = PACE_NS};

	send_frame();
	for (size_t i = 0; i < ARRAY_SIZE(test.receivers); i++)
		count_frames(&test.receivers[i]);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pace, NULL);
}

static void push(void)
{
	Steerd__V1__SplitEntry entries[] = {STEERD__V1__SPLIT_ENTRY__INIT,
					    STEERD__V1__SPLIT_ENTRY__INIT};
	Steerd__V1__SplitEntry *split[] = {&entries[0], &entries[1]};
	Steerd__V1__SetSplitRequest request = STEERD__V1__SET_SPLIT_REQUEST__INIT;
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	ProtobufCMessage *reply = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		entries[i].stack = (char *)test.receivers[i].stack;
		entries[i].weight = i == test.to ? 100 : 0;
	}
	request.service = (char *)test.service;
	request.split = split;
	request.n_split = ARRAY_SIZE(split);
	if (rpc_client_call_message(test.rpc, "/steerd.v1.AgentService/SetSplit", &request.base,
				    &steerd__v1__set_split_response__descriptor, TIMEOUT_MS, &reply,
				    &error)) {
		fprintf(stderr, "push: SetSplit: %s\n", error.message);
		exit(1);
	}
	protobuf_c_message_free_unpacked(reply, NULL);
}

/* Calls from a thread of its own, so that frames go on meanwhile. */
static void *caller(void *unused)
{
	(void)unused;
	for (;;) {
		while (sem_wait(&test.wanted))
			;
		test.begun = now_s();
		push();
		test.answered = now_s();
		atomic_store(&test.done, true);
	}
	return NULL;
}

static void begin_push(unsigned int to)
{
	test.to = to;
	atomic_store(&test.done, false);
	sem_post(&test.wanted);
}

/* Until every frame arrives at one stack, and at least until then. */
static void settle(unsigned int at, double until)
{
	double deadline = now_s() + PATIENCE_S;
	unsigned long since = test.receivers[at].frames, strays = test.receivers[!at].frames;

	while (test.receivers[at].frames - since < STEADY || now_s() < until) {
		if (now_s() > deadline + until) {
			fprintf(stderr, "push: frames do not arrive at stack %s\n",
				test.receivers[at].stack);
			exit(1);
		}
		pump();
		if (test.receivers[!at].frames != strays) {
			since = test.receivers[at].frames;
			strays = test.receivers[!at].frames;
		}
	}
}

static void measure(unsigned int to)
{
	unsigned long before = test.receivers[to].frames;
	double deadline = now_s() + PATIENCE_S, first = 0;

	begin_push(to);
	while (!first || !atomic_load(&test.done)) {
		pump();
		if (!first && test.receivers[to].frames != before)
			first = now_s();
		if (now_s() > deadline) {
			fprintf(stderr, "push: no frame under the new weights\n");
			exit(1);
		}
	}
	printf("%.3f %.3f\n", 1000 * (first - test.begun), 1000 * (test.answered - test.begun));
}

static void run(unsigned int count, unsigned int pause_ms)
{
	pthread_t thread;

	sem_init(&test.wanted, 0, 0);
	if (pthread_create(&thread, NULL, caller, NULL))
		die("cannot start a thread");
	begin_push(0); /* makes the connection, too */
	while (!atomic_load(&test.done))
		pump();
	settle(0, now_s() + pause_ms / 1000.0);
	for (unsigned int i = 1; i <= count; i++) {
		measure(i % 2);
		settle(i % 2, now_s() + pause_ms / 1000.0);
	}
}

int main(int argc, char **argv)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	struct rpc_client_options options = {0};

	if (argc != 12) {
		fprintf(stderr, "usage: push COUNT PAUSE_MS ADDRESS SERVICE VIP MAC SENDER "
				"RECEIVER STACK RECEIVER STACK\n");
		return 2;
	}
	options.address = argv[3];
	test.service = argv[4];
	test.vip = argv[5];
	test.mac = argv[6];
	test.sender_fd = open_packet_socket(argv[7], 0);
	for (int i = 0; i < 2; i++)
		test.receivers[i] =
			(struct receiver){.stack = argv[9 + 2 * i],
					  .fd = open_packet_socket(argv[8 + 2 * i], ETH_P_IP)};
	if (rpc_client_open(&options, &test.rpc, &error)) {
		fprintf(stderr, "push: %s\n", error.message);
		return 1;
	}
	/* A flow that an earlier run began would stay where it is. */
	if (getrandom(&test.flow, sizeof(test.flow), 0) != sizeof(test.flow))
		die("no random bytes");
	prctl(PR_SET_TIMERSLACK, 1);
	run((unsigned int)atoi(argv[1]), (unsigned int)atoi(argv[2]));
	return 0;
}
