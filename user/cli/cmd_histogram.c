/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* histogram: how long clients wait, in figures and as a shape. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>

#include "cli/commands.h"
#include "cli/histogram.h"
#include "cli/json_print.h"
#include "cli/watch.h"
#include "common/routes.h"
#include "common/text.h"
#include "common/util.h"

#define COLLECT_MAX_MS	    86400000 /* a day */
#define COLLECT_INTERVAL_MS 500	     /* at most so much is lost when it is broken off */
#define PATIENCE_MS	    100	     /* how soon it is */

static volatile sig_atomic_t is_broken_off;

static void break_off(int signal)
{
	(void)signal;
	is_broken_off = 1;
}

static enum cli_result read_kind(const struct cli *cli, const char *text,
				 struct histogram *histogram)
{
	char suggestion[TEXT_SUGGESTION_MAX];

	for (size_t i = 0; i < MEASURED_KIND_MAX; i++) {
		if (strcmp(text, measured_kind_names[i]) == 0) {
			histogram->has_kind = true;
			histogram->kind = (enum measured_kind)i;
			return CLI_DONE;
		}
	}
	text_suggest(text, measured_kind_names, MEASURED_KIND_MAX, suggestion);
	return cli_misuse(cli,
			  "kind '%s' is none of connect, response, service, last-byte, "
			  "quic-handshake and quic-spin%s",
			  text, suggestion);
}

/* Cuts "blue,green" in place. */
static enum cli_result read_compared(const struct cli *cli, char *text, struct histogram *histogram)
{
	char *comma = strchr(text, ',');

	if (!comma || comma == text || !comma[1] || strchr(comma + 1, ','))
		return cli_misuse(cli, "'%s' is not STACK,STACK, as in blue,green", text);
	*comma = '\0';
	if (strcmp(text, comma + 1) == 0)
		return cli_misuse(cli, "stack '%s' cannot be compared with itself", text);
	histogram->compared[0] = text;
	histogram->compared[1] = comma + 1;
	return CLI_DONE;
}

static enum cli_result read_duration(const struct cli *cli, const char *text, uint32_t *ret_ms)
{
	uint32_t ms;

	if (text_parse_duration(text, &ms) < 0 || ms < WATCH_INTERVAL_MIN_MS || ms > COLLECT_MAX_MS)
		return cli_misuse(cli, "'%s' is not a time from 100ms to 24h, as in 10s", text);
	*ret_ms = ms;
	return CLI_DONE;
}

/* On standard error, where a person looks at it. */
static void show_progress(uint64_t done_ms, uint32_t for_ms, uint64_t samples)
{
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu32 " s, %" PRIu64 " samples; Ctrl-C ends it\033[K",
		done_ms / 1000, for_ms / 1000, samples);
}

static uint64_t all_samples(const struct histogram *histogram)
{
	uint64_t samples = 0;

	for (size_t kind = 0; kind < MEASURED_KIND_MAX; kind++)
		if (histogram_wants(histogram, (enum measured_kind)kind))
			samples += histogram_samples(histogram, (enum measured_kind)kind);
	return samples;
}

/* Receives until the stream ends or the user ends it. */
static enum cli_result collect_stream(struct cli *cli, struct rpc_stream *stream, uint32_t for_ms,
				      struct histogram *histogram)
{
	bool shows = isatty(STDERR_FILENO);
	uint64_t start_ms = util_now_ms();
	int ret = 1;

	while (!is_broken_off) {
		CLEANUP_RPC_ERROR struct rpc_error error = {0};
		CLEANUP_MEASURED struct measured *message = NULL;

		if (shows)
			show_progress(util_now_ms() - start_ms, for_ms, all_samples(histogram));
		if (!rpc_stream_wait(stream, PATIENCE_MS))
			continue;
		ret = watch_receive(stream, &message, &error);
		if (shows && ret <= 0)
			fprintf(stderr, "\r\033[K");
		if (ret < 0)
			return cli_fail_call(cli, "WatchTelemetry", &error);
		if (ret == 0)
			return CLI_DONE;
		histogram_add(histogram, message);
	}
	if (shows)
		fprintf(stderr, "\r\033[K");
	return CLI_DONE;
}

static enum cli_result collect(struct cli *cli, uint32_t for_ms, struct histogram *histogram)
{
	uint32_t messages = for_ms < 2 * COLLECT_INTERVAL_MS ? 1 : for_ms / COLLECT_INTERVAL_MS;
	const struct measured_request request = {.interval_ms = for_ms / messages,
						 .messages = messages};
	const struct sigaction action = {.sa_handler = break_off, .sa_flags = (int)SA_RESETHAND};
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	enum cli_result result = cli_connect(cli);

	if (result)
		return result;
	sigaction(SIGINT, &action, NULL);
	if (watch_open(cli->client, &request, for_ms + cli->timeout_ms, &stream) < 0)
		return cli_fail("the call could not be started");
	result = collect_stream(cli, stream, for_ms, histogram);
	if (!result && !histogram->node)
		return cli_fail("ended before the first half second was over: nothing was counted");
	return result;
}

static enum cli_result fetch(struct cli *cli, const char *duration, struct histogram *histogram)
{
	CLEANUP_MEASURED struct measured *message = NULL;
	enum cli_result result;
	uint32_t for_ms = 0;

	if (duration) {
		result = read_duration(cli, duration, &for_ms);
		return result ?: collect(cli, for_ms, histogram);
	}
	result = watch_once(cli, true, &message);
	if (!result)
		histogram_add(histogram, message);
	return result;
}

/* Whether one of a list of the status has this name; if not, `suggestion` is filled. */
static bool is_listed(const json_t *list, const char *name, char *suggestion)
{
	size_t n = json_array_size(list);
	const char **names = util_calloc(n, sizeof(*names));
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		names[i] = json_text_of(json_array_get(list, i), "name");
		found |= strcmp(names[i], name) == 0;
	}
	text_suggest(name, names, n, suggestion);
	free(names);
	return found;
}

/* A name that the live routes do not have is the likeliest reason. */
static enum cli_result fail_unknown(struct cli *cli, const struct measured_filter *filter)
{
	char suggestion[TEXT_SUGGESTION_MAX];
	CLEANUP_JSON json_t *status = NULL;

	if (!filter->service && !filter->stack)
		return CLI_DONE;
	if (cli_call(cli, "GetStatus", json_object(), &status))
		return CLI_FAILED;
	if (filter->service &&
	    !is_listed(json_object_get(status, "services"), filter->service, suggestion))
		return cli_fail("no service is called '%s'%s", filter->service, suggestion);
	if (filter->stack &&
	    !is_listed(json_object_get(status, "stacks"), filter->stack, suggestion))
		return cli_fail("no stack is called '%s'%s", filter->stack, suggestion);
	return CLI_DONE;
}

static enum cli_result fail_none(struct cli *cli, const struct histogram *histogram, size_t i)
{
	CLEANUP_FREE char *why = histogram_why_none(histogram, i);
	struct measured_filter filter = histogram_filter(histogram, i);
	enum cli_result result = fail_unknown(cli, &filter);

	text_make_printable(why);
	return result ?: cli_fail("%s", why);
}

/* Says what is missing: of a comparison, either side may be. */
static enum cli_result check_samples(struct cli *cli, const struct histogram *histogram)
{
	enum measured_kind kind = histogram_compared_kind(histogram);

	if (!histogram->compared[0])
		return all_samples(histogram) ? CLI_DONE : fail_none(cli, histogram, 0);
	for (size_t i = 0; i < 2; i++) {
		struct measured_filter filter = histogram_filter(histogram, i);
		struct distribution d;

		measured_sum_distribution(&histogram->sum, &filter, kind, &d);
		if (!distribution_total(&d))
			return fail_none(cli, histogram, i);
	}
	return CLI_DONE;
}

static enum cli_result show(struct cli *cli, const struct histogram *histogram)
{
	const struct measured_filter *filter = &histogram->filter;
	enum cli_result result = CLI_DONE;

	if (cli->json) {
		CLEANUP_JSON json_t *object = histogram_json(histogram);

		result = cli_print_json(object, false);
	}
	if (!result)
		result = check_samples(cli, histogram);
	if (result || cli->json)
		return result;
	if (histogram->compared[0])
		histogram_print_compared(histogram, &cli->look, stdout);
	else if (filter->service || filter->stack || filter->backend || histogram->has_kind)
		histogram_print_kinds(histogram, &cli->look, stdout);
	else
		histogram_print_summary(histogram, &cli->look, stdout);
	return CLI_DONE;
}

/* As the daemon writes it. `text` holds ADDRESS_TEXT_MAX bytes. */
static enum cli_result read_backend(const struct cli *cli, char *text, struct histogram *histogram)
{
	struct address address;

	if (!histogram->filter.backend)
		return CLI_DONE;
	if (address_parse(histogram->filter.backend, &address) < 0)
		return cli_misuse(cli, "'%s' is not the address of a backend, as in 10.1.0.11",
				  histogram->filter.backend);
	histogram->filter.backend = address_text(&address, text);
	return CLI_DONE;
}

enum cli_result command_histogram(struct cli *cli, const struct cli_input *input)
{
	const char *kind = input->flags[HISTOGRAM_KIND];
	const char *compared = input->flags[HISTOGRAM_COMPARE];
	CLEANUP_FREE char *stacks = compared ? util_strdup(compared) : NULL;
	struct histogram histogram = {
		.filter = {.service = input->flags[HISTOGRAM_SERVICE],
			   .stack = input->flags[HISTOGRAM_STACK],
			   .backend = input->flags[HISTOGRAM_BACKEND]},
	};
	char backend[ADDRESS_TEXT_MAX];
	enum cli_result result;

	if (stacks && histogram.filter.stack)
		return cli_misuse(cli, "--compare names the stacks: --stack cannot be there, too");
	result = read_backend(cli, backend, &histogram);
	if (!result && kind)
		result = read_kind(cli, kind, &histogram);
	if (!result && stacks)
		result = read_compared(cli, stacks, &histogram);
	if (!result)
		result = fetch(cli, input->flags[HISTOGRAM_FOR], &histogram);
	if (!result)
		result = show(cli, &histogram);
	histogram_clear(&histogram);
	return result;
}
