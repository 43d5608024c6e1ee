/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of the datapath's hashes. */
#ifndef STEER_HASH_KEY_H
#define STEER_HASH_KEY_H

#include "abi.h"

/*
 * The fleet's key: the same on every host for the same text (`fleet_key` in the routes; NULL: the
 * built-in one). Every multiplier is odd.
 */
void hash_key_from_text(const char *text, struct hash_key *ret);

/* A key nobody can guess, of the same shape. -errno where the kernel gives no random bytes. */
int hash_key_random(struct hash_key *ret);

#endif
