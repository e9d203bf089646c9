"""What is known of leases, one line for each: by their owner, or by a journal.

A journal can hold many runs and several processes: a lease is told from others by its
scope and its process, and begins anew with each ``issued``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Events that say what became of one generation.
FATES = ("revoked", "ends_at_ttl", "expired")


@dataclass
class LeaseLine:
    """The newest lease of one scope by one process.

    Attributes:
        scope: its name; ``login:<issuer>`` for the process's own token.
        pid: the process.
        leases: how often this process has leased the scope.
        generations: how many credentials the newest of these leases has had.
        renewals: how often their life was extended in place.
        last_renewal: epoch seconds of the last issue, replacement or extension.
        expires_at: epoch seconds of the end of the newest credentials; None if unknown.
        capped: how often there were no later terms to be had for the same credentials.
        doomed: whether the last word is that it will end at `expires_at` for good.
        failures: renewals that failed, also for being throttled.
        last_failure: the kind of the last of these errors.
        rejected: credentials that a server refused before their time.
        workers: how many other processes read the lease.
        members: how many hold it with a block of their own, at this process.
        refused: how often a process was refused it.
        fates: how many generations came to which end, once the lease has ended.
        ended: whether its block was left.
        memory: what was left of its secrets in that process: ``clean`` where nothing
            was shown to anybody or a sweep left nothing; None while it is open.
    """

    scope: str
    pid: int
    leases: int = 0
    generations: int = 0
    renewals: int = 0
    last_renewal: float | None = None
    expires_at: float | None = None
    capped: int = 0
    doomed: bool = False
    failures: int = 0
    last_failure: str | None = None
    rejected: int = 0
    workers: int = 0
    members: int = 0
    refused: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    ended: bool = False
    memory: str | None = None

    def state(self, now: float) -> str:
        """``open``, ``doomed``, ``ended``, or ``lapsed``.

        A lapsed lease is past its end, and nobody ended it: its process was killed, or
        could not renew.

        Args:
            now: epoch seconds.
        """
        if self.ended:
            return "ended"
        if self.expires_at is not None and self.expires_at <= now:
            return "lapsed"
        return "doomed" if self.doomed else "open"

    def note(self, event: Mapping[str, Any]) -> None:
        """Take in the next event of this lease."""
        name = event["event"]
        if name in {"issued", "renewed", "replaced"}:
            self.generations = int(event["generation"])
            self.last_renewal = float(event["at"])
            self.expires_at = float(event["expires_at"])
            self.doomed = False
        self.renewals += name == "renewed"
        self.rejected += name == "rejected"
        self.workers += name == "attached"
        self.members += (name == "joined") - (name == "left")
        self.refused += name == "refused"
        self.capped += name == "capped"
        self.doomed |= name == "doomed"
        if name in {"renewal_failed", "throttled"}:
            self.failures += 1
            self.last_failure = str(event.get("error"))
        if name in FATES:
            self.fates[name] += 1
        if name == "shredded":
            self.ended = True
            self.memory = _memory(event)


def _memory(event: Mapping[str, Any]) -> str:
    """What a ``shredded`` event says, in few words."""
    revealed = any("revealed" in shown for shown in event.get("exposure", ()))
    swept = event.get("sweep")
    if forgotten := event.get("forgotten"):
        return f"{forgotten} old values not looked for"
    if swept and not event.get("not_swept"):
        return "clean" if swept["left"] == 0 else f"{swept['left']} copies left"
    return f"not swept: {event.get('not_swept')}" if revealed else "clean"


class Lines:
    """The newest lease of each scope and process, from events as they come."""

    def __init__(self) -> None:
        self._leases: dict[tuple[str, int], LeaseLine] = {}

    def note(self, event: Mapping[str, Any]) -> None:
        """Take in the next event."""
        key = (str(event["scope"]), int(event["pid"]))
        if event["event"] == "issued":
            before = self._leases.pop(key, None)
            count = 1 + (before.leases if before else 0)
            self._leases[key] = LeaseLine(*key, leases=count)
        # What began before the file did, or never came to be, has no line.
        if key in self._leases:
            self._leases[key].note(event)

    def all(self) -> list[LeaseLine]:
        """In the order they were issued."""
        return list(self._leases.values())


def summarise(events: Iterable[Mapping[str, Any]]) -> list[LeaseLine]:
    """The newest lease of each scope and process, in the order they were issued."""
    lines = Lines()
    for event in events:
        lines.note(event)
    return lines.all()
