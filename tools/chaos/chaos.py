#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Chaos on purpose: carries out a plan of faults while clients are served, and says whether what
was promised held. The plan says what may be done to whom; see docs/chaos.md."""
import argparse
import asyncio
import os
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from document import BadDocument, parse_duration  # noqa: E402
from plan import plan_read  # noqa: E402
from report import Report  # noqa: E402
from runner import Runner  # noqa: E402
from schedule import (BadSchedule, schedule_load, schedule_make, schedule_save,  # noqa: E402
                      schedule_text)

STATUS = {"held": 0, "violated": 1, "aborted": 3, "broken": 3, "interrupted": 130}


def duration(text):
    seconds = parse_duration(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text} is no duration; write 30s or 10m")
    return seconds


def arguments():
    parser = argparse.ArgumentParser(
        description="Carries out a plan of faults and judges whether its hypothesis holds.",
        epilog="Exit status: 0 all held; 1 something did not; 2 wrong usage or a bad plan; 3 the "
        "abort condition was met or a command of the plan failed; 130 told to stop. Whatever ends "
        "it, what was done is undone.")
    parser.add_argument("--plan", required=True, metavar="FILE")
    parser.add_argument("--seed", type=int, metavar="N", help="of the schedule; default: any")
    parser.add_argument("--time", type=duration, metavar="TIME",
                        help="30s, 10m; default: the plan's")
    parser.add_argument("--replay", metavar="FILE", help="a schedule that was saved")
    parser.add_argument("--save", metavar="FILE",
                        help="where to keep a schedule that failed; in a folder, and by default: "
                        "chaos-SEED.json")
    parser.add_argument("--check", action="store_true", help="judge the plan, do nothing")
    parser.add_argument("--dry-run", action="store_true", help="print the schedule, do nothing")
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text")
    return parser.parse_args()


def read_plan(path):
    try:
        with open(path, encoding="utf-8") as file:
            return plan_read(path, file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise BadDocument([f"{path}: {getattr(error, 'strerror', None) or error}"]) from error


def choose_schedule(plan, options):
    if options.replay:
        return schedule_load(options.replay, plan)
    seed = options.seed if options.seed is not None else plan.seed
    if seed is None:
        seed = random.SystemRandom().randrange(2**31)
    seconds = options.time or plan.time
    return seed, seconds, schedule_make(plan, seed, seconds)


def carry_out(plan, seed, seconds, events, options):
    report = Report(plan, seed, seconds, options.output == "json")
    runner = Runner(plan, seconds, events, report)
    report.begin(events)
    asyncio.run(runner.run())
    saved = None
    if runner.outcome in ("violated", "aborted", "broken"):
        saved = options.save or "."
        if os.path.isdir(saved):
            saved = os.path.normpath(os.path.join(saved, f"chaos-{seed}.json"))
        schedule_save(saved, plan, seed, seconds, events)
    report.end(runner, events, saved)
    return STATUS[runner.outcome]


def main():

    options = arguments()
    try:
        plan = read_plan(options.plan)
        if options.check:
            return 0
        seed, seconds, events = choose_schedule(plan, options)
    except (BadDocument, BadSchedule) as error:
        print(error, file=sys.stderr)
        return 2
    if options.dry_run:
        print(f"seed {seed}, {seconds:g} s\n{schedule_text(events)}")
        return 0
    return carry_out(plan, seed, seconds, events, options)


if __name__ == "__main__":
    sys.exit(main())
