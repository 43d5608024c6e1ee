/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * WatchTelemetry and SetSampling of a whole agent, by its own client. It steers the loopback
 * device of a network namespace of its own; what packets would count, the tests write.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "agent/api.h"
#include "agent/telemetry_reader.h"
#include "common/log.h"
#include "common/routes_yaml.h"
#include "common/util.h"
#include "methods.h"
#include "rpc/client.h"

#define METHOD(name) "/steerd.v1.AgentService/" name
#define TIMEOUT_MS   20000 /* for what ends long before */
#define GREENS	     800   /* backends of stack green */
#define MS	     1000000ULL

static struct {
	char folder[32];
	char *socket;
	struct node_config config;
	sd_event *loop;
	struct agent *agent;
	struct rpc_server *server;
	const struct datapath_view *view;
	int stop_fd;
	pthread_t thread;
	struct rpc_client *client;
} world;

/* ---- the agent, with a thread for its loop ---- */

static int on_stop(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)fd;
	(void)revents;
	(void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void *run_loop(void *userdata)
{
	(void)userdata;
	sd_event_loop(world.loop);
	return NULL;
}

static void load_config(void)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	CLEANUP_FREE char *text =
		util_format("interfaces: [lo]\nnode: edge-7\nxdp: {mode: generic}\n"
			    "state_dir: %s/state\nhttp: 'off'\n"
			    "limits: {services: 16, backends: 1024, flows: 1024, series: 1024}\n",
			    world.folder);

	if (node_config_parse(text, strlen(text), &world.config, &problems))
		fail_msg("%s", problems_text(&problems, NULL));
	free(world.config.pin_dir);
	world.config.pin_dir = NULL;
}

/* The address of a backend of stack green. */
static const char *green(int i, char text[ADDRESS_TEXT_MAX])
{
	snprintf(text, ADDRESS_TEXT_MAX, "10.2.%d.%d", i / 250, i % 250 + 1);
	return text;
}

/* Stack green has most of the backends. */
static void apply_routes(void)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	const struct agent_change change = {.by = "apply"};
	CLEANUP_FREE char *yaml = NULL, *backends = util_strdup("{address: 10.2.0.1}");
	char address[ADDRESS_TEXT_MAX];
	struct routes *routes;
	struct plan plan;

	for (int i = 1; i < GREENS; i++) {
		char *longer = util_format("%s, {address: %s}", backends, green(i, address));

		free(backends);
		backends = longer;
	}
	yaml = util_format("stacks:\n"
			   "  blue: {forward: ipip, backends: [{address: 10.1.0.1}]}\n"
			   "  green: {forward: ipip, backends: [%s]}\n"
			   "services:\n"
			   "  shop: {vips: [203.0.113.10], protocol: tcp, ports: [80],\n"
			   "         split: {blue: 3, green: 1}}\n",
			   backends);
	assert_int_equal(routes_yaml_parse(yaml, strlen(yaml), &routes, &problems), 0);
	assert_int_equal(agent_apply(world.agent, routes, &change, &plan, &problems), 0);
	plan_clear(&plan);
}

static int open_world(void **state)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {};
	struct rpc_client_options client = {};
	char *problem = NULL;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(world.folder, sizeof(world.folder), "/tmp/test_watch_XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	world.socket = util_format("%s/sock", world.folder);
	load_config();
	assert_true(sd_event_new(&world.loop) >= 0);
	assert_int_equal(agent_new(world.loop, &world.config, &world.agent), 0);
	world.view = agent_view(world.agent);
	apply_routes();
	assert_int_equal(rpc_server_new(world.loop, NULL, &world.server), 0);
	api_register(world.server, world.agent);
	if (rpc_server_listen_unix(world.server, world.socket, 0600, &problem))
		fail_msg("%s", problem);
	world.stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(sd_event_add_io(world.loop, NULL, world.stop_fd, EPOLLIN, on_stop, NULL) >= 0);
	assert_int_equal(pthread_create(&world.thread, NULL, run_loop, NULL), 0);
	client.address = world.socket;
	assert_int_equal(rpc_client_open(&client, &world.client, &error), 0);
	return 0;
}

static int close_world(void **state)
{
	CLEANUP_FREE char *remove = util_format("rm -rf %s", world.folder);

	(void)state;
	rpc_client_close(world.client);
	eventfd_write(world.stop_fd, 1);
	pthread_join(world.thread, NULL);
	rpc_server_free(world.server);
	agent_free(world.agent);
	sd_event_unref(world.loop);
	node_config_clear(&world.config);
	close(world.stop_fd);
	free(world.socket);
	return system(remove);
}

/* ---- what packets do ---- */

static uint32_t slot_of(const char *stack, const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	for (uint32_t i = 0; i < world.view->backend_slots; i++) {
		const struct backend *backend = &world.view->backends[i];

		if (!memcmp(backend->address, address.bytes, sizeof(address.bytes)) &&
		    !strcmp(backend->stack, stack))
			return i;
	}
	fail_msg("no backend %s", text);
	return 0;
}

static struct series *row_of(const char *stack, const char *address)
{
	struct series_key key = {.backend = (uint16_t)slot_of(stack, address)};
	struct series_ref ref;

	for (; key.share < world.view->share_slots; key.share++)
		if (!bpf_map_lookup_elem(world.view->series_of_fd, &key, &ref))
			return &world.view->series[ref.series];
	fail_msg("no series for %s", address);
	return NULL;
}

static void answer(const char *stack, const char *address, uint64_t ns)
{
	struct series *row = row_of(stack, address);

	row->sum_ns[LATENCY_RESPONSE] += ns;
	row->samples[LATENCY_RESPONSE]++;
	row->bucket[LATENCY_RESPONSE][latency_bucket(ns)]++;
	row->requests++;
	__atomic_fetch_add(&row->changed, 1, __ATOMIC_RELEASE);
}

/* Something in every bucket of every backend of green. */
static void answer_all(struct series *rows[GREENS])
{
	for (int i = 0; i < GREENS; i++) {
		for (int kind = 0; kind < LATENCY_KIND_MAX; kind++)
			for (int b = 0; b < LATENCY_BUCKETS; b++) {
				rows[i]->samples[kind]++;
				rows[i]->bucket[kind][b]++;
			}
		__atomic_fetch_add(&rows[i]->changed, 1, __ATOMIC_RELEASE);
	}
}

/* ---- the client ---- */

static struct rpc_stream *watch(uint32_t interval_ms, bool from_start, uint32_t messages)
{
	Steerd__V1__WatchTelemetryRequest request = STEERD__V1__WATCH_TELEMETRY_REQUEST__INIT;
	struct rpc_stream *stream;
	uint8_t packed[64];
	size_t size;

	request.interval_ms = interval_ms;
	request.from_start = from_start;
	request.messages = messages;
	size = protobuf_c_message_pack(&request.base, packed);
	assert_int_equal(
		rpc_stream_open(world.client, METHOD("WatchTelemetry"), TIMEOUT_MS, &stream), 0);
	/* a call that is refused may be over before its request is sent */
	rpc_stream_send(stream, packed, size);
	rpc_stream_send_end(stream);
	return stream;
}

/* NULL: the stream ended well. */
static Steerd__V1__WatchTelemetryResponse *receive(struct rpc_stream *stream)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {};
	CLEANUP_RPC_BYTES struct rpc_bytes bytes = {};
	Steerd__V1__WatchTelemetryResponse *message;
	int got = rpc_stream_receive(stream, &bytes, &error);

	if (got < 0)
		fail_msg("%s", error.message);
	if (!got)
		return NULL;
	message = steerd__v1__watch_telemetry_response__unpack(NULL, bytes.size, bytes.data);
	assert_non_null(message);
	return message;
}

static void drop(Steerd__V1__WatchTelemetryResponse *message)
{
	steerd__v1__watch_telemetry_response__free_unpacked(message, NULL);
}

static void expect_refusal(struct rpc_stream *stream, int code, const char *says)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {};
	CLEANUP_RPC_BYTES struct rpc_bytes bytes = {};

	assert_int_equal(rpc_stream_receive(stream, &bytes, &error), -EREMOTEIO);
	assert_int_equal(error.code, code);
	if (!strstr(error.message, says))
		fail_msg("'%s' does not say '%s'", error.message, says);
	rpc_stream_close(stream);
}

static uint64_t counter(Steerd__V1__Counter **counters, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(counters[i]->name, name))
			return counters[i]->value;
	return 0;
}

/* ---- tests ---- */

static void an_interval_out_of_bounds_is_refused_with_the_bounds(void **state)
{
	(void)state;
	expect_refusal(watch(99, false, 0), RPC_CODE_INVALID_ARGUMENT,
		       "interval_ms: 99 is not from 100 to 60000");
	expect_refusal(watch(60001, false, 0), RPC_CODE_INVALID_ARGUMENT, "60001");
	rpc_stream_close(watch(60000, false, 0));
	rpc_stream_close(watch(0, false, 0));
}

static void from_the_start_comes_at_once_with_everything(void **state)
{
	struct rpc_stream *stream;
	Steerd__V1__WatchTelemetryResponse *message;

	(void)state;
	answer("blue", "10.1.0.1", 5 * MS);
	answer("blue", "10.1.0.1", 5 * MS);
	stream = watch(60000, true, 1);
	message = receive(stream);
	assert_string_equal(message->node, "edge-7");
	assert_true(message->epoch == world.view->control->epoch);
	assert_int_equal(message->from_unix_ms, world.view->control->epoch_ns / 1000000);
	assert_int_equal(message->sequence, 1);
	assert_int_equal(message->intervals, 1);
	assert_int_equal(message->n_series, 1);
	assert_string_equal(message->series[0]->backend, "10.1.0.1");
	assert_int_equal(
		counter(message->series[0]->errors, message->series[0]->n_errors, "requests"), 2);
	assert_int_equal(message->series[0]->n_latencies, 1);
	assert_int_equal(message->series[0]->latencies[0]->kind,
			 STEERD__V1__LATENCY_KIND__LATENCY_KIND_RESPONSE);
	assert_int_equal(message->series[0]->latencies[0]->count, 2);
	assert_int_equal(message->series[0]->latencies[0]->sum_ns, 10 * MS);
	assert_int_equal(message->series[0]->latencies[0]->n_bucket, 1);
	assert_int_equal(message->series[0]->latencies[0]->bucket[0], latency_bucket(5 * MS));
	assert_int_equal(message->series[0]->latencies[0]->bucket_count[0], 2);
	drop(message);
	assert_null(receive(stream));
	rpc_stream_close(stream);
}

static void later_messages_hold_only_what_changed(void **state)
{
	struct rpc_stream *stream;
	Steerd__V1__WatchTelemetryResponse *message;
	uint64_t to;

	(void)state;
	answer("blue", "10.1.0.1", 5 * MS);
	stream = watch(100, false, 0);
	message = receive(stream);
	assert_int_equal(message->n_series, 0);
	assert_int_equal(message->n_shares, 2);
	assert_true(message->shares[0]->wanted_share == 0.75);
	to = message->to_unix_ms;
	drop(message);
	answer("green", "10.2.0.3", 7 * MS);
	for (uint64_t sequence = 2;; sequence++) {
		message = receive(stream);
		assert_int_equal(message->sequence, sequence);
		assert_int_equal(message->from_unix_ms, to);
		if (message->n_series)
			break;
		to = message->to_unix_ms;
		drop(message);
	}
	assert_in_range(message->to_unix_ms - to, 50, 5000);
	assert_int_equal(message->n_series, 1);
	assert_string_equal(message->series[0]->backend, "10.2.0.3");
	assert_int_equal(message->series[0]->latencies[0]->count, 1);
	assert_int_equal(message->n_shares, 0);
	drop(message);
	message = receive(stream);
	assert_int_equal(message->n_series, 0);
	assert_int_equal(message->n_backends, 0);
	drop(message);
	rpc_stream_close(stream);
}

static void counts_of_all_flows_come_by_backend(void **state)
{
	uint32_t slot = slot_of("blue", "10.1.0.1");
	Steerd__V1__WatchTelemetryResponse *message;
	struct rpc_stream *stream = watch(100, false, 0);

	(void)state;
	drop(receive(stream));
	__atomic_fetch_add(&world.view->flow_counts[slot].syns, 5, __ATOMIC_RELAXED);
	while (!(message = receive(stream))->n_backends)
		drop(message);
	assert_int_equal(message->n_backends, 1);
	assert_string_equal(message->backends[0]->stack, "blue");
	assert_string_equal(message->backends[0]->backend, "10.1.0.1");
	assert_int_equal(message->backends[0]->packets, 0);
	assert_int_equal(message->backends[0]->n_counters, 1);
	assert_int_equal(counter(message->backends[0]->counters, 1, "syns"), 5);
	drop(message);
	__atomic_fetch_add(&world.view->backend_counters[slot].packets, 9, __ATOMIC_RELAXED);
	while (!(message = receive(stream))->n_backends)
		drop(message);
	assert_int_equal(message->backends[0]->packets, 9);
	assert_int_equal(message->backends[0]->n_counters, 0);
	drop(message);
	rpc_stream_close(stream);
}

static void call(const char *method, const ProtobufCMessage *request,
		 const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret, int code)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {};

	if (rpc_client_call_message(world.client, method, request, type, TIMEOUT_MS, ret, &error) &&
	    error.code != code)
		fail_msg("%s", error.message);
	assert_int_equal(error.code, code);
}

static void new_weights_are_news(void **state)
{
	Steerd__V1__SplitEntry entry = STEERD__V1__SPLIT_ENTRY__INIT, *split[] = {&entry};
	Steerd__V1__SetSplitRequest request = STEERD__V1__SET_SPLIT_REQUEST__INIT;
	Steerd__V1__WatchTelemetryResponse *message;
	struct rpc_stream *stream = watch(100, false, 0);
	ProtobufCMessage *reply;

	(void)state;
	drop(receive(stream));
	entry.stack = (char *)"green";
	entry.weight = 1;
	request.service = (char *)"shop";
	request.split = split;
	request.n_split = 1;
	call(METHOD("SetSplit"), &request.base, &steerd__v1__set_split_response__descriptor, &reply,
	     RPC_CODE_OK);
	protobuf_c_message_free_unpacked(reply, NULL);
	for (;;) {
		message = receive(stream);
		if (message->n_shares)
			break;
		drop(message);
	}
	assert_int_equal(message->n_shares, 1);
	assert_string_equal(message->shares[0]->stack, "green");
	assert_true(message->shares[0]->wanted_share == 1);
	drop(message);
	rpc_stream_close(stream);
}

static uint64_t count_samples(const Steerd__V1__WatchTelemetryResponse *message)
{
	uint64_t samples = 0;

	for (size_t i = 0; i < message->n_series; i++)
		for (size_t k = 0; k < message->series[i]->n_latencies; k++)
			samples += message->series[i]->latencies[k]->count;
	return samples;
}

/* 1.2 MB each 100 ms, far more than queues and sockets hold. */
static void a_slow_reader_gets_intervals_as_one_and_misses_nothing(void **state)
{
	struct rpc_stream *stream = watch(100, false, 0);
	uint64_t rounds = 0, samples = 0, wanted;
	struct series *rows[GREENS];
	char address[ADDRESS_TEXT_MAX];
	struct rpc_usage usage;
	uint32_t most = 0;

	(void)state;
	for (int i = 0; i < GREENS; i++)
		rows[i] = row_of("green", green(i, address));
	drop(receive(stream));
	for (; rounds < 80; rounds++) {
		answer_all(rows);
		usleep(50000);
	}
	rpc_server_usage(world.server, &usage);
	assert_in_range(usage.queued_bytes, 1, 4 << 20);
	wanted = rounds * GREENS * LATENCY_KIND_MAX * LATENCY_BUCKETS;
	while (samples < wanted) {
		Steerd__V1__WatchTelemetryResponse *message = receive(stream);

		if (message->intervals > most)
			most = message->intervals;
		samples += count_samples(message);
		drop(message);
	}
	assert_int_equal(samples, wanted);
	assert_true(most > 1);
	rpc_stream_close(stream);
}

/* Each says whether the interval goes on in the next; none has a series of another. */
static void a_large_interval_comes_in_several_messages(void **state)
{
	struct series *rows[GREENS];
	char address[ADDRESS_TEXT_MAX];
	Steerd__V1__WatchTelemetryResponse *message;
	uint64_t samples = 0, to_unix_ms = 0;
	struct rpc_stream *stream;
	unsigned int messages = 0;

	(void)state;
	for (int i = 0; i < GREENS; i++)
		rows[i] = row_of("green", green(i, address));
	answer_all(rows);
	stream = watch(100, true, 1);
	while ((message = receive(stream))) {
		assert_int_equal(message->sequence, ++messages);
		assert_true(protobuf_c_message_get_packed_size(&message->base) < 1 << 20);
		assert_true(messages == 1 || message->to_unix_ms == to_unix_ms);
		assert_int_equal(message->more,
				 samples + count_samples(message) <
					 GREENS * LATENCY_KIND_MAX * LATENCY_BUCKETS);
		to_unix_ms = message->to_unix_ms;
		samples += count_samples(message);
		drop(message);
	}
	assert_int_equal(samples, GREENS * LATENCY_KIND_MAX * LATENCY_BUCKETS);
	assert_int_equal(messages, (GREENS + 255) / 256);
	rpc_stream_close(stream);
}

static void streams_beyond_the_bound_are_refused(void **state)
{
	struct rpc_stream *streams[TELEMETRY_STREAMS_MAX];

	(void)state;
	for (size_t i = 0; i < TELEMETRY_STREAMS_MAX; i++) {
		streams[i] = watch(60000, true, 0);
		drop(receive(streams[i]));
	}
	expect_refusal(watch(1000, false, 0), RPC_CODE_RESOURCE_EXHAUSTED, "at most 64");
	for (size_t i = 0; i < TELEMETRY_STREAMS_MAX; i++)
		rpc_stream_close(streams[i]);
}

static uint32_t set_sampling(uint32_t one_in, bool off, int code)
{
	Steerd__V1__SetSamplingRequest request = STEERD__V1__SET_SAMPLING_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	uint32_t now;

	request.one_in = one_in;
	request.off = off;
	call(METHOD("SetSampling"), &request.base, &steerd__v1__set_sampling_response__descriptor,
	     &reply, code);
	if (code != RPC_CODE_OK)
		return 0;
	now = ((Steerd__V1__SetSamplingResponse *)reply)->one_in;
	protobuf_c_message_free_unpacked(reply, NULL);
	return now;
}

static void sampling_is_set_and_told(void **state)
{
	Steerd__V1__GetStatusRequest request = STEERD__V1__GET_STATUS_REQUEST__INIT;
	ProtobufCMessage *reply;

	(void)state;
	assert_int_equal(set_sampling(100, false, RPC_CODE_OK), 128);
	call(METHOD("GetStatus"), &request.base, &steerd__v1__get_status_response__descriptor,
	     &reply, RPC_CODE_OK);
	assert_int_equal(((Steerd__V1__GetStatusResponse *)reply)->sample_one_in, 128);
	protobuf_c_message_free_unpacked(reply, NULL);
	assert_int_equal(world.view->control->sample_mask, 127);
	assert_int_equal(set_sampling(0, true, RPC_CODE_OK), 0);
	assert_int_equal(world.view->control->sample_off, 1);
	assert_int_equal(set_sampling(0, false, RPC_CODE_OK), 1);
	set_sampling(65537, false, RPC_CODE_INVALID_ARGUMENT);
	set_sampling(8, true, RPC_CODE_INVALID_ARGUMENT);
	assert_int_equal(world.view->control->sample_off, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
	const struct CMUnitTest tests[] = {
		TEST(an_interval_out_of_bounds_is_refused_with_the_bounds),
		TEST(from_the_start_comes_at_once_with_everything),
		TEST(later_messages_hold_only_what_changed),
		TEST(counts_of_all_flows_come_by_backend),
		TEST(new_weights_are_news),
		TEST(a_slow_reader_gets_intervals_as_one_and_misses_nothing),
		TEST(a_large_interval_comes_in_several_messages),
		TEST(streams_beyond_the_bound_are_refused),
		TEST(sampling_is_set_and_told),
	};

	if (unshare(CLONE_NEWNET)) {
		perror("a network namespace is needed (are you root?)");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
