/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/listener.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG	    128
#define BURST	    16	   /* connections accepted before other events get their turn */
#define RETRY_US    100000 /* while descriptors are short */
#define TELL_MS	    60000  /* without a shortage, before the next one is logged */
#define DESCRIPTORS 3	   /* of one connection, at most */

static void suspend(struct rpc_listener *listener)
{
	sd_event_source_set_enabled(listener->source, SD_EVENT_OFF);
}

void rpc_listener_resume(struct rpc_listener *listener)
{
	if (listener->source && !listener->is_short)
		sd_event_source_set_enabled(listener->source, SD_EVENT_ON);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct rpc_listener *listener = userdata;

	(void)source;
	(void)usec;
	sd_event_source_set_enabled(listener->source, SD_EVENT_ON);
	return 0;
}

/* What is out will be there again some time: connections wait in the backlog until then. */
static void run_short(struct rpc_listener *listener, int err)
{
	unsigned long long now_ms = util_now_ms();

	if (!listener->short_told_ms || now_ms - listener->short_told_ms > TELL_MS)
		log_errno(err, "cannot accept RPC connections now; they wait");
	listener->short_told_ms = now_ms;
	listener->is_short = true;
	suspend(listener);
	sd_event_source_set_time_relative(listener->retry, RETRY_US);
	sd_event_source_set_enabled(listener->retry, SD_EVENT_ONESHOT);
}

static bool is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -ENOMEM;
}

/* Whether a whole connection can be had; one that was accepted could only be dropped. */
static bool has_descriptors(const struct rpc_listener *listener)
{
	int fds[DESCRIPTORS];
	int n = 0;

	while (n < DESCRIPTORS && (fds[n] = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return n == DESCRIPTORS;
}

/* Whether there may be more to accept. */
static bool accept_one(struct rpc_listener *listener)
{
	int fd = -1, err = -EMFILE;

	if (has_descriptors(listener)) {
		fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		err = fd < 0 ? -errno : rpc_connection_add(listener, fd);
	}
	if (err == -EAGAIN)
		return false;
	if (is_shortage(err)) {
		run_short(listener, err);
		return false;
	}
	if (!err)
		listener->is_short = false;
	/* Any other error is that of one connection, which is gone. */
	return true;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct rpc_listener *listener = userdata;

	(void)source;
	(void)fd;
	(void)events;
	for (int i = 0; i < BURST; i++) {
		if (listener->connections_n >= listener->server->limits.connections) {
			suspend(listener);
			break;
		}
		if (!accept_one(listener))
			break;
	}
	return 0;
}

static void stop(struct rpc_listener *listener)
{
	struct stat now;

	listener->source = sd_event_source_disable_unref(listener->source);
	listener->retry = sd_event_source_disable_unref(listener->retry);
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	/* The path may be somebody else's by now. */
	if (listener->path && !lstat(listener->path, &now) && now.st_dev == listener->device &&
	    now.st_ino == listener->inode)
		unlink(listener->path);
	free(TAKE(listener->path));
}

static void free_listener(struct rpc_listener *listener)
{
	stop(listener);
	while (listener->connections)
		rpc_connection_free(listener->connections);
	SSL_CTX_free(listener->tls);
	free(listener);
}

void rpc_listeners_stop(struct rpc_server *server)
{
	for (struct rpc_listener *at = server->listeners; at; at = at->next) {
		stop(at);
		rpc_connections_drop_new(at);
	}
}

void rpc_listeners_free(struct rpc_server *server)
{
	struct rpc_listener *listener;

	while ((listener = server->listeners)) {
		server->listeners = listener->next;
		free_listener(listener);
	}
}

static struct rpc_listener *new_listener(struct rpc_server *server)
{
	struct rpc_listener *listener = util_calloc(1, sizeof(*listener));

	listener->server = server;
	listener->fd = -1;
	return listener;
}

/* Takes over the listener, whose fd is bound. */
static int start(struct rpc_listener *listener, const char *name, char **ret_error)
{
	struct rpc_server *server = listener->server;
	int err = 0;

	if (listen(listener->fd, BACKLOG))
		err = -errno;
	if (err >= 0)
		err = sd_event_add_io(server->loop, &listener->source, listener->fd, EPOLLIN,
				      on_connection, listener);
	if (err >= 0)
		err = sd_event_add_time_relative(server->loop, &listener->retry, CLOCK_MONOTONIC, 0,
						 RETRY_US / 10, on_retry, listener);
	if (err < 0) {
		*ret_error = util_format("cannot listen on %s: %s", name, strerror(-err));
		free_listener(listener);
		return err;
	}
	sd_event_source_set_enabled(listener->retry, SD_EVENT_OFF);
	listener->next = server->listeners;
	server->listeners = listener;
	return 0;
}

/* Removes a socket file that nobody answers on. */
static int clear_stale(const struct sockaddr_un *address, char **ret_error)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat file;

	if (fd < 0)
		return -errno;
	if (lstat(address->sun_path, &file))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(file.st_mode)) {
		*ret_error = util_format("%s is there already and is no socket; move it away",
					 address->sun_path);
		return -EEXIST;
	}
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) ||
	    errno != ECONNREFUSED) {
		*ret_error = util_format("%s is in use: another program listens on it",
					 address->sun_path);
		return -EADDRINUSE;
	}
	return unlink(address->sun_path) ? -errno : 0;
}

/* A socket file of the wanted mode at once: until the bind, the mode is the socket's own. */
static int bind_unix(struct rpc_listener *listener, const struct sockaddr_un *address, mode_t mode,
		     char **ret_error)
{
	struct stat file;
	int err;

	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0 || fchmod(listener->fd, mode))
		return -errno;
	if (bind(listener->fd, (const struct sockaddr *)address, sizeof(*address))) {
		if (errno != EADDRINUSE)
			return -errno;
		err = clear_stale(address, ret_error);
		if (err)
			return err;
		if (bind(listener->fd, (const struct sockaddr *)address, sizeof(*address)))
			return -errno;
	}
	listener->path = util_strdup(address->sun_path);
	if (chmod(address->sun_path, mode) || lstat(address->sun_path, &file))
		return -errno;
	listener->device = file.st_dev;
	listener->inode = file.st_ino;
	return 0;
}

int rpc_server_listen_unix(struct rpc_server *server, const char *path, mode_t mode,
			   char **ret_error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rpc_listener *listener;
	char *error = NULL;
	int err;

	if (strlen(path) >= sizeof(address.sun_path)) {
		*ret_error = util_format("%s is longer than the %zu bytes a socket's path can have",
					 path, sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	listener = new_listener(server);
	err = bind_unix(listener, &address, mode, &error);
	if (!err)
		return start(listener, path, ret_error);
	free_listener(listener);
	*ret_error = error ? error : util_format("cannot listen on %s: %s", path, strerror(-err));
	return err;
}

/* "HOST:PORT" or "[HOST]:PORT", numbers only. */
static int parse_address(const char *text, struct addrinfo **ret_info)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	CLEANUP_FREE char *host = util_strdup(text);
	char *colon = strrchr(host, ':');
	char *first = host;

	if (!colon || !colon[1])
		return -EINVAL;
	*colon = '\0';
	if (host[0] == '[' && colon[-1] == ']') {
		first++;
		colon[-1] = '\0';
	} else if (strchr(host, ':')) {
		return -EINVAL;
	}
	return getaddrinfo(first, colon + 1, &hints, ret_info) ? -EINVAL : 0;
}

static int bind_tcp(struct rpc_listener *listener, const struct addrinfo *info)
{
	const int on = 1;

	listener->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			      IPPROTO_TCP);
	if (listener->fd < 0 ||
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    bind(listener->fd, info->ai_addr, info->ai_addrlen))
		return -errno;
	return 0;
}

int rpc_server_listen_tcp(struct rpc_server *server, const char *address, const char *cert_path,
			  const char *key_path, const char *client_ca_path, char **ret_error)
{
	struct addrinfo *info = NULL;
	struct rpc_listener *listener;
	SSL_CTX *tls = NULL;
	int err;

	if (parse_address(address, &info)) {
		*ret_error = util_format("'%s' is no address to listen on; one is 0.0.0.0:9450 or "
					 "[::]:9450",
					 address);
		return -EINVAL;
	}
	err = rpc_tls_context(cert_path, key_path, client_ca_path, &tls, ret_error);
	if (err) {
		freeaddrinfo(info);
		return err;
	}
	listener = new_listener(server);
	listener->tls = tls;
	err = bind_tcp(listener, info);
	freeaddrinfo(info);
	if (!err)
		return start(listener, address, ret_error);
	free_listener(listener);
	*ret_error = util_format("cannot listen on %s: %s", address, strerror(-err));
	return err;
}

unsigned int rpc_server_tcp_port(const struct rpc_server *server)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {};
	socklen_t size = sizeof(address);
	unsigned int port = 0;

	/* The list begins with the youngest. */
	for (struct rpc_listener *at = server->listeners; at; at = at->next) {
		if (!at->tls || getsockname(at->fd, &address.any, &size))
			continue;
		port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port
							      : address.v6.sin6_port);
	}
	return port;
}

bool rpc_listeners_have_connections(const struct rpc_server *server)
{
	for (struct rpc_listener *at = server->listeners; at; at = at->next) {
		if (at->connections_n)
			return true;
	}
	return false;
}

void rpc_server_usage(const struct rpc_server *server, struct rpc_usage *ret_usage)
{
	*ret_usage = (struct rpc_usage){
		.calls = server->calls_n,
		.queued_bytes = server->queued_bytes,
	};
	for (struct rpc_listener *at = server->listeners; at; at = at->next)
		ret_usage->connections += at->connections_n;
}
