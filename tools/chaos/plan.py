# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The plan of an experiment: steady state, hypothesis, blast radius, abort condition, faults."""
from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple

from document import Document, nearest

# What a fault does to its target, and so what has to hold meanwhile; docs/chaos.md has the words.
EFFECTS = ("down", "unclear", "agent", "harmless", "split", "refused")
ON_BACKENDS = ("down", "unclear")
AT_ONCE = ("split", "refused")  # over when the command ends


@dataclass
class Fault:
    name: str
    effect: str
    do: Optional[str] = None
    undo: Optional[str] = None
    on: str = "backend"  # or stack; of effects on backends only
    lasts: Tuple[float, float] = (2.0, 5.0)  # seconds
    weight: float = 1.0
    draw: Dict[str, Tuple[float, float]] = field(default_factory=dict)
    of: Optional[str] = None  # a flap: the fault that comes and goes
    every: Tuple[float, float] = (0.3, 1.0)  # seconds between a flap's turns


@dataclass
class Plan:
    name: str  # of the file
    title: str = ""
    hypothesis: str = ""
    time: float = 60.0
    seed: Optional[int] = None
    settle: float = 3.0
    slow: float = 0.9
    failed: float = 0.0
    detection: float = 1.0
    detection_without_agent: Optional[float] = None
    trials: float = 1.0  # a second, of a breaker
    false_alarms: Optional[int] = None  # None: counted, not judged
    recovery: float = 5.0
    hold_off: float = 0.0  # most, of a backend that flaps, beside recovery
    slow_start: float = 0.0  # from up to its whole weight
    ready: float = 5.0
    within: float = 0.02
    flows: int = 500
    blast_backends: int = 1
    blast_stacks: int = 0
    abort_failed: float = 0.5
    abort_over: float = 5.0
    pace: float = 3.0
    service: str = ""
    steerctl: str = "steerctl"
    load_command: Optional[str] = None
    load_log: str = ""
    load_stalls: Optional[str] = None
    arrivals: Optional[str] = None
    received: Optional[str] = None
    ready_check: Optional[str] = None
    stacks: Dict[str, Dict[str, str]] = field(default_factory=dict)  # stack: backend: address
    faults: Dict[str, Fault] = field(default_factory=dict)

    def backends(self):
        """[(backend, stack)], in the plan's order."""
        return [(b, s) for s, of in self.stacks.items() for b in of]

    def stack_of(self, backend):
        return next(s for s, of in self.stacks.items() if backend in of)

    def targets(self, fault, target):
        """The backends that a fault on `target` is about."""
        if fault.effect not in ON_BACKENDS:
            return []
        return list(self.stacks[target]) if fault.on == "stack" else [target]


def read_fault(doc, name, node):
    values = doc.mapping(node, {
        "effect": doc.one_of(*EFFECTS), "do": doc.text, "undo": doc.text,
        "on": doc.one_of("backend", "stack"), "lasts": doc.span(doc.duration, "lasts"),
        "weight": doc.number, "of": doc.text, "every": doc.span(doc.duration, "every"),
        "draw": lambda n: doc.named(n, lambda _, v: doc.span(doc.number, "a range")(v), "draw"),
    }, f"fault '{name}'", ["effect"])
    effect = values.get("effect")
    if effect and "on" in values and effect not in ON_BACKENDS:
        doc.complain(node, f"fault '{name}' is on no backend: its effect is {effect}")
    if "of" in values:
        for key in ("do", "undo"):
            if key in values:
                doc.complain(node, f"fault '{name}' has both 'of' and '{key}'")
        if effect and effect != "unclear":
            doc.complain(node, f"fault '{name}' comes and goes: its effect is unclear")
    elif effect:
        for key in ["do"] + ([] if effect in AT_ONCE else ["undo"]):
            if key not in values:
                doc.complain(node, f"fault '{name}' has no '{key}'")
        if effect in AT_ONCE and "undo" in values:
            doc.complain(node, f"fault '{name}' is over at once: 'undo' has no place")
    return Fault(name, **{k: v for k, v in values.items() if v is not None}) if effect else None


def read_faults(doc, node):
    faults = doc.named(node, lambda name, n: (read_fault(doc, name, n), n), "faults")
    known = {name: fault for name, (fault, _) in faults.items() if fault}
    for name, (fault, at) in faults.items():
        if not fault or not fault.of:
            continue
        other = known.get(fault.of)
        if fault.of not in faults:
            doc.complain(at, f"fault '{name}' is of '{fault.of}', which is not defined"
                         + nearest(fault.of, list(faults)))
        elif other and (other.of or other.effect not in ON_BACKENDS or other.on != fault.on):
            doc.complain(at, f"fault '{name}' can be of one on a {fault.on} only that has 'do' "
                         "and 'undo'")
    return known


def read_stacks(doc, node):
    seen = {}

    def backend(name, n):
        if name in seen:
            doc.complain(n, f"backend '{name}' is there twice")
        seen[name] = True
        return doc.text(n)

    stacks = doc.named(node, lambda _, n: doc.named(n, backend, "a stack"), "stacks")
    if not seen:
        doc.complain(node, "there is no backend in 'stacks'")
    return stacks


def sections(doc):
    """Top-level keys: a reader into fields of Plan, by their name in the file."""
    def section(what, readers, needed=()):
        return lambda node: doc.mapping(node, readers, f"'{what}'", needed)

    return {
        "title": doc.text, "hypothesis": doc.text, "time": doc.duration,
        "seed": doc.whole(0, 2**63 - 1), "pace": doc.duration, "service": doc.text,
        "steerctl": doc.text, "arrivals": doc.text, "received": doc.text,
        "ready_check": doc.text,
        "steady_state": section("steady_state", {
            "settle": doc.duration, "failed": doc.share, "slow": doc.duration}),
        "bounds": section("bounds", {
            "detection": doc.duration, "detection_without_agent": doc.duration_or_none,
            "trials": doc.number, "false_alarms": doc.whole(0, 10**6),
            "recovery": doc.duration, "hold_off": doc.duration, "slow_start": doc.duration,
            "ready": doc.duration, "within": doc.share,
            "flows": doc.whole(10, 10**9)}),
        "blast_radius": section("blast_radius", {
            "backends": doc.whole(0, 10**6), "stacks": doc.whole(0, 256)}, ["backends"]),
        "abort": section("abort", {"failed": doc.share, "over": doc.duration}, ["failed"]),
        "load": section("load", {
            "command": doc.text, "log": doc.text, "stalls": doc.text}, ["log"]),
        "stacks": lambda node: read_stacks(doc, node),
        "faults": lambda node: read_faults(doc, node),
    }


NEEDED = ("title", "hypothesis", "service", "steady_state", "blast_radius", "abort", "load",
          "stacks", "faults")
RENAMED = {("blast_radius", "backends"): "blast_backends", ("blast_radius", "stacks"):
           "blast_stacks", ("abort", "failed"): "abort_failed", ("abort", "over"): "abort_over",
           ("load", "command"): "load_command", ("load", "log"): "load_log",
           ("load", "stalls"): "load_stalls"}
FLAT = ("steady_state", "bounds", "blast_radius", "abort", "load")


def judge_whole(doc, plan):
    """What no key alone can be blamed for."""
    backends = len(plan.backends())
    for fault in plan.faults.values():
        if fault.effect not in ON_BACKENDS:
            continue
        if fault.on == "stack" and not plan.blast_stacks:
            doc.complain(doc.root, f"fault '{fault.name}' takes a stack, and blast_radius has "
                         "'stacks: 0'")
        elif fault.on == "backend" and not plan.blast_backends:
            doc.complain(doc.root, f"fault '{fault.name}' takes a backend, and blast_radius has "
                         "'backends: 0'")
    if plan.blast_backends >= backends or plan.blast_stacks >= len(plan.stacks):
        doc.complain(doc.root, f"blast_radius takes everything: there are {backends} backends in "
                     f"{len(plan.stacks)} stacks")
    if not plan.faults:
        doc.complain(doc.root, "there is no fault in 'faults'")


def plan_read(name, text):
    """The plan, or BadDocument with everything that is wrong."""
    doc = Document(name, text)
    values = doc.mapping(doc.root, sections(doc), "the plan", NEEDED)
    fields = {}
    for key, value in values.items():
        if key in FLAT:
            for inner, v in (value or {}).items():
                fields[RENAMED.get((key, inner), inner)] = v
        else:
            fields[key] = value
    doc.raise_if_bad()
    plan = Plan(name, **fields)
    judge_whole(doc, plan)
    doc.raise_if_bad()
    return plan
