/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* events: the event log. */
#include <inttypes.h>

#include "cli/codec.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/json_print.h"
#include "common/text.h"
#include "common/util.h"

#define METHOD "/steerd.v1.AgentService/WatchEvents"

static const char *const kinds[] = {"routes", "backend", "interface", "agent", "flow"};

/* Whether a list like "flow,backend" has the kind; NULL lists all. */
static bool is_wanted(const char *list, const char *kind)
{
	size_t length = strlen(kind);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strcspn(at, ",") == length && strncmp(at, kind, length) == 0)
			return true;
	return !list;
}

static enum cli_result check_kinds(const struct cli *cli, const char *list)
{
	CLEANUP_FREE char *copy = util_strdup(list);
	char *at = copy, *kind, suggestion[TEXT_SUGGESTION_MAX];

	while ((kind = strsep(&at, ","))) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			is_known |= strcmp(kinds[i], kind) == 0;
		text_suggest(kind, kinds, ARRAY_SIZE(kinds), suggestion);
		if (!is_known)
			return cli_misuse(cli,
					  "kind '%s' is none of routes, backend, interface, "
					  "agent and flow%s",
					  kind, suggestion);
	}
	return CLI_DONE;
}

static enum cli_result print_event(const struct cli *cli, json_t *event, uint64_t missed)
{
	CLEANUP_FREE char *message = util_strdup(json_text_of(event, "message"));
	char text[FORMAT_MAX];

	if (cli->json) {
		json_object_set_new(event, "missed", json_integer((json_int_t)missed));
		return cli_print_json(event, true);
	}
	text_make_printable(message);
	if (missed)
		printf("(%" PRIu64 " events lost here: this reader was too slow)\n", missed);
	printf("%s  %-9s  %s\n", format_time(json_number_of(event, "unix_ms"), text),
	       json_text_of(event, "kind"), message);
	if (fflush(stdout) != 0)
		return cli_fail("cannot write the output: %m");
	return CLI_DONE;
}

static enum cli_result print_stream(struct cli *cli, struct rpc_stream *stream, const char *wanted)
{
	uint64_t missed = 0; /* since the last event that was printed */

	for (;;) {
		CLEANUP_RPC_ERROR struct rpc_error error = {0};
		CLEANUP_RPC_BYTES struct rpc_bytes bytes = {0};
		CLEANUP_JSON json_t *event = NULL;
		enum cli_result result;
		int ret = rpc_stream_receive(stream, &bytes, &error);

		if (ret == 0)
			return CLI_DONE;
		if (ret < 0)
			return cli_fail_call(cli, "WatchEvents", &error);
		result = cli_unpack(cli, "steerd.v1.WatchEventsResponse", &bytes, &event);
		if (result)
			return result;
		missed += json_number_of(event, "missed");
		if (!is_wanted(wanted, json_text_of(event, "kind")))
			continue;
		result = print_event(cli, event, missed);
		missed = 0;
		if (result)
			return result;
	}
}

enum cli_result command_events(struct cli *cli, const struct cli_input *input)
{
	const char *after_text = input->flags[EVENTS_AFTER], *wanted = input->flags[EVENTS_KIND];
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	CLEANUP_FREE uint8_t *packed = NULL;
	CLEANUP_JSON json_t *request = NULL;
	CLEANUP_FREE char *error = NULL;
	bool follow = input->flags[EVENTS_FOLLOW];
	enum cli_result result;
	uint64_t after = 0;
	size_t size;

	if (after_text && text_parse_number(after_text, &after) < 0)
		return cli_misuse(cli, "sequence '%s' is not a number", after_text);
	result = wanted ? check_kinds(cli, wanted) : CLI_DONE;
	if (result)
		return result;
	request = json_pack("{s:b, s:s}", "follow", follow, "after_sequence", after_text ?: "0");
	if (codec_encode(schema_find_message(cli_schema(cli), "steerd.v1.WatchEventsRequest"),
			 request, &packed, &size, &error) < 0)
		return cli_fail("%s", error);
	result = cli_connect(cli);
	if (result)
		return result;
	if (rpc_stream_open(cli->client, METHOD, follow ? 0 : cli->timeout_ms, &stream) < 0)
		return cli_fail("the call could not be started");
	if (rpc_stream_send(stream, packed, size) == 0)
		rpc_stream_send_end(stream);
	return print_stream(cli, stream, wanted);
}
