/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/sampling.h"

#include "agent/node_config.h"

static uint32_t power_of_two_at_least(uint64_t n)
{
	uint32_t power = 1;

	while (power < n && power < SAMPLING_MAX)
		power *= 2;
	return power;
}

static uint32_t one_in_for(uint64_t rate, uint64_t sampled)
{
	return power_of_two_at_least((rate + sampled - 1) / sampled);
}

void sampling_set(struct sampling *s, uint32_t wanted)
{
	s->automatic = wanted == NODE_SAMPLE_AUTO;
	s->quiet = 0;
	if (wanted == NODE_SAMPLE_OFF)
		s->one_in = 0;
	else if (!s->automatic)
		s->one_in = power_of_two_at_least(wanted);
	else if (!s->one_in)
		s->one_in = 1;
}

/*
 * Up at once, since a flood would otherwise push measured flows out of their table; down only
 * after a quiet run, by its busiest step, to where it would not go up again soon.
 */
static void adapt(struct sampling *s, uint64_t rate)
{
	uint32_t lower;

	if (rate / s->one_in > SAMPLING_RAISE) {
		s->one_in = one_in_for(rate, SAMPLING_TARGET);
		s->quiet = 0;
		return;
	}
	if (one_in_for(rate, SAMPLING_LOWER) >= s->one_in) {
		s->quiet = 0;
		return;
	}
	if (!s->quiet || rate > s->peak)
		s->peak = rate;
	if (++s->quiet < SAMPLING_QUIET)
		return;
	lower = one_in_for(s->peak, SAMPLING_LOWER);
	s->one_in = lower < s->one_in ? lower : s->one_in;
	s->quiet = 0;
}

void sampling_step(struct sampling *s, uint64_t flows, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms - s->now_ms;
	bool begun = s->begun;
	uint64_t rate;

	if (begun && !passed_ms)
		return;
	rate = flows > s->flows ? (flows - s->flows) * 1000 / (passed_ms ? passed_ms : 1) : 0;
	s->begun = true;
	s->flows = flows;
	s->now_ms = now_ms;
	if (begun && s->automatic)
		adapt(s, rate);
}
