/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/otlp.h"

#include <time.h>

#include "agent/metrics_page.h"
#include "agent/otlp_sender.h"
#include "common/log.h"
#include "common/util.h"

struct otlp {
	sd_event *loop;
	struct otlp_options options;
	sd_event_source *timer;
	sd_event_source *io;
	struct otlp_sender *sender; /* NULL: nothing was sent yet */
	struct metrics_origin origin;
	struct metrics_page *page; /* the round under way, or NULL */
	uint64_t failures;
	bool is_failing;
};

static uint64_t unix_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* error NULL: all of it has arrived. Takes the error. */
static void end_round(struct otlp *otlp, char *error)
{
	const char *endpoint = otlp->options.config->endpoint;

	metrics_page_free(TAKE(otlp->page));
	if (error) {
		otlp->failures++;
		if (!otlp->is_failing)
			log_warning("metrics do not reach the OTLP collector %s: %s", endpoint,
				    error);
	} else if (otlp->is_failing) {
		log_info("metrics reach the OTLP collector %s again", endpoint);
	}
	otlp->is_failing = error != NULL;
	free(error);
}

static void send_next(struct otlp *otlp)
{
	size_t size;
	const void *request = metrics_page_next(otlp->page, &size);

	if (request)
		otlp_sender_send(otlp->sender, request, size);
	else
		end_round(otlp, NULL);
}

static int on_result(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct otlp *otlp = userdata;
	char *error = otlp_sender_result(otlp->sender);

	(void)source;
	(void)fd;
	(void)revents;
	if (error)
		end_round(otlp, error);
	else
		send_next(otlp);
	return 0;
}

static int start_sender(struct otlp *otlp)
{
	int err;

	if (otlp->sender)
		return 0;
	err = otlp_sender_new(otlp->options.config, &otlp->sender);
	if (err)
		return err;
	err = sd_event_add_io(otlp->loop, &otlp->io, otlp_sender_fd(otlp->sender), EPOLLIN,
			      on_result, otlp);
	if (err >= 0)
		return 0;
	otlp_sender_free(TAKE(otlp->sender));
	return err;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct otlp *otlp = userdata;
	int err;

	(void)usec;
	sd_event_source_set_time_relative(source, otlp->options.config->interval_ms * 1000ULL);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (otlp->page)
		return 0; /* the last round is not over */
	err = start_sender(otlp);
	if (err) {
		end_round(otlp, util_format("cannot start its thread: %s", strerror(-err)));
		return 0;
	}
	otlp->origin.now_ns = unix_ns();
	otlp->page = metrics_page_new(METRICS_OTLP, otlp->options.source, &otlp->origin,
				      otlp->options.tables, otlp->options.tables_n);
	send_next(otlp);
	return 0;
}

int otlp_new(sd_event *loop, const struct otlp_options *options, struct otlp **ret)
{
	struct otlp *otlp;
	int err;

	*ret = NULL;
	if (!options->config->endpoint)
		return 0;
	otlp = util_calloc(1, sizeof(*otlp));
	otlp->loop = loop;
	otlp->options = *options;
	otlp->origin = (struct metrics_origin){
		.node = options->node, .version = options->version, .start_ns = options->start_ns};
	err = sd_event_add_time_relative(loop, &otlp->timer, CLOCK_MONOTONIC,
					 options->config->interval_ms * 1000ULL, 0, on_timer, otlp);
	if (err < 0) {
		otlp_free(otlp);
		return log_errno(err, "cannot send metrics to %s", options->config->endpoint);
	}
	*ret = otlp;
	return 0;
}

void otlp_free(struct otlp *otlp)
{
	if (!otlp)
		return;
	sd_event_source_disable_unref(otlp->timer);
	sd_event_source_disable_unref(otlp->io);
	otlp_sender_free(otlp->sender);
	metrics_page_free(otlp->page);
	free(otlp);
}

uint64_t otlp_failures(const struct otlp *otlp)
{
	return otlp->failures;
}
