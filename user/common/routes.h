/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The routes document as the programs hold it: what a routes file, the gRPC Apply and the saved
 * last good routes all become. Pure data; see routes_yaml.h, routes_check.h and user/rpc for
 * the ways in and out.
 */
#ifndef STEER_ROUTES_H
#define STEER_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 16 bytes in network order, IPv4 as ::ffff:a.b.c.d, exactly as the maps hold it. */
struct address {
	uint8_t bytes[16];
};

/* The order is that of enum forward_mode in bpf/abi.h. */
enum forward { FORWARD_AS_L2, FORWARD_AS_IPIP, FORWARD_AS_LOCAL, FORWARD_AS_MAX };

enum stage {
	STAGE_UNSPECIFIED,
	STAGE_DEVELOPMENT,
	STAGE_RELEASE_CANDIDATE,
	STAGE_CANARY,
	STAGE_PRODUCTION,
	STAGE_RETIRED,
	STAGE_MAX
};

enum health_type { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP, HEALTH_GRPC, HEALTH_TYPE_MAX };

/* Which way checks go; directly where the forwarding mode has none of its own. */
enum health_via {
	HEALTH_VIA_PATH,   /* default: to a VIP, as clients' packets go */
	HEALTH_VIA_DIRECT, /* to the backend's own address */
	HEALTH_VIA_BOTH,   /* a check passes only if both ways do */
	HEALTH_VIA_MAX
};

#define HEALTH_STATUS_MIN     200 /* the default range */
#define HEALTH_STATUS_MAX     399
#define HEALTH_BODY_MAX	      255
#define HEALTH_INTERVAL_MS    100  /* defaults, as the next two */
#define HEALTH_TIMEOUT_MAX_MS 2000 /* unless told otherwise */
#define HEALTH_FALL	      2
#define HEALTH_RISE	      3

struct health_spec {
	enum health_type type; /* default none */
	uint16_t port;	       /* host order; required unless type is none */
	char *path;	       /* http; default "/" */
	char *host; /* http, grpc: the Host header; NULL: server_name, else the address and port */
	char *body; /* http: a text that the body must have; NULL: any body */
	char *service; /* grpc: whose health is asked for; NULL: the server as a whole */
	bool tls;
	char *server_name;    /* that TLS is told; NULL: the host, if it is a name */
	uint16_t status_min;  /* http: default 200 to 399; 200 to 599 */
	uint16_t status_max;  /* default status_min, if that is given */
	uint32_t interval_ms; /* default 100, 20 to 3600000 */
	uint32_t timeout_ms;  /* default 4/5 of the interval, 2000 at most; 1 to interval_ms */
	enum health_via via;
	uint32_t fall; /* failures in a row that take a backend down; default 2, 1 to 100 */
	uint32_t rise; /* successes in a row that bring it back; default 3, 1 to 100 */
	int line;
};

struct label {
	char *key;
	char *value;
};

struct route_backend {
	struct address address;
	uint32_t weight; /* default 100, 0 to 65535; 0: checked, but no new flows */
	int line;	 /* in the file it came from; 0: none */
};

enum backend_slow {
	BACKEND_SLOW_SHIFT, /* default: far slower than its peers, it gets less, then none */
	BACKEND_SLOW_KEEP,  /* it keeps its share */
};

struct route_stack {
	char *name;
	enum stage stage;
	enum forward forward; /* default l2; local: one backend at most, only to be checked */
	struct health_spec health;
	uint32_t slow_start_ms; /* 0: none; 1 s to 1 h */
	enum backend_slow on_slow_backend;
	struct label *labels;
	size_t labels_n;
	struct route_backend *backends;
	size_t backends_n;
	int line;
};

struct route_split {
	char *stack;
	uint32_t weight; /* 0 to 1000000 */
	int line;
};

/* Values as on the wire. */
enum protocol { PROTOCOL_UNSPECIFIED = 0, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

enum backend_down {
	BACKEND_DOWN_MOVE,  /* default: established flows of a dead backend go to another */
	BACKEND_DOWN_KEEP,  /* they stay */
	BACKEND_DOWN_RESET, /* TCP: their next packet is answered with a RST; UDP flows move */
	BACKEND_DOWN_MAX
};

struct route_vip {
	struct address address;
	int line;
};

/* A stack that takes over from others. */
struct route_failover {
	char *stack;
	int line;
};

#define PANIC_PERCENT_DEFAULT 10

struct route_service {
	char *name;
	struct route_vip *vips;
	size_t vips_n;
	enum protocol protocol; /* default tcp */
	uint16_t *ports;	/* host order; none: every port */
	size_t ports_n;
	struct route_split *split;
	size_t split_n;
	struct route_failover *failover; /* the order counts; none: the split's other stacks */
	size_t failover_n;
	uint32_t panic_percent; /* 0 to 100: with less of its backends healthy, a stack is out */
	bool sticky_by_client;	/* `sticky: {by: client}`: the backend, too, is chosen by client */
	enum backend_down on_backend_down;
	int line;
};

struct routes {
	char *fleet_key; /* any text; hosts that share it decide alike; NULL: the default */
	struct route_stack *stacks;
	size_t stacks_n;
	struct route_service *services;
	size_t services_n;
	bool sorted; /* by routes_sort(); whoever adds, renames or moves items clears it */
};

/* One thing wrong with a document. */
struct problem {
	char *path;    /* "services.shop.split.gren": names joined by dots, list items as [3] */
	char *message; /* says the thing, the value and the way out; no trailing stop */
	int line;      /* 0: not from a file */
};

/* All that is wrong with a document; zero-initialise. At most PROBLEMS_MAX are kept, all counted. */
#define PROBLEMS_MAX 100
struct problems {
	struct problem *items;
	size_t n;
	size_t total;
};

void problems_add(struct problems *problems, const char *path, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void problems_clear(struct problems *problems);

/*
 * All problems as lines "FILE:LINE: message" (or "PATH: message" without a line; FILE may be
 * NULL), ending with "and N more" where some were not kept. The caller frees. NULL: no memory.
 */
char *problems_text(const struct problems *problems, const char *file);

/*
 * Gives every field that is 0 or NULL its default. Of type none, all is default: what else was
 * set means nothing.
 */
void routes_health_settle(struct health_spec *health);

void routes_health_clear(struct health_spec *health);
struct health_spec routes_health_copy(const struct health_spec *health);
bool routes_health_equal(const struct health_spec *a, const struct health_spec *b);

void routes_free(struct routes *routes); /* accepts NULL; frees the struct itself too */
struct routes *routes_copy(const struct routes *routes); /* NULL: no memory */

/*
 * Sorts stacks, services, splits by name, backends and VIPs by address, ports by number. A stack
 * that only a failover list names joins the split, with weight 0: it stands by.
 */
void routes_sort(struct routes *routes);
bool routes_equal(const struct routes *a, const struct routes *b); /* both sorted; lines ignored */

/* NULL where the name is not there. Quick where the routes are sorted. */
struct route_stack *routes_find_stack(const struct routes *routes, const char *name);
struct route_service *routes_find_service(const struct routes *routes, const char *name);

/* Text to address: "10.1.0.11" or "2001:db8::1"; -EINVAL for anything else. */
int address_parse(const char *text, struct address *ret_address);
#define ADDRESS_TEXT_MAX 46
/* Writes at most ADDRESS_TEXT_MAX bytes to text and returns it. */
const char *address_text(const struct address *address, char *text);
bool address_is_ipv4(const struct address *address);
int address_compare(const struct address *a, const struct address *b);

struct address_prefix {
	struct address address; /* with no host bits */
	uint8_t bits;		/* of the 128: an IPv4 /24 is 120 here */
};

/* "10.0.0.0/8" or an address alone; -EINVAL for anything else, -EDOM where host bits are set. */
int address_parse_prefix(const char *text, struct address_prefix *ret_prefix);

/* "10.0.0.1:80" or "[::1]:80"; -EINVAL for anything else. Port in host order, not 0. */
int address_parse_endpoint(const char *text, struct address *ret_address, uint16_t *ret_port);

/* What makes an address no host's own: "unspecified", "loopback", "multicast", … NULL: nothing. */
const char *address_special(const struct address *address);

#define CLEANUP_ROUTES __attribute__((cleanup(routes_freep)))
static inline void routes_freep(struct routes **routes)
{
	routes_free(*routes);
}

#define CLEANUP_PROBLEMS __attribute__((cleanup(problems_clear)))

#endif
