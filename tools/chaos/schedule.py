# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is done when, drawn from a seed: the same plan, seed and time give the same schedule."""
import json
import math
import random
from dataclasses import asdict, dataclass, field
from typing import Dict, List, Optional

from plan import AT_ONCE, ON_BACKENDS

FORMAT = 1  # of a saved schedule
SPLIT_STEPS = 10  # weights are drawn from 1 to this


class BadSchedule(Exception):
    """A saved schedule that does not fit."""


@dataclass(eq=False)
class Event:
    at: float  # seconds from the beginning
    fault: str
    target: str = ""  # backend or stack
    lasts: float = 0.0  # seconds; 0: over at once
    turns: List[float] = field(default_factory=list)  # a flap's: seconds after which it turns
    draw: Dict[str, float] = field(default_factory=dict)
    split: Dict[str, int] = field(default_factory=dict)

    @property
    def ends(self):
        return self.at + self.lasts

    def text(self):
        parts = [f"{self.at:8.3f} s  {self.fault}"]
        if self.target:
            parts.append(self.target)
        if self.lasts:
            parts.append(f"for {self.lasts:.3f} s")
        parts += [f"{name} {value:g}" for name, value in self.draw.items()]
        parts += [f"{stack}={weight}" for stack, weight in self.split.items()]
        if self.turns:
            parts.append(f"turning {len(self.turns)} times")
        return " ".join(parts)


class Chance:
    """Only random(), which the language promises to be the same everywhere and always."""

    def __init__(self, seed):
        self.source = random.Random(seed)

    def between(self, low, high):
        return round(low + (high - low) * self.source.random(), 3)

    def whole(self, low, high):
        return low + int(self.source.random() * (high - low + 1))

    def waiting(self, mean):
        return round(-mean * math.log(1 - self.source.random()), 3)

    def pick(self, weighted):
        """One of [(weight, what)]."""
        point = self.source.random() * sum(weight for weight, _ in weighted)
        for weight, what in weighted:
            point -= weight
            if point < 0:
                return what
        return weighted[-1][1]


class Occupied:
    """Who is under a fault, or on the way back from one, until when."""

    def __init__(self, plan):
        self.plan, self.until = plan, {}

    def is_free(self, key, at):
        return self.until.get(key, -1.0) <= at

    def out(self, kind, at):
        return {b for b, _ in self.plan.backends() if not self.is_free((kind, b), at)}

    def allows(self, backends, of_stack, at):
        """Whether these may be taken too, as the blast radius has it."""
        out = self.out("backend", at)
        if not backends or out & set(backends):
            return False
        out |= set(backends)
        stacks = [s for s, of in self.plan.stacks.items() if out.issuperset(of)]
        single = len(self.out("single", at)) + (0 if of_stack else len(backends))
        return len(stacks) <= self.plan.blast_stacks and single <= self.plan.blast_backends

    def targets(self, fault, at):
        plan = self.plan
        if fault.effect in ON_BACKENDS:
            of = plan.stacks if fault.on == "stack" else [b for b, _ in plan.backends()]
            return [t for t in of
                    if self.allows(plan.targets(fault, t), fault.on == "stack", at)]
        key = "agent" if fault.effect == "agent" else fault.name
        return [""] if self.is_free((fault.effect, key), at) else []

    def take(self, fault, event):
        for backend in self.plan.targets(fault, event.target):
            self.until["backend", backend] = event.ends + self.plan.recovery
            if fault.on == "backend":
                self.until["single", backend] = event.ends + self.plan.recovery
        if fault.effect == "agent":
            self.until["agent", "agent"] = event.ends + self.plan.ready
        elif fault.effect not in ON_BACKENDS:
            self.until[fault.effect, fault.name] = event.ends


def draw_event(plan, chance, fault, target, at):
    event = Event(round(at, 3), fault.name, target)
    if fault.effect not in AT_ONCE:
        event.lasts = chance.between(*fault.lasts)
    own = plan.faults[fault.of] if fault.of else fault
    event.draw = {name: chance.between(*ends) for name, ends in own.draw.items()}
    if fault.effect == "split":
        event.split = {stack: chance.whole(1, SPLIT_STEPS) for stack in plan.stacks}
    turn = chance.between(*fault.every) if fault.of else event.lasts
    while turn < event.lasts:
        event.turns.append(round(turn, 3))
        turn += max(0.05, chance.between(*fault.every))
    return event


def schedule_make(plan, seed, time):
    """Events by time; all are over before the last `settle` seconds."""
    chance, occupied = Chance(seed), Occupied(plan)
    events, at = [], plan.settle
    while True:
        at += chance.waiting(plan.pace)
        if at > time - plan.settle:
            return events
        may = [(f.weight, (f, targets)) for f in plan.faults.values()
               for targets in [occupied.targets(f, at)] if targets and f.weight > 0]
        if not may:
            continue
        fault, targets = chance.pick(may)
        target = targets[chance.whole(0, len(targets) - 1)]
        event = draw_event(plan, chance, fault, target, at)
        if event.ends <= time - plan.settle:
            events.append(event)
            occupied.take(fault, event)


def schedule_save(path, plan, seed, time, events):
    document = {"format": FORMAT, "plan": plan.name, "seed": seed, "time": time,
                "events": [{k: v for k, v in asdict(e).items() if v} for e in events]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def load_event(plan, number, raw):
    def refuse(why):
        raise BadSchedule(f"event {number + 1}: {why}")

    if not isinstance(raw, dict) or not isinstance(raw.get("at"), (int, float)):
        refuse("it has no 'at'")
    unknown = set(raw) - set(Event.__dataclass_fields__)
    if unknown:
        refuse(f"unknown key '{sorted(unknown)[0]}'")
    event = Event(**raw)
    fault = plan.faults.get(event.fault)
    if not fault:
        refuse(f"the plan has no fault '{event.fault}'")
    if fault.effect in ON_BACKENDS:
        known = plan.stacks if fault.on == "stack" else [b for b, _ in plan.backends()]
        if event.target not in known:
            refuse(f"the plan has no {fault.on} '{event.target}'")
    return event


def schedule_load(path, plan):
    """(seed, time, events) of a saved schedule."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BadSchedule(f"it is no schedule of format {FORMAT}")
        events = [load_event(plan, i, raw) for i, raw in enumerate(document["events"])]
        return document.get("seed"), float(document["time"]), sorted(events, key=lambda e: e.at)
    except (OSError, ValueError, KeyError, TypeError, BadSchedule) as error:
        raise BadSchedule(f"{path}: {error}") from error


def schedule_text(events):
    return "\n".join(event.text() for event in events)
