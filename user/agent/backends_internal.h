/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The backends' own parts; for backends*.c only. */
#ifndef STEER_BACKENDS_INTERNAL_H
#define STEER_BACKENDS_INTERNAL_H

#include "agent/backends.h"
#include "agent/check_aim.h"
#include "agent/checker.h"
#include "agent/nexthop.h"
#include "agent/outlier.h"
#include "agent/ramp.h"

struct backend_entry {
	struct backends *owner;
	bool live;
	char stack[STEER_NAME];
	struct address address;
	bool local;
	struct health_state health;
	uint64_t since_ms, since_unix_ms; /* health.since_ms, and when that was */
	struct health_spec spec;	  /* how the routes want it checked; owned */
	struct check_vips vips;		  /* of its stack */
	struct check *check;		  /* NULL: none, or not yet */
	struct check_aim aim;		  /* of that check */
	struct nexthop_watch *watch;	  /* NULL: none */
	bool hop_answered;		  /* the watch has spoken */
	char next_hop[IF_NAMESIZE + 20];
	uint32_t slow_start_ms;
	struct ramp ramp;
	char slow[OUTLIER_EVIDENCE_MAX]; /* why it has less of its share; "": it has not */
};

struct backends {
	const struct datapath_view *view;
	const struct node_config *config;
	struct events *events;
	backends_changed changed;
	void *userdata;
	struct nexthop_table *nexthops;
	struct checker *checker;
	struct check_aims *aims;
	struct backend_entry *entries; /* by slot */
	bool shares_addresses;	       /* of backends behind ipip, some stand in several stacks */
	uint32_t *ramping;	       /* slots in their slow start, in no order */
	size_t ramping_n;
	sd_event_source *ramp_timer; /* the next step of any of them */
};

static inline uint32_t backend_entry_slot(const struct backend_entry *entry)
{
	return (uint32_t)(entry - entry->owner->entries);
}

static inline struct backend *backend_entry_map(const struct backend_entry *entry)
{
	return &entry->owner->view->backends[backend_entry_slot(entry)];
}

void backends_on_check(void *entry, bool ok, const char *detail); /* a check_callback */

int backends_check_init(struct backends *backends, sd_event *loop);
void backends_check_clear(struct backends *backends); /* after every entry's check was stopped */

/* What the routes want. Takes effect with the next backends_check_aim(). */
void backends_check_configure(struct backend_entry *entry, const struct health_spec *spec,
			      const struct check_vips *vips);

/* Whatever the way of its checks depends on may have changed. */
void backends_check_aim(struct backend_entry *entry);

void backends_check_stop(struct backend_entry *entry); /* where there is none: nothing */

/* What an input to entry->health changed becomes the map's byte, an event and a call. */
void backend_entry_publish(struct backend_entry *entry, unsigned int changed);

int backends_ramp_init(struct backends *backends, sd_event *loop);
void backends_ramp_clear(struct backends *backends);

/* It takes new flows from now on: in its stack's slow start, if there is one. */
void backends_ramp_begin(struct backend_entry *entry);

/* entry->slow_start_ms was set: what runs goes by it, also what an earlier agent began. */
void backends_ramp_configure(struct backend_entry *entry);

void backends_ramp_end(struct backend_entry *entry); /* where none runs: nothing */

/* Why it has less of its share; "": it has not, or that is its slow start. */
const char *backends_slow_text(const struct backend_entry *entry);

#endif
