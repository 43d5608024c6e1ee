/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line of steerd. Pure. */
#ifndef STEER_OPTIONS_H
#define STEER_OPTIONS_H

#include "common/log.h"

#define OPTIONS_CONFIG "/etc/steerd/steerd.yaml"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK, /* validate the node file and leave */
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

struct options {
	enum options_action action;
	const char *config; /* into argv, or OPTIONS_CONFIG */
	enum log_level log_level;
};

/*
 * 0, or -EINVAL with one line in *ret_error that says what is wrong, which the caller prints,
 * exits with 2, and frees. --help and --version win over all else that is right.
 */
int options_parse(int argc, char *const *argv, struct options *ret, char **ret_error);

extern const char options_usage[]; /* for --help */

#endif
