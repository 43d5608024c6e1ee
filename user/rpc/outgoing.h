/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The messages that calls have yet to send, and what they cost. */
#ifndef STEER_RPC_OUTGOING_H
#define STEER_RPC_OUTGOING_H

#include "rpc/call.h"

/* Serializes a message into the call's queue. False: over the server's budget. */
bool rpc_outgoing_push(struct rpc_call *call, const ProtobufCMessage *message);
/* The same within the stream's own bound; 0, -ENOBUFS or -EMSGSIZE as of rpc_call_send(). */
int rpc_outgoing_queue(struct rpc_call *call, const ProtobufCMessage *message);
/* The next one, still charged for, or NULL. */
struct rpc_outgoing *rpc_outgoing_pop(struct rpc_call *call);
void rpc_outgoing_free(struct rpc_call *call, struct rpc_outgoing *message);
/* Runs the writable callbacks of calls that have room again. To be called after freeing some. */
void rpc_outgoing_wake(struct rpc_server *server);

#endif
