"""A minimum of validity: had ahead of time, or refused before the work begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mlsecrets.errors import (
    AccessRefused,
    IssuerUnavailable,
    LeaseClosed,
    LeaseTooShort,
)
from mlsecrets.testing import FakeClock
from tests.life import TTL, World


@pytest.fixture
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture
def renewable() -> Iterator[World]:
    with World(renewable=True, ceiling=245.0) as made:
        yield made


def test_what_is_long_enough_costs_nothing(world: World) -> None:
    """No call to the issuer."""
    world.clock.advance(10)
    assert world.live.ensure(90.0).terms.generation == 1
    assert world.issuer.count("issue") == 1


def test_what_is_too_short_is_replaced_ahead_of_time(world: World) -> None:
    """In the foreground, at the caller's wish."""
    world.clock.advance(11)
    assert world.live.ensure(90.0).terms.generation == 2
    assert world.left() == TTL


def test_what_can_be_renewed_is_renewed(renewable: World) -> None:
    """The credentials stay."""
    renewable.clock.advance(50)
    grant = renewable.live.ensure(80.0)
    assert grant.terms.generation == 1
    assert grant.terms.remaining(renewable.clock.monotonic()) == TTL
    assert renewable.issuer.count("issue") == 1


def test_a_renewal_that_is_not_enough_becomes_a_replacement(renewable: World) -> None:
    """Near the ceiling."""
    renewable.clock.advance(90)
    renewable.live.tend()
    renewable.clock.advance(90)  # 65 s to the ceiling
    grant = renewable.live.ensure(80.0)
    assert grant.terms.generation == 2
    assert grant.terms.remaining(renewable.clock.monotonic()) == TTL


def test_what_no_lease_can_give_is_refused_without_a_call(world: World) -> None:
    """It says how long is possible, before anything is started."""
    world.clock.advance(50)
    with pytest.raises(LeaseTooShort, match="100 s, not for 101 s") as caught:
        world.live.ensure(101.0)
    assert caught.value.possible == TTL
    assert caught.value.asked == 101.0
    assert "100 s" in (caught.value.remedy or "")
    assert world.issuer.count("issue") == 1


def test_an_absent_issuer_leaves_what_is_left(world: World) -> None:
    """Refused, with the reason; and what is valid stays valid."""
    world.clock.advance(60)
    world.issuer.failures = [IssuerUnavailable("away")] * 10
    with pytest.raises(LeaseTooShort) as caught:
        world.live.ensure(80.0)
    assert caught.value.possible == 40.0
    assert isinstance(caught.value.__cause__, IssuerUnavailable)
    assert world.token() == "fake-token-000001"
    assert world.live.ensure(40.0).terms.generation == 1


def test_asking_again_does_not_hammer_an_absent_issuer(world: World) -> None:
    """The pause after a failure holds for those who ask, too."""
    world.clock.advance(60)
    world.issuer.failures = [IssuerUnavailable("away")] * 100
    for _ in range(100):
        with pytest.raises(LeaseTooShort):
            world.live.ensure(80.0)
    assert world.issuer.count("issue") == 2


def test_thirty_two_who_ask_cost_one_call(world: World) -> None:
    """Single flight."""
    world.clock.advance(60)
    start = threading.Barrier(32)
    seen: list[int] = []

    def ask() -> None:
        start.wait()
        seen.append(world.live.ensure(80.0).terms.generation)

    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2] * 32
    assert world.issuer.count("issue") == 2


def test_a_refusal_is_the_reason_given(world: World) -> None:
    """And dooms the lease, as any refusal does."""
    world.clock.advance(60)
    world.issuer.failures = [AccessRefused("no")]
    with pytest.raises(LeaseTooShort) as caught:
        world.live.ensure(80.0)
    assert isinstance(caught.value.__cause__, AccessRefused)
    assert "doomed" in world.names()


def test_the_credentials_must_outlive_it_with_their_login() -> None:
    """A login that cannot live so long refuses for them; one that can is renewed."""
    clock = FakeClock()
    login = World(name="login:fake", clock=clock, lifetime=40.0, renewable=True)
    lease = World(clock=clock, login=login.live, renewable=True)
    login.live.open()
    lease.live.open()
    with pytest.raises(LeaseTooShort) as caught:
        lease.live.ensure(60.0)
    assert caught.value.possible == 40.0
    assert "data" in str(caught.value)
    clock.advance(10)
    grant = lease.live.ensure(35.0)
    assert grant.terms.remaining(clock.monotonic()) >= 35.0
    assert login.issuer.count("renew") == 1
    lease.end()
    login.end()


def test_an_ended_lease_ensures_nothing() -> None:
    """It says so."""
    world = World()
    world.live.open()
    world.end()
    with pytest.raises(LeaseClosed):
        world.live.ensure(1.0)
