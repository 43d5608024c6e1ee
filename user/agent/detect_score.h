/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The statistics of detection. Scores are natural logarithms of a likelihood ratio, or of a bound
 * on a probability: e to the minus score bounds how likely chance alone does this.
 */
#ifndef STEER_DETECT_SCORE_H
#define STEER_DETECT_SCORE_H

#include <stdint.h>

/* A dead backend is looked for as one that completes this part of what it should. */
#define DETECT_ALIVE_RATIO 0.1

struct detect_cusum {
	double value;
	uint32_t since; /* the tick in which value left 0 */
	uint32_t own;	/* completions since then: the backend's */
	uint32_t peers; /* and those of its peers */
	double peak;	/* of value since then */
	uint32_t peak_at;
};

/*
 * Of each completion, whose is it? The backend's with probability `share`, if it is well; if it
 * completes DETECT_ALIVE_RATIO of that, with the smaller one that follows. The likelihood ratio of
 * the two is a martingale under the first, so that from each time that the sum is 0 it reaches h
 * with a probability of at most exp(-h) (Ville, 1939): exp(h) completions between false alarms
 * on average, at least (Lorden, Annals of Mathematical Statistics 42, 1971), whatever the rate.
 */
void detect_cusum_step(struct detect_cusum *cusum, double share, uint32_t own, uint32_t peers,
		       uint32_t now);

/* The same of one backend alone, which should have completed `expected` in this step. */
void detect_cusum_alone(struct detect_cusum *cusum, double expected, uint32_t own, uint32_t now);

/*
 * x of n went wrong with one, and peer_x of peer_n with the others: the Chernoff bound on that one
 * having x or more of all that went wrong, were it by chance (the conditional test of Przyborowski
 * and Wilenski, Biometrika 31, 1940). 0 where it is no worse than they are.
 */
double detect_excess(double x, double n, double peer_x, double peer_n);

/* The score that a test made so often in a second reaches by chance once in mtbf_s at most. */
double detect_threshold(double mtbf_s, double tests_per_s);

#endif
