/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The read-only HTTP pages (/metrics, /healthz, /readyz), served by the agent's own loop. A small
 * page is rendered whole into memory when it is asked for; a large one is made piece by piece
 * while it is sent, and the loop goes on in between. What clients can hold is bounded: so many
 * connections, so many bytes of pages being sent (503 beyond), so long for a request or an answer.
 */
#ifndef STEER_HTTP_H
#define STEER_HTTP_H

#include "agent/node_config.h"

#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/* What clients may hold. */
struct http_limits {
	unsigned int connections; /* at once; others wait in the socket's queue */
	unsigned int idle_s;	  /* without a byte moving */
	unsigned int answer_ms;	  /* for a request to come in, and for its answer to go out */
	size_t bytes;		  /* of pages, over all answers being sent */
};

/* 64 connections, 15 s, 30 s, 64 MiB */
extern const struct http_limits http_default_limits;

struct http;

/* Writes the page; returns its HTTP status (200, 503), or -errno, which answers 500. */
typedef int (*http_render)(void *userdata, FILE *out);

/* A page that is made while it is sent, one of these for each answer. */
struct http_stream {
	/* accept: the client's header, or NULL. *ret_type: the content type, a literal. */
	void *(*open)(void *userdata, const char *accept, const char **ret_type);
	/* Writes up to max bytes; 0: that was all. */
	ssize_t (*read)(void *stream, char *buffer, size_t max);
	void (*close)(void *stream);
	size_t bytes; /* that one holds, about: what counts for http_limits.bytes */
};

struct http_page {
	const char *path;	  /* "/metrics"; not copied */
	const char *content_type; /* NULL: "text/plain; version=0.0.4; charset=utf-8" */
	http_render render;
	void *userdata;
	const struct http_stream *stream; /* instead of the render; its status is 200 */
};

/*
 * Listens at the endpoint (port 0: any, see http_port()) and serves these pages to GET and HEAD;
 * 405 for other methods, 404 for other paths. limits NULL: http_default_limits. 0 or -errno,
 * logged.
 */
int http_new(sd_event *loop, const struct node_endpoint *endpoint, const struct http_page *pages,
	     size_t n, const struct http_limits *limits, struct http **ret);
void http_free(struct http *http); /* closes all connections; accepts NULL */

uint16_t http_port(const struct http *http); /* host order */
unsigned int http_connections(const struct http *http);

#endif
