#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From what gates and clients noted to how long a dead backend was sent to, and what that cost.

judge.py cell ROW RATE FOLDER   one figure's faults, as a line of JSON
judge.py alarm ROW MINUTES SINCE FOLDER
                                the same where nothing failed; since then, seconds of the epoch
judge.py line                   such a line on standard input, in words
judge.py table FILE table|json  all of them; exit status 1 unless every goal is met
"""

import collections
import json
import os
import statistics
import sys

CLIENTS = "10.64."
BACKENDS = 4  # that share the load; 8 where a whole stack fails
LATE_S = 0.5  # a SYN or a request was repeated by then
NEVER_MS = 300  # as near to the end of the fault as this: nothing was found out
# Before a fault, each backend had a connection in the time of so many, or so long, if that is more.
STEADY_FLOWS = 25
STEADY_NS = 200_000_000
SERVED = 0.99  # of the requests, where nobody fails
FLOOD = 0.95 * 50000  # SYNs a second
# While steerd is dead, breakers let one connection a second through to see whether a backend is back.
# It comes after so long a silence, and on each CPU if both are quick.
TRIAL_SILENCE_NS = 900_000_000
TRIAL_TOGETHER_NS = 1_000_000
LAG_MS = 20  # of the load behind its timetable, 99 of 100 flows

WHAT = {
    "killed": "process killed (RST)",
    "gone": "host gone (black hole)",
    "stopped": "process stopped (accepts, never answers)",
    "stack": "whole stack of 4 gone",
    "killed-alone": "process killed, steerd killed first",
    "gone-alone": "host gone, steerd killed first",
    "stopped-alone": "process stopped, steerd killed first",
    "stack-alone": "whole stack gone, steerd killed first",
    "loss": "host gone for 1 in 4 packets",
    "calm": "steady load, every CPU busy",
    "flood": "SYN flood, 50,000/s, spoofed",
    "slower": "every backend slower together",
}
GOAL_MS = {
    "killed": {200: 250, 5000: 40},
    "gone": {200: 300, 5000: 60},
    "stopped": {200: 350, 5000: 120},
    "stack": {200: 400, 5000: 120},
    "killed-alone": {5000: 150},
    "gone-alone": {5000: 150},
    "stopped-alone": {5000: 150},
    "stack-alone": {5000: 150},
    "loss": {200: 2000, 5000: 500},
}


def read_faults(folder):
    """Of each: when, until when (both clocks, ns), and the backends."""
    with open(os.path.join(folder, "faults"), encoding="ascii") as lines:
        for line in lines:
            began, began_real, ended, ended_real, *broken = line.split()
            broken = dict(pair.split("=") for pair in broken)
            yield {
                "began": int(began),
                "ended": int(ended),
                "began_s": int(began_real) / 1e9,
                "ended_s": int(ended_real) / 1e9,
                "backends": list(broken),
                "addresses": set(broken.values()),
            }


def read_events(folder):
    """What steerd said of backends: when, whose address, whether it is up, and why."""
    with open(os.path.join(folder, "events"), encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            _, takes, why = event["message"].partition(" takes no new flows")
            if takes or " takes new flows" in event["message"]:
                yield int(event["unix_ms"]) / 1e3, event["backend"], not takes, why.strip(": ")


def read_new_connections(folder):
    """By backend, the times of clients' SYNs that are no repeats."""
    seen, times = set(), {}
    with open(os.path.join(folder, "notes"), encoding="ascii") as lines:
        for line in lines:
            at, backend, client, port, sequence = line.split()
            if client.startswith(CLIENTS) and (client, port, sequence) not in seen:
                seen.add((client, port, sequence))
                times.setdefault(backend, []).append(int(at))
    return times


def read_troubled_requests(folder):
    """Begin, end, and whether it failed: of those that failed or came late."""
    with open(os.path.join(folder, "load.requests"), encoding="ascii") as lines:
        for line in lines:
            begin, _, _, _, result, latency_us, *_ = line.split()
            latency = int(latency_us) / 1e6
            if result != "ok" or latency > LATE_S:
                yield float(begin), float(begin) + latency, result != "ok"


def judge_said(fault, events):
    """When steerd had taken all of them out, why the first, and how often one came back."""
    out, why, returns = {}, None, 0
    for at_s, address, up, reason in events:
        if address in fault["addresses"] and fault["began_s"] <= at_s < fault["ended_s"]:
            returns += up
            if not up:
                why = why or reason
                out.setdefault(address, at_s)
    if len(out) < len(fault["addresses"]):
        return {"out_ms": None, "why": None, "returns": returns}
    return {
        "out_ms": round((max(out.values()) - fault["began_s"]) * 1e3),
        "why": why,
        "returns": returns,
    }


def split_trials(times):
    """Of new connections to one backend: those that are sent there, and how many try whether it is
    back."""
    sent, trials, last, trial = [], 0, None, None
    for at in sorted(times):
        if last is not None and at - last > TRIAL_SILENCE_NS:
            trial = at
        if trial is not None and at - trial < TRIAL_TOGETHER_NS:
            trials += 1
        else:
            sent.append(at)
        last = at
    return sent, trials


def sent_after(row, fault, until, connections):
    """New connections to what is broken, and how many more tried whether it is back."""
    after, trials = [], 0
    for backend in fault["backends"]:
        times = sorted(t for t in connections.get(backend, []) if t < until)
        # With one from before the fault, which a silence may begin with.
        times = times[max(sum(t < fault["began"] for t in times) - 1, 0) :]
        if row.endswith("-alone"):
            times, tried = split_trials(times)
            trials += tried
        after += [t for t in times if t >= fault["began"]]
    return after, trials


def is_sound(fault, connections, rate):
    """Each backend had new connections just before it failed: it was not out already."""
    backends = BACKENDS if len(fault["backends"]) == 1 else 2 * BACKENDS
    since = fault["began"] - max(STEADY_FLOWS * backends / rate * 1e9, STEADY_NS)
    return all(
        any(since < t < fault["began"] for t in connections.get(backend, []))
        for backend in fault["backends"]
    )


def judge_fault(row, fault, connections, requests, events):
    said = judge_said(fault, events)
    until = fault["ended"]
    # It answers most checks, too: what is asked for is that it is taken out.
    if row == "loss" and said["out_ms"] is not None:
        until = fault["began"] + (said["out_ms"] + 1) * 1_000_000
    after, trials = sent_after(row, fault, until, connections)
    hit = [r for r in requests if r[1] >= fault["began_s"] and r[0] < fault["ended_s"]]
    last_ms = (max(after) - fault["began"]) / 1e6 if after else 0.0
    lasted_ms = (fault["ended"] - fault["began"]) / 1e6
    return {
        "backends": fault["backends"],
        "last_ms": round(last_ms, 3),
        "sent": len(after),
        "trials": trials,
        "failed": sum(r[2] for r in hit),
        "late": sum(not r[2] for r in hit),
        "never": last_ms > lasted_ms - NEVER_MS,
        **said,
    }


def middle_and_worst(values):
    return {"median": statistics.median(values), "worst": max(values)}


def judge_load(summary):
    """What the load itself missed, which nobody else may be blamed for."""
    problems = []
    if summary["lag_ms"]["p99"] > LAG_MS:
        problems.append(f"1 in 100 flows began {summary['lag_ms']['p99']:.0f} ms late or more")
    if summary["new"].get("local", 0):
        problems.append(f"{summary['new']['local']} flows could not be begun")
    return problems


def cell(row, rate, folder):
    connections = read_new_connections(folder)
    requests = list(read_troubled_requests(folder))
    events = list(read_events(folder))
    planned = list(read_faults(folder))
    sound = [f for f in planned if is_sound(f, connections, int(rate))]
    if not sound:
        raise SystemExit("no connection went to any of the backends before it failed")
    faults = [judge_fault(row, f, connections, requests, events) for f in sound]
    with open(os.path.join(folder, "load.json"), encoding="ascii") as text:
        summary = json.load(text)
    result = {
        key: middle_and_worst([f[key] for f in faults]) for key in ("last_ms", "failed", "late")
    }
    goal = GOAL_MS[row][int(rate)]
    result.update(
        row=row,
        rate=int(rate),
        what=WHAT[row],
        goal_ms=goal,
        met=result["last_ms"]["worst"] < goal,
        met_by_median=result["last_ms"]["median"] < goal,
        never=sum(f["never"] for f in faults),
        faults=faults,
        load=summary,
        problems=judge_load(summary),
        left_out=len(planned) - len(sound),
    )
    print(json.dumps(result))
    return 0


def read_flood(folder):
    """SYNs a second, or None without a flood."""
    try:
        with open(os.path.join(folder, "flood.log"), encoding="ascii") as text:
            flood = json.load(text)
            return flood["sent"] / flood["seconds"]
    except FileNotFoundError:
        return None


def alarm(row, minutes, since, folder):
    taken_out = [
        why for at_s, _, up, why in read_events(folder) if not up and at_s >= float(since)
    ]
    with open(os.path.join(folder, "load.json"), encoding="ascii") as text:
        summary = json.load(text)
    requests, answered = summary["new"]["requests"], summary["new"]["ok"]
    flood = read_flood(folder) if row == "flood" else None
    problems = [] if flood is None or flood > FLOOD else [f"the flood had {flood:.0f} SYNs/s only"]
    print(
        json.dumps(
            {
                "row": row,
                "what": WHAT[row],
                "minutes": int(minutes),
                "taken_out": taken_out,
                "requests": requests,
                "failed": requests - answered,
                "flood": flood,
                "met": not taken_out and answered >= SERVED * requests and not problems,
                "load": summary,
                "problems": problems,
            }
        )
    )
    return 0


# ---- table ----


def show_ms(value):
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def show_verdict(result):
    if result["met"]:
        return "met"
    return "met by the median only" if result["met_by_median"] else "NOT MET"


def show_pair(pair):
    return f"{pair['median']:g} ({pair['worst']:g})"


def show_cell(result):
    last, goal = result["last_ms"], "< " + show_ms(result["goal_ms"])
    return (
        f"{show_ms(last['median']):>9}{show_ms(last['worst']):>9}{goal:>11}"
        f"{show_pair(result['failed']):>16}{show_pair(result['late']):>16}  {show_verdict(result)}"
    )


def show_notes(result):
    causes = collections.Counter(f["why"].split(":")[0] for f in result["faults"] if f["why"])
    if causes:
        yield "taken out by " + ", ".join(f"{why} ({n})" for why, n in causes.most_common())
    returns = sum(f["returns"] > 0 for f in result["faults"])
    if returns:
        yield f"{returns} of {len(result['faults'])} came back before they were well"
    if result["never"]:
        yield f"{result['never']} of {len(result['faults'])} faults were not found out"
    if result["left_out"]:
        yield f"{result['left_out']} more faults do not count: the backend was out before"
    for problem in result["problems"]:
        yield f"the load fell behind: {problem}"


def show_alarm(result):
    return (
        f"{result['minutes']:>7} min{len(result['taken_out']):>10} taken out"
        f"{result['failed']:>10,} of {result['requests']:,} failed  "
        + ("met" if result["met"] else "NOT MET")
    )


def print_alarms(results):
    if results:
        print("4 backends, none failing: how many were taken out")
    for result in results:
        print(f"{result['what']:<42}{show_alarm(result)}")
        for note in sorted(set(result["taken_out"])) + result["problems"]:
            print(f"  {note}")


def print_table(results):
    if not results:
        return
    runs = max(len(r["faults"]) for r in results)
    print("4 backends, one failing: from the fault to the last new connection sent there, and per")
    print(f"fault the requests that failed, or were answered after {LATE_S} s; {runs} faults each")
    print(
        f"{'fault':<42}{'flows/s':>7}{'median':>9}{'worst':>9}{'goal':>11}"
        f"{'failed (worst)':>16}{'late (worst)':>16}"
    )
    before = None
    for result in results:
        what = result["what"] if result["row"] != before else ""
        before = result["row"]
        print(f"{what:<42}{result['rate']:>7,}{show_cell(result)}")
        for note in show_notes(result):
            print(f"  {note}")


def table(path, output):
    with open(path, encoding="utf-8") as lines:
        results = [json.loads(line) for line in lines]
    cells = [result for result in results if "rate" in result]
    alarms = [result for result in results if "minutes" in result]
    missed = [f"{r['row']} at {r['rate']}/s" for r in cells if not r["met"]]
    missed += [r["row"] for r in alarms if not r["met"]]
    if output == "json":
        print(json.dumps({"cells": cells, "alarms": alarms, "missed": missed}, indent=2))
    else:
        print_table(cells)
        print_alarms(alarms)
        print("all goals are met" if not missed else "not met: " + ", ".join(missed))
    return 1 if missed else 0


def line():
    result = json.load(sys.stdin)
    if "minutes" in result:
        print(" ".join(show_alarm(result).split()))
        return 0
    print(
        f"{show_ms(result['last_ms']['median'])}, at worst {show_ms(result['last_ms']['worst'])}; "
        f"{result['failed']['median']:g} requests failed; "
        + "; ".join([show_verdict(result), *show_notes(result)])
    )
    return 0


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    return {"cell": cell, "alarm": alarm, "line": line, "table": table}[what](*arguments)


if __name__ == "__main__":
    sys.exit(main())
