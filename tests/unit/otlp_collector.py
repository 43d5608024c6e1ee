#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An OTLP collector for test_otlp.c: keeps what it is sent, as it is.

usage: otlp_collector.py BEHAVIOUR DIRECTORY [tls]

BEHAVIOUR: take     answers every request
           refuse   answers that some values were refused
           hang     never answers

Listens on DIRECTORY/otlp.sock, or with TLS on any port of 127.0.0.1, and then writes it to
DIRECTORY/port. Writes each request to DIRECTORY/requests, behind its length (4 bytes, big endian).
"""
import os
import struct
import sys
import threading
from concurrent import futures

import grpc

BEHAVIOUR, DIRECTORY = sys.argv[1:3]
SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
# ExportMetricsServiceResponse{partial_success{rejected_data_points: 7, error_message: "too old"}}
REFUSAL = b"\x0a\x0b\x08\x07\x12\x07too old"


def path(name):
    return os.path.join(DIRECTORY, name)


def export(request, context):
    with open(path("requests"), "ab") as f:
        f.write(struct.pack(">I", len(request)) + request)
    if BEHAVIOUR == "hang":
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait()
    return REFUSAL if BEHAVIOUR == "refuse" else b""


def credentials():
    def read(name):
        with open(path(name), "rb") as f:
            return f.read()
    return grpc.ssl_server_credentials([(read("server.key"), read("server.crt"))])


server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
    SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)})])
if sys.argv[3:] == ["tls"]:
    port = server.add_secure_port("127.0.0.1:0", credentials())
else:
    port = server.add_insecure_port("unix:" + path("otlp.sock"))
server.start()
with open(path("port.new"), "w", encoding="ascii") as out:
    out.write(str(port))
os.rename(path("port.new"), path("port"))
server.wait_for_termination()
