"""What happened to leases, as events that hold no secret, and the journal of them."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ._forks import forgets, held_off

#: Every name an event can have.
NAMES = (
    "issued",
    "renewed",
    "replaced",
    "renewal_failed",
    "throttled",
    "capped",
    "doomed",
    "rejected",
    "attached",
    "refused",
    "joined",
    "left",
    "owned",
    "expired",
    "revoked",
    "ends_at_ttl",
    "shredded",
)


@dataclass(frozen=True)
class Event:
    """One thing that happened to one lease.

    Attributes:
        name: one of `NAMES`.
        scope: the manifest's name; ``login:<issuer>`` for the process's own token.
        at: wall-clock epoch seconds.
        pid: the process it happened in.
        detail: numbers and public names only.
    """

    name: str
    scope: str
    at: float
    pid: int
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"{self.name!r} is no event; expected one of {NAMES}")

    def to_dict(self) -> dict[str, Any]:
        """Its parts in one mapping, in a fixed order."""
        head = {"event": self.name, "scope": self.scope, "at": round(self.at, 3)}
        return head | {"pid": self.pid} | dict(self.detail)

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any]) -> Event:
        """The inverse of `to_dict`.

        Raises:
            ValueError, KeyError: it is no event.
        """
        detail = dict(parts)
        name, scope, at, pid = map(detail.pop, ("event", "scope", "at", "pid"))
        return cls(name, scope, at, pid, detail)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(self.to_dict())


class Recorder(Protocol):
    """Whoever wants to know."""

    def record(self, event: Event) -> None:
        """Take note; must not raise."""


class Journal:
    """Keeps the last events in memory and, if given a path, all of them in a file.

    Each event is one `write` to a file opened for appending, so that several
    processes can share it without tearing lines (open(2), O_APPEND).

    Args:
        path: a JSON-lines file, made 0600; None keeps events in memory only.
        keep: how many events memory holds.
    """

    def __init__(self, path: Path | None = None, keep: int = 1000) -> None:
        self.path = path
        self._events: deque[Event] = deque(maxlen=keep)
        self._lock = threading.Lock()
        self._fd: int | None = None
        self.lost = 0
        if path is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            with held_off():
                self._fd = os.open(path, flags, 0o600)
        forgets(self)

    def forget(self) -> None:
        """In a forked child: the file is the parent's; another journal has its own."""
        self._lock = threading.Lock()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def record(self, event: Event) -> None:
        """Take note of an event; a full disk loses lines, counted in `lost`."""
        with self._lock:
            self._events.append(event)
            if self._fd is None:
                return
            try:
                os.write(self._fd, event.to_json().encode() + b"\n")
            except OSError:
                # A journal that cannot be written must not end a training run.
                self.lost += 1

    def events(self, *names: str, scope: str | None = None) -> list[Event]:
        """The events in memory, oldest first, of these names and this scope."""
        with self._lock:
            kept = list(self._events)
        return [
            event
            for event in kept
            if (not names or event.name in names)
            and (scope is None or event.scope == scope)
        ]

    def close(self) -> None:
        """Close the file; later events stay in memory."""
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
