/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* call: any method of the daemon, with JSON. */
#include <errno.h>

#include "cli/codec.h"
#include "cli/commands.h"
#include "cli/json_print.h"
#include "cli/reflection.h"
#include "common/text.h"
#include "common/util.h"

/* Where requests come from: the argument, or standard input, one after another. */
struct requests {
	const char *text; /* NULL: standard input */
	json_t *list;	  /* an array whose items are requests */
	size_t next;	  /* of the list */
	bool is_over;
};

static int get_character(FILE *in)
{
	int c;

	do
		c = fgetc(in);
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
	if (c != EOF)
		ungetc(c, in);
	return c;
}

/* The next value as JSON; NULL without an error at the end of the input. */
static json_t *load_value(struct requests *requests, json_error_t *error)
{
	size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	const char *text = requests->text;

	*error = (json_error_t){0};
	if (text) {
		requests->is_over = true;
		return json_loads(text, flags, error);
	}
	if (get_character(stdin) == EOF) {
		requests->is_over = true;
		return NULL;
	}
	return json_loadf(stdin, flags | JSON_DISABLE_EOF_CHECK, error);
}

/* CLI_DONE with the next request, or with NULL when there are no more. */
static enum cli_result next_request(struct requests *requests, bool streams, json_t **ret_value)
{
	json_error_t error;
	json_t *value;

	for (;;) {
		if (requests->list && requests->next < json_array_size(requests->list)) {
			*ret_value = json_incref(json_array_get(requests->list, requests->next++));
			return CLI_DONE;
		}
		if (requests->is_over) {
			*ret_value = NULL;
			return CLI_DONE;
		}
		value = load_value(requests, &error);
		if (!value && *error.text)
			return cli_fail("the request is not JSON: line %d, column %d: %s%s",
					error.line, error.column, error.text,
					strstr(error.text, "too big")
						? " (write numbers above 2^63 as text)"
						: "");
		if (!value || !streams || !json_is_array(value)) {
			*ret_value = value;
			return CLI_DONE;
		}
		json_decref(requests->list);
		requests->list = value;
		requests->next = 0;
	}
}

static enum cli_result send_one(struct rpc_stream *stream, const struct schema_method *method,
				json_t *request)
{
	CLEANUP_FREE uint8_t *packed = NULL;
	CLEANUP_FREE char *error = NULL;
	size_t size;

	if (codec_encode(method->input, request, &packed, &size, &error) < 0)
		return cli_fail("%s", error);
	rpc_stream_send(stream, packed, size);
	return CLI_DONE;
}

/* A unary method gets exactly one request; a failed send shows in how the call ends. */
static enum cli_result send_all(struct rpc_stream *stream, const struct schema_method *method,
				struct requests *requests)
{
	enum cli_result result;

	for (size_t n = 0;; n++) {
		CLEANUP_JSON json_t *request = NULL;

		result = next_request(requests, method->client_streams, &request);
		if (result)
			return result;
		if (!request && !method->client_streams && n == 0)
			request = json_object();
		if (!request)
			break;
		if (!method->client_streams && n > 0)
			return cli_fail("%s takes one request, several were given", method->name);
		result = send_one(stream, method, request);
		if (result)
			return result;
	}
	rpc_stream_send_end(stream);
	return CLI_DONE;
}

static enum cli_result print_replies(struct cli *cli, struct rpc_stream *stream,
				     const struct schema_method *method)
{
	for (;;) {
		CLEANUP_RPC_ERROR struct rpc_error error = {0};
		CLEANUP_RPC_BYTES struct rpc_bytes bytes = {0};
		CLEANUP_JSON json_t *reply = NULL;
		CLEANUP_FREE char *reason = NULL;
		enum cli_result result;
		int ret = rpc_stream_receive(stream, &bytes, &error);

		if (ret == 0)
			return CLI_DONE;
		if (ret < 0)
			return cli_fail_call(cli, method->name, &error);
		if (codec_decode(method->output, bytes.data, bytes.size, true, &reply, &reason) < 0)
			return cli_fail("the answer cannot be read: %s", reason);
		result = cli_print_json(reply, method->server_streams);
		if (result)
			return result;
	}
}

static enum cli_result call_method(struct cli *cli, const struct schema_method *method,
				   const char *json)
{
	bool streams = method->client_streams || method->server_streams;
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	struct requests requests = {.text = json};
	enum cli_result result;

	if (json && strcmp(json, "-") == 0)
		requests.text = NULL;
	else if (!json && !method->client_streams)
		requests.text = "{}";
	if (rpc_stream_open(cli->client, method->path, streams ? 0 : cli->timeout_ms, &stream) < 0)
		return cli_fail("the call could not be started");
	result = send_all(stream, method, &requests);
	json_decref(requests.list);
	return result ?: print_replies(cli, stream, method);
}

static enum cli_result fail_method(const struct schema *schema, const char *name, int ret)
{
	const struct schema_method *methods;
	size_t n = schema_methods(schema, &methods);
	CLEANUP_FREE const char **names = util_calloc(n * 2, sizeof(*names));
	char suggestion[TEXT_SUGGESTION_MAX];

	if (ret == -ENOTUNIQ)
		return cli_fail("several services have a method '%s': name it as SERVICE/METHOD "
				"(steerctl call --list)",
				name);
	for (size_t i = 0; i < n; i++) {
		names[i] = methods[i].name;
		names[n + i] = methods[i].path + 1;
	}
	text_suggest(name, names, n * 2, suggestion);
	return cli_fail("there is no method '%s'%s: steerctl call --list shows all", name,
			suggestion);
}

static enum cli_result list_json(const struct schema_method *methods, size_t n)
{
	CLEANUP_JSON json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:b}", "method",
						      methods[i].path + 1, "request",
						      methods[i].input->name, "response",
						      methods[i].output->name, "client_streaming",
						      methods[i].client_streams, "server_streaming",
						      methods[i].server_streams));
	return cli_print_json(list, false);
}

static const char *stream_word(const struct schema_method *method)
{
	if (method->client_streams)
		return method->server_streams ? "both ways" : "requests";
	return method->server_streams ? "answers" : "";
}

static enum cli_result list_methods(const struct cli *cli, const struct schema *schema)
{
	static const struct table_column columns[] = {{"METHOD", TABLE_LEFT},
						      {"STREAMS", TABLE_LEFT}};
	CLEANUP_TABLE struct table *table = table_new(&cli->look, columns, ARRAY_SIZE(columns));
	const struct schema_method *methods;
	size_t n = schema_methods(schema, &methods);

	if (cli->json)
		return list_json(methods, n);
	for (size_t i = 0; i < n; i++) {
		struct table_row *row = table_add(table, NULL);

		table_set(row, 0, methods[i].path + 1);
		table_set(row, 1, stream_word(&methods[i]));
	}
	table_print(table, stdout);
	return CLI_DONE;
}

enum cli_result command_call(struct cli *cli, const struct cli_input *input)
{
	CLEANUP_RPC_ERROR struct rpc_error error = {0};
	CLEANUP_SCHEMA struct schema *schema = NULL;
	bool list = input->flags[CALL_LIST];
	const struct schema_method *method;
	enum cli_result result;
	int ret;

	if (list == (input->n > 0))
		return cli_misuse(cli, "%s",
				  list ? "--list takes no method" : "which METHOD? or --list");
	result = cli_connect(cli);
	if (result)
		return result;
	ret = reflection_fetch(cli->client, cli_schema(cli), cli->timeout_ms, &schema, &error);
	if (ret < 0)
		return cli_fail_call(cli, "reflection", &error);
	if (list)
		return list_methods(cli, schema);
	ret = schema_find_method(schema, input->args[0], &method);
	if (ret < 0)
		return fail_method(schema, input->args[0], ret);
	return call_method(cli, method, input->n > 1 ? input->args[1] : NULL);
}
