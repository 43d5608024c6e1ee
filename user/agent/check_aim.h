/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decides how a backend is checked: through the datapath (check_path.h) at a VIP, or directly, and
 * why not through it where that was wanted. Opens the path, keeps it whole, and says in the log
 * once for each stack what keeps its checks off it.
 */
#ifndef STEER_CHECK_AIM_H
#define STEER_CHECK_AIM_H

#include "agent/check_vips.h"
#include "agent/checker.h"
#include "agent/nexthop.h"
#include "common/routes.h"

#include <systemd/sd-event.h>

struct check_aims;

/* How to check a backend; `direct` alone means something where it is set. */
struct check_aim {
	bool direct;
	bool both;
	struct check_way way;
	char why[CHECK_DETAIL_MAX]; /* direct, though another way was wanted; else "" */
};

/* What is known of the backend. */
struct check_wish {
	const struct address *address;
	enum forward forward;
	enum health_via via;
	uint32_t slot;
	const struct check_vips *vips;
	const struct nexthop *hop; /* resolved; NULL: it is not */
};

/*
 * backends_fd: of the map, -1: this node steers nothing. `review` comes from the loop where aims
 * may have changed. Takes its own reference to the loop. 0 or -errno; that the path cannot be
 * opened is no error, but logged, and tried again from time to time.
 */
int check_aims_new(sd_event *loop, const char *pin_dir, int backends_fd,
		   void (*review)(void *userdata), void *userdata, struct check_aims **ret);
void check_aims_free(struct check_aims *aims); /* closes the path; accepts NULL */

void check_aims_decide(struct check_aims *aims, const struct check_wish *wish,
		       struct check_aim *ret);

/*
 * A backend of the stack was checked so and now is so; NULL: it is not any more. The log has it
 * once for a stack, that its checks are kept off the path, and that they no longer are.
 */
void check_aims_say(struct check_aims *aims, const char *stack, const struct check_aim *was,
		    const struct check_aim *is);

/* Whether a check that goes by the one may go on under the other. */
bool check_aim_equal(const struct check_aim *a, const struct check_aim *b);

/* "through ipip at 203.0.113.10:80", "directly: no service sends to the stack"; the caller frees. */
char *check_aim_text(const struct check_aim *aim, uint16_t port);

#endif
