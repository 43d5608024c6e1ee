/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests to rtnetlink, many under way at once on one non-blocking socket. A request lives inside
 * the object that it is about and is asked again as often as that object likes.
 */
#ifndef STEER_RTNL_QUEUE_H
#define STEER_RTNL_QUEUE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#define RTNL_QUEUE_WINDOW 128 /* requests under way at once */

struct rtnl_queue;
struct rtnl_request;

/* Writes the request to `buffer` (RTNL_REQUEST_MAX bytes) at the time when it is sent. */
typedef struct nlmsghdr *(*rtnl_request_builder)(void *owner, void *buffer);

/*
 * The answer: `error` 0 and the message (NULL where it is a bare acknowledgement), or -errno and
 * NULL. May submit and cancel any request.
 */
typedef void (*rtnl_request_callback)(void *owner, int error, const struct nlmsghdr *message);

enum rtnl_request_state { RTNL_REQUEST_IDLE, RTNL_REQUEST_QUEUED, RTNL_REQUEST_SENT };

struct rtnl_request {
	TAILQ_ENTRY(rtnl_request) link;
	enum rtnl_request_state state;
	bool again; /* submitted while under way: the answer may be older than the question */
	uint32_t seq;
	rtnl_request_builder build;
	rtnl_request_callback callback;
	void *owner;
};

int rtnl_queue_new(sd_event *event, struct rtnl_queue **ret_queue);
void rtnl_queue_free(struct rtnl_queue *queue); /* accepts NULL; forgets what is under way */

void rtnl_request_init(struct rtnl_request *request, rtnl_request_builder build,
		       rtnl_request_callback callback, void *owner);

/* Sent from the loop, soon. Once more if it is under way; once only if it is waiting. */
void rtnl_queue_submit(struct rtnl_queue *queue, struct rtnl_request *request);
void rtnl_queue_cancel(struct rtnl_queue *queue, struct rtnl_request *request);

#endif
