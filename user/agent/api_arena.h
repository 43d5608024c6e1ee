/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory that one message is made of, freed together. Zero-initialise. */
#ifndef STEER_API_ARENA_H
#define STEER_API_ARENA_H

#include <stddef.h>

struct arena {
	void **blocks;
	size_t n;
};

void *arena_take(struct arena *arena, void *block); /* owns it from here on; returns it */
void *arena_calloc(struct arena *arena, size_t n, size_t size);
void arena_clear(struct arena *arena);

/* n messages of a type and the pointers to them, as protobuf-c lists are. */
#define ARENA_LIST(arena, n, init, ret_items, ret_pointers)                                        \
	do {                                                                                       \
		(ret_items) = arena_calloc(arena, n, sizeof(*(ret_items)));                        \
		(ret_pointers) = arena_calloc(arena, n, sizeof(*(ret_pointers)));                  \
		for (size_t i_ = 0; i_ < (n); i_++) {                                              \
			init(&(ret_items)[i_]);                                                    \
			(ret_pointers)[i_] = &(ret_items)[i_];                                     \
		}                                                                                  \
	} while (0)

#endif
