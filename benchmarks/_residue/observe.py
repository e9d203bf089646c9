"""One look at a process: how many copies of which secrets, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .forms import forms_of
from .memory import LOCKED, UNCHANGED, Part, looking
from .search import Run, Search
from .secrets import Secret


@dataclass
class Count:
    """Of one kind of secret.

    Attributes:
        full: full copies in any form.
        pieces: fragments of 12 characters or more outside of those.
        where: how many of both in the heap, on stacks, in registers.
        locked: copies and fragments in locked memory, which are neither of these.
    """

    full: int = 0
    pieces: int = 0
    where: dict[str, int] = field(default_factory=dict)
    locked: int = 0

    def add(self, run: Run, part: Part) -> None:
        """One more."""
        if part.where == LOCKED:
            self.locked += 1
            return
        if run.full:
            self.full += 1
        else:
            self.pieces += 1
        self.where[part.where] = self.where.get(part.where, 0) + 1


@dataclass(frozen=True)
class Sight:
    """What was seen at one moment.

    Attributes:
        how: core dump, or less.
        counts: by kind of secret; every kind that was looked for.
        size: bytes that were searched.
        details: each copy in words, without itself.
    """

    how: str
    counts: dict[str, Count]
    size: int
    details: list[str]


class Observer:
    """Looks into one process.

    Args:
        pid: whose; a child of this process.
        folder: a private one, for core files.
        dump: as for `looking`.
    """

    def __init__(self, pid: int, folder: Path, *, dump: bool = True) -> None:
        self._pid = pid
        self._folder = folder
        self._dump = dump
        self._searches: dict[tuple[Secret, ...], Search] = {}

    def look(self, secrets: Sequence[Secret]) -> Sight:
        """Look for secrets.

        Copies in its locked memory, as far as that can be seen, are where they should
        be. Pages that are still as they are in a file are not searched.

        Raises:
            Unseen: it may not be looked into.
            ValueError: there is nothing to look for.
        """
        wanted = tuple(secrets)
        if wanted not in self._searches:
            self._searches = {wanted: Search(forms_of(wanted))}
        search = self._searches[wanted]
        counts = {secret.kind: Count() for secret in wanted}
        details = []
        size = 0
        with looking(self._pid, self._folder, dump=self._dump) as look:
            for part in look.parts:
                if part.where == UNCHANGED:
                    continue
                size += len(part.content)
                for run in search.runs(part.content):
                    counts[run.form.kind].add(run, part)
                    details.append(_told(run, part))
        return Sight(look.how, counts, size, details)


def _told(run: Run, part: Part) -> str:
    """Where it lies and what stands around it."""
    around = part.content[max(run.start - 96, 0) : run.end + 64].tobytes()
    begin = run.start - max(run.start - 96, 0)
    before, after = around[:begin], around[begin + run.length :]
    size = "all" if run.full else f"{run.offset}..{run.offset + run.length}"
    return (
        f"{run.form.kind} as {run.form.encoding}, {size} of {len(run.form.content)}, "
        f"{part.where} {part.address + run.start:#x}: {before!r} [...] {after!r}"
    )
