/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The files of state_dir, and which snapshot each holds. Blocking. A struct state_disk is used by
 * one thread at a time; several copies of it may not write at once.
 *
 * Two files hold routes, and the one with the higher sequence is the current one, whatever its
 * name: a new snapshot goes over the one that is not needed any more, in one rename, and then the
 * two change names, so that people find the current routes in routes.yaml.
 */
#ifndef STEER_STATE_DISK_H
#define STEER_STATE_DISK_H

#include <stddef.h>
#include <stdint.h>

enum state_file { STATE_ROUTES, STATE_PREVIOUS, STATE_OVERRIDES, STATE_SEED, STATE_FILE_MAX };

struct state_disk {
	const char *dir;
	uint64_t holds[STATE_FILE_MAX]; /* sequence of its snapshot; 0: none that is of use */
};

/* A text to be written, and its sequence; 0: none. */
struct state_text {
	uint64_t sequence;
	const char *text; /* may be NULL where the snapshot is on disk already */
	size_t size;
};

/* Makes the folder (0700) with its parents. 0 or -errno. */
int state_disk_make_folder(const char *dir);

char *state_disk_path(const struct state_disk *disk, enum state_file file); /* the caller frees */

/* The file's content, at most `max` bytes, NUL-terminated. 0 or -errno. */
int state_disk_read(const struct state_disk *disk, enum state_file file, size_t max,
		    char **ret_text, size_t *ret_size);

/* Renames a file that cannot be used to NAME.corrupt; logs why. */
void state_disk_set_aside(struct state_disk *disk, enum state_file file, const char *why);

/*
 * Writes what is not there yet. 0 or -errno; what was written until then is noted in `disk`, and
 * the rest stands as it was.
 */
int state_disk_write_routes(struct state_disk *disk, const struct state_text *current,
			    const struct state_text *previous);
int state_disk_write(struct state_disk *disk, enum state_file file, const struct state_text *text);

#endif
