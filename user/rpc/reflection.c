/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * grpc.reflection, from the tables of methods.c. v1alpha is v1 under another package name, with
 * the same bytes on the wire, so its calls are taken as v1's.
 */
#include "rpc/call.h"

#include "common/util.h"
#include "methods.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_message;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_message;
typedef Grpc__Reflection__V1__FileDescriptorResponse file_message;
typedef Grpc__Reflection__V1__ListServiceResponse list_message;
typedef Grpc__Reflection__V1__ServiceResponse service_message;
typedef Grpc__Reflection__V1__ErrorResponse error_message;

#define ASKS(name)    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define ANSWERS(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

static void send(struct rpc_call *call, const request_message *request, response_message *response)
{
	int err;

	response->valid_host = request->host;
	response->original_request = (request_message *)request;
	err = rpc_send_server_reflection_server_reflection_info(call, response);
	if (err)
		rpc_call_fail(call, RPC_CODE_RESOURCE_EXHAUSTED,
			      "too many answers wait to be taken; read them before asking on");
	else if (!rpc_call_await_room(call))
		rpc_call_read(call);
}

static void send_error(struct rpc_call *call, const request_message *request, enum rpc_code code,
		       const char *text)
{
	response_message response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	error_message error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;

	error.error_code = code;
	error.error_message = (char *)text;
	response.message_response_case = ANSWERS(ERROR_RESPONSE);
	response.error_response = &error;
	send(call, request, &response);
}

static void send_file(struct rpc_call *call, const request_message *request,
		      const struct rpc_file *file)
{
	response_message response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	file_message files = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
	CLEANUP_FREE ProtobufCBinaryData *protos = NULL;

	if (!file) {
		send_error(call, request, RPC_CODE_NOT_FOUND,
			   "this server has no such file or symbol");
		return;
	}
	protos = util_calloc(file->closure_n, sizeof(*protos));
	for (unsigned int i = 0; i < file->closure_n; i++) {
		const struct rpc_file *part = &rpc_files[file->closure[i]];

		protos[i].data = (uint8_t *)rpc_protoset + part->offset;
		protos[i].len = part->size;
	}
	files.n_file_descriptor_proto = file->closure_n;
	files.file_descriptor_proto = protos;
	response.message_response_case = ANSWERS(FILE_DESCRIPTOR_RESPONSE);
	response.file_descriptor_response = &files;
	send(call, request, &response);
}

/* Whether no earlier method is of the same service, which is thus listed already. */
static bool is_first_of_service(unsigned int index)
{
	return !index || strcmp(rpc_methods[index - 1].service, rpc_methods[index].service) != 0;
}

static void send_services(struct rpc_call *call, const request_message *request)
{
	response_message response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	list_message list = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
	CLEANUP_FREE service_message *services = util_calloc(rpc_methods_n, sizeof(*services));
	CLEANUP_FREE service_message **pointers = util_calloc(rpc_methods_n, sizeof(*pointers));

	for (unsigned int i = 0; i < rpc_methods_n; i++) {
		service_message *service = &services[list.n_service];

		if (!is_first_of_service(i) ||
		    !rpc_server_has_service(call->server, rpc_methods[i].service))
			continue;
		grpc__reflection__v1__service_response__init(service);
		service->name = (char *)rpc_methods[i].service;
		pointers[list.n_service++] = service;
	}
	list.service = pointers;
	response.message_response_case = ANSWERS(LIST_SERVICES_RESPONSE);
	response.list_services_response = &list;
	send(call, request, &response);
}

static void on_request(struct rpc_call *call, const request_message *request, void *userdata)
{
	(void)userdata;
	if (!request) {
		rpc_call_finish(call);
		return;
	}
	switch (request->message_request_case) {
	case ASKS(FILE_BY_FILENAME):
		send_file(call, request, rpc_file_find(request->file_by_filename));
		break;
	case ASKS(FILE_CONTAINING_SYMBOL):
		send_file(call, request, rpc_file_with_symbol(request->file_containing_symbol));
		break;
	case ASKS(LIST_SERVICES):
		send_services(call, request);
		break;
	case ASKS(FILE_CONTAINING_EXTENSION):
	case ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE):
		send_error(call, request, RPC_CODE_NOT_FOUND, "this server has no extensions");
		break;
	default:
		send_error(call, request, RPC_CODE_INVALID_ARGUMENT,
			   "the request asks for nothing");
	}
}

static void on_writable(struct rpc_call *call, void *userdata)
{
	(void)userdata;
	rpc_call_read(call);
}

/* A call keeps nothing of its own. */
static void on_closed(struct rpc_call *call, void *userdata)
{
	(void)call;
	(void)userdata;
}

static void on_open(struct rpc_call *call, void *userdata)
{
	(void)userdata;
	rpc_call_on_closed(call, on_closed, NULL);
	rpc_call_on_writable(call, on_writable, NULL);
	rpc_call_read(call);
}

void rpc_reflection_register(struct rpc_server *server)
{
	rpc_on_server_reflection_server_reflection_info(server, on_open, on_request, NULL);
	rpc_server_alias(server, RPC_SERVER_REFLECTION_V1ALPHA_SERVER_REFLECTION_INFO,
			 RPC_SERVER_REFLECTION_SERVER_REFLECTION_INFO);
}
