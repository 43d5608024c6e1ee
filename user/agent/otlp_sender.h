/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A thread that sends requests to a collector, one at a time. All calls come from one thread. */
#ifndef STEER_OTLP_SENDER_H
#define STEER_OTLP_SENDER_H

#include <stddef.h>

#include "agent/node_otlp.h"

struct otlp_sender;

/* The config must outlive it. 0 or -errno. */
int otlp_sender_new(const struct node_otlp *config, struct otlp_sender **ret);
void otlp_sender_free(struct otlp_sender *sender); /* breaks off what is sent; accepts NULL */

/* Readable when a request has been answered, or was given up. */
int otlp_sender_fd(const struct otlp_sender *sender);

/* One at a time. The request must stay as it is until otlp_sender_result() has said how it went. */
void otlp_sender_send(struct otlp_sender *sender, const void *request, size_t size);

/* After the descriptor became readable: NULL, or why it failed, which the caller frees. */
char *otlp_sender_result(struct otlp_sender *sender);

#endif
