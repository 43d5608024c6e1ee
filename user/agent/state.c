/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/state.h"

#include "agent/state_disk.h"
#include "common/log.h"
#include "common/util.h"
#include "common/yaml_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#define FILE_SIZE_MAX YAML_TREE_SIZE_MAX
#define ERROR_MAX     256

/* A snapshot. References are counted by the loop's thread alone. */
struct blob {
	unsigned int references;
	uint64_t sequence;
	char *text; /* NULL: loaded, and so on disk for as long as it is wanted */
	size_t size;
};

/* What should be on disk; NULL where nothing was ever saved. */
struct wanted {
	struct blob *current;
	struct blob *previous;
	struct blob *overrides;
};

/* One run of the writer, on its thread; the loop's thread keeps its hands off until it is joined. */
struct write_run {
	struct wanted wanted;
	struct state_disk disk;
	uint64_t until; /* every save up to this sequence is covered */
	int done_fd;
	int err;
};

struct waiter {
	uint64_t sequence;
	state_done done;
	void *userdata;
	struct waiter *next;
};

struct state {
	char *dir;
	struct wanted wanted;
	struct state_disk disk;
	uint64_t sequence;	/* of the last snapshot taken */
	struct waiter *waiters; /* in order of sequence */
	char error[ERROR_MAX];

	bool writing;
	bool has_thread; /* of the run; else it was written in place */
	pthread_t thread;
	struct write_run run;

	int done_fd; /* readable: the run is over */
	sd_event_source *done_source;
	sd_event_source *retry_source;
};

static struct blob *blob_ref(struct blob *blob)
{
	if (blob)
		blob->references++;
	return blob;
}

static void blob_unref(struct blob *blob)
{
	if (!blob || --blob->references)
		return;
	free(blob->text);
	free(blob);
}

/* Takes the text. */
static struct blob *blob_new(uint64_t sequence, char *text, size_t size)
{
	struct blob *blob = util_calloc(1, sizeof(*blob));

	*blob = (struct blob){.references = 1, .sequence = sequence, .text = text, .size = size};
	return blob;
}

static void blob_replace(struct blob **at, struct blob *taken)
{
	blob_unref(*at);
	*at = taken;
}

static void wanted_copy(struct wanted *to, const struct wanted *from)
{
	to->current = blob_ref(from->current);
	to->previous = blob_ref(from->previous);
	to->overrides = blob_ref(from->overrides);
}

static void wanted_clear(struct wanted *wanted)
{
	blob_replace(&wanted->current, NULL);
	blob_replace(&wanted->previous, NULL);
	blob_replace(&wanted->overrides, NULL);
}

static struct state_text text_of(const struct blob *blob)
{
	if (!blob)
		return (struct state_text){0};
	return (struct state_text){
		.sequence = blob->sequence, .text = blob->text, .size = blob->size};
}

static void write_wanted(struct write_run *run)
{
	struct state_text current = text_of(run->wanted.current);
	struct state_text previous = text_of(run->wanted.previous);
	struct state_text overrides = text_of(run->wanted.overrides);
	int err = state_disk_make_folder(run->disk.dir);

	if (!err)
		err = state_disk_write_routes(&run->disk, &current, &previous);
	if (!err && overrides.sequence)
		err = state_disk_write(&run->disk, STATE_OVERRIDES, &overrides);
	run->err = err;
}

static void *writer(void *userdata)
{
	struct write_run *run = userdata;

	write_wanted(run);
	eventfd_write(run->done_fd, 1);
	return NULL;
}

static bool all_is_written(const struct state *state)
{
	const uint64_t *holds = state->disk.holds;
	const struct blob *const routes[] = {state->wanted.current, state->wanted.previous};

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (routes[i] && routes[i]->sequence != holds[STATE_ROUTES] &&
		    routes[i]->sequence != holds[STATE_PREVIOUS])
			return false;
	return !state->wanted.overrides ||
	       state->wanted.overrides->sequence == holds[STATE_OVERRIDES];
}

static void begin_run(struct state *state)
{
	state->writing = true;
	state->has_thread = false;
	state->run = (struct write_run){
		.disk = state->disk, .until = state->sequence, .done_fd = state->done_fd};
	wanted_copy(&state->run.wanted, &state->wanted);
	sd_event_source_set_enabled(state->retry_source, SD_EVENT_OFF);
}

/* The thread takes no signals: they are the loop's. */
static int start_thread(struct state *state)
{
	pthread_attr_t attributes;
	sigset_t all;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	err = pthread_attr_setsigmask_np(&attributes, &all);
	if (!err)
		err = pthread_create(&state->thread, &attributes, writer, &state->run);
	pthread_attr_destroy(&attributes);
	return -err;
}

/* After an error even with nothing to write: a run finds out whether it still holds. */
static void start_write(struct state *state)
{
	if (state->writing || (all_is_written(state) && !*state->error))
		return;
	begin_run(state);
	state->has_thread = !start_thread(state);
	if (!state->has_thread)
		writer(&state->run); /* slow for the loop, but safe on disk */
}

static void note_result(struct state *state)
{
	bool failed_before = *state->error;

	state->error[0] = '\0';
	if (state->run.err)
		snprintf(state->error, sizeof(state->error), "cannot save to %s: %s", state->dir,
			 strerror(-state->run.err));
	if (state->run.err && !failed_before)
		log_error("%s; trying again every %d s", state->error, STATE_RETRY_MS / 1000);
	if (!state->run.err && failed_before)
		log_info("saving to %s works again", state->dir);
}

static void call_waiters(struct state *state, uint64_t until, int err)
{
	while (state->waiters && state->waiters->sequence <= until) {
		struct waiter *waiter = state->waiters;

		state->waiters = waiter->next;
		waiter->done(waiter->userdata, err);
		free(waiter);
	}
}

static void arm_retry(struct state *state)
{
	sd_event_source_set_time_relative(state->retry_source, STATE_RETRY_MS * 1000ull);
	sd_event_source_set_enabled(state->retry_source, SD_EVENT_ONESHOT);
}

/* Waits for the run to end, without starting another. Returns its error. */
static int end_run(struct state *state)
{
	eventfd_t ignored;
	int err;

	if (state->has_thread)
		pthread_join(state->thread, NULL);
	eventfd_read(state->done_fd, &ignored);
	state->writing = false;
	state->disk = state->run.disk;
	wanted_clear(&state->run.wanted);
	err = state->run.err;
	note_result(state);
	return err;
}

static int on_done(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct state *state = userdata;
	uint64_t until;
	int err;

	(void)source;
	(void)fd;
	(void)revents;
	if (!state->writing)
		return 0;
	until = state->run.until;
	err = end_run(state);
	if (!err || state->sequence > until)
		start_write(state);
	else
		arm_retry(state);
	call_waiters(state, until, err);
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	start_write(userdata);
	return 0;
}

static int join_loop(struct state *state, sd_event *loop)
{
	int err = sd_event_add_io(loop, &state->done_source, state->done_fd, EPOLLIN, on_done,
				  state);

	if (err >= 0)
		err = sd_event_add_time_relative(loop, &state->retry_source, CLOCK_MONOTONIC, 0, 0,
						 on_retry, state);
	if (err >= 0)
		err = sd_event_source_set_enabled(state->retry_source, SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

int state_open(const char *dir, sd_event *loop, struct state **ret)
{
	struct state *state = util_calloc(1, sizeof(*state));
	int err = 0;

	state->dir = util_strdup(dir);
	state->disk.dir = state->dir;
	state->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (state->done_fd < 0)
		err = -errno;
	if (!err)
		err = join_loop(state, loop);
	if (err) {
		state_free(state);
		return log_errno(err, "cannot set up saving to %s", dir);
	}
	state->run.err = state_disk_make_folder(dir);
	note_result(state);
	if (state->run.err)
		arm_retry(state);
	*ret = state;
	return 0;
}

void state_free(struct state *state)
{
	if (!state)
		return;
	if (state->writing)
		end_run(state);
	while (state->waiters) {
		struct waiter *waiter = state->waiters;

		state->waiters = waiter->next;
		free(waiter);
	}
	wanted_clear(&state->wanted);
	sd_event_source_disable_unref(state->done_source);
	sd_event_source_disable_unref(state->retry_source);
	if (state->done_fd >= 0)
		close(state->done_fd);
	free(state->dir);
	free(state);
}

/* A file that is not there is no news; one that cannot be read or makes no sense is. */
static int read_file(struct state *state, enum state_file file, char **ret_text, size_t *ret_size)
{
	int err = state_disk_read(&state->disk, file, FILE_SIZE_MAX, ret_text, ret_size);

	if (err && err != -ENOENT)
		state_disk_set_aside(&state->disk, file, strerror(-err));
	return err;
}

static void load_one(struct state *state, enum state_file file, struct saved_routes *ret)
{
	CLEANUP_FREE char *text = NULL;
	char why[SAVED_WHY_MAX];
	uint64_t sequence;
	size_t size;

	if (read_file(state, file, &text, &size))
		return;
	if (saved_routes_read(text, size, ret, &sequence, why)) {
		state_disk_set_aside(&state->disk, file, why);
		return;
	}
	state->disk.holds[file] = sequence;
	if (sequence > state->sequence)
		state->sequence = sequence;
}

int state_load_routes(struct state *state, struct saved_routes *ret_current,
		      struct saved_routes *ret_previous)
{
	struct saved_routes loaded[2] = {0}; /* by enum state_file */
	uint64_t *holds = state->disk.holds;
	enum state_file newer, older;

	load_one(state, STATE_ROUTES, &loaded[STATE_ROUTES]);
	load_one(state, STATE_PREVIOUS, &loaded[STATE_PREVIOUS]);
	newer = holds[STATE_ROUTES] >= holds[STATE_PREVIOUS] ? STATE_ROUTES : STATE_PREVIOUS;
	older = newer == STATE_ROUTES ? STATE_PREVIOUS : STATE_ROUTES;
	if (holds[newer])
		blob_replace(&state->wanted.current, blob_new(holds[newer], NULL, 0));
	if (holds[older])
		blob_replace(&state->wanted.previous, blob_new(holds[older], NULL, 0));
	*ret_current = loaded[newer];
	*ret_previous = loaded[older];
	return 0;
}

int state_load_overrides(struct state *state, struct saved_override **ret, size_t *ret_n)
{
	CLEANUP_FREE char *text = NULL;
	char why[SAVED_WHY_MAX];
	size_t size;

	*ret = NULL;
	*ret_n = 0;
	if (read_file(state, STATE_OVERRIDES, &text, &size))
		return 0;
	if (saved_overrides_read(text, size, ret, ret_n, why))
		state_disk_set_aside(&state->disk, STATE_OVERRIDES, why);
	return 0;
}

static void add_waiter(struct state *state, state_done done, void *userdata)
{
	struct waiter **end = &state->waiters, *waiter;

	if (!done)
		return;
	while (*end)
		end = &(*end)->next;
	waiter = util_calloc(1, sizeof(*waiter));
	waiter->sequence = state->sequence;
	waiter->done = done;
	waiter->userdata = userdata;
	*end = waiter;
}

static int save_routes(struct state *state, const struct saved_routes *saved, bool same,
		       state_done done, void *userdata)
{
	char *text;
	size_t size;
	int err = saved_routes_write(saved, state->sequence + 1, &text, &size);

	if (err)
		return err;
	state->sequence++;
	if (!same)
		blob_replace(&state->wanted.previous, TAKE(state->wanted.current));
	blob_replace(&state->wanted.current, blob_new(state->sequence, text, size));
	add_waiter(state, done, userdata);
	start_write(state);
	return 0;
}

int state_save_routes(struct state *state, const struct saved_routes *saved, state_done done,
		      void *userdata)
{
	return save_routes(state, saved, false, done, userdata);
}

int state_resave_routes(struct state *state, const struct saved_routes *saved, state_done done,
			void *userdata)
{
	return save_routes(state, saved, true, done, userdata);
}

int state_save_overrides(struct state *state, const struct saved_override *overrides, size_t n,
			 state_done done, void *userdata)
{
	char *text;
	size_t size;
	int err = saved_overrides_write(overrides, n, &text, &size);

	if (err)
		return err;
	state->sequence++;
	blob_replace(&state->wanted.overrides, blob_new(state->sequence, text, size));
	add_waiter(state, done, userdata);
	start_write(state);
	return 0;
}

int state_flush(struct state *state)
{
	uint64_t until;
	int err = 0;

	while (!err && (state->writing || !all_is_written(state))) {
		bool joins = state->writing;

		if (!joins) {
			begin_run(state);
			writer(&state->run);
		}
		until = state->run.until;
		err = end_run(state);
		call_waiters(state, until, err);
		if (joins)
			err = 0; /* one more try, of all there is now */
	}
	if (err)
		arm_retry(state);
	return err;
}

const char *state_error(const struct state *state)
{
	return state->error;
}

int state_node_seed(struct state *state, uint8_t seed[STATE_SEED_SIZE])
{
	CLEANUP_FREE char *text = NULL;
	uint8_t fresh[STATE_SEED_SIZE];
	struct state_text made = {.sequence = 1, .text = (char *)fresh, .size = sizeof(fresh)};
	size_t size;
	ssize_t n;
	int err;

	if (!read_file(state, STATE_SEED, &text, &size)) {
		if (size == STATE_SEED_SIZE) {
			memcpy(seed, text, size);
			return 0;
		}
		state_disk_set_aside(&state->disk, STATE_SEED, "its size is not that of a seed");
	}
	n = getrandom(fresh, sizeof(fresh), 0);
	if (n != sizeof(fresh))
		return log_errno(n < 0 ? -errno : -EIO, "the kernel gives no random bytes");
	memcpy(seed, fresh, sizeof(fresh));
	err = state_disk_write(&state->disk, STATE_SEED, &made);
	if (err)
		log_warning("cannot keep the node's seed in %s: %s", state->dir, strerror(-err));
	return 0;
}

int state_try_space(const struct state *state, size_t bytes)
{
	CLEANUP_FREE char *path = util_format("%s/space.tmp", state->dir);
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = posix_fallocate(fd, 0, (off_t)bytes);
	unlink(path);
	return -err;
}
