"""The observer: runs a program, looks at its children, and counts."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _residue.forms import forms_of
from _residue.memory import LOCKED, UNCHANGED, looking
from _residue.search import Search
from _residue.secrets import PLANTED, Secret
from _residue.world import Way, World

#: Of each kind of secret the newest: what a child can have is two generations, and one
#: that was fetched while it was waited for.
NEWEST = 3


@dataclass
class Outcome:
    """What was seen of one program's forks.

    Attributes:
        forks: how many.
        under_way: of these in the middle of a renewal.
        hung: children that said nothing in time.
        failed: children that could not read.
        looked: children that were looked at.
        blind: of these, those in which what was planted was not found.
        full: those with a full copy of a secret, by kind.
        pieces: those with fragments only, by kind.
        where: each copy, in words, without itself.
        reads: seconds from the question to the first lease read.
        forked: seconds that the fork itself took.
        left: sums over the children of what was the parent's, by name.
        size: bytes searched.
        error: why the program ended early.
    """

    forks: int = 0
    under_way: int = 0
    hung: int = 0
    failed: int = 0
    looked: int = 0
    blind: int = 0
    full: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    pieces: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    with_full: int = 0
    with_pieces: int = 0
    where: list[str] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    forked: list[float] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    size: int = 0
    error: str = ""


def run(world: World, program: str, mode: str, count: int, *, tls: bool) -> Outcome:
    """Run a program's forks."""
    outcome = Outcome()
    with world.way(tls=tls) as way, tempfile.TemporaryFile() as errors:
        environment = {**os.environ, **way.environment(), "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("MLSECRETS_SOCK", None)
        if program == "botocore":
            environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(way.mint_identity())
            environment["AWS_ROLE_ARN"] = way.place.role
        planted = Secret(PLANTED, secrets.token_hex(20).encode())
        process = subprocess.Popen(
            [sys.executable, "-m", __package__ or "", program, mode, str(count)],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
        )
        try:
            _write(process, planted.value)
            for told in _lines(process):
                if "look" in told:
                    _look(told["look"], planted, way, world.folder, outcome)
                    _write(process, b"")
                else:
                    _note(told, outcome)
        finally:
            process.kill()
            process.communicate()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
        if outcome.forks < count or said.strip():
            outcome.error = said[-700:] or "it ended early"
    return outcome


def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
    if process.stdin is not None:
        process.stdin.write(line + b"\n")


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    for line in process.stdout or ():
        yield json.loads(line)


def _note(told: dict[str, Any], outcome: Outcome) -> None:
    outcome.forks += 1
    if sys.stderr.isatty() or "FORKS_PROGRESS" in os.environ:
        print(f"\r{outcome.forks}", end="", file=sys.stderr, flush=True)
    outcome.under_way += told["under_way"]
    outcome.hung += told["hung"]
    outcome.failed += told["failed"]
    outcome.forked.append(told["forked"])
    if "read" in told:
        outcome.reads.append(told["read"])
    for name in ("threads", "locks"):
        outcome.left[name] += told.get(name, 0)
    for name in told.get("sockets", ()):
        outcome.left["sockets"] += 1
        outcome.where.append(f"socket {name}")


def _look(pid: int, planted: Secret, way: Way, folder: Path, outcome: Outcome) -> None:
    search = Search(forms_of([planted, *_newest(way.seen.all())]))
    full: set[str] = set()
    pieces: set[str] = set()
    with looking(pid, folder, dump=False) as look:
        for part in look.parts:
            if part.where in {LOCKED, UNCHANGED}:
                continue
            outcome.size += len(part.content)
            for run in search.runs(part.content):
                (full if run.full else pieces).add(run.form.kind)
                if run.form.kind != PLANTED:
                    size = "all" if run.full else f"{run.length} bytes"
                    outcome.where.append(
                        f"{size} of a {run.form.kind} as {run.form.encoding} "
                        f"in {part.where}"
                    )
    outcome.looked += 1
    outcome.blind += PLANTED not in full or PLANTED not in pieces
    full.discard(PLANTED)
    pieces.discard(PLANTED)
    outcome.with_full += bool(full)
    outcome.with_pieces += bool(pieces - full)
    for kind in full:
        outcome.full[kind] += 1
    for kind in pieces - full:
        outcome.pieces[kind] += 1


def _newest(seen: Iterable[Secret]) -> list[Secret]:
    by_kind: dict[str, list[Secret]] = defaultdict(list)
    for secret in seen:
        by_kind[secret.kind].append(secret)
    return [secret for kind in by_kind.values() for secret in kind[-NEWEST:]]
