/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/probe_stream.h"

#include "common/util.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

struct probe_tls {
	SSL_CTX *context;
};

/* OpenSSL has what a server gave to resume with; true takes the reference. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct probe_tls_peer *peer = SSL_get_app_data(ssl);

	probe_tls_peer_forget(peer);
	peer->session = session;
	return 1;
}

int probe_tls_new(struct probe_tls **ret_tls)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context) {
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	/* Of an answer that is cut short, its own framing tells. */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
	*ret_tls = util_calloc(1, sizeof(**ret_tls));
	(*ret_tls)->context = context;
	return 0;
}

void probe_tls_free(struct probe_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->context);
	free(tls);
}

void probe_tls_peer_forget(struct probe_tls_peer *peer)
{
	SSL_SESSION_free(TAKE(peer->session));
}

void probe_tls_peer_clear(struct probe_tls_peer *peer)
{
	probe_tls_peer_forget(peer);
	free(peer->server_name);
	*peer = (struct probe_tls_peer){};
}

/* True with all of it said; ALPN's list is one name with its length before it. */
static bool ssl_prepare(SSL *ssl, struct probe_stream *stream, struct probe_tls_peer *peer)
{
	unsigned char names[16];
	size_t size = strlen(peer->protocol);

	names[0] = (unsigned char)size;
	memcpy(names + 1, peer->protocol, size);
	return SSL_set_app_data(ssl, peer) && SSL_set_fd(ssl, stream->fd) &&
	       !SSL_set_alpn_protos(ssl, names, (unsigned int)size + 1) &&
	       (!peer->server_name || SSL_set_tlsext_host_name(ssl, peer->server_name)) &&
	       (!peer->session || SSL_set_session(ssl, peer->session));
}

static const char *tls_reason(unsigned long error)
{
	const char *reason = ERR_reason_error_string(error);

	return reason ? reason : "no reason given";
}

/* What came of a call that did not succeed. */
static int tls_result(struct probe_stream *stream, int r)
{
	int error = errno;

	switch (SSL_get_error(stream->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		stream->events = POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		stream->events = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return -error;
	default:
		stream->tls_error = tls_reason(ERR_get_error());
		return -EPROTO;
	}
}

/* tls_result() looks at errno and at this thread's queue of errors. */
static void tls_call_begins(void)
{
	ERR_clear_error();
	errno = 0;
}

int probe_stream_shake_hands(struct probe_stream *stream, struct probe_tls_peer *peer)
{
	int r;

	if (!stream->ssl) {
		stream->ssl = SSL_new(peer->tls->context);
		if (!stream->ssl || !ssl_prepare(stream->ssl, stream, peer)) {
			ERR_clear_error();
			return -ENOMEM;
		}
	}
	tls_call_begins();
	r = SSL_connect(stream->ssl);
	return r == 1 ? 1 : tls_result(stream, r);
}

ssize_t probe_stream_read(struct probe_stream *stream, void *data, size_t size)
{
	size_t done = 0;
	ssize_t n;
	int r;

	if (stream->ssl) {
		tls_call_begins();
		r = SSL_read_ex(stream->ssl, data, size, &done);
		return r == 1 ? (ssize_t)done : tls_result(stream, r);
	}
	n = recv(stream->fd, data, size, 0);
	if (n >= 0)
		return n;
	stream->events = POLLIN;
	return errno == EINTR ? -EAGAIN : -errno;
}

ssize_t probe_stream_write(struct probe_stream *stream, const void *data, size_t size)
{
	size_t done = 0;
	ssize_t n;
	int r;

	if (stream->ssl) {
		tls_call_begins();
		r = SSL_write_ex(stream->ssl, data, size, &done);
		if (r == 1)
			return (ssize_t)done;
		r = tls_result(stream, r);
		return r ? r : -EPIPE;
	}
	n = send(stream->fd, data, size, MSG_NOSIGNAL);
	if (n >= 0)
		return n;
	stream->events = POLLOUT;
	return errno == EINTR ? -EAGAIN : -errno;
}

void probe_stream_close(struct probe_stream *stream)
{
	/* Nothing is said goodbye to; without this, OpenSSL would think the session ill-fated. */
	if (stream->ssl)
		SSL_set_shutdown(stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(TAKE(stream->ssl));
	if (stream->fd >= 0)
		close(TAKE_FD(stream->fd));
}
