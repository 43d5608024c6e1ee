/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Clients: new connections at a given mean rate, each of which asks several times, thinking in
 * between, and leaves. At the end, into the log, a line a connection and one a request:
 *   connect PORT CONNECT_NS KERNEL_US           by connect() and by the kernel's own first RTT
 *   request PORT NUMBER SENT_NS FIRST_NS        CLOCK_MONOTONIC: sent, and answered
 * and on standard output one line of JSON.
 */
#include "accuracy/channel.h"
#include "accuracy/timers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define ANSWER_MAX 65536

static const char usage[] = "usage: client --target ADDRESS [options]\n"
			    "  --port N         default 80\n"
			    "  --tls            TLS 1.3\n"
			    "  --sources A      first of the IPv4 addresses used in turn\n"
			    "  --clients N      addresses from there on (default 1)\n"
			    "  --path PATH      what is asked for (default /1000)\n"
			    "  --rate N         new connections a second (default 10)\n"
			    "  --connections N  then stop (default 100)\n"
			    "  --requests N     on each (default 20)\n"
			    "  --think US       between response and request, mean (default 0)\n"
			    "  --timeout MS     until a connection is given up (default 15000)\n"
			    "  --seed N\n"
			    "  --log FILE\n";

struct settings {
	struct sockaddr_storage target;
	socklen_t target_length;
	const char *path, *log;
	double rate, think_us;
	uint32_t connections, requests, timeout_ms;
	struct in_addr sources; /* 0: whichever */
	uint32_t clients;
	bool tls;
};

struct exchange {
	uint64_t sent_ns, first_ns;
	uint32_t number; /* 0: a connect, sent_ns to first_ns, of kernel_us by the kernel */
	uint32_t kernel_us;
	uint16_t port;
};

enum state { CONNECTING, SHAKING_HANDS, WAITING, THINKING };

struct connection {
	TAILQ_ENTRY(connection) all; /* the oldest first */
	struct timer timer;	     /* set: thinking */
	struct channel channel;	     /* fd only, while connecting */
	struct exchange current;
	enum state state;
	uint64_t begun_ns;
	size_t used;
	char answer[ANSWER_MAX];
};

TAILQ_HEAD(connections, connection);

struct client {
	struct settings settings;
	SSL_CTX *tls;
	int epoll;
	uint64_t chance;
	struct timers timers;
	struct timer arrival; /* of the next connection */
	struct connections connections;
	uint32_t begun, done, failed;
	uint64_t start_ns;
	struct exchange *exchanges;
	size_t exchanges_n;
	char request[512];
};

static void end(struct client *client, struct connection *connection, bool ok)
{
	timers_cancel(&client->timers, &connection->timer);
	channel_close(&connection->channel);
	TAILQ_REMOVE(&client->connections, connection, all);
	free(connection);
	client->done += ok;
	client->failed += !ok;
}

/* From the next client's address. */
static int bind_source(const struct client *client, int fd)
{
	uint32_t address = ntohl(client->settings.sources.s_addr);
	struct sockaddr_in source = {.sin_family = AF_INET};
	int on = 1;

	if (!address)
		return 0;
	source.sin_addr.s_addr = htonl(address + client->begun % client->settings.clients);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)))
		return -1;
	return bind(fd, (struct sockaddr *)&source, sizeof(source));
}

static int begin(struct client *client)
{
	const struct settings *settings = &client->settings;
	struct connection *connection = calloc(1, sizeof(*connection));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = connection};
	int fd;

	client->begun++;
	if (!connection)
		return -ENOMEM;
	fd = socket(settings->target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	connection->channel.fd = fd;
	connection->begun_ns = clock_now_ns();
	TAILQ_INSERT_TAIL(&client->connections, connection, all);
	if (fd < 0 || bind_source(client, fd) ||
	    (connect(fd, (const struct sockaddr *)&settings->target, settings->target_length) &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event)) {
		perror("client: connect");
		end(client, connection, false);
	}
	return 0;
}

static int ask(struct client *client, struct connection *connection)
{
	connection->state = WAITING;
	connection->used = 0;
	connection->current.number++;
	connection->current.sent_ns = clock_now_ns();
	return channel_write(&connection->channel, client->request, strlen(client->request));
}

static void keep(struct client *client, const struct exchange *exchange)
{
	client->exchanges[client->exchanges_n++] = *exchange;
}

/* Nothing but the handshake has been timed by the kernel as yet. */
static int note_connect(struct client *client, struct connection *connection)
{
	struct sockaddr_storage local;
	struct tcp_info info = {};
	socklen_t length = sizeof(local), info_length = sizeof(info);
	int fd = connection->channel.fd;

	connection->current.sent_ns = connection->begun_ns;
	connection->current.first_ns = clock_now_ns();
	if (getsockname(fd, (struct sockaddr *)&local, &length) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_length))
		return -errno;
	connection->current.port = ntohs(((struct sockaddr_in *)&local)->sin_port);
	connection->current.kernel_us = info.tcpi_rtt;
	keep(client, &connection->current);
	return 0;
}

static int connected(struct client *client, struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	int error = 0, r, fd = connection->channel.fd;
	socklen_t length = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) || error)
		return error ? -error : -errno;
	r = note_connect(client, connection);
	if (r < 0)
		return r;
	if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, fd, &event))
		return -errno;
	r = channel_open(&connection->channel, fd, client->tls, false);
	if (r < 0) {
		connection->channel.fd = -1;
		return r;
	}
	connection->state = SHAKING_HANDS;
	return channel_is_ready(&connection->channel) ? ask(client, connection) : 0;
}

static bool is_whole(const char *answer, size_t used)
{
	const char *body = memmem(answer, used, "\r\n\r\n", 4);
	size_t length;

	return body && sscanf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu", &length) == 1 &&
	       used == (size_t)(body + 4 - answer) + length;
}

/* 1: that was the last. */
static int answered(struct client *client, struct connection *connection)
{
	connection->current.first_ns = clock_now_ns();
	keep(client, &connection->current);
	if (connection->current.number == client->settings.requests)
		return 1;
	if (client->settings.think_us <= 0)
		return ask(client, connection);
	connection->state = THINKING;
	return timers_set(
		&client->timers, &connection->timer,
		connection->current.first_ns +
			(uint64_t)(chance_exponential(&client->chance, client->settings.think_us) *
				   NS_PER_US));
}

static int take(struct client *client, struct connection *connection)
{
	ssize_t n = channel_read(&connection->channel, connection->answer + connection->used,
				 sizeof(connection->answer) - 1 - connection->used);

	if (n <= 0 && n != -EAGAIN)
		return n < 0 ? (int)n : -ECONNRESET;
	if (connection->state == SHAKING_HANDS)
		return channel_is_ready(&connection->channel) ? ask(client, connection) : 0;
	if (n == -EAGAIN)
		return 0;
	connection->used += (size_t)n;
	connection->answer[connection->used] = '\0';
	return is_whole(connection->answer, connection->used) ? answered(client, connection) : 0;
}

static void serve(struct client *client, struct connection *connection)
{
	int r = connection->state == CONNECTING ? connected(client, connection)
						: take(client, connection);

	if (r < 0 && client->failed < 5)
		fprintf(stderr, "client: %s after %u requests\n", strerror(-r),
			connection->current.number);
	if (r)
		end(client, connection, r > 0);
}

static int on_timer(struct client *client, struct timer *timer)
{
	if (timer == &client->arrival) {
		int r = begin(client);

		/* By chance: at even steps all would meet the backend's clock in the same phase. */
		if (r == 0 && client->begun < client->settings.connections)
			r = timers_set(&client->timers, timer,
				       timer->due_ns +
					       (uint64_t)chance_exponential(
						       &client->chance,
						       (double)NS_PER_S / client->settings.rate));
		return r;
	}
	struct connection *connection =
		(struct connection *)((char *)timer - offsetof(struct connection, timer));

	if (ask(client, connection) < 0)
		end(client, connection, false);
	return 0;
}

static void give_up_late(struct client *client, uint64_t now_ns)
{
	uint64_t timeout_ns = client->settings.timeout_ms * 1000 * NS_PER_US;
	struct connection *first;

	while ((first = TAILQ_FIRST(&client->connections)) && first->begun_ns + timeout_ns < now_ns)
		end(client, first, false);
}

static int run(struct client *client)
{
	struct epoll_event events[EVENTS_MAX];
	struct timespec space, second = {.tv_sec = 1};
	int r = timers_set(&client->timers, &client->arrival, client->start_ns);

	while (r == 0 && (client->begun < client->settings.connections ||
			  !TAILQ_EMPTY(&client->connections))) {
		const struct timespec *wait = timers_wait(&client->timers, &space);
		int n = epoll_pwait2(client->epoll, events, EVENTS_MAX,
				     wait && wait->tv_sec == 0 ? wait : &second, NULL);
		struct timer *timer;

		for (int i = 0; i < n; i++)
			serve(client, events[i].data.ptr);
		while (r == 0 && (timer = timers_take_due(&client->timers, clock_now_ns())))
			r = on_timer(client, timer);
		give_up_late(client, clock_now_ns());
	}
	return r;
}

static int write_log(const struct client *client)
{
	FILE *file = fopen(client->settings.log, "we");

	if (!file)
		return -errno;
	for (size_t i = 0; i < client->exchanges_n; i++) {
		const struct exchange *e = &client->exchanges[i];

		if (!e->number)
			fprintf(file, "connect %u %" PRIu64 " %u\n", e->port,
				e->first_ns - e->sent_ns, e->kernel_us);
		else
			fprintf(file, "request %u %u %" PRIu64 " %" PRIu64 "\n", e->port, e->number,
				e->sent_ns, e->first_ns);
	}
	return fclose(file) ? -errno : 0;
}

static int set_target(struct settings *settings, const char *address, unsigned long port)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&settings->target;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&settings->target;

	if (inet_pton(AF_INET, address, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		settings->target_length = sizeof(*in4);
	} else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		settings->target_length = sizeof(*in6);
	} else {
		return -EINVAL;
	}
	in4->sin_port = htons((uint16_t)port); /* at the same place in both */
	return 0;
}

static const struct option options[] = {
	{"target", required_argument, NULL, 'a'},
	{"port", required_argument, NULL, 'p'},
	{"sources", required_argument, NULL, 'f'},
	{"clients", required_argument, NULL, 'c'},
	{"tls", no_argument, NULL, 't'},
	{"path", required_argument, NULL, 'u'},
	{"rate", required_argument, NULL, 'r'},
	{"think", required_argument, NULL, 'w'},
	{"connections", required_argument, NULL, 'n'},
	{"requests", required_argument, NULL, 'm'},
	{"timeout", required_argument, NULL, 'o'},
	{"seed", required_argument, NULL, 's'},
	{"log", required_argument, NULL, 'l'},
	{},
};

static int read_options(int argc, char **argv, struct client *client)
{
	struct settings *s = &client->settings;
	const char *address = "";
	unsigned long port = 80;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			address = optarg;
			break;
		case 'p':
			port = strtoul(optarg, NULL, 10);
			break;
		case 't':
			s->tls = true;
			break;
		case 'f':
			if (inet_pton(AF_INET, optarg, &s->sources) != 1)
				return -EINVAL;
			break;
		case 'c':
			s->clients = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'u':
			s->path = optarg;
			break;
		case 'r':
			s->rate = strtod(optarg, NULL);
			break;
		case 'w':
			s->think_us = strtod(optarg, NULL);
			break;
		case 'n':
			s->connections = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			s->requests = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			s->timeout_ms = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			client->chance = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			s->log = optarg;
			break;
		default:
			return -EINVAL;
		}
	}
	if (optind < argc || s->rate <= 0 || !s->connections || !s->requests || !s->clients)
		return -EINVAL;
	return set_target(s, address, port);
}

static int prepare(struct client *client)
{
	const struct settings *s = &client->settings;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	timers_be_precise();
	snprintf(client->request, sizeof(client->request), "GET %s HTTP/1.1\r\nHost: shop\r\n\r\n",
		 s->path);
	TAILQ_INIT(&client->connections);
	client->exchanges = calloc((size_t)s->connections * (s->requests + 1),
				   sizeof(*client->exchanges));
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->tls)
		client->tls = channel_tls(NULL, NULL);
	return client->exchanges && client->epoll >= 0 && (client->tls || !s->tls) ? 0 : -ENOMEM;
}

int main(int argc, char **argv)
{
	static struct client client = {.settings = {.path = "/1000",
						    .rate = 10,
						    .connections = 100,
						    .requests = 20,
						    .timeout_ms = 15000,
						    .clients = 1},
				       .chance = 2};
	int r;

	if (read_options(argc, argv, &client) < 0)
		return fputs(usage, stderr), 2;
	r = prepare(&client);
	if (r == 0) {
		client.start_ns = clock_now_ns();
		r = run(&client);
	}
	if (r == 0 && client.settings.log)
		r = write_log(&client);
	if (r < 0)
		fprintf(stderr, "client: %s\n", strerror(-r));
	else
		printf("{\"connections\": %u, \"done\": %u, \"failed\": %u}\n", client.begun,
		       client.done, client.failed);
	while (!TAILQ_EMPTY(&client.connections))
		end(&client, TAILQ_FIRST(&client.connections), false);
	timers_free(&client.timers);
	free(client.exchanges);
	SSL_CTX_free(client.tls);
	close(client.epoll);
	return r < 0;
}
