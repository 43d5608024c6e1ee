/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The client against the real server, over a unix socket; the server's loop has its own thread. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/reflection.h"
#include "common/util.h"
#include "methods.h"
#include "rpc/client.h"
#include "rpc/server.h"

#define TIMEOUT_MS 20000 /* for what ends long before */
#define LINES	   100	 /* of a refusal */
#define PUSHES	   2000
#define TAG_SIZE   10000 /* bytes; all pushes together are far more than queues and sockets hold */

static struct {
	char folder[32];
	char *path;
	int stop_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_ready;
	unsigned int closed_n; /* calls the client gave up */
	struct rpc_client *client;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ---- the server's thread ---- */

static void count_closed(struct rpc_call *call, void *userdata)
{
	(void)userdata;
	free(rpc_call_context(call));
	pthread_mutex_lock(&world.lock);
	world.closed_n++;
	pthread_cond_broadcast(&world.changed);
	pthread_mutex_unlock(&world.lock);
}

static void get_status(struct rpc_call *call, const Steerd__V1__GetStatusRequest *message,
		       void *userdata)
{
	Steerd__V1__GetStatusResponse reply = STEERD__V1__GET_STATUS_RESPONSE__INIT;

	(void)userdata;
	reply.node = (char *)"edge-1";
	reply.version = message->routes ? 7 : 6;
	rpc_reply_agent_service_get_status(call, &reply);
}

/* The same as the server and the client see it; the caller frees. */
static char *refusal(void)
{
	char *text = util_strdup("problem 0: something, and what to do about it");

	for (int i = 1; i < LINES; i++) {
		char *longer = util_format("%s\nproblem %d: something, and what to do about it",
					   text, i);

		free(text);
		text = longer;
	}
	return text;
}

static void apply(struct rpc_call *call, const Steerd__V1__ApplyRequest *message, void *userdata)
{
	CLEANUP_FREE char *text = refusal();

	(void)message;
	(void)userdata;
	rpc_call_fail(call, RPC_CODE_INVALID_ARGUMENT, "%s", text);
}

static void never(struct rpc_call *call, const Steerd__V1__RollbackRequest *message, void *userdata)
{
	(void)message;
	(void)userdata;
	rpc_call_on_closed(call, count_closed, NULL);
}

static void watch(struct rpc_call *call, const Steerd__V1__WatchEventsRequest *message,
		  void *userdata)
{
	Steerd__V1__WatchEventsResponse event = STEERD__V1__WATCH_EVENTS_RESPONSE__INIT;

	(void)userdata;
	for (event.sequence = 1; event.sequence <= 3; event.sequence++)
		rpc_send_agent_service_watch_events(call, &event);
	if (message->follow)
		rpc_call_on_closed(call, count_closed, NULL);
	else
		rpc_call_finish(call);
}

/* Answers a push, and takes the next one only when the answer has found room. */
static void answer(struct rpc_call *call, void *userdata)
{
	Steerd__V1__SyncResponse reply = STEERD__V1__SYNC_RESPONSE__INIT;

	(void)userdata;
	reply.version_tag = rpc_call_context(call);
	if (rpc_send_agent_service_sync(call, &reply) < 0) {
		rpc_call_on_writable(call, answer, NULL);
		return;
	}
	free(rpc_call_context(call));
	rpc_call_set_context(call, NULL);
	rpc_call_read(call);
}

static void push(struct rpc_call *call, const Steerd__V1__SyncRequest *message, void *userdata)
{
	(void)userdata;
	if (!message) {
		rpc_call_finish(call);
		return;
	}
	rpc_call_set_context(call, util_strdup(message->version_tag));
	answer(call, NULL);
}

static void opened(struct rpc_call *call, void *userdata)
{
	(void)userdata;
	rpc_call_on_closed(call, count_closed, NULL);
	rpc_call_read(call);
}

static int stop(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)fd;
	(void)events;
	(void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void *serve(void *unused)
{
	const struct rpc_limits limits = {.stream_bytes = 64 << 10};
	struct rpc_server *server = NULL;
	sd_event *loop = NULL;
	char *error = NULL;

	(void)unused;
	if (sd_event_new(&loop) < 0 || rpc_server_new(loop, &limits, &server) < 0 ||
	    sd_event_add_io(loop, NULL, world.stop_fd, EPOLLIN, stop, NULL) < 0)
		abort();
	rpc_on_agent_service_get_status(server, get_status, NULL);
	rpc_on_agent_service_apply(server, apply, NULL);
	rpc_on_agent_service_rollback(server, never, NULL);
	rpc_on_agent_service_watch_events(server, watch, NULL);
	rpc_on_agent_service_sync(server, opened, push, NULL);
	if (rpc_server_listen_unix(server, world.path, 0600, &error) < 0)
		abort();
	pthread_mutex_lock(&world.lock);
	world.is_ready = true;
	pthread_cond_broadcast(&world.changed);
	pthread_mutex_unlock(&world.lock);
	sd_event_loop(loop);
	rpc_server_free(server);
	sd_event_unref(loop);
	return NULL;
}

static int setup(void **state)
{
	struct rpc_client_options options = {0};
	struct rpc_error error = {0};

	(void)state;
	strcpy(world.folder, "/tmp/test_cli_client.XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	world.path = util_format("%s/sock", world.folder);
	world.stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(pthread_create(&world.thread, NULL, serve, NULL), 0);
	pthread_mutex_lock(&world.lock);
	while (!world.is_ready)
		pthread_cond_wait(&world.changed, &world.lock);
	pthread_mutex_unlock(&world.lock);
	options.address = world.path;
	assert_int_equal(rpc_client_open(&options, &world.client, &error), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rpc_client_close(world.client);
	assert_int_equal(eventfd_write(world.stop_fd, 1), 0);
	pthread_join(world.thread, NULL);
	close(world.stop_fd);
	unlink(world.path);
	rmdir(world.folder);
	free(world.path);
	return 0;
}

static void wait_for_closed(unsigned int n)
{
	pthread_mutex_lock(&world.lock);
	while (world.closed_n < n)
		pthread_cond_wait(&world.changed, &world.lock);
	pthread_mutex_unlock(&world.lock);
}

/* ---- tests ---- */

#define SERVICE "/steerd.v1.AgentService/"

static void a_unary_call_brings_its_reply(void **state)
{
	Steerd__V1__GetStatusRequest request = STEERD__V1__GET_STATUS_REQUEST__INIT;
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	Steerd__V1__GetStatusResponse *status;
	ProtobufCMessage *reply;

	(void)state;
	request.routes = true;
	assert_int_equal(rpc_client_call_message(world.client, SERVICE "GetStatus", &request.base,
						 &steerd__v1__get_status_response__descriptor,
						 TIMEOUT_MS, &reply, &error),
			 0);
	status = (Steerd__V1__GetStatusResponse *)reply;
	assert_string_equal(status->node, "edge-1");
	assert_int_equal(status->version, 7);
	protobuf_c_message_free_unpacked(reply, NULL);
}

static void an_empty_request_is_a_message_too(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};

	(void)state;
	assert_int_equal(rpc_client_call(world.client, SERVICE "GetStatus", NULL, 0, TIMEOUT_MS,
					 &reply, &error),
			 0);
	assert_true(reply.size > 0);
}

static void a_refusal_brings_its_code_and_all_its_lines(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};
	CLEANUP_FREE char *wanted = refusal();

	(void)state;
	assert_int_equal(
		rpc_client_call(world.client, SERVICE "Apply", "", 0, TIMEOUT_MS, &reply, &error),
		-EREMOTEIO);
	assert_int_equal(error.code, RPC_CODE_INVALID_ARGUMENT);
	assert_string_equal(rpc_code_name(error.code), "INVALID_ARGUMENT");
	assert_string_equal(error.message, wanted);
	assert_false(error.is_unconnected);
	assert_null(reply.data);
}

static void an_answer_that_never_comes_ends_at_the_deadline(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};
	unsigned int before = world.closed_n;

	(void)state;
	assert_int_equal(
		rpc_client_call(world.client, SERVICE "Rollback", "", 0, 200, &reply, &error),
		-EREMOTEIO);
	assert_int_equal(error.code, RPC_CODE_DEADLINE_EXCEEDED);
	assert_false(error.is_unconnected);
	wait_for_closed(before + 1);
}

static void a_method_that_is_not_there_is_unimplemented(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};

	(void)state;
	assert_int_equal(
		rpc_client_call(world.client, SERVICE "Aply", "", 0, TIMEOUT_MS, &reply, &error),
		-EREMOTEIO);
	assert_int_equal(error.code, RPC_CODE_UNIMPLEMENTED);
}

static void nobody_at_the_address_is_told_from_a_refusal(void **state)
{
	CLEANUP_FREE char *path = util_format("unix://%s/nobody", world.folder);
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};
	struct rpc_client *client;

	(void)state;
	assert_int_equal(
		rpc_client_open(&(struct rpc_client_options){.address = path}, &client, &error), 0);
	assert_int_equal(
		rpc_client_call(client, SERVICE "GetStatus", "", 0, TIMEOUT_MS, &reply, &error),
		-EREMOTEIO);
	assert_int_equal(error.code, RPC_CODE_UNAVAILABLE);
	assert_true(error.is_unconnected);
	rpc_client_close(client);
}

static struct rpc_stream *open_watch(bool follow)
{
	static const uint8_t request[] = {0x08, 0x01};
	struct rpc_stream *stream;

	assert_int_equal(rpc_stream_open(world.client, SERVICE "WatchEvents", TIMEOUT_MS, &stream),
			 0);
	assert_int_equal(rpc_stream_send(stream, request, follow ? sizeof(request) : 0), 0);
	assert_int_equal(rpc_stream_send_end(stream), 0);
	return stream;
}

static void a_stream_of_answers_is_read_to_its_end(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_STREAM struct rpc_stream *stream = open_watch(false);
	struct rpc_bytes bytes;

	(void)state;
	for (uint8_t i = 1; i <= 3; i++) {
		assert_int_equal(rpc_stream_receive(stream, &bytes, &error), 1);
		assert_int_equal(bytes.size, 2);
		assert_int_equal(bytes.data[1], i);
		rpc_bytes_clear(&bytes);
	}
	assert_int_equal(rpc_stream_receive(stream, &bytes, &error), 0);
	assert_int_equal(rpc_stream_receive(stream, &bytes, &error), 0);
	assert_int_equal(rpc_stream_send(stream, "", 0), -EPIPE);
}

static void waiting_for_a_message_ends_when_time_is_up(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_STREAM struct rpc_stream *stream = open_watch(true);
	struct rpc_bytes bytes;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(rpc_stream_wait(stream, TIMEOUT_MS));
		assert_int_equal(rpc_stream_receive(stream, &bytes, &error), 1);
		rpc_bytes_clear(&bytes);
	}
	assert_false(rpc_stream_wait(stream, 50));
	assert_false(rpc_stream_wait(stream, 0));
}

static void a_stream_closed_early_is_cancelled(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	unsigned int before = world.closed_n;
	struct rpc_stream *stream = open_watch(true);
	struct rpc_bytes bytes;

	(void)state;
	assert_int_equal(rpc_stream_receive(stream, &bytes, &error), 1);
	rpc_bytes_clear(&bytes);
	rpc_stream_close(stream);
	wait_for_closed(before + 1);
}

/* The server stops taking pushes while its answers are not read: who only sends would hang. */
static void sending_does_not_wait_for_a_peer_that_waits_to_be_read(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	char tag[TAG_SIZE + 1] = "";
	Steerd__V1__SyncRequest request = STEERD__V1__SYNC_REQUEST__INIT;
	uint8_t packed[TAG_SIZE + 16];
	struct rpc_bytes bytes;
	size_t size;

	(void)state;
	request.version_tag = tag;
	assert_int_equal(rpc_stream_open(world.client, SERVICE "Sync", TIMEOUT_MS, &stream), 0);
	for (int i = 0; i < PUSHES; i++) {
		snprintf(tag, sizeof(tag), "%0*d", TAG_SIZE, i);
		size = steerd__v1__sync_request__pack(&request, packed);
		assert_int_equal(rpc_stream_send(stream, packed, size), 0);
	}
	assert_int_equal(rpc_stream_send_end(stream), 0);
	for (int i = 0; i < PUSHES; i++) {
		Steerd__V1__SyncResponse *reply;

		assert_int_equal(rpc_stream_receive(stream, &bytes, &error), 1);
		reply = steerd__v1__sync_response__unpack(NULL, bytes.size, bytes.data);
		assert_int_equal(atoi(reply->version_tag), i);
		steerd__v1__sync_response__free_unpacked(reply, NULL);
		rpc_bytes_clear(&bytes);
	}
	assert_int_equal(rpc_stream_receive(stream, &bytes, &error), 0);
}

static void host_and_port_need_certificates_that_can_be_read(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	struct rpc_client_options options = {
		.address = "edge-1:9450", .cert = "/nonexistent/c", .key = "/nonexistent/k"};
	struct rpc_client *client;

	(void)state;
	assert_int_equal(rpc_client_open(&options, &client, &error), -EINVAL);
	assert_non_null(strstr(error.message, "mutual TLS"));
	options.ca = "/nonexistent/a";
	assert_int_equal(rpc_client_open(&options, &client, &error), -ENOENT);
	assert_string_equal(
		error.message,
		"cannot read the certificate /nonexistent/c: No such file or directory");
}

static void reflection_describes_every_method_of_the_server(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_SCHEMA struct schema *own = schema_new(), *fetched = NULL;
	const struct schema_method *methods, *method;
	const char *missing;

	(void)state;
	assert_int_equal(schema_add_set(own, rpc_protoset, rpc_protoset_size), 0);
	assert_int_equal(schema_link(own, &missing), 0);
	if (reflection_fetch(world.client, own, TIMEOUT_MS, &fetched, &error) < 0)
		fail_msg("%s", error.message);
	assert_true(schema_methods(fetched, &methods) >= 8);
	for (unsigned int i = 0; i < RPC_METHOD_MAX; i++) {
		assert_int_equal(schema_find_method(fetched, rpc_methods[i].path, &method), 0);
		assert_string_equal(method->input->name, rpc_methods[i].request->name);
		assert_int_equal(method->input->fields_n, rpc_methods[i].request->n_fields);
		assert_int_equal(method->server_streams, rpc_methods[i].server_streaming);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unary_call_brings_its_reply),
		cmocka_unit_test(an_empty_request_is_a_message_too),
		cmocka_unit_test(a_refusal_brings_its_code_and_all_its_lines),
		cmocka_unit_test(an_answer_that_never_comes_ends_at_the_deadline),
		cmocka_unit_test(a_method_that_is_not_there_is_unimplemented),
		cmocka_unit_test(nobody_at_the_address_is_told_from_a_refusal),
		cmocka_unit_test(a_stream_of_answers_is_read_to_its_end),
		cmocka_unit_test(waiting_for_a_message_ends_when_time_is_up),
		cmocka_unit_test(a_stream_closed_early_is_cancelled),
		cmocka_unit_test(sending_does_not_wait_for_a_peer_that_waits_to_be_read),
		cmocka_unit_test(host_and_port_need_certificates_that_can_be_read),
		cmocka_unit_test(reflection_describes_every_method_of_the_server),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
