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
import mmap, signal, sys, threading
with open(sys.argv[1], "r+b") as file:
    counters = mmap.mmap(file.fileno(), 4096)
def got(*_):
    counters[100] += 1
signal.signal(signal.SIGUSR1, got)
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
with _freeze.frozen(int(sys.argv[1]), SYSTEM_CLOCK) as held:
    print(len(held.threads), flush=True)
    sys.stdin.readline()
"""


class Counting:
    """A process of nine threads that count, as seen in a file they share with us."""

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
def hold(counting: Counting) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Starts another process that holds it, until it is told a line."""
    started: list[subprocess.Popen[str]] = []

    def start(alarm: float) -> subprocess.Popen[str]:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDING, str(counting.process.pid), str(alarm)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        started.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "9\n"
        return holder

    yield start
    for holder in started:
        holder.kill()
        holder.communicate()


def test_it_goes_on_where_it_stood(
    counting: Counting, hold: Callable[[float], subprocess.Popen[str]]
) -> None:
    """Let go in good order; a signal that came meanwhile is not lost."""
    holder = hold(30.0)
    assert counting.stands_still()
    os.kill(counting.process.pid, signal.SIGUSR1)
    assert counting.counters[100] == 0
    holder.communicate("let go\n")
    assert holder.returncode == 0
    assert counting.goes_on()
    assert counting.counters[100] == 1


def test_it_goes_on_when_its_holder_is_killed(
    counting: Counting, hold: Callable[[float], subprocess.Popen[str]]
) -> None:
    """By the kernel: nobody else is left to do it."""
    holder = hold(30.0)
    assert counting.stands_still()
    holder.kill()
    assert counting.goes_on()


def test_it_goes_on_when_its_holder_is_held_up(
    counting: Counting, hold: Callable[[float], subprocess.Popen[str]]
) -> None:
    """An alarm ends the holder: the held one cannot."""
    holder = hold(0.2)
    assert holder.wait(20.0) == -signal.SIGALRM
    assert counting.goes_on()
