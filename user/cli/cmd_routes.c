/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* apply, split, rollback: what changes the routes. */
#include <errno.h>
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/json_print.h"
#include "cli/routes_wire.h"
#include "common/routes_check.h"
#include "common/routes_yaml.h"
#include "common/util.h"

#define ROUTES_MAX (16 << 20) /* bytes on standard input */

static void print_moves(const struct cli *cli, const json_t *moves)
{
	static const struct table_column columns[] = {
		{"SERVICE", TABLE_LEFT},
		{"CLIENTS THAT CHANGE STACK", TABLE_RIGHT},
	};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	char text[FORMAT_MAX];
	size_t index;
	json_t *move;

	json_array_foreach(moves, index, move)
	{
		struct table_row *row = table_add(table, NULL);

		table_set(row, 0, json_text_of(move, "service"));
		table_set(row, 1, format_share(json_real_of(move, "moved_share"), text));
	}
	table_print(table, stdout);
}

/* The plan of a change, and the version that is live after it. */
static enum cli_result print_change(const struct cli *cli, const json_t *reply, bool dry_run)
{
	const json_t *plan = json_object_get(reply, "plan");
	uint64_t version = json_number_of(reply, "version");
	size_t index;
	json_t *change;

	if (cli->json)
		return cli_print_json(reply, false);
	json_array_foreach(json_object_get(plan, "changes"), index, change)
		cli_print_line("", json_string_value(change));
	if (index == 0)
		printf("nothing changes\n");
	print_moves(cli, json_object_get(plan, "moves"));
	if (dry_run)
		printf("dry run: nothing was done, version %" PRIu64 " stays live\n", version);
	else
		printf("version %" PRIu64 " is live\n", version);
	return CLI_DONE;
}

static int load(const char *path, struct routes **ret_routes, struct problems *problems)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	int ret;

	if (strcmp(path, "-") != 0)
		return routes_yaml_load(path, ret_routes, problems);
	ret = util_read_file("/dev/stdin", ROUTES_MAX, &text, &size);
	if (ret < 0) {
		problems_add(problems, "", 0, "cannot read standard input: %s", strerror(-ret));
		return ret;
	}
	return routes_yaml_parse(text, size, ret_routes, problems);
}

/* Form and meaning are judged here, with lines; what this node can hold, by its agent. */
static enum cli_result load_routes(const char *path, struct routes **ret_routes)
{
	static const struct routes_limits limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL;
	CLEANUP_FREE char *text = NULL;
	int ret = load(path, &routes, &problems);

	if (!ret)
		ret = routes_check(routes, &limits, &problems);
	if (ret < 0) {
		text = problems_text(&problems, strcmp(path, "-") == 0 ? "stdin" : path);
		fprintf(stderr, "%s%s", text ?: strerror(-ret),
			text && *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
		return CLI_FAILED;
	}
	*ret_routes = TAKE(routes);
	return CLI_DONE;
}

enum cli_result command_apply(struct cli *cli, const struct cli_input *input)
{
	CLEANUP_RPC_BYTES struct rpc_bytes request = {0}, reply = {0};
	bool dry_run = input->flags[APPLY_DRY_RUN];
	CLEANUP_ROUTES struct routes *routes = NULL;
	CLEANUP_JSON json_t *answer = NULL;
	enum cli_result result;

	if (!input->flags[APPLY_FILE])
		return cli_misuse(cli, "which routes file? -f FILE, or -f - for standard input");
	result = load_routes(input->flags[APPLY_FILE], &routes);
	if (result)
		return result;
	routes_wire_apply(routes, dry_run, &request);
	result = cli_call_packed(cli, "Apply", request.data, request.size, &reply);
	if (!result)
		result = cli_unpack(cli, "steerd.v1.ApplyResponse", &reply, &answer);
	return result ?: print_change(cli, answer, dry_run);
}

static bool is_named(const json_t *split, const char *stack)
{
	size_t index;
	json_t *entry;

	json_array_foreach(split, index,
			   entry) if (strcmp(json_text_of(entry, "stack"), stack) == 0) return true;
	return false;
}

static enum cli_result read_split(const struct cli *cli, char **args, size_t n, json_t *split)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP_FREE char *stack = NULL;
		uint32_t weight;
		char *error;

		if (args_split_entry(args[i], &stack, &weight, &error) < 0)
			return cli_misuse_text(cli, error);
		if (is_named(split, stack))
			return cli_misuse(cli, "stack '%s' is named twice", stack);
		json_array_append_new(split, json_pack("{s:s, s:I}", "stack", stack, "weight",
						       (json_int_t)weight));
	}
	return CLI_DONE;
}

enum cli_result command_split(struct cli *cli, const struct cli_input *input)
{
	CLEANUP_JSON json_t *split = json_array();
	bool dry_run = input->flags[SPLIT_DRY_RUN];
	CLEANUP_JSON json_t *reply = NULL;
	enum cli_result result;

	result = read_split(cli, input->args + 1, input->n - 1, split);
	if (result)
		return result;
	result = cli_call(cli, "SetSplit",
			  json_pack("{s:s, s:O, s:b}", "service", input->args[0], "split", split,
				    "dry_run", dry_run),
			  &reply);
	return result ?: print_change(cli, reply, dry_run);
}

enum cli_result command_rollback(struct cli *cli, const struct cli_input *input)
{
	CLEANUP_JSON json_t *reply = NULL;
	enum cli_result result;

	result = cli_call(cli, "Rollback",
			  json_pack("{s:s}", "service", input->n ? input->args[0] : ""), &reply);
	return result ?: print_change(cli, reply, false);
}
