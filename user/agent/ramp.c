/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/ramp.h"

static bool is_over(const struct ramp *ramp, uint64_t now_ms)
{
	return !ramp->running || now_ms - ramp->began_ms >= ramp->length_ms;
}

/* The step that is on, while the ramp is not over. */
static uint32_t step(const struct ramp *ramp, uint64_t now_ms)
{
	return (uint32_t)((now_ms - ramp->began_ms) * RAMP_STEPS / ramp->length_ms);
}

uint32_t ramp_part(const struct ramp *ramp, uint64_t now_ms)
{
	if (is_over(ramp, now_ms))
		return RING_WHOLE;
	return RING_WHOLE * (2 * step(ramp, now_ms) + 1) / (2 * RAMP_STEPS);
}

uint64_t ramp_next_ms(const struct ramp *ramp, uint64_t now_ms)
{
	uint64_t next;

	if (is_over(ramp, now_ms))
		return UINT64_MAX;
	next = ((uint64_t)step(ramp, now_ms) + 1) * ramp->length_ms;
	return ramp->began_ms + (next + RAMP_STEPS - 1) / RAMP_STEPS;
}

uint32_t ramp_left_ms(const struct ramp *ramp, uint64_t now_ms)
{
	return is_over(ramp, now_ms) ? 0 : (uint32_t)(ramp->began_ms + ramp->length_ms - now_ms);
}

bool ramp_is_of_an_age(const struct ramp *ramp, uint32_t length_ms, uint64_t now_ms)
{
	return ramp->running && ramp->length_ms == length_ms &&
	       now_ms - ramp->began_ms <= length_ms / RAMP_STEPS;
}
