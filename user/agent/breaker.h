/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent's side of the kernel's circuit breakers (bpf/breaker.h), which stand in the map
 * `backend_watch`: what they start with, and what is told of them.
 */
#ifndef STEER_BREAKER_AGENT_H
#define STEER_BREAKER_AGENT_H

#include <stdint.h>

#include "abi.h"

/*
 * So many in a row without one success: of a healthy backend that half of the time completes a
 * handshake before it gets the next SYN, once in 2^32.
 */
#define BREAKER_LIMIT 32

/* Until it is known how far away clients are and how long requests take. */
#define BREAKER_HANDSHAKE_NS 1000000000ULL
#define BREAKER_ANSWER_NS    2000000000ULL

#define BREAKER_TEXT_MAX 96

/* Of a slot's new owner: closed, with these limits. */
void breaker_start(struct backend_watch *watch, uint16_t generation);

/* The backend was found to be well: nothing is owed any longer. */
void breaker_close(struct backend_watch *watch);

/* Why it is open; "": it is closed. now_ns: CLOCK_MONOTONIC. */
const char *breaker_text(const struct backend_watch *watch, uint64_t now_ns,
			 char text[BREAKER_TEXT_MAX]);

#endif
