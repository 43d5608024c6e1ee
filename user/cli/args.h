/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands on the command line, taken apart. Pure; errors are sentences the caller frees. */
#ifndef STEER_CLI_ARGS_H
#define STEER_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct args_flag {
	const char *name;  /* without the dashes */
	char letter;	   /* 0: none */
	const char *value; /* what its argument is called; NULL: it takes none */
	bool is_later;	   /* promised to users, but of a later version */
};

/*
 * "--name=V", "--name V", "-x V", "-xV"; "--" ends the flags, "-" alone is an argument. Sets
 * values[i] for each of the n flags that is there ("" if it takes no argument) and leaves the
 * others. What is no flag goes to `rest`, which holds argc pointers; with `stop`, everything
 * from the first such argument on does. 0, or -EINVAL with *ret_error.
 */
int args_parse(const struct args_flag *flags, size_t n, int argc, char **argv, bool stop,
	       const char **values, char **rest, size_t *ret_rest_n, char **ret_error);

/* "blue=80": 0 with a name the caller frees, or -EINVAL with *ret_error. */
int args_split_entry(const char *text, char **ret_stack, uint32_t *ret_weight, char **ret_error);

/* "10.0.0.1:80" or "[2001:db8::1]:80": 0 with an address the caller frees, or -EINVAL. */
int args_endpoint(const char *text, char **ret_address, uint16_t *ret_port, char **ret_error);

/*
 * "blue" or "blue/10.1.0.11" (IPv6 with or without brackets): 0 with texts the caller frees,
 * *ret_address NULL for the whole stack, or -EINVAL.
 */
int args_target(const char *text, char **ret_stack, char **ret_address, char **ret_error);

/* Seconds, "2" or "0.5", above 0 and up to a day. 0 or -EINVAL. */
int args_timeout(const char *text, uint32_t *ret_ms, char **ret_error);

/* Whether a daemon's address is one of unix:PATH, /PATH and HOST:PORT. 0 or -EINVAL. */
int args_address(const char *text, char **ret_error);

#endif
