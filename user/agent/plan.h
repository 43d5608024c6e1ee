/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a change of routes does, in words and in clients moved. Pure. */
#ifndef STEER_PLAN_H
#define STEER_PLAN_H

#include "agent/bank.h"

struct plan_move {
	char service[STEER_NAME];
	double moved_share; /* 0 to 1: of its clients, those that change stack */
};

#define PLAN_CHANGES_MAX 200
struct plan {
	char **changes; /* a sentence each, at most PLAN_CHANGES_MAX and one that says "and N more" */
	size_t changes_n;
	size_t changes_total;
	struct plan_move *moves; /* services whose split differs */
	size_t moves_n;
};

/* `from` NULL: nothing was there. `to` is sorted and has passed routes_check(). */
void plan_make(const struct compiled *from, const struct routes *to, struct plan *ret);
void plan_clear(struct plan *plan);

#endif
