/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/slots.h"

#include <errno.h>

#include "common/util.h"

struct slot {
	char *key; /* NULL: free */
	unsigned int owners;
	uint32_t next; /* in its chain, slot + 1; 0: the end */
};

struct slots {
	uint32_t max;
	uint32_t lowest_free; /* no free slot lies below */
	struct slot *slots;
	uint32_t *heads; /* by hash: first slot of the chain + 1; 0: none */
	uint32_t mask;
};

/* FNV-1a, for a table of our own names. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	return hash ^ hash >> 15;
}

struct slots *slots_new(uint32_t max)
{
	struct slots *slots = util_calloc(1, sizeof(*slots));
	uint32_t heads = 64;

	while (heads < max)
		heads *= 2;
	slots->max = max;
	slots->mask = heads - 1;
	slots->slots = util_calloc(max, sizeof(*slots->slots));
	slots->heads = util_calloc(heads, sizeof(*slots->heads));
	return slots;
}

void slots_free(struct slots *slots)
{
	if (!slots)
		return;
	for (uint32_t i = 0; i < slots->max; i++)
		free(slots->slots[i].key);
	free(slots->slots);
	free(slots->heads);
	free(slots);
}

int slots_find(const struct slots *slots, const char *key, uint32_t *ret_slot)
{
	uint32_t at = slots->heads[hash_text(key) & slots->mask];

	for (; at; at = slots->slots[at - 1].next)
		if (!strcmp(slots->slots[at - 1].key, key)) {
			*ret_slot = at - 1;
			return 0;
		}
	return -ENOENT;
}

int slots_adopt(struct slots *slots, const char *key, unsigned int owners, uint32_t slot)
{
	uint32_t *head = &slots->heads[hash_text(key) & slots->mask], other;

	if (slot >= slots->max || slots->slots[slot].key || slots_find(slots, key, &other) == 0)
		return -EEXIST;
	slots->slots[slot] =
		(struct slot){.key = util_strdup(key), .owners = owners, .next = *head};
	*head = slot + 1;
	return 0;
}

int slots_hold(struct slots *slots, const char *key, unsigned int owners, uint32_t *ret_slot,
	       bool *ret_fresh)
{
	*ret_fresh = false;
	if (slots_find(slots, key, ret_slot) == 0) {
		slots->slots[*ret_slot].owners |= owners;
		return 0;
	}
	while (slots->lowest_free < slots->max && slots->slots[slots->lowest_free].key)
		slots->lowest_free++;
	if (slots->lowest_free == slots->max)
		return -ENOSPC;
	*ret_slot = slots->lowest_free;
	*ret_fresh = true;
	return slots_adopt(slots, key, owners, *ret_slot);
}

void slots_mark(struct slots *slots, uint32_t slot, unsigned int owners)
{
	slots->slots[slot].owners |= owners;
}

static void forget(struct slots *slots, uint32_t slot)
{
	struct slot *gone = &slots->slots[slot];
	uint32_t *link = &slots->heads[hash_text(gone->key) & slots->mask];

	while (*link != slot + 1)
		link = &slots->slots[*link - 1].next;
	*link = gone->next;
	free(gone->key);
	*gone = (struct slot){};
	if (slot < slots->lowest_free)
		slots->lowest_free = slot;
}

void slots_release(struct slots *slots, unsigned int owners,
		   void (*freed)(uint32_t slot, void *userdata), void *userdata)
{
	for (uint32_t i = 0; i < slots->max; i++) {
		if (!slots->slots[i].key)
			continue;
		slots->slots[i].owners &= ~owners;
		if (slots->slots[i].owners)
			continue;
		forget(slots, i);
		if (freed)
			freed(i, userdata);
	}
}

unsigned int slots_owners(const struct slots *slots, uint32_t slot)
{
	return slots->slots[slot].owners;
}

const char *slots_key(const struct slots *slots, uint32_t slot)
{
	return slots->slots[slot].key;
}
