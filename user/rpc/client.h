/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A synchronous gRPC client. One thread uses a client and its streams at a time. Methods are
 * named as on the wire: "/steerd.v1.AgentService/Apply".
 */
#ifndef STEER_RPC_CLIENT_H
#define STEER_RPC_CLIENT_H

#include "rpc/code.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a call failed. Zero-initialise; rpc_error_clear() when done. */
struct rpc_error {
	int code;	     /* enum rpc_code; RPC_CODE_OK: it failed on this side */
	char *message;	     /* never NULL after a failure; several lines for several problems */
	bool is_unconnected; /* the server was never reached */
};
void rpc_error_clear(struct rpc_error *error);
const char *rpc_code_name(int code); /* "INVALID_ARGUMENT"; "UNKNOWN" for what is none */

struct rpc_bytes {
	uint8_t *data;
	size_t size;
};
void rpc_bytes_clear(struct rpc_bytes *bytes);

struct rpc_client_options {
	const char *address; /* "unix:///run/x.sock", "/run/x.sock" or "host:port" */
	const char *cert;    /* PEM files, for host:port, which is mutual TLS unless: */
	const char *key;
	const char *ca;
	bool is_anonymous; /* cert and key may be NULL: only the server says who it is */
	bool is_plaintext; /* no TLS for host:port either */
};

/*
 * Prepares a connection; it is made by the first call. -EINVAL: the address or a missing option,
 * other -errno: a certificate file; error->message says which.
 */
struct rpc_client;
int rpc_client_open(const struct rpc_client_options *options, struct rpc_client **ret_client,
		    struct rpc_error *error);
void rpc_client_close(struct rpc_client *client); /* accepts NULL */

/* One request, one reply. 0, or -EREMOTEIO with *error filled. timeout_ms 0: no limit. */
int rpc_client_call(struct rpc_client *client, const char *method, const void *request, size_t size,
		    uint32_t timeout_ms, struct rpc_bytes *ret_reply, struct rpc_error *error);

/* The same with packed and unpacked messages; the reply is the caller's to free. */
int rpc_client_call_message(struct rpc_client *client, const char *method,
			    const ProtobufCMessage *request,
			    const ProtobufCMessageDescriptor *reply_type, uint32_t timeout_ms,
			    ProtobufCMessage **ret_reply, struct rpc_error *error);

/*
 * A call of any shape. Messages that come in while one is being sent are kept, so that neither
 * side can wait for the other.
 */
struct rpc_stream;
int rpc_stream_open(struct rpc_client *client, const char *method, uint32_t timeout_ms,
		    struct rpc_stream **ret_stream);
/* 0, or -EPIPE when the call is over already: rpc_stream_receive() then says how it ended. */
int rpc_stream_send(struct rpc_stream *stream, const void *message, size_t size);
int rpc_stream_send_end(struct rpc_stream *stream);
/* 1: a message; 0: the stream ended well; -EREMOTEIO: it failed, *error is filled. */
int rpc_stream_receive(struct rpc_stream *stream, struct rpc_bytes *ret_message,
		       struct rpc_error *error);
/* Up to timeout_ms; true: rpc_stream_receive() would not have to wait now. */
bool rpc_stream_wait(struct rpc_stream *stream, uint32_t timeout_ms);
/* Makes the call end soon, whatever it waits for. From any thread, before rpc_stream_close(). */
void rpc_stream_cancel(struct rpc_stream *stream);
void rpc_stream_close(struct rpc_stream *stream); /* cancels what is not over; accepts NULL */

#define CLEANUP_RPC_ERROR  __attribute__((cleanup(rpc_error_clear)))
#define CLEANUP_RPC_BYTES  __attribute__((cleanup(rpc_bytes_clear)))
#define CLEANUP_RPC_STREAM __attribute__((cleanup(rpc_stream_closep)))
static inline void rpc_stream_closep(struct rpc_stream **stream)
{
	rpc_stream_close(*stream);
}

#endif
