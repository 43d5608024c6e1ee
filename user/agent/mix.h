/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hashes for building tables: the same on every host, never met by a packet. */
#ifndef STEER_MIX_H
#define STEER_MIX_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A bijection on 64 bits in which every bit depends on all (the finaliser of SplitMix64). */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Of `size` bytes, read alike on hosts of either byte order. */
static inline uint64_t mix_bytes(const void *data, size_t size, uint64_t seed)
{
	uint64_t h = mix64(seed ^ size);

	for (size_t at = 0; at < size; at += 8) {
		uint64_t word = 0;

		memcpy(&word, (const uint8_t *)data + at, size - at < 8 ? size - at : 8);
		h = mix64(h ^ le64toh(word)) + 0x9e3779b97f4a7c15ULL;
	}
	return h;
}

#endif
