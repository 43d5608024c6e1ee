/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* status: what is live. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/json_print.h"
#include "cli/routes_wire.h"
#include "common/text.h"
#include "common/util.h"

#define WORD_MAX 32

/* "STAGE_RELEASE_CANDIDATE" to "release candidate"; "" for an unspecified value. */
static const char *enum_word(const json_t *object, const char *key, size_t prefix, char *word)
{
	const char *name = json_text_of(object, key);
	size_t i = 0;

	if (strlen(name) > prefix && strcmp(name + prefix, "UNSPECIFIED") != 0)
		for (; name[prefix + i] && i < WORD_MAX - 1; i++)
			word[i] = name[prefix + i] == '_' ? ' ' : (char)tolower(name[prefix + i]);
	word[i] = '\0';
	return word;
}

static void append(char **text, const char *separator, const char *more)
{
	char *longer = util_format("%s%s%s", *text, **text ? separator : "", more);

	free(*text);
	*text = longer;
}

/* The items of a list of text or numbers. */
static char *join(const json_t *list, const char *separator)
{
	char *text = util_strdup("");
	size_t index;
	json_t *item;

	json_array_foreach(list, index, item)
	{
		char number[24];

		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(item));
		append(&text, separator, json_is_string(item) ? json_string_value(item) : number);
	}
	return text;
}

static const char *since(uint64_t unix_ms, uint64_t now_ms, char *text)
{
	return format_duration(now_ms > unix_ms ? now_ms - unix_ms : 0, text);
}

static void print_head(const json_t *status, uint64_t now_ms)
{
	CLEANUP_FREE char *head = NULL;
	char text[FORMAT_MAX];
	uint64_t version = json_number_of(status, "version");
	uint64_t previous = json_number_of(status, "previous_version");

	head = util_format("%s: steerd %s, up %s", json_text_of(status, "node"),
			   json_text_of(status, "program_version"),
			   since(json_number_of(status, "started_unix_ms"), now_ms, text));
	cli_print_line("", head);
	if (!version) {
		printf("no routes yet: steerctl apply -f FILE\n");
		return;
	}
	printf("routes version %" PRIu64 ", by %s, live for %s", version,
	       json_text_of(status, "applied_by"),
	       since(json_number_of(status, "applied_unix_ms"), now_ms, text));
	if (previous)
		printf("; a rollback restores %" PRIu64, previous);
	printf("\n");
	if (*json_text_of(status, "persist_error"))
		cli_print_line("not saved, a reboot would lose these routes: ",
			       json_text_of(status, "persist_error"));
}

static void print_interfaces(const struct cli *cli, const json_t *interfaces)
{
	static const struct table_column columns[] = {
		{"INTERFACE", TABLE_LEFT}, {"XDP", TABLE_LEFT}, {"ROLE", TABLE_LEFT}};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *item;

	json_array_foreach(interfaces, index, item)
	{
		struct table_row *row = table_add(table, NULL);

		table_set(row, 0, json_text_of(item, "name"));
		table_set(row, 1, json_text_of(item, "mode"));
		table_set(row, 2, json_text_of(item, "role"));
	}
	if (index)
		printf("\n");
	table_print(table, stdout);
}

/* What people know a service by: "tcp 203.0.113.10 2001:db8::10 port 80,443". */
static char *service_reach(const json_t *service)
{
	const json_t *ports = json_object_get(service, "ports");
	CLEANUP_FREE char *vips = join(json_object_get(service, "vips"), " ");
	CLEANUP_FREE char *list = join(ports, ",");
	char protocol[WORD_MAX];

	enum_word(service, "protocol", strlen("PROTOCOL_"), protocol);
	if (json_array_size(ports) == 0)
		return util_format("%s %s, every port", protocol, vips);
	return util_format("%s %s port%s %s", protocol, vips, *list ? "" : "s", list);
}

static void set_traffic(struct table_row *row, size_t column, const json_t *item)
{
	char text[FORMAT_MAX];

	table_set(row, column, format_count(json_number_of(item, "packets"), text));
	table_set(row, column + 1, format_bytes(json_number_of(item, "bytes"), text));
}

static void print_services(const struct cli *cli, const json_t *services)
{
	static const struct table_column columns[] = {
		{"SERVICE", TABLE_LEFT},
		{"REACHED AT", TABLE_WRAP},
		{"PACKETS", TABLE_SPARE},
		{"BYTES", TABLE_SPARE},
	};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *item;

	json_array_foreach(services, index, item)
	{
		struct table_row *row = table_add(table, NULL);
		CLEANUP_FREE char *reach = service_reach(item);

		table_set(row, 0, json_text_of(item, "name"));
		table_set(row, 1, reach);
		set_traffic(row, 2, item);
	}
	if (index)
		printf("\n");
	table_print(table, stdout);
}

/* Why the share is not as wanted. */
static char *share_state(const json_t *service, const json_t *share)
{
	CLEANUP_FREE char *heirs = join(json_object_get(share, "taken_by"), ", ");

	if (json_flag_of(service, "panic"))
		return util_strdup("panic: health is ignored");
	if (!json_flag_of(share, "out"))
		return util_strdup("");
	return *heirs ? util_format("out, clients are with %s", heirs) : util_strdup("out");
}

static void add_shares(struct table *table, const json_t *service)
{
	size_t index;
	json_t *share;

	json_array_foreach(json_object_get(service, "shares"), index, share)
	{
		struct table_row *row = table_add(table, NULL);
		double wanted = json_real_of(share, "wanted_share");
		double now = json_real_of(share, "table_share");
		CLEANUP_FREE char *state = share_state(service, share);
		char text[FORMAT_MAX];

		table_set(row, 0, json_text_of(service, "name"));
		table_set(row, 1, json_text_of(share, "stack"));
		snprintf(text, sizeof(text), "%" PRIu64, json_number_of(share, "weight"));
		table_set(row, 2, text);
		table_set(row, 3, format_share(wanted, text));
		table_set(row, 4, format_share(now, text));
		/* The table is as fine as 1/4096: more than that is health's doing. */
		if (now < wanted - 0.001 || now > wanted + 0.001)
			table_paint(row, 4, TABLE_BAD);
		table_set(row, 5, format_count(json_number_of(share, "new_flows"), text));
		table_set(row, 6, state);
	}
}

static void print_shares(const struct cli *cli, const json_t *services)
{
	static const struct table_column columns[] = {
		{"SERVICE", TABLE_LEFT}, {"STACK", TABLE_LEFT}, {"WEIGHT", TABLE_SPARE},
		{"WANTED", TABLE_RIGHT}, {"NOW", TABLE_RIGHT},	{"NEW FLOWS", TABLE_RIGHT},
		{"STATE", TABLE_WRAP},
	};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *service;

	json_array_foreach(services, index, service) add_shares(table, service);
	if (index)
		printf("\n");
	table_print(table, stdout);
}

enum { STACK_NAME, STACK_STATE, STACK_SINCE, STACK_WEIGHT, STACK_PACKETS, STACK_BYTES, STACK_WHY };

static const char *backend_state(const json_t *backend)
{
	const char *override = json_text_of(backend, "override");

	if (strcmp(override, "HEALTH_OVERRIDE_DRAIN") == 0)
		return "drain";
	return json_flag_of(backend, "up") ? "up" : "down";
}

/* "; 12 flows left, 3 silent, let go in 4 min 10 s", as far as it drains. */
static char *drain_rest(const json_t *backend)
{
	uint64_t left_ms = json_number_of(backend, "drain_left_ms");
	uint64_t silent = json_number_of(backend, "silent_flows");
	CLEANUP_FREE char *text = util_strdup("");
	char part[FORMAT_MAX + 32], time[FORMAT_MAX];

	if (json_number_of(backend, "flows_counted_unix_ms")) {
		snprintf(part, sizeof(part), "%" PRIu64 " flows left",
			 json_number_of(backend, "flows"));
		append(&text, "", part);
		snprintf(part, sizeof(part), "%" PRIu64 " silent", silent);
		if (silent)
			append(&text, ", ", part);
	}
	snprintf(part, sizeof(part), "let go in %s", format_duration(left_ms, time));
	if (left_ms)
		append(&text, ", ", part);
	return TAKE(text);
}

/* "slow: 25.0 % of its share: half of its responses …"; "" where it is not. */
static char *slow_text(const json_t *backend)
{
	const char *slow = json_text_of(backend, "slow");
	char share[FORMAT_MAX];

	if (!*slow)
		return util_strdup("");
	return util_format("slow: %s of its share: %s",
			   format_share(json_real_of(backend, "part"), share), slow);
}

/* Why it is down, or forced up, or has less than its share. */
static char *backend_why(const json_t *backend)
{
	uint64_t slow_ms = json_number_of(backend, "slow_start_left_ms");
	uint64_t view_ms = json_number_of(backend, "view_left_ms");
	char *why = util_strdup(json_text_of(backend, "reason"));
	CLEANUP_FREE char *rest = drain_rest(backend), *slow = slow_text(backend);
	char part[2 * FORMAT_MAX + 32], share[FORMAT_MAX], time[FORMAT_MAX];

	snprintf(part, sizeof(part), "for %s more", format_duration(view_ms, time));
	if (view_ms)
		append(&why, " ", part);
	if (*rest)
		append(&why, "; ", rest);
	snprintf(part, sizeof(part), "slow start: %s of its share, all in %s",
		 format_share(json_real_of(backend, "part"), share),
		 format_duration(slow_ms, time));
	if (slow_ms)
		append(&why, "; ", part);
	if (*slow)
		append(&why, "; ", slow);
	return why;
}

static void add_backend(struct table *table, struct table_row *stack, const json_t *backend,
			uint64_t now_ms)
{
	struct table_row *row = table_add(table, stack);
	const char *state = backend_state(backend);
	CLEANUP_FREE char *why = backend_why(backend);
	uint64_t since_ms = json_number_of(backend, "since_unix_ms");
	char text[FORMAT_MAX];

	table_set(row, STACK_NAME, json_text_of(backend, "address"));
	table_set(row, STACK_STATE, state);
	table_paint(row, STACK_STATE, strcmp(state, "up") == 0 ? TABLE_GOOD : TABLE_BAD);
	if (since_ms)
		table_set(row, STACK_SINCE, since(since_ms, now_ms, text));
	snprintf(text, sizeof(text), "%" PRIu64, json_number_of(backend, "weight"));
	table_set(row, STACK_WEIGHT, text);
	set_traffic(row, STACK_PACKETS, backend);
	table_set(row, STACK_WHY, why);
}

/* Why health checks of its backends do not go the way that they would; NULL: they do. */
static const char *check_obstacle(const json_t *backends)
{
	static const char direct[] = "directly: ";
	size_t index;
	json_t *backend;

	json_array_foreach(backends, index, backend)
	{
		const char *check = json_text_of(backend, "check");

		if (strncmp(check, direct, strlen(direct)) == 0)
			return check;
	}
	return NULL;
}

static void add_stack(struct table *table, const json_t *stack, uint64_t now_ms)
{
	const json_t *backends = json_object_get(stack, "backends");
	const char *obstacle = check_obstacle(backends);
	CLEANUP_FREE char *ups = NULL, *kind = NULL;
	struct table_row *row = table_add(table, NULL);
	char stage[WORD_MAX], forward[WORD_MAX];
	size_t index, up_n = 0;
	json_t *backend;

	json_array_foreach(backends, index, backend) up_n += json_flag_of(backend, "up");
	ups = util_format("%zu/%zu", up_n, json_array_size(backends));
	enum_word(stack, "stage", strlen("STAGE_"), stage);
	enum_word(stack, "forward", strlen("FORWARD_"), forward);
	kind = util_format("%s%s%s%s%s", stage, *stage && *forward ? ", " : "", forward,
			   obstacle ? ", checked " : "", obstacle ? obstacle : "");
	table_set(row, STACK_NAME, json_text_of(stack, "name"));
	table_set(row, STACK_STATE, ups);
	table_paint(row, STACK_STATE, json_flag_of(stack, "up") ? TABLE_GOOD : TABLE_BAD);
	table_set(row, STACK_WHY, kind);
	json_array_foreach(backends, index, backend) add_backend(table, row, backend, now_ms);
}

static void print_stacks(const struct cli *cli, const json_t *stacks, uint64_t now_ms)
{
	static const struct table_column columns[] = {
		[STACK_NAME] = {"STACK/BACKEND", TABLE_TREE},
		[STACK_STATE] = {"UP", TABLE_LEFT},
		[STACK_SINCE] = {"SINCE", TABLE_RIGHT},
		[STACK_WEIGHT] = {"WEIGHT", TABLE_SPARE},
		[STACK_PACKETS] = {"PACKETS", TABLE_SPARE},
		[STACK_BYTES] = {"BYTES", TABLE_SPARE},
		[STACK_WHY] = {"WHAT", TABLE_WRAP},
	};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *stack;

	json_array_foreach(stacks, index, stack) add_stack(table, stack, now_ms);
	if (index)
		printf("\n");
	table_print(table, stdout);
}

/* Counters that count; the rest is noise to a reader. */
static void print_counters(const struct cli *cli, const json_t *counters)
{
	static const struct table_column columns[] = {{"DATAPATH", TABLE_LEFT},
						      {"PACKETS", TABLE_RIGHT}};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	char text[FORMAT_MAX];
	size_t index, n = 0;
	json_t *item;

	json_array_foreach(counters, index, item)
	{
		struct table_row *row;

		if (!json_number_of(item, "value"))
			continue;
		row = table_add(table, NULL);
		table_set(row, 0, json_text_of(item, "name"));
		table_set(row, 1, format_count(json_number_of(item, "value"), text));
		n++;
	}
	if (n)
		printf("\n");
	table_print(table, stdout);
}

static enum cli_result print_routes(struct cli *cli)
{
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};
	/* GetStatusRequest{routes: true} */
	static const uint8_t request[] = {0x08, 0x01};
	CLEANUP_FREE char *text = NULL;
	enum cli_result result;

	result = cli_call_packed(cli, "GetStatus", request, sizeof(request), &reply);
	if (result)
		return result;
	if (routes_wire_status_yaml(&reply, &text) < 0)
		return cli_fail("the live routes of %s hold something this steerctl does not know: "
				"see them with -o json",
				cli->target.address);
	fputs(text, stdout);
	return CLI_DONE;
}

enum cli_result command_status(struct cli *cli, const struct cli_input *input)
{
	bool routes = input->flags[STATUS_ROUTES];
	CLEANUP_JSON json_t *status = NULL;
	uint64_t now_ms = util_unix_ms();
	enum cli_result result;

	if (routes && !cli->json)
		return print_routes(cli);
	result = cli_call(cli, "GetStatus", json_pack("{s:b}", "routes", routes), &status);
	if (result)
		return result;
	if (cli->json)
		return cli_print_json(status, false);
	print_head(status, now_ms);
	print_interfaces(cli, json_object_get(status, "interfaces"));
	print_services(cli, json_object_get(status, "services"));
	print_shares(cli, json_object_get(status, "services"));
	print_stacks(cli, json_object_get(status, "stacks"), now_ms);
	print_counters(cli, json_object_get(status, "counters"));
	return CLI_DONE;
}
