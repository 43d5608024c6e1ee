/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/hash_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/util.h"

static struct hash_key key_of(const char *text)
{
	struct hash_key key;

	hash_key_from_text(text, &key);
	return key;
}

static void assert_multipliers_odd(const struct hash_key *key)
{
	for (size_t i = 1; i < STEER_KEY_WORDS; i++)
		assert_int_equal(key->word[i] & 1, 1);
}

static void test_text_expands_to_the_same_words_on_every_host(void **state)
{
	/* sha256sum of \0shop and \2shop: the first eight bytes of one, the last of the other. */
	struct hash_key key = key_of("shop");

	(void)state;
	assert_true(key.word[0] == 0xb30734b4719efd3dULL);
	assert_true(key.word[11] == (0x96788aee4ec95bd0ULL | 1));
}

static void test_no_text_is_a_key_of_its_own(void **state)
{
	struct hash_key none = key_of(NULL), empty = key_of(""), again = key_of(NULL);

	(void)state;
	assert_memory_equal(&none, &again, sizeof(none));
	assert_memory_not_equal(&none, &empty, sizeof(none));
}

static void test_a_changed_letter_changes_every_word(void **state)
{
	struct hash_key a = key_of("fleet-a"), b = key_of("fleet-b");

	(void)state;
	for (size_t i = 0; i < STEER_KEY_WORDS; i++)
		assert_true(a.word[i] != b.word[i]);
}

static void test_words_of_one_key_differ(void **state)
{
	struct hash_key key = key_of("shop");

	(void)state;
	for (size_t i = 0; i < STEER_KEY_WORDS; i++)
		for (size_t j = 0; j < i; j++)
			assert_true(key.word[i] != key.word[j]);
}

static void test_long_text_counts_to_its_end(void **state)
{
	char text[4096];
	struct hash_key a, b;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	a = key_of(text);
	text[sizeof(text) - 2] = 'y';
	b = key_of(text);
	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void test_multipliers_are_odd(void **state)
{
	struct hash_key key;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		key = key_of(text);
		assert_multipliers_odd(&key);
		assert_int_equal(hash_key_random(&key), 0);
		assert_multipliers_odd(&key);
	}
}

static void test_random_keys_differ(void **state)
{
	struct hash_key a, b;

	(void)state;
	assert_int_equal(hash_key_random(&a), 0);
	assert_int_equal(hash_key_random(&b), 0);
	for (size_t i = 0; i < STEER_KEY_WORDS; i++)
		assert_true(a.word[i] != b.word[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_expands_to_the_same_words_on_every_host),
		cmocka_unit_test(test_no_text_is_a_key_of_its_own),
		cmocka_unit_test(test_a_changed_letter_changes_every_word),
		cmocka_unit_test(test_words_of_one_key_differ),
		cmocka_unit_test(test_long_text_counts_to_its_end),
		cmocka_unit_test(test_multipliers_are_odd),
		cmocka_unit_test(test_random_keys_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
