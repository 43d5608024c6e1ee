/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a daemon says, brought by a thread of its own, so that a screen answers keys whatever the
 * daemon does. The thread connects again by itself, every second.
 */
#ifndef STEER_CLI_TOP_FEED_H
#define STEER_CLI_TOP_FEED_H

#include <jansson.h>

#include "cli/measured.h"
#include "cli/schema.h"
#include "rpc/client.h"

/* One of the three; the others are NULL. All are the taker's. */
struct top_news {
	json_t *status; /* a GetStatusResponse, about once a second at most */
	struct measured *message;
	char *trouble; /* there is no connection, and why; a status says that there is again */
};
void top_news_clear(struct top_news *news);

struct top_feed;
/* `target` and `schema` must outlive it; nobody changes them meanwhile. 0 or -errno. */
int top_feed_start(const struct rpc_client_options *target, const struct schema *schema,
		   uint32_t interval_ms, struct top_feed **ret_feed);
/* Waits for the thread, a call under way included. Accepts NULL. */
void top_feed_stop(struct top_feed *feed);

/* Readable while there may be news. */
int top_feed_fd(const struct top_feed *feed);
/* False: nothing more at present. */
bool top_feed_take(struct top_feed *feed, struct top_news *ret_news);

void top_feed_set_interval(struct top_feed *feed, uint32_t interval_ms);

#endif
