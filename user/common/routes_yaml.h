/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The routes document as YAML text. Reading judges the form: unknown keys, keys that belong to a
 * later version ("not supported yet: KEY"), numbers, durations, addresses, words. What the
 * document means is judged by routes_check(). Defaults are filled in; an empty text is a valid
 * document without stacks and services.
 */
#ifndef STEER_ROUTES_YAML_H
#define STEER_ROUTES_YAML_H

#include "common/routes.h"

/* 0; -EINVAL or -EFBIG with every error found in `problems`. Items keep the file's order. */
int routes_yaml_parse(const char *text, size_t size, struct routes **ret,
		      struct problems *problems);

/* The same for a file; also -errno, with a problem that says so, where it cannot be read. */
int routes_yaml_load(const char *path, struct routes **ret, struct problems *problems);

/*
 * The document as text that routes_yaml_parse() reads back to equal routes. For routes that
 * routes_check() accepts; -EINVAL for text that is no UTF-8. The caller frees.
 */
int routes_yaml_emit(const struct routes *routes, char **ret_text);

#endif
