/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/health_state.h"

#include "abi.h"

#include <stdio.h>
#include <string.h>

#define BITS_UP	      (BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)
#define COMPLAINT_MAX (HEALTH_DETAIL_MAX + 48)

/* Long texts are cut. */
static void copy_text(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%.*s", (int)size - 1, text ? text : "");
}

struct answer {
	uint8_t bits;
	char reason[HEALTH_REASON_MAX];
};

static uint32_t results_needed(const struct health_state *state)
{
	switch (state->verdict) {
	case HEALTH_VERDICT_UP:
		return state->fall;
	case HEALTH_VERDICT_DOWN:
		/* The first may have begun before what flows showed. */
		return state->rise * (state->partly ? HEALTH_PARTLY_RISES : 1) + state->passive;
	default:
		return 1;
	}
}

/* How long a backend that is good again is held down still. */
static uint64_t held_ms(const struct health_state *state, uint64_t now_ms)
{
	uint64_t hold = damping_hold_ms(&state->damping), good = now_ms - state->streak_ms;

	if (state->verdict != HEALTH_VERDICT_DOWN || state->streak < results_needed(state))
		return 0;
	return hold > good ? hold - good : 0;
}

static unsigned long long whole_seconds(uint64_t ms)
{
	return (ms + 999) / 1000;
}

/* "; 5 of 24 good checks", of one of which that many are asked for; or nothing. */
static void progress_add(const struct health_state *state, char text[COMPLAINT_MAX])
{
	size_t used = strlen(text);

	if (state->partly && state->streak)
		snprintf(text + used, COMPLAINT_MAX - used, "; %u of %u good checks", state->streak,
			 results_needed(state));
}

/* What speaks against new flows, or NULL. */
static const char *complaint_find(const struct health_state *state, uint64_t now_ms,
				  char text[COMPLAINT_MAX])
{
	uint64_t held = held_ms(state, now_ms);

	if (state->verdict == HEALTH_VERDICT_UP)
		return NULL;
	if (held)
		snprintf(text, COMPLAINT_MAX,
			 "held down for %llu s more: went down %u times in %llu s",
			 whole_seconds(held), state->damping.downs,
			 whole_seconds(now_ms - state->damping.first_ms));
	else
		snprintf(text, COMPLAINT_MAX, "%s: %s", state->passive ? "passive" : "health check",
			 state->verdict == HEALTH_VERDICT_NONE ? "no result yet"
							       : state->check_detail);
	if (!held)
		progress_add(state, text);
	return text;
}

static void answer_set(struct answer *answer, uint8_t bits, const char *what, const char *who,
		       const char *detail, const char *also)
{
	const char *joint = "";

	if (*also)
		joint = bits & BACKEND_NEW ? " although " : "; ";
	answer->bits = bits;
	snprintf(answer->reason, sizeof(answer->reason), "%s%s%s%s%s", what, who, detail, joint,
		 also);
}

/*
 * What flows showed costs new flows a detour at most, were it wrong; established ones stay until a
 * check has failed, too.
 */
static uint8_t keeps_meanwhile(const struct health_state *state)
{
	return state->passive && state->checked ? BACKEND_KEEP : 0;
}

/* What was ordered; `also` is what speaks against new flows besides, or "". */
static void answer_order(const struct health_state *state, const char *also, struct answer *answer)
{
	const struct health_order *order = &state->order;
	const char *who = order->by_controller ? "controller" : "operator";
	bool down = state->verdict == HEALTH_VERDICT_DOWN && !keeps_meanwhile(state);

	switch (order->override) {
	case HEALTH_OVERRIDE_DOWN:
		answer_set(answer, BACKEND_ROUTE, "down by ", who, "", "");
		break;
	case HEALTH_OVERRIDE_DRAIN:
		answer_set(answer, BACKEND_ROUTE | (down || order->over ? 0 : BACKEND_KEEP),
			   "drained by ", who, order->over ? ", time is up" : "",
			   state->verdict == HEALTH_VERDICT_DOWN ? also : "");
		break;
	default:
		answer_set(answer, BITS_UP, "up by ", who, "", also);
	}
}

static void answer_find(const struct health_state *state, uint64_t now_ms, struct answer *answer)
{
	char text[COMPLAINT_MAX];
	const char *complaint = complaint_find(state, now_ms, text);

	if (!state->routed)
		answer_set(answer, 0, "no next hop: ", state->route_detail, "", "");
	else if (state->order.override != HEALTH_OVERRIDE_AUTO)
		answer_order(state, complaint ? complaint : "", answer);
	else if (complaint)
		answer_set(answer, BACKEND_ROUTE | keeps_meanwhile(state), complaint, "", "", "");
	else
		answer_set(answer, BITS_UP, "", "", "", "");
}

static bool by_order(const struct health_state *state)
{
	return state->routed && (state->order.override == HEALTH_OVERRIDE_DOWN ||
				 state->order.override == HEALTH_OVERRIDE_DRAIN);
}

static unsigned int state_update(struct health_state *state, uint64_t now_ms)
{
	struct answer answer = {};
	unsigned int changed = 0;

	if (state->verdict == HEALTH_VERDICT_UP) {
		state->passive = state->partly = false;
		damping_up(&state->damping, now_ms);
	} else {
		damping_down(&state->damping, now_ms);
	}
	answer_find(state, now_ms, &answer);
	if (answer.bits != state->bits) {
		if (state->bits & ~answer.bits & BACKEND_NEW && !by_order(state))
			state->failovers++;
		if ((state->bits ^ answer.bits) & ~BACKEND_KEEP)
			state->since_ms = now_ms;
		state->bits = answer.bits;
		state->been_up |= answer.bits & BACKEND_NEW;
		changed |= HEALTH_CHANGED_BITS;
	}
	if (strcmp(answer.reason, state->reason)) {
		memcpy(state->reason, answer.reason, sizeof(answer.reason));
		changed |= HEALTH_CHANGED_REASON;
	}
	return changed;
}

static void settings_set(struct health_state *state, bool checked, uint32_t fall, uint32_t rise)
{
	state->checked = checked;
	state->fall = fall ? fall : 1;
	state->rise = rise ? rise : 1;
	if (!checked)
		state->verdict = HEALTH_VERDICT_UP;
}

void health_state_init(struct health_state *state, bool checked, uint32_t fall, uint32_t rise,
		       uint64_t now_ms)
{
	*state = (struct health_state){.since_ms = now_ms};
	settings_set(state, checked, fall, rise);
	copy_text(state->route_detail, sizeof(state->route_detail), "not looked up yet");
	state_update(state, now_ms);
}

void health_state_presume(struct health_state *state, uint8_t bits)
{
	if (bits & BACKEND_NEW || (bits & BACKEND_KEEP && bits & BACKEND_HELD)) {
		state->verdict = HEALTH_VERDICT_UP;
	} else if (bits & BACKEND_KEEP) {
		state->verdict = HEALTH_VERDICT_DOWN;
		state->passive = true;
		copy_text(state->check_detail, sizeof(state->check_detail),
			  "so it was when steerd started");
	}
	state->routed = bits & BACKEND_ROUTE;
	state_update(state, state->since_ms);
}

void health_state_presume_up(struct health_state *state)
{
	health_state_presume(state, BITS_UP);
}

unsigned int health_state_configure(struct health_state *state, bool checked, uint32_t fall,
				    uint32_t rise, uint64_t now_ms)
{
	if (checked != state->checked || fall != state->fall || rise != state->rise)
		state->streak = 0;
	settings_set(state, checked, fall, rise);
	return state_update(state, now_ms);
}

unsigned int health_state_check(struct health_state *state, bool ok, const char *detail,
				uint64_t now_ms)
{
	enum health_verdict seen = ok ? HEALTH_VERDICT_UP : HEALTH_VERDICT_DOWN;

	if (!state->checked)
		return 0;
	if (!ok) {
		copy_text(state->check_detail, sizeof(state->check_detail), detail);
		if (state->been_up && state->verdict == HEALTH_VERDICT_DOWN &&
		    state->streak > state->passive)
			state->partly = true;
		state->passive = false;
	}
	if (seen == state->verdict) {
		state->streak = 0;
		return state_update(state, now_ms);
	}
	if (!state->streak++)
		state->streak_ms = now_ms;
	if (state->streak >= results_needed(state) && !held_ms(state, now_ms)) {
		state->verdict = seen;
		state->streak = 0;
	}
	return state_update(state, now_ms);
}

unsigned int health_state_declare(struct health_state *state, bool partly, const char *evidence,
				  uint64_t now_ms)
{
	if (state->verdict != HEALTH_VERDICT_UP)
		return 0;
	copy_text(state->check_detail, sizeof(state->check_detail), evidence);
	state->verdict = HEALTH_VERDICT_DOWN;
	state->passive = true;
	state->partly = partly;
	state->streak = 0;
	state->streak_ms = now_ms;
	return state_update(state, now_ms);
}

unsigned int health_state_wait(struct health_state *state, uint64_t now_ms)
{
	uint32_t least = state->partly ? HEALTH_PARTLY_MS : HEALTH_PASSIVE_MS;
	uint32_t hold = damping_hold_ms(&state->damping);

	if (state->checked || !state->passive || state->verdict != HEALTH_VERDICT_DOWN ||
	    now_ms - state->streak_ms < (hold > least ? hold : least))
		return 0;
	state->verdict = HEALTH_VERDICT_UP;
	return state_update(state, now_ms);
}

bool health_state_in_doubt(const struct health_state *state)
{
	bool partly = state->partly && state->streak < results_needed(state);

	return state->checked && state->streak && (state->verdict == HEALTH_VERDICT_UP || partly);
}

void health_state_forgive(struct health_state *state)
{
	damping_forget(&state->damping);
}

unsigned int health_state_route(struct health_state *state, bool resolved, const char *detail,
				uint64_t now_ms)
{
	state->routed = resolved;
	copy_text(state->route_detail, sizeof(state->route_detail), resolved ? "" : detail);
	return state_update(state, now_ms);
}

unsigned int health_state_order(struct health_state *state, struct health_order order,
				uint64_t now_ms)
{
	state->order = order;
	return state_update(state, now_ms);
}
