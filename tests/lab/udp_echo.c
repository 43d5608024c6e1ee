/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * usage: udp_echo STACK BACKEND PORT ADDRESS ...
 * Answers each datagram to one of the addresses (of either family) from that address, with what
 * came, over the beginning of which stands a line "STACK BACKEND".
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 16
#define DATAGRAM_MAX  65536

static int listen_at(const char *address, unsigned int port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	bool v4 = inet_pton(AF_INET, address, &in4.sin_addr) == 1;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	int err;

	if (fd < 0 || (!v4 && inet_pton(AF_INET6, address, &in6.sin6_addr) != 1))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4 << 20}, sizeof(int));
	err = v4 ? bind(fd, (struct sockaddr *)&in4, sizeof(in4))
		 : bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	return err ? -1 : fd;
}

static void answer(int fd, const char *name)
{
	static char datagram[DATAGRAM_MAX];
	size_t prefix = strlen(name);
	struct sockaddr_storage from;
	socklen_t from_size = sizeof(from);
	ssize_t n;

	n = recvfrom(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&from, &from_size);
	if (n < 0)
		return;
	memcpy(datagram, name, prefix);
	if (sendto(fd, datagram, (size_t)n > prefix ? (size_t)n : prefix, 0,
		   (struct sockaddr *)&from, from_size) < 0)
		perror("sendto");
}

int main(int argc, char **argv)
{
	struct pollfd fds[ADDRESSES_MAX];
	nfds_t n = 0;
	char name[128];

	if (argc < 5 || argc - 4 > ADDRESSES_MAX) {
		fprintf(stderr, "usage: udp_echo STACK BACKEND PORT ADDRESS ...\n");
		return 2;
	}
	snprintf(name, sizeof(name), "%s %s\n", argv[1], argv[2]);
	for (; n + 4 < (nfds_t)argc; n++) {
		fds[n] = (struct pollfd){.fd = listen_at(argv[n + 4], (unsigned int)atoi(argv[3])),
					 .events = POLLIN};
		if (fds[n].fd < 0) {
			perror(argv[n + 4]);
			return 1;
		}
	}
	while (poll(fds, n, -1) >= 0) {
		for (nfds_t i = 0; i < n; i++) {
			if (fds[i].revents & POLLIN)
				answer(fds[i].fd, name);
		}
	}
	return 1;
}
