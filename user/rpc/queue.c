/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/queue.h"

#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#define BATCH 64 /* completions handled before other events get their turn */

struct rpc_queue {
	grpc_completion_queue *cq;
	void (*idle)(void *userdata);
	void *userdata;
	sd_event_source *source;
	int event_fd;
	unsigned int pending; /* loop's thread only */
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	struct rpc_op *first;
	struct rpc_op **end;
};

static void ring(struct rpc_queue *queue)
{
	uint64_t one = 1;

	/* It can only fail when the counter is full, and then the loop wakes up anyway. */
	if (write(queue->event_fd, &one, sizeof(one)) < 0)
		return;
}

static void *wait_for_completions(void *data)
{
	struct rpc_queue *queue = data;
	grpc_event event;

	pthread_setname_np(pthread_self(), "rpc-queue");
	for (;;) {
		event = grpc_completion_queue_next(queue->cq, gpr_inf_future(GPR_CLOCK_REALTIME),
						   NULL);
		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		struct rpc_op *op = event.tag;

		op->ok = event.success;
		op->next = NULL;
		pthread_mutex_lock(&queue->lock);
		bool was_empty = !queue->first;
		*queue->end = op;
		queue->end = &op->next;
		pthread_mutex_unlock(&queue->lock);
		if (was_empty)
			ring(queue);
	}
}

static struct rpc_op *pop(struct rpc_queue *queue)
{
	struct rpc_op *op;

	pthread_mutex_lock(&queue->lock);
	op = queue->first;
	if (op) {
		queue->first = op->next;
		if (!queue->first)
			queue->end = &queue->first;
	}
	pthread_mutex_unlock(&queue->lock);
	return op;
}

static bool is_empty(struct rpc_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	bool empty = !queue->first;
	pthread_mutex_unlock(&queue->lock);
	return empty;
}

static void dispatch(struct rpc_queue *queue)
{
	struct rpc_op *op;

	for (int i = 0; i < BATCH && (op = pop(queue)); i++) {
		queue->pending--;
		op->done(op, op->ok);
	}
	if (!is_empty(queue))
		ring(queue);
}

static int on_event(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct rpc_queue *queue = userdata;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return log_errno(-errno, "cannot read the RPC event descriptor");
	dispatch(queue);
	queue->idle(queue->userdata);
	return 0;
}

int rpc_queue_new(sd_event *loop, grpc_completion_queue *cq, void (*idle)(void *userdata),
		  void *userdata, struct rpc_queue **ret_queue)
{
	CLEANUP_FREE struct rpc_queue *queue = util_calloc(1, sizeof(*queue));
	CLEANUP_CLOSE int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sigset_t all, before;
	int err;

	if (event_fd < 0)
		return -errno;
	queue->cq = cq;
	queue->idle = idle;
	queue->userdata = userdata;
	queue->end = &queue->first;
	queue->event_fd = event_fd;
	pthread_mutex_init(&queue->lock, NULL);
	err = sd_event_add_io(loop, &queue->source, event_fd, EPOLLIN, on_event, queue);
	if (err < 0)
		return err;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&queue->thread, NULL, wait_for_completions, queue);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		sd_event_source_disable_unref(queue->source);
		return err;
	}
	event_fd = -1;
	*ret_queue = TAKE(queue);
	return 0;
}

void rpc_queue_started(struct rpc_queue *queue)
{
	queue->pending++;
}

unsigned int rpc_queue_pending(const struct rpc_queue *queue)
{
	return queue->pending;
}

void rpc_queue_wait(struct rpc_queue *queue)
{
	struct pollfd wait = {.fd = queue->event_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&wait, 1, -1) < 0 || read(queue->event_fd, &count, sizeof(count)) < 0)
		return;
	dispatch(queue);
}

void rpc_queue_free(struct rpc_queue *queue)
{
	if (!queue)
		return;
	grpc_completion_queue_shutdown(queue->cq);
	pthread_join(queue->thread, NULL);
	grpc_completion_queue_destroy(queue->cq);
	sd_event_source_disable_unref(queue->source);
	close(queue->event_fd);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}
