/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/http.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define CONTENT_TYPE	  "text/plain; version=0.0.4; charset=utf-8"
#define SWEEP_MS	  500	     /* how late a deadline may be noticed */
#define TIMER_ACCURACY_US 1	     /* it is due at once while a page is being sent; not 250 ms */
#define CONNECTION_BYTES  (64 << 10) /* memory of one: request line, headers, bytes to be sent */
#define STREAM_BYTES	  (16 << 10)
#define RUNS_MAX	  200 /* of the library in each RUNS_US */
#define RUNS_US		  100000
#define PATHS_SHOWN_MAX	  256

const struct http_limits http_default_limits = {
	.connections = 64,
	.idle_s = 15,
	.answer_ms = 30000,
	.bytes = 64u << 20,
};

/* One client. */
struct peer {
	struct MHD_Connection *connection;
	unsigned long long since_ms; /* of the last step: accepted, asked, answered */
	struct peer *next;
	struct peer **link;
};

struct http {
	struct MHD_Daemon *daemon;
	sd_event_source *io;
	sd_event_source *timer;
	struct peer *peers;
	unsigned int peers_n;
	struct http_limits limits;
	size_t bytes; /* of pages being sent */
	uint16_t port;
	size_t pages_n;
	struct http_page pages[];
};

/* A rendered page, while the library sends it. */
struct answer {
	struct http *http;
	size_t size;
	char *text;
};

static void answer_free(void *userdata)
{
	struct answer *answer = userdata;

	answer->http->bytes -= answer->size;
	free(answer->text);
	free(answer);
}

static enum MHD_Result send_constant(struct MHD_Connection *connection, unsigned int status,
				     const char *header, const char *value, const char *text)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(strlen(text), (void *)text,
						   MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, header, value);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status,
				 const char *text)
{
	return send_constant(connection, status, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE, text);
}

/* Takes the response. */
static enum MHD_Result send_response(struct MHD_Connection *connection,
				     struct MHD_Response *response, unsigned int status,
				     const char *type)
{
	enum MHD_Result result;

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_busy(struct MHD_Connection *connection)
{
	return send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			 "too many slow readers of this page, try later\n");
}

/* Takes the text. */
static enum MHD_Result send_page(struct http *http, struct MHD_Connection *connection,
				 const struct http_page *page, unsigned int status, char *text,
				 size_t size)
{
	struct answer *answer = util_calloc(1, sizeof(*answer));
	struct MHD_Response *response;

	*answer = (struct answer){.http = http, .size = size, .text = text};
	http->bytes += size;
	response = MHD_create_response_from_buffer_with_free_callback_cls(size, text, answer_free,
									  answer);
	if (!response) {
		answer_free(answer);
		return MHD_NO;
	}
	return send_response(connection, response, status,
			     page->content_type ? page->content_type : CONTENT_TYPE);
}

/* The status, with the whole page in *ret_text, or -errno. */
static int render(const struct http_page *page, char **ret_text, size_t *ret_size)
{
	CLEANUP_FREE char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);
	int status;

	if (!out)
		return -errno;
	status = page->render(page->userdata, out);
	if (fclose(out) == EOF && status >= 0)
		status = -ENOMEM;
	if (status >= 0)
		*ret_text = TAKE(text);
	return status;
}

static enum MHD_Result answer_page(struct http *http, struct MHD_Connection *connection,
				   const struct http_page *page)
{
	size_t size = 0;
	char *text = NULL;
	int status = render(page, &text, &size);

	if (status < 0) {
		log_errno(status, "cannot make the page %s", page->path);
		return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
				 "failed, see the log\n");
	}
	if (http->bytes && http->bytes + size > http->limits.bytes) {
		free(text);
		return send_busy(connection);
	}
	return send_page(http, connection, page, (unsigned int)status, text, size);
}

/* A page that is made while the library sends it. */
struct streaming {
	struct http *http;
	const struct http_stream *ops;
	void *stream;
};

static ssize_t streaming_read(void *userdata, uint64_t position, char *buffer, size_t max)
{
	struct streaming *streaming = userdata;
	ssize_t n = streaming->ops->read(streaming->stream, buffer, max);

	(void)position;
	return n ? n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void streaming_free(void *userdata)
{
	struct streaming *streaming = userdata;

	streaming->ops->close(streaming->stream);
	streaming->http->bytes -= streaming->ops->bytes;
	free(streaming);
}

static enum MHD_Result stream_page(struct http *http, struct MHD_Connection *connection,
				   const struct http_page *page, bool is_head)
{
	const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_ACCEPT);
	struct streaming *streaming;
	const char *type = CONTENT_TYPE;
	struct MHD_Response *response;

	if (http->bytes + page->stream->bytes > http->limits.bytes)
		return send_busy(connection);
	streaming = util_calloc(1, sizeof(*streaming));
	*streaming = (struct streaming){.http = http, .ops = page->stream};
	streaming->stream = page->stream->open(page->userdata, accept, &type);
	http->bytes += page->stream->bytes;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES, streaming_read,
						     streaming, streaming_free);
	if (!response) {
		streaming_free(streaming);
		return MHD_NO;
	}
	/* The library would end the chunks that HEAD does not have. */
	if (is_head)
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	return send_response(connection, response, MHD_HTTP_OK, type);
}

static enum MHD_Result answer_not_found(const struct http *http, struct MHD_Connection *connection)
{
	char text[PATHS_SHOWN_MAX] = "not found; there is";
	size_t length = strlen(text);

	for (size_t i = 0; i < http->pages_n && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, " %s",
					   http->pages[i].path);
	if (length < sizeof(text))
		snprintf(text + length, sizeof(text) - length, "\n");
	return send_text(connection, MHD_HTTP_NOT_FOUND, text);
}

static enum MHD_Result answer(struct http *http, struct MHD_Connection *connection,
			      const char *path, bool is_head)
{
	for (size_t i = 0; i < http->pages_n; i++)
		if (!strcmp(path, http->pages[i].path))
			return http->pages[i].stream
				       ? stream_page(http, connection, &http->pages[i], is_head)
				       : answer_page(http, connection, &http->pages[i]);
	return answer_not_found(http, connection);
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

/* The library asks once when the headers are there, and again until the body is taken. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *http_version,
				  const char *body, size_t *body_size, void **request)
{
	struct http *http = userdata;

	(void)http_version;
	(void)body;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_constant(connection, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW,
				     "GET, HEAD", "only GET and HEAD\n");
	if (!*request || *body_size) {
		*request = http;
		*body_size = 0;
		return MHD_YES;
	}
	peer_of(connection)->since_ms = util_now_ms();
	return answer(http, connection, path, !strcmp(method, MHD_HTTP_METHOD_HEAD));
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode how)
{
	(void)userdata;
	(void)request;
	(void)how;
	peer_of(connection)->since_ms = util_now_ms();
}

static void peer_add(struct http *http, struct MHD_Connection *connection, void **context)
{
	struct peer *peer = util_calloc(1, sizeof(*peer));

	peer->connection = connection;
	peer->since_ms = util_now_ms();
	peer->next = http->peers;
	peer->link = &http->peers;
	if (peer->next)
		peer->next->link = &peer->next;
	http->peers = peer;
	http->peers_n++;
	*context = peer;
}

static void peer_remove(struct http *http, struct peer *peer)
{
	*peer->link = peer->next;
	if (peer->next)
		peer->next->link = peer->link;
	http->peers_n--;
	free(peer);
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		peer_add(userdata, connection, context);
	else if (*context)
		peer_remove(userdata, *context);
}

/* The library's own timeout starts anew with each byte; this one does not. */
static void end_overdue(struct http *http)
{
	unsigned long long now = util_now_ms();

	for (struct peer *peer = http->peers; peer; peer = peer->next) {
		if (now - peer->since_ms < http->limits.answer_ms)
			continue;
		shutdown(
			MHD_get_connection_info(peer->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
				->connect_fd,
			SHUT_RDWR);
	}
}

static void run(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = SWEEP_MS;

	end_overdue(http);
	MHD_run(http->daemon);
	if (MHD_get_timeout(http->daemon, &wait_ms) != MHD_YES && !http->peers) {
		sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
		return;
	}
	if (wait_ms > SWEEP_MS)
		wait_ms = SWEEP_MS;
	sd_event_source_set_time_relative(http->timer, wait_ms * 1000);
	sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	run(userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	run(userdata);
	return 0;
}

static void __attribute__((format(printf, 2, 0)))
on_log(void *userdata, const char *format, va_list args)
{
	char text[512];

	(void)userdata;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

static socklen_t socket_address(const struct node_endpoint *endpoint, struct sockaddr_storage *ret)
{
	const uint8_t *bytes = endpoint->address.bytes;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (address_is_ipv4(&endpoint->address)) {
		four->sin_family = AF_INET;
		four->sin_port = htons(endpoint->port);
		memcpy(&four->sin_addr, bytes + 12, 4);
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(endpoint->port);
	memcpy(&six->sin6_addr, bytes, 16);
	return sizeof(*six);
}

static int listen_at(const struct node_endpoint *endpoint, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t size = socket_address(endpoint, &address);
	CLEANUP_CLOSE int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				      0);
	int on = 1, off = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	/* [::] means both families. */
	if (address.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int start_daemon(struct http *http, const struct node_endpoint *endpoint)
{
	struct sockaddr_in6 bound = {};
	socklen_t size = sizeof(bound);
	int fd = -1, err = listen_at(endpoint, &fd);

	if (err)
		return err;
	getsockname(fd, (struct sockaddr *)&bound, &size);
	http->port = ntohs(bound.sin6_port); /* where sin_port is, too */

	/* The library closes the socket. The logger has to be first. */
	http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL,
					on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
					MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
					http->limits.connections, MHD_OPTION_CONNECTION_TIMEOUT,
					http->limits.idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
					(size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
					on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
					on_completed, http, MHD_OPTION_END);
	return http->daemon ? 0 : -ENOMEM;
}

static int join_loop(struct http *http, sd_event *loop)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon,
							       MHD_DAEMON_INFO_EPOLL_FD);
	int err;

	err = sd_event_add_io(loop, &http->io, info->epoll_fd, EPOLLIN, on_io, http);
	/*
	 * Out of descriptors, the library leaves the client in the queue and the socket readable:
	 * that must not take the whole loop.
	 */
	if (err >= 0)
		err = sd_event_source_set_ratelimit(http->io, RUNS_US, RUNS_MAX);
	if (err >= 0)
		err = sd_event_add_time_relative(loop, &http->timer, CLOCK_MONOTONIC, 0,
						 TIMER_ACCURACY_US, on_timer, http);
	return err < 0 ? err : 0;
}

int http_new(sd_event *loop, const struct node_endpoint *endpoint, const struct http_page *pages,
	     size_t n, const struct http_limits *limits, struct http **ret)
{
	struct http *http = util_calloc(1, sizeof(*http) + n * sizeof(http->pages[0]));
	int err;

	if (n)
		memcpy(http->pages, pages, n * sizeof(pages[0]));
	http->pages_n = n;
	http->limits = limits ? *limits : http_default_limits;
	err = start_daemon(http, endpoint);
	if (!err)
		err = join_loop(http, loop);
	if (err) {
		http_free(http);
		return log_errno(err, "cannot listen for HTTP at %s", endpoint->text);
	}
	*ret = http;
	return 0;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	sd_event_source_disable_unref(http->io);
	sd_event_source_disable_unref(http->timer);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	free(http);
}

uint16_t http_port(const struct http *http)
{
	return http->port;
}

unsigned int http_connections(const struct http *http)
{
	return http->peers_n;
}
