#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A terminal of xterm's kind for tests: runs a program in it and does what lines on standard input
say, answering each with a line, "ok" or "FAILED: …" with the screen below it.

    wait TEXT       until the screen has the text (a regular expression)
    gone TEXT       until it has it no more
    keys TEXT       types it; \\r, \\x7f, \\x1b and the like are what they are in Python
    size COLS ROWS  resizes
    signal NAME     to the program: TERM, HUP, INT, …
    end STATUS      waits for the program's end with that status (-15: of SIGTERM) and for the
                    terminal to be as it was
    show            prints the screen
"""

import argparse
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE_S = 15


class Screen:
    """What a person would see. Colours and the like are not kept."""

    SEQUENCE = re.compile(r"\x1b(?:\[([?>]?)([\d;]*)([@-~])|[()][0-9A-B]|[0-9=>cMDE]|\](.*?)(?:\x07|\x1b\\))")

    def __init__(self, columns, rows):
        self.row = self.column = 0
        self.is_alternate, self.has_cursor = False, True
        self.rest, self.last = "", " "
        self.cells = []
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.top, self.bottom = 0, rows  # the region that scrolls
        self.cells = [(line + [" "] * columns)[:columns] for line in self.cells[:rows]]
        self.cells += [[" "] * columns for _ in range(rows - len(self.cells))]
        self.move(self.row, self.column)

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def move(self, row, column):
        self.row = max(0, min(row, self.rows - 1))
        self.column = max(0, min(column, self.columns - 1))

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self.put(text[at])
                at += 1
                continue
            found = self.SEQUENCE.match(text, at)
            if not found:
                if len(text) - at > 64:
                    raise ValueError(f"unknown sequence {text[at:at + 16]!r}")
                self.rest = text[at:]  # cut in the middle: more will come
                return
            if found[3]:
                self.control(found[1], found[2], found[3])
            elif found[0] == "\x1bM":
                self.up()
            at = found.end()

    def put(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.down()
        elif char == "\b":
            self.move(self.row, self.column - 1)
        elif char >= " ":
            if self.column == self.columns:  # the margin: what comes next is on the next line
                self.down()
                self.column = 0
            self.cells[self.row][self.column] = self.last = char
            self.column += 1

    def control(self, private, numbers, final):
        values = [int(number or 0) for number in numbers.split(";")]
        n = max(values[0], 1)
        line = self.cells[self.row]
        column = min(self.column, self.columns - 1)
        if private:
            if final in "hl":
                self.mode(values, final == "h")
        elif final in "Hf":
            self.move(n - 1, max(values[1] if len(values) > 1 else 1, 1) - 1)
        elif final in "ABCD":
            down, right = {"A": (-n, 0), "B": (n, 0), "C": (0, n), "D": (0, -n)}[final]
            self.move(self.row + down, column + right)
        elif final in "G`":
            self.move(self.row, n - 1)
        elif final == "d":
            self.move(n - 1, column)
        elif final == "J":
            self.erase_screen(values[0])
        elif final == "K":
            self.erase(self.row, *[(column, self.columns), (0, column + 1),
                                   (0, self.columns)][values[0]])
        elif final == "X":
            self.erase(self.row, column, min(column + n, self.columns))
        elif final == "P":
            line[column:] = line[column + n:] + [" "] * min(n, self.columns - column)
        elif final == "@":
            line[column:] = ([" "] * n + line[column:])[:self.columns - column]
        elif final == "b":
            for _ in range(n):
                self.put(self.last)
        elif final in "LM":
            self.scroll(self.row, n if final == "L" else -n)
        elif final in "ST":
            self.scroll(self.top, n if final == "T" else -n)
        elif final == "r":
            self.top, self.bottom = n - 1, (values + [0])[1] or self.rows
            self.move(0, 0)
        elif final not in "mhlt":
            raise ValueError(f"unknown control sequence {numbers}{final}")

    def mode(self, values, is_set):
        if 1049 in values:
            self.is_alternate = is_set
        if 25 in values:
            self.has_cursor = is_set

    def erase(self, row, begin, end):
        self.cells[row][begin:end] = [" "] * (end - begin)

    def erase_screen(self, what):
        begin, end = [(self.row + 1, self.rows), (0, self.row), (0, self.rows)][what]
        for row in range(begin, end):
            self.erase(row, 0, self.columns)
        if what == 0:
            self.erase(self.row, self.column, self.columns)

    def scroll(self, top, n):
        """The lines from `top` to the end of the region, down by n; up, if that is negative."""
        lines = self.cells[top:self.bottom]
        n = max(-len(lines), min(n, len(lines)))
        blank = [[" "] * self.columns for _ in range(abs(n))]
        self.cells[top:self.bottom] = blank + lines[:len(lines) - n] if n > 0 else lines[-n:] + blank

    def down(self):
        if self.row == self.bottom - 1:
            self.scroll(self.top, -1)
        else:
            self.move(self.row + 1, self.column)

    def up(self):
        if self.row == self.top:
            self.scroll(self.top, 1)
        else:
            self.move(self.row - 1, self.column)


class Terminal:
    def __init__(self, columns, rows, program):
        self.screen = Screen(columns, rows)
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.fd, slave = pty.openpty()
        self.slave = slave  # held open, so that its settings can be read at the end
        self.before = termios.tcgetattr(slave)
        self.set_size(columns, rows)
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(slave, fd)
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execvp(program[0], program)

    def set_size(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """What the program wrote within that time, onto the screen."""
        if select.select([self.fd], [], [], seconds)[0]:
            self.screen.feed(self.decode(os.read(self.fd, 65536)))

    def until(self, holds):
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end:
                return False
            self.read(0.05)
        return True

    def do(self, command, text):
        if command == "wait":
            return self.until(lambda: re.search(text, self.screen.text()))
        if command == "gone":
            return self.until(lambda: not re.search(text, self.screen.text()))
        if command == "keys":
            os.write(self.fd, codecs.decode(text, "unicode_escape").encode())
            return True
        if command == "size":
            self.screen.resize(*map(int, text.split()))
            self.set_size(*map(int, text.split()))
            return True
        if command == "signal":
            os.kill(self.pid, signal.Signals["SIG" + text])
            return True
        if command == "end":
            return self.end(int(text))
        raise ValueError(f"unknown command {command}")

    def end(self, wanted):
        ended = []

        def has_ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                ended.append(os.waitstatus_to_exitcode(status))
            return pid

        if not self.until(has_ended):
            return False
        self.read(0.1)
        if ended[0] != wanted:
            print(f"it ended with {ended[0]}", file=sys.stderr)
        if self.screen.is_alternate or not self.screen.has_cursor:
            print("its screen is still there", file=sys.stderr)
        if termios.tcgetattr(self.slave) != self.before:
            print("the terminal's settings were left changed", file=sys.stderr)
        return (ended[0] == wanted and not self.screen.is_alternate and self.screen.has_cursor
                and termios.tcgetattr(self.slave) == self.before)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("program", nargs="+")
    args = parser.parse_args()
    terminal = Terminal(args.columns, args.rows, args.program)
    for line in sys.stdin:
        command, _, text = line.rstrip("\n").partition(" ")
        if command == "show":
            print(terminal.screen.text())
            print("ok", flush=True)
        elif terminal.do(command, text):
            print("ok", flush=True)
        else:
            shown = terminal.screen.text().replace("\n", "\n  | ")
            print(f"{line.rstrip()}\n  | {shown}", file=sys.stderr, flush=True)
            print(f"FAILED: {line.rstrip()}", flush=True)


main()
