/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Our own accept loops: gRPC's gives up for good when descriptors run out, and cannot bound the
 * number of connections.
 */
#ifndef STEER_RPC_LISTENER_H
#define STEER_RPC_LISTENER_H

#include "rpc/call.h"

#include <openssl/types.h>

struct rpc_connection;

struct rpc_listener {
	struct rpc_listener *next;
	struct rpc_server *server;
	int fd;
	sd_event_source *source;	  /* of fd; off while full or out of descriptors */
	sd_event_source *retry;		  /* turns it on again */
	bool is_short;			  /* of descriptors */
	unsigned long long short_told_ms; /* when that was last so; CLOCK_MONOTONIC */
	char *path;			  /* of a unix socket */
	dev_t device;			  /* the file that was made at path */
	ino_t inode;
	unsigned long long told_ms; /* when a refused client was last logged; CLOCK_MONOTONIC */
	SSL_CTX *tls;		    /* of a TCP listener */
	struct rpc_connection *connections;
	unsigned int connections_n;
};

void rpc_listeners_stop(struct rpc_server *server); /* no new connections */
void rpc_listeners_free(struct rpc_server *server);
bool rpc_listeners_have_connections(const struct rpc_server *server);

/*
 * A connection, known from accept to close. Takes over fd; the TLS kind hands it to gRPC, through
 * a pair of sockets, only once the client has proved who it is. -errno: fd is closed.
 */
int rpc_connection_add(struct rpc_listener *listener, int fd);
void rpc_connection_free(struct rpc_connection *connection);
/* Those of a stopping listener that gRPC does not have yet. */
void rpc_connections_drop_new(struct rpc_listener *listener);
/* To be called when one is gone: there may be room again. */
void rpc_listener_resume(struct rpc_listener *listener);

/* 0, or -errno and a sentence that names the file. */
int rpc_tls_context(const char *cert_path, const char *key_path, const char *client_ca_path,
		    SSL_CTX **ret_tls, char **ret_error);

#endif
