/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts of detection; for detect*.c only. */
#ifndef STEER_DETECT_INTERNAL_H
#define STEER_DETECT_INTERNAL_H

#include <stddef.h>

#include "abi.h"
#include "agent/detect.h"
#include "agent/detect_score.h"

#define DETECT_WINDOWS 9 /* lengths of the windows that flows are looked for in */

/* What is scanned for what went wrong. */
enum detect_scan {
	SCAN_CONNECT = DETECT_CONNECT, /* SYNs overdue */
	SCAN_ANSWER = DETECT_ANSWER,   /* first requests overdue */
	SCAN_REPEAT,		       /* SYNs repeated */
	SCAN_MAX
};

/*
 * Flows by window, the shortest first; a window that reaches before the opening is empty. Of a
 * backend, `gone` never says more than is true; summed over peers, `begun` less `done` is right on
 * average, and more rather than less where something begins.
 */
struct detect_windows {
	float begun[SCAN_MAX][DETECT_WINDOWS];
	float open[SCAN_MAX][DETECT_WINDOWS]; /* begun less completed; of repeats: repeated */
	float aged[SCAN_MAX][DETECT_WINDOWS]; /* those begun that should have completed */
	float gone[SCAN_MAX][DETECT_WINDOWS]; /* of those, gone wrong */
};

/* What is said against a member. */
struct detect_case {
	/* By verdict. How far beyond the threshold; below 0: not reached. */
	double score[DETECT_DECLARED + 1];
	char evidence[DETECT_DECLARED + 1][DETECT_EVIDENCE_MAX]; /* of the strongest test */
	bool partly; /* of the strongest that reaches DETECT_DECLARED */
};

/* What is looked at of one without traffic comes first. */
struct detect_member {
	bool begun; /* `last` is known */
	struct detect_counts last;
	struct detect_place place;
	bool placed;
	bool open;
	bool busy; /* on the list: something happened in the ticks that are remembered */
	bool suspect;
	bool declared;	  /* and not back since */
	uint32_t since;	  /* the tick in which it opened */
	uint32_t fed;	  /* last tick that is in `past` */
	uint32_t changed; /* last tick in which anything happened */
	uint32_t lag[DETECT_CHANNEL_MAX];
	uint32_t waited[DETECT_CHANNEL_MAX]; /* the lag that was gone by: patience may be longer */
	struct detect_counts *past;	   /* [DETECT_PAST], by tick; NULL: nothing happened ever */
	uint32_t done[DETECT_CHANNEL_MAX]; /* in this tick */
	double rate[DETECT_CHANNEL_MAX];   /* completions per tick, over the last seconds */
	uint32_t seen[2]
		     [DETECT_CHANNEL_MAX]; /* of its stack's and its mode's `done`, when examined */
	struct detect_cusum peers[DETECT_CHANNEL_MAX];
	struct detect_cusum alone[DETECT_CHANNEL_MAX];
	struct detect_windows windows; /* as of this tick */
	struct detect_case against;    /* likewise */
};

/* Over the open members of a stack, or of a forwarding mode; as of this tick, but for `done`. */
struct detect_sums {
	uint32_t done[DETECT_CHANNEL_MAX]; /* ever */
	uint32_t changed;		   /* the last tick in which a member opened or closed */
	double rate[DETECT_CHANNEL_MAX];
	uint32_t lag[DETECT_CHANNEL_MAX]; /* the longest */
	struct detect_windows windows;
	struct detect_windows worst; /* begun and open of who has most open */
};

struct detect_stack {
	uint32_t members; /* that have a weight */
	uint32_t open;	  /* of those */
	uint32_t declared;
	struct detect_sums sums;
	double usual[SCAN_MAX]; /* part that goes wrong, on average of late */
	double pause
		[DETECT_CHANNEL_MAX]; /* ticks: the longest of late that somebody came back from */
	double wrong[SCAN_MAX]; /* part that went wrong with all but one, at the worst of late */
};

struct detect {
	detect_found found;
	void *userdata;
	uint32_t slots;
	uint32_t now; /* tick */
	bool late;    /* the one that comes */
	struct detect_member *members;
	uint32_t *busy;
	uint32_t busy_n;
	struct detect_stack stacks[STEER_STACKS];
	struct detect_sums modes[FORWARD_MODE_MAX];
	uint64_t totals[DETECT_DECLARED + 1];
};

/* What a slot had counted at the end of a tick, `ago` of them back: below DETECT_PAST. */
static inline const struct detect_counts *detect_at(const struct detect *d,
						    const struct detect_member *m, uint32_t ago)
{
	return &m->past[(d->now - ago) % DETECT_PAST];
}

extern const uint32_t detect_least[DETECT_CHANNEL_MAX]; /* ticks */

/* Ticks of silence that are no death in this member's stack. */
uint32_t detect_patience(const struct detect *d, const struct detect_member *m, int channel);

extern const uint32_t detect_window_ticks[DETECT_WINDOWS];

/* What others did before now is not to be compared with the member. */
void detect_seen(const struct detect *d, struct detect_member *m);

/* Fills m->windows. */
void detect_windows_look(const struct detect *d, struct detect_member *m);

/* Moves the member's tests on by this tick, and sums them up. */
void detect_examine(struct detect *d, struct detect_member *m, struct detect_case *ret);

/* All of a tick that follows the feeding. */
void detect_judge(struct detect *d);

#endif
