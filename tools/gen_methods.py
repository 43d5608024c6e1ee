#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes the method table and the embedded descriptors that user/rpc/method.h declares.

usage: gen_methods.py PROTOSET OUT_PREFIX    writes OUT_PREFIX.c and OUT_PREFIX.h
"""
import re
import sys

from google.protobuf import descriptor_pb2

LICENSE = "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n"


def snake(camel):
    """As protoc-c lowers a name: an underscore before a capital that follows no capital."""
    out = ""
    for i, c in enumerate(camel):
        if c.isupper() and i and not camel[i - 1].isupper():
            out += "_"
        out += c.lower()
    return out


def upper_first(part):
    return "".join(p[:1].upper() + p[1:] for p in part.split("_"))


def c_type(full_name):
    return "__".join(upper_first(p) for p in full_name.lstrip(".").split("."))


def c_lower(full_name):
    return "__".join(snake(p) for p in full_name.lstrip(".").split("."))


class Method:
    def __init__(self, index, file, service, method):
        version = file.package.rsplit(".", 1)[-1]
        suffix = "" if version == "v1" else "_" + version
        self.index = index
        self.service = f"{file.package}.{service.name}"
        self.name = method.name
        self.path = f"/{self.service}/{self.name}"
        self.id = f"{snake(service.name)}{suffix}_{snake(method.name)}"
        self.request = method.input_type
        self.response = method.output_type
        self.client_streaming = method.client_streaming
        self.server_streaming = method.server_streaming

    def table_entry(self):
        return f"""\t[RPC_{self.id.upper()}] = {{
\t\t.path = "{self.path}",
\t\t.service = "{self.service}",
\t\t.name = "{self.name}",
\t\t.index = RPC_{self.id.upper()},
\t\t.client_streaming = {str(self.client_streaming).lower()},
\t\t.server_streaming = {str(self.server_streaming).lower()},
\t\t.request = &{c_lower(self.request)}__descriptor,
\t\t.response = &{c_lower(self.response)}__descriptor,
\t\t.dispatch = dispatch_{self.id},
\t}},
"""

    def dispatch(self):
        return f"""static void dispatch_{self.id}(rpc_any_fn handler, struct rpc_call *call,
\tconst ProtobufCMessage *message, void *userdata)
{{
\t((rpc_{self.id}_fn)handler)(call, (const {c_type(self.request)} *)message, userdata);
}}

"""

    def wrappers(self):
        opened = ("\n\tvoid (*opened)(struct rpc_call *call, void *userdata),"
                  if self.client_streaming else "")
        if self.server_streaming:
            send = f"""static inline int rpc_send_{self.id}(struct rpc_call *call,
\tconst {c_type(self.response)} *message)
{{
\treturn rpc_call_send(call, &message->base);
}}
"""
        else:
            send = f"""static inline void rpc_reply_{self.id}(struct rpc_call *call,
\tconst {c_type(self.response)} *reply)
{{
\trpc_call_reply(call, &reply->base);
}}
"""
        return f"""
/* {self.path} */
typedef void (*rpc_{self.id}_fn)(struct rpc_call *call,
\tconst {c_type(self.request)} *message, void *userdata);
static inline void rpc_on_{self.id}(struct rpc_server *server,{opened}
\trpc_{self.id}_fn handler, void *userdata)
{{
\trpc_server_handle(server, RPC_{self.id.upper()}, {"opened" if opened else "NULL"},
\t\t(rpc_any_fn)handler, userdata);
}}
{send}"""


def collect_methods(files):
    methods = [(f, s, m) for f in files for s in f.service for m in s.method]
    methods = [Method(i, *m) for i, m in enumerate(methods)]
    ids = [m.id for m in methods]
    for name in ids:
        if ids.count(name) > 1:
            sys.exit(f"two methods would both be called '{name}': rename one")
    return methods


def message_symbols(scope, message):
    name = f"{scope}.{message.name}" if scope else message.name
    yield name
    for part in (*message.field, *message.oneof_decl, *message.extension):
        yield f"{name}.{part.name}"
    for enum in message.enum_type:
        yield from enum_symbols(name, enum)
    for nested in message.nested_type:
        yield from message_symbols(name, nested)


def enum_symbols(scope, enum):
    """The values of an enum are its siblings in protobuf's scoping."""
    prefix = f"{scope}." if scope else ""
    yield prefix + enum.name
    for value in enum.value:
        yield prefix + value.name


def file_symbols(file):
    scope = file.package
    for message in file.message_type:
        yield from message_symbols(scope, message)
    for enum in file.enum_type:
        yield from enum_symbols(scope, enum)
    for extension in file.extension:
        yield f"{scope}.{extension.name}"
    for service in file.service:
        yield f"{scope}.{service.name}"
        for method in service.method:
            yield f"{scope}.{service.name}.{method.name}"


def closure(files, index):
    """The file itself, then all it imports, nearest first."""
    by_name = {f.name: i for i, f in enumerate(files)}
    found = [index]
    for i in found:
        found += [by_name[d] for d in files[i].dependency if by_name[d] not in found]
    return found


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def file_spans(data):
    """Where each FileDescriptorProto lies in the set: (offset, size)."""
    at = 0
    spans = []
    while at < len(data):
        tag, at = read_varint(data, at)
        size, at = read_varint(data, at)
        if tag != 0x0A:
            sys.exit("the descriptor set holds something besides files")
        spans.append((at, size))
        at += size
    return spans


def header(files, methods):
    includes = "".join(f'#include "{re.sub("[.]proto$", "", f.name)}.pb-c.h"\n'
                       for f in files if f.service)
    ids = "".join(f"\tRPC_{m.id.upper()} = {m.index},\n" for m in methods)
    return f"""{LICENSE}/* Written by tools/gen_methods.py. */
#ifndef STEER_METHODS_H
#define STEER_METHODS_H

#include "rpc/method.h"
#include "rpc/server.h"
{includes}
enum rpc_method_id {{
{ids}\tRPC_METHOD_MAX
}};
{"".join(m.wrappers() for m in methods)}
#endif
"""


def source(files, methods, data):
    out = [LICENSE, '/* Written by tools/gen_methods.py. */\n#include "methods.h"\n\n']
    out += [m.dispatch() for m in methods]
    out += ["const struct rpc_method rpc_methods[] = {\n"]
    out += [m.table_entry() for m in methods]
    out += ["};\nconst unsigned int rpc_methods_n = RPC_METHOD_MAX;\n\n"]

    out += ["const uint8_t rpc_protoset[] = {"]
    for i, byte in enumerate(data):
        out += ["\n\t" if i % 16 == 0 else " ", f"0x{byte:02x},"]
    out += ["\n};\nconst size_t rpc_protoset_size = sizeof(rpc_protoset);\n\n"]

    spans = file_spans(data)
    for i in range(len(files)):
        numbers = ", ".join(str(n) for n in closure(files, i))
        out += [f"static const unsigned short closure_{i}[] = {{{numbers}}};\n"]
    out += ["\nconst struct rpc_file rpc_files[] = {\n"]
    for i, (file, (offset, size)) in enumerate(zip(files, spans)):
        out += [f'\t{{"{file.name}", {offset}, {size}, closure_{i}, '
                f"{len(closure(files, i))}}},\n"]
    out += [f"}};\nconst unsigned int rpc_files_n = {len(files)};\n\n"]

    symbols = sorted((s, i) for i, f in enumerate(files) for s in file_symbols(f))
    out += ["const struct rpc_symbol rpc_symbols[] = {\n"]
    out += [f'\t{{"{name}", {i}}},\n' for name, i in symbols]
    out += [f"}};\nconst unsigned int rpc_symbols_n = {len(symbols)};\n"]
    return "".join(out)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: gen_methods.py PROTOSET OUT_PREFIX")
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    files = descriptor_pb2.FileDescriptorSet.FromString(data).file
    methods = collect_methods(files)
    with open(sys.argv[2] + ".h", "w", encoding="ascii") as f:
        f.write(header(files, methods))
    with open(sys.argv[2] + ".c", "w", encoding="ascii") as f:
        f.write(source(files, methods, data))


main()
