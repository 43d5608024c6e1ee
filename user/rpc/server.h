/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A gRPC server on an sd-event loop. The loop owns all state: every function here is called on
 * its thread, every handler and callback runs there, between two other events. Use the typed
 * rpc_on_… , rpc_reply_… and rpc_send_… of the generated methods.h rather than the untyped
 * functions under them.
 *
 * Before rpc_server_new(), which starts gRPC's threads:
 *  - drop capabilities and load the system-call filter; both are per thread, and threads that
 *    run already would keep what they had;
 *  - block the signals that the loop takes by sd_event_add_signal(), or a gRPC thread dies of them;
 *  - ignore SIGPIPE.
 * Do not fork afterwards without exec.
 *
 * A call belongs to its handler until it is ended, in one of two ways:
 *  - the handler ends it, once: rpc_call_reply(), rpc_call_fail() or rpc_call_finish(). The
 *    pointer is dead from then on, and no callback of it runs any more.
 *  - the client gives up, its deadline passes, its connection breaks, or the server cancels it:
 *    the callback set by rpc_call_on_closed() runs, once. The pointer is dead when it returns;
 *    the callback must not end the call.
 * A handler that returns with its call still open must have set rpc_call_on_closed(); otherwise
 * the call fails with INTERNAL there and then. Inside a handler or callback of a call, that call
 * cannot close before it returns.
 */
#ifndef STEER_RPC_SERVER_H
#define STEER_RPC_SERVER_H

#include "rpc/code.h"
#include "rpc/method.h"

#include <stdarg.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct rpc_server;

/* What clients can cost. A zero field, or NULL for all, means the default. */
struct rpc_limits {
	size_t message_bytes;	  /* one received message, serialized; default 8 MiB */
	size_t unpack_bytes;	  /* the same, unpacked; default 64 MiB */
	unsigned int depth;	  /* nested messages; default 16 */
	size_t elements;	  /* fields and list elements of one message; default 1000000 */
	unsigned int calls;	  /* at once; default 256; beyond: RESOURCE_EXHAUSTED */
	unsigned int connections; /* at once, of each listener; default 256; beyond: they wait */
	size_t stream_bytes;	  /* queued for one stream; default 4 MiB */
	size_t total_bytes;	  /* queued for all calls together; default 64 MiB */
	/*
	 * Beside that, gRPC may hold twice total_bytes, or four messages if that is more, of what is
	 * on its way; calls and connections beyond are cut off.
	 */
	unsigned int patience_ms; /* to send a request, to take a reply, to shake hands in TLS;
				   * default 30000 */
};

int rpc_server_new(sd_event *loop, const struct rpc_limits *limits, struct rpc_server **ret_server);

/*
 * Listeners; any number of each. Connections are taken once the loop runs, so register handlers
 * first. Running out of descriptors is survived: connections wait until there are some again.
 * On an error *ret_error is a sentence for the user, naming the file or the address; the caller
 * frees it.
 *
 * A socket file at `path` is replaced only if nobody answers on it (else -EADDRINUSE), and is
 * removed when the server stops listening.
 */
int rpc_server_listen_unix(struct rpc_server *server, const char *path, mode_t mode,
			   char **ret_error);
/*
 * "0.0.0.0:9450" or "[::]:9450" ; port 0: any free one. TLS 1.2 or later only, and only clients
 * with a certificate that the CA file vouches for. PEM files, read now.
 */
int rpc_server_listen_tcp(struct rpc_server *server, const char *address, const char *cert_path,
			  const char *key_path, const char *client_ca_path, char **ret_error);
/* The port of the first TCP listener, 0 if there is none. */
unsigned int rpc_server_tcp_port(const struct rpc_server *server);

/*
 * What the health service says of the server and of each service with a handler; false at first.
 * Check, Watch, and reflection in both versions are always there.
 */
void rpc_server_set_serving(struct rpc_server *server, bool serving);

/*
 * Stops: health says NOT_SERVING, listeners close, new calls are refused as UNAVAILABLE. Calls
 * that run may finish; those that have not after timeout_ms are cancelled. Then `done` runs, from
 * the loop, and may free the server. Call it once.
 */
void rpc_server_drain(struct rpc_server *server, unsigned int timeout_ms,
		      void (*done)(void *userdata), void *userdata);

/*
 * Accepts NULL. Without a finished drain, all calls are cancelled first, and their on_closed
 * callbacks run in here. Not from a handler or a callback of a call.
 */
void rpc_server_free(struct rpc_server *server);

struct rpc_usage {
	unsigned int calls;	  /* open, or not yet taken by the client */
	unsigned int connections; /* of all listeners */
	size_t queued_bytes;
};
void rpc_server_usage(const struct rpc_server *server, struct rpc_usage *ret_usage);

/*
 * Untyped registration; `method` is an enum rpc_method_id. `opened` is for methods whose client
 * streams, else NULL: it runs when the call arrives, and asks for messages by rpc_call_read().
 */
void rpc_server_handle(struct rpc_server *server, unsigned int method,
		       void (*opened)(struct rpc_call *call, void *userdata), rpc_any_fn handler,
		       void *userdata);

/* See above: the pointer is dead when `closed` returns. The last one set counts. */
void rpc_call_on_closed(struct rpc_call *call,
			void (*closed)(struct rpc_call *call, void *userdata), void *userdata);

const struct rpc_method *rpc_call_method(const struct rpc_call *call);
void rpc_call_set_context(struct rpc_call *call,
			  void *context); /* the handler's own; NULL at first */
void *rpc_call_context(const struct rpc_call *call);

/*
 * Ends a call with its one reply, which is serialized before this returns. A client that does
 * not take it within patience_ms is cut off.
 */
void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *reply);
/* Ends a call of any kind. A stream's queued messages are sent first. */
void rpc_call_fail(struct rpc_call *call, enum rpc_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void rpc_call_vfail(struct rpc_call *call, enum rpc_code code, const char *format, va_list args);
/* Ends a stream well, once what is queued has been sent. */
void rpc_call_finish(struct rpc_call *call);

/*
 * Queues a message of a stream; it is serialized before this returns. -ENOBUFS: the stream's
 * queue or the server's budget is full; the callback of rpc_call_on_writable() says when to go
 * on. -EMSGSIZE: above stream_bytes, it can never be sent.
 */
int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message);
/* Runs after a -ENOBUFS, once, when the stream's queue has drained below half. */
void rpc_call_on_writable(struct rpc_call *call,
			  void (*writable)(struct rpc_call *call, void *userdata), void *userdata);

/*
 * Client streams: asks for the next message, which the handler gets later, never from in here;
 * NULL instead of a message: the client has sent its last. Until asked, the client is held back.
 * At most one is asked for at a time; asking again meanwhile, or after the end, does nothing.
 */
void rpc_call_read(struct rpc_call *call);

#endif
