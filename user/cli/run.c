/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From argv to a command that runs. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>

#include "cli/commands.h"
#include "common/text.h"
#include "common/util.h"

/* What the command line says, as far as it has been read. */
struct parsed {
	struct args_flag flags[GLOBAL_MAX + COMMANDS_FLAGS_MAX];
	const char *values[GLOBAL_MAX + COMMANDS_FLAGS_MAX];
	char **rest;
	size_t n;
};

static const char *setting(const char *flag, const char *variable, const char *fallback)
{
	const char *value = flag ? flag : getenv(variable);

	return value && *value ? value : fallback;
}

static enum cli_result read_output(struct cli *cli, const char *output)
{
	if (!output || strcmp(output, "table") == 0)
		return CLI_DONE;
	if (strcmp(output, "json") != 0)
		return cli_misuse(cli, "output '%s' is not table or json", output);
	cli->json = true;
	return CLI_DONE;
}

static enum cli_result read_globals(struct cli *cli, const char *const *values)
{
	char *error;

	cli->target.address = setting(values[GLOBAL_ADDRESS], "STEERD_ADDRESS",
				      CLI_ADDRESS_DEFAULT);
	cli->target.cert = setting(values[GLOBAL_CERT], "STEERD_CERT", NULL);
	cli->target.key = setting(values[GLOBAL_KEY], "STEERD_KEY", NULL);
	cli->target.ca = setting(values[GLOBAL_CA], "STEERD_CA", NULL);
	if (args_address(cli->target.address, &error) < 0)
		return cli_misuse_text(cli, error);
	if (values[GLOBAL_TIMEOUT] &&
	    args_timeout(values[GLOBAL_TIMEOUT], &cli->timeout_ms, &error) < 0)
		return cli_misuse_text(cli, error);
	return read_output(cli, values[GLOBAL_OUTPUT]);
}

static enum cli_result fail_command(const struct cli *cli, const char *name)
{
	char suggestion[TEXT_SUGGESTION_MAX];

	if (commands_is_later(name))
		return cli_misuse(cli, "not supported yet: %s", name);
	text_suggest(name, commands_names(), commands_n, suggestion);
	return cli_misuse(cli, "unknown command '%s'%s", name, suggestion);
}

static enum cli_result check_args(const struct cli *cli, char **args, size_t n)
{
	const struct cli_command *command = cli->command;

	if (n < command->args_min || n > command->args_max)
		return cli_misuse(cli, "usage: steerctl %s", command->synopsis);
	/* A JSON text is judged by its parser, which knows more. */
	for (size_t i = 0; i < n && command->run != command_call; i++)
		if (!text_is_printable(args[i]))
			return cli_misuse(cli, "argument %zu is not printable UTF-8 text", i + 1);
	return CLI_DONE;
}

static enum cli_result check_flags(const struct cli *cli, const char *const *values)
{
	for (size_t i = 0; i < cli->command->flags_n; i++)
		if (values[i] && cli->command->flags[i].is_later)
			return cli_misuse(cli, "not supported yet: --%s",
					  cli->command->flags[i].name);
	return CLI_DONE;
}

/* Global flags up to the command's name, then those that the command adds. */
static enum cli_result parse_command(struct cli *cli, struct parsed *parsed, int argc, char **argv)
{
	char *error;

	memcpy(parsed->flags, commands_globals, sizeof(commands_globals));
	if (args_parse(parsed->flags, GLOBAL_MAX, argc - 1, argv + 1, true, parsed->values,
		       parsed->rest, &parsed->n, &error) < 0)
		return cli_misuse_text(cli, error);
	if (!parsed->n)
		return CLI_DONE;
	cli->command = commands_find(parsed->rest[0]);
	if (!cli->command)
		return fail_command(cli, parsed->rest[0]);
	for (size_t i = 0; i < cli->command->flags_n; i++)
		parsed->flags[GLOBAL_MAX + i] = cli->command->flags[i];
	memmove(parsed->rest, parsed->rest + 1, --parsed->n * sizeof(*parsed->rest));
	if (args_parse(parsed->flags, GLOBAL_MAX + cli->command->flags_n, (int)parsed->n,
		       parsed->rest, false, parsed->values, parsed->rest, &parsed->n, &error) < 0)
		return cli_misuse_text(cli, error);
	return CLI_DONE;
}

static enum cli_result run_command(struct cli *cli, const struct parsed *parsed)
{
	struct cli_input input = {
		.flags = (const char **)parsed->values + GLOBAL_MAX,
		.args = parsed->rest,
		.n = parsed->n,
	};
	enum cli_result result;

	if (parsed->values[GLOBAL_HELP]) {
		if (cli->command)
			help_print_command(cli->command, stdout);
		else
			help_print_overview(stdout);
		return CLI_DONE;
	}
	if (!cli->command) {
		help_print_overview(stderr);
		return CLI_MISUSED;
	}
	result = check_flags(cli, input.flags);
	if (!result)
		result = check_args(cli, input.args, input.n);
	if (!result)
		result = read_globals(cli, parsed->values);
	return result ?: cli->command->run(cli, &input);
}

/* Names from the routes are UTF-8 whatever the terminal is. Says whether that is UTF-8, too. */
static bool set_locale(void)
{
	bool is_utf8;

	setlocale(LC_CTYPE, "");
	is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!is_utf8)
		setlocale(LC_CTYPE, "C.UTF-8");
	return is_utf8;
}

enum cli_result cli_run(int argc, char **argv)
{
	struct cli cli = {.timeout_ms = CLI_TIMEOUT_DEFAULT_MS};
	struct parsed parsed = {.rest = util_calloc((size_t)argc, sizeof(char *))};
	enum cli_result result;

	cli.look = table_look_stdout();
	cli.look.ascii = !set_locale();
	result = parse_command(&cli, &parsed, argc, argv);
	if (!result)
		result = run_command(&cli, &parsed);
	rpc_client_close(cli.client);
	schema_free(cli.schema);
	free(parsed.rest);
	if (fflush(stdout) != 0 && !result)
		result = cli_fail("cannot write the output: %s", strerror(errno));
	return result;
}
