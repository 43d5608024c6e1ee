/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/hash_key.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <sys/random.h>

#include "common/util.h"

#define DEFAULT_TEXT "steerd fleet key"
#define DIGEST_WORDS 4
static_assert(STEER_KEY_WORDS % DIGEST_WORDS == 0, "whole digests");

/* word[0] is a constant term; an even multiplier would lose the top bit of what it multiplies. */
static void make_odd(struct hash_key *key)
{
	for (size_t i = 1; i < STEER_KEY_WORDS; i++)
		key->word[i] |= 1;
}

/* SHA-256 of the block's number and the text. It cannot fail but for want of memory. */
static void digest_block(uint8_t number, const char *text, uint64_t words[DIGEST_WORDS])
{
	size_t size = strlen(text);
	CLEANUP_FREE uint8_t *input = util_calloc(1, size + 1);
	unsigned int length = 0;

	input[0] = number;
	memcpy(input + 1, text, size);
	if (EVP_Digest(input, size + 1, (unsigned char *)words, &length, EVP_sha256(), NULL) != 1 ||
	    length != DIGEST_WORDS * sizeof(*words))
		abort();
}

void hash_key_from_text(const char *text, struct hash_key *ret)
{
	uint64_t words[DIGEST_WORDS];

	for (size_t i = 0; i < STEER_KEY_WORDS; i++) {
		if (i % DIGEST_WORDS == 0)
			digest_block(i / DIGEST_WORDS, text ? text : DEFAULT_TEXT, words);
		ret->word[i] = be64toh(words[i % DIGEST_WORDS]);
	}
	make_odd(ret);
}

int hash_key_random(struct hash_key *ret)
{
	struct hash_key key;
	ssize_t n;

	do
		n = getrandom(&key, sizeof(key), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != sizeof(key))
		return -EIO;
	make_odd(&key);
	*ret = key;
	return 0;
}
