"""Trying old credentials until they are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets_demo import proof
from mlsecrets_demo.proof import ACCEPTED, DENIED, EXPIRED, Taken


def _answers(*answers: str) -> Callable[[], str]:
    each: Iterator[str] = iter(answers)
    return lambda: next(each)


def _watch(where: str, left: float, *answers: str) -> proof.Found:
    now = SYSTEM_CLOCK.wall()
    held = Taken("a", 3, where, now + left, _answers(*answers), before=ACCEPTED)
    return proof.watch(held, now, threading.Event())


def test_a_denied_session_is_revoked_and_later_expired():
    """The store's two words for no are told apart, and both are reported."""
    found = _watch("store", 60.0, ACCEPTED, DENIED, DENIED, EXPIRED)
    assert (found.how, found.answer, found.later) == ("revoked", DENIED, EXPIRED)
    assert found.refused_after is not None
    assert found.seconds_left > 50


def test_a_session_that_was_never_denied_is_expired():
    """A session that the store no longer knows has lived to its end."""
    found = _watch("store", 0.0, ACCEPTED, EXPIRED)
    assert (found.how, found.later) == ("expired", "")


def test_a_token_refused_before_its_end_is_revoked():
    """Elsewhere one answer serves for both, so the time decides."""
    assert _watch("OpenBao", 60.0, "HTTP 403").how == "revoked"
    assert _watch("MLflow", -1.0, "HTTP 401").how == "expired"


def test_a_server_that_is_unwell_has_refused_nothing():
    """An error 500 is asked again."""
    found = _watch("MLflow", -1.0, f"{proof.UNCLEAR} 500", ACCEPTED, "HTTP 401")
    assert found.answer == "HTTP 401"


def test_what_is_accepted_for_ever_is_found_out():
    """A credential that outlives its expiry by the time of grace was not refused."""
    found = _watch("store", -proof.GRACE - 1)
    assert found.refused_after is None
    assert found.answer == ACCEPTED
