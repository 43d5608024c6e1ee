/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A long wire: carries frames between two interfaces, each frame a given time later, and loses
 * some of those that go from the second to the first. In order, and never later than the
 * scheduler has it.
 */
#include "accuracy/timers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
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
			    "  --loss P    share of the frames from SECOND to FIRST (default 0)\n"
			    "  --seed N\n";

struct frame {
	STAILQ_ENTRY(frame) next;
	uint64_t due_ns;
	uint32_t size;
	char data[FRAME_MAX];
};

STAILQ_HEAD(frames, frame);

struct wire {
	int socket[2];
	struct frames out[2]; /* on the way to that interface */
	struct frames spare;
	uint32_t frames_n;
	uint64_t delay_ns, chance;
	double loss;
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
	frame = malloc(sizeof(*frame));
	wire->frames_n += frame != NULL;
	return frame;
}

/* All that has come in at one end. */
static void take(struct wire *wire, int from)
{
	struct frame *frame;
	ssize_t n;

	while ((frame = frame_get(wire))) {
		n = recv(wire->socket[from], frame->data, sizeof(frame->data),
			 MSG_DONTWAIT | MSG_TRUNC);
		if (n <= 0 || n > FRAME_MAX ||
		    (from == 1 && wire->loss > 0 && chance_share(&wire->chance) <= wire->loss)) {
			STAILQ_INSERT_HEAD(&wire->spare, frame, next);
			if (n <= 0)
				return;
			wire->lost++;
			continue;
		}
		frame->size = (uint32_t)n;
		frame->due_ns = clock_now_ns() + wire->delay_ns;
		STAILQ_INSERT_TAIL(&wire->out[!from], frame, next);
	}
	wire->overrun++;
}

static void give(struct wire *wire, int to)
{
	struct frame *frame;

	while ((frame = STAILQ_FIRST(&wire->out[to])) && frame->due_ns <= clock_now_ns()) {
		if (send(wire->socket[to], frame->data, frame->size, MSG_DONTWAIT) < 0)
			wire->overrun++;
		else
			wire->carried++;
		STAILQ_REMOVE_HEAD(&wire->out[to], next);
		STAILQ_INSERT_HEAD(&wire->spare, frame, next);
	}
}

/* Until the next frame is due; NULL: none is on the way. */
static const struct timespec *wait_time(const struct wire *wire, struct timespec *space)
{
	uint64_t due_ns = UINT64_MAX, now_ns = clock_now_ns(), left_ns;

	for (int to = 0; to < 2; to++) {
		const struct frame *first = STAILQ_FIRST(&wire->out[to]);

		if (first && first->due_ns < due_ns)
			due_ns = first->due_ns;
	}
	if (due_ns == UINT64_MAX)
		return NULL;
	left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	*space = (struct timespec){.tv_sec = (time_t)(left_ns / NS_PER_S),
				   .tv_nsec = (long)(left_ns % NS_PER_S)};
	return space;
}

static void run(struct wire *wire)
{
	struct epoll_event events[2];
	struct timespec space;
	sigset_t during;

	sigemptyset(&during);
	while (!stopping) {
		int n = epoll_pwait2(wire->epoll, events, 2, wait_time(wire, &space), &during);

		for (int i = 0; i < n; i++)
			take(wire, (int)events[i].data.u32);
		give(wire, 0);
		give(wire, 1);
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

static void free_frames(struct frames *frames)
{
	struct frame *frame;

	while ((frame = STAILQ_FIRST(frames))) {
		STAILQ_REMOVE_HEAD(frames, next);
		free(frame);
	}
}

static const struct option options[] = {
	{"delay", required_argument, NULL, 'd'},
	{"loss", required_argument, NULL, 'l'},
	{"seed", required_argument, NULL, 's'},
	{},
};

int main(int argc, char **argv)
{
	static struct wire wire = {.delay_ns = 10000 * NS_PER_US, .chance = 3};
	int option, r = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			wire.delay_ns = strtoull(optarg, NULL, 10) * NS_PER_US;
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
	STAILQ_INIT(&wire.out[0]);
	STAILQ_INIT(&wire.out[1]);
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
	free_frames(&wire.out[0]);
	free_frames(&wire.out[1]);
	free_frames(&wire.spare);
	return 0;
}
