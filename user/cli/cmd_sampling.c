/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sampling: which share of new flows is measured. */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/json_print.h"
#include "cli/watch.h"
#include "common/text.h"
#include "common/util.h"

#define ONE_IN_MAX 65536

static enum cli_result print_sampling(const struct cli *cli, uint32_t one_in)
{
	if (cli->json) {
		CLEANUP_JSON json_t *object = json_pack("{s:i}", "one_in", (int)one_in);

		return cli_print_json(object, false);
	}
	if (one_in > 1)
		printf("one new flow in %" PRIu32 " is measured\n", one_in);
	else
		printf("%s\n", one_in ? "every new flow is measured" : "no new flow is measured");
	return CLI_DONE;
}

static enum cli_result show(struct cli *cli)
{
	CLEANUP_MEASURED struct measured *message = NULL;
	enum cli_result result = watch_once(cli, false, &message);

	return result ?: print_sampling(cli, message->sample_one_in);
}

enum cli_result command_sampling(struct cli *cli, const struct cli_input *input)
{
	bool is_off = input->n && strcmp(input->args[0], "off") == 0;
	CLEANUP_JSON json_t *reply = NULL;
	enum cli_result result;
	uint64_t one_in = 0;

	if (!input->n)
		return show(cli);
	if (!is_off && strcmp(input->args[0], "auto") != 0 &&
	    (text_parse_number(input->args[0], &one_in) < 0 || !one_in || one_in > ONE_IN_MAX))
		return cli_misuse(cli,
				  "'%s' is not auto, off, or a number from 1 to %d: one new "
				  "flow in so many",
				  input->args[0], ONE_IN_MAX);
	result = cli_call(cli, "SetSampling",
			  json_pack("{s:i, s:b}", "one_in", (int)one_in, "off", is_off), &reply);
	return result ?: print_sampling(cli, (uint32_t)json_number_of(reply, "one_in"));
}
