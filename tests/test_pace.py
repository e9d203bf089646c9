"""When a lease renews, seen from outside: its own moments, and its maximum."""

from __future__ import annotations

import pytest

from mlsecrets._live import LiveGrant
from mlsecrets._schedule import renewal_due
from mlsecrets.errors import IssuerUnreachable
from mlsecrets.events import Journal
from mlsecrets.testing import FakeClock, FakeIssuer
from tests.life import TTL, World, scope


def waited(world: World) -> float:
    """Seconds until the next renewal."""
    return world.live.next_renewal() - world.clock.monotonic()


def usual(world: World) -> float:
    """Seconds that a renewal comes after the one before, when all is well."""
    terms = world.live.snapshot().terms
    return renewal_due(terms, "data:") - (terms.deadline - terms.lifetime)


@pytest.mark.parametrize("renewable", [False, True])
def test_only_the_first_renewal_comes_early(renewable: bool) -> None:
    """It puts the processes of a job apart; from then on they are."""
    with World(renewable=renewable) as world:
        assert usual(world) / 4 <= waited(world) < usual(world)
        for _ in range(3):
            world.tend_when_due()
            assert waited(world) == pytest.approx(usual(world))


@pytest.mark.parametrize("renewable", [False, True])
def test_what_an_outage_cost_is_won_back_in_the_next_wait(renewable: bool) -> None:
    """Three quarters of it, since a quarter of the wait passes in any case."""
    with World(renewable=renewable) as world:
        world.tend_when_due()
        due = world.live.next_renewal()
        world.issuer.failures = [IssuerUnreachable("away")] * 4
        while world.issuer.failures:
            world.tend_when_due()
        world.tend_when_due()
        late = world.clock.monotonic() - due
        assert late > 0
        assert waited(world) == pytest.approx(usual(world) - 0.75 * late)
        world.tend_when_due()
        assert waited(world) == pytest.approx(usual(world))


def test_what_would_be_cut_by_the_scopes_maximum_is_replaced_instead() -> None:
    """The scope says ten lives: each renewal gives a whole one, none is wasted."""
    with World(renewable=True) as world:
        while world.live.snapshot().terms.generation == 1:
            assert world.left() <= TTL
            world.tend_when_due()
        born = world.clock.monotonic()
        assert 9 * TTL < born - 1000.0 < 9.7 * TTL
        assert "capped" not in world.names()
        assert world.issuer.calls[-1] == ("issue", "data")
        assert world.issuer.calls[-2] == ("renew", "data")


def test_a_maximum_of_the_issuers_own_is_met_once_and_then_known() -> None:
    """The first generation wastes a renewal on it, the later ones do not."""
    with World(renewable=True, ceiling=4.5 * TTL) as world:
        while world.live.snapshot().terms.generation < 6:
            world.tend_when_due()
        assert world.names().count("capped") == 1


def test_leases_of_one_issuer_and_many_hosts_do_not_renew_together() -> None:
    """The same scope, started at the same instant."""
    clock = FakeClock()
    issuer = FakeIssuer(clock)
    dues = []
    for number in range(64):
        live = LiveGrant(
            scope(), issuer, clock=clock, recorder=Journal(), key=f"gpu-{number}:0"
        )
        live.open()
        dues.append(live.next_renewal())
        live.close()
        live.shred()
    assert max(dues) - min(dues) > 0.3 * TTL
    assert len({round(due) for due in dues}) > 20
