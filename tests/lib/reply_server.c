/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/reply_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/util.h"

struct reply_session {
	struct reply_session *next;
	struct reply_server *server;
	int fd;
	size_t request_size;
	size_t sent;
	sd_event_source *io;
	sd_event_source *timer;
};

static void reset(struct reply_session *session)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	assert_return_code(setsockopt(session->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
			   errno);
	session->io = sd_event_source_disable_unref(session->io);
	close(TAKE_FD(session->fd));
}

static int session_send(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct reply_session *session = userdata;
	const struct reply_server *server = session->server;
	size_t all = server->reply_size ? server->reply_size : strlen(server->reply);
	size_t left = all - session->sent;
	size_t size = server->chunk && server->chunk < left ? server->chunk : left;

	(void)usec;
	if (size && send(session->fd, server->reply + session->sent, size, MSG_NOSIGNAL) < 0)
		return 0;
	session->sent += size;
	if (size < left) {
		sd_event_source_set_time_relative(source, server->chunk_ms * 1000);
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	} else if (server->resets) {
		reset(session);
	} else if (!server->stays_open) {
		shutdown(session->fd, SHUT_WR);
	}
	return 0;
}

static void begin_reply(struct reply_session *session)
{
	assert_true(sd_event_add_time_relative(session->server->event, &session->timer,
					       CLOCK_MONOTONIC, 0, 1, session_send, session) >= 0);
}

static int session_read(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct reply_session *session = userdata;
	char *request = session->server->request;
	ssize_t n = recv(fd, request + session->request_size,
			 sizeof(session->server->request) - 1 - session->request_size, 0);

	(void)revents;
	if (n <= 0) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		return 0;
	}
	session->request_size += (size_t)n;
	request[session->request_size] = '\0';
	if (strstr(request, "\r\n\r\n") && !session->timer)
		begin_reply(session);
	return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct reply_server *server = userdata;
	struct reply_session *session = util_calloc(1, sizeof(*session));

	(void)source;
	(void)revents;
	session->server = server;
	session->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(session->fd >= 0);
	session->next = server->sessions;
	server->sessions = session;
	assert_true(sd_event_add_io(server->event, &session->io, session->fd, EPOLLIN, session_read,
				    session) >= 0);
	if (server->greets)
		begin_reply(session);
	return 0;
}

uint16_t reply_server_port(int fd)
{
	struct sockaddr_in6 name = {};
	socklen_t size = sizeof(name);

	assert_return_code(getsockname(fd, (struct sockaddr *)&name, &size), errno);
	return ntohs(name.sin6_port);
}

int reply_server_listen(int backlog)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_return_code(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int)),
			   errno);
	assert_return_code(bind(fd, (struct sockaddr *)&any, sizeof(any)), errno);
	if (backlog >= 0)
		assert_return_code(listen(fd, backlog), errno);
	return fd;
}

void reply_server_start(struct reply_server *server, sd_event *event)
{
	server->event = event;
	server->fd = reply_server_listen(4096);
	server->port = reply_server_port(server->fd);
	if (server->reply)
		assert_true(sd_event_add_io(event, &server->source, server->fd, EPOLLIN,
					    on_connection, server) >= 0);
}

void reply_server_stop(struct reply_server *server)
{
	struct reply_session *session;

	sd_event_source_disable_unref(server->source);
	close(server->fd);
	while ((session = server->sessions)) {
		server->sessions = session->next;
		sd_event_source_disable_unref(session->io);
		sd_event_source_disable_unref(session->timer);
		if (session->fd >= 0)
			close(session->fd);
		free(session);
	}
}
