/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections of our listeners. gRPC gets a unix socket itself, and we keep a duplicate to
 * see when it closes. Of a TLS connection gRPC gets one end of a socket pair; we carry the bytes
 * between the other end and TLS, at most one buffer in each direction.
 */
#include "rpc/listener.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#define BUFFER 16384 /* the largest TLS record */
#define ROUNDS 32    /* buffers carried before other events get their turn */

struct pipe {
	uint8_t data[BUFFER];
	size_t from, to; /* what is left to write */
	bool at_end;	 /* nothing more will come */
};

struct rpc_connection {
	struct rpc_connection *prev, *next;
	struct rpc_listener *listener;
	int fd;			 /* the network's end; of a unix socket, a duplicate */
	sd_event_source *source; /* of fd */
	SSL *ssl;		 /* from here on: TLS only */
	bool is_proved;		 /* the handshake is done, gRPC has the other end of `inner` */
	int inner;
	sd_event_source *inner_source;
	sd_event_source *deadline; /* of the handshake */
	sd_event_source *again;	   /* there is more to carry */
	uint32_t outer_events;	   /* what SSL waits for */
	uint32_t inner_events;
	struct pipe in;	 /* network to gRPC */
	struct pipe out; /* gRPC to network */
};

void rpc_connection_free(struct rpc_connection *connection)
{
	struct rpc_listener *listener = connection->listener;

	if (connection->prev)
		connection->prev->next = connection->next;
	else
		listener->connections = connection->next;
	if (connection->next)
		connection->next->prev = connection->prev;
	listener->connections_n--;
	sd_event_source_disable_unref(connection->source);
	sd_event_source_disable_unref(connection->inner_source);
	sd_event_source_disable_unref(connection->deadline);
	sd_event_source_disable_unref(connection->again);
	SSL_free(connection->ssl);
	close(connection->fd);
	if (connection->inner >= 0)
		close(connection->inner);
	free(connection);
	rpc_listener_resume(listener);
	rpc_server_look(listener->server);
}

void rpc_connections_drop_new(struct rpc_listener *listener)
{
	struct rpc_connection *next;

	for (struct rpc_connection *at = listener->connections; at; at = next) {
		next = at->next;
		if (at->ssl && !at->is_proved)
			rpc_connection_free(at);
	}
}

static void give_to_grpc(struct rpc_connection *connection, int fd)
{
	/* "Insecure" is what gRPC calls a socket that it need not encrypt itself. */
	grpc_server_credentials *plain = grpc_insecure_server_credentials_create();

	grpc_server_add_channel_from_fd(connection->listener->server->core, fd, plain);
	grpc_server_credentials_release(plain);
}

static int on_hangup(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	rpc_connection_free(userdata);
	return 0;
}

static struct rpc_connection *add(struct rpc_listener *listener, int fd)
{
	struct rpc_connection *connection = util_calloc(1, sizeof(*connection));

	connection->listener = listener;
	connection->fd = fd;
	connection->inner = -1;
	connection->next = listener->connections;
	if (connection->next)
		connection->next->prev = connection;
	listener->connections = connection;
	listener->connections_n++;
	return connection;
}

static int add_unix(struct rpc_listener *listener, int taken_fd)
{
	CLEANUP_CLOSE int fd = taken_fd;
	int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct rpc_connection *connection;
	int err;

	if (duplicate < 0)
		return -errno;
	connection = add(listener, duplicate);
	err = sd_event_add_io(listener->server->loop, &connection->source, duplicate, EPOLLHUP,
			      on_hangup, connection);
	if (err < 0) {
		rpc_connection_free(connection);
		return err;
	}
	give_to_grpc(connection, TAKE_FD(fd));
	return 0;
}

static int on_outer(sd_event_source *source, int fd, uint32_t events, void *userdata);
static int on_inner(sd_event_source *source, int fd, uint32_t events, void *userdata);

/* What an SSL call that did not succeed waits for; false: the connection is over. */
static bool waits(struct rpc_connection *connection, int result)
{
	switch (SSL_get_error(connection->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		connection->outer_events |= EPOLLIN;
		return true;
	case SSL_ERROR_WANT_WRITE:
		connection->outer_events |= EPOLLOUT;
		return true;
	default:
		return false;
	}
}

/* After the handshake: the pair of sockets, and gRPC at its far end. */
static int connect_grpc(struct rpc_connection *connection)
{
	int pair[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	connection->inner = pair[0];
	err = sd_event_add_io(connection->listener->server->loop, &connection->inner_source,
			      pair[0], 0, on_inner, connection);
	if (err < 0) {
		close(pair[1]);
		return err;
	}
	give_to_grpc(connection, pair[1]);
	connection->deadline = sd_event_source_disable_unref(connection->deadline);
	connection->is_proved = true;
	return 0;
}

/* At most once a second, whatever clients do. */
static void tell_refusal(struct rpc_listener *listener)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	unsigned long long now_ms = util_now_ms();

	if (now_ms - listener->told_ms < 1000)
		return;
	listener->told_ms = now_ms;
	log_info("RPC client refused in the TLS handshake: %s", reason ? reason : "it hung up");
}

/* False: the client did not prove who it is, or is gone. */
static bool shake_hands(struct rpc_connection *connection)
{
	int result, err;

	ERR_clear_error();
	result = SSL_accept(connection->ssl);
	if (result != 1) {
		if (waits(connection, result))
			return true;
		tell_refusal(connection->listener);
		return false;
	}
	err = connect_grpc(connection);
	if (err)
		log_errno(err, "cannot serve an RPC client that has connected");
	return !err;
}

/* Each of the four returns whether it got anything done. */
static bool fill_in(struct rpc_connection *connection)
{
	struct pipe *pipe = &connection->in;
	int n;

	if (pipe->to || pipe->at_end)
		return false;
	ERR_clear_error();
	n = SSL_read(connection->ssl, pipe->data, sizeof(pipe->data));
	if (n <= 0) {
		pipe->at_end = !waits(connection, n);
		return false;
	}
	pipe->to = (size_t)n;
	return true;
}

static bool empty_in(struct rpc_connection *connection)
{
	struct pipe *pipe = &connection->in;
	ssize_t n;

	if (!pipe->to)
		return false;
	n = send(connection->inner, pipe->data + pipe->from, pipe->to - pipe->from, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno == EAGAIN)
			connection->inner_events |= EPOLLOUT;
		else
			pipe->at_end = true;
		return false;
	}
	pipe->from += (size_t)n;
	if (pipe->from == pipe->to)
		pipe->from = pipe->to = 0;
	return true;
}

static bool fill_out(struct rpc_connection *connection)
{
	struct pipe *pipe = &connection->out;
	ssize_t n;

	if (pipe->to || pipe->at_end)
		return false;
	n = recv(connection->inner, pipe->data, sizeof(pipe->data), 0);
	if (n < 0 && errno == EAGAIN) {
		connection->inner_events |= EPOLLIN;
		return false;
	}
	if (n <= 0) {
		pipe->at_end = true;
		return false;
	}
	pipe->to = (size_t)n;
	return true;
}

static bool empty_out(struct rpc_connection *connection)
{
	struct pipe *pipe = &connection->out;
	int n;

	if (!pipe->to)
		return false;
	ERR_clear_error();
	n = SSL_write(connection->ssl, pipe->data, (int)pipe->to);
	if (n <= 0) {
		/* What cannot be sent will not be, nor is anything read that it would answer. */
		if (!waits(connection, n))
			connection->in.at_end = true;
		return false;
	}
	pipe->to = 0;
	return true;
}

static bool carry(struct rpc_connection *connection)
{
	bool moved = false;

	connection->outer_events = 0;
	connection->inner_events = 0;
	moved |= fill_in(connection);
	moved |= empty_in(connection);
	moved |= fill_out(connection);
	moved |= empty_out(connection);
	return moved;
}

/* False: it is over, one side having closed it. */
static bool is_open(struct rpc_connection *connection)
{
	if (!connection->is_proved)
		return true;
	if (connection->in.at_end)
		return false;
	if (connection->out.at_end && !connection->out.to) {
		SSL_shutdown(connection->ssl);
		return false;
	}
	return true;
}

/* Nothing to wait for means not to look at all: a hang-up would be told over and over. */
static void watch(sd_event_source *source, uint32_t events)
{
	sd_event_source_set_io_events(source, events);
	sd_event_source_set_enabled(source, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Does all that can be done now, then waits for what stands in the way. */
static void advance(struct rpc_connection *connection)
{
	bool moved = false;

	connection->outer_events = 0;
	if (!connection->is_proved && !shake_hands(connection)) {
		rpc_connection_free(connection);
		return;
	}
	for (int i = 0; connection->is_proved && i < ROUNDS; i++) {
		moved = carry(connection);
		if (!moved)
			break;
	}
	if (!is_open(connection)) {
		rpc_connection_free(connection);
		return;
	}
	sd_event_source_set_enabled(connection->again, moved ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	watch(connection->source, connection->outer_events);
	if (connection->inner_source)
		watch(connection->inner_source, connection->inner_events);
}

static int on_outer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	advance(userdata);
	return 0;
}

static int on_inner(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	advance(userdata);
	return 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
	(void)source;
	advance(userdata);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	rpc_connection_free(userdata);
	return 0;
}

static int watch_tls(struct rpc_connection *connection)
{
	struct rpc_server *server = connection->listener->server;
	int err;

	err = sd_event_add_io(server->loop, &connection->source, connection->fd, EPOLLIN, on_outer,
			      connection);
	if (err >= 0)
		err = sd_event_add_defer(server->loop, &connection->again, on_again, connection);
	if (err >= 0)
		err = sd_event_source_set_enabled(connection->again, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_time_relative(
			server->loop, &connection->deadline, CLOCK_MONOTONIC,
			server->limits.patience_ms * 1000ULL, 10000, on_deadline, connection);
	return err < 0 ? err : 0;
}

static int add_tls(struct rpc_listener *listener, int fd)
{
	struct rpc_connection *connection = add(listener, fd);
	int err = -ENOMEM;

	connection->ssl = SSL_new(listener->tls);
	if (connection->ssl && SSL_set_fd(connection->ssl, fd) == 1)
		err = watch_tls(connection);
	if (err)
		rpc_connection_free(connection);
	return err;
}

int rpc_connection_add(struct rpc_listener *listener, int fd)
{
	return listener->tls ? add_tls(listener, fd) : add_unix(listener, fd);
}
