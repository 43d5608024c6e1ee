/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Slow starts. What a backend lacks of its slots stands in its map entry, where the ring's overlay
 * finds it, and so does the next agent; here is the timer that makes it less.
 */
#include "agent/backends_internal.h"

#include "common/util.h"

/* True if the ring has to follow. */
static bool store(const struct backend_entry *entry, uint64_t now_ms)
{
	struct backend *backend = backend_entry_map(entry);
	uint16_t lacks = (uint16_t)(RING_WHOLE - ramp_part(&entry->ramp, now_ms));
	bool differs = backend->ramp_lacks != lacks;

	backend->ramp_lacks = lacks;
	backend->ramp_began_ms = entry->ramp.running ? entry->ramp.began_ms : 0;
	return differs;
}

static void arm(struct backends *b, uint64_t now_ms)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < b->ramping_n; i++) {
		uint64_t at = ramp_next_ms(&b->entries[b->ramping[i]].ramp, now_ms);

		next = at < next ? at : next;
	}
	if (next == UINT64_MAX) {
		sd_event_source_set_enabled(b->ramp_timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(b->ramp_timer, next * 1000);
	sd_event_source_set_enabled(b->ramp_timer, SD_EVENT_ONESHOT);
}

/* The last one takes the place of the one that leaves. */
static void leave(struct backends *b, size_t i)
{
	struct backend_entry *entry = &b->entries[b->ramping[i]];

	entry->ramp = (struct ramp){};
	b->ramping[i] = b->ramping[--b->ramping_n];
	store(entry, 0);
}

static int on_step(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct backends *b = userdata;
	uint64_t now = util_now_ms();

	(void)source;
	(void)usec;
	for (size_t i = b->ramping_n; i-- > 0;) {
		struct backend_entry *entry = &b->entries[b->ramping[i]];

		if (store(entry, now))
			b->changed(b->userdata, entry->stack);
		if (!ramp_left_ms(&entry->ramp, now))
			leave(b, i);
	}
	arm(b, now);
	return 0;
}

int backends_ramp_init(struct backends *b, sd_event *loop)
{
	int err;

	b->ramping = util_calloc(b->view->backend_slots, sizeof(*b->ramping));
	err = sd_event_add_time(loop, &b->ramp_timer, CLOCK_MONOTONIC, 0, 1000, on_step, b);
	if (err >= 0)
		err = sd_event_source_set_enabled(b->ramp_timer, SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

void backends_ramp_clear(struct backends *b)
{
	sd_event_source_disable_unref(b->ramp_timer);
	free(b->ramping);
}

/* Of the stack's others that are of an age, or now. */
static uint64_t beginning(const struct backend_entry *entry, uint64_t now_ms)
{
	const struct backends *b = entry->owner;

	for (size_t i = 0; i < b->ramping_n; i++) {
		const struct backend_entry *other = &b->entries[b->ramping[i]];

		if (ramp_is_of_an_age(&other->ramp, entry->slow_start_ms, now_ms) &&
		    !strcmp(other->stack, entry->stack))
			return other->ramp.began_ms;
	}
	return now_ms;
}

static void begin(struct backend_entry *entry, uint64_t began_ms)
{
	struct backends *b = entry->owner;
	uint64_t now = util_now_ms();

	entry->ramp = (struct ramp){
		.running = true, .began_ms = began_ms, .length_ms = entry->slow_start_ms};
	b->ramping[b->ramping_n++] = backend_entry_slot(entry);
	store(entry, now);
	arm(b, now);
}

void backends_ramp_begin(struct backend_entry *entry)
{
	if (entry->slow_start_ms && !entry->ramp.running)
		begin(entry, beginning(entry, util_now_ms()));
}

void backends_ramp_configure(struct backend_entry *entry)
{
	struct backends *b = entry->owner;
	struct backend *backend = backend_entry_map(entry);
	uint64_t began = backend->ramp_began_ms;

	if (entry->ramp.running ? entry->ramp.length_ms == entry->slow_start_ms : !began)
		return;
	backends_ramp_end(entry);
	if (entry->slow_start_ms)
		begin(entry, began);
	b->changed(b->userdata, entry->stack);
}

void backends_ramp_end(struct backend_entry *entry)
{
	struct backends *b = entry->owner;

	for (size_t i = 0; entry->ramp.running && i < b->ramping_n; i++)
		if (b->ramping[i] == backend_entry_slot(entry))
			leave(b, i);
	store(entry, 0);
}
