/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* drain --wait: a line that says what is left. */
#include <inttypes.h>

#include "cli/format.h"
#include "cli/json_print.h"
#include "cli/order.h"
#include "common/routes.h"
#include "common/util.h"

#define POLL_MS	    500
#define PATIENCE_MS 30000 /* orders outlast a restart of steerd */

/* What the backends of a drain have, in all. */
struct left {
	size_t backends; /* that drain; 0: the order is taken back */
	bool counted;	 /* each of them, since the order */
	bool over;	 /* each of them */
	uint64_t flows, silent;
	uint64_t packets; /* since the counters began */
	uint64_t left_ms; /* the longest */
	uint64_t at_ms;	  /* when this was, by our clock */
};

struct wait {
	struct cli *cli;
	const struct order *order;
	uint64_t since;
	const char *stack, *address; /* NULL: all of the stack; as the daemon writes it */
	struct left last;	     /* at_ms 0: none yet */
	bool redraws;		     /* the line, on a terminal */
};

static void add_backend(struct left *left, const json_t *backend, uint64_t since)
{
	uint64_t left_ms = json_number_of(backend, "drain_left_ms");

	if (strcmp(json_text_of(backend, "override"), "HEALTH_OVERRIDE_DRAIN") != 0)
		return;
	left->backends++;
	left->counted &= json_number_of(backend, "flows_counted_unix_ms") >= since;
	left->over &= json_flag_of(backend, "drain_over");
	left->flows += json_number_of(backend, "flows");
	left->silent += json_number_of(backend, "silent_flows");
	left->packets += json_number_of(backend, "packets");
	left->left_ms = left_ms > left->left_ms ? left_ms : left->left_ms;
}

static enum cli_result look(const struct wait *wait, struct left *ret)
{
	struct left left = {.counted = true, .over = true, .at_ms = util_now_ms()};
	CLEANUP_JSON json_t *status = NULL;
	size_t i, j;
	json_t *stack, *backend;
	enum cli_result result = cli_call(wait->cli, "GetStatus", json_object(), &status);

	if (result)
		return result;
	json_array_foreach(json_object_get(status, "stacks"), i, stack)
	{
		if (strcmp(json_text_of(stack, "name"), wait->stack) != 0)
			continue;
		json_array_foreach(json_object_get(stack, "backends"), j, backend)
		{
			if (!wait->address ||
			    strcmp(json_text_of(backend, "address"), wait->address) == 0)
				add_backend(&left, backend, wait->since);
		}
	}
	*ret = left;
	return CLI_DONE;
}

static double packets_per_second(const struct left *last, const struct left *left)
{
	uint64_t ms = left->at_ms - last->at_ms;

	if (!last->at_ms || !ms || left->packets < last->packets)
		return 0;
	return (double)(left->packets - last->packets) * 1000 / (double)ms;
}

static void print_line(const struct wait *wait, const struct left *left)
{
	char rate[FORMAT_MAX], time[FORMAT_MAX];

	printf("%s%s: %" PRIu64 " flow%s left", wait->redraws ? "\r" : "", wait->order->target,
	       left->flows, left->flows == 1 ? "" : "s");
	if (left->silent)
		printf(", %" PRIu64 " of them silent for over a minute", left->silent);
	printf("; %s packets/s", format_rate(packets_per_second(&wait->last, left), rate));
	if (left->left_ms)
		printf("; let go in %s", format_duration(left->left_ms, time));
	printf("%s", wait->redraws ? "\033[K" : "\n");
	fflush(stdout);
}

static enum cli_result print_document(const struct wait *wait, const struct left *left, bool done)
{
	CLEANUP_JSON json_t *document = json_pack(
		"{s:s, s:I, s:I, s:f, s:I, s:b, s:b}", "target", wait->order->target, "flows",
		(json_int_t)left->flows, "silent_flows", (json_int_t)left->silent,
		"packets_per_second", packets_per_second(&wait->last, left), "drain_left_ms",
		(json_int_t)left->left_ms, "drain_over", left->over, "done", done);

	return cli_print_json(document, true);
}

static enum cli_result show(const struct wait *wait, const struct left *left, bool done)
{
	bool same = wait->last.at_ms && wait->last.flows == left->flows &&
		    wait->last.silent == left->silent;

	if (wait->cli->json)
		return print_document(wait, left, done);
	if (wait->redraws || !same)
		print_line(wait, left);
	return CLI_DONE;
}

static enum cli_result finish(const struct wait *wait, const struct left *left)
{
	if (wait->cli->json)
		return CLI_DONE;
	if (wait->redraws)
		printf("\n");
	if (left->flows)
		printf("the time is up: %" PRIu64 " flow%s let go\n", left->flows,
		       left->flows == 1 ? " is" : "s are");
	else
		printf("no flows are left\n");
	return CLI_DONE;
}

static enum cli_result wait_on(struct wait *wait)
{
	for (;;) {
		enum cli_result result;
		struct left left;
		bool done;

		result = look(wait, &left);
		if (result)
			return result;
		if (!left.backends)
			return cli_fail("%s does not drain any more: somebody took the order back",
					wait->order->target);
		done = left.over || (left.counted && !left.flows);
		if (left.counted || done)
			result = show(wait, &left, done);
		if (result || done)
			return result ? result : finish(wait, &left);
		if (left.counted)
			wait->last = left;
		usleep(POLL_MS * 1000);
	}
}

enum cli_result order_wait(struct cli *cli, const struct order *order, uint64_t since)
{
	CLEANUP_FREE char *stack = NULL, *address = NULL;
	struct wait wait = {.cli = cli,
			    .order = order,
			    .since = since,
			    .redraws = !cli->json && isatty(STDOUT_FILENO)};
	char text[ADDRESS_TEXT_MAX], *error;
	struct address parsed;

	cli->patience_ms = PATIENCE_MS;
	if (args_target(order->target, &stack, &address, &error) < 0)
		return cli_misuse_text(cli, error);
	wait.stack = stack;
	if (address && !address_parse(address, &parsed))
		wait.address = address_text(&parsed, text);
	return wait_on(&wait);
}
