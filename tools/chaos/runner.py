# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Carries a schedule out: puts faults in force and takes them away, watches, and has it judged.
Whatever ends it, what was done is undone."""
import asyncio
import contextlib
import json
import os
import signal
import time
import traceback
from collections import deque

from invariants import ALL
from observed import arrivals_parse, request_parse, stall_parse, status_parse
from plan import AT_ONCE, ON_BACKENDS
from truth import RoutesTruth, Truth

COMMAND_S = 30.0  # no command takes longer unless it hangs
LOOK_S = 0.5  # between two looks at steerd and the backends
READ_S = 0.1  # between two looks at the load's log
ABORT_MIN = 20  # requests that a share of failures is told of


class Broken(Exception):
    """The experiment itself does not work."""


class Command:
    """Of the plan; run by a shell, in a session of its own, so that Ctrl-C does not reach it."""

    def __init__(self, text, env=None):
        self.text, self.env = text, {**os.environ, **(env or {})}

    async def run(self, limit=COMMAND_S):
        """(exit status, what it said); -1: it took too long."""
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", self.text, env=self.env, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE)
        talk = asyncio.ensure_future(process.communicate())
        done, _ = await asyncio.wait([talk], timeout=limit)
        if not done:
            end_session(process)
            await asyncio.wait([talk], timeout=1.0)
            return -1, f"not done after {limit:.0f} s"
        out, err = talk.result()
        text = out.decode(errors="replace")
        return process.returncode, text if process.returncode == 0 else \
            (err.decode(errors="replace").strip() or text.strip())


def end_session(process, how=signal.SIGKILL):
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        pass


def waited_for_cpu():
    """Seconds since boot; 0 where the kernel does not say."""
    try:
        with open("/proc/pressure/cpu", encoding="ascii") as file:
            return int(file.readline().rsplit("=", 1)[1]) / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0


class Log:
    """A file that grows, read line by line from what it has now on."""

    def __init__(self, path, parse):
        self.path, self.parse, self.file, self.rest = path, parse, None, ""

    def open(self):
        try:
            self.file = open(self.path, encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return False
        if os.fstat(self.file.fileno()).st_size > 0:
            self.file.seek(0, os.SEEK_END)
            self.file.readline()
        return True

    def read(self):
        if not self.path or (not self.file and not self.open()):
            return []
        lines = (self.rest + self.file.read()).split("\n")
        self.rest = lines.pop()
        return [value for value in map(self.parse, lines) if value]


class Runner:
    def __init__(self, plan, seconds, events, report):
        self.plan, self.seconds, self.events, self.report = plan, seconds, events, report
        self.truth, self.routes = Truth(plan), None
        self.invariants, self.by_name = [], {}
        self.stalls = Log(plan.load_stalls, stall_parse)
        self.in_force = {}  # event: when it began
        self.begun = self.waited = 0.0
        self.requests = self.failed = 0
        self.recent = deque()  # (when it ended, whether it went well)
        self.stopping = None  # an asyncio.Event
        self.finished = False  # nothing is left to watch
        self.outcome = "held"  # held, violated, aborted, broken, interrupted
        self.why = ""
        self.faults_begun = 0
        self.locks = {}  # asyncio.Lock by what a fault is about; see locks_of()

    def now(self):
        return time.time() - self.begun if self.begun else 0.0

    def pressure(self):
        """The share of the time in which somebody on this machine waited for a CPU."""
        return (waited_for_cpu() - self.waited) / max(0.001, self.now())

    def stop(self, outcome, why):
        if self.outcome == "held":
            self.outcome, self.why = outcome, why
        self.stopping.set()

    async def pause(self, seconds):
        """False: it is to end."""
        try:
            await asyncio.wait_for(self.stopping.wait(), max(0.0, seconds))
        except asyncio.TimeoutError:
            return True
        return False

    # ---- Faults ----

    def env(self, fault, event):
        backends = self.plan.targets(fault, event.target)
        stack = event.target if fault.on == "stack" else \
            (self.plan.stack_of(event.target) if event.target else "")
        env = {"CHAOS_TARGET": event.target, "CHAOS_BACKENDS": " ".join(backends),
               "CHAOS_STACK": stack, "CHAOS_SERVICE": self.plan.service,
               "CHAOS_ADDRESSES": " ".join(self.plan.stacks[stack][b] for b in backends),
               "CHAOS_SPLIT": " ".join(f"{s}={w}" for s, w in event.split.items())}
        env.update({f"CHAOS_{name.upper()}": f"{value:g}" for name, value in event.draw.items()})
        return env

    async def do(self, text, env, what):
        status, said = await Command(text, env).run()
        if status != 0:
            raise Broken(f"{what}: exit status {status}: {said[-500:]}")

    async def put(self, fault, env, what):
        """In force, or not at all: what failed half way is undone."""
        try:
            await self.do(fault.do, env, what)
        except Broken:
            await Command(fault.undo, env).run()
            raise

    async def turn(self, fault, event, env):
        """A flap: the fault comes and goes. What is left to undo at the end, or None."""
        own, last, on = self.plan.faults[fault.of], 0.0, True
        what = f"{fault.name}: {own.name}"
        await self.put(own, env, what)
        for at in event.turns:
            if not await self.pause(at - last):
                break
            last, on = at, not on
            if on:
                await self.put(own, env, what)
            else:
                await self.do(own.undo, env, f"the end of {what}")
        else:
            await self.pause(event.lasts - last)
        return own.undo if on else None

    async def on_backends(self, fault, event):
        env, backends = self.env(fault, event), self.plan.targets(fault, event.target)
        for backend in backends:
            self.truth.fault_begins(backend, time.time())
        if fault.of:
            undo = await self.turn(fault, event, env)
        else:
            undo = fault.undo
            await self.put(fault, env, fault.name)
            for backend in backends:
                self.truth.fault_in_force(backend, time.time(), fault.effect)
            await self.pause(event.lasts)
        for backend in backends:
            self.truth.fault_ends(backend, time.time())
        if undo:
            await self.do(undo, env, f"the end of {fault.name}")
        for backend in backends:
            self.truth.fault_over(backend, time.time())

    async def is_ready(self):
        command = self.plan.ready_check or f"{self.plan.steerctl} -o json status"
        status, said = await Command(command).run(2.0)
        return status == 0, said

    async def on_agent(self, fault, event):
        env = self.env(fault, event)
        self.truth.agent_gone(time.time())
        await self.put(fault, env, fault.name)
        await self.pause(event.lasts)
        begun = time.time()
        await self.do(fault.undo, env, f"the end of {fault.name}")
        while True:
            ready, said = await self.is_ready()
            if ready or time.time() - begun > self.plan.ready:
                break
            await asyncio.sleep(0.02)
        took = time.time() - begun
        self.by_name["agent"].on_agent(
            time.time(), ready and took <= self.plan.ready,
            f"steerd is not ready {took:.1f} s after {fault.name}: {said}")
        self.report.ready(took)
        self.truth.agent_back(time.time())

    async def on_host(self, fault, event):
        env = self.env(fault, event)
        await self.put(fault, env, fault.name)
        await self.pause(event.lasts)
        await self.do(fault.undo, env, f"the end of {fault.name}")

    def alone(self, event, begun):
        """Nothing but what is done to backends went on meanwhile."""
        return self.truth.agent_there_during(begun, time.time()) and not any(
            e is not event and self.plan.faults[e.fault].effect not in ON_BACKENDS
            for e in self.in_force)

    async def on_push(self, fault, event):
        begun, alone = time.time(), self.alone(event, time.time())
        split = {s: w for s, w in event.split.items() if w}
        if fault.effect == "split":
            self.routes.push_begins(begun, split)
        status, said = await Command(fault.do, self.env(fault, event)).run()
        taken = status == 0
        if fault.effect == "split":
            self.routes.push_done(time.time(), split, taken)
            if not taken and not fault.draw and alone and self.alone(event, begun):
                self.by_name["routes"].violate(begun, f"{fault.name} was refused: {said}")
        elif taken:
            self.by_name["routes"].violate(begun, f"{fault.name} was taken: {said}")

    def locks_of(self, fault, event):
        """A fault that took longer than planned is over before the next one there begins; and of
        two pushes at once nobody would know which is last."""
        about = self.plan.targets(fault, event.target) or [
            "a push" if fault.effect in AT_ONCE else
            "the agent" if fault.effect == "agent" else fault.name]
        return [self.locks.setdefault(name, asyncio.Lock()) for name in sorted(about)]

    async def apply(self, event):
        fault = self.plan.faults[event.fault]
        how = {"agent": self.on_agent, "harmless": self.on_host, "split": self.on_push,
               "refused": self.on_push}.get(fault.effect, self.on_backends)
        async with contextlib.AsyncExitStack() as held:
            for lock in self.locks_of(fault, event):
                await held.enter_async_context(lock)
            if self.stopping.is_set():
                return
            self.in_force[event] = time.time()
            self.faults_begun += 1
            self.report.event(self.now(), event)
            try:
                await how(fault, event)
            finally:
                self.in_force.pop(event, None)

    async def guard(self, work):
        """A task that cannot go on ends the run, and says why; it never hides it."""
        try:
            await work
        except Broken as error:
            self.stop("broken", str(error))
        except Exception:  # pylint: disable=broad-except
            self.stop("broken", traceback.format_exc())

    def begin_task(self, work):
        return asyncio.ensure_future(self.guard(work))

    async def run_schedule(self):
        tasks = []
        for event in self.events:
            if not await self.pause(event.at - self.now()):
                break
            tasks.append(self.begin_task(self.apply(event)))
        if not self.stopping.is_set():
            await self.pause(self.seconds - self.now())
        self.stopping.set()
        await asyncio.gather(*tasks)

    # ---- Watching ----

    async def status(self):
        begun = time.time()
        code, said = await Command(f"{self.plan.steerctl} -o json status").run(5.0)
        ended = time.time()
        if not self.truth.agent_there_during(begun, ended):
            return None
        self.by_name["agent"].on_agent(ended, code == 0, f"steerd does not answer: {said}")
        return status_parse(self.plan, json.loads(said), begun, ended) if code == 0 else None

    async def arrivals(self):
        begun, said, received = time.time(), "", None
        if self.plan.arrivals:
            code, said = await Command(self.plan.arrivals).run(5.0)
            if code != 0:
                raise Broken(f"arrivals: {said}")
        if self.plan.received:
            code, text = await Command(self.plan.received).run(5.0)
            if code != 0 or not text.strip().isdigit():
                raise Broken(f"received: {text.strip() or 'said nothing'}")
            received = int(text)
        seen = arrivals_parse(self.plan, said, begun, time.time())
        seen.received = received
        return seen

    async def look(self):
        there = self.truth.agent_there
        before = await self.status() if there else None
        arrivals = await self.arrivals()
        after = await self.status() if before else None
        for invariant in self.invariants:
            if before:
                invariant.on_status(before)
            invariant.on_arrivals(before, arrivals, after)

    async def watch(self):
        while not self.finished:
            begun = time.time()
            await self.look()
            self.judge()
            await asyncio.sleep(max(0.05, LOOK_S - (time.time() - begun)))

    def read_log(self, log):
        for begin, seconds in self.stalls.read():
            self.truth.stall(begin, begin + seconds)
        for request in log.read():
            self.requests += 1
            self.failed += not request.ok
            self.recent.append((request.ends, request.ok))
            for invariant in self.invariants:
                invariant.on_request(request)
        while self.recent and self.recent[0][0] < time.time() - self.plan.abort_over:
            self.recent.popleft()

    def share_failing(self):
        return sum(not ok for _, ok in self.recent) / max(1, len(self.recent))

    async def read(self, log):
        while not self.finished:
            self.read_log(log)
            if len(self.recent) >= ABORT_MIN and self.share_failing() > self.plan.abort_failed:
                self.stop("aborted", f"{self.share_failing():.0%} of the requests of the last "
                          f"{self.plan.abort_over:g} s failed")
            self.judge()
            self.report.progress(self)
            await asyncio.sleep(READ_S)

    def judge(self):
        found = [v for i in self.invariants for v in i.violations]
        if found:
            first = min(found, key=lambda v: v.at)
            steady = "" if self.faults_begun else "before any fault, the steady state: "
            self.stop("violated", f"{steady}{first.invariant}: {first.text}")

    # ---- From the beginning to the end ----

    async def start_load(self, log):
        load = None
        if self.plan.load_command:
            load = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", self.plan.load_command, start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL)
        deadline = time.time() + 10
        while not log.read():
            if time.time() > deadline:
                if load:
                    end_session(load)
                raise Broken(f"the load writes nothing to {self.plan.load_log}")
            await asyncio.sleep(READ_S)
        return load

    async def first_status(self):
        begun = time.time()
        code, said = await Command(f"{self.plan.steerctl} -o json status").run(5.0)
        if code != 0:
            raise Broken(f"steerd does not answer: {said}")
        status = status_parse(self.plan, json.loads(said), begun, time.time())
        if self.plan.service not in status.splits:
            raise Broken(f"steerd has no service '{self.plan.service}'")
        return status

    def first_problem(self, status):
        for backend, _ in self.plan.backends():
            if backend not in status.backends:
                raise Broken(f"steerd has no backend '{backend}'")
            if not status.backends[backend].up:
                return f"{backend} is down before anything was done: " \
                    f"{status.backends[backend].reason}"
        return None

    async def begin(self):
        """What is live now is what has to stay."""
        deadline = time.time() + self.plan.recovery
        while True:
            status = await self.first_status()
            problem = self.first_problem(status)
            if not problem:
                break
            if time.time() > deadline or self.stopping.is_set():
                raise Broken(problem)
            await asyncio.sleep(READ_S)
        self.routes = RoutesTruth(status.splits[self.plan.service])
        self.invariants = [of(self.plan, self.truth, self.routes) for of in ALL]
        self.by_name = {i.name: i for i in self.invariants}
        for invariant in self.invariants:
            invariant.on_status(status)

    async def run(self):
        self.stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop, "interrupted", "told to stop")
        log, load, watchers = Log(self.plan.load_log, request_parse), None, []
        try:
            load = await self.start_load(log)
            await self.begin()
            self.begun, self.waited = time.time(), waited_for_cpu()
            watchers = [self.begin_task(w) for w in (self.watch(), self.read(log))]
            await self.run_schedule()
        except Broken as error:
            self.stop("broken", str(error))
        self.finished = True
        await asyncio.gather(*watchers)
        if load:
            end_session(load, signal.SIGTERM)
        if self.outcome == "held":
            self.read_log(log)
            for invariant in self.invariants:
                invariant.on_end(time.time())
            self.judge()
