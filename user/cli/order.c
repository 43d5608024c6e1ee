/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/order.h"

#include "cli/json_print.h"
#include "common/text.h"
#include "common/util.h"

/* What the agent takes at least. NULL: 0, none. */
static enum cli_result read_time(const struct cli *cli, const char *what, const char *text,
				 uint32_t *ret_ms)
{
	uint32_t ms = 0;

	if (text && (text_parse_duration(text, &ms) < 0 || ms < 1000))
		return cli_misuse(cli, "%s '%s' is not a time of 1s at least, as in 5m", what,
				  text);
	*ret_ms = ms;
	return CLI_DONE;
}

enum cli_result order_give(struct cli *cli, const struct order *order, json_t **ret_reply)
{
	CLEANUP_FREE char *stack = NULL, *address = NULL;
	uint32_t deadline_ms = 0, ttl_ms = 0;
	enum cli_result result;
	char *error;

	if (args_target(order->target, &stack, &address, &error) < 0)
		return cli_misuse_text(cli, error);
	result = read_time(cli, "deadline", order->deadline, &deadline_ms);
	if (!result)
		result = read_time(cli, "ttl", order->ttl, &ttl_ms);
	if (result)
		return result;
	return cli_call(cli, "SetHealth",
			json_pack("{s:s, s:s, s:s, s:I, s:I, s:b}", "stack", stack, "address",
				  address ?: "", "override", order->override, "deadline_ms",
				  (json_int_t)deadline_ms, "ttl_ms", (json_int_t)ttl_ms, "force",
				  order->force),
			ret_reply);
}
