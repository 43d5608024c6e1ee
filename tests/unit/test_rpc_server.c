/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The server over a unix socket, with a client in Python: see rpc_client.py. */
#include "lib/rpc_world.h"

#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void run(const char *scenario, const struct rpc_limits *limits)
{
	struct rpc_world *world = rpc_world_new(limits);

	rpc_world_run(world, scenario);
	rpc_world_free(world);
}

static void answers_unary_calls(void **state)
{
	(void)state;
	run("replies", NULL);
}

static void handlers_may_answer_later(void **state)
{
	(void)state;
	run("reply_later", NULL);
}

static void a_slow_reader_holds_the_stream_back_not_memory(void **state)
{
	const struct rpc_limits limits = {.stream_bytes = 256 << 10};
	struct rpc_world *world = rpc_world_new(&limits);
	struct rpc_usage usage;

	(void)state;
	rpc_world_run(world, "slow_reader");
	assert_in_range(world->held_bytes, 1, limits.stream_bytes);
	rpc_server_usage(world->server, &usage);
	assert_int_equal(usage.queued_bytes, 0);
	rpc_world_free(world);
}

/* Two streams in one budget: each gets on only when the other gives room. */
static void the_budget_of_all_streams_holds_and_starves_nobody(void **state)
{
	const struct rpc_limits limits = {.stream_bytes = 64 << 10, .total_bytes = 64 << 10};
	struct rpc_world *world = rpc_world_new(&limits);

	(void)state;
	rpc_world_run(world, "slow_readers");
	assert_in_range(world->held_bytes, 1, limits.total_bytes);
	rpc_world_free(world);
}

static void both_directions_of_a_stream_flow(void **state)
{
	(void)state;
	run("bidi", NULL);
}

static void a_bad_message_ends_its_stream(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);

	(void)state;
	rpc_world_run(world, "bad_stream_message");
	assert_int_equal(world->closed_n, 1);
	rpc_world_free(world);
}

static void unknown_methods_are_answered_at_once(void **state)
{
	(void)state;
	run("unknown_methods", NULL);
}

static void a_handler_hears_when_the_client_gives_up(void **state)
{
	(void)state;
	run("cancel", NULL);
}

static void a_handler_that_forgets_its_call_fails_it(void **state)
{
	(void)state;
	run("handler_forgets", NULL);
}

static void hostile_messages_are_refused_with_a_reason(void **state)
{
	const struct rpc_limits limits = {.message_bytes = 1 << 20, .unpack_bytes = 4 << 20};

	(void)state;
	run("hostile", &limits);
}

static void more_requests_than_memory_are_survived(void **state)
{
	const struct rpc_limits limits = {.message_bytes = 1 << 20, .total_bytes = 1 << 20};

	(void)state;
	run("large_requests", &limits);
}

static void other_protocols_on_the_socket_harm_nobody(void **state)
{
	(void)state;
	run("garbage_connections", NULL);
}

static void calls_beyond_the_limit_are_refused(void **state)
{
	const struct rpc_limits limits = {.calls = 8};

	(void)state;
	run("calls_limit", &limits);
}

static void a_request_that_never_comes_is_given_up(void **state)
{
	const struct rpc_limits limits = {.patience_ms = 300};

	(void)state;
	run("patience", &limits);
}

static void connections_beyond_the_limit_wait(void **state)
{
	const struct rpc_limits limits = {.connections = 4};

	(void)state;
	run("connections_limit", &limits);
}

/* Looks on while connections use up the descriptors. */
struct shortage {
	struct rpc_world *world;
	uint64_t iteration; /* of the loop, when it began; 0: it has not */
	unsigned int ticks; /* since */
};

#define TICK_US	    10000
#define SPARE	    20 /* descriptors left to the server */
#define SHORT_TICKS 30
#define SPIN	    200 /* iterations in that time that no sleeping loop makes */

static bool is_short(void)
{
	int fds[3];
	int n = 0;

	while (n < 3 && (fds[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return n < 3;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct shortage *shortage = userdata;
	uint64_t iteration;

	(void)usec;
	sd_event_get_iteration(shortage->world->loop, &iteration);
	if (!shortage->iteration && is_short())
		shortage->iteration = iteration;
	if (shortage->iteration && ++shortage->ticks == SHORT_TICKS) {
		assert_true(iteration - shortage->iteration < SPIN);
		rpc_world_signal(shortage->world, "short");
		return 0;
	}
	sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void running_out_of_descriptors_is_survived_without_spinning(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);
	struct shortage shortage = {.world = world};
	sd_event_source *tick = NULL;
	struct rlimit before, low;
	int next;

	(void)state;
	assert_true(sd_event_add_time_relative(world->loop, &tick, CLOCK_MONOTONIC, TICK_US, 1,
					       on_tick, &shortage) >= 0);
	next = dup(STDERR_FILENO);
	close(next);
	getrlimit(RLIMIT_NOFILE, &before);
	low = before;
	low.rlim_cur = (rlim_t)next + SPARE;
	setrlimit(RLIMIT_NOFILE, &low);
	rpc_world_run(world, "descriptors");
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(shortage.ticks, SHORT_TICKS);
	sd_event_source_disable_unref(tick);
	rpc_world_free(world);
}

static void health_says_what_it_was_told(void **state)
{
	(void)state;
	run("health", NULL);
}

static void reflection_describes_every_service(void **state)
{
	const struct rpc_limits limits = {.stream_bytes = 128 << 10};

	(void)state;
	run("reflection", &limits);
}

static void a_drain_lets_calls_finish_and_cancels_the_rest(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);

	(void)state;
	rpc_server_set_serving(world->server, true);
	world->drain_limit_ms = 500;
	rpc_world_run(world, "drain");
	assert_int_equal(world->drained_n, 1);
	assert_int_equal(world->closed_n, 1);
	rpc_world_free(world);
}

static int on_drain_wait(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	(void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 1);
}

static void on_drained(void *userdata)
{
	sd_event_exit(userdata, 0);
}

static void a_drain_of_an_idle_server_is_over_at_once(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);
	sd_event_source *limit = NULL;

	(void)state;
	sd_event_add_time_relative(world->loop, &limit, CLOCK_MONOTONIC, 10000000, 0, on_drain_wait,
				   NULL);
	rpc_server_drain(world->server, 60000, on_drained, world->loop);
	assert_int_equal(sd_event_loop(world->loop), 0);
	sd_event_source_disable_unref(limit);
	rpc_world_free(world);
}

static void a_silent_connection_does_not_outlive_the_drain(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);
	CLEANUP_FREE char *path = rpc_world_path(world, "sock");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct rpc_usage usage = {};
	sd_event_source *limit = NULL;

	(void)state;
	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	while (!usage.connections) {
		assert_true(sd_event_run(world->loop, 10000000) > 0);
		rpc_server_usage(world->server, &usage);
	}
	sd_event_add_time_relative(world->loop, &limit, CLOCK_MONOTONIC, 10000000, 0, on_drain_wait,
				   NULL);
	rpc_server_drain(world->server, 100, on_drained, world->loop);
	assert_int_equal(sd_event_loop(world->loop), 0);
	sd_event_source_disable_unref(limit);
	rpc_world_free(world);
}

static void freeing_a_server_cancels_its_calls(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);
	struct rpc_usage usage;

	(void)state;
	rpc_world_run(world, "leaves_calls_open");
	rpc_server_usage(world->server, &usage);
	assert_int_equal(usage.calls, 2);
	rpc_server_free(TAKE(world->server));
	assert_int_equal(world->closed_n, 2);
	rpc_world_free(world);
}

static void the_socket_has_the_mode_asked_for_and_goes_with_the_server(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);
	CLEANUP_FREE char *path = rpc_world_path(world, "other");
	CLEANUP_FREE char *error = NULL;
	struct stat info;

	(void)state;
	assert_int_equal(rpc_server_listen_unix(world->server, path, 0660, &error), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0660);
	rpc_server_free(TAKE(world->server));
	assert_int_equal(stat(path, &info), -1);
	rpc_world_free(world);
}

static void leave_socket_behind(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void a_socket_nobody_answers_on_is_replaced(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);
	CLEANUP_FREE char *path = rpc_world_path(world, "stale");
	CLEANUP_FREE char *error = NULL;

	(void)state;
	leave_socket_behind(path);
	assert_int_equal(rpc_server_listen_unix(world->server, path, 0600, &error), 0);
	rpc_world_free(world);
}

static void a_socket_in_use_and_a_file_are_left_alone(void **state)
{
	struct rpc_world *world = rpc_world_new(NULL);
	CLEANUP_FREE char *used = rpc_world_path(world, "sock");
	CLEANUP_FREE char *file = rpc_world_path(world, "protoset");
	CLEANUP_FREE char *missing = rpc_world_path(world, "none/sock");
	struct {
		const char *path;
		int code;
		const char *says;
	} cases[] = {
		{used, -EADDRINUSE, "in use"},
		{file, -EEXIST, "no socket"},
		{missing, -ENOENT, "No such file"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *error = NULL;

		assert_int_equal(rpc_server_listen_unix(world->server, cases[i].path, 0600, &error),
				 cases[i].code);
		assert_non_null(strstr(error, cases[i].path));
		assert_non_null(strstr(error, cases[i].says));
		assert_int_equal(access(used, F_OK) | access(file, F_OK), 0);
	}
	rpc_world_run(world, "replies");
	rpc_world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_unary_calls),
		cmocka_unit_test(handlers_may_answer_later),
		cmocka_unit_test(a_slow_reader_holds_the_stream_back_not_memory),
		cmocka_unit_test(the_budget_of_all_streams_holds_and_starves_nobody),
		cmocka_unit_test(both_directions_of_a_stream_flow),
		cmocka_unit_test(a_bad_message_ends_its_stream),
		cmocka_unit_test(unknown_methods_are_answered_at_once),
		cmocka_unit_test(a_handler_hears_when_the_client_gives_up),
		cmocka_unit_test(a_handler_that_forgets_its_call_fails_it),
		cmocka_unit_test(hostile_messages_are_refused_with_a_reason),
		cmocka_unit_test(more_requests_than_memory_are_survived),
		cmocka_unit_test(other_protocols_on_the_socket_harm_nobody),
		cmocka_unit_test(calls_beyond_the_limit_are_refused),
		cmocka_unit_test(a_request_that_never_comes_is_given_up),
		cmocka_unit_test(connections_beyond_the_limit_wait),
		cmocka_unit_test(running_out_of_descriptors_is_survived_without_spinning),
		cmocka_unit_test(health_says_what_it_was_told),
		cmocka_unit_test(reflection_describes_every_service),
		cmocka_unit_test(a_drain_lets_calls_finish_and_cancels_the_rest),
		cmocka_unit_test(a_drain_of_an_idle_server_is_over_at_once),
		cmocka_unit_test(a_silent_connection_does_not_outlive_the_drain),
		cmocka_unit_test(freeing_a_server_cancels_its_calls),
		cmocka_unit_test(the_socket_has_the_mode_asked_for_and_goes_with_the_server),
		cmocka_unit_test(a_socket_nobody_answers_on_is_replaced),
		cmocka_unit_test(a_socket_in_use_and_a_file_are_left_alone),
	};
	sigset_t child;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
