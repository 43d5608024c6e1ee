# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What has to hold all along. Each is told what was seen, and compares it with the truth; none
does anything else, so that each can be shown a violation."""
import math
from dataclasses import dataclass

from observed import STEERED
from truth import DOWN, RETURNING, TRIED, UP

# Standard deviations that chance is allowed: less than one false alarm in 100,000 comparisons.
CHANCE = 4.5
ALARM_S = 0.5  # before and after a false alarm, in which requests may fail of it
SINCE_MS = 20  # steerd reckons times of two clocks: the same one differs by a little
HELD = "held down for "  # what steerd says of a backend that flaps
KEEP = 20  # violations told of one invariant; the rest are counted


@dataclass
class Violation:
    at: float
    invariant: str
    text: str


class Invariant:
    name, says = "", ""

    def __init__(self, plan, truth, routes):
        self.plan, self.truth, self.routes = plan, truth, routes
        self.judged, self.broken, self.violations = 0, 0, []

    def violate(self, at, text):
        self.broken += 1
        if len(self.violations) < KEEP:
            self.violations.append(Violation(at, self.name, text))

    def on_request(self, request):
        pass

    def on_status(self, status):
        pass

    def on_arrivals(self, before, arrivals, after):
        """`before` and `after` are Status around it, or None where steerd is not there."""

    def on_end(self, at):
        pass


class Detection(Invariant):
    name = "detection"
    says = "no new flow goes to a backend that is down for longer than the detection time"

    def __init__(self, *args):
        super().__init__(*args)
        self.last = None

    def on_arrivals(self, before, arrivals, after):
        last, self.last = self.last, arrivals
        if not last:
            return
        for backend, syns in arrivals.syns.items():
            if backend not in self.truth.tracks:
                continue
            states = self.truth.tracks[backend].during(last.begun, arrivals.ended)
            if not states <= {DOWN, TRIED}:
                continue
            self.judged += 1
            seconds = arrivals.ended - last.begun
            allowed = 0 if states == {DOWN} else 1 + math.ceil(self.plan.trials * seconds)
            came = syns - last.syns.get(backend, syns)
            if came > allowed:
                self.violate(last.begun, f"{came} new flows went to {backend}, which is down, "
                             f"within {seconds:.1f} s")


class Verdicts(Invariant):
    name = "verdicts"
    says = "steerd's word agrees: down is down, and back is up within the recovery time"

    def __init__(self, *args):
        super().__init__(*args)
        self.last = None
        self.since = {}  # backend: first seen down although up
        self.told = set()
        self.alarms = []  # (time, backend, why)

    def on_status(self, status):
        last, self.last = self.last, status
        for backend, seen in status.backends.items():
            if backend in self.truth.tracks:
                self.look(backend, seen, status)
                if last and backend in last.backends and \
                        self.truth.agent_there_during(last.begun, status.ended):
                    self.look_between(backend, last, status)
        if self.plan.false_alarms is not None and len(self.alarms) > self.plan.false_alarms:
            self.violate(status.begun, f"{len(self.alarms)} false alarms, {self.alarms[-1][1]} "
                         f"the last: {self.alarms[-1][2]}")

    def look(self, backend, seen, status):
        states = self.truth.tracks[backend].during(status.begun, status.ended)
        held = seen.reason.startswith(HELD) and self.plan.hold_off
        if seen.up:
            self.truth.seen_up(backend, status.begun, status.ended)
        if states in ({UP}, {DOWN}):
            self.judged += 1
        if states == {UP} and not seen.up:
            self.truth.outs.append((status.begun, status.ended))
        if states == {DOWN} and seen.up:
            self.violate(status.begun, f"{backend} is down, and steerd calls it up")
        if seen.up or not states <= {UP, RETURNING}:
            self.since.pop(backend, None)
        elif states == {RETURNING}:
            # Nothing is due yet while the command that undoes the fault runs.
            since = self.truth.recovery_due.get(backend, math.inf) - self.plan.recovery
            self.out_too_long(backend, seen, status, since, bool(held))
        else:
            since = self.since.setdefault(backend, status.begun)
            bound = self.plan.recovery + (self.plan.hold_off if held else 0)
            self.out_too_long(backend, seen, status, since, status.begun - since < bound)

    def out_too_long(self, backend, seen, status, since, excused):
        took = status.begun - since
        if took >= self.plan.recovery and not excused and backend not in self.told:
            self.told.add(backend)
            self.violate(status.begun, f"{backend} is well, and steerd has it down for "
                         f"{took:.1f} s: {seen.reason}")

    def look_between(self, backend, last, status):
        """It was up, and is down, or is up again: taken out in between."""
        before, seen = last.backends[backend], status.backends[backend]
        if not before.up or abs(seen.since - before.since) <= SINCE_MS:
            return
        states = self.truth.tracks[backend].during(last.begun, status.ended)
        if states <= {UP, RETURNING}:
            self.truth.alarms.append((last.begun, status.ended))
        if states == {UP}:
            self.alarms.append((status.begun, backend, seen.reason or "up again by now"))


class Clients(Invariant):
    name = "clients"
    says = "no request fails or is slow where no backend is failing unseen, whatever else goes on"

    def __init__(self, *args):
        super().__init__(*args)
        self.failed = self.excused = self.stalled = 0
        self.suspects = []

    def on_request(self, request):
        if self.truth.anyone_failing(request.at, request.ends):
            return
        self.judged += 1
        if not request.ok or request.latency >= self.plan.slow:
            self.suspects.append(request)

    def on_status(self, status):
        """What steerd did meanwhile is known now."""
        late = [r for r in self.suspects if r.ends > status.begun - ALARM_S]
        for request in self.suspects:
            if request not in late:
                self.judge(request)
        self.suspects = late

    def judge(self, request):
        if self.truth.false_alarm(request.at - ALARM_S, request.ends + ALARM_S):
            self.excused += 1
            return
        stalled = self.truth.stalled(request.at, request.ends)
        if stalled and (not request.ok or request.latency - stalled < self.plan.slow):
            self.stalled += 1
            return
        self.failed += 1
        if self.failed > self.plan.failed * self.judged:
            how = "was slow" if request.ok else f"failed ({request.result})"
            self.violate(request.at, f"a request on a {request.kind} connection {how} after "
                         f"{request.latency * 1000:.0f} ms; client {request.client}, backend "
                         f"{request.backend}")

    def on_end(self, at):
        for request in self.suspects:
            self.judge(request)
        self.suspects = []


class Window:
    """Flows under the same weights among the same survivors."""

    def __init__(self, key, at):
        self.key, self.begun, self.last = key, at, at
        self.counts, self.unknown, self.clients = {}, 0, set()

    def total(self):
        return sum(self.counts.values()) + self.unknown

    def add(self, request, name):
        self.last = max(self.last, request.at)
        self.clients.add(request.client)
        if request.ok:
            self.counts[name] = self.counts.get(name, 0) + 1
        else:
            self.unknown += 1


def excess(counts, unknown, wanted, independent):
    """[(name, least share, most share, wanted, what chance allows)] of what is off by more than
    chance allows. Flows of unknown whereabouts may have been anybody's; `independent`: how many
    draws there were, which a client that comes twice is only one of."""
    total = sum(counts.values()) + unknown
    for name in sorted(set(counts) | set(wanted)):
        p, n = wanted.get(name, 0.0), counts.get(name, 0)
        chance = CHANCE * math.sqrt(p * (1 - p) / max(1, independent))
        low, high = n / total, (n + unknown) / total
        yield name, low, high, p, chance


def is_off(row, within):
    _, low, high, p, chance = row
    return low > p + within + chance or high < p - within - chance


class Shares(Invariant):
    """Base: of one split into shares, window after window, and over the whole run."""

    def __init__(self, *args):
        super().__init__(*args)
        self.windows = {}  # by scope
        self.closed, self.excused = [], 0  # (scope, window) not judged yet; how many never are
        self.sums = {}  # (scope, name): [seen, possible, wanted]
        self.totals, self.clients = {}, {}  # by scope

    def scopes(self, request):
        """[(scope, name in it)] that the request tells something about."""
        raise NotImplementedError

    def wanted(self, scope, begin, end):
        """{name: share}, or None where it is not certain."""
        raise NotImplementedError

    def on_request(self, request):
        if request.kind != "new":
            return
        for scope, name in self.scopes(request):
            wanted = self.wanted(scope, request.at - 0.05, request.ends + 0.05)
            if wanted is None:
                continue
            key = tuple(sorted(wanted.items()))
            window = self.windows.get(scope)
            if not window or window.key != key:
                if window and request.at < window.last:
                    continue
                self.close(scope)
                window = self.windows[scope] = Window(key, request.at)
            window.add(request, name)
            if window.total() >= 2 * self.plan.flows:
                self.close(scope)

    def close(self, scope):
        window = self.windows.pop(scope, None)
        if window:
            self.closed.append((scope, window))

    def on_status(self, status):
        self.judge_closed(status.begun - ALARM_S)

    def judge_closed(self, until):
        """Those of which it is known whether steerd had somebody out although well."""
        ready = [(scope, w) for scope, w in self.closed if w.last < until]
        self.closed = [(scope, w) for scope, w in self.closed if w.last >= until]
        for scope, window in ready:
            if self.truth.falsely_out(window.begun - ALARM_S, window.last + ALARM_S):
                self.excused += 1
            else:
                self.judge_window(scope, window)

    def judge_window(self, scope, window):
        wanted, total = dict(window.key), window.total()
        for name, p in wanted.items():
            entry = self.sums.setdefault((scope, name), [0, 0, 0.0])
            entry[0] += window.counts.get(name, 0)
            entry[1] += window.counts.get(name, 0) + window.unknown
            entry[2] += p * total
        self.totals[scope] = self.totals.get(scope, 0) + total
        self.clients.setdefault(scope, set()).update(window.clients)
        if total >= self.plan.flows:
            self.judge(window.begun, scope, excess(window.counts, window.unknown, wanted,
                                                   len(window.clients)), total)

    def judge(self, at, scope, rows, total):
        self.judged += 1
        for row in rows:
            name, low, high, p, chance = row
            if is_off(row, self.plan.within):
                self.violate(at, f"{name} has {low:.1%} to {high:.1%} of {total} new flows"
                             f"{scope and ' of ' + scope}, wanted {p:.1%}; "
                             f"{self.plan.within:.1%} and chance {chance:.1%} are allowed")

    def on_end(self, at):
        for scope in list(self.windows):
            self.close(scope)
        self.judge_closed(math.inf)
        for scope, total in self.totals.items():
            if total < self.plan.flows:
                continue
            rows = []
            for (of, name), (seen, possible, wanted) in self.sums.items():
                if of == scope:
                    chance = CHANCE * math.sqrt(0.25 / len(self.clients[scope]))
                    rows.append((name, seen / total, possible / total, wanted / total, chance))
            self.judge(at, scope, rows, total)


class Weights(Shares):
    name = "weights"
    says = "stacks that are not down share new flows by the weights"

    def scopes(self, request):
        return [("", request.stack)]

    def wanted(self, scope, begin, end):
        split = self.routes.only(begin, end)
        if split is None:
            return None
        takes = {s: self.truth.stack_takes(s, begin, end) for s in split
                 if s in self.plan.stacks}
        if None in takes.values() or len(takes) != len(split):
            return None
        live = {s: w for s, w in split.items() if takes[s]}
        total = sum(live.values())
        return {s: w / total for s, w in live.items()} if total else None


class Backends(Shares):
    name = "backends"
    says = "a stack's backends that are not down share its new flows by their weights"

    def __init__(self, *args):
        super().__init__(*args)
        self.weights = {}

    def on_status(self, status):
        super().on_status(status)
        self.weights = {name: b.weight for name, b in status.backends.items()}

    def scopes(self, request):
        return [(request.stack, request.backend)] if request.stack in self.plan.stacks else []

    def wanted(self, scope, begin, end):
        live = {}
        for backend in self.plan.stacks[scope]:
            states = self.truth.tracks[backend].during(begin, end)
            if states == {UP}:
                live[backend] = self.weights.get(backend, 100)
            elif states != {DOWN}:
                return None
        total = sum(live.values())
        return {b: w / total for b, w in live.items()} if total else None


class Counters(Invariant):
    name = "counters"
    says = "packets add up: received, forwarded, passed, dropped, by service, by backend, arrived"

    def __init__(self, *args):
        super().__init__(*args)
        self.first = self.last = None

    def between(self, at, what, low, value, high):
        """A value read in between two readings of what it equals is in between them."""
        self.judged += 1
        if not low <= value <= high:
            self.violate(at, f"{what}: {value}, where {low} to {high} was due")

    def within_status(self, a, b):
        for what, one, other in (
                ("packets of all backends, beside those steered",
                 lambda s: s.packets_of_backends(), lambda s: s.of(STEERED)),
                ("packets of all services, beside those of all backends",
                 lambda s: s.packets_of_services(), lambda s: s.packets_of_backends())):
            self.judged += 1
            if one(a) > other(b) or other(a) > one(b):
                self.violate(a.begun, f"{what}: {one(a)} and {other(a)}, then {one(b)} and "
                             f"{other(b)}")

    def never_back(self, a):
        if not self.last:
            return
        self.judged += 1
        for name, value in a.counters.items():
            if value < self.last.counters.get(name, 0):
                self.violate(a.begun, f"counter {name} went back from "
                             f"{self.last.counters[name]} to {value}")
        if a.counters.get("table", 0) > self.last.counters.get("table", 0):
            self.violate(a.begun, "packets were dropped for reason 'table', which is a bug")

    def on_arrivals(self, before, arrivals, after):
        if not before or not after:
            return
        self.never_back(before)
        self.last = after
        self.within_status(before, after)
        if not self.first:
            self.first = (before, arrivals, after)
            return
        a0, zero, b0 = self.first
        if arrivals.packets:
            self.between(arrivals.begun, "packets that arrived at backends since the beginning",
                         before.counters["forwarded"] - b0.counters["forwarded"],
                         sum(arrivals.packets.values()) - sum(zero.packets.values()),
                         after.counters["forwarded"] - a0.counters["forwarded"])
        if arrivals.received is not None and zero.received is not None:
            self.between(arrivals.begun, "packets received since the beginning",
                         before.packets_all() - b0.packets_all(),
                         arrivals.received - zero.received,
                         after.packets_all() - a0.packets_all())


class Routes(Invariant):
    name = "routes"
    says = "the last good routes are live, whatever is refused, cut off or restarted"

    def on_status(self, status):
        self.judged += 1
        split = status.splits.get(self.plan.service)
        may = self.routes.during(status.begun, status.ended)
        if split not in may:
            wanted = " or ".join(split_text(s) for s in may)
            self.violate(status.begun, f"version {status.version} has {split_text(split)}, not "
                         f"{wanted}")
        self.routes.seen(status.begun, status.ended, split)


def split_text(split):
    return " ".join(f"{s}={w}" for s, w in sorted((split or {}).items())) or "no split"


class Agent(Invariant):
    name = "agent"
    says = "steerd is there unless it was taken away, and ready again in time"

    def on_agent(self, at, is_there, why):
        """Looked at while it is to be there."""
        self.judged += 1
        if not is_there:
            self.violate(at, why)


# Verdicts tells the truth of false alarms, which Clients asks it for.
ALL = (Verdicts, Detection, Clients, Weights, Backends, Counters, Routes, Agent)
