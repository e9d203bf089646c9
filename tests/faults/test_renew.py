"""Renewing while OpenBao is away: readers notice nothing, and nothing is minted."""

from __future__ import annotations

import pytest

from mlsecrets import lease
from mlsecrets.errors import LeaseTooShort
from tests.faults.bao import CREDS, LOGIN, RENEW, RENEW_SELF, Bao, by_hand, told
from tests.faults.clocks import clock_for
from tests.faults.readers import Readers
from tests.faults.secrecy import Secrecy
from tests.faults.troubles import NETWORK, OPENBAO, SECURED, Trouble
from tests.faults.trying import AT_ONCE, FOR_ONE_TRY, attempt, left, move_on

TROUBLES = [*NETWORK, *OPENBAO, *SECURED]
#: Failures in a row: after more of them nothing valid is left of eight seconds.
TRIES = 2


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_lease_that_cannot_be_renewed_is_read_as_before(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """Same generation, one event for each try, no new credentials; then it goes on."""
    line = bao.line(tls=trouble.tls)
    clock = clock_for(slow=trouble.slow, monkeypatch=monkeypatch)
    bao.configure(line, clock)
    with lease("queue") as creds:
        live = by_hand("queue")
        by_hand("login:bao")
        first = creds.snapshot()
        move_on(clock, live)
        if trouble.slow:
            clock.advance(left(clock, live) - FOR_ONE_TRY)
        with (
            Readers(creds) as readers,
            line.broken(trouble, lambda method, path: path == RENEW),
        ):
            for _ in range(1 if trouble.slow else TRIES):
                attempt(live, trouble, clock)
                move_on(clock, live)
        assert readers.reads
        assert not readers.failed
        assert readers.generations == {1}
        assert readers.slowest < AT_ONCE
        assert creds.snapshot() is first
        assert line.proxy.count(CREDS) == 1
        live.tend()
        assert told("queue")[-1].name == "renewed"
        assert creds.doomed is None
        assert creds.snapshot().terms.deadline > first.terms.deadline
        assert line.proxy.count(CREDS) == 1
        user = first.credentials.public["username"]
    assert user not in bao.registry.users


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_login_that_cannot_be_renewed_is_used_as_before(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """Nobody logs in anew because a renewal failed."""
    line = bao.line(tls=trouble.tls)
    clock = clock_for(slow=trouble.slow, monkeypatch=monkeypatch)
    bao.configure(line, clock)
    with lease("mlflow"):
        by_hand("mlflow")
        login = by_hand("login:bao")
        first = login.snapshot()
        move_on(clock, login)
        if trouble.slow:
            clock.advance(left(clock, login) - FOR_ONE_TRY)
        with line.broken(trouble, lambda method, path: path == RENEW_SELF):
            for _ in range(1 if trouble.slow else TRIES):
                attempt(login, trouble, clock)
                assert login.snapshot() is first
                move_on(clock, login)
        assert line.proxy.count(LOGIN) == 1
        login.tend()
        assert told("login:bao")[-1].name == "renewed"
        assert login.doomed_at is None
        assert login.snapshot().terms.deadline > first.terms.deadline
        assert line.proxy.count(LOGIN) == 1


@pytest.mark.parametrize(
    "trouble", [each for each in NETWORK if not each.slow], ids=str
)
def test_a_longer_life_that_cannot_be_had_now_is_refused_with_what_there_is(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """``ensure`` says how long is possible, and takes nothing away."""
    line = bao.line(tls=trouble.tls)
    clock = clock_for(slow=False, monkeypatch=monkeypatch)
    bao.configure(line, clock)
    with lease("queue") as creds:
        by_hand("queue")
        by_hand("login:bao")
        first = creds.snapshot()
        clock.advance(5)
        with line.broken(trouble):
            for _ in range(2):
                with secrecy.raises(LeaseTooShort) as caught:
                    creds.ensure(6)
                assert caught.value.numbers() == {"asked": 6, "possible": 3}
                assert isinstance(caught.value.__cause__, trouble.error)
            # The second was not asked for: the first says when it is worth it.
            assert len(told("queue", "renewal_failed", "throttled")) == 1
        assert creds.snapshot() is first
        clock.advance(2)
        grant = creds.ensure(6)
        assert grant.terms.remaining(clock.monotonic()) >= 6
        assert grant.terms.generation == 1
        assert line.proxy.count(CREDS) == 1
