/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Content negotiation: what a client's Accept header (RFC 9110, 12.5.1) likes best. Pure. */
#ifndef STEER_HTTP_ACCEPT_H
#define STEER_HTTP_ACCEPT_H

#include <stddef.h>

struct http_offer {
	const char *type;	/* "text/plain" */
	const char *parameters; /* that a range must have to mean it: "a=b;c=d", or "" */
};

/*
 * The index of the offer with the highest quality; between equals, the one that is named more
 * exactly, then the first. No header (NULL), or nothing that is liked: the first.
 */
size_t http_accept_best(const char *accept, const struct http_offer *offers, size_t n);

#endif
