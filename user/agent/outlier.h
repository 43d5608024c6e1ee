/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Backends that answer, but far slower than their stack's others do, for long: they get half of
 * their share of new flows, then a quarter, then none; and all of it again, step by step, once they
 * are as fast as the others. Pure: no I/O and no clock. docs/detection.md says what it compares.
 */
#ifndef STEER_OUTLIER_H
#define STEER_OUTLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#define OUTLIER_EVERY_S 2 /* between looks */
#define OUTLIER_LOOKS	5 /* in a row that have to agree before anything is done */

/* Far slower: this many times as slow as the others, and by this much. */
#define OUTLIER_SLOW_RATIO 3.0
#define OUTLIER_MARGIN_NS  5e6
#define OUTLIER_FINE_RATIO 2.0 /* as fast as the others: not even this many times as slow */

/* How long one without new flows waits until it is tried again: twice as long each time. */
#define OUTLIER_HOLD_MS	     60000
#define OUTLIER_HOLD_MOST_MS 960000

#define OUTLIER_EVIDENCE_MAX 128 /* bytes with the NUL */

enum outlier_kind {
	OUTLIER_CONNECT,
	OUTLIER_RESPONSE,
	OUTLIER_SERVICE, /* the response without the round trip, as far as timestamps tell */
	OUTLIER_KIND_MAX
};

/* Of one kind, since it was enough to judge by. */
struct outlier_samples {
	uint32_t count[LATENCY_BUCKETS];
	uint32_t total;
};

/* In a row that said so; silent: that had too few samples to say anything. */
struct outlier_looks {
	uint32_t slow, fine, silent;
};

/* What is known of a backend from look to look. All 0: nothing. */
struct outlier {
	uint8_t step;		/* 0: it has all of its share … SLOW_STEP_NONE: none */
	enum outlier_kind kind; /* for which it took its last step down */
	struct outlier_looks looks[OUTLIER_KIND_MAX];
	uint32_t hold_ms;  /* the last one; 0: none */
	uint64_t retry_ms; /* of SLOW_STEP_NONE */
};

/* One of a stack's backends, as of a look. */
struct outlier_member {
	struct outlier *outlier;
	struct outlier_samples *samples; /* [OUTLIER_KIND_MAX]; NULL: nothing was measured */
	uint32_t weight;		 /* 0: it is not open */
	/* It takes new flows by its health alone. One that does not has all of its share again. */
	bool open;
	/* Open for long enough, with all that its slow start gives: judged, and a peer of others. */
	bool warm;
	double ratio; /* set by outlier_look(): to its peers, where it is far slower; else 0 */
	char evidence[OUTLIER_EVIDENCE_MAX]; /* set likewise: of the step that it takes */
};

/* It was found at this step, where another agent left it. */
void outlier_adopt(struct outlier *outlier, uint8_t step, uint64_t now_ms);

/* What came since `before`; NULL: nothing was there before. */
void outlier_add(struct outlier_samples *samples, const uint64_t now[LATENCY_BUCKETS],
		 const uint64_t before[LATENCY_BUCKETS]);

/* The member's step has changed. */
typedef void (*outlier_stepped)(void *userdata, const struct outlier_member *member);

/*
 * A look at a stack. What outliers lack of their shares stays within spare_percent of the weight
 * of all that are open: the slowest come first. now_ms: any clock that does not go back.
 */
void outlier_look(struct outlier_member *members, size_t n, uint32_t spare_percent, uint64_t now_ms,
		  outlier_stepped stepped, void *userdata);

#endif
