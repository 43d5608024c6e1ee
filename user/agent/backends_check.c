/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How each backend is checked, as that changes: by the routes, its next hop, and this host. */
#include "agent/backends_internal.h"

#include "common/log.h"
#include "common/util.h"

static void start_check(struct backend_entry *entry)
{
	const struct health_spec *spec = &entry->spec;
	const struct check_target target = {.address = entry->address,
					    .port = spec->port,
					    .type = spec->type,
					    .path = spec->path,
					    .host = spec->host,
					    .body = spec->body,
					    .service = spec->service,
					    .tls = spec->tls,
					    .server_name = spec->server_name,
					    .status_min = spec->status_min,
					    .status_max = spec->status_max,
					    .interval_ms = spec->interval_ms,
					    .timeout_ms = spec->timeout_ms,
					    .way = entry->aim.direct ? NULL : &entry->aim.way,
					    .both = entry->aim.both};

	check_free(TAKE(entry->check));
	if (checker_add(entry->owner->checker, &target, backends_on_check, entry, &entry->check))
		log_error("stack %s: its health check cannot be started", entry->stack);
}

/* Goes on as it is if it may; else the check begins anew, another way. */
static void set_aim(struct backend_entry *entry, const struct check_aim *aim)
{
	bool same = entry->check && check_aim_equal(&entry->aim, aim);

	if (same && !strcmp(entry->aim.why, aim->why))
		return;
	check_aims_say(entry->owner->aims, entry->stack, &entry->aim, aim);
	entry->aim = *aim;
	if (!same)
		start_check(entry);
}

/* The way is clear only once the next hop is; while that is gone, the check keeps to its way. */
void backends_check_aim(struct backend_entry *entry)
{
	bool routed = entry->health.routed && entry->watch;
	const struct check_wish wish = {.address = &entry->address,
					.forward = (enum forward)backend_entry_map(entry)->forward,
					.via = entry->spec.via,
					.slot = backend_entry_slot(entry),
					.vips = &entry->vips,
					.hop = routed ? nexthop_watch_current(entry->watch) : NULL};
	struct check_aim aim;

	if (!entry->live || entry->spec.type == HEALTH_NONE ||
	    (entry->watch && !entry->hop_answered) || (entry->watch && entry->check && !routed))
		return;
	check_aims_decide(entry->owner->aims, &wish, &aim);
	set_aim(entry, &aim);
}

void backends_check_stop(struct backend_entry *entry)
{
	check_free(TAKE(entry->check));
	check_aims_say(entry->owner->aims, entry->stack, &entry->aim, NULL);
	entry->aim = (struct check_aim){};
	routes_health_clear(&entry->spec);
}

void backends_check_configure(struct backend_entry *entry, const struct health_spec *spec,
			      const struct check_vips *vips)
{
	entry->vips = *vips;
	if (routes_health_equal(&entry->spec, spec))
		return;
	backends_check_stop(entry);
	entry->spec = routes_health_copy(spec);
}

static void on_review(void *userdata)
{
	struct backends *b = userdata;

	for (uint32_t i = 0; i < b->view->backend_slots; i++)
		backends_check_aim(&b->entries[i]);
}

int backends_check_init(struct backends *b, sd_event *loop)
{
	int backends_fd = b->config->interfaces_n ? b->view->backends_fd : -1;
	int err = checker_new(loop, 0, &b->checker);

	if (!err)
		err = check_aims_new(loop, b->config->pin_dir, backends_fd, on_review, b, &b->aims);
	return err ? log_errno(err, "cannot prepare health checks") : 0;
}

void backends_check_clear(struct backends *b)
{
	checker_free(b->checker);
	check_aims_free(b->aims);
}

char *backends_check_text(const struct backends *b, uint32_t slot)
{
	const struct backend_entry *entry = &b->entries[slot];

	return entry->check ? check_aim_text(&entry->aim, entry->spec.port) : util_strdup("");
}
