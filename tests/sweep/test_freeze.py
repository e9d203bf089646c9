"""A process that stands still goes on, whatever becomes of the one that stopped it."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="stops processes by Linux's ptrace"
)

COUNTING = """
import mmap, os, signal, sys, threading
with open(sys.argv[1], "r+b") as file:
    counters = mmap.mmap(file.fileno(), 4096)
reads, writes = os.pipe()
os.set_blocking(writes, False)
signal.set_wakeup_fd(writes)  # a byte for each signal, none merged
signal.signal(signal.SIGRTMIN, lambda *_: None)
def note():
    got = 0
    while True:
        got += len(os.read(reads, 4096))
        counters[100:104] = got.to_bytes(4, "little")
threading.Thread(target=note, daemon=True).start()
def count(n):
    while True:
        counters[n] = (counters[n] + 1) % 256
for n in range(8):
    threading.Thread(target=count, args=(n,), daemon=True).start()
count(8)
"""
HOLDING = """
import signal, sys
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.sweep import _freeze
_freeze.prepare()
_freeze.ALARM = float(sys.argv[2])
for _ in range(int(sys.argv[3])):
    with _freeze.frozen(int(sys.argv[1]), SYSTEM_CLOCK):
        pass
with _freeze.frozen(int(sys.argv[1]), SYSTEM_CLOCK) as held:
    print(len(held.threads), flush=True)
    sys.stdin.readline()
"""
Hold = Callable[..., subprocess.Popen[str]]


class Counting:
    """A process of nine threads that count, as seen in a file they share with us.

    A tenth counts the signals that came.
    """

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self.counters = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.process = subprocess.Popen([sys.executable, "-c", COUNTING, str(path)])

    def goes_on(self, within: float = 20.0) -> bool:
        """Whether all threads count, before so many seconds have passed."""
        before = self.counters[:9]
        until = time.monotonic() + within
        while time.monotonic() < until:
            now = self.counters[:9]
            if all(a != b for a, b in zip(before, now, strict=True)):
                return True
            time.sleep(0.005)
        return False

    def signals(self) -> int:
        """How many have come."""
        return int.from_bytes(self.counters[100:104], "little")

    def has_got(self, signals: int, within: float = 20.0) -> bool:
        """Whether so many signals have come, before so many seconds have passed."""
        until = time.monotonic() + within
        while self.signals() != signals and time.monotonic() < until:
            time.sleep(0.005)
        return self.signals() == signals

    def stands_still(self) -> bool:
        """Whether no thread counts for a moment."""
        before = self.counters[:9]
        time.sleep(0.05)
        return self.counters[:9] == before


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    """A process that counts."""
    counting = Counting(tmp_path / "counters")
    try:
        assert counting.goes_on()
        yield counting
    finally:
        counting.process.kill()
        counting.process.wait()
        counting.counters.close()


@pytest.fixture
def hold(counting: Counting) -> Iterator[Hold]:
    """Starts another process that holds it, until it is told a line.

    Before, it stops it some times and lets it go at once.
    """
    started: list[subprocess.Popen[str]] = []

    def start(
        alarm: float = 30.0, times: int = 0, meanwhile: Callable[[], object] = int
    ) -> subprocess.Popen[str]:
        numbers = (counting.process.pid, alarm, times)
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDING, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        started.append(holder)
        meanwhile()
        assert holder.stdout is not None
        assert holder.stdout.readline() == "10\n"
        return holder

    yield start
    for holder in started:
        holder.kill()
        holder.communicate()


def test_it_goes_on_where_it_stood(counting: Counting, hold: Hold) -> None:
    """Let go in good order."""
    holder = hold()
    assert counting.stands_still()
    holder.communicate("let go\n")
    assert holder.returncode == 0
    assert counting.goes_on()


def test_no_signal_is_lost(counting: Counting, hold: Hold) -> None:
    """Neither one that came to a thread just as it was stopped, nor a later one."""

    def send(count: int) -> None:
        for _ in range(count):
            os.kill(counting.process.pid, signal.SIGRTMIN)
            time.sleep(0.001)

    holder = hold(times=200, meanwhile=lambda: send(400))
    before = counting.signals()
    send(5)
    assert counting.signals() == before
    holder.communicate("let go\n")
    assert counting.has_got(405)


def test_it_goes_on_when_its_holder_is_killed(counting: Counting, hold: Hold) -> None:
    """By the kernel: nobody else is left to do it."""
    holder = hold()
    assert counting.stands_still()
    holder.kill()
    assert counting.goes_on()


def test_it_goes_on_when_its_holder_is_held_up(counting: Counting, hold: Hold) -> None:
    """An alarm ends the holder: the held one cannot."""
    holder = hold(alarm=1.0)
    assert holder.wait(20.0) == -signal.SIGALRM
    assert counting.goes_on()
