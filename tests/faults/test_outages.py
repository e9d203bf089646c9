"""Outages shorter and longer than a lease: what readers get, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mlsecrets import Lease, lease
from mlsecrets._live import PATIENCE, LiveGrant
from mlsecrets.errors import IssuerUnavailable, LeaseExpired
from tests.faults.bao import CREDS, LOGIN, Bao, by_hand, told, wait_until
from tests.faults.clocks import PatientClock
from tests.faults.faults import Fault, Refuse, Status
from tests.faults.secrecy import Secrecy
from tests.faults.store import Store
from tests.faults.trying import FOR_ONE_TRY

#: Seconds of the clock between two reads.
STEP = 0.25
#: Seconds that a lease, and the login before it, wait at most for their next try while
#: nothing valid is left.
PACE = 30.0
AWAY = Status(503)


def drive(
    clock: PatientClock,
    seconds: float,
    lives: Sequence[LiveGrant],
    read: Callable[[], object] = lambda: None,
) -> None:
    """Let time pass, with every renewal at its time and a read at each step."""
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        clock.advance(STEP)
        for live in lives:
            if clock.monotonic() >= live.next_renewal():
                live.tend()
        read()


def tended(*scopes: str) -> list[LiveGrant]:
    """The login and these leases, tended by nobody but `drive`."""
    return [by_hand("login:bao"), *map(by_hand, scopes)]


def left(creds: Lease, clock: PatientClock) -> float:
    """Seconds of validity left."""
    return creds.snapshot().terms.remaining(clock.monotonic())


@pytest.mark.parametrize("fault", [Refuse(), AWAY], ids=["refused", "gateway-503"])
@pytest.mark.parametrize(("scope", "generation"), [("queue", 1), ("mlflow", 2)])
def test_an_outage_shorter_than_the_lease_is_not_noticed(
    bao: Bao, secrecy: Secrecy, scope: str, generation: int, fault: Fault
) -> None:
    """No read fails: what is at hand lasts until the issuer is back."""
    line, clock = bao.line(), PatientClock()
    bao.configure(line, clock)
    with lease(scope) as creds:
        lives = tended(scope)
        drive(clock, 1, lives, creds.snapshot)
        with line.proxy.under(fault):
            drive(clock, left(creds, clock) - FOR_ONE_TRY, lives, creds.snapshot)
        assert told(scope, "renewal_failed")
        drive(clock, 1.5, lives, creds.snapshot)
        assert told(scope)[-1].name == ("renewed" if generation == 1 else "replaced")
        assert creds.snapshot().terms.generation == generation
        assert creds.doomed is None
        assert not told(scope, "expired")


def test_an_outage_of_the_store_shorter_than_the_session_is_not_noticed(
    store: Store, secrecy: Secrecy
) -> None:
    """As for OpenBao."""
    line, clock = store.sts[False], PatientClock()
    store.configure(clock, sts=line)
    with lease("train-data") as creds:
        lives = tended("train-data")
        with line.proxy.under(Refuse()):
            drive(clock, left(creds, clock) - FOR_ONE_TRY, lives, creds.snapshot)
        drive(clock, 1.5, lives, creds.snapshot)
        assert creds.snapshot().terms.generation == 2
        assert not told("train-data", "expired")


@pytest.mark.parametrize("scope", ["queue", "mlflow"])
def test_an_outage_longer_than_the_lease_is_raised_after_some_patience(
    bao: Bao, secrecy: Secrecy, scope: str
) -> None:
    """Not before the end, not for ten seconds after it; later all is well again."""
    line, clock = bao.line(), PatientClock()
    bao.configure(line, clock)
    with lease(scope) as creds:
        lives = tended(scope)
        end = creds.snapshot().terms.dies_at
        with line.proxy.under(AWAY):
            drive(clock, end - clock.monotonic() - STEP, lives, creds.snapshot)
            (doomed,) = told(scope, "doomed")
            lifetime = creds.snapshot().terms.lifetime
            assert doomed.detail["seconds_left"] <= lifetime / 4 + 1.0
            clock.advance(end - clock.monotonic())
            with secrecy.raises(LeaseExpired, match="has expired") as caught:
                creds.snapshot()
            assert end + PATIENCE <= clock.monotonic() <= end + PATIENCE + 1.0
            assert isinstance(caught.value.__cause__, IssuerUnavailable)
            # Who asks again is told at once.
            before = clock.monotonic()
            with secrecy.raises(LeaseExpired):
                creds.snapshot()
            assert clock.monotonic() == before
            # It goes on, longer than the login lives.
            drive(clock, 60, lives)
        assert len(told(scope, "expired")) == 1
        back = clock.monotonic()
        while lives[-1].peek() is None:
            drive(clock, STEP, lives)
        assert clock.monotonic() - back <= 2 * PACE
        assert creds.snapshot().terms.generation == 2
        assert creds.doomed is None
        drive(clock, 20, lives, creds.snapshot)


def test_readers_may_wait_for_an_issuer_instead(bao: Bao, secrecy: Secrecy) -> None:
    """``on_outage="wait"``: ten minutes away, and the work goes on where it stood."""
    line, clock = bao.line(), PatientClock()
    bao.configure(line, clock, on_outage="wait")
    with lease("queue") as creds:
        lives = tended("queue")
        line.proxy.fault = AWAY
        clock.after(600, line.heal)
        started = clock.monotonic()
        drive(clock, left(creds, clock), lives, creds.snapshot)
        assert creds.snapshot().terms.generation == 2
        assert 600 <= clock.monotonic() - started <= 600 + 2 * PACE
        assert creds.doomed is None
        drive(clock, 20, lives, creds.snapshot)


def test_waiting_has_a_limit_that_is_told(bao: Bao, secrecy: Secrecy) -> None:
    """``outage_limit``, from the end of the lease on; and it may still come back."""
    line, clock = bao.line(), PatientClock()
    bao.configure(line, clock, on_outage="wait", outage_limit=120)
    with lease("queue") as creds:
        lives = tended("queue")
        end = creds.snapshot().terms.dies_at
        line.proxy.fault = AWAY
        clock.advance(end - clock.monotonic())
        with secrecy.raises(LeaseExpired) as caught:
            creds.snapshot()
        assert end + 120 <= clock.monotonic() <= end + 121
        assert "120 s" in caught.value.diagnostics()
        line.heal()
        drive(clock, 2 * PACE, lives)
        assert creds.snapshot().terms.generation == 2


def test_patience_counts_from_the_end_of_the_lease(bao: Bao) -> None:
    """Not from the end that its login had before it was renewed."""
    line, clock = bao.line(), PatientClock()
    bao.log_in_for(ttl=4)
    try:
        bao.configure(line, clock)
        with lease("queue") as creds:
            login, live = tended("queue")
            end = creds.snapshot().terms.deadline
            # Renewed until the outage, so that the lease ends at its own deadline.
            drive(clock, 7.0, [login], creds.snapshot)
            line.proxy.fault = AWAY
            assert login.snapshot().terms.deadline > end
            live.tend()
            (failed,) = told("queue", "renewal_failed")
            left_then = end - clock.monotonic()
            assert failed.detail["seconds_left"] == pytest.approx(left_then, abs=0.01)
            clock.advance(left_then)
            with pytest.raises(LeaseExpired):
                creds.snapshot()
            assert clock.monotonic() >= end + PATIENCE
            line.heal()
    finally:
        bao.log_in_for()


def test_all_who_wait_go_on_with_one_new_generation(bao: Bao, secrecy: Secrecy) -> None:
    """Eight readers, one login, one issue."""
    line, clock = bao.line(), PatientClock()
    bao.configure(line, clock, on_outage="wait")
    with lease("queue") as creds:
        tended("queue")
        line.proxy.fault = AWAY
        clock.advance(60)
        got: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: got.append(creds.snapshot().terms.generation)
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        assert wait_until(lambda: bool(told("queue", "renewal_failed")))
        assert not got
        line.heal()
        before = [line.proxy.count(LOGIN), line.proxy.count(CREDS)]

        def back() -> bool:
            clock.advance(1.0)
            return len(got) == 8

        assert wait_until(back)
        for thread in threads:
            thread.join()
        assert got == [2] * 8
        after = [line.proxy.count(LOGIN), line.proxy.count(CREDS)]
        assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]


def test_the_renewer_brings_a_dead_lease_back_by_itself(bao: Bao) -> None:
    """Nobody has to ask for it."""
    line, clock = bao.line(), PatientClock()
    bao.configure(line, clock)
    with lease("queue") as creds:
        line.proxy.fault = AWAY
        end = creds.snapshot().terms.dies_at

        def pass_time() -> None:
            clock.advance(0.5)
            threading.Event().wait(0.02)  # so that the renewer sees it

        while clock.monotonic() < end + 5:
            pass_time()
        assert told("queue", "renewal_failed")
        line.heal()
        back = clock.monotonic()
        while _peek(creds) is None and clock.monotonic() < back + 4 * PACE:
            pass_time()
        grant = _peek(creds)
        assert grant is not None
        assert grant.terms.generation == 2


def _peek(creds: Lease) -> Any:
    return creds.reference.source().peek()
