/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/neighbour_state.h"

#include <linux/neighbour.h>
#include <stddef.h>
#include <string.h>

#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

/* Give or take a tenth. */
static uint64_t jittered(uint64_t ms, uint32_t chance)
{
	return ms - ms / 10 + chance % (ms / 5 + 1);
}

void neighbour_state_init(struct neighbour_state *state, uint64_t now_ms)
{
	*state = (struct neighbour_state){.lost_ms = now_ms, .ask_ms = NEIGHBOUR_NEVER};
}

static void input_valid(struct neighbour_state *state, uint16_t nud, const uint8_t *mac,
			uint64_t now_ms, uint32_t chance)
{
	bool stale = nud & NUD_STALE;

	if (!stale)
		state->ask_ms = NEIGHBOUR_NEVER;
	else if (!state->valid || !state->stale)
		state->ask_ms = now_ms + jittered(NEIGHBOUR_CONFIRM_MS, chance);
	state->stale = stale;
	state->valid = true;
	state->asked = false;
	state->answer = NEIGHBOUR_ANSWERS;
	memcpy(state->mac, mac, sizeof(state->mac));
}

static void input_invalid(struct neighbour_state *state, uint16_t nud, uint64_t now_ms)
{
	if (state->valid)
		state->lost_ms = now_ms;
	if (state->valid || !state->heard)
		state->ask_ms = now_ms;
	state->valid = false;
	state->stale = false;
	/* A failure from before we asked is old news. */
	if (state->answer == NEIGHBOUR_UNKNOWN && state->asked && (nud & NUD_FAILED))
		state->answer = NEIGHBOUR_SILENT;
}

void neighbour_state_input(struct neighbour_state *state, uint16_t nud, const uint8_t *mac,
			   uint64_t now_ms, uint32_t chance)
{
	if ((nud & NUD_USABLE) && mac)
		input_valid(state, nud, mac, now_ms, chance);
	else
		input_invalid(state, nud, now_ms);
	state->heard = true;
}

void neighbour_state_hurry(struct neighbour_state *state, uint64_t now_ms)
{
	if (!state->valid && state->heard)
		state->ask_ms = now_ms;
}

bool neighbour_state_tick(struct neighbour_state *state, uint64_t now_ms, uint32_t chance)
{
	if (!state->valid && now_ms >= state->lost_ms + NEIGHBOUR_HOLD_MS)
		state->answer = NEIGHBOUR_SILENT;
	if (now_ms < state->ask_ms)
		return false;
	state->ask_ms = now_ms +
			jittered(state->valid ? NEIGHBOUR_CONFIRM_MS : NEIGHBOUR_ASK_MS, chance);
	state->asked = true;
	return true;
}

uint64_t neighbour_state_next(const struct neighbour_state *state)
{
	uint64_t silent_ms = state->lost_ms + NEIGHBOUR_HOLD_MS;

	if (state->valid || state->answer == NEIGHBOUR_SILENT || silent_ms > state->ask_ms)
		return state->ask_ms;
	return silent_ms;
}
