/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/apportion.h"

#include <errno.h>
#include <stdbool.h>

#include "common/util.h"

struct remainder {
	uint64_t value;
	size_t index;
};

static int remainder_compare(const void *a, const void *b)
{
	const struct remainder *x = a, *y = b;

	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* What the weights that are not yet settled share. */
struct pool {
	uint64_t total;
	uint64_t slots;
};

/* Gives one slot to each whose share is under one. The others' shares shrink: to be repeated. */
static bool settle_small(const uint32_t *weights, size_t n, struct pool *pool, uint32_t *quotas)
{
	const struct pool before = *pool;

	for (size_t i = 0; i < n; i++) {
		if (!weights[i] || quotas[i] || weights[i] * before.slots >= before.total)
			continue;
		quotas[i] = 1;
		pool->total -= weights[i];
		pool->slots--;
	}
	return pool->slots != before.slots;
}

static void settle_rest(const uint32_t *weights, size_t n, struct pool pool, uint32_t *quotas)
{
	CLEANUP_FREE struct remainder *rest = util_calloc(n, sizeof(*rest));
	uint64_t left = pool.slots;
	size_t rest_n = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t product = weights[i] * pool.slots;

		if (!weights[i] || quotas[i])
			continue;
		quotas[i] = product / pool.total;
		left -= quotas[i];
		rest[rest_n++] = (struct remainder){product % pool.total, i};
	}
	qsort(rest, rest_n, sizeof(*rest), remainder_compare);
	for (size_t i = 0; i < left; i++)
		quotas[rest[i].index]++;
}

int apportion(const uint32_t *weights, size_t n, uint32_t slots, uint32_t *ret_quotas)
{
	struct pool pool = {.slots = slots};
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		pool.total += weights[i];
		used += weights[i] > 0;
	}
	if (!used)
		return -ENOENT;
	if (used > slots)
		return -E2BIG;

	memset(ret_quotas, 0, n * sizeof(*ret_quotas));
	while (settle_small(weights, n, &pool, ret_quotas))
		;
	settle_rest(weights, n, pool, ret_quotas);
	return 0;
}
