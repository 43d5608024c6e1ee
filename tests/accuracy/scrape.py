#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""scrape.py URL SOCKET: how long /metrics takes, and how long others wait meanwhile, as JSON."""

import json
import subprocess
import sys
import tempfile
import threading
import time

import grpc

ROUNDS = 20


def scrape(url, into="/dev/null"):
    """Seconds. By a process of its own: here, it would keep the others of this one waiting."""
    answer = subprocess.check_output(
        ["curl", "-fsS", "-m", "20", "-o", into, "-w", "%{time_total}", url + "/metrics"]
    )
    return float(answer)


def checker(socket):
    """A function that asks grpc.health.v1, which answers from steerd's loop, as all else does."""
    call = grpc.insecure_channel("unix:" + socket).unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=lambda _: b"",
        response_deserializer=lambda answer: answer,
    )

    def check():
        time.sleep(0.001)
        begun = time.monotonic()
        call(None, timeout=10)
        return time.monotonic() - begun

    check()  # connects
    return check


def backends_with_samples(lines):
    return {
        line.split('backend="')[1].split('"')[0]
        for line in lines
        if line.startswith("steerd_connect_latency_seconds_count")
        and 'backend="' in line
        and float(line.rsplit(" ", 1)[1]) > 0
    }


def main():
    url, check = sys.argv[1], checker(sys.argv[2])
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as page:
        scrape(url, page.name)
        backends = len(backends_with_samples(page))
        size = page.tell()
    alone = max(check() for _ in range(200))
    times = [scrape(url) for _ in range(ROUNDS)]
    done, waits = threading.Event(), []

    def watch():
        while not done.is_set():
            waits.append(check())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(ROUNDS):
        scrape(url)
    done.set()
    watcher.join()
    json.dump(
        {
            "times": times,
            "stall": max(waits),
            "stall_alone": alone,
            "bytes": size,
            "backends": backends,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
