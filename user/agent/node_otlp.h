/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of the node file that says where metrics are sent: telemetry.otlp. */
#ifndef STEER_NODE_OTLP_H
#define STEER_NODE_OTLP_H

#include "common/yaml_reader.h"

struct node_otlp {
	char *endpoint;	      /* "host:port" or "unix:///path"; NULL: metrics are not sent */
	uint32_t interval_ms; /* default 10 s, 1 s to 1 h */
	bool is_plaintext;    /* no TLS: loopback, a unix socket, or `insecure: true` */
	char *ca;	      /* PEM files, relative to the node file; NULL where there is no TLS */
	char *cert;	      /* both or none */
	char *key;
};

void node_otlp_read(struct yaml_reader *reader, const struct tree_node *node, void *otlp);
void node_otlp_clear(struct node_otlp *otlp);

#endif
