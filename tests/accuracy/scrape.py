#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""scrape.py URL: how long /metrics takes, and how long others wait meanwhile, as JSON."""

import json
import sys
import threading
import time
import urllib.request

ROUNDS = 20


def get(url):
    begun = time.monotonic()
    with urllib.request.urlopen(url, timeout=10) as response:
        body = response.read()
    return time.monotonic() - begun, body


def wait_of(url):
    """One answer of /healthz; at a pace that steerd lets pass, which runs HTTP so often only."""
    time.sleep(0.003)
    return get(url + "/healthz")[0]


def watch(url, done, waits):
    """The longest answer is the longest stall of steerd's loop."""
    while not done.is_set():
        waits.append(wait_of(url))


def quiet_wait(url):
    return max(wait_of(url) for _ in range(200))


def main():
    url = sys.argv[1]
    get(url + "/healthz")  # the first of all makes this client ready
    alone = quiet_wait(url)
    done, waits, times = threading.Event(), [], []
    # Without the watcher: it takes part of a CPU, too.
    for _ in range(ROUNDS):
        seconds, body = get(url + "/metrics")
        times.append(seconds)
    watcher = threading.Thread(target=watch, args=(url, done, waits))
    watcher.start()
    for _ in range(ROUNDS):
        get(url + "/metrics")
        time.sleep(0.05)
    done.set()
    watcher.join()
    text = body.decode()
    json.dump(
        {
            "times": times,
            "stall": max(waits),
            "stall_alone": alone,
            "bytes": len(body),
            "backends": len(
                {
                    line.split('backend="')[1].split('"')[0]
                    for line in text.splitlines()
                    if line.startswith("steerd_connect_latency_seconds_count")
                    and 'backend="' in line
                    and float(line.rsplit(" ", 1)[1]) > 0
                }
            ),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
