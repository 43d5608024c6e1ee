/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/detect_score.h"

#include <math.h>

#define SHARE_MAX 0.999 /* a lone peer with hardly any traffic says next to nothing */

static void cusum_add(struct detect_cusum *c, double gain, uint32_t own, uint32_t peers,
		      uint32_t now)
{
	if (c->value <= 0) {
		if (gain <= 0)
			return;
		*c = (struct detect_cusum){.since = now};
	}
	c->value += gain;
	c->own += own;
	c->peers += peers;
	if (c->value > c->peak) {
		c->peak = c->value;
		c->peak_at = now;
	}
	if (c->value <= 0)
		*c = (struct detect_cusum){};
}

void detect_cusum_step(struct detect_cusum *c, double share, uint32_t own, uint32_t peers,
		       uint32_t now)
{
	double peer_gain, own_loss;

	if (share > SHARE_MAX)
		share = SHARE_MAX;
	peer_gain = -log1p(-(1 - DETECT_ALIVE_RATIO) * share);
	own_loss = -log(DETECT_ALIVE_RATIO) - peer_gain;
	cusum_add(c, peers * peer_gain - own * own_loss, own, peers, now);
}

void detect_cusum_alone(struct detect_cusum *c, double expected, uint32_t own, uint32_t now)
{
	cusum_add(c, expected * (1 - DETECT_ALIVE_RATIO) + own * log(DETECT_ALIVE_RATIO), own, 0,
		  now);
}

double detect_excess(double x, double n, double peer_x, double peer_n)
{
	double all = x + peer_x, share, part, score;

	if (x <= 0 || n <= 0 || x * peer_n <= peer_x * n)
		return 0;
	share = n / (n + peer_n);
	part = x / all;
	score = part * log(part / share);
	if (part < 1)
		score += (1 - part) * log((1 - part) / (1 - share));
	return all * score;
}

double detect_threshold(double mtbf_s, double tests_per_s)
{
	return log(mtbf_s * (tests_per_s > 1 ? tests_per_s : 1));
}
