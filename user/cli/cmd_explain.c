/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* explain: every stage's verdict for one packet. */
#include "cli/commands.h"
#include "cli/json_print.h"
#include "common/util.h"

static enum cli_result print_verdicts(const struct cli *cli, const json_t *reply)
{
	static const struct table_column columns[] = {{"STAGE", TABLE_LEFT},
						      {"VERDICT", TABLE_WRAP}};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	const char *service = json_text_of(reply, "service"), *stack = json_text_of(reply, "stack");
	size_t index;
	json_t *stage;

	if (cli->json)
		return cli_print_json(reply, false);
	json_array_foreach(json_object_get(reply, "stages"), index, stage)
	{
		struct table_row *row = table_add(table, NULL);

		table_set(row, 0, json_text_of(stage, "name"));
		table_set(row, 1, json_text_of(stage, "verdict"));
	}
	table_print(table, stdout);
	printf("%s%s", index ? "\n" : "", json_text_of(reply, "reason"));
	if (*service)
		printf(": service %s", service);
	if (*stack)
		printf(", stack %s, backend %s", stack, json_text_of(reply, "backend"));
	printf("\n");
	return CLI_DONE;
}

enum cli_result command_explain(struct cli *cli, const struct cli_input *input)
{
	const char *service = input->args[0], *protocol = input->args[1];
	CLEANUP_FREE char *client = NULL, *vip = NULL;
	CLEANUP_JSON json_t *reply = NULL;
	uint16_t client_port, vip_port;
	enum cli_result result;
	char *error;

	if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
		return cli_misuse(cli, "protocol '%s' is not tcp or udp", protocol);
	if (args_endpoint(input->args[2], &client, &client_port, &error) < 0 ||
	    args_endpoint(input->args[3], &vip, &vip_port, &error) < 0)
		return cli_misuse_text(cli, error);
	if (!strchr(client, ':') != !strchr(vip, ':'))
		return cli_misuse(cli, "client and VIP must be of one family: %s and %s", client,
				  vip);
	result = cli_call(cli, "Explain",
			  json_pack("{s:s, s:s, s:s, s:i, s:s, s:i}", "service",
				    strcmp(service, "-") == 0 ? "" : service, "protocol",
				    strcmp(protocol, "tcp") == 0 ? "PROTOCOL_TCP" : "PROTOCOL_UDP",
				    "client", client, "client_port", client_port, "vip", vip,
				    "vip_port", vip_port),
			  &reply);
	return result ?: print_verdicts(cli, reply);
}
