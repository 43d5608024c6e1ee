/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* health and drain: what people say against, or instead of, the checks. */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/json_print.h"
#include "common/util.h"

struct word {
	const char *word;
	const char *override; /* enum steerd.v1.HealthOverride */
	const char *effect;
};

static const struct word words[] = {
	{"up", "HEALTH_OVERRIDE_UP", "up by hand"},
	{"down", "HEALTH_OVERRIDE_DOWN", "down by hand"},
	{"auto", "HEALTH_OVERRIDE_AUTO", "as its checks say"},
};
static const struct word drain = {"drain", "HEALTH_OVERRIDE_DRAIN", "draining"};

static enum cli_result set_health(struct cli *cli, const char *target, const struct word *word)
{
	CLEANUP_FREE char *stack = NULL, *address = NULL;
	CLEANUP_JSON json_t *reply = NULL;
	enum cli_result result;
	uint64_t backends;
	char *error;

	if (args_target(target, &stack, &address, &error) < 0)
		return cli_misuse_text(cli, error);
	result = cli_call(cli, "SetHealth",
			  json_pack("{s:s, s:s, s:s}", "stack", stack, "address", address ?: "",
				    "override", word->override),
			  &reply);
	if (result)
		return result;
	if (cli->json)
		return cli_print_json(reply, false);
	backends = json_number_of(reply, "backends");
	printf("%s: %s (%" PRIu64 " backend%s)\n", target, word->effect, backends,
	       backends == 1 ? "" : "s");
	if (word != &words[2])
		printf("'steerctl health %s auto' gives it back to its checks\n", target);
	return CLI_DONE;
}

enum cli_result command_health(struct cli *cli, const struct cli_input *input)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(input->args[1], words[i].word) == 0)
			return set_health(cli, input->args[0], &words[i]);
	if (strcmp(input->args[1], drain.word) == 0)
		return cli_misuse(cli, "draining has a command of its own: steerctl drain %s",
				  input->args[0]);
	return cli_misuse(cli, "'%s' is not up, down or auto", input->args[1]);
}

enum cli_result command_drain(struct cli *cli, const struct cli_input *input)
{
	return set_health(cli, input->args[0], &drain);
}
