#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Compares what steerd says with the truth, row by row, and prints the table.

judge.py service ROW MS BEFORE AFTER SERVER_LOG CLIENT_LOG
judge.py connect ROW BEFORE AFTER CLIENT_LOG
judge.py retransmits ROW BEFORE AFTER COUNT
judge.py memory ROW PIN_DIR BACKENDS
judge.py metrics ROW SCRAPE BACKENDS
        one line of JSON: a row's results
judge.py table FILE table|json
        of such lines; exit status 0 if all goals are met
judge.py same A B
        exit status 0 if the two telemetry messages hold the same
BEFORE and AFTER are answers of WatchTelemetry, counted from the start.
"""

import json
import os
import subprocess
import sys

TLS_PORT = 443
CPUS = 16  # that memory is scaled to
LIMIT_BYTES = 64 << 20
LIMIT_SCRAPE_S = 0.2
LIMIT_STALL_S = 0.05  # half of a quick health check's interval
WITH_SAMPLES = 0.99  # of the backends, by chance
LAST_BUCKET = 161
SETTINGS = {"plain": "plain", "tls": "TLS 1.3", "long": "plain, flows of 30 s"}

# Key by CPU, see bpf/maps.h.
TELEMETRY_MAPS = {
    "samples": False,
    "series": True,
    "series_generation": False,
    "series_of": False,
    "flow_counts": True,
    "backend_watch": False,
    "tunnel_backends": False,
    "flow_events": False,
    "event_rations": True,
}


# ---- truth ----


def quantile(values, p):
    """Of sorted values, interpolated between neighbours."""
    at = p * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def read_server(path, skip_first_of_tls=True):
    """From the request's arrival, and from its having been read, to the response, in ns."""
    by_arrival, by_read = [], []
    with open(path, encoding="ascii") as log:
        for line in log:
            port, _, number, arrived, read, written = map(int, line.split())
            if skip_first_of_tls and port == TLS_PORT and number == 1:
                continue
            by_arrival.append(written - (arrived or read))
            by_read.append(written - read)
    return sorted(by_arrival), sorted(by_read)


def read_client(path, kind):
    """The fields of one kind of lines, as integers."""
    with open(path, encoding="ascii") as log:
        return [
            tuple(map(int, line.split()[1:])) for line in log if line.startswith(kind + " ")
        ]


# ---- estimate ----


def read_telemetry(path):
    """A large answer comes in several messages about the same interval: as one."""
    whole, decoder = None, json.JSONDecoder()
    with open(path, encoding="utf-8") as answer:
        rest = answer.read().lstrip()
    while rest:
        message, end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()
        if whole is None:
            whole = message
            continue
        for part in ("series", "backends", "shares"):
            whole.setdefault(part, []).extend(message.get(part, []))
    return whole


def counters(list_of_counters, into):
    for counter in list_of_counters:
        name = counter["name"]
        into[name] = into.get(name, 0) + int(counter.get("value", 0))


def add_up(message):
    """Everything of all series: histograms by kind, and counters."""
    kinds, totals = {}, {"errors": {}, "left_out": {}, "flows": {}}
    for series in message.get("series", []):
        for latency in series.get("latencies", []):
            kind = kinds.setdefault(
                latency["kind"].replace("LATENCY_KIND_", "").lower(),
                {"count": 0, "sum": 0, "buckets": {}},
            )
            kind["count"] += int(latency.get("count", 0))
            kind["sum"] += int(latency.get("sum_ns", 0))
            for bucket, count in zip(latency.get("bucket", []), latency.get("bucket_count", [])):
                kind["buckets"][bucket] = kind["buckets"].get(bucket, 0) + int(count)
        counters(series.get("errors", []), totals["errors"])
        counters(series.get("left_out", []), totals["left_out"])
    for backend in message.get("backends", []):
        counters(backend.get("counters", []), totals["flows"])
    return kinds, totals


def less(after, before):
    """after - before, of dictionaries of numbers within dictionaries; without zeroes."""
    result = {}
    for key, value in after.items():
        if isinstance(value, dict):
            result[key] = less(value, before.get(key, {}))
        elif value != before.get(key, 0):
            result[key] = value - before.get(key, 0)
    return result


def between(before_path, after_path):
    before, after = read_telemetry(before_path), read_telemetry(after_path)
    if before.get("epoch") != after.get("epoch"):
        sys.exit("the counters began anew in between")
    (kinds0, totals0), (kinds1, totals1) = add_up(before), add_up(after)
    return less(kinds1, kinds0), less(totals1, totals0)


def bucket_floor(bucket):
    """Nanoseconds: agent.proto, LatencyDelta."""
    if bucket == 0:
        return 0
    octave, sub = divmod(bucket - 1, 8)
    return (8 + sub) << (12 + octave)


def estimate_quantile(kind, p):
    """Interpolated within its bucket, as `steerctl histogram` does."""
    left = p * kind["count"]
    for bucket in sorted(kind["buckets"]):
        count = kind["buckets"][bucket]
        if left <= count:
            floor = bucket_floor(bucket)
            width = bucket_floor(bucket + 1) - floor if bucket < LAST_BUCKET else 0
            return floor + width * left / count
        left -= count
    return float("nan")


# ---- rows ----


def compare(name, truth, estimate, goal, unit="ns"):
    """goal: the greatest error allowed, as a share; None: shown only."""
    error = (estimate - truth) / truth if truth else float(estimate != truth)
    return {
        "name": name,
        "unit": unit,
        "truth": truth,
        "estimate": estimate,
        "error": error,
        "goal": goal,
        "met": None if goal is None else abs(error) <= goal,
    }


def bounded(name, value, goal, unit):
    return {"name": name, "unit": unit, "estimate": value, "goal": goal, "met": value < goal}


def quantiles(truth, kind, goal, goal_mean):
    if not kind or not kind.get("count"):
        return [{"name": "samples", "unit": "", "estimate": 0, "goal": 1, "met": False}]
    results = [
        compare(f"p{p}", quantile(truth, p / 100), estimate_quantile(kind, p / 100), goal)
        for p in (50, 90, 99)
    ]
    mean = sum(truth) / len(truth)
    return results + [compare("mean", mean, kind["sum"] / kind["count"], goal_mean)]


def service_row(row, ms, before, after, server_log, client_log):
    kinds, totals = between(before, after)
    arrival, read = read_server(server_log)
    seen = sorted(first - sent for _, _, sent, first in read_client(client_log, "request"))
    kind = kinds.get("service", {})
    results = quantiles(arrival, kind, 0.15 if ms == "1" else 0.02, 0.03 if ms == "1" else None)
    measured = kind.get("count", 0)
    return {
        "row": row,
        "what": f"service time, median {ms} ms, " + SETTINGS[row.split("-")[0]],
        "results": results,
        "requests": len(arrival),
        "measured": measured,
        "left_out": totals.get("left_out", {}),
        "errors": totals.get("errors", {}),
        "wakeup_mean_ns": sum(arrival) / len(arrival) - sum(read) / len(read),
        "error_since_read": [r["error"] for r in quantiles(read, kind, None, None)]
        if measured
        else [],
        "client_response_p50_ns": quantile(seen, 0.5),
        "notes": [
            f"{measured} of {len(arrival)} requests measured; left out: "
            + (", ".join(f"{n} {v}" for n, v in totals.get("left_out", {}).items()) or "none")
        ],
    }


def connect_row(row, before, after, client_log):
    kinds, _ = between(before, after)
    connects = read_client(client_log, "connect")
    kernel = sorted(us * 1000 for _, _, us in connects)
    seen = sorted(ns for _, ns, _ in connects)
    kind = kinds.get("connect", {})
    return {
        "row": row,
        "what": "connect latency, round trips around 20 ms",
        "results": quantiles(kernel, kind, 0.01, 0.01),
        "notes": [
            f"{kind.get('count', 0)} of {len(connects)} connects measured; truth: the client "
            f"kernel's own RTT of the handshake; connect() saw p50 {quantile(seen, 0.5) / 1e6:.3f}"
            f" and p99 {quantile(seen, 0.99) / 1e6:.3f} ms"
        ],
    }


def retransmits_row(row, before, after, count):
    _, totals = between(before, after)
    flows = totals.get("flows", {})
    result = compare("count", int(count), flows.get("syn_retransmits", 0), 0.0, "")
    if not int(count):
        result["met"] = False
    return {
        "row": row,
        "what": "SYN retransmits, 2 % loss on the way back",
        "results": [result],
        "notes": [f"of {flows.get('syns', 0)} connections; truth: TcpExtTCPSynRetrans"],
    }


def map_bytes(path, cpus):
    """What the kernel has allocated, as it would be with CPUS."""
    shown = json.loads(subprocess.check_output(["bpftool", "-j", "map", "show", "pinned", path]))
    scale = CPUS / cpus if TELEMETRY_MAPS[os.path.basename(path)] else 1
    return int(shown["bytes_memlock"]) * scale


def possible_cpus():
    with open("/sys/devices/system/cpu/possible", encoding="ascii") as text:
        return int(text.read().strip().split("-")[-1]) + 1


def memory_row(row, pins, backends):
    cpus = possible_cpus()
    sizes = {name: map_bytes(os.path.join(pins, name), cpus) for name in TELEMETRY_MAPS}
    return {
        "row": row,
        "what": f"memory of telemetry's maps, {backends} backends, {CPUS} CPUs",
        "results": [bounded("bytes", sum(sizes.values()), LIMIT_BYTES, "bytes")],
        "maps": sizes,
        "notes": [
            f"limits.backends: {backends}; "
            + ", ".join(
                f"{name} {size / 1048576:.1f}"
                for name, size in sorted(sizes.items(), key=lambda item: -item[1])
                if size >= 1048576
            )
            + " MiB"
        ],
    }


def metrics_row(row, scrape, backends):
    with open(scrape, encoding="ascii") as text:
        seen = json.load(text)
    return {
        "row": row,
        "what": f"/metrics with {backends} backends",
        "results": [
            bounded("median", quantile(sorted(seen["times"]), 0.5), LIMIT_SCRAPE_S, "s"),
            bounded("stall", seen["stall"], LIMIT_STALL_S, "s"),
            compare("backends", int(backends), seen["backends"], 1 - WITH_SAMPLES, ""),
        ],
        "scrape": seen,
        "notes": [
            f"{len(seen['times'])} scrapes of {seen['bytes'] / 1048576:.1f} MiB, the slowest "
            f"{max(seen['times']) * 1e3:.0f} ms; stall: the longest "
            f"that a gRPC health check took meanwhile ({seen['stall_alone'] * 1e3:.1f} ms without scrapes)"
        ],
    }


# ---- table ----


def show(value, unit):
    if unit == "ns":
        return f"{value / 1e6:.3f} ms"
    if unit == "s":
        return f"{value * 1e3:.1f} ms"
    if unit == "bytes":
        return f"{value / 1048576:.1f} MiB"
    return str(value)


def show_result(result):
    goal = result["goal"]
    if "truth" not in result:
        truth, error = "", ""
        goal = "" if goal is None else "< " + show(goal, result["unit"])
    else:
        truth = show(result["truth"], result["unit"])
        error = f"{100 * result['error']:+.2f} %"
        goal = "" if goal is None else ("equal" if goal == 0 else f"{100 * goal:g} %")
    met = {True: "met", False: "NOT MET", None: ""}[result["met"]]
    return (
        f"  {result['name']:<9}{truth:>13}{show(result['estimate'], result['unit']):>13}"
        f"{error:>11}{goal:>11}  {met}"
    ).rstrip()


def print_table(rows):
    print(f"  {'':<9}{'truth':>13}{'estimate':>13}{'error':>11}{'goal':>11}")
    for row in rows:
        print(f"{row['row']}: {row['what']}")
        for result in row["results"]:
            print(show_result(result))
        for note in row["notes"]:
            print(f"  {note}")


def table(path, output):
    with open(path, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    missed = [
        f"{row['row']} {result['name']}"
        for row in rows
        for result in row["results"]
        if result["met"] is False
    ]
    if output == "json":
        print(json.dumps({"rows": rows, "missed": missed}, indent=2))
    else:
        print_table(rows)
        print("all goals are met" if not missed else "not met: " + ", ".join(missed))
    return 1 if missed else 0


def main():
    kinds = {
        "service": service_row,
        "connect": connect_row,
        "retransmits": retransmits_row,
        "memory": memory_row,
        "metrics": metrics_row,
    }
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "table":
        return table(*arguments)
    if what == "same":
        return int(add_up(read_telemetry(arguments[0])) != add_up(read_telemetry(arguments[1])))
    print(json.dumps(kinds[what](*arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
