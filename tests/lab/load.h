/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parts of the load generator: exchanges (one request and its answer on one socket), and the
 * record of how they went. One thread, one epoll.
 */
#ifndef STEER_LAB_LOAD_H
#define STEER_LAB_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TARGETS_MAX	8
#define LOAD_NAME	32
#define LOAD_ANSWER_MAX 4096 /* bytes of an answer's head that are looked at */

union socket_address {
	struct sockaddr any;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

struct load_options {
	union socket_address targets[TARGETS_MAX];
	unsigned int targets_n;
	union socket_address sources[2]; /* first address: IPv4, IPv6; family 0: none given */
	uint32_t clients;		 /* addresses used of each range */
	uint32_t rate;			 /* new flows a second */
	uint32_t count;			 /* of them, then stop; 0: no bound */
	uint32_t duration_ms;		 /* 0: no bound */
	uint32_t held;			 /* flows that stay */
	uint32_t every_ms;		 /* and ask this often */
	uint32_t timeout_ms;
	uint32_t size; /* bytes of a datagram's payload */
	bool udp;
	const char *path;
	const char *log;    /* NULL: none */
	const char *stalls; /* likewise */
};

enum load_result {
	LOAD_OK,
	LOAD_REFUSED,
	LOAD_RESET,
	LOAD_CLOSED, /* before the answer was whole */
	LOAD_TIMEOUT,
	LOAD_STATUS,  /* answered, but not with 200 */
	LOAD_STRAYED, /* a held flow was answered by another backend than before */
	LOAD_LOCAL,   /* this host could not send: no port, no route, no memory */
	LOAD_RESULT_MAX
};

enum exchange_state {
	EXCHANGE_CONNECTING,
	EXCHANGE_WAITING, /* the request is sent */
	EXCHANGE_IDLE,	  /* a held flow between two requests */
};

struct exchange {
	int fd;
	enum exchange_state state;
	bool held;
	unsigned int target;
	uint32_t client;
	uint64_t due_us; /* CLOCK_MONOTONIC: of the request under way, or of the next one */
	size_t used;	 /* bytes in `answer` */
	uint64_t body_left;
	bool in_body;
	char stack[LOAD_NAME], backend[LOAD_NAME];
	char first_backend[LOAD_NAME]; /* that a held flow met; "": none yet */
	char answer[LOAD_ANSWER_MAX];
};

uint64_t load_now_us(void);

/* Opens a flow from the client's address; watched by `epoll` with the exchange as data. */
enum load_result exchange_open(struct exchange *exchange, const struct load_options *options,
			       int epoll);

/*
 * Goes on as far as it can after an event. True when the request is over, with how it ended; the
 * exchange is IDLE then, or to be closed.
 */
bool exchange_advance(struct exchange *exchange, const struct load_options *options,
		      enum load_result *ret_result);

/* The next request on a held flow. True when it failed at once. */
bool exchange_ask(struct exchange *exchange, const struct load_options *options,
		  enum load_result *ret_result);
void exchange_close(struct exchange *exchange);

/* One finished request: counted, and written to the log. */
int record_open(const struct load_options *options);
void record_add(const struct load_options *options, const struct exchange *exchange,
		enum load_result result);
void record_lag(uint64_t lag_us); /* of a new flow behind its time in the table */
/* After a wait that was to end at that time at the latest; a line in `stalls` if it did not. */
void record_wake(uint64_t wake_us);
void record_flush(void);
void record_print(FILE *file);
void record_close(void);

#endif
