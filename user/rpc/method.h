/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The methods and files of our own protocols, as tools/gen_methods.py writes them into methods.c
 * from the descriptor set. Everything here is constant.
 */
#ifndef STEER_RPC_METHOD_H
#define STEER_RPC_METHOD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_call;

/* Any handler; only the method's own dispatch functions know what it takes. */
typedef void (*rpc_any_fn)(void);

struct rpc_method {
	const char *path;    /* "/steerd.v1.AgentService/Apply" */
	const char *service; /* "steerd.v1.AgentService" */
	const char *name;    /* "Apply" */
	unsigned int index;  /* in rpc_methods, as enum rpc_method_id */
	bool client_streaming;
	bool server_streaming;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
	/* Calls a handler of this method's type with a message of `request`, or NULL. */
	void (*dispatch)(rpc_any_fn handler, struct rpc_call *call, const ProtobufCMessage *message,
			 void *userdata);
};

extern const struct rpc_method rpc_methods[];
extern const unsigned int rpc_methods_n;

const struct rpc_method *rpc_method_find(const char *path, size_t path_size); /* or NULL */

/* One .proto file: its FileDescriptorProto inside rpc_protoset, and what it needs. */
struct rpc_file {
	const char *name;	       /* "steerd/v1/agent.proto" */
	size_t offset;		       /* bytes into rpc_protoset */
	size_t size;		       /* bytes */
	const unsigned short *closure; /* itself, then every file it imports, directly or not */
	unsigned int closure_n;
};

struct rpc_symbol {
	const char *name; /* full name, no leading dot */
	unsigned short file;
};

extern const uint8_t rpc_protoset[]; /* a google.protobuf.FileDescriptorSet */
extern const size_t rpc_protoset_size;
extern const struct rpc_file rpc_files[];
extern const unsigned int rpc_files_n;
extern const struct rpc_symbol rpc_symbols[]; /* sorted by name, strcmp() order */
extern const unsigned int rpc_symbols_n;

const struct rpc_file *rpc_file_find(const char *name);		 /* or NULL */
const struct rpc_file *rpc_file_with_symbol(const char *symbol); /* or NULL */

#endif
