/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/state_disk.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define FILE_MODE 0600

static const char *const names[STATE_FILE_MAX] = {
	[STATE_ROUTES] = "routes.yaml",
	[STATE_PREVIOUS] = "routes.previous.yaml",
	[STATE_OVERRIDES] = "overrides",
	[STATE_SEED] = "node.seed",
};

static int make_one(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int state_disk_make_folder(const char *dir)
{
	CLEANUP_FREE char *path = util_strdup(dir);
	struct stat status;
	int err = 0;

	for (char *at = path + 1; *at && !err; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		err = make_one(path);
		*at = '/';
	}
	if (!err)
		err = make_one(path);
	if (!err && stat(path, &status) < 0)
		err = -errno;
	return err ? err : S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

char *state_disk_path(const struct state_disk *disk, enum state_file file)
{
	return util_format("%s/%s", disk->dir, names[file]);
}

int state_disk_read(const struct state_disk *disk, enum state_file file, size_t max,
		    char **ret_text, size_t *ret_size)
{
	CLEANUP_FREE char *path = state_disk_path(disk, file);

	return util_read_file(path, max, ret_text, ret_size);
}

void state_disk_set_aside(struct state_disk *disk, enum state_file file, const char *why)
{
	CLEANUP_FREE char *path = state_disk_path(disk, file);
	CLEANUP_FREE char *aside = util_format("%s.corrupt", path);

	disk->holds[file] = 0;
	if (rename(path, aside) < 0)
		log_warning("%s cannot be used (%s), nor be set aside: %s", path, why,
			    strerror(errno));
	else
		log_warning("%s cannot be used (%s), and is set aside as %s", path, why, aside);
}

int state_disk_write(struct state_disk *disk, enum state_file file, const struct state_text *text)
{
	CLEANUP_FREE char *path = state_disk_path(disk, file);
	int err;

	if (disk->holds[file] == text->sequence)
		return 0;
	err = util_replace_file(path, text->text, text->size, FILE_MODE);
	if (!err)
		disk->holds[file] = text->sequence;
	return err;
}

/* The one of the two routes files that holds neither snapshot; of two such, the older. */
static enum state_file spare_file(const struct state_disk *disk, uint64_t current,
				  uint64_t previous)
{
	uint64_t routes = disk->holds[STATE_ROUTES], other = disk->holds[STATE_PREVIOUS];
	bool routes_needed = routes && (routes == current || routes == previous);
	bool other_needed = other && (other == current || other == previous);

	if (routes_needed)
		return STATE_PREVIOUS;
	return other_needed || routes <= other ? STATE_ROUTES : STATE_PREVIOUS;
}

/*
 * Only for people: not every file system can do it (NFS cannot), and then the names stay. No need
 * for an fsync: either order of names is right after a crash.
 */
static void swap_names(struct state_disk *disk)
{
	CLEANUP_FREE char *routes = state_disk_path(disk, STATE_ROUTES);
	CLEANUP_FREE char *previous = state_disk_path(disk, STATE_PREVIOUS);
	uint64_t held = disk->holds[STATE_ROUTES];

	if (renameat2(AT_FDCWD, routes, AT_FDCWD, previous, RENAME_EXCHANGE) < 0)
		return;
	disk->holds[STATE_ROUTES] = disk->holds[STATE_PREVIOUS];
	disk->holds[STATE_PREVIOUS] = held;
}

int state_disk_write_routes(struct state_disk *disk, const struct state_text *current,
			    const struct state_text *previous)
{
	const struct state_text *const texts[] = {previous, current}; /* the older first */
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts) && !err; i++) {
		uint64_t sequence = texts[i]->sequence;

		if (!sequence || disk->holds[STATE_ROUTES] == sequence ||
		    disk->holds[STATE_PREVIOUS] == sequence)
			continue;
		err = state_disk_write(
			disk, spare_file(disk, current->sequence, previous->sequence), texts[i]);
	}
	if (disk->holds[STATE_PREVIOUS] > disk->holds[STATE_ROUTES])
		swap_names(disk);
	return err;
}
