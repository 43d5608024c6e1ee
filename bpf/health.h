/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 3: may this backend have this packet? One byte answers; the agent stores it live. */
#ifndef STEER_HEALTH_H
#define STEER_HEALTH_H

#include "context.h"

/* What a service asks of a backend for new flows; in panic only that packets can be sent. */
static __always_inline __u8 health_wanted(const struct service *service)
{
	return service->panic ? BACKEND_ROUTE : BACKEND_NEW | BACKEND_ROUTE;
}

static __always_inline bool health_takes_new(const struct backend *b, __u8 wanted)
{
	return (b->state & wanted) == wanted;
}

/* For an established flow; a service that says `keep` only asks that packets can be sent. */
static __always_inline bool health_keeps(const struct steer_ctx *ctx)
{
	__u8 wanted = BACKEND_KEEP | BACKEND_ROUTE;

	if (ctx->service_flags & VIP_KEEP)
		wanted = BACKEND_ROUTE;
	return (ctx->backend->state & wanted) == wanted;
}

#endif
