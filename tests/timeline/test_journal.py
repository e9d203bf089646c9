"""Reading journals, also while they grow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlsecrets.timeline._journal import Tail, parse, read
from tests.timeline.lines import event

ISSUED = event("issued", 5.0)


def append(path: Path, *texts: object) -> None:
    with path.open("a") as file:
        for text in texts:
            file.write(text if isinstance(text, str) else json.dumps(text) + "\n")


def seen(tail: Tail) -> list[float]:
    return [line["at"] for line in tail.new()]


@pytest.mark.parametrize(
    "changed",
    [
        {"at": "noon"},
        {"at": float("nan")},
        {"at": 1e300},
        {"pid": None},
        {"scope": 3},
        {"event": ["issued"]},
        {"generation": "first"},
        {"expires_at": None},
    ],
)
def test_a_line_that_says_something_else_is_no_event(changed: dict[str, Any]) -> None:
    """It would be drawn somewhere, or stumbled over."""
    assert parse(json.dumps(ISSUED).encode()) == ISSUED
    assert parse(json.dumps({**ISSUED, **changed}).encode()) is None


def test_torn_lines_are_counted(tmp_path: Path) -> None:
    """A full disk tears a line; the others still count."""
    path = tmp_path / "journal.jsonl"
    append(path, ISSUED, '{"event": "rene\n', "[" * 100_000 + "\n", "7\n", ISSUED)
    lines, strange = read(path)
    assert (len(lines), strange) == (2, 3)


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    """A line counts once its end is there; none counts twice."""
    path = tmp_path / "journal.jsonl"
    tail = Tail(path)
    assert seen(tail) == []
    append(path, event("attached", 1.0), json.dumps(event("attached", 2.0)))
    assert seen(tail) == [1.0]
    append(path, "\n", event("attached", 3.0))
    assert seen(tail) == [2.0, 3.0]
    assert seen(tail) == []
    assert tail.strange == 0
    tail.close()


def test_a_journal_that_was_rotated_is_read_to_its_end(tmp_path: Path) -> None:
    """What was written to the old one meanwhile comes first."""
    path = tmp_path / "journal.jsonl"
    append(path, event("attached", 1.0))
    tail = Tail(path)
    assert seen(tail) == [1.0]
    path.rename(tmp_path / "journal.1")
    append(tmp_path / "journal.1", event("attached", 2.0))
    assert seen(tail) == [2.0]
    append(path, event("attached", 3.0))
    assert seen(tail) == [3.0]
    tail.close()


def test_a_journal_that_was_cut_short_is_read_anew(tmp_path: Path) -> None:
    """Rotation by copying truncates the file under whoever reads it."""
    path = tmp_path / "journal.jsonl"
    append(path, event("attached", 1.0), event("attached", 2.0), '{"torn')
    tail = Tail(path)
    assert seen(tail) == [1.0, 2.0]
    path.write_text("")
    append(path, event("attached", 3.0))
    assert seen(tail) == [3.0]
    assert tail.strange == 1
    tail.close()
