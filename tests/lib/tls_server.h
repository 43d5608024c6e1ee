/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An HTTPS server in a process of its own, for health checks to talk to. What it learnt from the
 * handshake is what it answers: "name shop.example, protocol http/1.1, full" ("none" where the
 * client said nothing; "resumed" instead of "full"), after `padding` other bytes of body.
 */
#ifndef STEER_TEST_TLS_SERVER_H
#define STEER_TEST_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_server {
	const char *directory; /* with server.crt and server.key; NULL: it has no certificate */
	size_t padding;
	bool is_mute; /* no answer after the handshake */
	uint16_t port;
	pid_t pid;
	int fd;
};

/* The caller has set the first three. Any port of every address of both families. */
void tls_server_start(struct tls_server *server);
void tls_server_stop(struct tls_server *server);

#endif
