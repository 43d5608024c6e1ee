/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_aim.h"

#include "agent/check_answers.h"
#include "agent/check_path.h"
#include "agent/rtnl.h"
#include "common/log.h"
#include "common/util.h"

#include <errno.h>

#define REVIEW_MS     1000 /* between looks at whether the path is whole */
#define OPEN_AGAIN_MS 5000 /* between attempts to open it */

/* A stack some of whose backends are checked directly, though another way was wanted. */
struct kept_off {
	char stack[STEER_NAME];
	uint32_t backends;
};

struct check_aims {
	char *pin_dir;
	int backends_fd;
	void (*review)(void *userdata);
	void *userdata;
	struct check_path *path; /* NULL: not open, and `closed` says why */
	char closed[CHECK_DETAIL_MAX];
	uint64_t tried_ms;
	struct check_answers *answers;
	int addresses_fd; /* tells that this host's addresses changed */
	void *buffer;
	sd_event_source *addresses;
	sd_event_source *timer;
	struct kept_off kept_off[2 * STEER_STACKS]; /* of either bank, while they change */
};

static void say_closed(struct check_aims *aims, int err)
{
	char before[CHECK_DETAIL_MAX];

	snprintf(before, sizeof(before), "%s", aims->closed);
	if (err == -EADDRINUSE)
		snprintf(aims->closed, sizeof(aims->closed),
			 "another steerd in this network namespace has the checks' path");
	else
		snprintf(aims->closed, sizeof(aims->closed),
			 "the checks' path cannot be opened here (%s); it needs tc filters and "
			 "routing by mark (cls_bpf, sch_ingress, multiple tables)",
			 strerror(-err));
	if (strcmp(before, aims->closed))
		log_warning("health checks go to the backends' own addresses: %s", aims->closed);
}

static void open_path(struct check_aims *aims)
{
	int err;

	aims->tried_ms = util_now_ms();
	err = check_path_open(aims->pin_dir, aims->backends_fd, &aims->path);
	if (err)
		say_closed(aims, err);
	else if (aims->closed[0])
		log_info("the way of health checks through the datapath is open now");
	if (!err)
		aims->closed[0] = '\0';
}

static void mend_path(struct check_aims *aims)
{
	bool missing = false;
	int err = check_path_mend(aims->path, &missing);

	if (err) {
		check_path_close(TAKE(aims->path));
		say_closed(aims, err);
	} else if (missing) {
		log_warning("the filter on lo or the routing rule that health checks go by had "
			    "been taken out by somebody, and are back");
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct check_aims *aims = userdata;

	(void)usec;
	if (aims->path)
		mend_path(aims);
	else if (util_now_ms() - aims->tried_ms >= OPEN_AGAIN_MS)
		open_path(aims);
	aims->review(aims->userdata);
	sd_event_source_set_time_relative(source, REVIEW_MS * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* A VIP may have come to this host, or left it. Which one does not matter. */
static int on_addresses(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct check_aims *aims = userdata;
	bool changed = false;
	ssize_t n;

	(void)source;
	(void)revents;
	while ((n = rtnl_receive(fd, aims->buffer)) > 0 || n == -ENOBUFS)
		changed = true;
	if (changed) {
		check_answers_forget(aims->answers);
		aims->review(aims->userdata);
	}
	return 0;
}

static int follow(struct check_aims *aims, sd_event *loop)
{
	const unsigned int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
	int err = check_answers_new(&aims->answers);

	if (err)
		return err;
	aims->buffer = util_calloc(1, RTNL_RECEIVE_MAX);
	aims->addresses_fd = rtnl_open(groups, ARRAY_SIZE(groups));
	if (aims->addresses_fd < 0)
		return aims->addresses_fd;
	err = sd_event_add_io(loop, &aims->addresses, aims->addresses_fd, EPOLLIN, on_addresses,
			      aims);
	if (err >= 0)
		err = sd_event_add_time_relative(loop, &aims->timer, CLOCK_MONOTONIC,
						 REVIEW_MS * 1000, 0, on_timer, aims);
	return err < 0 ? err : 0;
}

int check_aims_new(sd_event *loop, const char *pin_dir, int backends_fd,
		   void (*review)(void *userdata), void *userdata, struct check_aims **ret)
{
	struct check_aims *aims = util_calloc(1, sizeof(*aims));
	int err = 0;

	*aims = (struct check_aims){.pin_dir = pin_dir ? util_strdup(pin_dir) : NULL,
				    .backends_fd = backends_fd,
				    .review = review,
				    .userdata = userdata,
				    .addresses_fd = -1};
	if (backends_fd >= 0) {
		open_path(aims);
		err = follow(aims, loop);
	}
	if (err) {
		check_aims_free(aims);
		return err;
	}
	*ret = aims;
	return 0;
}

void check_aims_free(struct check_aims *aims)
{
	if (!aims)
		return;
	sd_event_source_disable_unref(aims->addresses);
	sd_event_source_disable_unref(aims->timer);
	if (aims->addresses_fd >= 0)
		close(aims->addresses_fd);
	check_answers_free(aims->answers);
	check_path_close(aims->path);
	free(aims->buffer);
	free(aims->pin_dir);
	free(aims);
}

/* Why not through the datapath, or NULL and the way is set. */
static const char *find_way(struct check_aims *aims, const struct check_wish *wish,
			    struct check_way *way)
{
	const struct address *vip = check_vips_pick(wish->vips, wish->address, wish->forward);
	const struct check_route *families;
	const char *obstacle;

	if (!aims->path)
		return aims->closed;
	if (!vip)
		return "no service sends to the stack, so that there is no VIP to ask at";
	families = check_path_families(aims->path);
	if (!(address_is_ipv4(vip) ? families->ipv4 : families->ipv6))
		return "this host does not route the VIP's family by mark";
	obstacle = check_answers_obstacle(aims->answers, vip, wish->hop, &way->probe.source);
	way->probe.vip = *vip;
	way->probe.mark = check_path_mark(wish->slot);
	way->mode = wish->forward == FORWARD_AS_IPIP ? "ipip" : "l2";
	return obstacle;
}

/* The stack's, or a place that nobody needs. There are enough. */
static struct kept_off *kept_off_of(struct check_aims *aims, const char *stack)
{
	struct kept_off *free_place = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(aims->kept_off); i++) {
		if (!aims->kept_off[i].backends)
			free_place = &aims->kept_off[i];
		else if (!strcmp(aims->kept_off[i].stack, stack))
			return &aims->kept_off[i];
	}
	return free_place;
}

void check_aims_say(struct check_aims *aims, const char *stack, const struct check_aim *was,
		    const struct check_aim *is)
{
	bool was_off = was->why[0], is_off = is && is->why[0];
	struct kept_off *off = was_off != is_off ? kept_off_of(aims, stack) : NULL;

	if (!off)
		return;
	snprintf(off->stack, sizeof(off->stack), "%s", stack);
	off->backends += is_off ? 1 : -1U;
	/* That nothing goes through the path has been said once for all. */
	if (!aims->path)
		return;
	if (is_off && off->backends == 1)
		log_warning("stack %s: health checks go to its backends' own addresses: %s", stack,
			    is->why);
	else if (!off->backends && is && !is->direct)
		log_info("stack %s: health checks go through the datapath", stack);
}

void check_aims_decide(struct check_aims *aims, const struct check_wish *wish,
		       struct check_aim *ret)
{
	struct check_aim aim = {.both = wish->via == HEALTH_VIA_BOTH};
	const char *why;

	/* Where it has no next hop nothing gets through, which is said elsewhere. */
	if (wish->via == HEALTH_VIA_DIRECT || wish->forward == FORWARD_AS_LOCAL ||
	    (aims->path && !wish->hop)) {
		*ret = (struct check_aim){.direct = true};
		return;
	}
	why = find_way(aims, wish, &aim.way);
	if (why) {
		aim = (struct check_aim){.direct = true};
		snprintf(aim.why, sizeof(aim.why), "%s", why);
	}
	*ret = aim;
}

bool check_aim_equal(const struct check_aim *a, const struct check_aim *b)
{
	if (a->direct || b->direct)
		return a->direct == b->direct;
	return a->both == b->both && a->way.mode == b->way.mode &&
	       a->way.probe.mark == b->way.probe.mark &&
	       !address_compare(&a->way.probe.vip, &b->way.probe.vip) &&
	       !address_compare(&a->way.probe.source, &b->way.probe.source);
}

char *check_aim_text(const struct check_aim *aim, uint16_t port)
{
	CLEANUP_FREE char *way = aim->direct ? NULL : check_way_text(&aim->way, port);

	if (aim->direct)
		return util_format("directly%s%s", aim->why[0] ? ": " : "", aim->why);
	return util_format("%s%s", way, aim->both ? ", and directly" : "");
}
