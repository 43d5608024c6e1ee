# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What was seen: requests, steerd's status, packets at the backends. Texts in, values out."""
import ipaddress
from dataclasses import dataclass
from typing import Dict, Optional

DROPS = ("fragment", "no_backend", "too_big", "no_headroom", "table")
PASSES = ("not_ip", "not_vip", "malformed", "icmp")
ANSWERED = ("forwarded", "local", "reset")
STEERED = ("forwarded", "local", "too_big", "no_headroom")  # counted for backend and service


@dataclass
class Request:
    at: float  # due then, seconds since 1970
    kind: str  # new or held
    client: str  # family and number
    result: str  # ok, or how it failed
    latency: float  # seconds
    stack: str  # - where nobody answered
    backend: str

    @property
    def ends(self):
        return self.at + self.latency

    @property
    def ok(self):
        return self.result == "ok"


@dataclass
class BackendSeen:
    up: bool
    reason: str
    packets: int
    weight: int
    since: int = 0  # when `up` changed last, in steerd's milliseconds


@dataclass
class Status:
    begun: float
    ended: float
    version: int
    splits: Dict[str, Dict[str, int]]  # service: stack: weight, those above 0
    backends: Dict[str, BackendSeen]  # by the plan's names
    services: Dict[str, int]  # packets
    counters: Dict[str, int]

    def of(self, names):
        return sum(self.counters.get(name, 0) for name in names)

    def packets_all(self):
        return sum(self.counters.get(name, 0) for name in ANSWERED + PASSES + DROPS)

    def packets_of_backends(self):
        return sum(b.packets for b in self.backends.values())

    def packets_of_services(self):
        return sum(self.services.values())


@dataclass
class Arrivals:
    """At the backends' own links."""
    begun: float
    ended: float
    syns: Dict[str, int]
    packets: Dict[str, int]
    received: Optional[int] = None  # packets that came in where steerd listens


def address(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def request_parse(line):
    """Of the log: unix time, new|held, family, client, result, latency in us, stack, backend."""
    words = line.split()
    if len(words) != 8:
        return None
    try:
        return Request(float(words[0]), words[1], f"{words[2]}/{words[3]}", words[4],
                       int(words[5]) / 1e6, words[6], words[7])
    except ValueError:
        return None


def stall_parse(line):
    """(time, seconds) of `load --stalls`: unix time, how long in us."""
    words = line.split()
    try:
        return (float(words[0]), int(words[1]) / 1e6) if len(words) == 2 else None
    except ValueError:
        return None


def status_parse(plan, document, begun, ended):
    """Of `steerctl -o json status`; what the plan does not name stays out of `backends`."""
    names, backends = names_of(plan), {}
    for stack in document["stacks"]:
        for b in stack["backends"]:
            name = names.get(address(b["address"]), f"{stack['name']}/{b['address']}")
            backends[name] = BackendSeen(bool(b.get("up")), b.get("reason", ""),
                                         int(b.get("packets", 0)), int(b.get("weight", 100)),
                                         int(b.get("since_unix_ms", 0)))
    return Status(
        begun, ended, int(document.get("version", 0)),
        {s["name"]: {h["stack"]: int(h["weight"]) for h in s["shares"] if int(h["weight"])}
         for s in document["services"]},
        backends,
        {s["name"]: int(s.get("packets", 0)) for s in document["services"]},
        {c["name"]: int(c.get("value", 0)) for c in document["counters"]})


def names_of(plan):
    """A backend's name, by its address."""
    return {address(a): b for of in plan.stacks.values() for b, a in of.items()}


def arrivals_parse(plan, text, begun, ended):
    """Lines of BACKEND SYNS [PACKETS]; a backend by its name in the plan, or by its address."""
    names, syns, packets = names_of(plan), {}, {}
    for line in text.splitlines():
        words = line.split()
        if len(words) not in (2, 3) or not all(w.isdigit() for w in words[1:]):
            continue
        name = names.get(address(words[0]), words[0])
        syns[name] = int(words[1])
        if len(words) == 3:
            packets[name] = int(words[2])
    return Arrivals(begun, ended, syns, packets if len(packets) == len(syns) else {})
