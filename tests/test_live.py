"""A grant kept alive: what readers see while it is renewed, replaced and ended."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from mlsecrets.errors import (
    AccessRefused,
    GrantGone,
    IdentityError,
    IssuerThrottled,
    IssuerUnavailable,
    LeaseClosed,
    LeaseExpired,
    SecretBufferClosed,
)
from mlsecrets.grant import Fate
from tests.life import TTL, Background, World, scope


@pytest.fixture
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture
def renewable() -> Iterator[World]:
    with World(renewable=True, ceiling=245.0) as made:
        yield made


def test_reading_costs_no_issuer_call(world: World) -> None:
    """However often it is read."""
    for _ in range(100):
        world.live.snapshot()
    assert world.issuer.count("issue") == 1


def test_a_replacement_overlaps_the_old(world: World) -> None:
    """Who holds the old snapshot can still use it; who asks anew gets the new one."""
    old = world.live.snapshot()
    world.clock.advance(60)
    world.live.tend()
    assert world.live.snapshot().terms.generation == 2
    assert old.credentials.reveal("token") == "fake-token-000001"
    assert world.token() == "fake-token-000002"


def test_replaced_credentials_are_wiped_when_their_last_reader_leaves(
    world: World,
) -> None:
    """A buffer is wiped when nobody refers to it (tests/memory), and not before."""
    old = world.live.snapshot()
    buffer = weakref.ref(old.credentials.buffer)
    world.live.tend()
    held = buffer()
    assert held is not None
    assert not held.closed
    del old, held
    assert buffer() is None


def test_hoarded_snapshots_are_wiped_at_the_end() -> None:
    """A reader that never lets go does not keep a secret past the block."""
    world = World()
    world.live.open()
    hoarded = [world.live.snapshot()]
    world.live.tend()
    hoarded.append(world.live.snapshot())
    world.live.close()
    assert world.live.shred() == 2
    for grant in hoarded:
        with pytest.raises(SecretBufferClosed):
            grant.credentials.reveal("token")


def test_a_renewal_that_comes_second_does_nothing(world: World) -> None:
    """A reader that asked for more was faster: one call, not two."""
    world.until(40.0)
    issuing, may_answer = threading.Event(), threading.Event()
    original = world.issuer.issue

    def slowly(*args: Any) -> Any:
        issuing.set()
        assert may_answer.wait(10)
        return original(*args)

    world.issuer.issue = slowly  # type: ignore[assignment, method-assign]
    asking = Background(lambda: world.live.ensure(80.0))
    assert issuing.wait(10)
    tending = Background(world.live.tend)
    threading.Event().wait(0.05)  # until it waits for its turn
    may_answer.set()
    asking.join()
    tending.join()
    assert world.issuer.count("issue") == 2


def test_a_failed_renewal_is_no_business_of_readers(world: World) -> None:
    """While the credentials live, nothing raises."""
    world.issuer.failures = [IssuerUnavailable("down")] * 5
    for _ in range(5):
        world.clock.advance(10)
        world.live.tend()
        assert world.token() == "fake-token-000001"
    assert world.names().count("renewal_failed") == 5


def test_failures_are_spaced_and_end_with_success(world: World) -> None:
    """Each failure schedules the next try; a success clears the slate."""
    world.clock.advance(60)
    world.issuer.failures = [IssuerUnavailable("down"), IssuerUnavailable("down")]
    for _ in range(2):
        world.live.tend()
        assert world.due[-1] > world.clock.monotonic()
        assert world.due[-1] <= world.live.snapshot().terms.deadline
        world.clock.advance(world.due[-1] - world.clock.monotonic())
    world.live.tend()
    assert world.live.snapshot().terms.generation == 2


def test_retry_after_is_honoured(world: World) -> None:
    """A throttled issuer is left alone as long as it asks, within reason."""
    world.clock.advance(60)
    world.issuer.failures = [IssuerThrottled("slow", retry_after=15.0)]
    world.live.tend()
    assert world.due[-1] - world.clock.monotonic() >= 15.0


def test_an_expired_lease_is_revived_by_its_reader(world: World) -> None:
    """After a suspended laptop the first use waits for new credentials."""
    world.clock.advance(TTL + 1)
    assert world.token() == "fake-token-000002"


def test_a_dead_credential_is_never_handed_out(world: World) -> None:
    """At the deadline itself it is dead."""
    world.clock.advance(TTL)
    world.issuer.failures = [IssuerUnavailable("down")]
    with pytest.raises(LeaseExpired, match="down"):
        world.live.snapshot()


def test_thirty_two_readers_of_an_expired_lease_cost_one_call(world: World) -> None:
    """Single flight: the issuer is asked once."""
    world.clock.advance(TTL + 1)
    start = threading.Barrier(32)
    seen: list[int] = []

    def read() -> None:
        start.wait()
        seen.append(world.live.snapshot().terms.generation)

    threads = [threading.Thread(target=read) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2] * 32
    assert world.issuer.count("issue") == 2


def test_readers_of_an_expired_lease_do_not_hammer_a_dead_issuer(world: World) -> None:
    """A failure is remembered until its pause is over."""
    world.clock.advance(TTL + 1)
    world.issuer.failures = [IssuerUnavailable("down")] * 100
    for _ in range(100):
        with pytest.raises(LeaseExpired):
            world.live.snapshot()
    assert world.issuer.count("issue") == 2


@pytest.mark.parametrize("seconds", [-86400.0, -3600.0, 3600.0, 86400.0])
def test_a_wall_clock_that_jumps_changes_nothing(world: World, seconds: float) -> None:
    """Lives are measured on a clock that only grows."""
    due, left = world.live.next_renewal(), world.left()
    world.clock.jump(seconds)
    assert world.live.next_renewal() == due
    assert world.left() == left
    assert world.token() == "fake-token-000001"
    world.tend_when_due()
    assert world.live.snapshot().terms.generation == 2
    assert world.left() == TTL


def test_a_renewal_keeps_the_credentials(renewable: World) -> None:
    """Same secret, later end; nothing is wiped."""
    before = renewable.live.snapshot()
    renewable.clock.advance(70)
    renewable.live.tend()
    after = renewable.live.snapshot()
    assert after.credentials is before.credentials
    assert after.terms.deadline > before.terms.deadline
    assert after.terms.generation == 1
    assert not after.credentials.closed


def test_a_capped_renewal_turns_into_a_replacement(renewable: World) -> None:
    """Near max_ttl a renewal gains nothing: new credentials overlap the old."""
    for _ in range(3):
        renewable.clock.advance(70)
        renewable.live.tend()
    assert "replaced" in renewable.names()
    assert renewable.live.snapshot().terms.generation == 2


def test_nothing_is_renewed_past_the_scopes_max_ttl() -> None:
    """The issuer would renew for ever; the scope's owner said how long."""
    world = World(renewable=True)
    world.live.open()
    born = world.clock.monotonic()
    while world.live.snapshot().terms.generation == 1:
        assert world.clock.monotonic() - born < scope().max_ttl
        assert world.live.snapshot().terms.deadline <= born + scope().max_ttl
        world.clock.advance(70)
        world.live.tend()
    assert world.issuer.count("issue") == 2
    world.live.close()
    world.live.shred()


def test_no_credentials_are_minted_because_a_renewal_failed(renewable: World) -> None:
    """While the old live, a failing renew is tried again, not worked around."""
    renewable.issuer.failures = [IssuerUnavailable("down")] * 3
    for _ in range(3):
        renewable.clock.advance(5)
        renewable.live.tend()
    assert renewable.issuer.count("issue") == 1
    assert renewable.issuer.count("renew") == 3


def test_a_lease_that_is_gone_at_the_issuer_is_replaced(renewable: World) -> None:
    """There is nothing left to renew."""
    renewable.issuer.failures = [GrantGone("gone")]
    renewable.live.tend()
    assert renewable.live.snapshot().terms.generation == 2


def test_a_refused_generation_is_replaced_once(world: World) -> None:
    """A burst of refusals of one generation costs one issuer call."""
    for _ in range(10):
        world.live.invalidate(1)
    assert world.live.snapshot().terms.generation == 2
    assert world.issuer.count("issue") == 2
    assert world.names().count("rejected") == 1


def test_a_lost_login_replaces_what_hangs_on_it(renewable: World) -> None:
    """Replaced at once although it could be renewed."""
    renewable.live.replace_soon()
    assert renewable.due[-1] == renewable.clock.monotonic()
    renewable.live.tend()
    assert renewable.live.snapshot().terms.generation == 2
    assert renewable.issuer.count("renew") == 0


def test_the_end_revokes_every_generation_that_still_lives(world: World) -> None:
    """Also the ones that were replaced; what has expired is said to have."""
    world.clock.advance(60)
    world.live.tend()
    world.clock.advance(60)  # the first has expired, the second lives
    world.live.tend()
    ended = world.live.close()
    fates = {ending.terms.generation: outcome.fate for ending, outcome in ended}
    assert fates == {3: Fate.REVOKED, 2: Fate.REVOKED}
    assert world.issuer.count("end") == 2


def test_what_the_issuer_no_longer_knows_has_expired() -> None:
    """Over by the issuer's count a moment before ours: not a failure to revoke."""
    world = World()
    world.live.open()
    world.issuer.failures = [GrantGone("gone")]
    ((_, outcome),) = world.live.close()
    world.live.shred()
    assert outcome.fate is Fate.EXPIRED


def test_what_may_still_live_at_the_issuer_is_ended() -> None:
    """Lives are counted short by up to two seconds: within these it is still asked."""
    world = World()
    world.live.open()
    world.clock.advance(TTL + 1)
    ((_, outcome),) = world.live.close()
    world.live.shred()
    assert outcome.fate is Fate.REVOKED
    assert world.issuer.count("end") == 1


def test_an_end_that_fails_says_so() -> None:
    """It never claims to have revoked."""
    world = World()
    world.live.open()
    world.issuer.failures = [IssuerUnavailable("down")] * 100
    ((_, outcome),) = world.live.close()
    world.live.shred()
    assert outcome.fate is Fate.ENDS_AT_TTL
    assert "down" in outcome.reason


def test_a_closed_lease_gives_nothing(world: World) -> None:
    """And says what to do."""
    world.live.close()
    with pytest.raises(LeaseClosed) as caught:
        world.live.snapshot()
    assert "with block" in (caught.value.remedy or "")


def test_a_first_refusal_reaches_the_caller() -> None:
    """The block is not entered."""
    world = World()
    world.issuer.failures = [AccessRefused("no")]
    with pytest.raises(AccessRefused):
        world.live.open()
    assert world.live.close() == []


def test_an_identity_that_is_missing_for_a_while_is_a_failed_renewal(
    world: World,
) -> None:
    """Its file is being rotated: readers notice nothing, the next try may succeed."""
    world.issuer.failures = [IdentityError("the secret id cannot be read")]
    world.live.tend()
    assert world.token() == "fake-token-000001"
    (failed,) = world.journal.events("renewal_failed")
    assert failed.detail["error"] == "IdentityError"
    world.live.tend()
    assert world.token() == "fake-token-000002"


def test_events_tell_the_whole_story_and_no_secret(world: World) -> None:
    """Issued, replaced, revoked, shredded: numbers and names only."""
    world.live.tend()
    world.live.close()
    world.live.tell_shredded({"generations": world.live.shred()})
    assert world.names() == ["issued", "replaced", "revoked", "revoked", "shredded"]
    text = "".join(event.to_json() for event in world.journal.events())
    assert "fake-token" not in text
