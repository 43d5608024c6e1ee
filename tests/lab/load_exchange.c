/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lab/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static enum load_result result_of_errno(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return LOAD_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return LOAD_RESET;
	case ETIMEDOUT:
		return LOAD_TIMEOUT;
	default:
		return LOAD_LOCAL;
	}
}

/* Client n's own address; false: the kernel is to choose. */
static bool client_address(const struct load_options *options, int family, uint32_t client,
			   union socket_address *ret)
{
	*ret = options->sources[family == AF_INET6];
	if (!ret->any.sa_family)
		return false;
	if (family == AF_INET) {
		ret->in4.sin_addr.s_addr = htonl(ntohl(ret->in4.sin_addr.s_addr) + client);
	} else {
		uint32_t *last = &ret->in6.sin6_addr.s6_addr32[3];

		*last = htonl(ntohl(*last) + client);
	}
	return true;
}

static socklen_t address_size(const union socket_address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->in4) : sizeof(address->in6);
}

static int bind_client(int fd, const struct load_options *options, int family, uint32_t client)
{
	union socket_address source;

	if (!client_address(options, family, client, &source))
		return 0;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &(int){1}, sizeof(int));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &(int){1}, sizeof(int));
	return bind(fd, &source.any, address_size(&source));
}

enum load_result exchange_open(struct exchange *exchange, const struct load_options *options,
			       int epoll)
{
	const union socket_address *target = &options->targets[exchange->target];
	int type = (options->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = exchange};

	exchange->state = EXCHANGE_CONNECTING;
	exchange->fd = socket(target->any.sa_family, type, 0);
	if (exchange->fd < 0 ||
	    bind_client(exchange->fd, options, target->any.sa_family, exchange->client))
		return LOAD_LOCAL;
	if (connect(exchange->fd, &target->any, address_size(target)) && errno != EINPROGRESS)
		return result_of_errno(errno);
	return epoll_ctl(epoll, EPOLL_CTL_ADD, exchange->fd, &event) ? LOAD_LOCAL : LOAD_OK;
}

static size_t write_request(const struct exchange *exchange, const struct load_options *options,
			    char *request, size_t size)
{
	int n;

	if (options->udp) {
		memset(request, 'u', options->size);
		return options->size;
	}
	n = snprintf(request, size, "GET %s HTTP/1.1\r\nHost: lab\r\nConnection: %s\r\n\r\n",
		     options->path, exchange->held ? "keep-alive" : "close");
	return (size_t)n < size ? (size_t)n : size - 1;
}

bool exchange_ask(struct exchange *exchange, const struct load_options *options,
		  enum load_result *ret_result)
{
	static char request[65536];
	size_t size = write_request(exchange, options, request, sizeof(request));
	ssize_t n = send(exchange->fd, request, size, MSG_NOSIGNAL);

	exchange->used = 0;
	exchange->in_body = false;
	exchange->state = EXCHANGE_WAITING;
	if (n == (ssize_t)size)
		return false;
	*ret_result = n < 0 ? result_of_errno(errno) : LOAD_LOCAL;
	return true;
}

static void copy_word(const char *from, char *to)
{
	size_t n = strcspn(from, " \r\n");

	if (n >= LOAD_NAME)
		n = LOAD_NAME - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

/* The value of a header line, or NULL. `name` ends with ": ". */
static const char *find_header(const char *head, const char *name)
{
	for (const char *line = head; line; line = strstr(line, "\r\n")) {
		line += line == head ? 0 : 2;
		if (strncasecmp(line, name, strlen(name)) == 0)
			return line + strlen(name);
	}
	return NULL;
}

static void read_head(struct exchange *exchange, char *end)
{
	const char *stack, *backend, *length;

	*end = '\0';
	stack = find_header(exchange->answer, "X-Stack: ");
	backend = find_header(exchange->answer, "X-Backend: ");
	length = find_header(exchange->answer, "Content-Length: ");
	copy_word(stack ? stack : "-", exchange->stack);
	copy_word(backend ? backend : "-", exchange->backend);
	exchange->body_left = length ? strtoull(length, NULL, 10) : 0;
	exchange->in_body = true;
}

static enum load_result judge(struct exchange *exchange)
{
	bool strayed = exchange->held && exchange->first_backend[0] &&
		       strcmp(exchange->first_backend, exchange->backend) != 0;

	exchange->state = EXCHANGE_IDLE;
	if (!exchange->first_backend[0])
		memcpy(exchange->first_backend, exchange->backend, LOAD_NAME);
	return strayed ? LOAD_STRAYED : LOAD_OK;
}

static bool take_datagram(struct exchange *exchange, enum load_result *ret_result)
{
	const char *blank = strchr(exchange->answer, ' ');

	copy_word(exchange->answer, exchange->stack);
	copy_word(blank ? blank + 1 : "-", exchange->backend);
	*ret_result = judge(exchange);
	return true;
}

/* After `n` more bytes in `answer`; true when that was the last of it. */
static bool take_bytes(struct exchange *exchange, size_t n, enum load_result *ret_result)
{
	char *end;

	if (!exchange->in_body) {
		exchange->used += n;
		exchange->answer[exchange->used] = '\0';
		end = strstr(exchange->answer, "\r\n\r\n");
		if (!end)
			return false;
		n = exchange->used - (size_t)(end + 4 - exchange->answer);
		read_head(exchange, end);
		exchange->used = 0;
	}
	exchange->body_left -= n < exchange->body_left ? n : exchange->body_left;
	if (exchange->body_left)
		return false;
	*ret_result = judge(exchange);
	if (strncmp(exchange->answer, "HTTP/1.1 200", 12) != 0)
		*ret_result = LOAD_STATUS;
	return true;
}

static bool receive(struct exchange *exchange, const struct load_options *options,
		    enum load_result *ret_result)
{
	/* The head is kept to be judged at the end; a body goes past it. */
	static char body[65536];

	for (;;) {
		char *to = exchange->in_body ? body : exchange->answer + exchange->used;
		size_t room = exchange->in_body ? sizeof(body)
						: sizeof(exchange->answer) - exchange->used - 1;
		ssize_t n = recv(exchange->fd, to, room, 0);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			*ret_result = n ? result_of_errno(errno) : LOAD_CLOSED;
			return true;
		}
		if (options->udp) {
			exchange->answer[n] = '\0';
			return take_datagram(exchange, ret_result);
		}
		if (take_bytes(exchange, (size_t)n, ret_result))
			return true;
	}
}

bool exchange_advance(struct exchange *exchange, const struct load_options *options,
		      enum load_result *ret_result)
{
	int err = 0;
	socklen_t size = sizeof(err);

	getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &err, &size);
	if (err) {
		*ret_result = result_of_errno(err);
		return true;
	}
	if (exchange->state == EXCHANGE_CONNECTING) {
		union socket_address peer;

		size = sizeof(peer);
		if (getpeername(exchange->fd, &peer.any, &size))
			return false; /* not connected yet */
		return exchange_ask(exchange, options, ret_result);
	}
	return receive(exchange, options, ret_result);
}

void exchange_close(struct exchange *exchange)
{
	if (exchange->fd >= 0)
		close(exchange->fd);
	exchange->fd = -1;
}
