#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""health_server.py PROTOSET DIRECTORY: grpc.health.v1 on port 50051, and on 50052 with TLS by
DIRECTORY/server.pem and server.key. The state of service NAME is what stands in DIRECTORY/NAME, as
a word of HealthCheckResponse.ServingStatus; a service without a file is not known."""

import pathlib
import sys
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def message_types(protoset):
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(protoset).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [
        factory.GetPrototype(pool.FindMessageTypeByName(f"grpc.health.v1.HealthCheck{kind}"))
        for kind in ("Request", "Response")
    ]


def main():
    request_type, response_type = message_types(sys.argv[1])
    directory = pathlib.Path(sys.argv[2])

    def check(request, context):
        try:
            state = (directory / request.service).read_text().strip()
        except OSError:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service!r}")
        return response_type(status=state)

    server = grpc.server(futures.ThreadPoolExecutor(4))
    method = grpc.unary_unary_rpc_method_handler(
        check, request_type.FromString, response_type.SerializeToString
    )
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})]
    )
    pair = [(directory / f"server.{suffix}").read_bytes() for suffix in ("key", "pem")]
    server.add_insecure_port("0.0.0.0:50051")
    server.add_secure_port("0.0.0.0:50052", grpc.ssl_server_credentials([pair]))
    server.start()
    server.wait_for_termination()


main()
