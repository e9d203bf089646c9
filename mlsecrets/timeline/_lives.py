"""From events to lives: which credentials a lease had, and how each of them ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ._journal import TERMS, Line

#: Events that say what became of one generation, in the words of reports.
FATES = {"revoked": "revoked", "ends_at_ttl": "ends at TTL", "expired": "expired"}
#: Replaced, and past its end before anybody had to end it.
RAN_OUT = "ran out"
#: Valid where the journal ends.
OPEN = "open"
#: Past its end, and nobody ended it: its process was killed, or could not renew.
LAPSED = "lapsed"


@dataclass
class Life:
    """One generation of one lease's credentials; instants in epoch seconds.

    Attributes:
        generation: 1 for a lease's first.
        start: issued.
        in_use_until: when the next generation took over, the block was left, or the
            end.
        end: expired or revoked.
        fate: what became of it, in one or two words.
        renewals: when it got later terms.
        doomed: from when to when it was known that it would not go on.
    """

    generation: int
    start: float
    in_use_until: float
    end: float
    fate: str = ""
    renewals: list[float] = field(default_factory=list)
    doomed: tuple[float, float] | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended in use, and nothing took its place."""
        return self.fate in {"expired", LAPSED} and self.in_use_until == self.end


@dataclass(frozen=True)
class Mark:
    """Something that happened to a lease at one instant.

    Attributes:
        kind: the event's name.
        at: epoch seconds.
        words: what the event says besides; may be empty.
    """

    kind: str
    at: float
    words: str = ""


@dataclass
class Row:
    """The leases of one scope by one process.

    Attributes:
        scope: its name; ``login:<issuer>`` for the process's own token; empty for what
            happened to none in particular.
        pid: the process.
        lives: every generation of every lease, in the order of their beginnings.
        marks: what else happened.
        counts: how often each event happened; a lease that was cut at its beginning
            counts as issued.
    """

    scope: str
    pid: int
    lives: list[Life] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _of_lease: dict[int, Life] = field(default_factory=dict, repr=False)
    _newest: Life | None = field(default=None, repr=False)

    def note(self, line: Line) -> None:
        """Take in the next event."""
        name, at = line["event"], float(line["at"])
        generation = line.get("generation")
        if name in TERMS:
            self._terms(name, at, line)
        elif name in FATES:
            life = self._of_lease.get(generation or 0)
            if life is not None:
                life.fate = FATES[name]
                if name == "revoked":
                    life.end = min(life.end, at)
                life.in_use_until = min(life.in_use_until, life.end, at)
        if name == "doomed" and self._newest is not None:
            self._newest.doomed = self._newest.doomed or (at, self._newest.end)
        if name in _WORDS:
            self.marks.append(Mark(name, at, _words(line)))

    def settle(self, now: float) -> None:
        """Give each life a fate that the journal tells of none.

        Args:
            now: epoch seconds; where the journal ends.
        """
        for life in self.lives:
            if life.fate:
                continue
            if life.end > now:
                life.fate = OPEN
            elif life is self._newest and life.in_use_until == life.end:
                life.fate = LAPSED
            else:
                life.fate = RAN_OUT

    def crop(self, since: float) -> None:
        """Leave out what was over before an instant, and cut at it what was not."""
        self.marks = [mark for mark in self.marks if mark.at >= since]
        self.lives = [life for life in self.lives if life.end >= since]
        cut = [life for life in self.lives if life.start < since]
        self.counts["issued"] += bool(cut)
        for life in cut:
            life.start = since
            life.in_use_until = max(life.in_use_until, since)
            life.renewals = [at for at in life.renewals if at >= since]
            if life.doomed is not None:
                doomed, end = life.doomed
                life.doomed = (max(doomed, since), end) if end >= since else None

    def _terms(self, name: str, at: float, line: Line) -> None:
        generation, end = line["generation"], float(line["expires_at"])
        if name == "issued":
            self._of_lease, self._newest = {}, None  # a lease begins, and counts from 1
        if name == "renewed":
            life = self._of_lease.get(generation)
            if life is not None:  # else its beginning is not in the journal
                _undoom(life, at)
                life.in_use_until = life.end = end
                life.renewals.append(at)
            return
        if (before := self._newest) is not None:
            _undoom(before, at)
            before.in_use_until = min(before.in_use_until, at)
        self._newest = self._of_lease[generation] = Life(generation, at, end, end)
        self.lives.append(self._newest)


def rows(lines: Iterable[Line], since: float = 0.0) -> list[Row]:
    """One for each scope and process, in the order in which they begin.

    Args:
        lines: events, oldest first.
        since: epoch seconds; what was over before is left out.
    """
    found: dict[tuple[str, int], Row] = {}
    now = 0.0
    for line in lines:
        key = (line["scope"], line["pid"])
        row = found.setdefault(key, Row(*key))
        row.note(line)
        row.counts[line["event"]] += line["at"] >= since
        now = max(now, line["at"])
    for row in found.values():
        row.settle(now)
        row.crop(since)
    return [row for row in found.values() if any(row.counts.values())]


def _undoom(life: Life, at: float) -> None:
    if life.doomed is not None and life.doomed[1] > at:
        life.doomed = (life.doomed[0], at)


def _worker(line: Line) -> str:
    return f"process {line['worker']}" if "worker" in line else ""


def _error(line: Line) -> str:
    return str(line.get("error", ""))


#: What is marked, and what of each event is said.
_WORDS: dict[str, Any] = {
    "renewal_failed": _error,
    "throttled": _error,
    "doomed": _error,
    "capped": lambda line: str(line.get("reason", "")),
    "rejected": lambda line: f"generation {line.get('generation')}",
    "expired": lambda line: f"generation {line.get('generation')}",
    "attached": _worker,
    "joined": _worker,
    "left": _worker,
    "refused": lambda line: ": ".join(
        filter(None, [_worker(line), str(line.get("reason", ""))])
    ),
    "owned": lambda line: f"process {line['pid']}",
    "shredded": lambda line: "",
}


def _words(line: Line) -> str:
    words: str = _WORDS[line["event"]](line)
    return words
