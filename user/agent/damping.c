/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/damping.h"

static uint32_t hold_ms(uint32_t doublings)
{
	return doublings ? DAMPING_FIRST_MS << (doublings - 1) : 0;
}

void damping_up(struct damping *damping, uint64_t now_ms)
{
	if (damping->up)
		return;
	damping->up = true;
	damping->up_ms = now_ms;
}

/* A whole DAMPING_WHILE_MS with no doubling left to take back ends the spell. */
static void decay(struct damping *damping, uint64_t whiles)
{
	if (whiles > damping->doublings) {
		damping->doublings = 0;
		damping->downs = 0;
	} else {
		damping->doublings -= (uint32_t)whiles;
	}
}

void damping_down(struct damping *damping, uint64_t now_ms)
{
	uint64_t whiles = (now_ms - damping->up_ms) / DAMPING_WHILE_MS;

	if (!damping->up)
		return;
	damping->up = false;
	decay(damping, whiles);
	if (!damping->downs++)
		damping->first_ms = now_ms;
	else if (!whiles && hold_ms(damping->doublings) < DAMPING_MOST_MS)
		damping->doublings++;
}

void damping_forget(struct damping *damping)
{
	damping->downs = 0;
	damping->doublings = 0;
}

uint32_t damping_hold_ms(const struct damping *damping)
{
	return hold_ms(damping->doublings);
}
