/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/probe.h"

#include "common/util.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>

#define HTTP_PORT 80
#define READS_MAX 16 /* at a time: what is left makes the socket readable again */

/* Errors that say something about this host, nothing about the backend. */
static bool is_local_error(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return true;
	default:
		return false;
	}
}

static enum probe_result probe_error(struct probe *probe, int error)
{
	snprintf(probe->detail, sizeof(probe->detail), "%s", strerror(error));
	probe->detail[0] = (char)tolower(probe->detail[0]);
	return is_local_error(error) ? PROBE_SKIPPED : PROBE_FAILED;
}

static enum probe_result probe_fail(struct probe *probe, const char *detail)
{
	snprintf(probe->detail, sizeof(probe->detail), "%s", detail);
	return PROBE_FAILED;
}

static void target_set_address(struct probe_target *target, const struct address *address,
			       uint16_t port)
{
	if (address_is_ipv4(address)) {
		struct sockaddr_in *in = (struct sockaddr_in *)&target->address;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address->bytes + 12, 4);
		target->address_size = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&target->address;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, address->bytes, 16);
		target->address_size = sizeof(*in6);
	}
}

static char *host_default(const struct address *address, uint16_t port)
{
	char text[ADDRESS_TEXT_MAX], port_text[8] = "";
	bool ipv4 = address_is_ipv4(address);

	if (port != HTTP_PORT)
		snprintf(port_text, sizeof(port_text), ":%u", port);
	return util_format("%s%s%s%s", ipv4 ? "" : "[", address_text(address, text),
			   ipv4 ? "" : "]", port_text);
}

void probe_target_init(struct probe_target *target, const struct address *address, uint16_t port,
		       const struct probe_http *http)
{
	CLEANUP_FREE char *host = NULL;

	*target = (struct probe_target){};
	target_set_address(target, address, port);
	if (!http)
		return;
	host = http->host ? util_strdup(http->host) : host_default(address, port);
	target->request = util_format("GET %s HTTP/1.1\r\n"
				      "Host: %s\r\n"
				      "User-Agent: steerd\r\n"
				      "Accept: */*\r\n"
				      "Connection: close\r\n"
				      "\r\n",
				      http->path, host);
	target->request_size = strlen(target->request);
	target->status_min = http->status_min;
	target->status_max = http->status_max;
	if (!http->body)
		return;
	target->body = util_calloc(1, sizeof(*target->body));
	http_body_text_init(target->body, http->body);
}

void probe_target_clear(struct probe_target *target)
{
	free(target->request);
	free(target->body);
	*target = (struct probe_target){};
}

/* Refused permission at once, it is by a rule of this host; later, it comes by ICMP from afar. */
static enum probe_result connect_refusal(struct probe *probe, int error)
{
	enum probe_result result;

	if (error == EINPROGRESS || error == EINTR)
		return PROBE_PENDING;
	result = probe_error(probe, error);
	return error == EPERM || error == EACCES ? PROBE_SKIPPED : result;
}

enum probe_result probe_start(struct probe *probe, const struct probe_target *target)
{
	/* A close that resets leaves nothing behind in TIME_WAIT, here or there. */
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	*probe = (struct probe){.fd = -1, .events = POLLOUT};
	probe->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			   0);
	if (probe->fd < 0) {
		probe_error(probe, errno);
		return PROBE_SKIPPED;
	}
	if (setsockopt(probe->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		return probe_error(probe, errno);
	if (connect(probe->fd, (const struct sockaddr *)&target->address, target->address_size) < 0)
		return connect_refusal(probe, errno);
	return probe_advance(probe, target);
}

void probe_close(struct probe *probe)
{
	if (probe->fd >= 0)
		close(TAKE_FD(probe->fd));
}

static enum probe_result connect_finish(struct probe *probe)
{
	struct pollfd wait = {.fd = probe->fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	if (poll(&wait, 1, 0) == 0)
		return PROBE_PENDING;
	if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		return probe_error(probe, error);
	probe->connected = true;
	return PROBE_PASSED;
}

static enum probe_result request_send(struct probe *probe, const struct probe_target *target)
{
	while (probe->sent < target->request_size) {
		ssize_t n = send(probe->fd, target->request + probe->sent,
				 target->request_size - probe->sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? PROBE_PENDING
								 : probe_error(probe, errno);
		probe->sent += (size_t)n;
	}
	probe->events = POLLIN;
	return PROBE_PASSED;
}

static enum probe_result body_judge(struct probe *probe, enum http_body_result result)
{
	switch (result) {
	case HTTP_BODY_MORE:
		return PROBE_PENDING;
	case HTTP_BODY_FOUND:
		return PROBE_PASSED;
	case HTTP_BODY_MISSING:
		return probe_fail(probe, "the body does not have the text");
	case HTTP_BODY_TOO_LONG:
		return probe_fail(probe, "the body does not have the text in its first 64 KiB");
	default:
		return probe_fail(probe, "the body's chunks are not HTTP");
	}
}

static enum probe_result status_judge(struct probe *probe, const struct probe_target *target)
{
	int status = probe->reply.status;

	if (status < target->status_min || status > target->status_max) {
		snprintf(probe->detail, sizeof(probe->detail), "HTTP status %d", status);
		return PROBE_FAILED;
	}
	if (!target->body)
		return PROBE_PASSED;
	probe->in_body = true;
	return body_judge(probe, http_body_begin(&probe->body, &probe->reply));
}

static enum probe_result body_take(struct probe *probe, const struct probe_target *target,
				   const char *data, size_t size)
{
	return body_judge(probe, http_body_feed(&probe->body, target->body, data, size));
}

/* What follows the head in the same data is body. */
static enum probe_result answer_take(struct probe *probe, const struct probe_target *target,
				     const char *data, size_t size)
{
	uint32_t before = probe->reply.size;
	enum probe_result result;
	size_t head;

	if (probe->in_body)
		return body_take(probe, target, data, size);
	switch (http_reply_feed(&probe->reply, data, size)) {
	case HTTP_REPLY_MORE:
		return PROBE_PENDING;
	case HTTP_REPLY_GARBAGE:
		return probe_fail(probe, "the answer is not HTTP");
	case HTTP_REPLY_TOO_LONG:
		return probe_fail(probe, "the HTTP header is too long");
	default:
		break;
	}
	head = probe->reply.size - before;
	result = status_judge(probe, target);
	return result == PROBE_PENDING ? body_take(probe, target, data + head, size - head)
				       : result;
}

/* Of a body that has no length of its own, the connection's end is the end. */
static enum probe_result answer_end(struct probe *probe)
{
	if (probe->in_body && !probe->body.bounded)
		return body_judge(probe, HTTP_BODY_MISSING);
	return probe_fail(probe, probe->in_body	     ? "connection closed within the body"
				 : probe->reply.size ? "connection closed within the HTTP header"
						     : "connection closed without an answer");
}

static enum probe_result answer_read(struct probe *probe, const struct probe_target *target)
{
	enum probe_result result = PROBE_PENDING;
	char data[4096];

	for (int i = 0; i < READS_MAX && result == PROBE_PENDING; i++) {
		ssize_t n = recv(probe->fd, data, sizeof(data), 0);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? PROBE_PENDING
								 : probe_error(probe, errno);
		result = n ? answer_take(probe, target, data, (size_t)n) : answer_end(probe);
	}
	return result;
}

enum probe_result probe_advance(struct probe *probe, const struct probe_target *target)
{
	enum probe_result result = PROBE_PASSED;

	if (!probe->connected)
		result = connect_finish(probe);
	if (result == PROBE_PASSED && target->request)
		result = request_send(probe, target);
	if (result == PROBE_PASSED && target->request)
		result = answer_read(probe, target);
	return result;
}
