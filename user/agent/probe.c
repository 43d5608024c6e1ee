/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/probe.h"

#include "common/util.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>

#define HTTP_PORT  80
#define HTTPS_PORT 443

static socklen_t socket_address(struct sockaddr_storage *storage, const struct address *address,
				uint16_t port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
	struct sockaddr_in *in = (struct sockaddr_in *)storage;

	if (address_is_ipv4(address)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address->bytes + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, address->bytes, 16);
	return sizeof(*in6);
}

static void target_set_way(struct probe_target *target, const struct address *address,
			   uint16_t port, const struct probe_way *way)
{
	target->address_size = socket_address(&target->address, way ? &way->vip : address, port);
	if (!way)
		return;
	socket_address(&target->source, &way->source, 0);
	target->mark = way->mark;
}

static char *host_default(const struct address *address, uint16_t port, bool tls)
{
	char text[ADDRESS_TEXT_MAX], port_text[8] = "";
	bool ipv4 = address_is_ipv4(address);

	if (port != (tls ? HTTPS_PORT : HTTP_PORT))
		snprintf(port_text, sizeof(port_text), ":%u", port);
	return util_format("%s%s%s%s", ipv4 ? "" : "[", address_text(address, text),
			   ipv4 ? "" : "]", port_text);
}

/* A host's name without its port; NULL: it is an address, which TLS names cannot be. */
static char *name_of_host(const char *host)
{
	CLEANUP_FREE char *name = util_strdup(host);
	struct address address;

	if (name[0] == '[')
		return NULL;
	name[strcspn(name, ":")] = '\0';
	return address_parse(name, &address) ? TAKE(name) : NULL;
}

static void target_set_tls(struct probe_target *target, const struct probe_question *question)
{
	target->tls.tls = question->tls;
	target->tls.protocol = question->type == HEALTH_GRPC ? "h2" : "http/1.1";
	if (question->server_name)
		target->tls.server_name = util_strdup(question->server_name);
	else if (question->host)
		target->tls.server_name = name_of_host(question->host);
}

static void target_set_http(struct probe_target *target, const struct probe_question *question,
			    const char *host)
{
	bool is_default = !question->status_min;

	probe_http_question_init(&target->http, question->path ? question->path : "/", host,
				 question->body,
				 is_default ? HEALTH_STATUS_MIN : question->status_min,
				 is_default ? HEALTH_STATUS_MAX : question->status_max);
}

void probe_target_init(struct probe_target *target, const struct address *address, uint16_t port,
		       const struct probe_way *way, const struct probe_question *question)
{
	const char *given = question->host ? question->host : question->server_name;
	CLEANUP_FREE char *host = given ? util_strdup(given)
					: host_default(address, port, question->tls);

	*target = (struct probe_target){.type = question->type};
	target_set_way(target, address, port, way);
	if (question->tls)
		target_set_tls(target, question);
	if (question->type == HEALTH_HTTP)
		target_set_http(target, question, host);
	else if (question->type == HEALTH_GRPC)
		probe_grpc_question_init(&target->grpc, host,
					 question->service ? question->service : "", question->tls);
}

void probe_target_clear(struct probe_target *target)
{
	probe_tls_peer_clear(&target->tls);
	probe_http_question_clear(&target->http);
	probe_grpc_question_clear(&target->grpc);
	*target = (struct probe_target){};
}

/*
 * Refused permission at once, it is by a rule of this host; later, it comes by ICMP from afar.
 * Where the way is marked, no refusal at once is about the backend.
 */
static enum probe_result connect_refusal(struct probe *probe, const struct probe_target *target,
					 int error)
{
	enum probe_result result;

	if (error == EINPROGRESS || error == EINTR)
		return PROBE_PENDING;
	result = probe_fail_errno(probe->detail, error);
	return error == EPERM || error == EACCES || target->mark ? PROBE_SKIPPED : result;
}

/* The port is chosen when it connects: only then it has to be one of its kind. */
static int take_way(int fd, const struct probe_target *target)
{
	if (!target->mark)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &target->mark, sizeof(target->mark)) < 0 ||
	    setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int)) < 0 ||
	    bind(fd, (const struct sockaddr *)&target->source, target->address_size) < 0)
		return -errno;
	return 0;
}

enum probe_result probe_start(struct probe *probe, struct probe_target *target)
{
	/* A close that resets leaves nothing behind in TIME_WAIT, here or there. */
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	*probe = (struct probe){.stream = {.fd = fd, .events = POLLOUT}};
	if (fd < 0) {
		probe_fail_errno(probe->detail, errno);
		return PROBE_SKIPPED;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		return probe_fail_errno(probe->detail, errno);
	err = take_way(fd, target);
	if (err) {
		probe_fail_errno(probe->detail, -err);
		return PROBE_SKIPPED;
	}
	if (connect(fd, (const struct sockaddr *)&target->address, target->address_size) < 0)
		return connect_refusal(probe, target, errno);
	return probe_advance(probe, target);
}

void probe_close(struct probe *probe)
{
	probe_grpc_clear(&probe->grpc);
	probe_stream_close(&probe->stream);
}

static enum probe_result connect_finish(struct probe *probe)
{
	struct pollfd wait = {.fd = probe->stream.fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	if (poll(&wait, 1, 0) == 0)
		return PROBE_PENDING;
	if (getsockopt(probe->stream.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		return probe_fail_errno(probe->detail, error);
	probe->connected = true;
	return PROBE_PASSED;
}

static enum probe_result shake_hands(struct probe *probe, struct probe_target *target)
{
	int r = probe_stream_shake_hands(&probe->stream, &target->tls);

	if (r < 0)
		return probe_fail_stream(probe->detail, &probe->stream, r);
	if (!r)
		return probe_fail(probe->detail, "connection closed within the TLS handshake");
	probe->secured = true;
	return PROBE_PASSED;
}

static enum probe_result ask(struct probe *probe, struct probe_target *target)
{
	switch (target->type) {
	case HEALTH_HTTP:
		return probe_http_advance(&probe->http, &target->http, &probe->stream,
					  probe->detail);
	case HEALTH_GRPC:
		return probe_grpc_advance(&probe->grpc, &target->grpc, &probe->stream,
					  probe->detail);
	default:
		return PROBE_PASSED;
	}
}

enum probe_result probe_advance(struct probe *probe, struct probe_target *target)
{
	enum probe_result result = PROBE_PASSED;

	if (!probe->connected)
		result = connect_finish(probe);
	if (result == PROBE_PASSED && target->tls.tls && !probe->secured)
		result = shake_hands(probe, target);
	if (result == PROBE_PASSED)
		result = ask(probe, target);
	/* Not what a failing backend gave us to come back with. */
	if (result == PROBE_FAILED)
		probe_tls_peer_forget(&target->tls);
	return result;
}

const char *probe_progress(const struct probe *probe)
{
	if (!probe->connected)
		return "";
	if (probe->stream.ssl && !probe->secured)
		return ", connected but without a TLS handshake";
	return ", connected but without a whole answer";
}
