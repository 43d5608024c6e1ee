/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Totals of the series. The kernel's counts of a series are zero when it is given to somebody, and
 * never go back: a total and the sum over CPUs are the same modulo 2^32, so that the difference of
 * the two in 32 bits is what is new, and no copy of the counts has to be kept.
 */
#include "agent/telemetry_internal.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "common/log.h"
#include "common/util.h"

static struct series *row(const struct telemetry *t, size_t i, uint32_t cpu)
{
	return &t->view->series[(size_t)cpu * t->view->series_slots + i];
}

static bool was_counted(const struct telemetry *t, size_t i)
{
	for (uint32_t cpu = 0; cpu < t->view->cpus; cpu++)
		if (__atomic_load_n(&row(t, i, cpu)->changed, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* ---- Taking over from an earlier agent ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct series_entry *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static bool same_address(const struct telemetry *t, uint16_t a, uint16_t b)
{
	const struct backend *backends = t->view->backends;

	return !memcmp(backends[a].address, backends[b].address, sizeof(backends[a].address));
}

/* False: the entry is stale, or not to be believed. */
static bool adopt_entry(struct telemetry *t, struct series_key key, struct series_ref ref)
{
	struct series_state *state;

	if (ref.series >= t->series_max || key.backend >= t->view->backend_slots ||
	    key.share >= t->view->share_slots ||
	    (uint16_t)t->view->series_generation[ref.series] != ref.generation)
		return false;
	state = &t->series[ref.series];
	if (!state->adopted++)
		state->adopted_backend = key.backend;
	else if (!same_address(t, state->adopted_backend, key.backend))
		state->adopted_mixed = true;
	t->entries[t->entries_n++] = (struct series_entry){.key = (uint32_t)key.share << 16 |
								  key.backend,
							   .ref = ref,
							   .owners = OWNER_ADOPTED};
	return true;
}

static int read_entries(struct telemetry *t)
{
	CLEANUP_FREE struct series_key *keys = util_calloc(t->entries_max, sizeof(*keys));
	CLEANUP_FREE struct series_ref *refs = util_calloc(t->entries_max, sizeof(*refs));
	uint32_t n = t->entries_max, at;
	int fd = t->view->series_of_fd;

	if (bpf_map_lookup_batch(fd, NULL, &at, keys, refs, &n, NULL) && errno != ENOENT)
		return log_errno(-errno, "cannot read the map series_of");
	t->entries = util_calloc(n, sizeof(*t->entries));
	for (uint32_t i = 0; i < n; i++)
		if (!adopt_entry(t, keys[i], refs[i]))
			bpf_map_delete_elem(fd, &keys[i]);
	qsort(t->entries, t->entries_n, sizeof(*t->entries), compare_entries);
	return 0;
}

int telemetry_series_open(struct telemetry *t, uint64_t now_ms)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	t->labels = slots_new((uint32_t)t->series_max);
	if (!t->series_max)
		return 0;
	t->series = util_calloc(t->series_max, sizeof(*t->series));
	for (size_t i = 0; i < t->series_max; i++)
		t->series[i] = (struct series_state){.dirty = was_counted(t, i),
						     .freed_ms = now_ms};
	if (bpf_obj_get_info_by_fd(t->view->series_of_fd, &info, &size))
		return log_errno(-errno, "cannot look at the map series_of");
	t->entries_max = info.max_entries;
	return read_entries(t);
}

void telemetry_series_close(struct telemetry *t)
{
	for (size_t i = 0; t->series && i < t->series_max; i++)
		free(t->series[i].totals);
	free(t->series);
	free(t->entries);
	slots_free(t->labels);
}

/* ---- Earlier owners' counts ---- */

void telemetry_series_zero(struct telemetry *t, size_t i)
{
	for (uint32_t cpu = 0; cpu < t->view->cpus; cpu++)
		if (row(t, i, cpu)->changed)
			*row(t, i, cpu) = (struct series){};
	t->series[i].dirty = false;
}

void telemetry_series_clean(struct telemetry *t, uint64_t now_ms)
{
	for (size_t i = 0; i < t->series_max; i++) {
		const struct series_state *state = &t->series[i];

		if (state->dirty && !state->totals && !state->adopted &&
		    now_ms - state->freed_ms >= SERIES_GRACE_MS)
			telemetry_series_zero(t, i);
	}
}

/* ---- Collecting ---- */

/* Packets raise `changed` after everything else: what it tells of is there to be read. */
static uint32_t sum_changed(const struct telemetry *t, size_t i)
{
	uint32_t sum = 0;

	for (uint32_t cpu = 0; cpu < t->view->cpus; cpu++)
		sum += __atomic_load_n(&row(t, i, cpu)->changed, __ATOMIC_ACQUIRE);
	return sum;
}

static void raise_total(uint64_t *total, uint32_t sum)
{
	*total += (uint32_t)(sum - (uint32_t)*total);
}

static void collect_counts(const struct telemetry *t, size_t i, struct series_totals *totals)
{
	uint32_t counts[SERIES_COUNT_MAX] = {}, left_out[SERIES_LEFT_OUT_MAX] = {};

	for (uint32_t cpu = 0; cpu < t->view->cpus; cpu++) {
		const struct series *from = row(t, i, cpu);

		/* clang-format off */
#define X(name) counts[SERIES_##name] += __atomic_load_n(&from->name, __ATOMIC_RELAXED);
		SERIES_COUNTS(X)
#undef X
#define X(name) left_out[LEFT_OUT_##name] += __atomic_load_n(&from->name, __ATOMIC_RELAXED);
		SERIES_LEFT_OUT(X)
#undef X
		/* clang-format on */
	}
	for (size_t c = 0; c < SERIES_COUNT_MAX; c++)
		raise_total(&totals->counts[c], counts[c]);
	for (size_t c = 0; c < SERIES_LEFT_OUT_MAX; c++)
		raise_total(&totals->left_out[c], left_out[c]);
}

/*
 * Without atomic loads, which would forbid to add several buckets at once: an aligned word is read
 * whole by every instruction that there is for it. Half of the time of a collection is spent here.
 */
static void add_buckets(uint32_t sum[LATENCY_BUCKETS], const uint32_t bucket[LATENCY_BUCKETS])
{
	for (size_t b = 0; b < LATENCY_BUCKETS; b++)
		sum[b] += bucket[b];
}

/*
 * Packets raise the sum, then the count of samples, then the bucket. Where sum and count are what
 * is known, no bucket has moved; both are looked at, since buckets are read after them and may
 * tell of more. What is exported as the count is the buckets' sum.
 */
static void collect_kind(const struct telemetry *t, size_t i, enum latency_kind kind,
			 struct series_totals *totals)
{
	uint32_t sum[LATENCY_BUCKETS] = {}, samples = 0;
	uint64_t sum_ns = 0, count = 0;

	for (uint32_t cpu = 0; cpu < t->view->cpus; cpu++) {
		samples += __atomic_load_n(&row(t, i, cpu)->samples[kind], __ATOMIC_RELAXED);
		sum_ns += __atomic_load_n(&row(t, i, cpu)->sum_ns[kind], __ATOMIC_RELAXED);
	}
	if (samples == (uint32_t)totals->samples[kind] && sum_ns == totals->sum_ns[kind])
		return;
	for (uint32_t cpu = 0; cpu < t->view->cpus; cpu++)
		add_buckets(sum, row(t, i, cpu)->bucket[kind]);
	for (size_t b = 0; b < LATENCY_BUCKETS; b++) {
		raise_total(&totals->bucket[kind][b], sum[b]);
		count += totals->bucket[kind][b];
	}
	totals->samples[kind] = count;
	totals->sum_ns[kind] = sum_ns;
}

/* Whether there is something new, as `changed` sums up by now. */
static bool has_news(const struct telemetry *t, size_t i, uint32_t *ret_changed)
{
	*ret_changed = sum_changed(t, i);
	return *ret_changed != t->series[i].seen;
}

static void look(struct telemetry *t, size_t i, uint32_t changed)
{
	struct series_state *state = &t->series[i];

	collect_counts(t, i, state->totals);
	for (int kind = 0; kind < LATENCY_KIND_MAX; kind++)
		collect_kind(t, i, (enum latency_kind)kind, state->totals);
	state->seen = changed;
	state->totals->changes++;
}

void telemetry_series_look(struct telemetry *t, size_t i)
{
	uint32_t changed;

	if (has_news(t, i, &changed))
		look(t, i, changed);
}

void telemetry_collect(struct telemetry *t)
{
	uint32_t changed;

	for (size_t i = 0; i < t->series_max; i++) {
		if (!t->series[i].totals || !has_news(t, i, &changed))
			continue;
		telemetry_readers_keep(t, i);
		look(t, i, changed);
	}
	t->collected_ms = util_now_ms();
}

uint64_t telemetry_collected_ms(const struct telemetry *t)
{
	return t->collected_ms;
}

size_t telemetry_series_max(const struct telemetry *t)
{
	return t->series_max;
}

const struct series_totals *telemetry_series(const struct telemetry *t, size_t i)
{
	return i < t->series_max ? t->series[i].totals : NULL;
}

size_t telemetry_series_shared(const struct telemetry *t)
{
	return t->shared[t->view->control->active & (STEER_BANKS - 1)];
}
