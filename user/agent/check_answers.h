/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a VIP's answers to this host's own checks would get through to them: they come from an
 * address that the kernel may find impossible where they come from, and drop without a word.
 */
#ifndef STEER_CHECK_ANSWERS_H
#define STEER_CHECK_ANSWERS_H

#include "agent/nexthop.h"

#define CHECK_ANSWERS_TEXT_MAX 192

/* What the kernel says about packets from a VIP that come in by an interface. */
struct check_facts {
	bool has_route;	  /* to the VIP */
	bool is_local;	  /* it is an address of this host */
	uint32_t ifindex; /* where that route leads */
	int rp_filter;	  /* 0 to 2, of the interface; IPv4, as the next */
	bool accept_local;
};

/*
 * Why packets from this VIP by that interface would be dropped, to `text` of
 * CHECK_ANSWERS_TEXT_MAX bytes; "": they would not. Pure.
 */
void check_answers_judge(const struct address *vip, const struct check_facts *facts,
			 const struct nexthop *hop, char *text);

struct check_answers;

int check_answers_new(struct check_answers **ret); /* 0 or -errno */
void check_answers_free(struct check_answers *answers);

/*
 * Asks the kernel, or itself if it has asked not a second ago. Of a resolved next hop. NULL: the
 * answers would be taken, and *ret_source is the address of this host that they are to go to;
 * else why not, until the next call.
 */
const char *check_answers_obstacle(struct check_answers *answers, const struct address *vip,
				   const struct nexthop *hop, struct address *ret_source);

/* What it has asked may have changed. */
void check_answers_forget(struct check_answers *answers);

#endif
