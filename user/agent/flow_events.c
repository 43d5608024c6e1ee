/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/flow_events.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/epoll.h>

#include "common/log.h"
#include "common/util.h"

struct flow_events {
	const struct datapath_view *view;
	const struct bank_slots *slots;
	struct events *events;
	struct ring_buffer *ring;
	sd_event_source *source;
	unsigned int turn; /* looked at in this turn of the loop */
	struct flow_event_ration rations[FLOW_EVENT_KIND_MAX];
};

static void tell(const struct flow_events *f, const struct flow_event *event, uint64_t unreported)
{
	char address[ADDRESS_TEXT_MAX] = "", stack[STEER_NAME] = "", text[EVENT_MESSAGE_MAX];
	const char *service = NULL;

	if (event->backend < f->view->backend_slots) {
		const struct backend *backend = &f->view->backends[event->backend];
		struct address at;

		memcpy(at.bytes, backend->address, sizeof(at.bytes));
		memcpy(stack, backend->stack, sizeof(stack) - 1);
		if (stack[0])
			address_text(&at, address);
	}
	if (event->service < f->view->service_slots)
		service = slots_key(f->slots->services, event->service);
	flow_event_text(event, address, stack, unreported, text, sizeof(text));
	events_add(f->events, EVENT_FLOW, service, stack, address, "%s", text);
}

/* An error ends the turn: libbpf has counted this record as read by then. */
static int on_record(void *userdata, void *data, size_t size)
{
	struct flow_events *f = userdata;
	struct flow_event event;
	uint64_t unreported;

	if (size >= sizeof(event)) {
		memcpy(&event, data, sizeof(event));
		if (event.kind < FLOW_EVENT_KIND_MAX &&
		    flow_event_ration_take(&f->rations[event.kind], event.suppressed, util_now_ms(),
					   &unreported))
			tell(f, &event, unreported);
	}
	return ++f->turn < FLOW_EVENTS_PER_TURN ? 0 : -EAGAIN;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct flow_events *f = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	f->turn = 0;
	ring_buffer__consume(f->ring);
	return 0;
}

static int watch_ring(struct flow_events *f, sd_event *loop)
{
	int err;

	f->ring = ring_buffer__new(f->view->flow_events_fd, on_record, f, NULL);
	if (!f->ring)
		return -errno;
	err = sd_event_add_io(loop, &f->source, ring_buffer__epoll_fd(f->ring), EPOLLIN,
			      on_readable, f);
	/* Whatever else is due goes first. */
	if (err >= 0)
		err = sd_event_source_set_priority(f->source, SD_EVENT_PRIORITY_IDLE);
	return err < 0 ? err : 0;
}

int flow_events_new(sd_event *loop, const struct datapath_view *view,
		    const struct bank_slots *slots, struct events *events, struct flow_events **ret)
{
	struct flow_events *f = util_calloc(1, sizeof(*f));
	int err;

	*f = (struct flow_events){.view = view, .slots = slots, .events = events};
	for (size_t i = 0; i < ARRAY_SIZE(f->rations); i++)
		flow_event_ration_init(&f->rations[i], util_now_ms());
	err = watch_ring(f, loop);
	if (err) {
		flow_events_free(f);
		return log_errno(err, "cannot read the events about flows");
	}
	*ret = f;
	return 0;
}

void flow_events_free(struct flow_events *f)
{
	if (!f)
		return;
	sd_event_source_disable_unref(f->source);
	ring_buffer__free(f->ring);
	free(f);
}
