/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/vip_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/mix.h"
#include "common/util.h"

#define TCP 6
#define UDP 17

static struct vip_table table, other;
static struct vip_key keys[STEER_VIP_KEYS_MAX + 1];

static struct address ipv4(uint32_t host_order)
{
	struct address address = {.bytes = {[10] = 0xff, [11] = 0xff}};
	uint32_t be = htonl(host_order);

	memcpy(address.bytes + 12, &be, sizeof(be));
	return address;
}

static struct vip_key key4(uint32_t address, uint16_t port, uint8_t protocol)
{
	return (struct vip_key){.address = ipv4(address), .port = port, .protocol = protocol};
}

/* Uncommon cases are common: few addresses, few ports, every port, both families. */
static size_t keys_random(uint64_t seed, size_t n)
{
	uint64_t first = mix64(seed), span = 1 + mix64(first) % n;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t r = mix64(seed * 65537 + i + 1), at = r % span;
		struct vip_key key = key4((uint32_t)first + at, (r >> 32) % 3 ? i / span + 1 : 0,
					  (r >> 48) % 2 ? TCP : UDP);

		if (at % 2)
			memcpy(key.address.bytes, &first, sizeof(first));
		key.service = i;
		key.flags = (r >> 50) % 2 ? VIP_KEEP : 0;
		if (key.port || used == 0 || at > (r >> 8) % span)
			keys[used++] = key;
	}
	return used;
}

static int key_compare(const void *a, const void *b)
{
	const struct vip_key *x = a, *y = b;
	int r = memcmp(&x->address, &y->address, sizeof(x->address));

	if (!r)
		r = x->protocol - y->protocol;
	return r ? r : x->port - y->port;
}

static size_t keys_unique(size_t n)
{
	size_t used = 0;

	qsort(keys, n, sizeof(*keys), key_compare);
	for (size_t i = 0; i < n; i++)
		if (!used || key_compare(&keys[used - 1], &keys[i]))
			keys[used++] = keys[i];
	return used;
}

static void keys_shuffle(uint64_t seed, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = mix64(seed + i) % i;
		struct vip_key key = keys[i - 1];

		keys[i - 1] = keys[j];
		keys[j] = key;
	}
}

static const struct vip_key *reference_find(size_t n, const struct vip_key *wanted)
{
	struct vip_key any = *wanted;
	const struct vip_key *found = bsearch(wanted, keys, n, sizeof(*keys), key_compare);

	any.port = 0;
	return found ? found : bsearch(&any, keys, n, sizeof(*keys), key_compare);
}

static void assert_answer(uint64_t seed, size_t n, const struct vip_key *wanted)
{
	const struct vip_key *expected = reference_find(n, wanted);
	const struct vip_entry *entry = vip_table_find(&table, &wanted->address, wanted->port,
						       wanted->protocol);

	if (!entry != !expected ||
	    (entry &&
	     (entry->service != expected->service || entry->flags != (expected->flags | VIP_USED) ||
	      entry->port_be != htons(expected->port) || entry->protocol != expected->protocol ||
	      memcmp(entry->address, &wanted->address, sizeof(entry->address)))))
		fail_msg("seed %llu: port %u protocol %u: %s", (unsigned long long)seed,
			 wanted->port, wanted->protocol, entry ? "wrong entry" : "not found");
}

static size_t entries_used(void)
{
	size_t used = 0;

	for (uint32_t slot = 0; slot <= table.mask; slot++)
		used += table.slot[slot].flags & VIP_USED;
	return used;
}

static size_t addresses_count(size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !i ||
			 memcmp(&keys[i - 1].address, &keys[i].address, sizeof(keys[i].address));
	return count;
}

static uint32_t distance_of(uint32_t slot)
{
	const struct vip_entry *entry = &table.slot[slot];
	__u64 word[2];
	uint32_t home;

	memcpy(word, entry->address, sizeof(word));
	home = vip_home(table.seed, table.mask, word[0], word[1], entry->port_be, entry->protocol);
	return (slot - home) & table.mask;
}

/* What the kernel's probe relies on: short, and without a free slot on the way. */
static void assert_probes_short(uint64_t seed)
{
	for (uint32_t slot = 0; slot <= table.mask; slot++) {
		if (!(table.slot[slot].flags & VIP_USED))
			continue;
		if (distance_of(slot) >= STEER_VIP_PROBE)
			fail_msg("seed %llu: %u slots from home", (unsigned long long)seed,
				 distance_of(slot));
		for (uint32_t back = 1; back <= distance_of(slot); back++)
			if (!(table.slot[(slot - back) & table.mask].flags & VIP_USED))
				fail_msg("seed %llu: a hole before slot %u",
					 (unsigned long long)seed, slot);
	}
}

static void test_finds_every_key_and_nothing_else(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		size_t n = keys_unique(keys_random(seed, 1 + mix64(seed) % 200));

		if (vip_table_build(keys, n, &table))
			fail_msg("seed %llu: not built", (unsigned long long)seed);
		assert_probes_short(seed);
		assert_int_equal(entries_used(), n + addresses_count(n));
		for (size_t i = 0; i < n; i++) {
			struct vip_key near = keys[i];

			assert_answer(seed, n, &near);
			near.port++;
			assert_answer(seed, n, &near);
			near.protocol = near.protocol == TCP ? UDP : TCP;
			assert_answer(seed, n, &near);
			near.address.bytes[mix64(seed + i) % 16] ^= 1 << seed % 8;
			assert_answer(seed, n, &near);
		}
	}
}

static void test_each_address_has_one_bare_entry(void **state)
{
	const struct address address = ipv4(0xcb00710a), absent = ipv4(0xcb00710b);
	const struct vip_entry *entry;

	(void)state;
	keys[0] = key4(0xcb00710a, 80, TCP);
	keys[1] = key4(0xcb00710a, 443, TCP);
	keys[2] = key4(0xcb00710a, 0, 0); /* the caller may name it, too */
	keys[0].flags = keys[1].flags = VIP_STICKY_CLIENT;
	assert_int_equal(vip_table_build(keys, 3, &table), 0);
	assert_int_equal(entries_used(), 3);
	entry = vip_table_find(&table, &address, 0, 0);
	assert_non_null(entry);
	assert_int_equal(entry->flags, VIP_USED);
	assert_null(vip_table_find(&table, &absent, 0, 0));
}

static void test_own_port_goes_before_every_port(void **state)
{
	const struct address address = ipv4(0xcb00710a);

	(void)state;
	keys[0] = key4(0xcb00710a, 0, TCP);
	keys[0].service = 1;
	keys[1] = key4(0xcb00710a, 443, TCP);
	keys[1].service = 2;
	assert_int_equal(vip_table_build(keys, 2, &table), 0);
	assert_int_equal(table.any_port, 1);
	assert_int_equal(vip_table_find(&table, &address, 443, TCP)->service, 2);
	assert_int_equal(vip_table_find(&table, &address, 80, TCP)->service, 1);
	assert_null(vip_table_find(&table, &address, 443, UDP));
}

static void test_any_port_is_clear_without_such_a_key(void **state)
{
	(void)state;
	keys[0] = key4(0xcb00710a, 443, TCP);
	table.any_port = 1;
	assert_int_equal(vip_table_build(keys, 1, &table), 0);
	assert_int_equal(table.any_port, 0);
}

static void test_no_keys_make_an_empty_table(void **state)
{
	const struct address address = ipv4(0xcb00710a);

	(void)state;
	memset(&table, 0xff, sizeof(table));
	assert_int_equal(vip_table_build(NULL, 0, &table), 0);
	assert_int_equal(table.mask, 63);
	assert_int_equal(entries_used(), 0);
	assert_null(vip_table_find(&table, &address, 443, TCP));
}

static void test_slots_are_four_to_an_entry(void **state)
{
	static const struct {
		size_t keys;
		uint32_t slots;
	} cases[] = {{1, 64}, {8, 64}, {9, 128}, {2048, 16384}, {2049, 32768}, {8192, 32768}};

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		for (size_t i = 0; i < cases[c].keys; i++)
			keys[i] = key4((uint32_t)mix64(i), 443, TCP);
		assert_int_equal(vip_table_build(keys, cases[c].keys, &table), 0);
		assert_int_equal(table.mask + 1, cases[c].slots);
	}
}

static void test_slots_beyond_the_mask_are_left_alone(void **state)
{
	(void)state;
	memset(&table, 0xab, sizeof(table));
	keys[0] = key4(0xcb00710a, 443, TCP);
	assert_int_equal(vip_table_build(keys, 1, &table), 0);
	for (size_t i = 0; i < sizeof(struct vip_entry); i++)
		assert_int_equal(((uint8_t *)&table.slot[64])[i], 0xab);
}

static void test_order_of_keys_does_not_matter(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		size_t n = keys_unique(keys_random(seed, 300));

		memset(&table, 0, sizeof(table));
		memset(&other, 0, sizeof(other));
		assert_int_equal(vip_table_build(keys, n, &table), 0);
		keys_shuffle(seed, n);
		assert_int_equal(vip_table_build(keys, n, &other), 0);
		if (memcmp(&table, &other, sizeof(table)))
			fail_msg("seed %llu: the order shows", (unsigned long long)seed);
	}
}

/* VIPs of one network on one port: how most tables look. */
static void test_neighbouring_addresses_spread(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8192; i++)
		keys[i] = key4(0xcb007100 + i, 443, TCP);
	for (size_t n = 1; n <= 8192; n *= 2) {
		if (vip_table_build(keys, n, &table))
			fail_msg("%zu neighbouring IPv4 addresses do not fit", n);
		assert_probes_short(n);
	}
}

static void test_grids_of_addresses_and_ports_fit(void **state)
{
	(void)state;
	for (uint32_t ports = 1; ports <= 4096; ports *= 2) {
		size_t n = 0;

		for (uint32_t a = 0; a < 8192 / ports; a++)
			for (uint32_t port = 0; port < ports; port++)
				keys[n++] = key4(0x0a000000 + a, 8000 + port, a % 2 ? TCP : UDP);
		if (vip_table_build(keys, n, &table))
			fail_msg("%u ports of each address do not fit", ports);
		assert_probes_short(ports);
	}
}

/* 2001:db8:0:N::1, 2001:db8::N and N00:: each vary another part of the address. */
static void test_addresses_differing_in_one_byte_pair_spread(void **state)
{
	(void)state;
	for (size_t at = 0; at < 16; at += 2) {
		for (uint32_t i = 0; i < 4096; i++) {
			struct vip_key *key = &keys[i];

			*key = (struct vip_key){.port = 443, .protocol = TCP};
			memcpy(key->address.bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
			       16);
			key->address.bytes[at] = i >> 8;
			key->address.bytes[at + 1] = i;
		}
		if (vip_table_build(keys, 4096, &table))
			fail_msg("addresses differing in bytes %zu and %zu do not fit", at, at + 1);
		assert_probes_short(at);
	}
}

static void test_one_address_holds_as_many_ports_as_there_is_room(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < STEER_VIP_KEYS_MAX; i++)
		keys[i] = key4(0xcb00710a, i + 1, TCP);
	assert_int_equal(vip_table_build(keys, STEER_VIP_KEYS_MAX - 1, &table), 0);
	assert_probes_short(0);
	assert_int_equal(entries_used(), STEER_VIP_KEYS_MAX);
}

static void test_refusals_leave_the_table_alone(void **state)
{
	static struct vip_table before;

	(void)state;
	memset(&table, 0xab, sizeof(table));
	before = table;
	for (uint32_t i = 0; i <= STEER_VIP_KEYS_MAX; i++)
		keys[i] = key4(0xcb00710a, i + 1, TCP);
	assert_int_equal(vip_table_build(keys, STEER_VIP_KEYS_MAX, &table), -ENOSPC);
	assert_int_equal(vip_table_build(keys, STEER_VIP_KEYS_MAX + 1, &table), -ENOSPC);
	keys[1] = keys[0];
	assert_int_equal(vip_table_build(keys, 2, &table), -EEXIST);
	keys[1] = key4(0xcb00710a, 7, 0);
	assert_int_equal(vip_table_build(keys, 2, &table), -EINVAL);
	assert_memory_equal(&table, &before, sizeof(table));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_every_key_and_nothing_else),
		cmocka_unit_test(test_each_address_has_one_bare_entry),
		cmocka_unit_test(test_own_port_goes_before_every_port),
		cmocka_unit_test(test_any_port_is_clear_without_such_a_key),
		cmocka_unit_test(test_no_keys_make_an_empty_table),
		cmocka_unit_test(test_slots_are_four_to_an_entry),
		cmocka_unit_test(test_slots_beyond_the_mask_are_left_alone),
		cmocka_unit_test(test_order_of_keys_does_not_matter),
		cmocka_unit_test(test_neighbouring_addresses_spread),
		cmocka_unit_test(test_grids_of_addresses_and_ports_fit),
		cmocka_unit_test(test_addresses_differing_in_one_byte_pair_spread),
		cmocka_unit_test(test_one_address_holds_as_many_ports_as_there_is_room),
		cmocka_unit_test(test_refusals_leave_the_table_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
