/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* health and drain: what people say against, or instead of, the checks. */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/json_print.h"
#include "cli/order.h"
#include "common/util.h"

static const struct word {
	const char *word;
	const char *override; /* enum steerd.v1.HealthOverride */
	const char *effect;
} words[] = {
	{"up", "HEALTH_OVERRIDE_UP", "up by hand"},
	{"down", "HEALTH_OVERRIDE_DOWN", "down by hand"},
	{"auto", "HEALTH_OVERRIDE_AUTO", "as its checks say"},
};

static void print_done(const struct order *order, const char *effect, const json_t *reply)
{
	uint64_t backends = json_number_of(reply, "backends");

	printf("%s: %s (%" PRIu64 " backend%s)\n", order->target, effect, backends,
	       backends == 1 ? "" : "s");
	if (strcmp(order->override, "HEALTH_OVERRIDE_AUTO") == 0)
		return;
	if (order->deadline)
		printf("in %s the flows that are left go as the service's on_backend_down says\n",
		       order->deadline);
	if (order->ttl)
		printf("for %s, unless it is said again\n", order->ttl);
	printf("'steerctl health %s auto' gives it back to its checks\n", order->target);
}

static enum cli_result set_health(struct cli *cli, const struct cli_input *input,
				  const struct word *word)
{
	const struct order order = {.target = input->args[0],
				    .override = word->override,
				    .ttl = input->flags[HEALTH_TTL],
				    .force = input->flags[HEALTH_FORCE]};
	CLEANUP_JSON json_t *reply = NULL;
	enum cli_result result = order_give(cli, &order, &reply);

	if (result)
		return result;
	if (cli->json)
		return cli_print_json(reply, false);
	print_done(&order, word->effect, reply);
	return CLI_DONE;
}

enum cli_result command_health(struct cli *cli, const struct cli_input *input)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(input->args[1], words[i].word) == 0)
			return set_health(cli, input, &words[i]);
	if (strcmp(input->args[1], "drain") == 0)
		return cli_misuse(cli, "draining has a command of its own: steerctl drain %s",
				  input->args[0]);
	return cli_misuse(cli, "'%s' is not up, down or auto", input->args[1]);
}

enum cli_result command_drain(struct cli *cli, const struct cli_input *input)
{
	const struct order order = {.target = input->args[0],
				    .override = "HEALTH_OVERRIDE_DRAIN",
				    .deadline = input->flags[DRAIN_DEADLINE],
				    .ttl = input->flags[DRAIN_TTL],
				    .force = input->flags[DRAIN_FORCE]};
	CLEANUP_JSON json_t *reply = NULL;
	bool waits = input->flags[DRAIN_WAIT];
	enum cli_result result = order_give(cli, &order, &reply);

	if (result)
		return result;
	if (cli->json && !waits)
		return cli_print_json(reply, false);
	if (!cli->json)
		print_done(&order, "draining", reply);
	return waits ? order_wait(cli, &order, json_number_of(reply, "unix_ms")) : CLI_DONE;
}
