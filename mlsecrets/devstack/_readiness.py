"""Waiting for an engine by asking it, never by guessing how long it takes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from ..clock import SYSTEM_CLOCK
from ._errors import EngineFailed, PortTaken
from ._process import Process

_POLL = 0.02  # seconds between two questions
_TAIL_LINES = 15
_LINE_LENGTH = 300
# Go's and Python's words for EADDRINUSE, and those of `weed mini` (4.48).
_PORT_TAKEN = re.compile(
    r"address already in use|port \d+ .*is not available", re.IGNORECASE
)


def wait_until(process: Process, ready: Callable[[], bool], timeout: float) -> None:
    """Return when `ready` says so.

    Args:
        process: must stay alive meanwhile.
        ready: True, or False for "not yet".
        timeout: in seconds.

    Raises:
        PortTaken: it exited because a port was no longer free.
        EngineFailed: it exited for another reason, or took too long.
    """
    deadline = SYSTEM_CLOCK.monotonic() + timeout
    while not ready():
        code = process.returncode()
        if code is not None:
            raise _failure(process, f"exited with {code} instead of starting")
        if SYSTEM_CLOCK.monotonic() >= deadline:
            raise _failure(process, f"is not ready after {timeout:g} s")
        time.sleep(_POLL)


def _failure(process: Process, what: str) -> EngineFailed:
    tail = log_tail(process.log)
    kind = PortTaken if _PORT_TAKEN.search(tail) else EngineFailed
    return kind(
        f"{process.name} {what}; its log ends:\n{tail}",
        remedy=f"the whole log, while the folder exists, is {process.log}",
    )


def log_tail(log: Path) -> str:
    """The last lines of an engine's log; engines write no secrets there."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    kept = [line.rstrip()[:_LINE_LENGTH] for line in lines if line.strip()]
    return "\n".join(f"  {line}" for line in kept[-_TAIL_LINES:]) or "  (empty)"
