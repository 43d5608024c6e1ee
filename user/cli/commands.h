/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The commands of steerctl: one table, from which parsing, help and completion are made. */
#ifndef STEER_CLI_COMMANDS_H
#define STEER_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command commands[];
extern const size_t commands_n;

enum commands_global {
	GLOBAL_ADDRESS,
	GLOBAL_CERT,
	GLOBAL_KEY,
	GLOBAL_CA,
	GLOBAL_TIMEOUT,
	GLOBAL_OUTPUT,
	GLOBAL_HELP,
	GLOBAL_MAX
};
extern const struct args_flag commands_globals[GLOBAL_MAX];

#define COMMANDS_FLAGS_MAX 6 /* of one command, beside the global ones */

const struct cli_command *commands_find(const char *name); /* NULL: none */

/* Promised to users, but of a later version. */
bool commands_is_later(const char *name);

/* Names of all commands, commands_n of them, for suggestions. */
const char *const *commands_names(void);

/* Indexes into cli_input.flags. */
enum { APPLY_FILE, APPLY_DRY_RUN };
enum { SPLIT_DRY_RUN, SPLIT_SEGMENT };
enum { HEALTH_FORCE, HEALTH_TTL };
enum { DRAIN_DEADLINE, DRAIN_WAIT, DRAIN_FORCE, DRAIN_TTL };
enum { STATUS_ROUTES };
enum { EVENTS_FOLLOW, EVENTS_AFTER, EVENTS_KIND };
enum {
	HISTOGRAM_SERVICE,
	HISTOGRAM_STACK,
	HISTOGRAM_BACKEND,
	HISTOGRAM_KIND,
	HISTOGRAM_FOR,
	HISTOGRAM_COMPARE
};
enum { TOP_INTERVAL, TOP_COUNT };
enum { CALL_LIST };

enum cli_result command_apply(struct cli *cli, const struct cli_input *input);
enum cli_result command_split(struct cli *cli, const struct cli_input *input);
enum cli_result command_rollback(struct cli *cli, const struct cli_input *input);
enum cli_result command_health(struct cli *cli, const struct cli_input *input);
enum cli_result command_drain(struct cli *cli, const struct cli_input *input);
enum cli_result command_status(struct cli *cli, const struct cli_input *input);
enum cli_result command_events(struct cli *cli, const struct cli_input *input);
enum cli_result command_histogram(struct cli *cli, const struct cli_input *input);
enum cli_result command_top(struct cli *cli, const struct cli_input *input);
enum cli_result command_sampling(struct cli *cli, const struct cli_input *input);
enum cli_result command_explain(struct cli *cli, const struct cli_input *input);
enum cli_result command_call(struct cli *cli, const struct cli_input *input);
enum cli_result command_completion(struct cli *cli, const struct cli_input *input);
enum cli_result command_version(struct cli *cli, const struct cli_input *input);
enum cli_result command_help(struct cli *cli, const struct cli_input *input);

void help_print_overview(FILE *out);
void help_print_command(const struct cli_command *command, FILE *out);

#endif
