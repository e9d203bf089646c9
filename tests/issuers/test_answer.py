"""What an answer's headers say about time."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.issuers._answer import LONGEST_PAUSE, Answer
from mlsecrets.issuers._server_clock import ServerClock
from mlsecrets.testing import FakeClock
from tests.issuers.peers import sealed

#: The instant of RFC 9110's examples (§5.6.7).
THEN = datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc).timestamp()


def answer(body: bytes = b"", wall: float = THEN, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(503, named, sealed(body), 0.0, 0.0, wall)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("99999999999", LONGEST_PAUSE),
        ("9" * 500, LONGEST_PAUSE),
        ("-5", 0.0),
        ("soon", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("1_000", 0.0),
        ("", 0.0),
        # The three forms that a recipient must accept (RFC 9110 §5.6.7).
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:49:27 GMT", 0.0),
        ("Sun, 06 Nov 2094 08:49:27 GMT", LONGEST_PAUSE),
        ("Sun, 06 Nov 1994 08:49:47 +99999999", 0.0),
    ],
)
def test_how_long_to_wait(header: str, seconds: float) -> None:
    """Seconds or a date; what is neither asks for nothing."""
    assert answer(Retry_After=header).retry_after == seconds


def test_a_date_is_measured_by_the_clock_that_wrote_it() -> None:
    """The server's, which may be hours off ours."""
    date = formatdate(THEN, usegmt=True)
    later = formatdate(THEN + 30, usegmt=True)
    told = answer(wall=THEN - 7200, Date=date, Retry_After=later)
    assert told.retry_after == 30.0
    assert told.skew == -7200.0
    untold = answer(wall=THEN + 10, Retry_After=later)
    assert untold.retry_after == 20.0
    assert untold.skew is None


@given(st.text(), st.text())
def test_no_header_breaks_it(date: str, wait: str) -> None:
    """They are not ours."""
    told = answer(Date=date, Retry_After=wait)
    assert 0.0 <= told.retry_after <= LONGEST_PAUSE
    assert told.date is None or told.date == told.date


@given(
    st.datetimes(
        min_value=datetime(1000, 1, 1),  # noqa: DTZ001  the strategy adds the zone
        timezones=st.just(timezone.utc),
    )
)
def test_every_date_is_read(instant: datetime) -> None:
    """To the second."""
    whole = instant.replace(microsecond=0)
    assert answer(Date=format_datetime(whole, usegmt=True)).date == whole.timestamp()


def test_the_servers_clock_goes_on_without_ours() -> None:
    """Only monotonic time passes there, however the wall clock jumps here."""
    clock = FakeClock(wall=5000.0)
    there = ServerClock(clock)
    assert there.now() == 5000.0  # nothing heard: the best guess there is
    told = Answer(
        200,
        {"Date": formatdate(THEN, usegmt=True)},
        sealed(b""),
        clock.monotonic(),
        clock.monotonic(),
        clock.wall(),
    )
    there.hear(told)
    clock.jump(-3600)
    clock.advance(30)
    assert there.now() == THEN + 30
    there.hear(
        Answer(200, {}, sealed(b""), 0.0, 0.0, 0.0)
    )  # says nothing, changes nothing
    assert there.now() == THEN + 30
