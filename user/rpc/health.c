/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* grpc.health.v1, for the server as a whole and each of its services. */
#include "rpc/call.h"

#include "common/util.h"
#include "methods.h"

typedef Grpc__Health__V1__HealthCheckRequest request_message;
typedef Grpc__Health__V1__HealthCheckResponse response_message;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define RESPONSE_INIT GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT
#define STATUS(name)  GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

struct rpc_health {
	struct rpc_server *server;
	struct watch *watches;
	bool serving;
};

/* One Watch call; it is the call's context. */
struct watch {
	struct watch *next;
	struct rpc_health *health;
	struct rpc_call *call;
	bool is_known; /* the service is ours */
	serving_status sent;
};

static serving_status status_of(const struct rpc_health *health, bool is_known)
{
	if (!is_known)
		return STATUS(SERVICE_UNKNOWN);
	return health->serving ? STATUS(SERVING) : STATUS(NOT_SERVING);
}

static bool knows(const struct rpc_health *health, const char *service)
{
	return !*service || rpc_server_has_service(health->server, service);
}

static void on_check(struct rpc_call *call, const request_message *request, void *userdata)
{
	const struct rpc_health *health = userdata;
	response_message response = RESPONSE_INIT;

	if (!knows(health, request->service)) {
		rpc_call_fail(call, RPC_CODE_NOT_FOUND, "this server has no service '%s'",
			      request->service);
		return;
	}
	response.status = status_of(health, true);
	rpc_reply_health_check(call, &response);
}

/* Where there is no room, the state at the time when there is will be sent. */
static void tell(struct rpc_call *call, void *userdata)
{
	struct watch *watch = userdata;
	response_message response = RESPONSE_INIT;

	response.status = status_of(watch->health, watch->is_known);
	if (response.status == watch->sent)
		return;
	if (!rpc_send_health_watch(call, &response))
		watch->sent = response.status;
}

static void forget(struct rpc_call *call, void *userdata)
{
	struct watch *watch = userdata;
	struct watch **at = &watch->health->watches;

	(void)call;
	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	free(watch);
}

static void on_watch(struct rpc_call *call, const request_message *request, void *userdata)
{
	struct rpc_health *health = userdata;
	struct watch *watch = util_calloc(1, sizeof(*watch));

	watch->health = health;
	watch->call = call;
	watch->is_known = knows(health, request->service);
	watch->sent = STATUS(UNKNOWN);
	watch->next = health->watches;
	health->watches = watch;
	rpc_call_on_closed(call, forget, watch);
	rpc_call_on_writable(call, tell, watch);
	tell(call, watch);
}

void rpc_health_new(struct rpc_server *server)
{
	struct rpc_health *health = util_calloc(1, sizeof(*health));

	health->server = server;
	server->health = health;
	rpc_on_health_check(server, on_check, health);
	rpc_on_health_watch(server, on_watch, health);
}

void rpc_health_set(struct rpc_server *server, bool serving)
{
	server->health->serving = serving;
	for (struct watch *watch = server->health->watches; watch; watch = watch->next)
		tell(watch->call, watch);
}

void rpc_health_finish(struct rpc_server *server)
{
	struct watch *watch;

	while ((watch = server->health->watches)) {
		server->health->watches = watch->next;
		rpc_call_fail(watch->call, RPC_CODE_UNAVAILABLE, "this server is stopping");
		free(watch);
	}
}

void rpc_health_free(struct rpc_health *health)
{
	free(health);
}
