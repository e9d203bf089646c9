"""Durations as people read them."""

from __future__ import annotations

import pytest
import typer

from mlsecrets.cli._format import seconds, spoken


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (0.04, "0 s"),
        (8.94, "8.9 s"),
        (10.0, "10 s"),
        (99.49, "99.5 s"),
        (99.5, "2 min"),
        (300, "5 min"),
        (5940, "99 min"),
        (6000, "1 h 40 min"),
        (43200, "12 h"),
    ],
)
def test_seconds_become_words(duration: float, words: str) -> None:
    """With as many figures as matter."""
    assert spoken(duration) == words


def test_options_take_what_manifests_take() -> None:
    """One spelling of durations everywhere."""
    assert seconds("1h30m", "--ttl") == 5400.0
    with pytest.raises(typer.BadParameter, match="expected a duration"):
        seconds("10", "--ttl")
