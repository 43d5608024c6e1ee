/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/breaker.h"

#include <stdio.h>

void breaker_start(struct backend_watch *watch, uint16_t generation)
{
	*watch = (struct backend_watch){
		.generation = generation,
		.handshakes = {.limit = BREAKER_LIMIT, .limit_ns = BREAKER_HANDSHAKE_NS},
		.answers = {.limit = BREAKER_LIMIT, .limit_ns = BREAKER_ANSWER_NS},
	};
}

void breaker_close(struct backend_watch *watch)
{
	__atomic_store_n(&watch->handshakes.n, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&watch->answers.n, 0, __ATOMIC_RELAXED);
}

const char *breaker_text(const struct backend_watch *watch, uint64_t now_ns,
			 char text[BREAKER_TEXT_MAX])
{
	const struct owed *owed = &watch->handshakes;
	const char *what = "handshakes";

	text[0] = 0;
	if (!owed_too_long(owed, now_ns)) {
		owed = &watch->answers;
		what = "first answers";
	}
	if (owed_too_long(owed, now_ns))
		snprintf(text, BREAKER_TEXT_MAX, "breaker open: %u %s owed, the first for %llu ms",
			 owed->n, what, (unsigned long long)(now_ns - owed->first_ns) / 1000000);
	return text;
}
