"""Durations are read as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.manifest._durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("10s", 10.0),
        ("90s", 90.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1d1h1m1s", 90061.0),
        ("30d", 2592000.0),
        ("720h", 2592000.0),
        ("0h1s", 1.0),
    ],
)
def test_units_add_up(text: str, seconds: float) -> None:
    """Days, hours, minutes, seconds, in that order, any of them left out."""
    assert parse_duration(text) == seconds
    assert isinstance(parse_duration(text), float)


@given(st.integers(1, 29), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_writing_and_reading_agree(
    days: int, hours: int, minutes: int, seconds: int
) -> None:
    """Any time under 30 days."""
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    assert parse_duration(text) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@pytest.mark.parametrize(
    "value",
    [
        *["", "s", "10", "10 s", "10S", "-1s", "+1s", "1e3s", "1s1m", "1s1s"],
        *["0s", "30d1s", "10s\n", "9" * 5000 + "s", "\u0661s"],
        *[10, 1.5, True, None, [], {}],
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    """No guessing at units, signs, order, other digits or other types."""
    with pytest.raises(ValueError, match=r"expected a duration .*got ") as caught:
        parse_duration(value)
    assert len(str(caught.value)) < 200
