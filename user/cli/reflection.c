/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/reflection.h"

#include <errno.h>
#include <jansson.h>

#include "cli/base64.h"
#include "cli/codec.h"
#include "cli/json_print.h"
#include "common/util.h"

#define FILES_MAX 1000 /* an answer always names another file: give up */

/* The two versions differ in nothing but this name. */
static const char *const methods[] = {
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

struct talk {
	struct rpc_stream *stream;
	const struct schema_message *request;
	const struct schema_message *response;
	struct rpc_error *error;
};

static int fail(struct rpc_error *error, char *message)
{
	rpc_error_clear(error);
	error->code = RPC_CODE_UNKNOWN;
	error->message = message;
	return -EREMOTEIO;
}

static int send_question(struct talk *talk, const char *field, const char *value)
{
	CLEANUP_JSON json_t *question = json_pack("{s:s}", field, value);
	CLEANUP_FREE uint8_t *packed = NULL;
	CLEANUP_FREE char *error = NULL;
	size_t size;

	if (!question || codec_encode(talk->request, question, &packed, &size, &error) < 0)
		return fail(talk->error, util_format("reflection: %s", error ?: "not UTF-8"));
	/* How the call ended shows when its answer is read. */
	rpc_stream_send(talk->stream, packed, size);
	return 0;
}

/* One question, one answer; a refusal is an error, too. */
static int ask(struct talk *talk, const char *field, const char *value, json_t **ret_answer)
{
	CLEANUP_RPC_BYTES struct rpc_bytes bytes = {0};
	CLEANUP_JSON json_t *answer = NULL;
	CLEANUP_FREE char *error = NULL;
	const json_t *refusal;
	int ret = send_question(talk, field, value);

	if (ret < 0)
		return ret;
	ret = rpc_stream_receive(talk->stream, &bytes, talk->error);
	if (ret < 0)
		return ret;
	if (ret == 0)
		return fail(talk->error, util_strdup("reflection ended without an answer"));
	if (codec_decode(talk->response, bytes.data, bytes.size, false, &answer, &error) < 0)
		return fail(talk->error, util_format("reflection: %s", error));
	refusal = json_object_get(answer, "error_response");
	if (refusal)
		return fail(talk->error, util_format("reflection does not know '%s': %s", value,
						     json_text_of(refusal, "error_message")));
	*ret_answer = TAKE(answer);
	return 0;
}

static int add_files(struct talk *talk, const char *field, const char *value, struct schema *schema)
{
	CLEANUP_JSON json_t *answer = NULL;
	const json_t *files;
	size_t index;
	json_t *file;
	int ret = ask(talk, field, value, &answer);

	if (ret < 0)
		return ret;
	files = json_object_get(json_object_get(answer, "file_descriptor_response"),
				"file_descriptor_proto");
	json_array_foreach(files, index, file)
	{
		CLEANUP_FREE uint8_t *data = NULL;
		size_t size;

		if (base64_decode(json_string_value(file), json_string_length(file), &data, &size) <
			    0 ||
		    schema_add_file(schema, data, size) < 0)
			return fail(talk->error,
				    util_format("reflection sent a description of '%s' that cannot "
						"be read",
						value));
	}
	return 0;
}

static int add_missing(struct talk *talk, struct schema *schema)
{
	for (int i = 0; i < FILES_MAX; i++) {
		CLEANUP_FREE char *name = NULL;
		const char *missing = schema_missing_file(schema);
		int ret;

		if (!missing)
			return 0;
		name = util_strdup(missing);
		ret = add_files(talk, "file_by_filename", name, schema);
		if (ret < 0)
			return ret;
		if (!schema_has_file(schema, name))
			return fail(talk->error, util_format("reflection did not send '%s'", name));
	}
	return fail(talk->error, util_strdup("reflection names more and more files"));
}

static int fetch(struct talk *talk, struct schema *schema)
{
	CLEANUP_JSON json_t *answer = NULL;
	const char *missing;
	const json_t *services;
	size_t index;
	json_t *service;
	int ret = ask(talk, "list_services", "", &answer);

	if (ret < 0)
		return ret;
	services = json_object_get(json_object_get(answer, "list_services_response"), "service");
	json_array_foreach(services, index, service)
	{
		ret = add_files(talk, "file_containing_symbol", json_text_of(service, "name"),
				schema);
		if (ret < 0)
			return ret;
	}
	ret = add_missing(talk, schema);
	if (ret < 0)
		return ret;
	if (schema_link(schema, &missing) < 0)
		return fail(talk->error,
			    util_format("reflection does not describe the type %s", missing));
	return 0;
}

static int fetch_by(struct rpc_client *client, const char *method, const struct schema *own,
		    uint32_t timeout_ms, struct schema **ret_schema, struct rpc_error *error)
{
	CLEANUP_SCHEMA struct schema *schema = schema_new();
	CLEANUP_RPC_STREAM struct rpc_stream *stream = NULL;
	struct talk talk = {
		.request = schema_find_message(own, "grpc.reflection.v1.ServerReflectionRequest"),
		.response = schema_find_message(own, "grpc.reflection.v1.ServerReflectionResponse"),
		.error = error,
	};
	int ret;

	if (rpc_stream_open(client, method, timeout_ms, &stream) < 0)
		return fail(error, util_strdup("the call could not be started"));
	talk.stream = stream;
	ret = fetch(&talk, schema);
	if (!ret)
		*ret_schema = TAKE(schema);
	return ret;
}

int reflection_fetch(struct rpc_client *client, const struct schema *own, uint32_t timeout_ms,
		     struct schema **ret_schema, struct rpc_error *error)
{
	int ret = -EREMOTEIO;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		ret = fetch_by(client, methods[i], own, timeout_ms, ret_schema, error);
		if (ret == 0 || error->code != RPC_CODE_UNIMPLEMENTED)
			break;
	}
	return ret;
}
