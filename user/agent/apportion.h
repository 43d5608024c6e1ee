/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shares out the slots of a table by weight. */
#ifndef STEER_APPORTION_H
#define STEER_APPORTION_H

#include <stddef.h>
#include <stdint.h>

/*
 * Largest remainders: the quotas add up to `slots` (at most 2^20), and each is the exact share
 * slots * weight / total, rounded down or up; where remainders are equal the earlier weight is
 * rounded up. A weight above 0 gets a slot at least: those whose share is under one get one, and
 * the others share what is left in the same way. Weight 0 gets none. Multiplying every weight by
 * the same number changes nothing.
 *
 * -ENOENT: no weight above 0; -E2BIG: more of those than slots.
 */
int apportion(const uint32_t *weights, size_t n, uint32_t slots, uint32_t *ret_quotas);

#endif
