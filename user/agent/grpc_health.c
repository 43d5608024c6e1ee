/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/grpc_health.h"

#include "common/util.h"
#include "grpc/health/v1/health.pb-c.h"

#include <endian.h>
#include <errno.h>

typedef Grpc__Health__V1__HealthCheckRequest request_message;
typedef Grpc__Health__V1__HealthCheckResponse response_message;

#define PREFIX_SIZE 5 /* compressed or not, and the length */
#define SERVING	    GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING

void grpc_health_request(const char *service, uint8_t **ret_data, size_t *ret_size)
{
	request_message request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	uint32_t size_be;
	size_t size;

	request.service = (char *)service;
	size = grpc__health__v1__health_check_request__get_packed_size(&request);
	size_be = htobe32((uint32_t)size);
	*ret_data = util_calloc(1, PREFIX_SIZE + size);
	memcpy(*ret_data + 1, &size_be, sizeof(size_be));
	grpc__health__v1__health_check_request__pack(&request, *ret_data + PREFIX_SIZE);
	*ret_size = PREFIX_SIZE + size;
}

int grpc_health_judge(const uint8_t *data, size_t size, const char **ret_status)
{
	const ProtobufCEnumValue *name;
	response_message *response;
	uint32_t size_be;
	bool serving;

	if (size < PREFIX_SIZE || data[0])
		return -EBADMSG;
	memcpy(&size_be, data + 1, sizeof(size_be));
	if (be32toh(size_be) != size - PREFIX_SIZE)
		return -EBADMSG;
	response = grpc__health__v1__health_check_response__unpack(NULL, size - PREFIX_SIZE,
								   data + PREFIX_SIZE);
	if (!response)
		return -EBADMSG;
	name = protobuf_c_enum_descriptor_get_value(
		&grpc__health__v1__health_check_response__serving_status__descriptor,
		(int)response->status);
	serving = response->status == SERVING;
	grpc__health__v1__health_check_response__free_unpacked(response, NULL);
	if (serving)
		return 0;
	*ret_status = name ? name->name : "in a state that is not known here";
	return -EAGAIN;
}
