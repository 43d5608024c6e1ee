/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_path.h"

#include "agent/pin.h"
#include "agent/tc_filter.h"
#include "check_path.skel.h"
#include "common/util.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FILTER_HANDLE	0x5ee7
#define FILTER_PRIORITY 0x5ee7

struct check_path {
	struct check_path_bpf *skeleton;
	int lock_fd;
	uint32_t program_id;
	struct tc_filter filter;
	bool attached;
	struct check_route families;
};

/* Held while the descriptor is open, by one process in the network namespace. */
static int lock_namespace(void)
{
	static const char name[] = "steerd-check-path";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path + 1, name, sizeof(name) - 1);
	if (bind(fd, (const struct sockaddr *)&address,
		 offsetof(struct sockaddr_un, sun_path) + sizeof(name)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* The counters of an earlier agent go on, where they still have the same shape. */
static void keep_counters(struct bpf_map *map, const char *pin_dir)
{
	CLEANUP_FREE char *path = util_format("%s/%s", pin_dir, bpf_map__name(map));
	CLEANUP_CLOSE int fd = bpf_obj_get(path);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map))
		bpf_map__reuse_fd(map, fd);
}

static int load(struct check_path *path, const char *pin_dir, int backends_fd)
{
	struct bpf_prog_info info = {};
	struct bpf_map *reasons;
	__u32 size = sizeof(info);
	int err;

	path->skeleton = check_path_bpf__open();
	if (!path->skeleton)
		return -errno;
	reasons = path->skeleton->maps.check_reasons;
	bpf_map__set_max_entries(reasons, (uint32_t)libbpf_num_possible_cpus());
	if (pin_dir)
		keep_counters(reasons, pin_dir);
	err = bpf_map__reuse_fd(path->skeleton->maps.backends, backends_fd);
	if (!err)
		err = check_path_bpf__load(path->skeleton);
	if (!err && bpf_obj_get_info_by_fd(check_path_program_fd(path), &info, &size))
		err = -errno;
	path->program_id = info.id;
	return err;
}

static int pin(const struct check_path *path, const char *dir)
{
	int err = pin_replace(dir, "check_reasons",
			      bpf_map__fd(path->skeleton->maps.check_reasons));

	return err ? err : pin_replace(dir, "check_prog", check_path_program_fd(path));
}

static int start(struct check_path *path, const char *pin_dir, int backends_fd)
{
	bool missing = false;
	int err;

	path->lock_fd = lock_namespace();
	if (path->lock_fd < 0)
		return path->lock_fd;
	err = load(path, pin_dir, backends_fd);
	if (!err)
		err = tc_filter_attach(&path->filter, check_path_program_fd(path));
	if (!err) {
		path->attached = true;
		err = check_route_add(&path->families, &missing);
	}
	if (!err && pin_dir)
		err = pin(path, pin_dir);
	return err;
}

int check_path_open(const char *pin_dir, int backends_fd, struct check_path **ret)
{
	struct check_path *path = util_calloc(1, sizeof(*path));
	int err;

	path->lock_fd = -1;
	path->filter = (struct tc_filter){.handle = FILTER_HANDLE, .priority = FILTER_PRIORITY};
	err = start(path, pin_dir, backends_fd);
	if (err) {
		check_path_close(path);
		return err;
	}
	*ret = path;
	return 0;
}

void check_path_close(struct check_path *path)
{
	if (!path)
		return;
	if (path->attached) {
		check_route_remove();
		tc_filter_detach(&path->filter);
	}
	check_path_bpf__destroy(path->skeleton);
	if (path->lock_fd >= 0)
		close(path->lock_fd);
	free(path);
}

int check_path_mend(struct check_path *path, bool *ret_missing)
{
	bool missing = tc_filter_program(&path->filter) != path->program_id;
	int err = missing ? tc_filter_attach(&path->filter, check_path_program_fd(path)) : 0;

	if (!err)
		err = check_route_add(&path->families, &missing);
	*ret_missing = missing;
	return err;
}

const struct check_route *check_path_families(const struct check_path *path)
{
	return &path->families;
}

int check_path_program_fd(const struct check_path *path)
{
	return bpf_program__fd(path->skeleton->progs.check_path);
}

void check_path_count(const struct check_path *path, struct check_reasons *ret)
{
	int fd = bpf_map__fd(path->skeleton->maps.check_reasons);
	uint32_t cpus = bpf_map__max_entries(path->skeleton->maps.check_reasons);
	struct check_reasons one;

	*ret = (struct check_reasons){};
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		if (bpf_map_lookup_elem(fd, &cpu, &one))
			continue;
#define X(name, NAME) ret->name += one.name;
		CHECK_REASONS(X)
#undef X
	}
}
