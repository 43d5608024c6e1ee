/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What follows for a backend from what its flows show. */
#include "agent/backends_internal.h"

#include "common/util.h"

void backends_suspect(struct backends *b, uint32_t slot)
{
	check_now(b->entries[slot].check);
}

void backends_declare(struct backends *b, uint32_t slot, bool partly, const char *evidence)
{
	struct backend_entry *entry = &b->entries[slot];

	backend_entry_publish(
		entry, health_state_declare(&entry->health, partly, evidence, util_now_ms()));
}

void backends_wait(struct backends *b, uint32_t slot)
{
	struct backend_entry *entry = &b->entries[slot];
	unsigned int changed = health_state_wait(&entry->health, util_now_ms());

	if (changed)
		backend_entry_publish(entry, changed);
}
