/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* completion: shell scripts made from the table of commands, and the names they ask for. */
#include "cli/commands.h"
#include "cli/json_print.h"
#include "common/util.h"

#define NAMES_TIMEOUT_MS 1000 /* a person waits at the prompt */

static void print_words_of(const struct args_flag *flags, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!flags[i].is_later)
			printf(" --%s", flags[i].name);
}

/* What the arguments of a command can be, as shell code that sets `words`. */
static const char *argument_words(const char *command)
{
	static const struct {
		const char *command;
		const char *words;
	} table[] = {
		{"split", "case $n in 0) words=$(_steerctl_names services);; "
			  "*) words=$(_steerctl_names stacks | sed 's/$/=/');; esac"},
		{"rollback", "words=$(_steerctl_names services)"},
		{"health",
		 "case $n in 0) words=$(_steerctl_names stacks);; *) words='up down auto';; esac"},
		{"drain", "words=$(_steerctl_names stacks)"},
		{"explain", "case $n in 0) words=\"- $(_steerctl_names services)\";; "
			    "1) words='tcp udp';; esac"},
		{"sampling", "words='auto off'"},
		{"completion", "words='bash zsh'"},
		{"help", "words=$commands"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].command, command) == 0)
			return table[i].words;
	return ":";
}

/* The flags that take a value, as a pattern of `case`; the first is always there. */
static void print_value_flags(void)
{
	printf("-a|-o|-s|-k|-c|-i|-n");
	for (size_t i = 0; i < GLOBAL_MAX; i++)
		if (commands_globals[i].value)
			printf("|--%s", commands_globals[i].name);
	for (size_t i = 0; i < commands_n; i++)
		for (size_t j = 0; j < commands[i].flags_n; j++)
			if (commands[i].flags[j].value)
				printf("|--%s", commands[i].flags[j].name);
}

/* Works in bash, and in zsh below bashcompinit. */
static void print_function(void)
{
	printf("_steerctl_names() { steerctl --timeout 1 completion \"$1\" 2>/dev/null; }\n"
	       "_steerctl() {\n"
	       "\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" "
	       "previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
	       "\tlocal command= n=0 i word words= flags=\n"
	       "\tlocal commands='");
	for (size_t i = 0; i < commands_n; i++)
		printf("%s%s", i ? " " : "", commands[i].name);
	printf("'\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tword=\"${COMP_WORDS[i]}\"\n"
	       "\t\tcase \"$command:$word\" in\n"
	       "\t\tapply:-f) ((i++)); continue ;;\n"
	       "\t\tesac\n"
	       "\t\tcase \"$word\" in\n"
	       "\t\t");
	print_value_flags();
	printf(") ((i++)) ;;\n"
	       "\t\t-?*) ;;\n"
	       "\t\t*) if [ -z \"$command\" ]; then command=\"$word\"; else ((n++)); fi ;;\n"
	       "\t\tesac\n"
	       "\tdone\n"
	       "\tCOMPREPLY=()\n"
	       "\tcase \"$command:$previous\" in\n"
	       "\tapply:-f|apply:--file|*:--cert|*:--key|*:--ca)\n"
	       "\t\tCOMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	       "\t*:-o|*:--output) COMPREPLY=($(compgen -W 'table json' -- \"$cur\")); return ;;\n"
	       "\thistogram:-k|histogram:--kind) COMPREPLY=($(compgen -W 'connect response "
	       "service last-byte quic-handshake quic-spin' -- \"$cur\")); return ;;\n"
	       "\tevents:-k|events:--kind) COMPREPLY=($(compgen -W 'routes backend interface "
	       "agent flow' -- \"$cur\")); return ;;\n"
	       "\thistogram:-s|histogram:--service) COMPREPLY=($(compgen -W "
	       "\"$(_steerctl_names services)\" -- \"$cur\")); return ;;\n"
	       "\thistogram:--stack|histogram:-c|histogram:--compare) case \"$cur\" in\n"
	       "\t\t*,*) word=\"${cur%%%%,*},\" ;;\n"
	       "\t\t*) word= ;;\n"
	       "\t\tesac\n"
	       "\t\tCOMPREPLY=($(compgen -P \"$word\" -W \"$(_steerctl_names stacks)\" -- "
	       "\"${cur#\"$word\"}\")); return ;;\n"
	       "\tesac\n"
	       "\tcase \"$command\" in\n"
	       "\t'') words=$commands ;;\n");
	for (size_t i = 0; i < commands_n; i++) {
		printf("\t%s) flags='", commands[i].name);
		print_words_of(commands[i].flags, commands[i].flags_n);
		printf("'\n\t\t%s ;;\n", argument_words(commands[i].name));
	}
	printf("\tesac\n"
	       "\tcase \"$cur\" in\n"
	       "\t-*) words=\"$flags");
	print_words_of(commands_globals, GLOBAL_MAX);
	printf("\" ;;\n"
	       "\tesac\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "\tcase \"${COMPREPLY[*]}\" in *=) compopt -o nospace 2>/dev/null ;; esac\n"
	       "}\n");
}

static enum cli_result print_names(struct cli *cli, const char *list)
{
	CLEANUP_JSON json_t *status = NULL;
	enum cli_result result;
	size_t index;
	json_t *item;

	if (cli->timeout_ms > NAMES_TIMEOUT_MS)
		cli->timeout_ms = NAMES_TIMEOUT_MS;
	result = cli_call(cli, "GetStatus", json_object(), &status);
	if (result)
		return result;
	json_array_foreach(json_object_get(status, list), index, item)
		printf("%s\n", json_text_of(item, "name"));
	return CLI_DONE;
}

enum cli_result command_completion(struct cli *cli, const struct cli_input *input)
{
	const char *what = input->args[0];

	if (strcmp(what, "services") == 0 || strcmp(what, "stacks") == 0)
		return print_names(cli, what);
	if (strcmp(what, "zsh") == 0)
		printf("#compdef steerctl\nautoload -U +X bashcompinit && bashcompinit\n");
	else if (strcmp(what, "bash") != 0)
		return cli_misuse(cli, "there is no completion for '%s', only for bash and zsh",
				  what);
	print_function();
	printf("complete -F _steerctl steerctl\n");
	return CLI_DONE;
}
