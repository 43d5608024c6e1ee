/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the agent keeps on disk, as text and back. Pure. A text begins with a line that carries
 * the format's number and the SHA-256 of all that follows it; every line of it is a comment but
 * those of the content: for routes, what routes_yaml_parse() reads; for overrides, lines of
 * "STACK ADDRESS up|down|drain[ until=UNIX_MS]", with * for all of a stack's backends.
 */
#ifndef STEER_SAVED_H
#define STEER_SAVED_H

#include "abi.h"
#include "agent/health_state.h"
#include "common/routes.h"

#include <stdint.h>

#define SAVED_FORMAT  1
#define SAVED_WHY_MAX 256

struct saved_routes {
	struct routes *routes; /* NULL: none */
	uint64_t version;
	uint64_t applied_unix_ms;
	char *by; /* "file", "apply", … */
	char *tag; /* the controller's version_tag; "" or NULL: none. Control characters become "?" */
};

struct saved_override {
	char stack[STEER_NAME];
	bool whole_stack; /* `address` means nothing */
	struct address address;
	enum health_override override; /* never HEALTH_OVERRIDE_AUTO */
	uint64_t deadline_unix_ms;     /* of a drain; 0: none */
	bool forced;		       /* although it left a service without a backend; not saved */
	uint64_t expires_unix_ms; /* of a controller's view, which is not saved; 0: an operator's */
};

void saved_routes_clear(struct saved_routes *saved); /* frees what it owns */

/*
 * `sequence` orders the files: of two texts, the one with the higher is the newer. -EINVAL when
 * the routes cannot be written as text. The caller frees.
 */
int saved_routes_write(const struct saved_routes *saved, uint64_t sequence, char **ret_text,
		       size_t *ret_size);

/* -EINVAL, with a reason for people in why[SAVED_WHY_MAX], for any text that is not as written. */
int saved_routes_read(const char *text, size_t size, struct saved_routes *ret,
		      uint64_t *ret_sequence, char *why);

int saved_overrides_write(const struct saved_override *overrides, size_t n, char **ret_text,
			  size_t *ret_size);
int saved_overrides_read(const char *text, size_t size, struct saved_override **ret, size_t *ret_n,
			 char *why);

#endif
