"""An issuer that is away or refuses: who waits, who is told, and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mlsecrets._live import LiveGrant
from mlsecrets._schedule import last_call
from mlsecrets._setbacks import Failure
from mlsecrets.errors import (
    AccessRefused,
    IdentityError,
    IssuerThrottled,
    IssuerUnavailable,
    LeaseClosed,
    LeaseExpired,
)
from mlsecrets.testing import FakeClock
from tests.life import TTL, Background, World

AWAY: list[Exception] = [IssuerUnavailable("away")] * 10_000


@pytest.fixture
def patient() -> Iterator[World]:
    """Its readers wait up to an hour past the end."""
    with World(patience=3600.0) as world:
        yield world


def advance_until_back(world: World, reading: Background, limit: float) -> None:
    """Let time pass in steps, as real time does, until the reader is back."""
    while reading.waiting and limit > 0:
        world.clock.advance(5.0)
        limit -= 5.0
        threading.Event().wait(0.002)


# -- doomed ------------------------------------------------------------------------


def test_a_refusal_dooms_the_lease_at_once() -> None:
    """While half of its life is left: time for a checkpoint."""
    world = World()
    world.live.open()
    world.issuer.failures = [AccessRefused("the policy was withdrawn")]
    world.tend_when_due()
    told = world.event("doomed")
    assert told.detail["error"] == "AccessRefused"
    assert told.detail["seconds_left"] == round(world.left(), 3)
    deadline = told.detail["deadline"] - world.clock.wall()
    assert deadline == pytest.approx(world.left())
    assert world.live.doomed_at == world.live.snapshot().terms.deadline
    world.end()


def test_a_doomed_lease_is_still_read_until_its_end() -> None:
    """What is written with it then is the checkpoint."""
    world = World()
    world.live.open()
    world.issuer.failures = [AccessRefused("no")] * 100
    world.tend_when_due()
    world.until(0.001)
    assert world.token() == "fake-token-000001"
    world.clock.advance(0.001)
    with pytest.raises(LeaseExpired):
        world.live.snapshot()
    world.issuer.failures = []
    world.end()


def test_a_doom_is_told_once_and_lifted_by_success() -> None:
    """Somebody mends the policy: the lease goes on, and may be doomed again later."""
    world = World()
    world.live.open()
    world.issuer.failures = [AccessRefused("no")] * 2
    world.tend_when_due()
    world.tend_when_due()
    assert len(world.journal.events("doomed")) == 1
    world.tend_when_due()
    assert world.live.doomed_at is None
    assert world.live.snapshot().terms.generation == 2
    world.issuer.failures = [AccessRefused("no")]
    world.tend_when_due()
    assert len(world.journal.events("doomed")) == 2
    world.end()


def test_a_refused_lease_is_tried_again_a_few_times_only() -> None:
    """Each time half of what is left has passed: no account is locked by it."""
    world = World()
    world.live.open()
    world.issuer.failures = [AccessRefused("no")] * 100
    while world.live.peek() is not None:
        world.tend_when_due()
    assert 3 <= world.issuer.count("issue") - 1 <= 10
    world.issuer.failures = []
    world.end()


def test_an_outage_is_no_doom_while_there_is_time() -> None:
    """Most outages are over before the last call; then it is told."""
    world = World()
    world.live.open()
    world.issuer.failures = list(AWAY)
    call = last_call(TTL)
    while not world.journal.events("doomed"):
        world.tend_when_due()
    left = world.event("doomed").detail["seconds_left"]
    assert call / 2 <= left <= call * 4 / 3
    failed = world.journal.events("renewal_failed")
    assert len(failed) >= 3
    world.issuer.failures = []
    world.end()


def test_a_missing_identity_file_is_no_refusal() -> None:
    """The platform rotates it: nobody has said no."""
    world = World()
    world.live.open()
    world.issuer.failures = [IdentityError("the file is missing")]
    world.tend_when_due()
    assert world.journal.events("doomed") == []
    world.tend_when_due()
    assert world.live.snapshot().terms.generation == 2
    world.end()


def test_being_throttled_has_an_event_of_its_own() -> None:
    """With what was asked for."""
    world = World()
    world.live.open()
    world.issuer.failures = [IssuerThrottled("slow down", retry_after=7.0)]
    world.tend_when_due()
    told = world.event("throttled")
    assert told.detail["retry_after"] == 7.0
    assert world.journal.events("renewal_failed") == []
    assert world.due[-1] - world.clock.monotonic() >= 7.0
    world.end()


def test_any_outage_may_ask_for_a_pause() -> None:
    """A 503 carries Retry-After as well as a 429 does."""
    world = World()
    world.live.open()
    world.issuer.failures = [IssuerUnavailable("maintenance", retry_after=9.0)]
    world.tend_when_due()
    assert world.due[-1] - world.clock.monotonic() >= 9.0
    world.end()


# -- the end, and past it ------------------------------------------------------------


def test_running_out_is_told_once() -> None:
    """However many readers find out."""
    world = World()
    world.live.open()
    world.issuer.failures = list(AWAY)
    world.clock.advance(TTL)
    for _ in range(5):
        with pytest.raises(LeaseExpired):
            world.live.snapshot()
    assert world.event("expired").detail["generation"] == 1
    world.end()
    assert len(world.journal.events("expired")) == 1


def test_readers_wait_for_an_issuer_that_is_away(patient: World) -> None:
    """Training pauses, and goes on when the issuer is back."""
    patient.clock.advance(TTL + 1)
    patient.issuer.failures = list(AWAY)
    reading = [Background(patient.token) for _ in range(8)]
    for _ in range(60):
        patient.clock.advance(10.0)
        threading.Event().wait(0.002)
    assert all(one.waiting for one in reading)
    asked = patient.issuer.count("issue") - 1
    # Ten minutes at pauses of up to thirty seconds, for all readers together.
    assert 20 <= asked <= 100
    patient.issuer.failures = []
    for one in reading:
        advance_until_back(patient, one, 120.0)
        one.join()
    assert {one.result for one in reading} == {"fake-token-000002"}
    assert patient.issuer.count("issue") == asked + 2


def test_waiting_has_an_end(patient: World) -> None:
    """Then it is an error, which says what the matter is."""
    patient.clock.advance(TTL + 1)
    patient.issuer.failures = list(AWAY)
    reading = Background(patient.token)
    advance_until_back(patient, reading, 3590.0)
    assert reading.waiting
    advance_until_back(patient, reading, 60.0)
    reading.join()
    assert isinstance(reading.error, LeaseExpired)
    assert "away" in str(reading.error)
    # Whoever comes later has no need to wait that long again.
    with pytest.raises(LeaseExpired):
        patient.live.snapshot()


def test_nobody_waits_for_an_issuer_that_refuses(patient: World) -> None:
    """It is not away."""
    patient.clock.advance(TTL + 1)
    patient.issuer.failures = [AccessRefused("no")]
    with pytest.raises(LeaseExpired, match="no"):
        patient.live.snapshot()


def test_the_end_of_the_block_frees_those_who_wait(patient: World) -> None:
    """They learn that it is over."""
    patient.clock.advance(TTL + 1)
    patient.issuer.failures = list(AWAY)
    reading = Background(patient.token)
    threading.Event().wait(0.05)
    assert reading.waiting
    patient.live.close()
    reading.join()
    assert isinstance(reading.error, LeaseClosed)


def test_a_readers_failed_try_puts_off_the_next_for_all(patient: World) -> None:
    """The background does not ask again before the issuer wants to be asked."""
    patient.clock.advance(TTL + 60)
    patient.issuer.failures = [IssuerThrottled("slow down", retry_after=1.0)]
    with pytest.raises(LeaseExpired):
        patient.live.snapshot(patient=False)
    assert patient.due[-1] >= patient.clock.monotonic() + 1.0


def test_a_background_success_frees_those_who_wait(patient: World) -> None:
    """Whoever gets through first serves all."""
    patient.clock.advance(TTL + 1)
    patient.issuer.failures = [IssuerUnavailable("away")]
    reading = Background(patient.token)
    while len(patient.journal.events("renewal_failed")) == 0:
        threading.Event().wait(0.002)
    patient.live.tend()
    reading.join()
    assert reading.result == "fake-token-000002"
    assert patient.issuer.count("issue") == 3


def test_one_who_will_not_wait_is_told_when_to_ask_again(patient: World) -> None:
    """The broker answers workers so: the waiting is theirs."""
    patient.clock.advance(TTL + 1)
    patient.issuer.failures = list(AWAY)
    with pytest.raises(LeaseExpired) as caught:
        patient.live.snapshot(patient=False)
    assert caught.value.again_in is not None
    assert 0 < caught.value.again_in <= 30.0


def test_an_hour_long_pause_cannot_be_asked_past_the_end(patient: World) -> None:
    """After the end an issuer is asked at least every thirty seconds."""
    patient.clock.advance(TTL + 1)
    patient.issuer.failures = [IssuerUnavailable("away", retry_after=3600.0)]
    reading = Background(patient.token)
    advance_until_back(patient, reading, 60.0)
    reading.join()
    assert reading.result == "fake-token-000002"


# -- refused by servers --------------------------------------------------------------


def test_a_server_that_refuses_everything_causes_no_storm() -> None:
    """A hundred refused requests, each reported: a call now and then."""
    world = World()
    world.live.open()
    for _ in range(100):
        world.live.invalidate(world.live.snapshot().terms.generation)
        world.clock.advance(0.05)
    assert 1 < world.issuer.count("issue") <= 5
    world.end()


def test_refused_credentials_are_replaced_when_the_issuer_is_back() -> None:
    """Not renewed: they are no good."""
    world = World(renewable=True)
    world.live.open()
    world.issuer.failures = [IssuerUnavailable("away")]
    world.live.invalidate(1)
    assert world.live.snapshot().terms.generation == 1
    world.tend_when_due()
    assert world.clock.monotonic() <= 1000.0 + TTL / 4
    assert world.live.snapshot().terms.generation == 2
    assert world.issuer.count("renew") == 0
    world.end()


def test_what_its_issuer_calls_dead_is_not_handed_out_again() -> None:
    """A login that was revoked: without a new one there is none, and that is why."""
    world = World()
    world.live.open()
    world.issuer.failures = [IssuerUnavailable("away")] * 2
    world.live.invalidate(1, certain=True)
    assert world.live.peek() is None
    with pytest.raises(LeaseExpired, match="away"):
        world.live.snapshot()
    world.clock.advance(30.0)
    world.issuer.failures = []
    for generation in (2, 3, 4, 5):  # a token of few uses: believed each time
        assert world.live.snapshot().terms.generation == generation
        world.live.invalidate(generation, certain=True)
    world.end()


# -- a renewal that is refused, or gains nothing ---------------------------------------


def test_a_capped_renewal_is_told() -> None:
    """The journal shows why a renewable lease was replaced."""
    world = World(renewable=True, ceiling=245.0)
    world.live.open()
    while world.live.snapshot().terms.generation == 1:
        world.tend_when_due()
    assert world.names().count("capped") == 1
    world.end()


def test_a_capped_lease_whose_replacement_fails_is_not_renewed_again() -> None:
    """Near its end a renewal gains ever less: calls that shrink to milliseconds."""
    world = World(renewable=True, ceiling=100.0)
    world.live.open()
    world.clock.advance(70)
    world.issuer.failures = []
    original = world.issuer.issue
    failures = iter([IssuerUnavailable("away")] * 3)

    def issue(*args: object) -> object:
        for error in failures:
            world.issuer.calls.append(("issue", "data"))
            raise error
        return original(*args)  # type: ignore[arg-type]

    world.issuer.issue = issue  # type: ignore[method-assign, assignment]
    while world.live.snapshot().terms.generation == 1:
        world.tend_when_due()
    assert world.issuer.count("renew") == 1
    assert world.issuer.count("issue") == 5
    world.end()


def test_a_renewal_that_policy_forbids_becomes_one_replacement() -> None:
    """At the time of leases that never renew: one new credential a life, no loop."""
    world = World(renewable=True)
    world.live.open()
    forbidden = [AccessRefused("no sys/leases/renew")]
    for generation in (1, 2, 3):
        world.issuer.failures = list(forbidden)
        while world.live.snapshot().terms.generation == generation:
            world.tend_when_due()
    assert world.issuer.count("issue") == 4
    assert world.issuer.count("renew") == 3
    assert world.names().count("capped") == 3
    assert "doomed" not in world.names()
    world.end()


# -- the login behind a lease -------------------------------------------------------


class Hanging:
    """A lease whose credentials die with their login."""

    def __init__(self, login_ttl: float = 40.0) -> None:
        self.clock = FakeClock()
        self.login = World(
            name="login:fake", clock=self.clock, lifetime=login_ttl, renewable=True
        )
        self.lease = World(clock=self.clock, login=self.login.live, renewable=True)
        self.login.live.open()
        self.lease.live.open()

    def end(self) -> None:
        self.lease.end()
        self.login.end()


def test_nothing_is_used_past_the_end_of_its_login() -> None:
    """It is dead at the issuer, whatever its own terms say."""
    world = Hanging(login_ttl=40.0)
    assert world.lease.left() == 40.0
    world.clock.advance(40.0)
    assert world.lease.live.peek() is None
    world.login.issuer.failures = [IssuerUnavailable("away")]
    with pytest.raises(LeaseExpired, match="away"):
        world.lease.live.snapshot()
    world.clock.advance(2.0)
    assert world.lease.token() == "fake-token-000002"
    world.end()


def test_a_renewed_login_carries_its_leases_on() -> None:
    """Readers notice nothing, and no call is made for them."""
    world = Hanging(login_ttl=40.0)
    for _ in range(3):
        world.login.tend_when_due()
        world.clock.advance(1.0)
        assert world.lease.token() == "fake-token-000001"
    assert world.clock.monotonic() > 1040.0
    assert world.lease.issuer.count("issue") == 1
    world.end()


def test_a_lease_is_renewed_at_its_own_pace_not_its_logins() -> None:
    """A short login does not make a long lease renew more often."""
    world = Hanging(login_ttl=40.0)
    with World(renewable=True) as alone:
        assert world.lease.live.next_renewal() == alone.live.next_renewal()
    world.end()


def test_a_lease_under_a_replaced_login_is_replaced() -> None:
    """Also if it was being issued at that moment."""
    world = Hanging(login_ttl=40.0)
    world.clock.advance(15.0)
    world.login.live.replace_soon()
    world.login.live.tend()
    assert world.lease.live.peek() is not None
    world.clock.advance(25.0)  # the old login's end
    assert world.lease.live.peek() is None
    assert world.lease.live.next_renewal() <= world.clock.monotonic()
    world.end()


def test_a_refused_login_dooms_the_leases_that_need_it() -> None:
    """Known long before their own renewals would find out."""
    world = Hanging(login_ttl=40.0)
    seen: list[float | None] = []

    def told(login: LiveGrant, error: Failure) -> None:
        seen.append(login.doomed_at)
        world.lease.live.tell_doomed(error)

    world.login.live.on_doomed = told
    world.login.issuer.failures = [AccessRefused("no")] * 3
    world.login.live.replace_soon()
    world.login.live.tend()
    assert seen == [1040.0]
    assert world.lease.live.doomed_at == 1040.0
    assert world.lease.event("doomed").detail["seconds_left"] == 40.0
    world.login.issuer.failures = []
    world.login.live.tend()
    assert world.lease.live.doomed_at is None
    world.end()
