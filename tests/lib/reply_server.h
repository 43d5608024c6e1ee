/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A server for health checks to talk to. What goes wrong in it fails the test. */
#ifndef STEER_TEST_REPLY_SERVER_H
#define STEER_TEST_REPLY_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* A server in this same loop that answers each connection with `reply`, `chunk` bytes at a time. */
struct reply_server {
	sd_event *event;
	int fd;
	uint16_t port;
	const char *reply; /* NULL: connections stay in the kernel's queue, never accepted */
	size_t reply_size; /* 0: up to its NUL */
	size_t chunk;	   /* 0: all at once */
	uint32_t chunk_ms; /* between chunks */
	bool greets;	   /* replies before it is asked; else to what ends in an empty line */
	bool stays_open;   /* after the reply */
	bool resets;	   /* the connection, after the reply */
	char request[512]; /* of the last connection */
	sd_event_source *source;
	struct reply_session *sessions;
};

/* The caller has set what it answers; any port of every address of both families. */
void reply_server_start(struct reply_server *server, sd_event *event);
void reply_server_stop(struct reply_server *server);

/* A socket bound to any port of every address; listening unless backlog is -1. */
int reply_server_listen(int backlog);
uint16_t reply_server_port(int fd);

#endif
