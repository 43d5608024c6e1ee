/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/api_arena.h"

#include "common/util.h"

void *arena_take(struct arena *arena, void *block)
{
	if ((arena->n & (arena->n - 1)) == 0)
		arena->blocks = util_realloc(arena->blocks, arena->n ? 2 * arena->n : 1,
					     sizeof(*arena->blocks));
	arena->blocks[arena->n++] = block;
	return block;
}

void *arena_calloc(struct arena *arena, size_t n, size_t size)
{
	return arena_take(arena, util_calloc(n, size));
}

void arena_clear(struct arena *arena)
{
	for (size_t i = 0; i < arena->n; i++)
		free(arena->blocks[i]);
	free(arena->blocks);
	*arena = (struct arena){};
}
