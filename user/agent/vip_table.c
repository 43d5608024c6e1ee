/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/vip_table.h"

#include <arpa/inet.h>
#include <errno.h>

#include "agent/mix.h"
#include "common/util.h"

#define SLOTS_MIN	64
#define SLOTS_PER_ENTRY 4
#define SEED_TRIES	64
#define FREE		UINT16_MAX
static_assert(STEER_VIP_KEYS_MAX < FREE, "an index of an entry never looks like a free slot");

/* Where entries would lie under a seed: an index into them by slot, and each one's home. */
struct layout {
	__u64 seed[2];
	uint32_t mask;
	uint32_t *home;
	uint16_t *index;
};

static int entry_compare(const void *a, const void *b)
{
	const struct vip_entry *x = a, *y = b;
	int r = memcmp(x->address, y->address, sizeof(x->address));

	if (r)
		return r;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	return ntohs(x->port_be) < ntohs(y->port_be) ? -1 : x->port_be != y->port_be;
}

static void entry_init(struct vip_entry *entry, const struct vip_key *key)
{
	*entry = (struct vip_entry){
		.port_be = htons(key->port),
		.protocol = key->protocol,
		.flags = key->flags | VIP_USED,
		.service = key->service,
	};
	memcpy(entry->address, &key->address, sizeof(entry->address));
}

static bool entry_is_bare(const struct vip_entry *entry)
{
	return !entry->protocol;
}

/* The keys in canonical order, each address's bare entry first. `entries` has room for 2 * n. */
static int entries_make(const struct vip_key *keys, size_t n, struct vip_entry *entries,
			size_t *ret_n)
{
	size_t all = 0, used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct vip_key bare = {.address = keys[i].address};

		if (!keys[i].protocol && keys[i].port)
			return -EINVAL;
		entry_init(&entries[all++], &bare);
		if (keys[i].protocol)
			entry_init(&entries[all++], &keys[i]);
	}
	qsort(entries, all, sizeof(*entries), entry_compare);

	for (size_t i = 0; i < all; i++) {
		bool again = used && !entry_compare(&entries[used - 1], &entries[i]);

		if (again && !entry_is_bare(&entries[i]))
			return -EEXIST;
		if (!again)
			entries[used++] = entries[i];
	}
	if (used > STEER_VIP_KEYS_MAX)
		return -ENOSPC;
	*ret_n = used;
	return 0;
}

static uint32_t home_slot(const __u64 seed[2], uint32_t mask, const struct vip_entry *entry)
{
	__u64 word[2];

	memcpy(word, entry->address, sizeof(word));
	return vip_home(seed, mask, word[0], word[1], entry->port_be, entry->protocol);
}

/*
 * Who is nearer to home gives way ("Robin Hood hashing", Celis 1985): even half full, the farthest
 * of 16,384 entries stays within a dozen slots. False: somebody would lie too far away.
 */
static bool layout_place(struct layout *layout, uint16_t entry)
{
	uint32_t slot = layout->home[entry];

	for (uint32_t distance = 0; distance < STEER_VIP_PROBE; distance++) {
		uint16_t other = layout->index[slot];
		uint32_t its_distance;

		if (other == FREE) {
			layout->index[slot] = entry;
			return true;
		}
		its_distance = (slot - layout->home[other]) & layout->mask;
		if (its_distance < distance) {
			layout->index[slot] = entry;
			entry = other;
			distance = its_distance;
		}
		slot = (slot + 1) & layout->mask;
	}
	return false;
}

static bool layout_try(struct layout *layout, const struct vip_entry *entries, size_t n,
		       unsigned int try)
{
	layout->seed[0] = mix64(2 * try) | 1;
	layout->seed[1] = mix64(2 * try + 1) | 1;
	for (uint32_t slot = 0; slot <= layout->mask; slot++)
		layout->index[slot] = FREE;
	for (size_t i = 0; i < n; i++)
		layout->home[i] = home_slot(layout->seed, layout->mask, &entries[i]);
	for (size_t i = 0; i < n; i++)
		if (!layout_place(layout, i))
			return false;
	return true;
}

static void layout_write(const struct layout *layout, const struct vip_entry *entries, size_t n,
			 struct vip_table *ret)
{
	static const struct vip_entry none;

	ret->seed[0] = layout->seed[0];
	ret->seed[1] = layout->seed[1];
	ret->mask = layout->mask;
	ret->any_port = 0;
	for (size_t i = 0; i < n; i++)
		if (!entry_is_bare(&entries[i]) && !entries[i].port_be)
			ret->any_port = 1;
	for (uint32_t slot = 0; slot <= layout->mask; slot++) {
		uint16_t index = layout->index[slot];

		ret->slot[slot] = index == FREE ? none : entries[index];
	}
}

static uint32_t slots_for(size_t entries)
{
	uint32_t slots = SLOTS_MIN;

	while (slots < entries * SLOTS_PER_ENTRY && slots < STEER_VIP_SLOTS)
		slots *= 2;
	return slots;
}

int vip_table_build(const struct vip_key *keys, size_t n, struct vip_table *ret)
{
	CLEANUP_FREE struct vip_entry *entries = NULL;
	CLEANUP_FREE uint32_t *home = NULL;
	CLEANUP_FREE uint16_t *index = NULL;
	struct layout layout = {};
	size_t entries_n;
	int r;

	if (n > STEER_VIP_KEYS_MAX)
		return -ENOSPC;
	entries = util_calloc(2 * n, sizeof(*entries));
	r = entries_make(keys, n, entries, &entries_n);
	if (r < 0)
		return r;

	layout.mask = slots_for(entries_n) - 1;
	layout.home = home = util_calloc(entries_n, sizeof(*home));
	layout.index = index = util_calloc(layout.mask + 1, sizeof(*index));
	for (unsigned int try = 0; try < SEED_TRIES; try++) {
		if (!layout_try(&layout, entries, entries_n, try))
			continue;
		layout_write(&layout, entries, entries_n, ret);
		return 0;
	}
	return -ENOSPC;
}

static const struct vip_entry *entry_find(const struct vip_table *table,
					  const struct vip_entry *wanted)
{
	uint32_t slot = home_slot(table->seed, table->mask, wanted);

	for (int i = 0; i < STEER_VIP_PROBE; i++) {
		const struct vip_entry *entry = &table->slot[slot];

		if (!(entry->flags & VIP_USED))
			return NULL;
		if (!entry_compare(entry, wanted))
			return entry;
		slot = (slot + 1) & table->mask;
	}
	return NULL;
}

const struct vip_entry *vip_table_find(const struct vip_table *table, const struct address *address,
				       uint16_t port, uint8_t protocol)
{
	const struct vip_key key = {.address = *address, .port = port, .protocol = protocol};
	const struct vip_entry *found;
	struct vip_entry wanted;

	entry_init(&wanted, &key);
	found = entry_find(table, &wanted);
	if (found || !table->any_port || !protocol)
		return found;
	wanted.port_be = 0;
	return entry_find(table, &wanted);
}
