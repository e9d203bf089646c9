"""Reading a journal back: how often what happened, and how long each grant lived."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

Line: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Life:
    """One generation of one scope's credentials; instants in epoch seconds.

    Attributes:
        start: issued.
        in_use_until: when the next generation took over, or the end.
        end: expired or revoked.
        fate: ``revoked`` or ``ends at TTL``.
        renewals: when it got later terms.
    """

    scope: str
    generation: int
    start: float
    in_use_until: float
    end: float
    fate: str = "ends at TTL"
    renewals: tuple[float, ...] = ()


def read(path: Path) -> list[Line]:
    """The lines of a JSON-lines file; none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def counts(journal: Iterable[Line]) -> dict[str, Counter[str]]:
    """How often each event happened to each scope."""
    found: dict[str, Counter[str]] = {}
    for line in journal:
        found.setdefault(line["scope"], Counter())[line["event"]] += 1
    return found


def lives(journal: Sequence[Line]) -> list[Life]:
    """Every generation of every scope, in the order in which they began."""
    found: dict[tuple[str, int], Life] = {}
    for line in journal:
        scope, generation, at = line["scope"], line.get("generation"), line["at"]
        if generation is None:
            continue
        key = (scope, generation)
        if line["event"] in {"issued", "replaced"}:
            end = line["expires_at"]
            found[key] = Life(scope, generation, at, end, end)
            before = found.get((scope, generation - 1))
            if before is not None:
                found[before.scope, before.generation] = replace(
                    before, in_use_until=min(at, before.end)
                )
        elif line["event"] == "renewed" and key in found:
            end = line["expires_at"]
            renewals = (*found[key].renewals, at)
            found[key] = replace(
                found[key], in_use_until=end, end=end, renewals=renewals
            )
        elif line["event"] == "revoked" and key in found:
            life = found[key]
            found[key] = replace(
                life, in_use_until=min(life.in_use_until, at), end=at, fate="revoked"
            )
    return sorted(found.values(), key=lambda life: life.start)
