"""Workers while the issuer is away, and when they need more than there is."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator

import pytest

from mlsecrets._broker.attach import Attachment
from mlsecrets.errors import (
    AccessRefused,
    IssuerUnavailable,
    LeaseExpired,
    LeaseTooShort,
    OwnerGone,
)
from mlsecrets.testing import FakeClock
from tests.broker.owner import Owner
from tests.life import Background

TTL = 60.0


@pytest.fixture
def clock() -> FakeClock:
    """Of the owner and its workers alike."""
    return FakeClock()


@pytest.fixture
def owner(clock: FakeClock) -> Iterator[Owner]:
    """Its readers wait for an hour."""
    made = Owner(TTL, patience=3600.0, clock=clock)
    yield made
    made.issuer.failures = []
    made.close()


def test_workers_wait_with_their_owner(owner: Owner, clock: FakeClock) -> None:
    """Far longer than a socket would: they ask again until the issuer is back."""
    source = Attachment(owner.broker.path, clock).source("data")
    source.snapshot()
    clock.advance(TTL + 1)
    owner.issuer.failures = [IssuerUnavailable("away")] * 10_000
    reading = [Background(source.snapshot) for _ in range(4)]
    for _ in range(60):
        clock.advance(10.0)
        threading.Event().wait(0.005)
    assert all(one.waiting for one in reading)
    owner.issuer.failures = []
    while any(one.waiting for one in reading):
        clock.advance(5.0)
        threading.Event().wait(0.002)
    for one in reading:
        one.join()
        assert one.error is None
    # Or a later one, if the clock ran ahead of a reader on a busy machine.
    assert source.snapshot().terms.generation >= 2


def test_their_waiting_ends_with_the_owners(owner: Owner, clock: FakeClock) -> None:
    """With the same error."""
    source = Attachment(owner.broker.path, clock).source("data")
    source.snapshot()
    clock.advance(TTL + 3601)
    owner.issuer.failures = [IssuerUnavailable("away")] * 10_000
    with pytest.raises(LeaseExpired, match="away") as caught:
        source.snapshot()
    assert caught.value.again_in is None


def test_they_do_not_wait_for_a_refusal(owner: Owner, clock: FakeClock) -> None:
    """Nobody is away."""
    source = Attachment(owner.broker.path, clock).source("data")
    clock.advance(TTL + 1)
    owner.issuer.failures = [AccessRefused("no")]
    with pytest.raises(LeaseExpired, match="no"):
        source.snapshot()


def test_a_worker_can_ask_for_a_minimum(owner: Owner, clock: FakeClock) -> None:
    """The owner renews, once, and the worker has it at once."""
    sources = [Attachment(owner.broker.path, clock).source("data") for _ in range(4)]
    clock.advance(30)
    for source in sources:
        grant = source.ensure(50.0)
        assert grant.terms.remaining(clock.monotonic()) >= 50.0
        assert source.snapshot() is grant
    assert owner.issuer.count("issue") == 2
    assert sources[0].ensure(10.0).terms.generation == 2


def test_too_much_is_refused_with_its_numbers(owner: Owner, clock: FakeClock) -> None:
    """Across the socket, and across a pickle, as DataLoader workers raise."""
    source = Attachment(owner.broker.path, clock).source("data")
    with pytest.raises(LeaseTooShort) as caught:
        source.ensure(100.0)
    raised = pickle.loads(pickle.dumps(caught.value))
    assert (raised.asked, raised.possible) == (100.0, TTL)
    assert raised.remedy == caught.value.remedy
    assert owner.issuer.count("issue") == 1


def test_an_answer_that_comes_too_late_is_asked_for_again(
    owner: Owner, clock: FakeClock
) -> None:
    """The last moments of a generation can pass between two processes."""
    source = Attachment(owner.broker.path, clock).source("data")
    clock.advance(TTL - 1)
    fetch = source._fetch
    late = iter([2.0])

    def slowly(request: dict[str, object]) -> object:
        source._clock = Ahead(clock, next(late, 0.0))
        return fetch(request)

    source._fetch = slowly  # type: ignore[assignment, method-assign]
    assert source.snapshot().terms.generation == 1
    assert next(late, None) is None


def test_what_died_during_a_question_is_not_given_out(
    owner: Owner, clock: FakeClock
) -> None:
    """The owner was slow to say that it has nothing new: the old is over by then."""
    source = Attachment(owner.broker.path, clock).source("data")
    source.snapshot()
    clock.advance(TTL - 1)
    fetch = source._fetch
    slow = iter([True])

    def slowly(request: dict[str, object]) -> object:
        if next(slow, False):
            clock.advance(5)
            raise OwnerGone("the owner is slow")
        return fetch(request)

    source._fetch = slowly  # type: ignore[assignment, method-assign]
    assert source.snapshot().terms.generation == 2


class Ahead(FakeClock):
    """A clock that has moved on by the second look at it."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        super().__init__()
        self._base, self._seconds, self._looks = clock, seconds, 0

    def monotonic(self) -> float:
        self._looks += 1
        return self._base.monotonic() + (self._seconds if self._looks > 1 else 0.0)
