#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The client of test_rpc_server.c, in another language than the server.

usage: rpc_client.py SCENARIO DIRECTORY [PORT]

DIRECTORY holds the server's socket `sock`, its descriptor set `protoset` and the certificates.
Exits 0 when the scenario went as it should.
"""
import os
import resource
import socket
import sys
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SCENARIO, DIRECTORY = sys.argv[1:3]
AGENT = "/steerd.v1.AgentService/"
HEALTH = "/grpc.health.v1.Health/"
TIMEOUT = 20  # seconds; nothing here takes long unless it hangs


def path(name):
    return os.path.join(DIRECTORY, name)


def read(name):
    with open(path(name), "rb") as f:
        return f.read()


class Types:
    """Message classes by full name, from the server's descriptor set."""

    def __init__(self, files):
        self.pool = descriptor_pool.DescriptorPool()
        for file in files:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def __getitem__(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))


FILES = descriptor_pb2.FileDescriptorSet.FromString(read("protoset")).file
TYPES = Types(FILES)


def agent(name, **fields):
    return TYPES["steerd.v1." + name](**fields)


def connect(options=()):
    return grpc.insecure_channel("unix:" + path("sock"),
                                 [("grpc.max_receive_message_length", -1), *options])


def codec(kind, method, request, response):
    """A callable for one method; kind is 'unary_unary' and so on, of a channel."""
    return kind(method, lambda m: m.SerializeToString(), TYPES[response].FromString)


def unary(channel, name):
    return codec(channel.unary_unary, AGENT + name, f"steerd.v1.{name}Request",
                 f"steerd.v1.{name}Response")


def watch_events(channel):
    return codec(channel.unary_stream, AGENT + "WatchEvents", "steerd.v1.WatchEventsRequest",
                 "steerd.v1.WatchEventsResponse")


def expect_code(code, function, text=""):
    try:
        result = function()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}, not {code}: {error.details()}"
        assert text in error.details(), f"'{text}' is not in '{error.details()}'"
        return
    raise AssertionError(f"{code} expected, but it went well: {result}")


def node_of(channel):
    return unary(channel, "GetStatus")(agent("GetStatusRequest"), timeout=TIMEOUT).node


def replies():
    channel = connect()
    for _ in range(200):
        assert node_of(channel) == "edge-1"


def reply_later():
    explain = unary(connect(), "Explain")
    calls = [explain.future(agent("ExplainRequest", client=f"c{i}"), timeout=TIMEOUT)
             for i in range(50)]
    assert [c.result().service for c in calls] == [f"c{i}" for i in range(50)]


def slow_reader():
    """Takes nothing until the server says, in a file, that it has been held back."""
    stream = watch_events(connect())(agent("WatchEventsRequest", after_sequence=5000),
                                     timeout=TIMEOUT)
    wait_for_file("held")
    sequences = [m.sequence for m in stream]
    assert sequences == list(range(5000)), len(sequences)


def slow_readers():
    """Two streams in one budget, read in turns."""
    streams = [watch_events(connect([("grpc.use_local_subchannel_pool", 1)]))(
        agent("WatchEventsRequest", after_sequence=5000), timeout=TIMEOUT) for _ in range(2)]
    wait_for_file("held")
    for i in range(5000):
        assert [next(s).sequence for s in streams] == [i, i]


def leaves_calls_open():
    """Succeeds while a process of its own has two calls open, which the server will break."""
    if os.fork():
        wait_for_file("open")
        return
    channel = connect()
    stream = watch_events(channel)(agent("WatchEventsRequest", follow=True))
    next(stream)
    later = unary(channel, "SetSplit").future(agent("SetSplitRequest"))
    status = unary(channel, "GetStatus")
    while status(agent("GetStatusRequest"), timeout=TIMEOUT).previous_version < 3:
        time.sleep(0.01)
    os.mkdir(path("open"))
    later.exception()


def wait_for_file(name):
    deadline = time.monotonic() + TIMEOUT
    while not os.path.exists(path(name)):
        assert time.monotonic() < deadline, f"no file {name}"
        time.sleep(0.01)


def bidi():
    def requests():
        for i in range(500):
            yield agent("SyncRequest", version_tag=str(i))
    sync = codec(connect().stream_stream, AGENT + "Sync", "", "steerd.v1.SyncResponse")
    tags = [m.version_tag for m in sync(requests(), timeout=TIMEOUT)]
    assert tags == [str(i) for i in range(500)], tags[:10]


def bad_stream_message():
    """The second message is none: the call ends, and the server forgets it."""
    sync = connect().stream_stream(AGENT + "Sync", lambda m: m, lambda m: m)
    expect_code(grpc.StatusCode.INVALID_ARGUMENT,
                lambda: list(sync(iter([b"", b"\xff"]), timeout=TIMEOUT)), "field number")


def unknown_methods():
    channel = connect()
    calls = [channel.unary_unary(f"/nobody.Service/Method{i}").future(b"", timeout=TIMEOUT)
             for i in range(100)]
    for i, call in enumerate(calls):
        expect_code(grpc.StatusCode.UNIMPLEMENTED, call.result, f"/nobody.Service/Method{i}")
    # It is in the protocol, but this server has no handler for it.
    expect_code(grpc.StatusCode.UNIMPLEMENTED,
                lambda: unary(channel, "Rollback")(agent("RollbackRequest"), timeout=TIMEOUT))
    assert node_of(channel) == "edge-1"


def cancel():
    """One call of each kind is given up by this side; the server counts what it hears."""
    channel = connect()
    stream = watch_events(channel)(agent("WatchEventsRequest", follow=True))
    next(stream)
    stream.cancel()
    expect_code(grpc.StatusCode.DEADLINE_EXCEEDED,
                lambda: unary(channel, "SetSplit")(agent("SetSplitRequest"), timeout=0.2))
    second = connect([("grpc.use_local_subchannel_pool", 1)])
    stream = watch_events(second)(agent("WatchEventsRequest", follow=True))
    next(stream)
    second.close()
    deadline = time.monotonic() + TIMEOUT
    while unary(channel, "GetStatus")(agent("GetStatusRequest"), timeout=TIMEOUT).version < 3:
        assert time.monotonic() < deadline, "the server did not hear of all three"
        time.sleep(0.01)


def handler_forgets():
    expect_code(grpc.StatusCode.INTERNAL,
                lambda: unary(connect(), "SetSplit")(agent("SetSplitRequest", dry_run=True),
                                                     timeout=TIMEOUT), "not answered")


def hostile():
    raw = connect().unary_unary(AGENT + "Apply")

    def refused(code, text, data, **options):
        expect_code(code, lambda: raw(data, timeout=TIMEOUT, **options), text)
    refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "", b"\x0a" + b"\0" * (2 << 20))
    refused(grpc.StatusCode.INVALID_ARGUMENT, "cut short", b"\x0a\x05ab")
    refused(grpc.StatusCode.INVALID_ARGUMENT, "no field 99", b"\x98\x06\x01")
    refused(grpc.StatusCode.INVALID_ARGUMENT, "twice", b"\x0a\x00\x0a\x00")
    refused(grpc.StatusCode.UNIMPLEMENTED, "ompress", b"\x0a" + b"\0" * 60000,
            compression=grpc.Compression.Gzip)
    # Many empty stacks: 2 bytes each here, a struct each over there.
    stacks = b"\x0a\x00" * 100000
    size = len(stacks)
    header = b"\x0a" + bytes([size & 0x7f | 0x80, size >> 7 & 0x7f | 0x80, size >> 14])
    refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "bytes of memory", header + stacks)
    expect_code(grpc.StatusCode.INVALID_ARGUMENT,
                lambda: connect().stream_unary(AGENT + "Apply")(iter([]), timeout=TIMEOUT),
                "one request message")
    assert node_of(connect()) == "edge-1"


def large_requests():
    """More at once than the server may hold: some are refused, and then all is as before."""
    channels = [connect([("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)]
    request = agent("ApplyRequest", routes=TYPES["steerd.v1.Routes"](fleet_key="k" * 900000))
    calls = [unary(channels[i % 4], "Apply").future(request, timeout=TIMEOUT) for i in range(60)]
    codes = {c.code() for c in calls}
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED,
                     grpc.StatusCode.UNAVAILABLE}, codes
    for channel in channels:
        patiently(codes | {grpc.StatusCode.RESOURCE_EXHAUSTED},
                  lambda c=channel: unary(c, "Apply")(request, timeout=TIMEOUT))


def patiently(codes, function):
    """Until it goes well; the codes given are those that say to try again."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return function()
        except grpc.RpcError as error:
            assert error.code() in codes, error
            assert time.monotonic() < deadline
            time.sleep(0.01)


def garbage_connections():
    """What is not HTTP/2 at all harms nobody else."""
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path("sock"))
            s.sendall(data)
    assert node_of(connect()) == "edge-1"


def calls_limit():
    """The server takes 8 calls at once."""
    channel = connect()
    streams = [watch_events(channel)(agent("WatchEventsRequest", follow=True)) for _ in range(8)]
    for stream in streams:
        next(stream)
    expect_code(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: node_of(channel), "8 calls")
    for stream in streams:
        stream.cancel()
    assert patiently([grpc.StatusCode.RESOURCE_EXHAUSTED], lambda: node_of(channel)) == "edge-1"


def patience():
    """A request that never comes, where the server waits 300 ms for one."""
    never = threading.Event()

    def requests():
        never.wait(TIMEOUT)
        yield b""
    call = connect().stream_unary(AGENT + "GetStatus")
    expect_code(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: call(requests()), "in time")
    never.set()


def descriptors():
    """More connections than the server has descriptors for; once they are gone it goes on."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # the server's low limit is inherited
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    idle = []
    for _ in range(60):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path("sock"))
        idle.append(s)
    wait_for_file("short")
    for s in idle:
        s.close()
    assert node_of(connect()) == "edge-1"


def connections_limit():
    """The server takes 4 connections; the fifth waits for one to go."""
    idle = []
    for _ in range(4):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path("sock"))
        idle.append(s)
    call = unary(connect(), "GetStatus").future(agent("GetStatusRequest"), timeout=TIMEOUT)
    time.sleep(0.2)
    assert not call.done()
    idle.pop().close()
    assert call.result().node == "edge-1"


def check(channel, service):
    call = codec(channel.unary_unary, HEALTH + "Check", "", "grpc.health.v1.HealthCheckResponse")
    request = TYPES["grpc.health.v1.HealthCheckRequest"](service=service)
    return call(request, timeout=TIMEOUT).status


def health():
    """SetHealth of the test server turns `serving` on and off: 2 is up, 3 down."""
    channel = connect()
    request = TYPES["grpc.health.v1.HealthCheckRequest"]
    watch = codec(channel.unary_stream, HEALTH + "Watch", "", "grpc.health.v1.HealthCheckResponse")
    serving = unary(channel, "SetHealth")
    streams = [watch(request(service=s), timeout=TIMEOUT) for s in ("", "steerd.v1.AgentService")]
    unknown = watch(request(service="nobody"), timeout=TIMEOUT)
    assert next(unknown).status == 3
    for override, status in ((0, 2), (2, 1), (3, 2), (2, 1)):
        if override:
            serving(agent("SetHealthRequest", override=override), timeout=TIMEOUT)
        for service in ("", "steerd.v1.AgentService", "grpc.health.v1.Health"):
            assert check(channel, service) == status
        assert [next(s).status for s in streams] == [status, status]
    expect_code(grpc.StatusCode.NOT_FOUND, lambda: check(channel, "nobody"), "nobody")


def reflect(version):
    package = f"grpc.reflection.{version}."
    request = TYPES[package + "ServerReflectionRequest"]
    info = codec(connect().stream_stream, f"/{package}ServerReflection/ServerReflectionInfo", "",
                 package + "ServerReflectionResponse")

    def ask(*requests):
        answers = list(info(iter(requests), timeout=TIMEOUT))
        assert [a.original_request for a in answers] == list(requests)
        return answers

    services, = ask(request(list_services="*"))
    names = sorted(s.name for s in services.list_services_response.service)
    assert names == ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                     "grpc.reflection.v1alpha.ServerReflection", "steerd.v1.AgentService"], names

    for question in (request(file_by_filename="steerd/v1/agent.proto"),
                     request(file_containing_symbol="steerd.v1.AgentService"),
                     request(file_containing_symbol="steerd.v1.AgentService.Apply"),
                     request(file_containing_symbol="steerd.v1.SyncResponse.Result"),
                     request(file_containing_symbol="steerd.v1.Routes.fleet_key")):
        answer, = ask(question)
        files = [descriptor_pb2.FileDescriptorProto.FromString(f)
                 for f in answer.file_descriptor_response.file_descriptor_proto]
        assert files[0].name == "steerd/v1/agent.proto", question
        known = {f.name for f in files}
        assert all(d in known for f in files for d in f.dependency)
        pool = Types(reversed(files)).pool
        methods = pool.FindServiceByName("steerd.v1.AgentService").methods
        assert "Apply" in [m.name for m in methods]

    extension = TYPES[package + "ExtensionRequest"](containing_type="steerd.v1.Routes",
                                                   extension_number=100)
    not_found = ask(request(file_by_filename="none.proto"),
                    request(file_containing_symbol="steerd.v1.Nothing"),
                    request(file_containing_extension=extension),
                    request(all_extension_numbers_of_type="steerd.v1.Routes"))
    assert [a.error_response.error_code for a in not_found] == [5] * 4
    empty, = ask(request())
    assert empty.error_response.error_code == 3
    # More answers than the stream's queue holds, asked for without a pause.
    many = [request(file_by_filename="steerd/v1/agent.proto")] * 300
    assert len(ask(*many)) == 300


def reflection():
    reflect("v1")
    reflect("v1alpha")


def drain():
    """Apply with dry_run starts the drain of the test server; Explain answers 50 ms later."""
    channel = connect([("grpc.enable_retries", 0)])
    watch = codec(channel.unary_stream, HEALTH + "Watch", "", "grpc.health.v1.HealthCheckResponse")
    states = watch(TYPES["grpc.health.v1.HealthCheckRequest"](), timeout=TIMEOUT)
    assert next(states).status == 1
    stuck = watch_events(channel)(agent("WatchEventsRequest", follow=True), timeout=TIMEOUT)
    next(stuck)
    running = unary(channel, "Explain").future(agent("ExplainRequest", client="c"),
                                               timeout=TIMEOUT)
    while not unary(channel, "GetStatus")(agent("GetStatusRequest"), timeout=TIMEOUT).services:
        time.sleep(0.01)
    unary(channel, "Apply")(agent("ApplyRequest", dry_run=True), timeout=TIMEOUT)
    assert next(states).status == 2
    expect_code(grpc.StatusCode.UNAVAILABLE, lambda: next(states), "stopping")
    expect_code(grpc.StatusCode.UNAVAILABLE, lambda: node_of(channel))
    assert running.result().service == "c"
    try:
        list(stuck)
        raise AssertionError("a stream outlived the drain")
    except grpc.RpcError as error:
        assert error.code() != grpc.StatusCode.DEADLINE_EXCEEDED
    assert not os.path.exists(path("sock"))


def secure_channel(name):
    cert = (read(name + ".key"), read(name + ".crt")) if name else (None, None)
    credentials = grpc.ssl_channel_credentials(read("ca.crt"), *cert)
    return grpc.secure_channel(f"localhost:{sys.argv[3]}", credentials,
                               [("grpc.use_local_subchannel_pool", 1),
                                ("grpc.max_receive_message_length", -1)])


def tls():
    good = secure_channel("client")
    assert node_of(good) == "edge-1"
    for name in (None, "stranger", "expired"):
        channel = secure_channel(name)
        expect_code(grpc.StatusCode.UNAVAILABLE, lambda: node_of(channel))
        channel.close()
    expect_code(grpc.StatusCode.UNAVAILABLE,
                lambda: node_of(grpc.insecure_channel(f"localhost:{sys.argv[3]}")))
    # Larger than any buffer on the way, both ways.
    stream = watch_events(good)(agent("WatchEventsRequest", after_sequence=3000), timeout=TIMEOUT)
    assert [m.sequence for m in stream] == list(range(3000))
    routes = TYPES["steerd.v1.Routes"](fleet_key="k" * 900000)
    reply = unary(good, "Apply")(agent("ApplyRequest", routes=routes), timeout=TIMEOUT)
    assert reply.version == 900000


def tls_drain():
    """The stream is larger than what the kernel buffers, and read only after the drain began."""
    channel = secure_channel("client")
    stream = watch_events(channel)(agent("WatchEventsRequest", after_sequence=3000),
                                   timeout=TIMEOUT)
    first = next(stream)
    unary(connect(), "Apply")(agent("ApplyRequest", dry_run=True), timeout=TIMEOUT)
    time.sleep(0.3)
    assert [first.sequence] + [m.sequence for m in stream] == list(range(3000))


def tls_silent():
    """Connections that never shake hands are cut off after 300 ms, and hold nobody up."""
    idle = [socket.create_connection(("localhost", int(sys.argv[3]))) for _ in range(3)]
    assert node_of(secure_channel("client")) == "edge-1"
    for s in idle:
        s.settimeout(TIMEOUT)
        assert s.recv(1) == b""


globals()[SCENARIO]()
