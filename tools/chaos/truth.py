# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is really the case, as far as the faults that were put in force tell: the other side of
every comparison. Times are seconds since 1970; events are told in their order."""
import bisect
import math

UP = "up"  # no fault, and time enough to be back
FAILING = "failing"  # a fault is in force; steerd may know, or not yet
DOWN = "down"  # it answers nobody, and steerd has had its time to see that
TRIED = "tried"  # steerd is gone: a breaker lets through what tries whether it is back
RETURNING = "returning"  # the fault is over; steerd may use it again, or not yet


class Track:
    """One backend's states over time. What is due at a time to come is pending."""

    def __init__(self):
        self.times, self.states = [-math.inf], [UP]
        self.pending = []  # (time, state), the next one first

    def settle(self, now):
        while self.pending and self.pending[0][0] <= now:
            self.append(*self.pending.pop(0))

    def append(self, at, state):
        self.times.append(at)
        self.states.append(state)

    def set(self, at, state, *then):
        self.settle(at)
        self.append(at, state)
        self.pending = list(then)

    def now(self):
        return self.states[-1]

    def during(self, begin, end):
        """The states between two times, both included."""
        first = bisect.bisect_right(self.times, begin) - 1
        last = bisect.bisect_right(self.times, end)
        states = set(self.states[first:last])
        for at, state in self.pending:
            if at <= begin:
                states = {state}
            elif at <= end:
                states = states | {state}
        return states


class Truth:
    def __init__(self, plan):
        self.plan = plan
        self.tracks = {b: Track() for b, _ in plan.backends()}
        self.effects = {}  # of faults in force: backend: (effect, since)
        self.recovery_due = {}  # of backends that return: when they are to be back, flapping apart
        self.agent_there = True
        self.agent_changes = [(-math.inf, True)]
        self.alarms = []  # (begin, end) of what steerd took out although no fault is in force
        self.outs = []  # (begin, end) of looks at which steerd had such a backend out
        self.stalls = []  # (begin, end) when the load itself came late

    def down_due(self, since):
        """When new flows have to be gone elsewhere. Without steerd, there are breakers at best."""
        if self.agent_there:
            return since + self.plan.detection, DOWN
        without = self.plan.detection_without_agent
        return (math.inf, DOWN) if without is None else (since + without, TRIED)

    def fault_begins(self, backend, at):
        self.recovery_due.pop(backend, None)
        self.tracks[backend].set(at, FAILING)

    def fault_in_force(self, backend, at, effect):
        self.effects[backend] = (effect, at)
        if effect == "down":
            self.tracks[backend].pending = [self.down_due(at)]

    def fault_ends(self, backend, at):
        """The command that undoes it begins. A backend not yet seen to be down still gets flows."""
        self.effects.pop(backend, None)
        track = self.tracks[backend]
        track.settle(at)
        track.set(at, RETURNING if track.now() == DOWN else FAILING)

    def fault_over(self, backend, at):
        """What steerd has seen of it until now may take it out until the detection time is over."""
        track = self.tracks[backend]
        track.settle(at)
        if track.now() != RETURNING:
            track.set(at, FAILING, (at + self.plan.detection, RETURNING))
        self.return_due(backend, at)

    def return_due(self, backend, since):
        """Back by then at the latest: steerd may hold down what flaps."""
        due = since + self.plan.recovery if self.agent_there else math.inf
        self.recovery_due[backend] = due
        returning = [(at, state) for at, state in self.tracks[backend].pending
                     if state == RETURNING]
        self.tracks[backend].pending = returning + [(due + self.plan.hold_off, UP)]

    def seen_up(self, backend, begun, ended):
        """By steerd's word, when all that the fault may have brought is over."""
        track = self.tracks[backend]
        track.settle(begun)
        since = max(track.times[-1], self.agent_changes[-1][0]) + self.plan.detection
        if track.now() == RETURNING and track.pending and begun >= since:
            track.pending = [(min(track.pending[0][0], ended + self.plan.slow_start), UP)]

    def agent_gone(self, at):
        self.agent_there = False
        self.agent_changes.append((at, False))
        for backend, track in self.tracks.items():
            track.settle(at)
            if track.pending and track.pending[-1][1] == DOWN:
                track.pending = [self.down_due(self.effects[backend][1])]
            elif track.pending:
                track.pending[-1] = (math.inf, track.pending[-1][1])

    def agent_back(self, at):
        self.recovery_due = {}  # of backends that return: when they are to be back, flapping apart
        self.agent_there = True
        self.agent_changes.append((at, True))
        for backend, track in self.tracks.items():
            track.settle(at)
            if track.now() == TRIED:
                track.set(at, FAILING, self.down_due(at))
            elif track.pending and track.pending[-1][1] == UP:
                self.return_due(backend, at)
            elif track.pending:
                track.pending = [self.down_due(at)]

    # Questions, about times up to now.

    def is_only(self, backend, state, begin, end):
        return self.tracks[backend].during(begin, end) == {state}

    def anyone_failing(self, begin, end):
        return any({FAILING, TRIED} & track.during(begin, end)
                   for track in self.tracks.values())

    def stall(self, begin, end):
        self.stalls.append((begin, end))

    def stalled(self, begin, end):
        """Seconds, so far as it overlaps."""
        return sum(max(0.0, min(b, end) - max(a, begin)) for a, b in self.stalls)

    def false_alarm(self, begin, end):
        return any(a <= end and begin <= b for a, b in self.alarms)

    def falsely_out(self, begin, end):
        return self.false_alarm(begin, end) or any(
            a <= end and begin <= b for a, b in self.outs)

    def agent_there_during(self, begin, end):
        there = True
        for at, is_there in self.agent_changes:
            if at <= begin:
                there = is_there
            elif at <= end:
                there = there and is_there
        return there

    def stack_takes(self, stack, begin, end):
        """True: some backend is up all along. False: all are down. None: who knows."""
        states = [self.tracks[b].during(begin, end) for b in self.plan.stacks[stack]]
        if {UP} in states:
            return True
        return False if all(s == {DOWN} for s in states) else None


class RoutesTruth:
    """Which splits of the service may be live: one, or while it changes the two in question."""

    def __init__(self, split):
        self.times, self.may = [-math.inf], [[split]]
        self.since = -math.inf  # the last push is over since then; inf: not yet

    def set(self, at, may):
        self.times.append(at)
        self.may.append(may)

    def push_begins(self, at, split):
        self.since = math.inf
        self.set(at, self.may[-1] + [split])

    def push_done(self, at, split, taken):
        self.since = at
        if taken:
            self.set(at, [split])

    def seen(self, begun, ended, split):
        """By steerd's own word, after a push of which nothing is known."""
        if begun >= self.since and len(self.may[-1]) > 1 and split in self.may[-1]:
            self.set(ended, [split])

    def during(self, begin, end):
        first = bisect.bisect_right(self.times, begin) - 1
        last = bisect.bisect_right(self.times, end)
        return [split for may in self.may[first:last] for split in may]

    def only(self, begin, end):
        """The split, where there is no doubt; else None."""
        may = self.during(begin, end)
        return may[0] if all(split == may[0] for split in may) else None
