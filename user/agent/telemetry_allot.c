/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who has which series. A series is known by its labels and lives while routes of some bank want
 * them; an entry of the map series_of leads new flows of a share and a backend there. What routes
 * are to have follows from them alone: each share in the order of names gets a series for each
 * backend while one for each later share remains, then one for all.
 */
#include "agent/telemetry_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "common/log.h"
#include "common/util.h"

#define LABELS_MAX  (2 * STEER_NAME + ADDRESS_TEXT_MAX)
#define SERIES_NONE UINT32_MAX

/* An entry that the routes want. */
struct wish {
	uint32_t key;	 /* share << 16 | backend slot */
	uint32_t series; /* SERIES_NONE: none yet */
	const struct compiled_service *service;
	const char *stack;
	const struct route_backend *backend; /* NULL: this host */
	bool together;			     /* with all of the stack */
};

/* One call of set_routes(). */
struct allotment {
	struct telemetry *t;
	unsigned int bank;
	bool live; /* the bank is */
	struct wish *wishes;
	size_t n;
	uint32_t *fresh; /* series given to another in this call */
	size_t fresh_n;
	bool released; /* this bank's earlier labels */
	bool lacks;
};

/* ---- What is wanted ---- */

static void add_share(struct allotment *a, const struct compiled_service *service, size_t choice,
		      const struct compiled_stack *stack, bool together)
{
	for (size_t i = 0; i < stack->slots_n; i++)
		a->wishes[a->n++] = (struct wish){
			.key = (uint32_t)service->choice[choice].share << 16 | stack->slots[i],
			.series = SERIES_NONE,
			.service = service,
			.stack = stack->route->name,
			.backend = stack->route->backends_n ? &stack->route->backends[i] : NULL,
			.together = together};
}

static const struct compiled_stack *stack_of(const struct compiled *compiled,
					     const struct compiled_service *service, size_t choice)
{
	return &compiled->stacks[service->choice[choice].stack];
}

static size_t count_shares(const struct compiled *compiled)
{
	size_t n = 0;

	for (size_t i = 0; i < compiled->routes->services_n; i++)
		for (size_t j = 0; j < compiled->services[i].route->split_n; j++)
			n += stack_of(compiled, &compiled->services[i], j)->slots_n > 0;
	return n;
}

/* *series and *shares: what is left of series, and shares that are still to come. */
static void add_share_in_turn(struct allotment *a, const struct compiled_service *service,
			      size_t choice, const struct compiled_stack *stack, size_t *series,
			      size_t shares)
{
	size_t n = stack->slots_n, room = a->t->entries_max - a->n;
	bool own = n <= room && *series && (n == 1 || n + shares <= *series);

	if (!own)
		a->t->shared[a->bank] += n;
	if (!*series || n > room)
		return;
	*series -= own ? n : 1;
	add_share(a, service, choice, stack, !own);
}

static void make_wishes(struct allotment *a, const struct compiled *compiled)
{
	size_t shares = count_shares(compiled), series = a->t->series_max;

	a->t->shared[a->bank] = 0;
	a->wishes = util_calloc(a->t->entries_max, sizeof(*a->wishes));
	for (size_t i = 0; i < compiled->routes->services_n; i++) {
		const struct compiled_service *service = &compiled->services[i];

		for (size_t j = 0; j < service->route->split_n; j++) {
			const struct compiled_stack *stack = stack_of(compiled, service, j);

			if (stack->slots_n)
				add_share_in_turn(a, service, j, stack, &series, --shares);
		}
	}
}

static int compare_wishes(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static const char *backend_label(const struct wish *wish, char text[ADDRESS_TEXT_MAX])
{
	if (wish->together)
		return "";
	return wish->backend ? address_text(&wish->backend->address, text) : "local";
}

static void labels_of(const struct wish *wish, char text[LABELS_MAX])
{
	char backend[ADDRESS_TEXT_MAX];

	snprintf(text, LABELS_MAX, "%s/%s/%s", wish->service->route->name, wish->stack,
		 backend_label(wish, backend));
}

/* ---- Series for labels ---- */

static void raise_generation(struct telemetry *t, uint32_t series)
{
	uint64_t *generation = &t->view->series_generation[series];

	__atomic_store_n(generation, (uint16_t)(*generation + 1), __ATOMIC_RELEASE);
}

static void on_freed(uint32_t series, void *userdata)
{
	struct telemetry *t = userdata;
	struct series_state *state = &t->series[series];

	raise_generation(t, series);
	telemetry_readers_forget(t, series);
	free(state->totals);
	*state = (struct series_state){.dirty = true, .freed_ms = util_now_ms()};
}

static void own(struct telemetry *t, uint32_t series, const struct wish *wish)
{
	struct series_totals *totals = util_calloc(1, sizeof(*totals));
	char backend[ADDRESS_TEXT_MAX];

	snprintf(totals->service, sizeof(totals->service), "%s", wish->service->route->name);
	snprintf(totals->stack, sizeof(totals->stack), "%s", wish->stack);
	snprintf(totals->backend, sizeof(totals->backend), "%s", backend_label(wish, backend));
	totals->protocol = (uint8_t)wish->service->route->protocol;
	totals->generation = t->view->series_generation[series];
	t->series[series].totals = totals;
	t->series[series].seen = 0;
	t->series[series].adopted = 0;
	telemetry_readers_forget(t, series);
}

static struct series_entry *find_entry(const struct telemetry *t, uint32_t key)
{
	size_t low = 0, high = t->entries_n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (t->entries[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->entries_n && t->entries[low].key == key ? &t->entries[low] : NULL;
}

/* The series that an earlier agent gave this pair, if it was for the same labels. */
static bool adopt(struct allotment *a, struct wish *wish, const char *labels)
{
	const struct series_entry *entry = find_entry(a->t, wish->key);
	uint32_t series = entry ? entry->ref.series : 0;
	struct series_state *state = &a->t->series[series];

	if (!entry || !(entry->owners & OWNER_ADOPTED) || !state->adopted ||
	    state->adopted_mixed != wish->together ||
	    slots_adopt(a->t->labels, labels, OWNER_NEXT, series))
		return false;
	wish->series = series;
	own(a->t, series, wish);
	state->dirty = false;
	telemetry_series_look(a->t, series); /* is known from here on, and no reader's news */
	return true;
}

static bool find_or_adopt(struct allotment *a, struct wish *wish)
{
	char labels[LABELS_MAX];

	labels_of(wish, labels);
	if (slots_find(a->t->labels, labels, &wish->series) == 0) {
		slots_mark(a->t->labels, wish->series, OWNER_NEXT);
		return true;
	}
	return adopt(a, wish, labels);
}

/*
 * What this bank had before and does not want now. Only where nothing else is free: a series that
 * is given on at once has to be cleaned at once.
 */
static bool make_room(struct allotment *a)
{
	if (a->released)
		return false;
	a->released = true;
	slots_release(a->t->labels, 1U << a->bank, on_freed, a->t);
	return true;
}

static void hold_fresh(struct allotment *a, struct wish *wish)
{
	char labels[LABELS_MAX];
	bool fresh;
	int err;

	labels_of(wish, labels);
	do {
		err = slots_hold(a->t->labels, labels, OWNER_NEXT, &wish->series, &fresh);
	} while (err == -ENOSPC && make_room(a));
	if (err) {
		wish->series = SERIES_NONE;
		a->lacks = true;
	} else if (fresh) {
		raise_generation(a->t, wish->series);
		if (a->t->series[wish->series].adopted)
			a->t->series[wish->series].freed_ms = util_now_ms();
		own(a->t, wish->series, wish);
		a->fresh[a->fresh_n++] = wish->series;
	}
}

/* As the wish before, where both want the one series of the stack. */
static bool follows(const struct allotment *a, size_t i)
{
	return i && a->wishes[i].together && a->wishes[i - 1].key >> 16 == a->wishes[i].key >> 16;
}

static void hold_all(struct allotment *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (follows(a, i))
			a->wishes[i].series = a->wishes[i - 1].series;
		else
			find_or_adopt(a, &a->wishes[i]);
	for (size_t i = 0; i < a->n; i++)
		if (follows(a, i))
			a->wishes[i].series = a->wishes[i - 1].series;
		else if (a->wishes[i].series == SERIES_NONE)
			hold_fresh(a, &a->wishes[i]);
	slots_release(a->t->labels, 1U << a->bank, on_freed, a->t);
	for (size_t i = 0; i < a->n; i++)
		if (a->wishes[i].series != SERIES_NONE)
			slots_mark(a->t->labels, a->wishes[i].series, 1U << a->bank);
	slots_release(a->t->labels, OWNER_NEXT, NULL, NULL);
}

/* New owners begin at zero, once no packet can still be counting for the last one. */
static void zero_fresh(struct allotment *a)
{
	uint64_t now_ms = util_now_ms();
	bool waited = false;

	for (size_t i = 0; i < a->fresh_n; i++) {
		struct series_state *state = &a->t->series[a->fresh[i]];

		if (!state->dirty)
			continue;
		if (!waited && now_ms - state->freed_ms < SERIES_GRACE_MS) {
			syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
			waited = true;
		}
		telemetry_series_zero(a->t, a->fresh[i]);
	}
}

/* ---- Entries ---- */

struct entry_changes {
	struct series_entry *entries; /* as they will be */
	size_t n;
	struct series_key *keys; /* to be written */
	struct series_ref *refs;
	uint32_t writes;
};

static struct series_key key_of(uint32_t key)
{
	return (struct series_key){.share = (uint16_t)(key >> 16), .backend = (uint16_t)key};
}

static void keep_entry(struct telemetry *t, struct entry_changes *changes,
		       const struct series_entry *entry)
{
	const struct series_key key = key_of(entry->key);

	if (entry->owners)
		changes->entries[changes->n++] = *entry;
	else
		bpf_map_delete_elem(t->view->series_of_fd, &key);
}

/*
 * was: the entry that is there already, or NULL. The live bank's word counts where the two want
 * another series for one entry, as when only one of them is short.
 */
static void want_entry(struct allotment *a, struct entry_changes *changes, const struct wish *wish,
		       const struct series_entry *was)
{
	struct telemetry *t = a->t;
	struct series_entry entry = {
		.key = wish->key,
		.ref.series = (uint16_t)wish->series,
		.ref.generation = (uint16_t)t->view->series_generation[wish->series],
		.owners = (uint8_t)(1U << a->bank)};
	bool differs = !was || memcmp(&was->ref, &entry.ref, sizeof(entry.ref));

	if (was)
		entry.owners |= was->owners & (uint8_t)~OWNER_ADOPTED;
	if (was && differs && was->owners & 1U << !a->bank) {
		if (a->live) {
			t->settled[!a->bank] = false;
		} else {
			a->lacks = true;
			entry.ref = was->ref;
			differs = false;
		}
	}
	changes->entries[changes->n++] = entry;
	if (!differs)
		return;
	changes->keys[changes->writes] = key_of(entry.key);
	changes->refs[changes->writes++] = entry.ref;
}

/* Both lists are sorted by key. */
static void merge_entries(struct allotment *a, struct entry_changes *changes)
{
	struct telemetry *t = a->t;
	size_t e = 0, w = 0;

	while (e < t->entries_n || w < a->n) {
		struct series_entry *was = e < t->entries_n ? &t->entries[e] : NULL;
		const struct wish *wish = w < a->n ? &a->wishes[w] : NULL;

		if (wish && wish->series != SERIES_NONE && (!was || wish->key <= was->key)) {
			bool same = was && wish->key == was->key;

			want_entry(a, changes, wish, same ? was : NULL);
			e += same;
			w++;
		} else if (wish && wish->series == SERIES_NONE) {
			w++;
		} else {
			was->owners &= (uint8_t) ~(1U << a->bank);
			keep_entry(t, changes, was);
			e++;
		}
	}
}

/* Entries that the map has no room for are left out again, for the next try. */
static void drop_unwritten(struct telemetry *t, const struct entry_changes *changes,
			   uint32_t written)
{
	size_t kept = 0;
	uint32_t next = written;

	for (size_t i = 0; i < t->entries_n; i++) {
		const struct series_key key = key_of(t->entries[i].key);

		if (next < changes->writes && !memcmp(&key, &changes->keys[next], sizeof(key)))
			next++;
		else
			t->entries[kept++] = t->entries[i];
	}
	t->entries_n = kept;
}

static void write_entries(struct allotment *a)
{
	struct telemetry *t = a->t;
	CLEANUP_FREE struct series_key *keys = util_calloc(a->n, sizeof(*keys));
	CLEANUP_FREE struct series_ref *refs = util_calloc(a->n, sizeof(*refs));
	struct entry_changes changes = {.keys = keys, .refs = refs};
	uint32_t written;

	changes.entries = util_calloc(t->entries_n + a->n, sizeof(*changes.entries));
	merge_entries(a, &changes);
	free(t->entries);
	t->entries = changes.entries;
	t->entries_n = changes.n;
	written = changes.writes;
	if (!written || !bpf_map_update_batch(t->view->series_of_fd, keys, refs, &written, NULL))
		return;
	a->lacks = true;
	drop_unwritten(t, &changes, written);
}

static void set_routes(struct telemetry *t, unsigned int bank, const struct compiled *compiled)
{
	CLEANUP_FREE struct wish *wishes = NULL;
	CLEANUP_FREE uint32_t *fresh = util_calloc(t->series_max, sizeof(*fresh));
	struct allotment a = {.t = t,
			      .bank = bank,
			      .live = bank == (t->view->control->active & (STEER_BANKS - 1)),
			      .fresh = fresh};

	make_wishes(&a, compiled);
	wishes = a.wishes;
	qsort(a.wishes, a.n, sizeof(*a.wishes), compare_wishes);
	hold_all(&a);
	zero_fresh(&a);
	write_entries(&a);
	t->settled[bank] = !a.lacks;
}

void telemetry_set_routes(struct telemetry *t, unsigned int bank, const struct compiled *compiled)
{
	if (t->series_max)
		set_routes(t, bank, compiled);
}

static void forget_bank(struct telemetry *t, unsigned int bank)
{
	for (size_t i = 0; i < t->entries_n; i++)
		t->entries[i].owners &= (uint8_t) ~(1U << bank);
	slots_release(t->labels, 1U << bank, on_freed, t);
	t->settled[bank] = false;
}

void telemetry_activate(struct telemetry *t, unsigned int bank, const struct compiled *compiled)
{
	if (!t->series_max || t->settled[bank])
		return;
	set_routes(t, bank, compiled);
	if (t->settled[bank])
		return;
	forget_bank(t, !bank);
	set_routes(t, bank, compiled);
}

void telemetry_release_adopted(struct telemetry *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->entries_n; i++) {
		struct series_entry *entry = &t->entries[i];
		const struct series_key key = key_of(entry->key);

		entry->owners &= (uint8_t)~OWNER_ADOPTED;
		if (entry->owners)
			t->entries[kept++] = *entry;
		else
			bpf_map_delete_elem(t->view->series_of_fd, &key);
	}
	t->entries_n = kept;
	for (size_t i = 0; i < t->series_max; i++) {
		if (!t->series[i].adopted)
			continue;
		raise_generation(t, (uint32_t)i);
		t->series[i].adopted = 0;
		t->series[i].freed_ms = util_now_ms();
	}
}
