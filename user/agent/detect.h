/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Seeing that a backend is dead, or half dead, without asking it: sequential tests of what its
 * flows complete against what its peers' do. Pure: no I/O and no clock; a tick is one call of
 * detect_tick(), DETECT_TICK_MS or more apart. docs/detection.md says how it works and what it
 * cannot see.
 *
 * Peers are the other backends of the stack that take new flows; where none of them has traffic,
 * those of other stacks under the same forwarding mode. A test counts what happened to flows, so
 * what all have in common (an uplink, a flood, a slow database) is evidence against nobody.
 *
 * Three tests, each on its own able to make a backend suspect, or to declare it dead:
 * - completions: a CUSUM (Page, "Continuous inspection schemes", Biometrika 41, 1954; for counts:
 *   Lucas, "Counted data CUSUM's", Technometrics 27, 1985) on whose completion the next one is;
 * - overdue: of the flows begun in a window and older than nearly all take, those not completed;
 * - repeats: SYNs that clients sent again.
 */
#ifndef STEER_DETECT_H
#define STEER_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#define DETECT_TICK_MS	   10
#define DETECT_PAST	   256 /* ticks that are remembered */
#define DETECT_LAG_MAX	   128 /* ticks; what takes longer is not looked for */
#define DETECT_LAG_UNKNOWN 0
/*
 * What is shorter than this is a pause and no death: a process may have to wait for a CPU, where
 * its kernel, which completes handshakes, does not. Nor is what is shorter than twice the longest
 * silence of late from which a backend of the stack came back by itself, up to the most.
 */
#define DETECT_PATIENCE_MOST 50 /* ticks */
#define DETECT_CONNECT_LEAST 3	/* ticks */
#define DETECT_ANSWER_LEAST  15 /* ticks */

#define DETECT_EVIDENCE_MAX 128 /* bytes with the NUL */

/*
 * Mean time between false alarms of one backend in one test, at least: thresholds follow from
 * these by bounds that hold whatever the rate (detect_score.h).
 */
#define DETECT_SUSPECT_S 10
#define DETECT_DECLARE_S (30 * 86400)

enum detect_channel {
	DETECT_CONNECT, /* SYNs, and handshakes completed */
	DETECT_ANSWER,	/* flows that asked something, and first responses */
	DETECT_CHANNEL_MAX
};

/* Running totals of a backend, as far as 32 bits go. */
struct detect_counts {
	uint32_t begun[DETECT_CHANNEL_MAX];
	uint32_t done[DETECT_CHANNEL_MAX];
	uint32_t repeated; /* SYNs */
};

enum detect_verdict {
	DETECT_SUSPECT,	 /* ask it at once */
	DETECT_DECLARED, /* take it out */
};

struct detect_finding {
	enum detect_verdict verdict;
	uint32_t slot;
	bool partly; /* of DETECT_DECLARED: it goes on completing some of its flows */
	char evidence[DETECT_EVIDENCE_MAX]; /* "no handshake in 84 ms where its peers had 105" */
};

typedef void (*detect_found)(void *userdata, const struct detect_finding *finding);

struct detect_place {
	uint16_t stack;	 /* below STEER_STACKS */
	uint8_t mode;	 /* forwarding */
	bool has_weight; /* it is meant to take new flows */
	bool by_client;	 /* a client's flows all go to one backend: one client can fail alone */
};

struct detect;

struct detect *detect_new(uint32_t slots, detect_found found, void *userdata);
void detect_free(struct detect *detect); /* accepts NULL */

/* A slot has this place from now on; what was learnt stays, if it had one, unless `relearn`. */
void detect_put(struct detect *detect, uint32_t slot, const struct detect_place *place,
		bool relearn);

/* A slot is nobody's: all is forgotten. */
void detect_drop(struct detect *detect, uint32_t slot);

/* Whether packets take it for new flows at present. Only such are judged, or are peers. */
void detect_open(struct detect *detect, uint32_t slot, bool open);

/* Ticks within which nearly all flows of the slot complete, 99.5 % of them say; LEAST at least. */
void detect_set_lag(struct detect *detect, uint32_t slot, enum detect_channel channel,
		    uint32_t ticks);

/*
 * The coming tick is late: all slots are due in it, so that what happened meanwhile is compared
 * with what happened meanwhile.
 */
void detect_late(struct detect *detect);

/* The slot is to be fed in this tick; one with little traffic need not be in each. */
bool detect_is_due(const struct detect *detect, uint32_t slot);

/* What the slot has counted by now; before detect_tick(). */
void detect_feed(struct detect *detect, uint32_t slot, const struct detect_counts *counts);

/* Ends a tick: judges all that were fed, and calls back. */
void detect_tick(struct detect *detect);

/* How many of each verdict there were. */
uint64_t detect_total(const struct detect *detect, enum detect_verdict verdict);

#endif
