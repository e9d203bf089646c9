"""An STS or a revoker that is away: the same rules as for any other issuer."""

from __future__ import annotations

import pytest

from mlsecrets import ExitReport, lease
from mlsecrets._live import PATIENCE
from mlsecrets._session import FAREWELL
from mlsecrets.errors import IssuerUnavailable
from mlsecrets.grant import Fate
from tests.faults.bao import at_most, by_hand, nothing_is_open, told
from tests.faults.clocks import (
    SHORT_FAREWELL,
    SHORT_PATIENCE,
    Movable,
    PatientClock,
    RunningClock,
    clock_for,
)
from tests.faults.faults import Status
from tests.faults.readers import Readers
from tests.faults.secrecy import Secrecy
from tests.faults.store import END, Store
from tests.faults.troubles import NETWORK, SECURED, STS, Line, Trouble
from tests.faults.trying import (
    AT_ONCE,
    FOR_ONE_TRY,
    SLACK,
    attempt,
    left,
    move_on,
    must_not_be_entered,
)

#: What fails below HTTP fails for all servers alike: a few are enough here.
BELOW = [
    trouble
    for trouble in SECURED
    if trouble.name in {"tls-truncated", "expired-certificate", "no-resolver"}
]
#: What a revoker says while its store is away.
REVOKER = Trouble("store-away", IssuerUnavailable, Status(502, '{"error": "store"}'))


@pytest.mark.parametrize("trouble", [*NETWORK, *BELOW, *STS], ids=str)
def test_a_session_that_cannot_be_had_is_told_and_leaves_nothing(
    store: Store, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """The login that was made for it is ended too."""
    line = store.sts[trouble.tls]
    clock = clock_for(slow=trouble.slow, monkeypatch=monkeypatch)
    store.configure(clock, sts=line)
    limit = SHORT_PATIENCE if trouble.slow else PATIENCE
    with (
        line.broken(trouble),
        at_most(limit + SLACK),
        secrecy.raises(trouble.error) as caught,
        lease("train-data"),
    ):
        must_not_be_entered()
    assert caught.type is trouble.error
    assert caught.value.retry_after == trouble.retry_after  # type: ignore[attr-defined]
    assert nothing_is_open()
    with lease("train-data") as creds:
        assert creds.snapshot().terms.generation == 1


@pytest.mark.parametrize("trouble", [*NETWORK, *BELOW, *STS], ids=str)
def test_a_session_that_cannot_be_replaced_is_read_as_before(
    store: Store, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """Same generation, one event for each try; then it is replaced with overlap."""
    line = store.sts[trouble.tls]
    clock = clock_for(slow=trouble.slow, monkeypatch=monkeypatch)
    store.configure(clock, sts=line)
    with lease("train-data") as creds:
        live = by_hand("train-data")
        by_hand("login:bao")
        first = creds.snapshot()
        move_on(clock, live)
        if trouble.slow:
            clock.advance(left(clock, live) - FOR_ONE_TRY)
        with Readers(creds) as readers, line.broken(trouble):
            for _ in range(1 if trouble.slow else 2):
                attempt(live, trouble, clock)
                move_on(clock, live)
        assert readers.reads
        assert not readers.failed
        assert readers.generations == {1}
        assert readers.slowest < AT_ONCE
        assert creds.snapshot() is first
        live.tend()
        assert told("train-data")[-1].name == "replaced"
        assert creds.doomed is None
        assert creds.snapshot().terms.generation == 2
        # Nobody is interrupted: both are alive.
        assert first.terms.remaining(clock.monotonic()) > 0


def left_under(
    store: Store,
    trouble: Trouble,
    clock: Movable,
    line: Line,
    *,
    healed: float | None = None,
) -> ExitReport:
    """Enter a block, and leave it with trouble at the revoker, for `healed` seconds."""
    store.configure(clock, revoker=line)
    with lease("train-data") as creds:
        line.break_(trouble)
        if healed is not None:
            clock.after(healed, line.heal)
    return creds.report


@pytest.mark.parametrize("trouble", [*NETWORK, *BELOW, REVOKER], ids=str)
def test_a_session_that_cannot_be_revoked_is_said_to_end_at_its_ttl(
    store: Store, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """The block is left in its time, whatever became of its session."""
    line = store.revoker[trouble.tls]
    clock = clock_for(slow=trouble.slow, monkeypatch=monkeypatch)
    started = clock.monotonic()
    limit = SHORT_FAREWELL if trouble.slow else FAREWELL
    with at_most(limit + SLACK):
        report = left_under(store, trouble, clock, line)
    line.heal()
    assert clock.monotonic() - started <= limit + SLACK
    assert nothing_is_open()
    secrecy.said(report)
    (end,) = report.ended
    assert end.outcome.fate is Fate.ENDS_AT_TTL
    assert end.outcome.reason
    assert 0 < end.seconds_left <= 12
    assert "ends at TTL, in" in str(report)


@pytest.mark.parametrize("trouble", [*NETWORK, *BELOW, REVOKER], ids=str)
def test_a_session_whose_revoker_is_back_in_time_is_revoked_after_all(
    store: Store, secrecy: Secrecy, trouble: Trouble
) -> None:
    """By another try with the same proof."""
    line = store.revoker[trouble.tls]
    clock = RunningClock() if trouble.slow else PatientClock()
    report = left_under(store, trouble, clock, line, healed=0.1)
    secrecy.said(report)
    (end,) = report.ended
    assert end.outcome.fate is Fate.REVOKED
    if trouble.answers and not trouble.slow:
        assert line.proxy.count(END) == 2
