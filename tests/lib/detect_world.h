/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Backends with traffic, for detection to look at: new flows come as a Poisson process, each with
 * a round trip of its client's own; backends die in several ways. All follows from the seed.
 */
#ifndef TESTS_DETECT_WORLD_H
#define TESTS_DETECT_WORLD_H

#include "agent/detect_lag.h"

#define WORLD_BACKENDS 16
#define WORLD_AHEAD    1024 /* ticks that the future is known for */
#define WORLD_TRIES    3    /* times that a SYN is repeated */

enum fault {
	FAULT_NONE,
	FAULT_DEAD,    /* nothing comes back, or a RST that the client gets */
	FAULT_STOPPED, /* handshakes, but no answers */
	FAULT_LOSSY,   /* one SYN in four is lost */
};

struct world_backend {
	double per_s; /* new flows */
	enum fault fault;
	double slow_ms; /* added to every answer */
	bool out;	/* detection took it out */
	struct detect_counts counts;
	/* What will happen, by tick. */
	uint16_t handshakes[WORLD_AHEAD], answers[WORLD_AHEAD], again[WORLD_TRIES][WORLD_AHEAD];
};

struct world {
	uint64_t random;
	uint32_t backends;
	double rtt_min_ms, rtt_max_ms; /* logarithms uniform between them */
	double service_ms;	       /* exponential */
	double junk;		       /* part of the clients' SYNs that nobody completes */
	double flood_per_s;	       /* SYNs of nobody, to each */
	struct world_backend backend[WORLD_BACKENDS];
	struct detect *detect;
	uint64_t latency[DETECT_CHANNEL_MAX][LATENCY_BUCKETS]; /* since the last look at them */
	struct detect_lag lag[DETECT_CHANNEL_MAX];
	uint32_t lag_ticks[DETECT_CHANNEL_MAX];
	uint32_t tick;
	uint32_t suspects, declared;					      /* findings so far */
	uint32_t suspect_tick[WORLD_BACKENDS], declared_tick[WORLD_BACKENDS]; /* first; 0: none */
	struct detect_finding last;					      /* declared */
};

/* `backends` in one stack of forwarding mode 0, each with this rate; clients near and far. */
void world_begin(struct world *world, uint64_t seed, uint32_t backends, double per_s);
void world_end(struct world *world);

void world_tick(struct world *world);
void world_run(struct world *world, double seconds);

/* Backends go on, and nobody looks at them; the next tick is late. */
void world_hang(struct world *world, double seconds);

/* The backend gets a fault; milliseconds until it is declared, or -1: not within `seconds`. */
double world_fault(struct world *world, uint32_t backend, enum fault fault, double seconds);

double world_uniform(struct world *world);

#endif
