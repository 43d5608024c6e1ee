/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* help, version: what the program says of itself. */
#include "cli/commands.h"
#include "common/text.h"
#include "common/util.h"

static const char globals_help[] =
	"  -a, --address ADDRESS    the daemon: unix:///PATH or HOST:PORT; or STEERD_ADDRESS;\n"
	"                           default " CLI_ADDRESS_DEFAULT "\n"
	"      --cert, --key, --ca FILE\n"
	"                           PEM files for HOST:PORT, which is always mutual TLS;\n"
	"                           or STEERD_CERT, STEERD_KEY, STEERD_CA\n"
	"      --timeout SECONDS    how long an answer may take, default 10\n"
	"  -o, --output table|json  for people, or for programs\n"
	"  -h, --help               what a command does\n";

static const char status_help[] =
	"Exit status: 0 done, 1 refused or failed (standard error says why and what to\n"
	"do), 2 wrong usage.\n";

void help_print_overview(FILE *out)
{
	fprintf(out, "steerctl: command line of steerd, which steers traffic between stacks\n"
		     "\n"
		     "usage: steerctl [OPTIONS] COMMAND ...\n"
		     "\n");
	for (size_t i = 0; i < commands_n; i++)
		fprintf(out, "  %-10s  %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\nOptions, before or after the command:\n%s\n%s", globals_help, status_help);
	fprintf(out, "'steerctl COMMAND --help' says more, with examples; see also steerctl(1).\n");
}

void help_print_command(const struct cli_command *command, FILE *out)
{
	fprintf(out, "steerctl %s: %s\n\nusage: steerctl %s\n\n%s\n", command->name,
		command->summary, command->synopsis, command->help);
	fprintf(out, "Options of every command:\n%s\n%s", globals_help, status_help);
}

enum cli_result command_help(struct cli *cli, const struct cli_input *input)
{
	char suggestion[TEXT_SUGGESTION_MAX];
	const struct cli_command *command;

	if (!input->n) {
		help_print_overview(stdout);
		return CLI_DONE;
	}
	command = commands_find(input->args[0]);
	if (!command) {
		text_suggest(input->args[0], commands_names(), commands_n, suggestion);
		return cli_misuse(cli, "unknown command '%s'%s", input->args[0], suggestion);
	}
	help_print_command(command, stdout);
	return CLI_DONE;
}

enum cli_result command_version(struct cli *cli, const struct cli_input *input)
{
	(void)input;
	if (cli->json)
		printf("{\"version\": \"%s\"}\n", STEER_VERSION);
	else
		printf("steerctl %s\n", STEER_VERSION);
	return CLI_DONE;
}
