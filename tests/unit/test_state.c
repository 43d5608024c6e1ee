/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/state.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define PATIENCE_MS 10000 /* until a condition counts as never */

/* Random bytes come from the kernel by way of this, and not all of them if so wanted. */
static size_t random_short_by;

ssize_t getrandom(void *buffer, size_t size, unsigned int flags)
{
	return syscall(SYS_getrandom, buffer, size - random_short_by, flags);
}

struct fixture {
	char top[64]; /* removed afterwards */
	char dir[80]; /* does not exist at first */
	sd_event *loop;
	struct state *state;
	int calls;
	int err; /* of the last callback */
};

static void open_state(struct fixture *f)
{
	assert_int_equal(state_open(f->dir, f->loop, &f->state), 0);
}

static void close_state(struct fixture *f)
{
	state_free(f->state);
	f->state = NULL;
}

static int setup(void **state)
{
	static struct fixture f;

	log_set_level((enum log_level)0);
	f = (struct fixture){.top = "/tmp/steerd-test-state.XXXXXX"};
	assert_non_null(mkdtemp(f.top));
	snprintf(f.dir, sizeof(f.dir), "%s/a/b", f.top);
	assert_true(sd_event_new(&f.loop) >= 0);
	*state = &f;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_state(f);
	sd_event_unref(f->loop);
	return nftw(f->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(const struct fixture *f, const char *name)
{
	return util_format("%s/%s", f->dir, name);
}

/* Routes with this version's number for a weight, so that contents differ too. */
static void routes_of(uint64_t version, size_t backends, struct saved_routes *ret)
{
	struct routes *routes = util_calloc(1, sizeof(*routes));
	struct route_stack *stack = util_calloc(1, sizeof(*stack));

	stack->name = util_strdup("blue");
	stack->backends = util_calloc(backends, sizeof(*stack->backends));
	stack->backends_n = backends;
	routes_health_settle(&stack->health);
	for (size_t i = 0; i < backends; i++) {
		assert_int_equal(address_parse("10.0.0.1", &stack->backends[i].address), 0);
		stack->backends[i].address.bytes[14] = (uint8_t)(i >> 8);
		stack->backends[i].address.bytes[15] = (uint8_t)i;
		stack->backends[i].weight = (uint32_t)version;
	}
	routes->stacks = stack;
	routes->stacks_n = 1;
	*ret = (struct saved_routes){.routes = routes,
				     .version = version,
				     .applied_unix_ms = 1000 + version,
				     .by = util_strdup("apply")};
}

static void on_saved(void *userdata, int err)
{
	struct fixture *f = userdata;

	f->calls++;
	f->err = err;
}

static void save(struct fixture *f, uint64_t version)
{
	struct saved_routes saved;

	routes_of(version, 3, &saved);
	assert_int_equal(state_save_routes(f->state, &saved, on_saved, f), 0);
	saved_routes_clear(&saved);
}

static void wait_for_calls(struct fixture *f, int calls)
{
	unsigned long long deadline = util_now_ms() + PATIENCE_MS;

	while (f->calls < calls && util_now_ms() < deadline)
		assert_true(sd_event_run(f->loop, 100000) >= 0);
	assert_int_equal(f->calls, calls);
}

/* What an agent that starts now would find; 0: nothing. */
static void expect_saved(struct fixture *f, uint64_t current, uint64_t previous)
{
	const uint64_t expected[] = {current, previous};
	struct saved_routes loaded[2];

	close_state(f);
	open_state(f);
	assert_int_equal(state_load_routes(f->state, &loaded[0], &loaded[1]), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loaded[i].version, expected[i]);
		assert_int_equal(!!loaded[i].routes, !!expected[i]);
		if (loaded[i].routes)
			assert_int_equal(loaded[i].routes->stacks[0].backends[2].weight,
					 expected[i]);
		saved_routes_clear(&loaded[i]);
	}
}

static bool exists(const struct fixture *f, const char *name)
{
	CLEANUP_FREE char *path = path_of(f, name);

	return access(path, F_OK) == 0;
}

/* "# version: N" of a file. */
static uint64_t version_in(const struct fixture *f, const char *name)
{
	CLEANUP_FREE char *path = path_of(f, name), *text = NULL;

	assert_int_equal(util_read_file(path, 1 << 20, &text, NULL), 0);
	assert_non_null(strstr(text, "\n# version: "));
	return strtoull(strstr(text, "\n# version: ") + 12, NULL, 10);
}

static void a_new_folder_is_private_and_holds_nothing(void **state)
{
	struct fixture *f = *state;
	struct saved_override *overrides;
	struct stat status;
	size_t n;

	open_state(f);
	expect_saved(f, 0, 0);
	assert_int_equal(state_load_overrides(f->state, &overrides, &n), 0);
	assert_null(overrides);
	assert_int_equal(n, 0);
	assert_int_equal(stat(f->dir, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	assert_string_equal(state_error(f->state), "");
	assert_int_equal(state_flush(f->state), 0);
}

static void a_save_is_told_from_the_loop_once_it_is_on_disk(void **state)
{
	struct fixture *f = *state;

	open_state(f);
	f->err = 99;
	save(f, 7);
	assert_int_equal(f->calls, 0);
	wait_for_calls(f, 1);
	assert_int_equal(f->err, 0);
	assert_int_equal(version_in(f, "routes.yaml"), 7);
	expect_saved(f, 7, 0);
}

static void the_routes_before_are_kept_under_their_own_name(void **state)
{
	struct fixture *f = *state;

	open_state(f);
	for (int version = 1; version <= 5; version++) {
		save(f, (uint64_t)version);
		wait_for_calls(f, version);
		assert_int_equal(version_in(f, "routes.yaml"), version);
		if (version > 1)
			assert_int_equal(version_in(f, "routes.previous.yaml"), version - 1);
	}
	expect_saved(f, 5, 4);
	save(f, 6); /* by the next agent */
	wait_for_calls(f, 6);
	expect_saved(f, 6, 5);
	assert_int_equal(version_in(f, "routes.previous.yaml"), 5);
	assert_false(exists(f, "routes.yaml.new"));
}

static void routes_saved_again_leave_the_ones_before(void **state)
{
	struct fixture *f = *state;
	struct saved_routes saved, current, previous;

	open_state(f);
	save(f, 1);
	save(f, 2);
	wait_for_calls(f, 2);
	for (int again = 1; again <= 3; again++) {
		routes_of(2, 3, &saved);
		saved.tag = util_format("tag %d", again);
		assert_int_equal(state_resave_routes(f->state, &saved, on_saved, f), 0);
		saved_routes_clear(&saved);
		if (again != 2) /* the second is overtaken while it waits, or not */
			wait_for_calls(f, 2 + again);
	}
	expect_saved(f, 2, 1);
	assert_int_equal(state_load_routes(f->state, &current, &previous), 0);
	assert_string_equal(current.tag, "tag 3");
	saved_routes_clear(&current);
	saved_routes_clear(&previous);
	assert_int_equal(version_in(f, "routes.yaml"), 2);
	assert_int_equal(version_in(f, "routes.previous.yaml"), 1);
}

/* Only the newest two of many count, whichever of the others the writer got to. */
static void saves_that_overtake_each_other_end_with_the_newest_two(void **state)
{
	struct fixture *f = *state;

	open_state(f);
	for (int version = 1; version <= 50; version++)
		save(f, (uint64_t)version);
	wait_for_calls(f, 50);
	assert_int_equal(f->err, 0);
	expect_saved(f, 50, 49);
}

static void flush_writes_and_tells_before_it_returns(void **state)
{
	struct fixture *f = *state;

	open_state(f);
	for (uint64_t version = 1; version <= 3; version++)
		save(f, version);
	assert_int_equal(state_flush(f->state), 0);
	assert_int_equal(f->calls, 3);
	expect_saved(f, 3, 2);
}

/* A callback that saves again, as an agent might that was asked to meanwhile. */
static void save_more(void *userdata, int err)
{
	struct fixture *f = userdata;

	assert_int_equal(err, 0);
	save(f, 2);
}

static void a_callback_may_save(void **state)
{
	struct fixture *f = *state;
	struct saved_routes saved;

	open_state(f);
	routes_of(1, 3, &saved);
	assert_int_equal(state_save_routes(f->state, &saved, save_more, f), 0);
	saved_routes_clear(&saved);
	wait_for_calls(f, 1);
	expect_saved(f, 2, 1);
}

static void damage(const struct fixture *f, const char *name, long keep)
{
	CLEANUP_FREE char *path = path_of(f, name);

	assert_int_equal(truncate(path, keep), 0);
}

static void garbled_current_routes_are_set_aside_for_the_ones_before(void **state)
{
	struct fixture *f = *state;

	open_state(f);
	save(f, 1);
	wait_for_calls(f, 1);
	save(f, 2);
	wait_for_calls(f, 2);
	damage(f, "routes.yaml", 300);
	expect_saved(f, 1, 0);
	assert_true(exists(f, "routes.yaml.corrupt"));
	assert_false(exists(f, "routes.yaml"));
	save(f, 3);
	wait_for_calls(f, 3);
	expect_saved(f, 3, 1);
	damage(f, "routes.previous.yaml", 0);
	expect_saved(f, 3, 0);
	damage(f, "routes.yaml", 0);
	expect_saved(f, 0, 0);
	save(f, 4);
	wait_for_calls(f, 4);
	expect_saved(f, 4, 0);
}

/* Saves version after version, telling each that is on disk through the pipe, until killed. */
static void save_for_ever(struct fixture *f, uint64_t version, int told)
{
	for (;; version++) {
		save(f, version);
		state_flush(f->state);
		if (write(told, &version, sizeof(version)) < 0)
			_exit(1);
	}
}

static void a_crash_at_any_instant_loses_nothing_that_was_told(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0, version;

	open_state(f);
	for (unsigned int round = 0; round < 60; round++) {
		struct saved_routes current, previous;
		int told[2];
		pid_t child;

		assert_int_equal(pipe(told), 0);
		child = fork();
		if (!child)
			save_for_ever(f, last + 1, told[1]);
		close(told[1]);
		assert_int_equal(read(told[0], &last, sizeof(last)), sizeof(last));
		usleep(round * 37 % 1500); /* any instant will do: none is waited for */
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (read(told[0], &version, sizeof(version)) == sizeof(version))
			last = version;
		close(told[0]);

		close_state(f);
		open_state(f);
		state_load_routes(f->state, &current, &previous);
		assert_in_range(current.version, last, last + 1);
		if (current.version > 1)
			assert_int_equal(previous.version, current.version - 1);
		last = current.version;
		saved_routes_clear(&current);
		saved_routes_clear(&previous);
	}
	assert_false(exists(f, "routes.yaml.corrupt"));
	assert_false(exists(f, "routes.previous.yaml.corrupt"));
}

/* A file system of a few pages, seen by this process only. False: not allowed here. */
static bool mount_small(const char *dir)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	return mount("none", dir, "tmpfs", 0, "size=64k") == 0;
}

static void fill(const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char page[4096] = {1};

	assert_true(fd >= 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

static void a_full_disk_keeps_the_old_and_is_tried_again(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *ballast = path_of(f, "ballast");
	unsigned long long deadline = util_now_ms() + PATIENCE_MS;

	open_state(f);
	if (!mount_small(f->dir)) {
		print_message("skipped: a tmpfs of its own needs root\n");
		skip();
	}
	save(f, 1);
	save(f, 2);
	wait_for_calls(f, 2);
	fill(ballast);
	save(f, 3);
	wait_for_calls(f, 3);
	assert_int_equal(f->err, -ENOSPC);
	assert_non_null(strstr(state_error(f->state), "No space left"));
	assert_int_equal(version_in(f, "routes.yaml"), 2);
	assert_int_equal(version_in(f, "routes.previous.yaml"), 1);
	assert_false(exists(f, "routes.previous.yaml.new"));
	save(f, 4);
	wait_for_calls(f, 4);
	assert_int_equal(f->err, -ENOSPC);
	assert_int_equal(state_flush(f->state), -ENOSPC);

	assert_int_equal(unlink(ballast), 0);
	while (*state_error(f->state) && util_now_ms() < deadline)
		assert_true(sd_event_run(f->loop, 100000) >= 0);
	assert_string_equal(state_error(f->state), "");
	expect_saved(f, 4, 3);
	close_state(f);
	assert_int_equal(umount(f->dir), 0);
}

static void a_folder_that_cannot_be_made_is_made_later(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *obstacle = util_format("%s/a", f->top);
	unsigned long long deadline = util_now_ms() + PATIENCE_MS;

	close(open(obstacle, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	open_state(f);
	assert_non_null(strstr(state_error(f->state), "Not a directory"));
	save(f, 1);
	wait_for_calls(f, 1);
	assert_int_equal(f->err, -ENOTDIR);
	assert_int_equal(unlink(obstacle), 0);
	while (*state_error(f->state) && util_now_ms() < deadline)
		assert_true(sd_event_run(f->loop, 100000) >= 0);
	assert_string_equal(state_error(f->state), "");
	expect_saved(f, 1, 0);
}

static void overrides_are_replaced_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct saved_override overrides[] = {
		{.stack = "blue", .override = HEALTH_OVERRIDE_DOWN},
		{.stack = "green", .whole_stack = true, .override = HEALTH_OVERRIDE_DRAIN},
	};
	struct saved_override *loaded;
	size_t n;

	open_state(f);
	assert_int_equal(address_parse("10.1.0.11", &overrides[0].address), 0);
	assert_int_equal(state_save_overrides(f->state, overrides, 2, on_saved, f), 0);
	save(f, 1);
	assert_int_equal(state_save_overrides(f->state, overrides + 1, 1, on_saved, f), 0);
	wait_for_calls(f, 3);
	expect_saved(f, 1, 0);
	assert_int_equal(state_load_overrides(f->state, &loaded, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(loaded[0].stack, "green");
	assert_true(loaded[0].whole_stack);
	assert_int_equal(loaded[0].override, HEALTH_OVERRIDE_DRAIN);
	free(loaded);

	damage(f, "overrides", 20);
	assert_int_equal(state_load_overrides(f->state, &loaded, &n), 0);
	assert_int_equal(n, 0);
	assert_true(exists(f, "overrides.corrupt"));
}

static void the_seed_is_made_once_and_kept(void **state)
{
	struct fixture *f = *state;
	uint8_t first[STATE_SEED_SIZE], second[STATE_SEED_SIZE];
	CLEANUP_FREE char *path = path_of(f, "node.seed");
	struct stat status;

	open_state(f);
	assert_int_equal(state_node_seed(f->state, first), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	close_state(f);
	open_state(f);
	assert_int_equal(state_node_seed(f->state, second), 0);
	assert_memory_equal(first, second, sizeof(first));

	damage(f, "node.seed", STATE_SEED_SIZE - 1);
	assert_int_equal(state_node_seed(f->state, second), 0);
	assert_memory_not_equal(first, second, sizeof(first));
}

static void a_seed_that_is_not_random_in_full_is_refused(void **state)
{
	const uint8_t untouched[STATE_SEED_SIZE] = {};
	struct fixture *f = *state;
	uint8_t seed[STATE_SEED_SIZE] = {};

	open_state(f);
	errno = 0;
	random_short_by = 1;
	assert_int_equal(state_node_seed(f->state, seed), -EIO);
	random_short_by = 0;
	assert_memory_equal(seed, untouched, sizeof(seed));
	assert_false(exists(f, "node.seed"));
	assert_int_equal(state_node_seed(f->state, seed), 0);
}

static void as_many_backends_as_a_node_may_have_are_saved(void **state)
{
	struct fixture *f = *state;
	struct saved_routes saved, current, previous;
	unsigned long long start;

	open_state(f);
	routes_of(9, 16384, &saved);
	start = util_now_ms();
	assert_int_equal(state_save_routes(f->state, &saved, on_saved, f), 0);
	print_message("snapshot of 16384 backends: %llu ms", util_now_ms() - start);
	wait_for_calls(f, 1);
	print_message(", on disk after %llu ms\n", util_now_ms() - start);
	close_state(f);
	open_state(f);
	assert_int_equal(state_load_routes(f->state, &current, &previous), 0);
	routes_sort(current.routes);
	routes_sort(saved.routes);
	assert_true(routes_equal(current.routes, saved.routes));
	saved_routes_clear(&saved);
	saved_routes_clear(&current);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_folder_is_private_and_holds_nothing),
		TEST(a_save_is_told_from_the_loop_once_it_is_on_disk),
		TEST(the_routes_before_are_kept_under_their_own_name),
		TEST(routes_saved_again_leave_the_ones_before),
		TEST(saves_that_overtake_each_other_end_with_the_newest_two),
		TEST(flush_writes_and_tells_before_it_returns),
		TEST(a_callback_may_save),
		TEST(garbled_current_routes_are_set_aside_for_the_ones_before),
		TEST(a_crash_at_any_instant_loses_nothing_that_was_told),
		TEST(a_full_disk_keeps_the_old_and_is_tried_again),
		TEST(a_folder_that_cannot_be_made_is_made_later),
		TEST(overrides_are_replaced_as_a_whole),
		TEST(the_seed_is_made_once_and_kept),
		TEST(a_seed_that_is_not_random_in_full_is_refused),
		TEST(as_many_backends_as_a_node_may_have_are_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
