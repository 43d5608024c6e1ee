/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/otlp_sender.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "common/text.h"
#include "common/util.h"
#include "opentelemetry/metrics.pb-c.h"
#include "rpc/client.h"

#define METHOD	   "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
#define TIMEOUT_MS 10000 /* for a request to be answered */

struct otlp_sender {
	const struct node_otlp *config;
	pthread_t thread;
	int fd;
	struct rpc_client *client; /* the thread's own */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool is_stopping;
	const void *request; /* NULL: there is nothing to send */
	size_t size;
	struct rpc_stream *stream; /* the call under way, or NULL */
	char *error;		   /* of the last request */
};

static int open_client(struct otlp_sender *sender, struct rpc_error *error)
{
	const struct node_otlp *config = sender->config;
	const struct rpc_client_options options = {
		.address = config->endpoint,
		.cert = config->cert,
		.key = config->key,
		.ca = config->ca,
		.is_anonymous = true,
		.is_plaintext = config->is_plaintext,
	};

	return sender->client ? 0 : rpc_client_open(&options, &sender->client, error);
}

/* Makes the call known, so that it can be broken off; or that there is none any more. */
static void set_stream(struct otlp_sender *sender, struct rpc_stream *stream)
{
	pthread_mutex_lock(&sender->lock);
	sender->stream = stream;
	if (stream && sender->is_stopping)
		rpc_stream_cancel(stream);
	pthread_mutex_unlock(&sender->lock);
}

/* A collector may take a request and some of what is in it only. */
static char *read_reply(const struct rpc_bytes *reply)
{
	Opentelemetry__ExportMetricsServiceResponse *response;
	const Opentelemetry__ExportMetricsPartialSuccess *partial;
	char *error = NULL;

	response = opentelemetry__export_metrics_service_response__unpack(NULL, reply->size,
									  reply->data);
	if (!response)
		return util_strdup("the answer is none of OTLP");
	partial = response->partial_success;
	if (partial && partial->rejected_data_points > 0)
		error = util_format("%" PRId64 " values were refused: %s",
				    partial->rejected_data_points, partial->error_message);
	opentelemetry__export_metrics_service_response__free_unpacked(response, NULL);
	return error;
}

static char *say(struct rpc_error *error)
{
	if (error->code == RPC_CODE_OK)
		return util_strdup(error->message);
	return util_format("%s: %s", rpc_code_name(error->code), error->message);
}

static char *call(struct otlp_sender *sender, struct rpc_stream *stream)
{
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	int got;

	/* A send that fails shows in how the call ends. */
	if (!rpc_stream_send(stream, sender->request, sender->size))
		rpc_stream_send_end(stream);
	got = rpc_stream_receive(stream, &reply, &error);
	if (got < 0)
		return say(&error);
	return got ? read_reply(&reply) : util_strdup("the collector sent no answer");
}

static char *deliver(struct otlp_sender *sender)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	struct rpc_stream *stream;
	char *ret;

	if (open_client(sender, &error))
		return say(&error);
	if (rpc_stream_open(sender->client, METHOD, TIMEOUT_MS, &stream))
		return util_strdup("the call could not be started");
	set_stream(sender, stream);
	ret = call(sender, stream);
	set_stream(sender, NULL);
	rpc_stream_close(stream);
	return ret;
}

/* False: it is time to stop. */
static bool wait_for_request(struct otlp_sender *sender)
{
	bool is_stopping;

	pthread_mutex_lock(&sender->lock);
	while (!sender->request && !sender->is_stopping)
		pthread_cond_wait(&sender->wake, &sender->lock);
	is_stopping = sender->is_stopping;
	pthread_mutex_unlock(&sender->lock);
	return !is_stopping;
}

static void *run(void *userdata)
{
	struct otlp_sender *sender = userdata;

	while (wait_for_request(sender)) {
		char *error = deliver(sender);

		if (error)
			text_make_printable(error);
		pthread_mutex_lock(&sender->lock);
		sender->error = error;
		sender->request = NULL;
		pthread_mutex_unlock(&sender->lock);
		eventfd_write(sender->fd, 1);
	}
	rpc_client_close(sender->client);
	return NULL;
}

int otlp_sender_new(const struct node_otlp *config, struct otlp_sender **ret)
{
	struct otlp_sender *sender;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	sender = util_calloc(1, sizeof(*sender));
	sender->config = config;
	sender->fd = fd;
	pthread_mutex_init(&sender->lock, NULL);
	pthread_cond_init(&sender->wake, NULL);
	err = pthread_create(&sender->thread, NULL, run, sender);
	if (err) {
		close(fd);
		free(sender);
		return -err;
	}
	*ret = sender;
	return 0;
}

void otlp_sender_free(struct otlp_sender *sender)
{
	if (!sender)
		return;
	pthread_mutex_lock(&sender->lock);
	sender->is_stopping = true;
	if (sender->stream)
		rpc_stream_cancel(sender->stream);
	pthread_cond_signal(&sender->wake);
	pthread_mutex_unlock(&sender->lock);
	pthread_join(sender->thread, NULL);
	pthread_cond_destroy(&sender->wake);
	pthread_mutex_destroy(&sender->lock);
	close(sender->fd);
	free(sender->error);
	free(sender);
}

int otlp_sender_fd(const struct otlp_sender *sender)
{
	return sender->fd;
}

void otlp_sender_send(struct otlp_sender *sender, const void *request, size_t size)
{
	pthread_mutex_lock(&sender->lock);
	sender->request = request;
	sender->size = size;
	pthread_cond_signal(&sender->wake);
	pthread_mutex_unlock(&sender->lock);
}

char *otlp_sender_result(struct otlp_sender *sender)
{
	eventfd_t count;
	char *error;

	eventfd_read(sender->fd, &count);
	pthread_mutex_lock(&sender->lock);
	error = TAKE(sender->error);
	pthread_mutex_unlock(&sender->lock);
	return error;
}
