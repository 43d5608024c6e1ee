#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Usage: control_report.py FOLDER TITLE [json]: the samples of control.sh as a table, or as JSON.

FOLDER has a file samples.KEY for each row, one sample a line. Good is what is small.
"""

import json
import os
import platform
import statistics
import sys

# Key, what it is, unit, at most. No bound: shown beside what has one.
ROWS = (
    ("push", "weight push, call to first packet", "ms", 10),
    ("push_answer", "  to its answer: saved on disk", "ms", None),
    ("burst", "weight push right after another", "ms", None),
    ("burst_answer", "  to its answer", "ms", None),
    ("apply", "steerctl apply of all", "ms", 2000),
    ("cold", "start to ready, saved routes, no maps", "ms", 3000),
    ("warm", "start to ready, saved routes, maps kept", "ms", 3000),
    ("rss", "steerd's resident memory, its peak", "MiB", None),
    ("maps", "the maps' memory", "MiB", None),
    ("memory", "both (what steerd maps counts twice)", "MiB", 512),
)


def read_samples(folder, key):
    with open(os.path.join(folder, "samples." + key), encoding="ascii") as file:
        return [float(line) for line in file]


def verdict(row):
    if row["worst"] <= row["at_most"]:
        return "met"
    return "met by the median only" if row["median"] <= row["at_most"] else "not met"


def read_row(folder, key, what, unit, bound):
    samples = read_samples(folder, key)
    row = {"key": key, "what": what.strip(), "unit": unit, "samples": samples,
           "median": statistics.median(samples), "worst": max(samples)}
    if bound is not None:
        row["at_most"] = bound
        row["verdict"] = verdict(row)
    return row


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {"kernel": platform.release(), "architecture": platform.machine(),
            "cpus": os.cpu_count(), "cpu": models[0] if models else "unknown"}


def print_table(title, rows):
    print("Linux {kernel}, {architecture}; {cpus} CPUs, {cpu}".format(**machine()))
    print(title + "\n")
    print(f"{'control plane':41}{'samples':>7} {'median':>8} {'worst':>8} {'at most':>8}")
    for row, (_, what, unit, bound) in zip(rows, ROWS):
        text = f"{what:41}{len(row['samples']):7} {row['median']:8.1f} {row['worst']:8.1f} "
        text += f"{bound:8.1f} {unit:4} {row['verdict']}" if bound else f"{'':8} {unit}"
        print(text)


def main():
    folder, title = sys.argv[1:3]
    rows = [read_row(folder, *row) for row in ROWS]
    if sys.argv[3:] == ["json"]:
        print(json.dumps({"machine": machine(), "title": title, "rows": rows}, indent=2))
    else:
        print_table(title, rows)


main()
