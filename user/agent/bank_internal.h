/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of bank.h share; nobody else's. */
#ifndef STEER_BANK_INTERNAL_H
#define STEER_BANK_INTERNAL_H

#include "agent/bank.h"
#include "agent/ring.h"

struct bank_ring {
	unsigned int users;
	struct ring base;
};

/* Works out what health makes of a whole bank: stacks' health, splits' fitness, who panics. */
void bank_judge(const struct datapath_view *view, const struct compiled *compiled);

/* Tables of a bank that nobody reads, by what bank_judge() has found. */
void bank_fill_ring(const struct datapath_view *view, unsigned int bank,
		    const struct compiled *compiled, size_t stack);
void bank_fill_split(const struct datapath_view *view, unsigned int bank,
		     const struct compiled *compiled, size_t split);

#endif
