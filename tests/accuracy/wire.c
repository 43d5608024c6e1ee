/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A long wire: carries frames between two interfaces, each frame a given time later, and loses
 * some of those that go from the second to the first. Each flow has a delay of its own if told
 * so, and stays in order.
 */
#include "accuracy/timers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX  2048
#define FRAMES_MAX 65536 /* on the way at a time; more are lost */
#define BUFFER	   (8 << 20)

static const char usage[] = "usage: wire FIRST SECOND [options]\n"
			    "  --delay US  each way (default 10000)\n"
			    "  --spread S  of the logarithm of the flows' delays (default 0)\n"
			    "  --loss P    share of the frames from SECOND to FIRST (default 0)\n"
			    "  --seed N\n";

struct frame {
	STAILQ_ENTRY(frame) next; /* while it is spare */
	struct timer timer;	  /* while it is on the way */
	int to;
	uint32_t size;
	uint8_t data[FRAME_MAX];
};

STAILQ_HEAD(frames, frame);

struct wire {
	int socket[2];
	struct timers under_way;
	struct frames spare;
	uint32_t frames_n;
	uint64_t chance;
	double delay_us, spread, loss;
	uint64_t carried, lost, overrun;
	int epoll;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static struct frame *frame_get(struct wire *wire)
{
	struct frame *frame = STAILQ_FIRST(&wire->spare);

	if (frame) {
		STAILQ_REMOVE_HEAD(&wire->spare, next);
		return frame;
	}
	if (wire->frames_n == FRAMES_MAX)
		return NULL;
	frame = calloc(1, sizeof(*frame));
	wire->frames_n += frame != NULL;
	return frame;
}

/* The client's port, which is the flow as far as a wire knows; 0: not TCP, or not in IP. */
static uint16_t client_port(const struct frame *frame)
{
	const uint8_t *ip = frame->data + ETH_HLEN;
	uint16_t type = (uint16_t)(frame->data[12] << 8 | frame->data[13]);
	uint32_t header = type == ETH_P_IP ? (ip[0] & 15) * 4U : 40;
	uint8_t protocol = type == ETH_P_IP ? ip[9] : ip[6];

	if ((type != ETH_P_IP && type != ETH_P_IPV6) || protocol != IPPROTO_TCP ||
	    frame->size < ETH_HLEN + header + 4)
		return 0;
	ip += header + (frame->to == 0 ? 2 : 0);
	return (uint16_t)(ip[0] << 8 | ip[1]);
}

/* The same for all of a flow, so that it stays in order. */
static uint64_t delay_of(const struct wire *wire, const struct frame *frame)
{
	uint64_t chance = client_port(frame);
	double us = wire->delay_us;

	if (chance && wire->spread > 0)
		us = chance_lognormal(&chance, wire->delay_us, wire->spread);
	return (uint64_t)(us * NS_PER_US);
}

/* All that has come in at one end. */
static void take(struct wire *wire, int from)
{
	struct frame *frame;
	ssize_t n;

	while ((frame = frame_get(wire))) {
		n = recv(wire->socket[from], frame->data, sizeof(frame->data),
			 MSG_DONTWAIT | MSG_TRUNC);
		frame->size = (uint32_t)n;
		frame->to = !from;
		if (n <= 0 || n > FRAME_MAX ||
		    (from == 1 && wire->loss > 0 && chance_share(&wire->chance) <= wire->loss) ||
		    timers_set(&wire->under_way, &frame->timer,
			       clock_now_ns() + delay_of(wire, frame))) {
			STAILQ_INSERT_HEAD(&wire->spare, frame, next);
			if (n <= 0)
				return;
			wire->lost++;
		}
	}
	wire->overrun++;
}

static struct frame *frame_of(struct timer *timer)
{
	return (struct frame *)((char *)timer - offsetof(struct frame, timer));
}

static void give(struct wire *wire)
{
	struct timer *timer;

	while ((timer = timers_take_due(&wire->under_way, clock_now_ns()))) {
		struct frame *frame = frame_of(timer);

		if (send(wire->socket[frame->to], frame->data, frame->size, MSG_DONTWAIT) < 0)
			wire->overrun++;
		else
			wire->carried++;
		STAILQ_INSERT_HEAD(&wire->spare, frame, next);
	}
}

static void run(struct wire *wire)
{
	struct epoll_event events[2];
	struct timespec space;
	sigset_t during;

	sigemptyset(&during);
	while (!stopping) {
		int n = epoll_pwait2(wire->epoll, events, 2, timers_wait(&wire->under_way, &space),
				     &during);

		for (int i = 0; i < n; i++)
			take(wire, (int)events[i].data.u32);
		give(wire);
	}
}

static int attach(struct wire *wire, int end, const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ETH_P_ALL),
				      .sll_ifindex = (int)if_nametoindex(interface)};
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)end};
	int on = 1, buffer = BUFFER;
	/* Bound before it gets anything: protocol 0 is no protocol. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || !address.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    epoll_ctl(wire->epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	wire->socket[end] = fd;
	return 0;
}

/* A wire that waits its turn would be a longer one. Not everybody may ask for that. */
static void be_prompt(void)
{
	struct sched_param first = {.sched_priority = 1};

	timers_be_precise();
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		perror("wire: no real-time scheduling");
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

static void wire_end(struct wire *wire)
{
	struct timer *timer;
	struct frame *frame;

	while ((timer = timers_take_due(&wire->under_way, UINT64_MAX)))
		free(frame_of(timer));
	timers_free(&wire->under_way);
	while ((frame = STAILQ_FIRST(&wire->spare))) {
		STAILQ_REMOVE_HEAD(&wire->spare, next);
		free(frame);
	}
	close(wire->epoll);
}

static const struct option options[] = {
	{"delay", required_argument, NULL, 'd'},
	{"spread", required_argument, NULL, 'w'},
	{"loss", required_argument, NULL, 'l'},
	{"seed", required_argument, NULL, 's'},
	{},
};

int main(int argc, char **argv)
{
	static struct wire wire = {.delay_us = 10000, .chance = 3};
	int option, r = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			wire.delay_us = strtod(optarg, NULL);
			break;
		case 'w':
			wire.spread = strtod(optarg, NULL);
			break;
		case 'l':
			wire.loss = strtod(optarg, NULL);
			break;
		case 's':
			wire.chance = strtoull(optarg, NULL, 10);
			break;
		default:
			return fputs(usage, stderr), 2;
		}
	}
	if (optind != argc - 2)
		return fputs(usage, stderr), 2;
	STAILQ_INIT(&wire.spare);
	catch_signals();
	be_prompt();
	wire.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int end = 0; end < 2 && r == 0; end++)
		r = attach(&wire, end, argv[optind + end]);
	if (r < 0) {
		fprintf(stderr, "wire: %s\n", strerror(-r));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	run(&wire);
	printf("{\"carried\": %lu, \"lost\": %lu, \"overrun\": %lu}\n", wire.carried, wire.lost,
	       wire.overrun);
	wire_end(&wire);
	return 0;
}
