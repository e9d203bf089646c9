"""Reading back what a run has noted: its events, and its reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

Line: TypeAlias = dict[str, Any]


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
