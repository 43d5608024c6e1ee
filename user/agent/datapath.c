/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include <linux/magic.h>

#include "agent/hash_key.h"
#include "agent/pin.h"
#include "common/log.h"
#include "common/util.h"
#include "steer.skel.h"

#define INTERFACES_MAX 64

struct datapath {
	struct steer_bpf *skeleton;
	struct datapath_view view;
	char *pin_dir;		      /* NULL: nothing is pinned */
	int lock_fd;		      /* pin_dir, locked while this agent owns it */
	int link_fds[INTERFACES_MAX]; /* only without pin_dir */
	size_t links_n;
};

static uint32_t power_of_two_at_least(uint32_t n)
{
	uint32_t power = 1;

	while (power < n && power < 1U << 31)
		power *= 2;
	return power;
}

static void size_view(const struct datapath_options *options, struct datapath_view *view)
{
	view->cpus = (uint32_t)libbpf_num_possible_cpus();
	view->service_slots = options->services * 2;
	view->split_slots = options->services;
	view->backend_slots = options->backends * 2;
	view->share_slots = options->services * 4;
	view->flow_buckets = power_of_two_at_least((options->flows + STEER_BUCKET_ENTRIES - 1) /
						   STEER_BUCKET_ENTRIES);
	view->has_telemetry = options->series;
	view->series_slots = options->series ? options->series : 1;
	view->sample_slots = options->series && options->samples ? options->samples : 1;
}

/* A map as the skeleton has it, how many entries it gets, and where the view wants its memory. */
struct map_plan {
	const char *name; /* the pin's */
	struct bpf_map *map;
	uint32_t entries;
	void **memory;
};

#define MAPS 21

/* Pairs whose series is shared with others need an entry too, in either bank. */
static uint32_t series_of_entries(const struct datapath_view *view)
{
	return view->has_telemetry ? view->backend_slots + view->series_slots : 1;
}

static void plan_maps(struct datapath *d, struct map_plan plan[MAPS])
{
	struct datapath_view *v = &d->view;
	struct steer_bpf *s = d->skeleton;
	struct map_plan maps[MAPS] = {
		{"control", s->maps.bss, 1, NULL},
		{"flows", s->maps.flows, v->flow_buckets, (void **)&v->flows},
		{"services", s->maps.services, STEER_BANKS * v->service_slots,
		 (void **)&v->services},
		{"splits", s->maps.splits, STEER_BANKS * v->split_slots, (void **)&v->splits},
		{"stacks", s->maps.stacks, STEER_BANKS * STEER_STACKS, (void **)&v->stacks},
		{"rings", s->maps.rings, STEER_BANKS * STEER_STACKS, (void **)&v->rings},
		{"backends", s->maps.backends, v->backend_slots, (void **)&v->backends},
		{"backend_counters", s->maps.backend_counters, v->cpus * v->backend_slots,
		 (void **)&v->backend_counters},
		{"service_counters", s->maps.service_counters, v->cpus * v->service_slots,
		 (void **)&v->service_counters},
		{"share_counters", s->maps.share_counters, v->cpus * v->share_slots,
		 (void **)&v->share_counters},
		{"pending", s->maps.pending, v->cpus, NULL},
		{"reasons", s->maps.reasons, v->cpus, (void **)&v->reasons},
		{"samples", s->maps.samples, v->sample_slots, (void **)&v->samples},
		{"series", s->maps.series, v->cpus * v->series_slots, (void **)&v->series},
		{"series_generation", s->maps.series_generation, v->series_slots,
		 (void **)&v->series_generation},
		{"series_of", s->maps.series_of, series_of_entries(v), NULL},
		{"tunnel_backends", s->maps.tunnel_backends,
		 v->has_telemetry ? v->backend_slots : 1, NULL},
		{"flow_counts", s->maps.flow_counts, v->cpus * v->backend_slots,
		 (void **)&v->flow_counts},
		{"backend_watch", s->maps.backend_watch, v->backend_slots, (void **)&v->watch},
		{"flow_events", s->maps.flow_events, bpf_map__max_entries(s->maps.flow_events),
		 NULL},
		{"event_rations", s->maps.event_rations, v->cpus, NULL},
	};

	memcpy(plan, maps, sizeof(maps));
}

static int map_memory(struct bpf_map *map, void **ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t value = (bpf_map__value_size(map) + 7) & ~7UL;
	size_t size = (value * bpf_map__max_entries(map) + page - 1) & ~(page - 1);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return log_errno(-errno, "cannot map %s", bpf_map__name(map));
	*ret = memory;
	return 0;
}

static void unmap_memory(struct bpf_map *map, void *memory)
{
	size_t value = (bpf_map__value_size(map) + 7) & ~7UL;

	if (memory)
		munmap(memory, value * bpf_map__max_entries(map));
}

/* A pinned map's descriptor if it has the wanted shape; -ENOENT, or -EINVAL with the cause. */
static int open_pinned(const struct datapath *d, const struct map_plan *plan, char **ret_cause)
{
	CLEANUP_FREE char *path = util_format("%s/%s", d->pin_dir, plan->name);
	CLEANUP_CLOSE int fd = bpf_obj_get(path);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (fd < 0)
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    info.value_size != bpf_map__value_size(plan->map) ||
	    info.max_entries != plan->entries) {
		*ret_cause = util_format("%s has %u entries of %u bytes, not %u of %u", plan->name,
					 info.max_entries, info.value_size, plan->entries,
					 bpf_map__value_size(plan->map));
		return -EINVAL;
	}
	return TAKE_FD(fd);
}

static uint32_t pinned_schema(int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const struct control *control = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	uint32_t schema = 0;

	if (control != MAP_FAILED) {
		schema = control->schema;
		munmap((void *)control, page);
	}
	return schema;
}

/* All pinned maps or none: true if every one could be taken over. */
static bool take_over(struct datapath *d, const struct map_plan plan[MAPS])
{
	CLEANUP_FREE char *cause = NULL;
	int fds[MAPS], n = 0;
	bool kept;

	for (; n < MAPS; n++) {
		fds[n] = open_pinned(d, &plan[n], &cause);
		if (fds[n] < 0)
			break;
	}
	kept = n == MAPS;
	if (kept && pinned_schema(fds[0]) != STEER_SCHEMA) {
		cause = util_format("their schema is %u, this program's is %u",
				    pinned_schema(fds[0]), STEER_SCHEMA);
		kept = false;
	}
	for (int i = 0; i < n; i++) {
		if (kept && bpf_map__reuse_fd(plan[i].map, fds[i]))
			log_warning("cannot reuse map %s", plan[i].name);
		close(fds[i]);
	}
	if (cause)
		log_warning("the maps in %s do not fit (%s): starting cold, established flows "
			    "are found again by hash",
			    d->pin_dir, cause);
	return kept;
}

static int lock_pins(struct datapath *d)
{
	struct statfs fs;

	if (mkdir(d->pin_dir, 0700) < 0 && errno != EEXIST)
		return log_errno(-errno, "cannot make %s", d->pin_dir);
	if (statfs(d->pin_dir, &fs) == 0 && fs.f_type != BPF_FS_MAGIC)
		return log_errno(-EINVAL,
				 "pin_dir %s is not on a BPF file system (mount -t bpf bpf "
				 "/sys/fs/bpf)",
				 d->pin_dir);
	d->lock_fd = open(d->pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->lock_fd < 0)
		return log_errno(-errno, "cannot open %s", d->pin_dir);
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("another steerd holds %s: stop it, or give this one its own pin_dir",
			  d->pin_dir);
		return -EBUSY;
	}
	return 0;
}

static void set_constants(struct datapath *d, const struct datapath_options *options)
{
	struct datapath_view *v = &d->view;

	d->skeleton->rodata->limits.services = v->service_slots;
	d->skeleton->rodata->limits.splits = v->split_slots;
	d->skeleton->rodata->limits.backends = v->backend_slots;
	d->skeleton->rodata->limits.shares = v->share_slots;
	d->skeleton->rodata->limits.flow_buckets = v->flow_buckets;
	d->skeleton->rodata->limits.series = v->series_slots;
	d->skeleton->rodata->limits.samples = v->sample_slots;
	d->skeleton->rodata->has_telemetry = v->has_telemetry;
	d->skeleton->rodata->has_frags = xdp_link_has_frags();
	d->skeleton->rodata->limits.flow_ration =
		options->flow_ration ? options->flow_ration
				     : v->flow_buckets * STEER_BUCKET_ENTRIES / 8 / v->cpus + 64;
}

static int load(struct datapath *d, const struct datapath_options *options, bool *ret_kept)
{
	struct map_plan plan[MAPS];
	bool kept = false;
	int err;

	d->skeleton = steer_bpf__open();
	if (!d->skeleton)
		return log_errno(-errno, "cannot open the steering program");
	size_view(options, &d->view);
	set_constants(d, options);
	plan_maps(d, plan);
	for (int i = 0; i < MAPS; i++)
		bpf_map__set_max_entries(plan[i].map, plan[i].entries);
	if (d->pin_dir)
		kept = take_over(d, plan);
	if (d->skeleton->rodata->has_frags)
		bpf_program__set_flags(d->skeleton->progs.steer, BPF_F_XDP_HAS_FRAGS);
	err = steer_bpf__load(d->skeleton);
	if (err)
		return log_errno(err, "the kernel refuses the steering program");
	for (int i = 0; i < MAPS; i++)
		if (plan[i].memory && (err = map_memory(plan[i].map, plan[i].memory)))
			return err;
	d->view.control = &d->skeleton->bss->control;
	d->view.vips = d->skeleton->bss->vips;
	d->view.backends_fd = bpf_map__fd(d->skeleton->maps.backends);
	d->view.series_of_fd = bpf_map__fd(d->skeleton->maps.series_of);
	d->view.tunnel_backends_fd = bpf_map__fd(d->skeleton->maps.tunnel_backends);
	d->view.flow_events_fd = bpf_map__fd(d->skeleton->maps.flow_events);
	*ret_kept = kept;
	return 0;
}

static int init_control(struct datapath *d)
{
	struct control *control = d->view.control;
	int err = hash_key_random(&control->node_key);
	struct timespec now;

	if (err)
		return log_errno(err, "cannot make a random hash key");
	for (int bank = 0; bank < STEER_BANKS; bank++)
		hash_key_from_text(NULL, &control->fleet_key[bank]);
	if (getrandom(&control->epoch, sizeof(control->epoch), 0) != sizeof(control->epoch))
		return log_errno(-EIO, "cannot make a random epoch");
	clock_gettime(CLOCK_REALTIME, &now);
	control->epoch_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	control->schema = STEER_SCHEMA;
	return 0;
}

int datapath_open(const struct datapath_options *options, struct datapath **ret, bool *ret_kept)
{
	struct datapath *d = util_calloc(1, sizeof(*d));
	bool kept = false;
	int err = 0;

	d->lock_fd = -1;
	if (options->pin_dir) {
		d->pin_dir = util_strdup(options->pin_dir);
		err = lock_pins(d);
	}
	if (!err)
		err = load(d, options, &kept);
	if (!err && !kept)
		err = init_control(d);
	if (err) {
		datapath_free(d);
		return err;
	}
	*ret = d;
	*ret_kept = kept;
	return 0;
}

void datapath_free(struct datapath *d)
{
	struct map_plan plan[MAPS];

	if (!d)
		return;
	if (d->skeleton) {
		plan_maps(d, plan);
		for (int i = 0; i < MAPS; i++)
			if (plan[i].memory)
				unmap_memory(plan[i].map, *plan[i].memory);
	}
	for (size_t i = 0; i < d->links_n; i++)
		close(d->link_fds[i]);
	steer_bpf__destroy(d->skeleton);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d->pin_dir);
	free(d);
}

const struct datapath_view *datapath_view(const struct datapath *d)
{
	return &d->view;
}

int datapath_program_fd(const struct datapath *d)
{
	return bpf_program__fd(d->skeleton->progs.steer);
}

int datapath_attach(struct datapath *d, const char *interface, enum xdp_mode mode,
		    const char **ret_mode)
{
	int fd, err;

	if (d->links_n == INTERFACES_MAX)
		return log_errno(-E2BIG, "more than %d interfaces", INTERFACES_MAX);
	err = xdp_link_attach(d->pin_dir, interface, datapath_program_fd(d), mode, ret_mode, &fd);
	if (!err && fd >= 0)
		d->link_fds[d->links_n++] = fd;
	return err;
}

void datapath_detach_others(struct datapath *d, char *const *interfaces, size_t n)
{
	if (d->pin_dir)
		xdp_link_prune(d->pin_dir, interfaces, n);
}

int datapath_pin(struct datapath *d)
{
	struct map_plan plan[MAPS];
	int err;

	if (!d->pin_dir)
		return 0;
	plan_maps(d, plan);
	for (int i = 0; i < MAPS; i++) {
		err = pin_replace(d->pin_dir, plan[i].name, bpf_map__fd(plan[i].map));
		if (err)
			return err;
	}
	err = pin_replace(d->pin_dir, "limits", bpf_map__fd(d->skeleton->maps.rodata));
	return err ? err : pin_replace(d->pin_dir, "prog", datapath_program_fd(d));
}

uint32_t datapath_verified_instructions(const struct datapath *d)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(datapath_program_fd(d), &info, &size))
		return 0;
	return info.verified_insns;
}

int datapath_check_kernel(void)
{
	const struct {
		enum bpf_func_id helper;
		const char *feature;
	} needed[] = {
		{BPF_FUNC_xdp_adjust_head, "bpf_xdp_adjust_head in XDP programs (Linux 4.10)"},
		{BPF_FUNC_jiffies64, "bpf_jiffies64 (Linux 5.6)"},
		{BPF_FUNC_ringbuf_reserve, "BPF ring buffers (Linux 5.8)"},
		{BPF_FUNC_redirect, "bpf_redirect in XDP programs (Linux 4.14)"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		int has = libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, needed[i].helper, NULL);

		if (has == -EPERM)
			return log_errno(has, "BPF programs cannot be loaded: steerd needs "
					      "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
		if (has != 1) {
			log_error("this kernel is too old: it lacks %s; steerd needs Linux 5.10",
				  needed[i].feature);
			return -EOPNOTSUPP;
		}
	}
	return 0;
}
