/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/top_feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "cli/codec.h"
#include "cli/watch.h"
#include "common/util.h"

#define STATUS_METHOD	  "/steerd.v1.AgentService/GetStatus"
#define STATUS_TYPE	  "steerd.v1.GetStatusResponse"
#define STATUS_EVERY_MS	  1000
#define STATUS_TIMEOUT_MS 2000 /* also the longest that stopping takes */
#define RETRY_MS	  1000
#define STEP_MS		  100 /* how soon a change of interval, or the end, is noticed */

struct top_feed {
	const struct rpc_client_options *target;
	const struct schema *schema;
	pthread_t thread;
	pthread_mutex_t lock;
	int fd;
	atomic_bool is_stopping;
	atomic_uint interval_ms;
	struct top_news *news; /* oldest first, under the lock */
	size_t n;
};

void top_news_clear(struct top_news *news)
{
	json_decref(news->status);
	measured_free(news->message);
	free(news->trouble);
	*news = (struct top_news){0};
}

static void push(struct top_feed *feed, struct top_news news)
{
	pthread_mutex_lock(&feed->lock);
	feed->news = util_realloc(feed->news, feed->n + 1, sizeof(*feed->news));
	feed->news[feed->n++] = news;
	pthread_mutex_unlock(&feed->lock);
	eventfd_write(feed->fd, 1);
}

/* The first line of a reason is enough for a screen, and of that what lies at the root of it. */
static void push_trouble(struct top_feed *feed, const struct rpc_error *error)
{
	const char *text = error->message && *error->message ? error->message
							     : rpc_code_name(error->code);
	CLEANUP_FREE char *line = util_format("%.*s", (int)strcspn(text, "\n"), text);
	const char *root = error->is_unconnected ? strrchr(line, ':') : NULL;

	push(feed,
	     (struct top_news){.trouble = util_strdup(root && root[1] == ' ' ? root + 2 : line)});
}

static int push_status(struct top_feed *feed, struct rpc_client *client, struct rpc_error *error)
{
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};
	json_t *status;
	int ret;

	ret = rpc_client_call(client, STATUS_METHOD, NULL, 0, STATUS_TIMEOUT_MS, &reply, error);
	if (ret < 0)
		return ret;
	if (codec_decode(schema_find_message(feed->schema, STATUS_TYPE), reply.data, reply.size,
			 true, &status, &error->message) < 0)
		return -EBADMSG;
	push(feed, (struct top_news){.status = status});
	return 0;
}

/* Until the interval changes (0), the feed stops (0), or the connection breaks. */
static int follow(struct top_feed *feed, struct rpc_client *client, struct rpc_error *error)
{
	uint32_t interval_ms = atomic_load(&feed->interval_ms);
	const struct measured_request request = {.interval_ms = interval_ms};
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	uint64_t status_ms = 0;
	int ret = watch_open(client, &request, 0, &stream);

	while (ret >= 0 && !atomic_load(&feed->is_stopping) &&
	       interval_ms == atomic_load(&feed->interval_ms)) {
		struct measured *message = NULL;

		if (util_now_ms() >= status_ms + STATUS_EVERY_MS) {
			ret = push_status(feed, client, error);
			status_ms = util_now_ms();
			continue;
		}
		if (!rpc_stream_wait(stream, STEP_MS))
			continue;
		ret = watch_receive(stream, &message, error);
		if (ret == 0)
			return -EPIPE;
		if (ret > 0)
			push(feed, (struct top_news){.message = message});
	}
	return ret < 0 ? ret : 0;
}

static void wait_to_retry(struct top_feed *feed)
{
	uint64_t end_ms = util_now_ms() + RETRY_MS;

	while (util_now_ms() < end_ms && !atomic_load(&feed->is_stopping))
		usleep(STEP_MS * 1000);
}

/* A client of its own for each connection: one that failed waits ever longer by itself. */
static void *run(void *userdata)
{
	struct top_feed *feed = userdata;

	while (!atomic_load(&feed->is_stopping)) {
		CLEANUP_RPC_ERROR struct rpc_error error = {0};
		struct rpc_client *client = NULL;
		int ret = rpc_client_open(feed->target, &client, &error);

		while (ret == 0 && !atomic_load(&feed->is_stopping))
			ret = follow(feed, client, &error);
		rpc_client_close(client);
		if (ret < 0) {
			push_trouble(feed, &error);
			wait_to_retry(feed);
		}
	}
	return NULL;
}

static void free_feed(struct top_feed *feed)
{
	for (size_t i = 0; i < feed->n; i++)
		top_news_clear(&feed->news[i]);
	free(feed->news);
	if (feed->fd >= 0)
		close(feed->fd);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

int top_feed_start(const struct rpc_client_options *target, const struct schema *schema,
		   uint32_t interval_ms, struct top_feed **ret_feed)
{
	struct top_feed *feed = util_calloc(1, sizeof(*feed));
	int ret;

	feed->target = target;
	feed->schema = schema;
	atomic_store(&feed->interval_ms, interval_ms);
	pthread_mutex_init(&feed->lock, NULL);
	feed->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = feed->fd < 0 ? -errno : -pthread_create(&feed->thread, NULL, run, feed);
	if (ret < 0) {
		free_feed(feed);
		return ret;
	}
	*ret_feed = feed;
	return 0;
}

void top_feed_stop(struct top_feed *feed)
{
	if (!feed)
		return;
	atomic_store(&feed->is_stopping, true);
	pthread_join(feed->thread, NULL);
	free_feed(feed);
}

int top_feed_fd(const struct top_feed *feed)
{
	return feed->fd;
}

bool top_feed_take(struct top_feed *feed, struct top_news *ret_news)
{
	eventfd_t value;
	bool found;

	pthread_mutex_lock(&feed->lock);
	found = feed->n > 0;
	if (found) {
		*ret_news = feed->news[0];
		memmove(&feed->news[0], &feed->news[1], --feed->n * sizeof(*feed->news));
	} else {
		eventfd_read(feed->fd, &value);
	}
	pthread_mutex_unlock(&feed->lock);
	return found;
}

void top_feed_set_interval(struct top_feed *feed, uint32_t interval_ms)
{
	atomic_store(&feed->interval_ms, interval_ms);
}
