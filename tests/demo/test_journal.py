"""Reading a journal back."""

from __future__ import annotations

from typing import Any

from mlsecrets_demo import journal

Lines = list[dict[str, Any]]


def test_each_scope_s_events_are_counted(lines: Lines):
    """Of a recorded run: every scope was issued once, and train-data was replaced."""
    counts = journal.counts(lines)
    assert all(counts[scope]["issued"] == 1 for scope in counts)
    assert counts["train-data"]["replaced"] >= 1


def test_no_journal_is_an_empty_one(tmp_path: Any):
    """A run that noted nothing has nothing to show."""
    assert journal.read(tmp_path / "none.jsonl") == []
