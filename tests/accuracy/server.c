/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A backend whose service times are known: it answers `GET /US` after a time drawn from a
 * log-normal distribution whose median is US microseconds, and keeps when each request had come
 * and when its response went. On SIGTERM it writes that down, a line a request: listening port,
 * peer's port, number of the request on its connection, and in nanoseconds of CLOCK_MONOTONIC
 * when the kernel got the request's last segment (0: it did not say), when it had been read, and
 * when the response was given to the kernel.
 */
#include "accuracy/channel.h"
#include "accuracy/timers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX   64
#define REQUEST_MAX  4096
#define RESPONSE_MAX 65536

static const char usage[] = "usage: server [options], one of --port and --tls-port at least\n"
			    "  --port N        plain HTTP/1.1\n"
			    "  --tls-port N    over TLS 1.3, with --cert FILE and --key FILE\n"
			    "  --sigma S       of the logarithm of service times (default 0.5)\n"
			    "  --more US       slower than asked for by so much\n"
			    "  --size N        bytes of a response's body (default 200)\n"
			    "  --seed N\n"
			    "  --log FILE\n";

struct exchange {
	uint64_t arrived_ns, read_ns, written_ns;
	uint32_t number;
	uint16_t port, peer_port;
};

/* What epoll is given: a listener, or a connection. */
struct socket {
	bool is_listener;
	uint16_t port; /* listened at */
};

struct listener {
	struct socket socket;
	int fd;
	SSL_CTX *tls; /* NULL: plain */
};

struct connection {
	struct socket socket;
	LIST_ENTRY(connection) all;
	struct channel channel;
	struct timer timer;	 /* set: a request is being served */
	struct exchange current; /* `number` counts the whole requests */
	size_t used;
	char request[REQUEST_MAX];
};

LIST_HEAD(connections, connection);

struct server {
	int epoll;
	double sigma, more_us;
	uint64_t chance;
	const char *log;
	struct listener listeners[2];
	unsigned int listeners_n;
	struct timers timers;
	struct connections connections;
	struct exchange *exchanges;
	size_t exchanges_n, exchanges_size;
	char response[RESPONSE_MAX];
	size_t response_size;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static void connection_end(struct server *server, struct connection *connection)
{
	timers_cancel(&server->timers, &connection->timer);
	channel_close(&connection->channel);
	LIST_REMOVE(connection, all);
	free(connection);
}

static void connection_begin(struct server *server, const struct listener *listener)
{
	struct sockaddr_in6 peer = {};
	socklen_t length = sizeof(peer);
	int fd = accept4(listener->fd, (struct sockaddr *)&peer, &length,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *connection = fd < 0 ? NULL : calloc(1, sizeof(*connection));
	struct epoll_event event = {.events = EPOLLIN};

	if (!connection) {
		if (fd >= 0)
			close(fd);
		return;
	}
	connection->socket.port = listener->socket.port;
	connection->current.port = listener->socket.port;
	connection->current.peer_port = ntohs(peer.sin6_port);
	event.data.ptr = &connection->socket;
	if (channel_open(&connection->channel, fd, listener->tls, true) < 0) {
		free(connection);
		return;
	}
	LIST_INSERT_HEAD(&server->connections, connection, all);
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
		connection_end(server, connection);
}

static int keep(struct server *server, const struct exchange *exchange)
{
	if (server->exchanges_n == server->exchanges_size) {
		size_t size = server->exchanges_size ? 2 * server->exchanges_size : 16384;
		struct exchange *more = reallocarray(server->exchanges, size,
						     sizeof(*server->exchanges));

		if (!more)
			return -ENOMEM;
		server->exchanges = more;
		server->exchanges_size = size;
	}
	server->exchanges[server->exchanges_n++] = *exchange;
	return 0;
}

/* Takes the next whole request, if there is one and none is being served. */
static int serve(struct server *server, struct connection *connection)
{
	char *end = memmem(connection->request, connection->used, "\r\n\r\n", 4);
	double median_us, service_us;

	if (!end)
		return connection->used == sizeof(connection->request) ? -EMSGSIZE : 0;
	if (connection->timer.place)
		return 0;
	*end = '\0';
	if (sscanf(connection->request, "GET /%lf", &median_us) != 1)
		return -EPROTO;
	end += 4;
	connection->used -= (size_t)(end - connection->request);
	memmove(connection->request, end, connection->used);
	connection->current.number++;
	service_us = server->more_us + chance_lognormal(&server->chance, median_us, server->sigma);
	return timers_set(&server->timers, &connection->timer,
			  connection->current.read_ns + (uint64_t)(service_us * NS_PER_US));
}

static int answer(struct server *server, struct connection *connection)
{
	int r;

	r = channel_write(&connection->channel, server->response, server->response_size);
	connection->current.written_ns = connection->channel.sent_ns;
	if (r == 0)
		r = keep(server, &connection->current);
	return r < 0 ? r : serve(server, connection);
}

static int take(struct server *server, struct connection *connection)
{
	ssize_t n = channel_read(&connection->channel, connection->request + connection->used,
				 sizeof(connection->request) - connection->used);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	connection->current.read_ns = clock_now_ns();
	connection->current.arrived_ns = connection->channel.arrived_ns;
	connection->used += (size_t)n;
	return serve(server, connection);
}

static void run(struct server *server)
{
	struct epoll_event events[EVENTS_MAX];
	struct timespec space;
	sigset_t during;

	sigemptyset(&during);
	while (!stopping) {
		int n = epoll_pwait2(server->epoll, events, EVENTS_MAX,
				     timers_wait(&server->timers, &space), &during);
		struct timer *timer;

		for (int i = 0; i < n; i++) {
			struct socket *socket = events[i].data.ptr;

			if (socket->is_listener)
				connection_begin(server, (struct listener *)socket);
			else if (take(server, (struct connection *)socket) < 0)
				connection_end(server, (struct connection *)socket);
		}
		while ((timer = timers_take_due(&server->timers, clock_now_ns()))) {
			struct connection *connection =
				(struct connection *)((char *)timer -
						      offsetof(struct connection, timer));

			if (answer(server, connection) < 0)
				connection_end(server, connection);
		}
	}
}

static int listen_at(struct server *server, uint16_t port, SSL_CTX *tls)
{
	struct listener *listener = &server->listeners[server->listeners_n];
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener->socket};
	int on = 1;

	*listener = (struct listener){.socket = {.is_listener = true, .port = port}, .tls = tls};
	listener->fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0 ||
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(listener->fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)) ||
	    bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener->fd, 4096) ||
	    epoll_ctl(server->epoll, EPOLL_CTL_ADD, listener->fd, &event))
		return -errno;
	server->listeners_n++;
	return 0;
}

static int write_log(const struct server *server)
{
	FILE *file = fopen(server->log, "we");

	if (!file)
		return -errno;
	for (size_t i = 0; i < server->exchanges_n; i++) {
		const struct exchange *e = &server->exchanges[i];

		fprintf(file, "%u %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", e->port,
			e->peer_port, e->number, e->arrived_ns, e->read_ns, e->written_ns);
	}
	return fclose(file) ? -errno : 0;
}

static void set_size(struct server *server, size_t body)
{
	int head = snprintf(server->response, sizeof(server->response),
			    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body);

	memset(server->response + head, 'x', body);
	server->response_size = (size_t)head + body;
}

static int server_end(struct server *server, int status)
{
	while (!LIST_EMPTY(&server->connections))
		connection_end(server, LIST_FIRST(&server->connections));
	for (unsigned int i = 0; i < server->listeners_n; i++) {
		close(server->listeners[i].fd);
		SSL_CTX_free(server->listeners[i].tls);
	}
	timers_free(&server->timers);
	free(server->exchanges);
	close(server->epoll);
	return status;
}

/* Signals come only while run() waits. */
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

static const struct option options[] = {
	{"port", required_argument, NULL, 'p'},	 {"tls-port", required_argument, NULL, 't'},
	{"cert", required_argument, NULL, 'c'},	 {"key", required_argument, NULL, 'k'},
	{"sigma", required_argument, NULL, 's'}, {"more", required_argument, NULL, 'm'},
	{"size", required_argument, NULL, 'b'},	 {"seed", required_argument, NULL, 'r'},
	{"log", required_argument, NULL, 'l'},	 {},
};

int main(int argc, char **argv)
{
	static struct server server = {.sigma = 0.5, .chance = 1};
	const char *cert = NULL, *key = NULL;
	unsigned long port = 0, tls_port = 0, size = 200;
	SSL_CTX *tls = NULL;
	int option, r = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			port = strtoul(optarg, NULL, 10);
			break;
		case 't':
			tls_port = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			cert = optarg;
			break;
		case 'k':
			key = optarg;
			break;
		case 's':
			server.sigma = strtod(optarg, NULL);
			break;
		case 'm':
			server.more_us = strtod(optarg, NULL);
			break;
		case 'b':
			size = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			server.chance = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			server.log = optarg;
			break;
		default:
			return fputs(usage, stderr), 2;
		}
	}
	if (optind < argc || (!port && !tls_port) || port > 65535 || tls_port > 65535 ||
	    size > RESPONSE_MAX / 2)
		return fputs(usage, stderr), 2;
	catch_signals();
	timers_be_precise();
	set_size(&server, size);
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (tls_port && !(tls = channel_tls(cert, key)))
		return server_end(&server, 1);
	if (port)
		r = listen_at(&server, (uint16_t)port, NULL);
	if (r == 0 && tls)
		r = listen_at(&server, (uint16_t)tls_port, tls);
	if (r == 0) {
		puts("ready");
		fflush(stdout);
		run(&server);
		r = server.log ? write_log(&server) : 0;
	}
	if (r < 0)
		fprintf(stderr, "server: %s\n", strerror(-r));
	return server_end(&server, r < 0);
}
