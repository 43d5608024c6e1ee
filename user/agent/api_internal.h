/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef STEER_API_INTERNAL_H
#define STEER_API_INTERNAL_H

#include "agent/api.h"
#include "methods.h"

/* Ends the call with every problem, one a line; the code follows from err. */
void api_refuse(struct rpc_call *call, int err, const struct problems *problems);

Steerd__V1__HealthOverride api_override_to_proto(enum health_override override);

void api_get_status(struct rpc_call *call, const Steerd__V1__GetStatusRequest *request,
		    void *agent);
void api_explain(struct rpc_call *call, const Steerd__V1__ExplainRequest *request, void *agent);
void api_sync_opened(struct rpc_call *call, void *agent);
void api_sync(struct rpc_call *call, const Steerd__V1__SyncRequest *request, void *agent);
void api_watch_events(struct rpc_call *call, const Steerd__V1__WatchEventsRequest *request,
		      void *agent);
void api_watch_telemetry(struct rpc_call *call, const Steerd__V1__WatchTelemetryRequest *request,
			 void *agent);
void api_set_sampling(struct rpc_call *call, const Steerd__V1__SetSamplingRequest *request,
		      void *agent);

#endif
