/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/routes_wire.h"

#include <errno.h>

#include "common/routes_proto.h"
#include "common/routes_yaml.h"
#include "common/util.h"
#include "steerd/v1/agent.pb-c.h"

void routes_wire_apply(const struct routes *routes, bool dry_run, struct rpc_bytes *ret_request)
{
	Steerd__V1__ApplyRequest request = STEERD__V1__APPLY_REQUEST__INIT;

	request.routes = routes_to_proto(routes);
	request.dry_run = dry_run;
	ret_request->size = steerd__v1__apply_request__get_packed_size(&request);
	ret_request->data = util_calloc(1, ret_request->size);
	steerd__v1__apply_request__pack(&request, ret_request->data);
	routes_proto_free(request.routes);
}

int routes_wire_status_yaml(const struct rpc_bytes *reply, char **ret_text)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = NULL;
	Steerd__V1__GetStatusResponse *status;
	int ret;

	status = steerd__v1__get_status_response__unpack(NULL, reply->size, reply->data);
	if (!status)
		return -EBADMSG;
	ret = routes_from_proto(status->routes, &routes, &problems);
	if (!ret)
		ret = routes_yaml_emit(routes, ret_text);
	steerd__v1__get_status_response__free_unpacked(status, NULL);
	return ret < 0 ? -EBADMSG : 0;
}
