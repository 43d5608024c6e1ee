/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/client.h"

#include <errno.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "common/util.h"

#define REPLY_MAX      (64 << 20) /* bytes; a full status is a few megabytes */
#define METADATA_MAX   (1 << 20)  /* bytes; a refusal lists every problem in its status message */
#define RECONNECT_MS   5000	  /* at most, from one attempt to connect to the next */
#define CREDENTIAL_MAX (1 << 20)  /* bytes of a PEM file */

struct rpc_client {
	grpc_channel *channel;
};

/* What the completion queue says: one operation of each kind is under way at most. */
enum tag { TAG_STATUS, TAG_SEND, TAG_RECEIVE, TAG_MAX };

struct rpc_stream {
	struct rpc_client *client;
	grpc_call *call;
	grpc_completion_queue *queue;
	bool pending[TAG_MAX];
	bool send_worked;
	bool is_read_out; /* no more messages will come */
	grpc_byte_buffer *incoming;
	struct rpc_bytes *kept; /* received while sending, oldest first */
	size_t kept_n;
	size_t kept_taken;
	grpc_metadata_array initial_metadata;
	grpc_metadata_array trailing_metadata;
	grpc_status_code status;
	grpc_slice details;
};

void rpc_error_clear(struct rpc_error *error)
{
	free(error->message);
	*error = (struct rpc_error){0};
}

void rpc_bytes_clear(struct rpc_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct rpc_bytes){0};
}

const char *rpc_code_name(int code)
{
	static const char *const names[] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};

	return code >= 0 && (size_t)code < ARRAY_SIZE(names) ? names[code] : "UNKNOWN";
}

static int fail(struct rpc_error *error, int ret, char *message)
{
	rpc_error_clear(error);
	error->message = message;
	return ret;
}

static char *slice_text(grpc_slice slice)
{
	return util_format("%.*s", (int)GRPC_SLICE_LENGTH(slice),
			   (const char *)GRPC_SLICE_START_PTR(slice));
}

static bool address_is_local(const char *address)
{
	return address[0] == '/' || strncmp(address, "unix:", 5) == 0 ||
	       strncmp(address, "unix-abstract:", 14) == 0;
}

static int read_credential(const char *what, const char *path, char **ret_text,
			   struct rpc_error *error)
{
	int ret = util_read_file(path, CREDENTIAL_MAX, ret_text, NULL);

	if (ret < 0)
		return fail(error, ret,
			    util_format("cannot read the %s %s: %s", what, path, strerror(-ret)));
	return 0;
}

static int tls_credentials(const struct rpc_client_options *options,
			   grpc_channel_credentials **ret_credentials, struct rpc_error *error)
{
	CLEANUP_FREE char *cert = NULL, *key = NULL, *ca = NULL;
	bool has_pair = options->cert && options->key;
	grpc_ssl_pem_key_cert_pair pair;
	int ret = 0;

	if (!options->ca || (!has_pair && !options->is_anonymous))
		return fail(
			error, -EINVAL,
			util_format("%s is reached with mutual TLS only: it needs a certificate, "
				    "its key and the CA of the server",
				    options->address));
	if (has_pair)
		ret = read_credential("certificate", options->cert, &cert, error);
	if (!ret && has_pair)
		ret = read_credential("key", options->key, &key, error);
	if (!ret)
		ret = read_credential("CA", options->ca, &ca, error);
	if (ret < 0)
		return ret;
	pair = (grpc_ssl_pem_key_cert_pair){.private_key = key, .cert_chain = cert};
	*ret_credentials = grpc_ssl_credentials_create(ca, has_pair ? &pair : NULL, NULL, NULL);
	return 0;
}

static grpc_channel *create_channel(const char *target, grpc_channel_credentials *credentials)
{
	/* An agent is reached directly: http_proxy is meant for other traffic. */
	grpc_arg args[] = {
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		 .value.integer = REPLY_MAX},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_MAX_METADATA_SIZE,
		 .value.integer = METADATA_MAX},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_ENABLE_HTTP_PROXY,
		 .value.integer = 0},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
		 .value.integer = RECONNECT_MS},
	};

	return grpc_channel_create(target, credentials,
				   &(grpc_channel_args){ARRAY_SIZE(args), args});
}

int rpc_client_open(const struct rpc_client_options *options, struct rpc_client **ret_client,
		    struct rpc_error *error)
{
	CLEANUP_FREE char *target = NULL;
	grpc_channel_credentials *credentials;
	struct rpc_client *client;
	bool is_clear;
	int ret;

	if (!options->address || !*options->address)
		return fail(error, -EINVAL, util_strdup("the address is empty"));
	/* The library's own lines would double what the error says. */
	setenv("GRPC_VERBOSITY", "NONE", 0);
	grpc_init();
	is_clear = options->is_plaintext || address_is_local(options->address);
	ret = 0;
	if (is_clear)
		credentials = grpc_insecure_credentials_create();
	else
		ret = tls_credentials(options, &credentials, error);
	if (ret < 0) {
		grpc_shutdown();
		return ret;
	}
	target = util_format("%s%s", options->address[0] == '/' ? "unix://" : "", options->address);
	client = util_calloc(1, sizeof(*client));
	client->channel = create_channel(target, credentials);
	grpc_channel_credentials_release(credentials);
	*ret_client = client;
	return 0;
}

void rpc_client_close(struct rpc_client *client)
{
	if (!client)
		return;
	grpc_channel_destroy(client->channel);
	grpc_shutdown();
	free(client);
}

static void read_buffer(grpc_byte_buffer *buffer, struct rpc_bytes *ret_bytes)
{
	grpc_byte_buffer_reader reader;
	grpc_slice slice;

	*ret_bytes = (struct rpc_bytes){0};
	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return;
	slice = grpc_byte_buffer_reader_readall(&reader);
	ret_bytes->size = GRPC_SLICE_LENGTH(slice);
	ret_bytes->data = util_calloc(1, ret_bytes->size);
	memcpy(ret_bytes->data, GRPC_SLICE_START_PTR(slice), ret_bytes->size);
	grpc_slice_unref(slice);
	grpc_byte_buffer_reader_destroy(&reader);
}

static bool start(struct rpc_stream *stream, enum tag tag, const grpc_op *ops, size_t n)
{
	if (grpc_call_start_batch(stream->call, ops, n, (void *)(uintptr_t)tag, NULL) !=
	    GRPC_CALL_OK)
		return false;
	stream->pending[tag] = true;
	return true;
}

static void start_receive(struct rpc_stream *stream)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE,
		      .data.recv_message.recv_message = &stream->incoming};

	if (!stream->is_read_out && !stream->pending[TAG_RECEIVE] &&
	    !start(stream, TAG_RECEIVE, &op, 1))
		stream->is_read_out = true;
}

/* Keeps the message that came in; none means that the stream was read to its end. */
static void keep_received(struct rpc_stream *stream)
{
	if (!stream->incoming) {
		stream->is_read_out = true;
		return;
	}
	stream->kept = util_realloc(stream->kept, stream->kept_n + 1, sizeof(*stream->kept));
	read_buffer(stream->incoming, &stream->kept[stream->kept_n++]);
	grpc_byte_buffer_destroy(stream->incoming);
	stream->incoming = NULL;
}

/* Waits for one operation, whichever ends first; false: none did in time. */
static bool step_until(struct rpc_stream *stream, gpr_timespec deadline)
{
	grpc_event event = grpc_completion_queue_next(stream->queue, deadline, NULL);
	enum tag tag = (enum tag)(uintptr_t)event.tag;

	if (event.type != GRPC_OP_COMPLETE)
		return false;
	stream->pending[tag] = false;
	if (tag == TAG_SEND)
		stream->send_worked = event.success;
	if (tag == TAG_RECEIVE)
		keep_received(stream);
	return true;
}

static void step(struct rpc_stream *stream)
{
	step_until(stream, gpr_inf_future(GPR_CLOCK_REALTIME));
}

int rpc_stream_open(struct rpc_client *client, const char *method, uint32_t timeout_ms,
		    struct rpc_stream **ret_stream)
{
	struct rpc_stream *stream = util_calloc(1, sizeof(*stream));
	gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_REALTIME);
	grpc_slice name = grpc_slice_from_copied_string(method);
	grpc_op ops[3] = {
		{.op = GRPC_OP_SEND_INITIAL_METADATA},
		{.op = GRPC_OP_RECV_INITIAL_METADATA,
		 .data.recv_initial_metadata.recv_initial_metadata = &stream->initial_metadata},
		{.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		 .data.recv_status_on_client = {.trailing_metadata = &stream->trailing_metadata,
						.status = &stream->status,
						.status_details = &stream->details}},
	};

	if (timeout_ms)
		deadline = gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
					gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
	stream->client = client;
	stream->queue = grpc_completion_queue_create_for_next(NULL);
	stream->details = grpc_empty_slice();
	grpc_metadata_array_init(&stream->initial_metadata);
	grpc_metadata_array_init(&stream->trailing_metadata);
	stream->call = grpc_channel_create_call(client->channel, NULL, 0, stream->queue, name, NULL,
						deadline, NULL);
	grpc_slice_unref(name);
	if (!start(stream, TAG_STATUS, ops, ARRAY_SIZE(ops))) {
		rpc_stream_close(stream);
		return -EIO;
	}
	start_receive(stream);
	*ret_stream = stream;
	return 0;
}

static int send_operation(struct rpc_stream *stream, const grpc_op *op)
{
	if (!stream->pending[TAG_STATUS] || !start(stream, TAG_SEND, op, 1))
		return -EPIPE;
	while (stream->pending[TAG_SEND]) {
		step(stream);
		start_receive(stream);
	}
	return stream->send_worked ? 0 : -EPIPE;
}

int rpc_stream_send(struct rpc_stream *stream, const void *message, size_t size)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(message, size);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer};
	int ret = send_operation(stream, &op);

	grpc_byte_buffer_destroy(buffer);
	grpc_slice_unref(slice);
	return ret;
}

int rpc_stream_send_end(struct rpc_stream *stream)
{
	grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

	return send_operation(stream, &op);
}

static int ended(struct rpc_stream *stream, struct rpc_error *error)
{
	grpc_connectivity_state state;

	if (stream->status == GRPC_STATUS_OK)
		return 0;
	state = grpc_channel_check_connectivity_state(stream->client->channel, 0);
	fail(error, 0, slice_text(stream->details));
	error->code = stream->status;
	error->is_unconnected = (stream->status == GRPC_STATUS_UNAVAILABLE ||
				 stream->status == GRPC_STATUS_DEADLINE_EXCEEDED) &&
				(state == GRPC_CHANNEL_CONNECTING ||
				 state == GRPC_CHANNEL_TRANSIENT_FAILURE);
	return -EREMOTEIO;
}

int rpc_stream_receive(struct rpc_stream *stream, struct rpc_bytes *ret_message,
		       struct rpc_error *error)
{
	while (stream->kept_taken == stream->kept_n) {
		start_receive(stream);
		if (stream->is_read_out && !stream->pending[TAG_STATUS])
			return ended(stream, error);
		step(stream);
	}
	*ret_message = stream->kept[stream->kept_taken++];
	if (stream->kept_taken == stream->kept_n)
		stream->kept_taken = stream->kept_n = 0;
	return 1;
}

bool rpc_stream_wait(struct rpc_stream *stream, uint32_t timeout_ms)
{
	gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
					     gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));

	while (stream->kept_taken == stream->kept_n) {
		start_receive(stream);
		if (stream->is_read_out && !stream->pending[TAG_STATUS])
			return true;
		if (!step_until(stream, deadline))
			return false;
	}
	return true;
}

static bool is_pending(const struct rpc_stream *stream)
{
	return stream->pending[TAG_STATUS] || stream->pending[TAG_SEND] ||
	       stream->pending[TAG_RECEIVE];
}

void rpc_stream_cancel(struct rpc_stream *stream)
{
	grpc_call_cancel(stream->call, NULL);
}

void rpc_stream_close(struct rpc_stream *stream)
{
	if (!stream)
		return;
	grpc_call_cancel(stream->call, NULL);
	while (is_pending(stream))
		step(stream);
	while (stream->kept_taken < stream->kept_n)
		rpc_bytes_clear(&stream->kept[stream->kept_taken++]);
	free(stream->kept);
	grpc_call_unref(stream->call);
	grpc_completion_queue_shutdown(stream->queue);
	while (grpc_completion_queue_next(stream->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL)
		       .type != GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(stream->queue);
	grpc_metadata_array_destroy(&stream->initial_metadata);
	grpc_metadata_array_destroy(&stream->trailing_metadata);
	grpc_slice_unref(stream->details);
	free(stream);
}

int rpc_client_call(struct rpc_client *client, const char *method, const void *request, size_t size,
		    uint32_t timeout_ms, struct rpc_bytes *ret_reply, struct rpc_error *error)
{
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0}, surplus = {0};
	int ret;

	if (rpc_stream_open(client, method, timeout_ms, &stream) < 0)
		return fail(error, -EREMOTEIO, util_strdup("the call could not be started"));
	/* A send that fails shows in how the call ends. */
	if (!rpc_stream_send(stream, request, size))
		rpc_stream_send_end(stream);
	ret = rpc_stream_receive(stream, &reply, error);
	if (ret == 0)
		return fail(error, -EREMOTEIO, util_strdup("the server sent no reply"));
	if (ret == 1)
		ret = rpc_stream_receive(stream, &surplus, error);
	if (ret == 1)
		return fail(error, -EREMOTEIO, util_strdup("the server sent more than one reply"));
	if (ret < 0)
		return ret;
	*ret_reply = reply;
	reply = (struct rpc_bytes){0};
	return 0;
}

int rpc_client_call_message(struct rpc_client *client, const char *method,
			    const ProtobufCMessage *request,
			    const ProtobufCMessageDescriptor *reply_type, uint32_t timeout_ms,
			    ProtobufCMessage **ret_reply, struct rpc_error *error)
{
	size_t size = protobuf_c_message_get_packed_size(request);
	CLEANUP_FREE uint8_t *packed = util_calloc(1, size);
	CLEANUP_RPC_BYTES struct rpc_bytes bytes = {0};
	ProtobufCMessage *reply;
	int ret;

	protobuf_c_message_pack(request, packed);
	ret = rpc_client_call(client, method, packed, size, timeout_ms, &bytes, error);
	if (ret < 0)
		return ret;
	reply = protobuf_c_message_unpack(reply_type, NULL, bytes.size, bytes.data);
	if (!reply)
		return fail(error, -EREMOTEIO,
			    util_format("the reply of %s cannot be read as %s", method,
					reply_type->name));
	*ret_reply = reply;
	return 0;
}
