/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was ordered of backends, against or instead of this host's own view of their health, and
 * which of it holds. Pure; times are milliseconds since 1970.
 *
 * An order is an operator's, and stands until it is taken back; or a controller's view, given for
 * a time, which it has to renew. Either is about one backend or about a whole stack. Of each kind,
 * a backend's own goes before its stack's. Between them:
 *
 *   operator       controller     what holds
 *   any            any            the operator's
 *   none           down, drain    the controller's: of two views the worse one counts
 *   none           up, none       this host's own view
 *
 * A controller's `up` therefore only exempts a backend from what it says of the whole stack: where
 * this host's own checks fail, no controller sends flows.
 */
#ifndef STEER_ORDERS_H
#define STEER_ORDERS_H

#include "agent/saved.h"

#include <stdbool.h>

struct orders {
	struct saved_override *items; /* owned */
	size_t n;
};

void orders_clear(struct orders *orders);

/*
 * Replaces what was said of the same backend, or of the whole stack and each of its backends, by
 * the same kind of authority. AUTO takes it back: an operator's that of controllers, too. True if
 * anything is now other than before, but for how long a view still holds.
 */
bool orders_set(struct orders *orders, const struct saved_override *order);

/* What holds for a backend, or NULL: its own health. Good until the orders change. */
const struct saved_override *orders_find(const struct orders *orders, const char *stack,
					 const struct address *address);

/* What a find means at that time; NULL is fine. */
struct health_order orders_meaning(const struct saved_override *order, uint64_t unix_ms);

/* When the next drain's deadline comes, or a view runs out; UINT64_MAX: never. */
uint64_t orders_next(const struct orders *orders, uint64_t unix_ms);

/*
 * The stack of one order that came due after `since` and until `unix_ms`, and if that was a view
 * that ran out, forgets it. NULL: no more of these. The name is written to `stack`.
 */
const char *orders_due(struct orders *orders, uint64_t since, uint64_t unix_ms, size_t *at,
		       char stack[STEER_NAME]);

#endif
