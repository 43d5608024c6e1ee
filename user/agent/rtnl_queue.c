/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/rtnl_queue.h"

#include "agent/rtnl.h"
#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define RETRY_US 10000 /* after a send that found no memory */

struct rtnl_queue {
	sd_event *event;
	int fd;
	sd_event_source *io;
	sd_event_source *sender; /* fires when something may be sent */
	TAILQ_HEAD(rtnl_request_queue, rtnl_request) waiting;
	struct rtnl_request *sent[RTNL_QUEUE_WINDOW]; /* by seq; NULL: answered or cancelled */
	uint32_t under_way; /* answers still to come, also those that nobody wants any more */
	uint32_t next_seq;  /* never 0 */
	_Alignas(struct nlmsghdr) char send_buffer[RTNL_QUEUE_WINDOW * RTNL_REQUEST_MAX];
	_Alignas(struct nlmsghdr) char receive_buffer[RTNL_RECEIVE_MAX];
};

static void sender_arm(struct rtnl_queue *queue, uint64_t delay_us)
{
	sd_event_source_set_time_relative(queue->sender, delay_us);
	sd_event_source_set_enabled(queue->sender, SD_EVENT_ONESHOT);
}

/*
 * A window of requests goes out at once, and the next when all of it is answered: sequence
 * numbers under way then never share a slot.
 */
static void sender_arm_if_idle(struct rtnl_queue *queue)
{
	if (!queue->under_way && !TAILQ_EMPTY(&queue->waiting))
		sender_arm(queue, 0);
}

static void request_enqueue(struct rtnl_queue *queue, struct rtnl_request *request)
{
	request->state = RTNL_REQUEST_QUEUED;
	request->again = false;
	TAILQ_INSERT_TAIL(&queue->waiting, request, link);
}

static struct rtnl_request **sent_slot(struct rtnl_queue *queue, uint32_t seq)
{
	return &queue->sent[seq % RTNL_QUEUE_WINDOW];
}

static size_t request_put(struct rtnl_queue *queue, struct rtnl_request *request, char *buffer)
{
	struct nlmsghdr *message = request->build(request->owner, buffer);

	if (!queue->next_seq)
		queue->next_seq = RTNL_QUEUE_WINDOW;
	message->nlmsg_seq = request->seq = queue->next_seq++;
	*sent_slot(queue, request->seq) = request;
	TAILQ_REMOVE(&queue->waiting, request, link);
	request->state = RTNL_REQUEST_SENT;
	queue->under_way++;
	return NLMSG_ALIGN(message->nlmsg_len);
}

/* All that is under way, asked anew: the answers are lost. */
static void window_requeue(struct rtnl_queue *queue)
{
	for (size_t i = 0; i < RTNL_QUEUE_WINDOW; i++) {
		struct rtnl_request *request = TAKE(queue->sent[i]);

		if (request)
			request_enqueue(queue, request);
	}
	queue->under_way = 0;
}

static int on_sender(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct rtnl_queue *queue = userdata;
	size_t size = 0;

	(void)source;
	(void)usec;
	if (queue->under_way)
		return 0;
	while (!TAILQ_EMPTY(&queue->waiting) && queue->under_way < RTNL_QUEUE_WINDOW)
		size += request_put(queue, TAILQ_FIRST(&queue->waiting), queue->send_buffer + size);
	if (size && send(queue->fd, queue->send_buffer, size, 0) < 0) {
		window_requeue(queue);
		sender_arm(queue, RETRY_US);
	}
	return 0;
}

static void request_answer(struct rtnl_queue *queue, struct rtnl_request *request, int error,
			   const struct nlmsghdr *message)
{
	bool again = request->again;

	request->state = RTNL_REQUEST_IDLE;
	if (again)
		request_enqueue(queue, request);
	request->callback(request->owner, error, message);
}

static void message_dispatch(struct rtnl_queue *queue, const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	struct rtnl_request **slot = sent_slot(queue, message->nlmsg_seq);
	struct rtnl_request *request = *slot;
	int error = 0;

	if (queue->under_way)
		queue->under_way--;
	if (!request || request->seq != message->nlmsg_seq)
		return;
	*slot = NULL;
	if (message->nlmsg_type == NLMSG_ERROR) {
		error = mnl_nlmsg_get_payload_len(message) < sizeof(*answer) ? -EPROTO
									     : answer->error;
		message = NULL;
	}
	request_answer(queue, request, error, message);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct rtnl_queue *queue = userdata;
	const struct nlmsghdr *message = (const struct nlmsghdr *)queue->receive_buffer;
	ssize_t n = rtnl_receive(fd, queue->receive_buffer);
	int left = (int)n;

	(void)source;
	(void)revents;
	if (n == -ENOBUFS) {
		while (rtnl_receive(fd, queue->receive_buffer) > 0)
			;
		window_requeue(queue);
	} else if (n < 0) {
		log_errno((int)n, "cannot read answers of rtnetlink");
	}
	for (; n > 0 && mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		message_dispatch(queue, message);
	sender_arm_if_idle(queue);
	return 0;
}

int rtnl_queue_new(sd_event *event, struct rtnl_queue **ret_queue)
{
	struct rtnl_queue *queue = util_calloc(1, sizeof(*queue));
	int r;

	TAILQ_INIT(&queue->waiting);
	queue->event = sd_event_ref(event);
	queue->fd = rtnl_open(NULL, 0);
	r = queue->fd;
	if (r >= 0)
		r = sd_event_add_io(event, &queue->io, queue->fd, EPOLLIN, on_readable, queue);
	if (r >= 0)
		r = sd_event_add_time(event, &queue->sender, CLOCK_MONOTONIC, 0, 1, on_sender,
				      queue);
	if (r >= 0)
		r = sd_event_source_set_enabled(queue->sender, SD_EVENT_OFF);
	if (r < 0) {
		rtnl_queue_free(queue);
		return r;
	}
	*ret_queue = queue;
	return 0;
}

void rtnl_queue_free(struct rtnl_queue *queue)
{
	if (!queue)
		return;
	sd_event_source_disable_unref(queue->io);
	sd_event_source_disable_unref(queue->sender);
	if (queue->fd >= 0)
		close(queue->fd);
	sd_event_unref(queue->event);
	free(queue);
}

void rtnl_request_init(struct rtnl_request *request, rtnl_request_builder build,
		       rtnl_request_callback callback, void *owner)
{
	*request = (struct rtnl_request){.build = build, .callback = callback, .owner = owner};
}

void rtnl_queue_submit(struct rtnl_queue *queue, struct rtnl_request *request)
{
	switch (request->state) {
	case RTNL_REQUEST_IDLE:
		request_enqueue(queue, request);
		sender_arm_if_idle(queue);
		break;
	case RTNL_REQUEST_SENT:
		request->again = true;
		break;
	case RTNL_REQUEST_QUEUED:
		break;
	}
}

void rtnl_queue_cancel(struct rtnl_queue *queue, struct rtnl_request *request)
{
	if (request->state == RTNL_REQUEST_QUEUED)
		TAILQ_REMOVE(&queue->waiting, request, link);
	else if (request->state == RTNL_REQUEST_SENT)
		*sent_slot(queue, request->seq) = NULL;
	request->state = RTNL_REQUEST_IDLE;
	request->again = false;
}
