/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What outlives the agent in state_dir: the last good routes, the ones before them, and the
 * operators' health overrides. Every file begins with a checksum of the rest.
 *
 * A save takes its snapshot at once and is written by a thread that lives as long as the write;
 * at most one write runs, and a snapshot that is overtaken while it waits is written only as far
 * as the newer one still needs it. A crash at any instant leaves the old routes or the new ones.
 * When a write fails, the files stand as they were, state_error() says why, and the write is
 * tried again every STATE_RETRY_MS. All functions belong to the loop's thread.
 */
#ifndef STEER_STATE_H
#define STEER_STATE_H

#include "agent/saved.h"

#include <stdint.h>
#include <systemd/sd-event.h>

#define STATE_RETRY_MS 2000

struct state;

/*
 * Makes the folder (0700) with its parents where it is not there. A folder that cannot be made or
 * used is no error: the agent works without, state_error() says so, and saving is tried again.
 */
int state_open(const char *dir, sd_event *loop, struct state **ret);

/* Waits for the write that runs; what waits behind it is lost, see state_flush(). Accepts NULL. */
void state_free(struct state *state);

/*
 * What the last agent left. A file that is cut short or garbled is set aside as NAME.corrupt,
 * which is logged, and the routes before it become the current ones. Routes have not been through
 * routes_check(). Nothing there is no error: the routes are NULL then. Call before any save.
 */
int state_load_routes(struct state *state, struct saved_routes *ret_current,
		      struct saved_routes *ret_previous);

/* A file that is garbled is set aside likewise and counts as empty. The caller frees the list. */
int state_load_overrides(struct state *state, struct saved_override **ret, size_t *ret_n);

/*
 * Whether so many bytes could be saved now: takes them from the disk and gives them back. 0 or
 * -errno. For refusing a change that could not be kept before it goes live.
 */
int state_try_space(const struct state *state, size_t bytes);

/* The snapshot is on disk (err 0), or could not be written. Comes from the loop. */
typedef void (*state_done)(void *userdata, int err);

/*
 * Makes these the current routes and the current ones the previous. `saved` stays the caller's.
 * -errno when there is no text for them, and no callback then; `done` may be NULL.
 */
int state_save_routes(struct state *state, const struct saved_routes *saved, state_done done,
		      void *userdata);

/* The current routes once more, with another tag: the previous ones stay what they are. Likewise. */
int state_resave_routes(struct state *state, const struct saved_routes *saved, state_done done,
			void *userdata);

/* All of them; replaces what was saved. Likewise. */
int state_save_overrides(struct state *state, const struct saved_override *overrides, size_t n,
			 state_done done, void *userdata);

/* Writes what is left and makes the callbacks, before it returns. 0 or the write's -errno. */
int state_flush(struct state *state);

/* Why not everything is on disk, as a sentence for people; "" when it is, or soon will be. */
const char *state_error(const struct state *state);

/*
 * This host's own secret for hashing, made when there is none and kept. Where it cannot be kept,
 * the log says so and it lasts as long as the agent. -errno, logged: no random bytes.
 */
#define STATE_SEED_SIZE 32
int state_node_seed(struct state *state, uint8_t seed[STATE_SEED_SIZE]);

#endif
