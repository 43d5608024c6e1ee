#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Plans that are refused, and why; schedules that follow from a seed, and nothing else."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from named_results import ROOT, run  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "tools", "chaos"))
from document import BadDocument  # noqa: E402
from plan import plan_read  # noqa: E402
from schedule import (BadSchedule, schedule_load, schedule_make, schedule_save,  # noqa: E402
                      schedule_text)

GOOD = """\
title: a shop
hypothesis: it goes on
service: shop
steady_state: {settle: 2s}
bounds: {detection: 500ms, recovery: 3s}
blast_radius: {backends: 2, stacks: 1}
abort: {failed: 40%}
load: {log: /tmp/requests}
stacks:
  blue: {blue1: 10.1.0.1, blue2: 10.1.0.2}
  green: {green1: 10.1.0.3, green2: 10.1.0.4}
  red: {red1: 10.1.0.5, red2: 10.1.0.6}
faults:
  kill: {effect: down, do: "kill $CHAOS_TARGET", undo: start, lasts: [1s, 4s], draw: {ms: [1, 9]}}
  flap: {effect: unclear, of: kill, every: [100ms, 600ms]}
  dark: {effect: down, on: stack, do: a, undo: b}
  agent: {effect: agent, do: a, undo: b, lasts: [0s, 2s]}
  disk: {effect: harmless, do: a, undo: b}
  push: {effect: split, do: a}
  bad: {effect: refused, do: a}
"""


def problems(text):
    try:
        plan_read("p.yaml", text)
    except BadDocument as bad:
        return bad.problems
    return []


class Plans(unittest.TestCase):
    def refused(self, old, new, *wanted):
        self.assertIn(old, GOOD)
        self.assertEqual(problems(GOOD.replace(old, new, 1)), list(wanted))

    def test_a_good_plan_is_taken_with_its_values(self):
        plan = plan_read("p.yaml", GOOD)
        self.assertEqual((plan.detection, plan.recovery, plan.abort_failed), (0.5, 3.0, 0.4))
        self.assertEqual(plan.faults["kill"].lasts, (1.0, 4.0))
        self.assertEqual(plan.stacks["blue"], {"blue1": "10.1.0.1", "blue2": "10.1.0.2"})

    def test_an_unknown_key_is_told_with_its_line_and_the_nearest_known(self):
        self.refused("detection: 500ms", "detecton: 500ms",
                     "p.yaml:5: unknown key 'detecton' of 'bounds' (did you mean 'detection'?)")
        self.refused("title: a shop", "title: a shop\nfautls: {}",
                     "p.yaml:2: unknown key 'fautls' of the plan (did you mean 'faults'?)")

    def test_a_missing_key_is_told(self):
        self.refused("abort: {failed: 40%}", "abort: {over: 3s}",
                     "p.yaml:7: 'abort' has no 'failed'")
        self.refused("hypothesis: it goes on\n", "", "p.yaml:1: the plan has no 'hypothesis'")
        self.refused("do: \"kill $CHAOS_TARGET\", ", "", "p.yaml:14: fault 'kill' has no 'do'")
        self.refused("on: stack, do: a, undo: b", "on: stack, do: a",
                     "p.yaml:16: fault 'dark' has no 'undo'")

    def test_a_wrong_value_is_told_with_what_is_wanted(self):
        self.refused("500ms", "500",
                     "p.yaml:5: 500 is no duration; write 80ms, 3s, 1.5m or 1h")
        self.refused("40%", "0.4", "p.yaml:7: 0.4 is no share; write 2% or 0.5%")
        self.refused("effect: agent", "effect: agnet",
                     "p.yaml:17: 'agnet' is none of down, unclear, agent, harmless, split, refused"
                     " (did you mean 'agent'?)")
        self.refused("[1s, 4s]", "[4s, 1s]", "p.yaml:14: lasts is to be [LEAST, MOST]")
        self.refused("backends: 2", "backends: two",
                     "p.yaml:6: two is no whole number from 0 to 1000000")

    def test_all_mistakes_are_told_at_once(self):
        text = GOOD.replace("500ms", "soon").replace("40%", "many")
        self.assertEqual([p.split(":")[1] for p in problems(text)], ["5", "7"])

    def test_a_flap_is_of_a_fault_that_comes_and_goes(self):
        self.refused("of: kill", "of: kil", "p.yaml:15: fault 'flap' is of 'kil', which is not "
                     "defined (did you mean 'kill'?)")
        self.refused("of: kill", "of: disk", "p.yaml:15: fault 'flap' can be of one on a backend "
                     "only that has 'do' and 'undo'")
        self.refused("unclear, of", "down, of",
                     "p.yaml:15: fault 'flap' comes and goes: its effect is unclear")

    def test_what_is_there_twice_is_refused(self):
        self.refused("service: shop", "service: shop\nservice: shop",
                     "p.yaml:4: 'service' is there twice")
        self.refused("green1: 10.1.0.3", "blue1: 10.1.0.3",
                     "p.yaml:11: backend 'blue1' is there twice")

    def test_a_blast_radius_of_everything_is_refused(self):
        self.refused("stacks: 1}", "stacks: 3}", "p.yaml:1: blast_radius takes everything: there "
                     "are 6 backends in 3 stacks")
        self.refused("stacks: 1}", "stacks: 0}", "p.yaml:1: fault 'dark' takes a stack, and "
                     "blast_radius has 'stacks: 0'")

    def test_what_is_no_yaml_or_no_mapping_is_refused(self):
        for text in ("", "[1, 2]", "a: [", "just words", "? {a: b}\n: c", "a: *b",
                     "a: &a [*a]", "\0"):
            self.assertTrue(problems(text), text)

    def test_the_plans_of_the_tree_are_good_but_for_what_the_lab_fills_in(self):
        with open(os.path.join(ROOT, "tests", "chaos", "plan.yaml"), encoding="utf-8") as file:
            text = file.read().replace("@DETECTION@", "1s")
        self.assertEqual(problems(text + GOOD[GOOD.index("stacks:\n"):GOOD.index("faults:")]), [])
        with open(os.path.join(ROOT, "tools", "examples", "chaos.yaml"), encoding="utf-8") as file:
            self.assertEqual(problems(file.read()), [])


class Schedules(unittest.TestCase):
    def setUp(self):
        self.plan = plan_read("p.yaml", GOOD)

    def test_the_same_seed_gives_the_same_schedule(self):
        text = schedule_text(schedule_make(self.plan, 7, 300))
        self.assertEqual(text, schedule_text(schedule_make(self.plan, 7, 300)))
        self.assertNotEqual(text, schedule_text(schedule_make(self.plan, 8, 300)))
        self.assertGreater(len(text.splitlines()), 30)

    def test_a_seed_means_the_same_on_every_machine(self):
        first = schedule_make(self.plan, 7, 300)[:3]
        self.assertEqual(schedule_text(first), SEED_7)

    def test_the_blast_radius_is_kept_all_along(self):
        for seed in range(30):
            events = schedule_make(self.plan, seed, 300)
            for event in events:
                self.judge_blast_radius([
                    (self.plan.faults[e.fault], e.target) for e in events
                    if e.at <= event.at < e.ends + self.plan.recovery])

    def judge_blast_radius(self, in_force):
        out = [b for fault, target in in_force for b in self.plan.targets(fault, target)]
        single = [f for f, target in in_force if f.effect in ("down", "unclear")
                  and f.on == "backend"]
        stacks = [s for s, of in self.plan.stacks.items() if set(of) <= set(out)]
        self.assertEqual(len(out), len(set(out)), "two faults at once on one backend")
        self.assertLessEqual(len(single), self.plan.blast_backends)
        self.assertLessEqual(len(stacks), self.plan.blast_stacks)

    def test_all_is_over_before_the_end(self):
        for seed in range(30):
            for event in schedule_make(self.plan, seed, 60):
                self.assertGreaterEqual(event.at, self.plan.settle)
                self.assertLessEqual(event.ends, 60 - self.plan.settle)
                self.assertTrue(all(0 < turn < event.lasts for turn in event.turns))

    def test_every_fault_of_the_plan_comes_up(self):
        seen = {e.fault for e in schedule_make(self.plan, 1, 600)}
        self.assertEqual(seen, set(self.plan.faults))

    def test_a_saved_schedule_is_the_same_again(self):
        events = schedule_make(self.plan, 9, 120)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s.json")
            schedule_save(path, self.plan, 9, 120, events)
            seed, seconds, again = schedule_load(path, self.plan)
        self.assertEqual((seed, seconds), (9, 120))
        self.assertEqual([vars(e) for e in again], [vars(e) for e in events])

    def test_a_schedule_that_does_not_fit_the_plan_is_refused(self):
        for event, why in (('{"fault": "kill"}', "it has no 'at'"),
                           ('{"at": 1, "fault": "burn"}', "the plan has no fault 'burn'"),
                           ('{"at": 1, "fault": "kill", "target": "pink1"}',
                            "the plan has no backend 'pink1'"),
                           ('{"at": 1, "fault": "kill", "on": 3}', "unknown key 'on'")):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write('{"format": 1, "seed": 1, "time": 9, "events": [%s]}' % event)
                file.flush()
                with self.assertRaisesRegex(BadSchedule, why):
                    schedule_load(file.name, self.plan)


SEED_7 = """\
   3.174 s  flap green2 for 2.217 s ms 5.287 turning 8 times
   3.570 s  flap red1 for 4.843 s ms 5.617 turning 16 times
   6.992 s  disk for 3.757 s"""

if __name__ == "__main__":
    run(__name__)
