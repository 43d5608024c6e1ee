/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/telemetry_world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/routes_yaml.h"
#include "common/util.h"

#define SERVICES 16
#define BACKENDS 4096 /* slots */
#define ADOPTED	 (1U << STEER_BANKS)

static void make_view(struct datapath_view *v, uint32_t cpus, uint32_t series)
{
	*v = (struct datapath_view){.cpus = cpus,
				    .service_slots = SERVICES,
				    .split_slots = SERVICES,
				    .backend_slots = BACKENDS,
				    .share_slots = SERVICES * 4,
				    .series_slots = series ? series : 1,
				    .has_telemetry = series};
	v->control = util_calloc(1, sizeof(*v->control));
	v->backends = util_calloc(v->backend_slots, sizeof(*v->backends));
	v->reasons = util_calloc(cpus, sizeof(*v->reasons));
	v->series = util_calloc((size_t)cpus * v->series_slots, sizeof(*v->series));
	v->series_generation = util_calloc(v->series_slots, sizeof(*v->series_generation));
	v->flow_counts = util_calloc((size_t)cpus * v->backend_slots, sizeof(*v->flow_counts));
	v->series_of_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "series_of", sizeof(struct series_key),
					 sizeof(struct series_ref),
					 v->backend_slots + v->series_slots, NULL);
	if (v->series_of_fd < 0)
		fail_msg("no BPF map can be made: %s (are you root?)", strerror(errno));
}

static void make_slots(struct bank_slots *slots, const struct datapath_view *v)
{
	*slots = (struct bank_slots){.services = slots_new(v->service_slots),
				     .shares = slots_new(v->share_slots),
				     .backends = slots_new(v->backend_slots)};
}

static void free_slots(struct bank_slots *slots)
{
	slots_free(slots->services);
	slots_free(slots->shares);
	slots_free(slots->backends);
}

void telemetry_world_open(struct telemetry_world *w, uint32_t cpus, uint32_t series)
{
	log_set_level(LOG_LEVEL_ERROR);
	*w = (struct telemetry_world){};
	assert_true(sd_event_new(&w->loop) >= 0);
	make_view(&w->view, cpus, series);
	make_slots(&w->slots, &w->view);
	assert_int_equal(telemetry_new(w->loop, &w->view, 0, &w->telemetry), 0);
}

void telemetry_world_close(struct telemetry_world *w)
{
	telemetry_free(w->telemetry);
	for (int bank = 0; bank < STEER_BANKS; bank++)
		compiled_free(w->banks[bank]);
	free_slots(&w->slots);
	free(w->view.control);
	free(w->view.backends);
	free(w->view.reasons);
	free(w->view.series);
	free(w->view.series_generation);
	free(w->view.flow_counts);
	close(w->view.series_of_fd);
	sd_event_unref(w->loop);
}

static void fill_backend(uint32_t slot, const struct route_stack *stack,
			 const struct address *address, void *userdata)
{
	struct telemetry_world *w = userdata;
	struct backend *backend = &w->view.backends[slot];

	*backend = (struct backend){.forward = (uint8_t)stack->forward};
	memcpy(backend->address, address->bytes, sizeof(backend->address));
	snprintf(backend->stack, sizeof(backend->stack), "%s", stack->name);
	for (uint32_t cpu = 0; cpu < w->view.cpus; cpu++)
		w->view.flow_counts[cpu * BACKENDS + slot] = (struct flow_counts){};
	telemetry_backend_filled(w->telemetry, slot);
}

static void free_backend(uint32_t slot, void *userdata)
{
	((struct telemetry_world *)userdata)->view.backends[slot] = (struct backend){};
}

static void free_share(uint32_t share, void *userdata)
{
	telemetry_share_freed(((struct telemetry_world *)userdata)->telemetry, share);
}

static void install(struct telemetry_world *w, unsigned int bank, const char *yaml)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	struct compiled *before = w->banks[bank];
	struct routes *routes;

	assert_int_equal(routes_yaml_parse(yaml, strlen(yaml), &routes, &problems), 0);
	routes_sort(routes);
	slots_release(w->slots.services, 1U << bank, NULL, NULL);
	slots_release(w->slots.shares, 1U << bank, free_share, w);
	slots_release(w->slots.backends, 1U << bank, free_backend, w);
	assert_int_equal(bank_compile(routes, 1, bank, &w->slots, &w->view, w->banks[!bank],
				      fill_backend, w, &w->banks[bank], &problems),
			 0);
	compiled_free(before);
	telemetry_set_routes(w->telemetry, bank, w->banks[bank]);
}

static void activate(struct telemetry_world *w, unsigned int bank)
{
	w->view.control->active = bank;
	telemetry_activate(w->telemetry, bank, w->banks[bank]);
}

static void release_adopted(struct telemetry_world *w)
{
	slots_release(w->slots.shares, ADOPTED, NULL, NULL);
	slots_release(w->slots.backends, ADOPTED, free_backend, w);
	telemetry_release_adopted(w->telemetry);
}

void telemetry_world_apply(struct telemetry_world *w, const char *yaml)
{
	unsigned int bank = !w->view.control->active;

	install(w, bank, yaml);
	activate(w, bank);
	release_adopted(w);
}

void telemetry_world_rollback(struct telemetry_world *w)
{
	activate(w, !w->view.control->active);
}

static void adopt(struct slots *to, const struct slots *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (slots_owners(from, i))
			assert_int_equal(slots_adopt(to, slots_key(from, i), ADOPTED, i), 0);
}

void telemetry_world_restart(struct telemetry_world *w, const char *yaml)
{
	struct bank_slots before = w->slots;

	telemetry_free(w->telemetry);
	for (int bank = 0; bank < STEER_BANKS; bank++) {
		compiled_free(w->banks[bank]);
		w->banks[bank] = NULL;
	}
	assert_int_equal(telemetry_new(w->loop, &w->view, 0, &w->telemetry), 0);
	make_slots(&w->slots, &w->view);
	adopt(w->slots.shares, before.shares, w->view.share_slots);
	adopt(w->slots.backends, before.backends, w->view.backend_slots);
	free_slots(&before);
	if (yaml)
		telemetry_world_apply(w, yaml);
}

uint32_t telemetry_world_backend(const struct telemetry_world *w, const char *stack,
				 const char *text)
{
	char key[BANK_KEY_MAX];
	struct address address;
	uint32_t slot;

	assert_int_equal(address_parse(text, &address), 0);
	for (int mode = 0; mode < FORWARD_AS_MAX; mode++) {
		bank_backend_key(stack, &address, (enum forward)mode, key);
		if (slots_find(w->slots.backends, key, &slot) == 0)
			return slot;
	}
	fail_msg("no backend %s of stack %s", text, stack);
	return 0;
}

struct series *telemetry_world_row(const struct telemetry_world *w, const char *service,
				   const char *stack, const char *address, uint32_t cpu)
{
	struct series_key key;
	struct series_ref ref;
	char share_key[2 * STEER_NAME];
	uint32_t share;

	snprintf(share_key, sizeof(share_key), "%s/%s", service, stack);
	assert_int_equal(slots_find(w->slots.shares, share_key, &share), 0);
	key = (struct series_key){.share = (uint16_t)share,
				  .backend = (uint16_t)telemetry_world_backend(w, stack, address)};
	if (bpf_map_lookup_elem(w->view.series_of_fd, &key, &ref) ||
	    (uint16_t)w->view.series_generation[ref.series] != ref.generation)
		return NULL;
	return &w->view.series[(size_t)cpu * w->view.series_slots + ref.series];
}

void telemetry_world_record(const struct telemetry_world *w, const char *service, const char *stack,
			    const char *address, uint32_t cpu, enum latency_kind kind, uint64_t ns)
{
	struct series *row = telemetry_world_row(w, service, stack, address, cpu);

	assert_non_null(row);
	row->sum_ns[kind] += ns;
	row->samples[kind]++;
	row->bucket[kind][latency_bucket(ns)]++;
	row->changed++;
}

const struct series_totals *telemetry_world_totals(const struct telemetry_world *w,
						   const char *service, const char *stack,
						   const char *backend, size_t *ret_index)
{
	for (size_t i = 0; i < telemetry_series_max(w->telemetry); i++) {
		const struct series_totals *totals = telemetry_series(w->telemetry, i);

		if (!totals || strcmp(totals->service, service) || strcmp(totals->stack, stack) ||
		    strcmp(totals->backend, backend))
			continue;
		if (ret_index)
			*ret_index = i;
		return totals;
	}
	return NULL;
}

size_t telemetry_world_entries(const struct telemetry_world *w)
{
	struct series_key key, *last = NULL;
	size_t n = 0;

	while (bpf_map_get_next_key(w->view.series_of_fd, last, &key) == 0) {
		last = &key;
		n++;
	}
	return n;
}
