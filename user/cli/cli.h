/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every command of steerctl works with: options, the connection, ways to say what is wrong. */
#ifndef STEER_CLI_CLI_H
#define STEER_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/args.h"
#include "cli/schema.h"
#include "cli/table.h"
#include "rpc/client.h"

/* What became of a command; main() makes the exit status of it. */
enum cli_result {
	CLI_DONE = 0,
	CLI_FAILED = 1, /* refused or failed; standard error says why */
	CLI_MISUSED = 2,
};

#define CLI_ADDRESS_DEFAULT    "unix:///run/steerd/steerd.sock"
#define CLI_TIMEOUT_DEFAULT_MS 10000

struct cli {
	struct rpc_client_options target;
	uint32_t timeout_ms;
	uint32_t patience_ms; /* how long a call waits for a steerd that is gone to come back */
	bool json;
	struct table_look look;
	const struct cli_command *command;
	struct rpc_client *client; /* NULL until cli_connect() */
	struct schema *schema;	   /* of the compiled-in protocols; NULL until cli_schema() */
};

/* A command's arguments: `flags` as its table says, "" for those without a value, else NULL. */
struct cli_input {
	const char **flags;
	char **args;
	size_t n;
};

struct cli_command {
	const char *name;
	const char *synopsis;	       /* "split SERVICE STACK=WEIGHT... [--dry-run]" */
	const char *summary;	       /* a line */
	const char *help;	       /* the rest, paragraphs and examples */
	const struct args_flag *flags; /* beside the global ones */
	size_t flags_n;
	size_t args_min;
	size_t args_max;
	enum cli_result (*run)(struct cli *cli, const struct cli_input *input);
};

/* Parses argv and runs the command. */
enum cli_result cli_run(int argc, char **argv);

/* Both print a line on standard error. */
enum cli_result cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum cli_result cli_misuse(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same with a sentence it frees, for what args.h says. */
enum cli_result cli_misuse_text(const struct cli *cli, char *message);

enum cli_result cli_connect(struct cli *cli);
const struct schema *cli_schema(struct cli *cli);

/* Says why a call failed: one line for each problem. */
enum cli_result cli_fail_call(const struct cli *cli, const char *method,
			      const struct rpc_error *error);

/*
 * Calls a method of steerd.v1.AgentService. Takes over `request`; *ret_reply has every field of
 * the reply, defaults included.
 */
enum cli_result cli_call(struct cli *cli, const char *method, json_t *request, json_t **ret_reply);
enum cli_result cli_call_packed(struct cli *cli, const char *method, const void *request,
				size_t size, struct rpc_bytes *ret_reply);
enum cli_result cli_unpack(struct cli *cli, const char *type, const struct rpc_bytes *bytes,
			   json_t **ret_value);

/* Text of the daemon's on a line of its own, without control characters. */
void cli_print_line(const char *prefix, const char *text);

enum cli_result cli_print_json(const json_t *value, bool on_one_line);

#endif
