#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A controller in another language, on what reflection tells it alone.

usage: grpc_client.py PROTOSET unix:SOCKET | HOST:PORT CERTIFICATES [restarted]

PROTOSET is used for the reflection service's own messages only. CERTIFICATES is a folder with
ca.pem, client.pem and client.key, and other.pem and other.key of another CA.
restarted: looks only whether what an earlier run left has outlived the agent.
"""
import sys
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TIMEOUT = 20  # seconds; nothing here takes long unless it hangs
AGENT = "steerd.v1.AgentService"
REFLECTION = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


class Types:
    """Message classes by full name."""

    def __init__(self, files):
        self.pool = descriptor_pool.DescriptorPool()
        for file in files:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def __getitem__(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def method(self, channel, service, name):
        descriptor = self.pool.FindServiceByName(service).FindMethodByName(name)
        proto = descriptor_pb2.MethodDescriptorProto()
        descriptor.CopyToProto(proto)
        shape = {(False, False): channel.unary_unary, (False, True): channel.unary_stream,
                 (True, True): channel.stream_stream}
        return shape[proto.client_streaming, proto.server_streaming](
            f"/{service}/{name}", lambda m: m.SerializeToString(),
            self[descriptor.output_type.full_name].FromString)


def reflect(channel, known, package):
    """The types that the server itself describes."""
    request = known[f"{package}.ServerReflectionRequest"]
    ask = known.method(channel, f"{package}.ServerReflection", "ServerReflectionInfo")
    listed, described = list(ask(iter([request(list_services="*"),
                                       request(file_containing_symbol=AGENT)]), timeout=TIMEOUT))
    names = [s.name for s in listed.list_services_response.service]
    for name in (AGENT, "grpc.health.v1.Health", *(f"{p}.ServerReflection" for p in REFLECTION)):
        assert name in names, f"{name} is not listed: {names}"
    files = {}
    for data in described.file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        files[file.name] = file
    return Types(files.values())


class Agent:
    def __init__(self, channel, types):
        self.channel, self.types = channel, types

    def message(self, name, **fields):
        return self.types[f"steerd.v1.{name}"](**fields)

    def call(self, name, **fields):
        method = self.types.method(self.channel, AGENT, name)
        return method(self.message(f"{name}Request", **fields), timeout=TIMEOUT)

    def stream(self, name, requests, timeout=TIMEOUT):
        return self.types.method(self.channel, AGENT, name)(requests, timeout=timeout)

    def routes(self):
        return self.call("GetStatus", routes=True).routes

    def split(self, **weights):
        return [self.message("SplitEntry", stack=s, weight=w) for s, w in weights.items()]

    def weights(self):
        shop = [s for s in self.call("GetStatus").services if s.name == "shop"][0]
        return {share.stack: share.weight for share in shop.shares}


def expect_error(code, text, function):
    try:
        result = function()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}, not {code}: {error.details()}"
        assert text in error.details(), f"'{text}' is not in '{error.details()}'"
        return
    raise AssertionError(f"{code} expected, but it went well: {result}")


def apply(agent):
    status = agent.call("GetStatus")
    again = agent.call("Apply", routes=agent.routes())
    assert again.version == status.version, "the same routes count as a change"
    routes = agent.routes()
    shop = [s for s in routes.services if s.name == "shop"][0]
    shop.split[0].stack = "gren"
    shop.vips.append(shop.vips[0])
    for problem in ("gren", "twice"):  # every one of them is told
        expect_error(grpc.StatusCode.INVALID_ARGUMENT, problem,
                     lambda: agent.call("Apply", routes=routes))
    shop.vips[0] = "nonsense"
    expect_error(grpc.StatusCode.INVALID_ARGUMENT, "nonsense",
                 lambda: agent.call("Apply", routes=routes))
    assert agent.call("GetStatus").version == status.version


def split_and_rollback(agent):
    first = agent.call("SetSplit", service="shop", split=agent.split(blue=95, green=5))
    dry = agent.call("SetSplit", service="shop", split=agent.split(blue=80, green=20),
                     dry_run=True)
    assert dry.version == first.version
    second = agent.call("SetSplit", service="shop", split=agent.split(blue=80, green=20))
    assert second.version == first.version + 1
    assert abs(second.plan.moves[0].moved_share - 0.15) < 0.001, second.plan
    assert agent.weights() == {"blue": 80, "green": 20}
    agent.call("Rollback", service="shop")
    assert agent.weights() == {"blue": 95, "green": 5}
    expect_error(grpc.StatusCode.NOT_FOUND, "nothing",
                 lambda: agent.call("SetSplit", service="nothing", split=agent.split(blue=1)))


def health(agent):
    response = agent.call("SetHealth", stack="green", override=4)
    assert response.backends == 2, response
    green = [s for s in agent.call("GetStatus").stacks if s.name == "green"][0]
    assert [b.reason for b in green.backends] == ["drained by operator"] * 2, green
    agent.call("SetHealth", stack="green", override=1)


def explain(agent):
    answer = agent.call("Explain", service="shop", protocol=1, client="198.51.100.7",
                        client_port=4711, vip="203.0.113.10", vip_port=80)
    assert answer.reason == "forwarded" and answer.stack in ("blue", "green"), answer
    assert [s.name for s in answer.stages] == ["classify", "affinity", "policy", "health",
                                               "balance", "forward"], answer


def sync(agent):
    """ACK, NACK and the question what is live, on one stream."""
    routes = agent.routes()
    shop = [s for s in routes.services if s.name == "shop"][0]
    shop.split[0].weight, shop.split[1].weight = 70, 30
    good = agent.message("SyncRequest", version_tag="r1", routes=routes)
    shop.split[0].stack = "gren"
    bad = agent.message("SyncRequest", version_tag="r2", routes=routes)
    state, ack, nack = list(agent.stream("Sync", iter([agent.message("SyncRequest"), good, bad])))
    assert state.result == 3 and state.node == "edge", state
    assert ack.result == 1 and ack.version_tag == ack.live_version_tag == "r1", ack
    assert nack.result == 2 and nack.version_tag == "r2" and nack.live_version_tag == "r1", nack
    assert any("gren" in p for p in nack.problems), nack
    assert nack.live_version == ack.live_version == state.live_version + 1
    assert agent.weights() == {"blue": 70, "green": 30}
    # The same routes by another name: no new version, and what a rollback would restore stands.
    before = agent.call("GetStatus").previous_version
    again = agent.message("SyncRequest", version_tag="r3", routes=agent.routes())
    ack, = list(agent.stream("Sync", iter([again])))
    assert ack.result == 1 and ack.live_version_tag == "r3", ack
    assert ack.live_version == nack.live_version
    assert agent.call("GetStatus").previous_version == before


def restarted(agent):
    """What sync() left, and events() before it, is there after a restart."""
    state, = list(agent.stream("Sync", iter([agent.message("SyncRequest")])))
    assert state.live_version_tag == "r3", state
    assert agent.weights() == {"blue": 70, "green": 30}
    agent.call("Rollback")
    assert agent.weights() == {"blue": 1, "green": 1}


def events(agent):
    """A follower sees a change that is made after it began; the log ends for who does not."""
    kept = list(agent.stream("WatchEvents", agent.message("WatchEventsRequest")))
    assert [e.sequence for e in kept] == sorted(e.sequence for e in kept) and kept
    stream = agent.stream("WatchEvents", agent.message("WatchEventsRequest", follow=True,
                                                       after_sequence=kept[-1].sequence))
    change = threading.Timer(0.2, lambda: agent.call("SetSplit", service="shop",
                                                     split=agent.split(blue=1, green=1)))
    change.start()
    event = next(stream)
    assert event.kind == "routes" and event.sequence == kept[-1].sequence + 1, event
    stream.cancel()
    change.join()


def standard_health(channel, known):
    check = known.method(channel, "grpc.health.v1.Health", "Check")
    request = known["grpc.health.v1.HealthCheckRequest"]
    assert check(request(), timeout=TIMEOUT).status == 1
    assert check(request(service=AGENT), timeout=TIMEOUT).status == 1
    expect_error(grpc.StatusCode.NOT_FOUND, "",
                 lambda: check(request(service="nothing"), timeout=TIMEOUT))


def unknown_method(channel):
    call = channel.unary_unary(f"/{AGENT}/Nothing")
    expect_error(grpc.StatusCode.UNIMPLEMENTED, "", lambda: call(b"", timeout=TIMEOUT))


def read(folder, name):
    with open(f"{folder}/{name}", "rb") as f:
        return f.read()


def connect(address, folder, who="client"):
    if address.startswith("unix:"):
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(
        read(folder, "ca.pem"), *((read(folder, f"{who}.key"), read(folder, f"{who}.pem"))
                                  if who else ())))


def strangers(address, folder, known):
    """Without a certificate, or with another CA's, nothing is answered."""
    request = known["grpc.health.v1.HealthCheckRequest"]
    for channel in (connect(address, folder, None), connect(address, folder, "other"),
                    grpc.insecure_channel(address)):
        check = known.method(channel, "grpc.health.v1.Health", "Check")
        expect_error(grpc.StatusCode.UNAVAILABLE, "", lambda: check(request(), timeout=TIMEOUT))


def main():
    protoset, address, folder = sys.argv[1:4]
    with open(protoset, "rb") as f:
        known = Types(descriptor_pb2.FileDescriptorSet.FromString(f.read()).file)
    channel = connect(address, folder)
    types = [reflect(channel, known, package) for package in REFLECTION]
    agent = Agent(channel, types[0])
    if sys.argv[4:] == ["restarted"]:
        restarted(agent)
        return
    for scenario in (apply, split_and_rollback, health, explain, events, sync):
        scenario(agent)
        print(f"{address}: {scenario.__name__}")
    standard_health(channel, known)
    unknown_method(channel)
    if not address.startswith("unix:"):
        strangers(address, folder, known)
    print(f"{address}: health, unknown methods, strangers")


main()
