"""Leaving a block while OpenBao is away: tried for a while, then told as it is."""

from __future__ import annotations

import threading
import time

import pytest

from mlsecrets import ExitReport, lease
from mlsecrets._session import FAREWELL
from mlsecrets.grant import Fate
from tests.faults.bao import (
    RENEW,
    REVOKE,
    REVOKE_SELF,
    Bao,
    at_most,
    by_hand,
    nothing_is_open,
    wait_until,
)
from tests.faults.clocks import (
    SHORT_FAREWELL,
    Movable,
    PatientClock,
    RunningClock,
    clock_for,
)
from tests.faults.faults import BlackHole
from tests.faults.secrecy import Secrecy
from tests.faults.troubles import NETWORK, OPENBAO, SECURED, Line, Trouble
from tests.faults.trying import FOR_ONE_TRY, left

TROUBLES = [*NETWORK, *OPENBAO, *SECURED]
#: Seconds by which all endings may miss their budget: one last short try for each of
#: the lease and the login.
OVERTIME = 1.5


def revoking(method: str, path: str) -> bool:
    """Whether a request ends something."""
    return path in {REVOKE, REVOKE_SELF}


def left_under(
    bao: Bao,
    trouble: Trouble,
    clock: Movable,
    line: Line,
    *,
    healed: float | None = None,
) -> tuple[ExitReport, str]:
    """Enter a block, and leave it with trouble, for `healed` seconds if that is given.

    Returns:
        The report, and the user that was leased.
    """
    bao.configure(line, clock)
    with lease("queue") as creds:
        user = creds.snapshot().credentials.public["username"]
        line.break_(trouble, revoking)
        if healed is not None:
            clock.after(healed, line.heal)
    return creds.report, user


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_what_cannot_be_revoked_is_said_to_end_at_its_ttl(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """The block is left in its time, whatever became of its credentials."""
    line = bao.line(tls=trouble.tls)
    clock = clock_for(slow=trouble.slow, monkeypatch=monkeypatch)
    started = clock.monotonic()
    limit = SHORT_FAREWELL if trouble.slow else FAREWELL
    with at_most(limit + OVERTIME):
        report, user = left_under(bao, trouble, clock, line)
    line.heal()
    assert clock.monotonic() - started <= limit + OVERTIME
    assert nothing_is_open()
    secrecy.said(report)
    (end,) = report.ended
    assert end.outcome.fate is Fate.ENDS_AT_TTL
    assert end.outcome.reason.startswith("revoking failed: ")
    assert 0 < end.seconds_left <= 10
    assert "ends at TTL, in" in str(report)
    # Only its answer was lost: it is revoked, but nobody knows.
    acted = trouble.name == "answer-lost" or "truncated" in trouble.name
    if trouble.name != "slow-drip":
        assert (user in bao.registry.users) is not acted


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_what_is_over_in_time_is_revoked_after_all(
    bao: Bao, secrecy: Secrecy, trouble: Trouble
) -> None:
    """By another try, not by a wait for the TTL."""
    line = bao.line(tls=trouble.tls)
    clock = RunningClock() if trouble.slow else PatientClock()
    report, user = left_under(bao, trouble, clock, line, healed=0.1)
    assert nothing_is_open()
    secrecy.said(report)
    (end,) = report.ended
    assert end.outcome.fate in {Fate.REVOKED, Fate.EXPIRED}
    assert user not in bao.registry.users


def test_a_renewal_that_hangs_does_not_hold_up_the_end(
    bao: Bao, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block is left as soon as that call gives up; what can be revoked is."""
    line, clock = bao.line(), clock_for(slow=True, monkeypatch=monkeypatch)
    bao.configure(line, clock)
    with lease("queue") as creds:
        user = creds.snapshot().credentials.public["username"]
        live = by_hand("queue")
        clock.advance(left(clock, live) - FOR_ONE_TRY)
        line.proxy.only = lambda method, path: path == RENEW
        line.proxy.fault = BlackHole()
        hanging = threading.Thread(target=live.tend)
        hanging.start()
        assert wait_until(lambda: bool(line.proxy.count(RENEW)))
        started = time.monotonic()
    # The call may take half of what is left.
    assert time.monotonic() - started <= FOR_ONE_TRY / 2 + SHORT_FAREWELL
    hanging.join()
    line.heal()
    (end,) = creds.report.ended
    assert end.outcome.fate is Fate.REVOKED
    assert user not in bao.registry.users
