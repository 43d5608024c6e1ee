#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""run.py BUILD SERIES...: boots each kernel in QEMU, one after the other, runs vmtest/guest.sh in
it and prints a table. Exit status 0: everything passed on every kernel; 1: something failed;
2: it could not be run. Logs lie under BUILD/vmtest/SERIES/."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEMORY_MB = 2048
TIMEOUT_S = int(os.environ.get("VMTEST_TIMEOUT_S", "1200"))
ATTEMPTS = 2  # a guest on a saturated host now and then panics before it gets to the tests
NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "modprobe": "kmod",
    "depmod": "kmod",
    "xz": "xz-utils",
    "dpkg": "dpkg",
    "bpftool": "bpftool",
}


class VmtestError(Exception):
    pass


@dataclass
class Result:
    """What one boot reported."""

    series: str
    kernel: str = "?"
    insns: list = field(default_factory=list)
    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    running: str = ""
    status: int = -1  # the guest's own verdict; -1: its marker never came
    lost_boots: list = field(default_factory=list)  # what earlier boots died in, without a marker

    def take(self, line):
        verb, _, rest = line.strip().partition(" ")
        name, _, why = rest.partition(" ")
        if verb == "kernel":
            self.kernel = rest
        elif verb == "run":
            self.running = rest
        elif verb == "insns":
            self.insns.append((name, int(why)))
        elif verb == "pass":
            self.passed.append(name)
        elif verb == "fail":
            self.failed.append((name, why))
        elif verb == "skip":
            self.skipped.append((name, why))
        elif verb == "done":
            self.status = int(rest)

    @property
    def is_good(self):
        return self.status == 0 and not self.failed and bool(self.passed)


def say(text):
    print(f"vmtest: {text}", flush=True)


def check_programs():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["PATH"] = path
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if missing:
        raise VmtestError(f"packages are missing: {' '.join(missing)} (make deps installs them)")


def run_script(name, *arguments, capture=False):
    command = [str(HERE / name), *map(str, arguments)]
    try:
        done = subprocess.run(command, check=True, text=True,
                              stdout=subprocess.PIPE if capture else None)
    except subprocess.CalledProcessError as error:
        raise VmtestError(f"{name} failed (exit status {error.returncode})") from error
    return done.stdout.strip() if capture else None


# QEMU 7.2 now and then spoils the flags after a cmpxchg16b, which the allocator of newer kernels
# lives on: without it in the CPU's features they take another way.
CPU = "max,cx16=off"


def qemu_command(kernel, folder):
    vmlinuz = next((Path(kernel) / "boot").glob("vmlinuz-*"))
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "1",
        "-m", str(MEMORY_MB), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(vmlinuz), "-initrd", str(folder / "initramfs.cpio"),
        "-append", "console=ttyS0 panic=-1 loglevel=5 random.trust_cpu=on",
        "-drive", f"file={folder / 'image.ext4'},format=raw,if=virtio,cache=unsafe",
        "-device", "virtio-rng-pci",
        "-serial", f"file:{folder / 'console.log'}",
        "-serial", f"file:{folder / 'results.log'}",
    ]


def show_progress(series, line, started):
    verb, _, rest = line.partition(" ")
    if verb in ("run", "fail"):
        say(f"{series} {time.monotonic() - started:5.0f} s  {verb} {rest}")


def follow(process, series, results):
    """Reads the results as they come, until QEMU ends or time is up. Returns what was reported."""
    result = Result(series)
    started = time.monotonic()
    seen = 0
    while True:
        ended = process.poll() is not None
        # A line counts when its end is there.
        lines = results.read_text(errors="replace").split("\n")[:-1] if results.exists() else []
        for line in lines[seen:]:
            line = line.strip()
            result.take(line)
            show_progress(series, line, started)
        seen = len(lines)
        if ended:
            return result
        if time.monotonic() - started > TIMEOUT_S:
            say(f"{series} not done after {TIMEOUT_S} s: giving up")
            return result
        time.sleep(0.2)


def boot(series, kernel, folder, image):
    for name in ("console.log", "results.log"):
        (folder / name).unlink(missing_ok=True)
    shutil.copyfile(image, folder / "image.ext4")
    with open(folder / "qemu.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(qemu_command(kernel, folder), stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=subprocess.STDOUT)
        try:
            result = follow(process, series, folder / "results.log")
        finally:
            process.kill()
            process.wait()
    shutil.rmtree(folder / "logs", ignore_errors=True)
    subprocess.run(["debugfs", "-R", f"rdump /logs {folder}", str(folder / "image.ext4")],
                   check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (folder / "image.ext4").unlink()
    return result


def tail(path, lines):
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def test_kernel(series, build, image):
    kernel = run_script("kernels.sh", series, capture=True)
    folder = build / "vmtest" / series
    folder.mkdir(parents=True, exist_ok=True)
    run_script("initramfs.sh", kernel, folder / "initramfs.cpio")
    lost_boots = []
    for attempt in range(ATTEMPTS):
        say(f"{series} booting {Path(kernel).name}{' once more' if attempt else ''}")
        result = boot(series, kernel, folder, image)
        result.lost_boots = lost_boots
        if result.status >= 0:
            break
        lost_boots = lost_boots + [result.running or "booting"]
        say(f"{series} ended without its marker"
            f"{', in ' + result.running if result.running else ''}; console and QEMU said last:")
        print(tail(folder / "console.log", 15), tail(folder / "qemu.log", 5), sep="\n", flush=True)
    for name, _ in result.failed:
        log = folder / "logs" / f"{name.split('.')[0]}.log"
        if log.exists():
            print(f"--- {log}\n{tail(log, 40)}", flush=True)
    return result


def print_table(results):
    rows = [("kernel", "verifier instructions", "passed", "failed", "skipped")]
    for r in results:
        insns = ", ".join(f"{name} {count}" for name, count in r.insns) or "-"
        name = r.kernel if r.kernel != "?" else r.series
        rows.append((name, insns, str(len(r.passed)), str(len(r.failed)), str(len(r.skipped))))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()
    for r in results:
        for verb, entries in (("failed", r.failed), ("skipped", r.skipped)):
            for name, why in entries:
                print(f"{r.series} {verb}: {name}{': ' + why if why else ''}")
        for what in r.lost_boots:
            print(f"{r.series} note: one boot was lost in {what} and repeated")
        if r.status < 0:
            print(f"{r.series} failed: the guest never said that it was done")
        elif not r.passed:
            print(f"{r.series} failed: no test ran")


def main():
    if len(sys.argv) < 3:
        print("usage: run.py BUILD SERIES...", file=sys.stderr)
        return 2
    build = Path(sys.argv[1]).resolve()
    try:
        check_programs()
        image = build / "vmtest" / "image.ext4"
        image.parent.mkdir(parents=True, exist_ok=True)
        say("making the image")
        run_script("image.sh", build, image)
        results = [test_kernel(series, build, image) for series in sys.argv[2:]]
    except VmtestError as error:
        print(f"vmtest: {error}", file=sys.stderr)
        return 2
    print_table(results)
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
