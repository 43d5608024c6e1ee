/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bytes of a health check's connection, in the clear or through TLS, without waiting. TLS
 * writes raise SIGPIPE, which the process is to ignore.
 *
 * Certificates are not verified: a check asks whether the backend works, by an address that no
 * certificate names, not who it is. Sessions are resumed where the backend offers it, which
 * spares it the signature of most handshakes.
 */
#ifndef STEER_PROBE_STREAM_H
#define STEER_PROBE_STREAM_H

#include <stddef.h>
#include <sys/types.h>

/* As much as TLS ever gives at once: one read of so much leaves nothing behind that poll(2) misses. */
#define PROBE_READ_MAX 16384

struct probe_tls; /* settings, for any number of connections */

/* What a backend is told and what it gave, over all its connections. */
struct probe_tls_peer {
	struct probe_tls *tls; /* NULL: no TLS */
	char *server_name;     /* owned; NULL: none is sent */
	const char *protocol;  /* for ALPN: "h2"; static */
	void *session;	       /* owned; NULL: none to resume */
};

int probe_tls_new(struct probe_tls **ret_tls); /* -ENOMEM */
void probe_tls_free(struct probe_tls *tls);    /* accepts NULL */
void probe_tls_peer_clear(struct probe_tls_peer *peer);
void probe_tls_peer_forget(struct probe_tls_peer *peer); /* the next handshake is a full one */

struct probe_stream {
	int fd;		       /* -1: none */
	short events;	       /* of poll(2), to wait for after -EAGAIN */
	void *ssl;	       /* owned; NULL: in the clear */
	const char *tls_error; /* static; after -EPROTO */
};

/*
 * Over a connected socket. 1: done, 0: the other end closed, -EAGAIN, -EPROTO, or what the socket
 * says. To be called again after -EAGAIN.
 */
int probe_stream_shake_hands(struct probe_stream *stream, struct probe_tls_peer *peer);

/* Bytes read; 0: the end; else as above. size: PROBE_READ_MAX. */
ssize_t probe_stream_read(struct probe_stream *stream, void *data, size_t size);

/* Bytes written, above 0 and perhaps not all; else as above. size: above 0. */
ssize_t probe_stream_write(struct probe_stream *stream, const void *data, size_t size);

void probe_stream_close(struct probe_stream *stream); /* may be called twice */

#endif
