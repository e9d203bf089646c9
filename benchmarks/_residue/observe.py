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
    """

    full: int = 0
    pieces: int = 0
    where: dict[str, int] = field(default_factory=dict)


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


def observe(
    pid: int, secrets: Sequence[Secret], folder: Path, *, dump: bool = True
) -> Sight:
    """Look for secrets in a process.

    Copies in its locked memory are where they should be, and not counted. Pages that
    are still as they are in a file are not searched.

    Raises:
        Unseen: it may not be looked into.
        ValueError: there is nothing to look for.
    """
    search = Search(forms_of(secrets))
    counts = {secret.kind: Count() for secret in secrets}
    details = []
    size = 0
    with looking(pid, folder, dump=dump) as look:
        for part in look.parts:
            if part.where in {LOCKED, UNCHANGED}:
                continue
            size += len(part.content)
            for run in search.runs(part.content):
                count = counts[run.form.kind]
                if run.full:
                    count.full += 1
                else:
                    count.pieces += 1
                count.where[part.where] = count.where.get(part.where, 0) + 1
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
