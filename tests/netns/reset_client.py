#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""usage: reset_client.py CONNECTIONS BACKEND VIP4 VIP6 STEERCTL ARGUMENT ...

Holds so many HTTP connections, runs STEERCTL (which takes BACKEND down), and asks again over
each: those of BACKEND must be reset and served by another backend on a new connection at once,
the others must be answered as before. Prints how long that took; exit status 1: what was not so."""
import socket
import subprocess
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n"
PATIENCE_S = 10  # for a single answer; a client without the RST would wait for longer


def connect(address):
    started = time.monotonic()
    held = socket.create_connection((address, 80), timeout=PATIENCE_S)
    held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return held, time.monotonic() - started


def ask(held):
    """The name of the backend that answered; ConnectionResetError where it was reset."""
    held.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"\n") or b"\r\n\r\n" not in answer:
        part = held.recv(4096)
        if not part:
            sys.exit("the connection was closed, and not reset")
        answer += part
    return answer.split()[-1].decode()


def ms(seconds):
    seconds = sorted(seconds)
    middle = seconds[len(seconds) // 2]
    return f"{middle * 1000:.2f} ms, at worst {seconds[-1] * 1000:.2f} ms"


def explain(steerctl, held):
    """What steerctl says about this connection's next packet."""
    ends = [f"[{e[0]}]:{e[1]}" if ":" in e[0] else f"{e[0]}:{e[1]}"
            for e in (held.getsockname(), held.getpeername())]
    return subprocess.run([steerctl, "explain", "shop", "tcp", *ends], check=True,
                          capture_output=True, text=True).stdout


def ask_again(held, before, address, down, times):
    started = time.monotonic()
    try:
        after = ask(held)
        if before == down:
            sys.exit(f"{address}: {after} answered on a connection of {down}")
        if after != before:
            sys.exit(f"{address}: a connection of {before} was answered by {after}")
        return
    except ConnectionResetError:
        reset = time.monotonic() - started
    except TimeoutError:
        sys.exit(f"{address}: neither answer nor reset on a connection of {before}")
    if before != down:
        sys.exit(f"{address}: a connection of {before} was reset")
    again, _ = connect(address)
    if ask(again) == down:
        sys.exit(f"{address}: the new connection went to {down} again")
    again.close()
    times.append((reset, time.monotonic() - started))


def main():
    count, down, vips, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:5], sys.argv[5:]
    held, times, setups = [], [], []
    for i in range(count):
        address = vips[i % 2]
        connection, setup = connect(address)
        held.append((connection, ask(connection), address))
        setups.append(setup)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for connection, before, address in held:
        said = explain(command[0], connection)
        if ("answered with a RST" in said) != (before == down):
            sys.exit(f"{address}: explain says of a connection of {before}:\n{said}")
        ask_again(connection, before, address, down, times)
    for family, vip in (("IPv4", vips[0]), ("IPv6", vips[1])):
        if not any(a == vip and b == down for _, b, a in held):
            sys.exit(f"no connection over {family} was with {down}")
    print(f"{len(times)} of {count} connections reset; connecting took {ms(setups)};")
    print(f"from the request to the reset {ms([t[0] for t in times])};")
    print(f"to the answer over a new connection {ms([t[1] for t in times])}")
    # A lost answer would show as TCP's first repeat, after 200 ms.
    if max(t[0] for t in times) > 0.15:
        sys.exit("a reset took longer than a round trip")


main()
