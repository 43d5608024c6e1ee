/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/codec.h"
#include "cli/json_print.h"
#include "common/text.h"
#include "common/util.h"
#include "rpc/method.h"

#define SERVICE	 "steerd.v1.AgentService"
#define RETRY_MS 200

enum cli_result cli_fail(const char *format, ...)
{
	va_list args;

	fputs("steerctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return CLI_FAILED;
}

enum cli_result cli_misuse(const struct cli *cli, const char *format, ...)
{
	const char *name = cli->command ? cli->command->name : NULL;
	va_list args;

	fputs("steerctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (see steerctl %s%s)\n", name ?: "help", name ? " --help" : "");
	return CLI_MISUSED;
}

enum cli_result cli_misuse_text(const struct cli *cli, char *message)
{
	CLEANUP_FREE char *owned = message;

	return cli_misuse(cli, "%s", owned);
}

enum cli_result cli_connect(struct cli *cli)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	int ret;

	if (cli->client)
		return CLI_DONE;
	ret = rpc_client_open(&cli->target, &cli->client, &error);
	if (ret == -EINVAL)
		return cli_misuse(cli,
				  "%s: give --cert, --key and --ca, or STEERD_CERT, STEERD_KEY and "
				  "STEERD_CA",
				  error.message);
	return ret < 0 ? cli_fail("%s", error.message) : CLI_DONE;
}

const struct schema *cli_schema(struct cli *cli)
{
	const char *missing;

	if (cli->schema)
		return cli->schema;
	cli->schema = schema_new();
	if (schema_add_set(cli->schema, rpc_protoset, rpc_protoset_size) < 0 ||
	    schema_link(cli->schema, &missing) < 0)
		abort(); /* they were compiled together with this file */
	return cli->schema;
}

/* Why a unix socket does not answer: 0 or -errno. */
static int probe_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static const char *socket_path(const char *address)
{
	if (strncmp(address, "unix://", 7) == 0)
		return address + 7;
	if (strncmp(address, "unix:", 5) == 0)
		return address + 5;
	return address[0] == '/' ? address : NULL;
}

static enum cli_result fail_unconnected(const struct cli *cli, const struct rpc_error *error)
{
	const char *path = socket_path(cli->target.address), *detail = error->message, *last;
	int ret = path ? probe_socket(path) : 0;

	if (ret == -EACCES || ret == -EPERM)
		return cli_fail("no permission to use %s: run as root, or join the group that owns "
				"the socket",
				path);
	last = strstr(detail, "last error: ");
	if (last)
		detail = last + strlen("last error: ");
	if (strncmp(detail, "UNKNOWN: ", 9) == 0)
		detail += 9;
	if (ret < 0)
		detail = strerror(-ret);
	return cli_fail("no steerd answers on %s: is it running? (systemctl status steerd; another "
			"address: --address or STEERD_ADDRESS): %s",
			cli->target.address, detail);
}

static void print_problems(const char *message)
{
	CLEANUP_FREE char *copy = util_strdup(message);
	char *at = copy, *line;

	while ((line = strsep(&at, "\n"))) {
		text_make_printable(line);
		if (*line)
			fprintf(stderr, "steerctl: %s\n", line);
	}
}

enum cli_result cli_fail_call(const struct cli *cli, const char *method,
			      const struct rpc_error *error)
{
	if (error->is_unconnected)
		return fail_unconnected(cli, error);
	switch (error->code) {
	case RPC_CODE_DEADLINE_EXCEEDED:
		return cli_fail("%s did not answer within %g s: try again, or allow more with "
				"--timeout",
				cli->target.address, cli->timeout_ms / 1000.0);
	case RPC_CODE_UNIMPLEMENTED:
		return cli_fail(
			"%s does not know %s: %s (steerctl call --list shows what it knows)",
			cli->target.address, method, error->message);
	case RPC_CODE_UNAVAILABLE:
		return cli_fail("the connection to %s broke: %s: try again", cli->target.address,
				error->message);
	}
	if (!*error->message)
		return cli_fail("%s failed with %s, which %s does not explain: see its log", method,
				rpc_code_name(error->code), cli->target.address);
	print_problems(error->message);
	return CLI_FAILED;
}

/*
 * True: the call is to be made again, by another client: one that failed waits ever longer by
 * itself. *since_ms: of the first time, 0 before.
 */
static bool wait_for_return(struct cli *cli, const struct rpc_error *error, uint64_t *since_ms)
{
	uint64_t now_ms = util_now_ms();

	if (!error->is_unconnected && error->code != RPC_CODE_UNAVAILABLE)
		return false;
	if (*since_ms ? now_ms - *since_ms >= cli->patience_ms : !cli->patience_ms)
		return false;
	/* A line that is drawn again and again may be open. */
	if (!*since_ms)
		fprintf(stderr,
			"%ssteerctl: no steerd answers on %s: waiting up to %u s for it to come "
			"back\n",
			isatty(STDERR_FILENO) ? "\n" : "", cli->target.address,
			cli->patience_ms / 1000);
	*since_ms = *since_ms ?: now_ms;
	rpc_client_close(TAKE(cli->client));
	usleep(RETRY_MS * 1000);
	return true;
}

enum cli_result cli_call_packed(struct cli *cli, const char *method, const void *request,
				size_t size, struct rpc_bytes *ret_reply)
{
	CLEANUP_FREE char *path = util_format("/" SERVICE "/%s", method);
	uint64_t since_ms = 0;

	for (;;) {
		CLEANUP_RPC_ERROR struct rpc_error error = {0};
		enum cli_result result = cli_connect(cli);

		if (result)
			return result;
		if (rpc_client_call(cli->client, path, request, size, cli->timeout_ms, ret_reply,
				    &error) == 0)
			return CLI_DONE;
		if (!wait_for_return(cli, &error, &since_ms))
			return cli_fail_call(cli, method, &error);
	}
}

enum cli_result cli_unpack(struct cli *cli, const char *type, const struct rpc_bytes *bytes,
			   json_t **ret_value)
{
	const struct schema_message *message = schema_find_message(cli_schema(cli), type);
	CLEANUP_FREE char *error = NULL;

	if (codec_decode(message, bytes->data, bytes->size, true, ret_value, &error) < 0)
		return cli_fail("the answer of %s cannot be read: %s", cli->target.address, error);
	return CLI_DONE;
}

enum cli_result cli_call(struct cli *cli, const char *method, json_t *request, json_t **ret_reply)
{
	CLEANUP_JSON json_t *owned = request;
	CLEANUP_RPC_BYTES struct rpc_bytes reply = {0};
	CLEANUP_FREE uint8_t *packed = NULL;
	CLEANUP_FREE char *error = NULL;
	const struct schema_method *found;
	enum cli_result result;
	size_t size;

	if (schema_find_method(cli_schema(cli), method, &found) < 0)
		abort(); /* names are the source's own */
	if (codec_encode(found->input, owned, &packed, &size, &error) < 0)
		return cli_fail("%s", error);
	result = cli_call_packed(cli, method, packed, size, &reply);
	return result ?: cli_unpack(cli, found->output->name, &reply, ret_reply);
}

void cli_print_line(const char *prefix, const char *text)
{
	CLEANUP_FREE char *copy = util_strdup(text);

	text_make_printable(copy);
	printf("%s%s\n", prefix, copy);
}

enum cli_result cli_print_json(const json_t *value, bool on_one_line)
{
	if (json_print(value, on_one_line, stdout) < 0)
		return cli_fail("cannot write the output: %s", strerror(errno));
	return CLI_DONE;
}
