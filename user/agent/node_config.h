/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The node file, /etc/steerd/steerd.yaml: what this host is and may use. Read once, at start. */
#ifndef STEER_NODE_CONFIG_H
#define STEER_NODE_CONFIG_H

#include "agent/node_otlp.h"
#include "common/routes.h"
#include "common/routes_check.h"

#include <net/if.h>

#define NODE_INTERFACES_MAX 64	/* of each list */
#define NODE_SOURCES_MAX    256 /* of decap.sources */

enum node_xdp_mode {
	NODE_XDP_AUTO, /* default: native, and generic where the driver has no XDP */
	NODE_XDP_NATIVE,
	NODE_XDP_GENERIC,
};

/* Where to listen. `text` is NULL where not; else "ADDRESS:PORT" or "[ADDRESS]:PORT". */
struct node_endpoint {
	char *text;
	struct address address;
	uint16_t port; /* host order */
};

/* An outer source: an address, or a prefix out of which each flow gets its own. */
struct node_source {
	bool set; /* false: the host's own address towards the backend */
	struct address address;
	uint8_t host_bits; /* low bits that vary by flow, 0 to 32; 0 in `address` */
};

struct node_limits {
	uint32_t services; /* default 4096, 1 to 16384 */
	uint32_t stacks;   /* default 256, 1 to 256 */
	uint32_t backends; /* default 16384, 1 to 30000 */
	uint32_t flows;	   /* default 1048576, 1024 to 67108864; over all CPUs */
	uint32_t series;   /* default 1024, 0 to 16384; 0: nothing is measured */
	uint32_t samples;  /* default 65536, 64 to 4194304; flows */
};

#define NODE_SAMPLE_AUTO 0     /* by the rate of new flows */
#define NODE_SAMPLE_MAX	 65536 /* rounded up to a power of two */
#define NODE_SAMPLE_OFF	 UINT32_MAX

struct node_config {
	char *node;
	char (*interfaces)[IF_NAMESIZE];
	size_t interfaces_n;
	enum node_xdp_mode xdp_mode;

	char *listen_unix; /* default /run/steerd/steerd.sock */
	struct node_endpoint listen_tcp;
	char *tcp_cert; /* these three are set where listen_tcp is; relative: to the node file */
	char *tcp_key;
	char *tcp_client_ca;
	struct node_endpoint http; /* default 127.0.0.1:9451; "off" turns it off */

	char (*decap_interfaces)[IF_NAMESIZE];
	size_t decap_interfaces_n;
	struct address_prefix *decap_sources; /* at least one where there are decap interfaces */
	size_t decap_sources_n;

	struct node_source tunnel_source; /* IPv4 */
	struct node_source tunnel_source6;

	char *pin_dir;	 /* default /sys/fs/bpf/steerd */
	char *state_dir; /* default /var/lib/steerd */
	char *routes;	 /* NULL: none; relative: to the node file */
	struct node_limits limits;
	uint32_t sample; /* telemetry: one flow in so many, NODE_SAMPLE_AUTO or NODE_SAMPLE_OFF */
	struct node_otlp otlp;
};

/*
 * 0; -EINVAL with every error in `problems`; -errno with a problem where the file cannot be read.
 * Relative paths of files come back with the node file's folder in front. Only form is judged: interfaces and certificates are looked at by who uses them.
 */
int node_config_load(const char *path, struct node_config *ret, struct problems *problems);

/* The same from text. */
int node_config_parse(const char *text, size_t size, struct node_config *ret,
		      struct problems *problems);

void node_config_clear(struct node_config *config);

/* What routes may take on this node. */
void node_config_routes_limits(const struct node_config *config, struct routes_limits *ret);

#define CLEANUP_NODE_CONFIG __attribute__((cleanup(node_config_clear)))

#endif
