/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/events.h"

#include "common/log.h"
#include "common/text.h"
#include "common/util.h"

#include <errno.h>
#include <stdarg.h>

struct event_reader {
	struct events *events;
	uint64_t next; /* sequence */
	event_notify notify;
	void *userdata;
	sd_event_source *source; /* armed while a notification is due; NULL without notify */
	struct event_reader *newer;
	struct event_reader **link; /* what points here */
};

struct events {
	sd_event *loop;
	struct event_reader *readers;
	uint64_t last; /* newest sequence */
	size_t kept;
	struct event ring[]; /* of sequence s: [s % kept] */
};

int events_new(sd_event *loop, size_t kept, struct events **ret)
{
	struct events *events;

	if (!kept)
		kept = EVENTS_KEPT;
	events = util_calloc(1, sizeof(*events) + kept * sizeof(events->ring[0]));
	events->loop = sd_event_ref(loop);
	events->kept = kept;
	*ret = events;
	return 0;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	sd_event_unref(events->loop);
	free(events);
}

static void copy_text(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
	text_make_printable(to);
}

static void wake(struct event_reader *reader)
{
	if (reader->source)
		sd_event_source_set_enabled(reader->source, SD_EVENT_ONESHOT);
}

void events_add(struct events *events, enum event_kind kind, const char *service, const char *stack,
		const char *backend, const char *format, ...)
{
	uint64_t sequence = ++events->last;
	struct event *event = &events->ring[sequence % events->kept];
	va_list args;

	event->sequence = sequence;
	event->unix_ms = util_unix_ms();
	event->kind = kind;
	va_start(args, format);
	vsnprintf(event->message, sizeof(event->message), format, args);
	va_end(args);
	text_make_printable(event->message);
	copy_text(event->service, sizeof(event->service), service);
	copy_text(event->stack, sizeof(event->stack), stack);
	copy_text(event->backend, sizeof(event->backend), backend);
	log_info("%s", event->message);

	/* Readers that are behind know already that there is something to read. */
	for (struct event_reader *reader = events->readers; reader; reader = reader->newer)
		if (reader->next == sequence)
			wake(reader);
}

uint64_t events_last(const struct events *events)
{
	return events->last;
}

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[EVENT_KIND_MAX] = {
		[EVENT_ROUTES] = "routes",   [EVENT_STACK] = "stack",
		[EVENT_BACKEND] = "backend", [EVENT_INTERFACE] = "interface",
		[EVENT_AGENT] = "agent",     [EVENT_FLOW] = "flow",
	};

	return names[kind];
}

static int on_due(sd_event_source *source, void *userdata)
{
	struct event_reader *reader = userdata;

	(void)source;
	if (reader->next <= reader->events->last)
		reader->notify(reader->userdata);
	return 0;
}

/* A source that fires from the loop's next turn whenever it is enabled. */
static int make_source(struct event_reader *reader)
{
	int err = sd_event_add_defer(reader->events->loop, &reader->source, on_due, reader);

	if (err >= 0)
		err = sd_event_source_set_enabled(reader->source, SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

int event_reader_new(struct events *events, uint64_t after_sequence, event_notify notify,
		     void *userdata, struct event_reader **ret)
{
	struct event_reader *reader = util_calloc(1, sizeof(*reader));
	uint64_t oldest = events->last < events->kept ? 1 : events->last - events->kept + 1;
	int err;

	reader->events = events;
	reader->notify = notify;
	reader->userdata = userdata;
	reader->next = after_sequence + 1;
	if (!after_sequence || after_sequence > events->last)
		reader->next = oldest;
	reader->newer = events->readers;
	reader->link = &events->readers;
	if (reader->newer)
		reader->newer->link = &reader->newer;
	events->readers = reader;

	err = notify ? make_source(reader) : 0;
	if (err) {
		event_reader_free(reader);
		return err;
	}
	if (reader->next <= events->last)
		wake(reader);
	*ret = reader;
	return 0;
}

void event_reader_free(struct event_reader *reader)
{
	if (!reader)
		return;
	*reader->link = reader->newer;
	if (reader->newer)
		reader->newer->link = reader->link;
	sd_event_source_disable_unref(reader->source);
	free(reader);
}

const struct event *event_reader_next(struct event_reader *reader, uint64_t *ret_missed)
{
	const struct events *events = reader->events;
	uint64_t missed = 0;

	if (reader->next > events->last)
		return NULL;
	if (events->last - reader->next >= events->kept)
		missed = events->last - events->kept + 1 - reader->next;
	reader->next += missed;
	*ret_missed = missed;
	return &events->ring[reader->next++ % events->kept];
}
