"""Entering a block while OpenBao is away: a typed error in time, and nothing left."""

from __future__ import annotations

import pytest

from mlsecrets import lease
from mlsecrets._live import PATIENCE
from tests.faults.bao import CREDS, LOGIN, Bao, at_most, nothing_is_open, wait_until
from tests.faults.clocks import SHORT_PATIENCE, RunningClock, clock_for
from tests.faults.faults import Latency
from tests.faults.secrecy import Secrecy
from tests.faults.troubles import NETWORK, OPENBAO, SECURED, Trouble
from tests.faults.trying import SLACK, must_not_be_entered

TROUBLES = [*NETWORK, *OPENBAO, *SECURED]


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_login_that_fails_is_told_and_leaves_nothing(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """The first lease's block is not entered; the next try starts from nothing."""
    line = bao.line(tls=trouble.tls)
    bao.configure(line, clock_for(slow=trouble.slow, monkeypatch=monkeypatch))
    limit = SHORT_PATIENCE if trouble.slow else PATIENCE
    with (
        line.broken(trouble, lambda method, path: path == LOGIN),
        at_most(limit + SLACK),
        secrecy.raises(trouble.error) as caught,
        lease("queue"),
    ):
        must_not_be_entered()
    assert caught.type is trouble.error
    assert caught.value.retry_after == trouble.retry_after  # type: ignore[attr-defined]
    assert nothing_is_open()
    assert line.proxy.count(CREDS) == 0
    with lease("queue") as creds:
        user = creds.snapshot().credentials.public["username"]
        assert user in bao.registry.users
    assert user not in bao.registry.users


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_an_issue_that_fails_is_told_and_leaves_nothing(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """Another lease of the same login goes on."""
    line = bao.line(tls=trouble.tls)
    bao.configure(line, clock_for(slow=trouble.slow, monkeypatch=monkeypatch))
    limit = SHORT_PATIENCE if trouble.slow else PATIENCE
    with lease("mlflow") as other:
        before = other.snapshot()
        with (
            line.broken(trouble, lambda method, path: path == CREDS),
            at_most(limit + SLACK),
            secrecy.raises(trouble.error) as caught,
            lease("queue"),
        ):
            must_not_be_entered()
        assert caught.type is trouble.error
        assert caught.value.retry_after == trouble.retry_after  # type: ignore[attr-defined]
        assert other.snapshot() is before
        with lease("queue") as creds:
            user = creds.snapshot().credentials.public["username"]
            assert user in bao.registry.users
        assert user not in bao.registry.users
    assert nothing_is_open()
    # Also what was issued although its answer was lost: it dies with the login.
    assert wait_until(lambda: not bao.registry.users)


def test_a_slow_answer_that_is_in_time_is_an_answer(bao: Bao) -> None:
    """Nothing is tried twice, so nothing is made twice."""
    line = bao.line()
    bao.configure(line, RunningClock())
    with line.proxy.under(Latency(0.2)):
        with lease("queue"):
            assert len(bao.registry.users) == 1
        assert not bao.registry.users
    assert [line.proxy.count(path) for path in (LOGIN, CREDS)] == [1, 1]
