# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is shown while it goes on, and at the end."""
import json
import sys
from dataclasses import asdict

from schedule import schedule_text

EVERY_S = 5.0  # between two lines where nobody watches
LIVE_S = 0.5  # and on a terminal, where each is written over the last


class Report:
    def __init__(self, plan, seed, seconds, as_json):
        self.plan, self.seed, self.seconds, self.as_json = plan, seed, seconds, as_json
        self.out = sys.stderr if as_json else sys.stdout
        self.live = self.out.isatty()
        self.next, self.last = LIVE_S, (0, 0.0)
        self.slowest_ready = 0.0

    def say(self, text):
        print(("\r\033[K" if self.live else "") + text, file=self.out, flush=True)

    def begin(self, events):
        self.say(f"{self.plan.title}\n  {' '.join(self.plan.hypothesis.split())}")
        self.say(f"  seed {self.seed}, {self.seconds:g} s, {len(events)} faults; at a time at most "
                 f"{self.plan.blast_backends} backends and {self.plan.blast_stacks} stacks")

    def event(self, at, event):
        self.say(f"{at:7.1f} s  {event.text().split(' s  ', 1)[1]}")

    def ready(self, took):
        self.slowest_ready = max(self.slowest_ready, took)

    def progress(self, runner):
        now = runner.now()
        if now < self.next:
            return
        requests, at = self.last
        rate = (runner.requests - requests) / max(0.001, now - at)
        self.next, self.last = now + (LIVE_S if self.live else EVERY_S), (runner.requests, now)
        force = ", ".join(f"{e.fault} {e.target}".strip() for e in runner.in_force) or "no fault"
        holds = " ".join(i.name if not i.broken else i.name.upper() + "!"
                         for i in runner.invariants if i.judged)
        line = (f"{now:7.1f} s  {force} | {rate:.0f} requests/s, {runner.share_failing():.1%} "
                f"failing | holds: {holds}")
        if self.live:
            print("\r\033[K" + line[:200], end="", file=self.out, flush=True)
        else:
            self.say(line)

    @staticmethod
    def alarms(runner):
        return getattr(runner.by_name.get("verdicts"), "alarms", [])

    def summary(self, runner, events, saved):
        return {
            "outcome": runner.outcome, "why": runner.why, "plan": self.plan.name,
            "title": self.plan.title, "seed": self.seed, "seconds": round(runner.now(), 1),
            "requests": runner.requests, "failed": runner.failed, "faults": runner.faults_begun,
            "slowest_ready": round(self.slowest_ready, 3),
            "false_alarms": [{"at": round(at - runner.begun, 3), "backend": b, "why": why}
                             for at, b, why in self.alarms(runner)],
            "excused": getattr(runner.by_name.get("clients"), "excused", 0),
            "stalled": getattr(runner.by_name.get("clients"), "stalled", 0),
            "cpu_pressure": round(runner.pressure(), 3),
            "invariants": [{
                "name": i.name, "says": i.says, "judged": i.judged, "violations": i.broken,
                "excused": getattr(i, "excused", 0),
                "first": [{"at": round(v.at - runner.begun, 3), "text": v.text}
                          for v in sorted(i.violations, key=lambda v: v.at)]}
                for i in runner.invariants],
            "schedule": [{k: v for k, v in asdict(e).items() if v} for e in events],
            "saved": saved}

    def end(self, runner, events, saved):
        summary = self.summary(runner, events, saved)
        if self.as_json:
            print(json.dumps(summary, indent=1))
            return
        self.say("")
        for i in summary["invariants"]:
            mark = "BROKEN" if i["violations"] else "held  " if i["judged"] else "unseen"
            self.say(f"{mark}  {i['name']:10} {i['judged']:7} judged: {i['says']}")
            for v in i["first"]:
                self.say(f"          {v['at']:8.3f} s  {v['text']}")
            if i["violations"] > len(i["first"]):
                self.say(f"          and {i['violations'] - len(i['first'])} more")
        self.say(f"{summary['requests']} requests, {summary['failed']} of them failed; "
                 f"{summary['faults']} faults in {summary['seconds']} s; steerd was ready within "
                 f"{summary['slowest_ready']} s")
        alarms = summary["false_alarms"]
        self.say(f"{len(alarms)} false alarms, which cost {summary['excused']} requests; the load "
                 f"came late itself for {summary['stalled']} more; somebody waited for a CPU "
                 f"{summary['cpu_pressure']:.0%} of the time")
        for a in alarms:
            self.say(f"          {a['at']:8.3f} s  {a['backend']}: {a['why']}")
        if runner.outcome == "held":
            self.say("All of it held.")
            return
        self.say(f"\n{runner.outcome.upper()}: {runner.why}")
        self.say(f"seed {self.seed}, and what was to be done:\n{schedule_text(events)}")
        if saved:
            self.say(f"To do the same again: --replay {saved}")
