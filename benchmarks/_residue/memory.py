"""All memory of another process, and its threads' registers, at one moment."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .core import Core

#: Where a core is written: to memory, if there is any.
FAST = Path("/dev/shm")  # noqa: S108  a private folder is made in it
_TIMEOUT = 120.0  # seconds
#: No symbols are read, which takes most of the time and is not needed for a core. The
#: last two have pages dumped that asked not to be (MADV_DONTDUMP).
_GDB = (
    *("-nx", "-batch"),
    *("-iex", "set auto-load off"),
    *("-iex", "set auto-solib-add off"),
    *("-iex", "set sysroot /nonexistent"),
    *("-iex", "set libthread-db-search-path /nonexistent"),
    *("-iex", "set debuginfod enabled off"),
    *("-ex", "set use-coredump-filter off"),
    *("-ex", "set dump-excluded-mappings on"),
)
_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \S+\s*(.*)")

Array = Any  # numpy's arrays of different types

REGISTERS = "registers"
STACK = "stack"
LOCKED = "locked"
#: A file's pages that this process has not written to.
UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Part:
    """A stretch of memory, or what was in some thread's registers.

    Attributes:
        where: heap, anon, stack, file, registers; locked, which is where secrets are
            kept on purpose; or unchanged, which is what is in a file.
        address: of its first byte; 0 for registers.
        content: its bytes.
    """

    where: str
    address: int
    content: Array


class Unseen(Exception):
    """This process may not look into that one, and why."""


@dataclass(frozen=True)
class Look:
    """How a process was looked into.

    Attributes:
        how: in words.
        parts: what was seen.
    """

    how: str
    parts: list[Part]


@contextmanager
def looking(pid: int, folder: Path, *, dump: bool = True) -> Iterator[Look]:
    """What is in a process's memory; valid in the block.

    Args:
        pid: whose; a child of this process.
        folder: a private one, for the core file.
        dump: with a debugger, if there is one and it may. Else its memory is read
            while it is stopped, and no registers are seen.

    Raises:
        Unseen: neither is allowed.
    """
    regions = _Regions(pid)
    path = folder / f"core.{pid}"
    if dump and _dumped(pid, path):
        try:
            yield Look("core dump", list(_of_core(Core(path), regions)))
        finally:
            path.unlink()
        return
    yield Look("memory read, no registers", list(_read(pid, regions)))


def _dumped(pid: int, path: Path) -> bool:
    gdb = shutil.which("gdb")
    if gdb is None:
        return False
    command = [gdb, *_GDB, "-p", str(pid), "-ex", f"gcore {path}"]
    done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    if done.returncode == 0 and path.exists():
        return True
    path.unlink(missing_ok=True)
    return False


def _of_core(core: Core, regions: _Regions) -> Iterator[Part]:
    stacks = core.stack_pointers()
    for address, content in core.memory():
        for start, end, where in regions.cut(address, address + len(content), stacks):
            yield Part(where, start, content[start - address : end - address])
    for note in core.registers():
        yield Part(REGISTERS, 0, note.content)


def _read(pid: int, regions: _Regions) -> Iterator[Part]:
    with _stopped(pid):
        try:
            memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError as error:
            raise Unseen(f"/proc/PID/mem: {error.strerror}") from error
        try:
            for start, end, where in regions.readable():
                content = np.empty(end - start, dtype=np.uint8)
                got = 0
                with suppress(OSError):  # vvar, guard pages, secret memory: unreadable
                    got = os.preadv(memory, [content.data], start)
                yield Part(where, start, content[:got])
        finally:
            os.close(memory)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 10
        while _state(pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.005)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class _Regions:
    """What lies where, by /proc/PID/smaps (proc_pid_smaps(5))."""

    def __init__(self, pid: int) -> None:
        self._regions: list[tuple[int, int, str, bool]] = []
        fields: dict[str, str] = {}
        head: re.Match[str] | None = None
        try:
            lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
        except OSError as error:
            raise Unseen(f"/proc/PID/smaps: {error.strerror}") from error
        for line in lines:
            if (found := _HEAD.fullmatch(line)) is not None:
                head, fields = found, {}
                continue
            name, _, value = line.partition(":")
            fields[name] = value.strip()
            if name == "VmFlags" and head is not None:
                start, end, rights, path = head.groups()
                self._regions.append(
                    (
                        int(start, 16),
                        int(end, 16),
                        _named(path, rights, fields),
                        rights[0] == "r",
                    )
                )
        self._starts = [region[0] for region in self._regions]

    def readable(self) -> Iterator[tuple[int, int, str]]:
        for start, end, where, readable in self._regions:
            if readable:
                yield start, end, where

    def cut(
        self, start: int, end: int, stacks: list[int]
    ) -> Iterator[tuple[int, int, str]]:
        """A stretch in pieces that each have one name."""
        at = start
        while at < end:
            number = bisect_right(self._starts, at) - 1
            upto, where = end, "anon"  # mapped since
            if number >= 0 and at < self._regions[number][1]:
                first, upto, where, _ = self._regions[number]
                if where == "anon" and any(first <= top < upto for top in stacks):
                    where = STACK
            elif number + 1 < len(self._starts):
                upto = self._starts[number + 1]
            yield at, min(upto, end), where
            at = min(upto, end)


def _named(path: str, rights: str, fields: dict[str, str]) -> str:
    if "lo" in fields["VmFlags"].split() or path.startswith("/secretmem"):
        return LOCKED
    if path == "[heap]":
        return "heap"
    if path.startswith("[stack"):
        return STACK
    if not path or path.startswith("[anon"):
        return "anon"
    private = rights[3] == "p"
    return UNCHANGED if private and fields["Anonymous"] == "0 kB" else "file"
