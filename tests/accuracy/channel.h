/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A non-blocking connection, plain or TLS 1.3, for small requests and responses. */
#ifndef STEER_ACCURACY_CHANNEL_H
#define STEER_ACCURACY_CHANNEL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct channel {
	int fd;	  /* owned */
	SSL *tls; /* owned; NULL: plain */
	/* When the kernel got the last segment that was read: CLOCK_MONOTONIC; 0: not known. */
	uint64_t arrived_ns;
	uint64_t sent_ns; /* just before the kernel was given what was sent last */
};

/* NULL and a message on standard error if not. NULL files: a client's, which trusts everybody. */
SSL_CTX *channel_tls(const char *cert_file, const char *key_file);

/* Takes fd over, even on failure. tls: NULL for plain. A client begins the handshake at once. */
int channel_open(struct channel *ret_channel, int fd, SSL_CTX *tls, bool is_server);
void channel_close(struct channel *channel);

/* Nothing of a handshake is left to do. */
bool channel_is_ready(const struct channel *channel);

/* Bytes; 0: the peer has closed; -EAGAIN: nothing to give out now, though a handshake may go on. */
ssize_t channel_read(struct channel *channel, void *buffer, size_t size);

/* All of it or an error: what does not fit into the socket's buffer is not kept for later. */
int channel_write(struct channel *channel, const void *data, size_t size);

#endif
