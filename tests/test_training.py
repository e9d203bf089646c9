"""Training that ends in time: saved, flushed and marked before its leases end."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mlsecrets import _current, configure, lease
from mlsecrets._broker._socket import ENVIRONMENT
from mlsecrets._stack import Stack
from mlsecrets.errors import (
    AccessRefused,
    IssuerUnavailable,
    LeaseClosed,
    LeaseDoomed,
    LeaseTooShort,
    NotLeased,
)
from mlsecrets.events import Event
from mlsecrets.testing import FakeClock, FakeIssuer
from mlsecrets.training import POLL, Deadline, ExpiryWatch, Policy, SaveRoom, State

T = TypeVar("T")

TTL = 600.0
MANIFEST = """
api = "mlsecrets/v1"
name = "training"
version = "1.0.0"

[identities.job]
kind = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"

[issuers.bao]
kind = "openbao"
address = "http://127.0.0.1:1"
identity = "job"

[scopes.data]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "identity/oidc/token/data"
ttl = "10m"
max_ttl = "1h"
access = ["use https://mlflow.example.org"]

[scopes.more]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "identity/oidc/token/more"
ttl = "10m"
max_ttl = "1h"
access = ["use https://mlflow.example.org"]
"""


class Platform:
    """An issuer whose moods the test decides, and what has been heard of its leases."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.issuer = FakeIssuer(self.clock)
        self._heard: list[Event] = []
        self._news = threading.Condition()
        path = folder / "mlsecrets.toml"
        path.write_text(MANIFEST)
        configure(path, clock=self.clock, on_event=self._hear)

    def _hear(self, event: Event) -> None:
        with self._news:
            self._heard.append(event)
            self._news.notify_all()

    def refuse(self) -> None:
        """No more credentials, until `grant`."""
        self.issuer.failures = [AccessRefused("the policy was withdrawn")] * 1000

    def vanish(self) -> None:
        """No answer any more, until `grant`."""
        self.issuer.failures = [IssuerUnavailable("away")] * 1000

    def grant(self) -> None:
        """All is well again."""
        self.issuer.failures = []

    def until(self, name: str, step: float = TTL / 20) -> None:
        """Let time pass until an event of this name comes."""
        with self._news:
            since = len(self._heard)
        for _ in range(400):
            self.clock.advance(step)
            with self._news:
                if self._news.wait_for(lambda: self._has(name, since), 0.03):
                    return
        raise AssertionError(f"no {name} came; {[e.name for e in self._heard]}")

    def _has(self, name: str, since: int) -> bool:
        return any(event.name == name for event in self._heard[since:])


class Recorded:
    """A run of one rank, or of several of which this is one; keeps what it was told."""

    def __init__(self, others: Callable[[], bool] = lambda: False) -> None:
        self.calls: list[Any] = []
        self.saves = 0
        self._others = others
        self.saving: Callable[[], None] = lambda: None

    def any(self, here: bool) -> bool:
        return here or self._others()

    def save(self) -> str | None:
        self.saving()
        self.calls.append("save")
        return "leases3://checkpoints/run-7/stop.ckpt"

    def flush(self) -> None:
        self.calls.append("flush")

    def mark(self, state: State, words: str) -> None:
        self.calls.append(state)


def eventually(look: Callable[[], T | None]) -> T:
    """What a callback on another thread is about to bring."""
    for _ in range(1000):
        seen = look()
        if seen:
            return seen
        threading.Event().wait(0.005)
    raise AssertionError("it did not come")


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Platform]:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    made = Platform(tmp_path)
    monkeypatch.setattr(Stack, "issuer", lambda stack, name: made.issuer)
    yield made
    session = _current.current()
    assert session is None or not session.busy
    configure()


def test_nothing_is_done_while_all_is_well(platform: Platform) -> None:
    """Through replacements, too."""
    run = Recorded()
    with lease("data"), ExpiryWatch() as watch:
        watch.step(run)
        platform.until("replaced")
        watch.step(run)
    assert run.calls == []


def test_a_doomed_run_is_saved_flushed_marked_and_stopped(platform: Platform) -> None:
    """In this order, and while the credentials are valid."""
    run = Recorded()
    with lease("data") as data, ExpiryWatch("data") as watch:
        run.saving = data.snapshot
        platform.refuse()
        platform.until("doomed")
        with pytest.raises(LeaseDoomed) as stopped:
            watch.step(run)
        assert 0 < stopped.value.seconds_left < TTL
        platform.grant()
    assert run.calls == ["save", "flush", "stopped"]
    assert stopped.value.checkpoint == "leases3://checkpoints/run-7/stop.ckpt"
    assert stopped.value.checkpoint in str(stopped.value)
    assert "lease data ends in" in str(stopped.value)
    assert "resume" in (stopped.value.remedy or "")


def test_a_rank_that_sees_nothing_saves_with_the_others(platform: Platform) -> None:
    """A checkpoint of several ranks needs them all, at the same step."""
    run = Recorded(others=lambda: True)
    refused = pytest.raises(LeaseDoomed, match="another rank")
    with lease("data"), ExpiryWatch() as watch, refused:
        watch.step(run)
    assert run.calls == ["save", "flush", "stopped"]


def test_a_pause_ends_when_all_leases_go_on(platform: Platform) -> None:
    """The run goes on where it stood, with new credentials."""
    run = Recorded()
    with lease("data") as data, ExpiryWatch(on_doomed="pause") as watch:
        platform.vanish()
        platform.until("doomed")
        stepping = threading.Thread(target=watch.step, args=(run,))
        stepping.start()
        while "paused" not in run.calls:
            assert stepping.is_alive()
        platform.grant()
        platform.until("replaced")
        platform.clock.advance(POLL)
        stepping.join(10)
        assert not stepping.is_alive()
        assert data.doomed is None
    assert run.calls == ["save", "flush", "paused", "resumed"]


def test_a_pause_that_takes_too_long_stops(platform: Platform) -> None:
    """The machine may be worth more to somebody else."""
    run = Recorded()
    with lease("data"), ExpiryWatch(on_doomed="pause", pause_limit=30) as watch:
        platform.refuse()
        platform.until("doomed")
        with pytest.raises(LeaseDoomed):
            _while_time_passes(platform.clock, lambda: watch.step(run))
        platform.grant()
    assert run.calls == ["save", "flush", "paused", "stopped"]


def _while_time_passes(clock: FakeClock, call: Callable[[], None]) -> None:
    stop = threading.Event()

    def move() -> None:
        while not stop.wait(0.005):
            clock.advance(1.0)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        call()
    finally:
        stop.set()
        mover.join()


def test_a_run_whose_saves_are_long_is_saved_early(platform: Platform) -> None:
    """An outage is no doom yet, but a save that takes minutes must begin now."""
    with (
        lease("data"),
        ExpiryWatch() as patient,
        ExpiryWatch(room=SaveRoom(TTL)) as careful,
    ):
        assert careful.due() is None
        platform.vanish()
        platform.until("renewal_failed")
        due = eventually(careful.due)
        assert due.scope == "data"
        assert patient.due() is None
        platform.grant()
        platform.until("replaced")
        eventually(lambda: careful.due() is None)


def test_an_end_that_presses_is_not_put_off_by_asking(platform: Platform) -> None:
    """An issuer that does not answer would take the time that the save has left."""
    room = SaveRoom(TTL)
    with lease("data") as data, ExpiryWatch(room=room) as watch:
        platform.vanish()
        platform.until("renewal_failed")
        eventually(watch.due)
        with room.around(data):
            pass
        platform.grant()
        platform.until("replaced")
        eventually(lambda: watch.due() is None)
        assert not room.pressed


def test_the_first_end_is_told(platform: Platform) -> None:
    """Of several leases."""
    with lease("data"):
        platform.clock.advance(60)
        with lease("more"), ExpiryWatch() as watch:
            platform.refuse()
            platform.until("doomed")
            while watch.due() is None or len(_doomed()) < 2:
                platform.until("renewal_failed", 20.0)
            due = watch.due()
            assert due is not None
            assert due.seconds_left == min(_doomed())
            platform.grant()


def _doomed() -> list[float]:
    session = _current.current()
    assert session is not None
    now = _current.clock().monotonic()
    ends = [session.held(view.name).doomed_at for view in session.views()]
    return [max(end - now, 0.0) for end in ends if end is not None]


def test_what_is_not_open_is_not_watched(platform: Platform) -> None:
    """It is not opened either: nothing would end it with the run."""
    with lease("data"), pytest.raises(NotLeased, match="no lease of more is open"):
        ExpiryWatch("data", "more").__enter__()
    assert platform.issuer.count("issue") == 1


def test_a_lease_that_is_ended_under_the_run_is_told(platform: Platform) -> None:
    """Not taken for one that is well."""
    with lease("data"):
        watch = ExpiryWatch().__enter__()
    with pytest.raises(LeaseClosed):
        watch.due()
    watch.__exit__(None, None, None)
    assert watch.due() is None


def test_room_is_made_for_a_save_of_known_length(platform: Platform) -> None:
    """By renewing ahead of time."""
    with lease("data") as data:
        platform.clock.advance(TTL / 4)
        with SaveRoom(TTL - 60).around(data):
            left = data.snapshot().terms.remaining(platform.clock.monotonic())
            assert left >= TTL - 60


def test_a_save_that_cannot_be_finished_is_not_begun(platform: Platform) -> None:
    """Where its length is known; one that was learned refuses nothing."""
    with lease("data") as data:
        with pytest.raises(LeaseTooShort), SaveRoom(10 * TTL).around(data):
            raise AssertionError("it has begun")
        learned = SaveRoom()
        with learned.around(data):
            platform.clock.advance(TTL * 0.4)
        assert learned.seconds == pytest.approx(TTL * 0.8)
        with learned.around(data):
            platform.clock.advance(TTL * 0.7)
        with learned.around(data):
            pass
        assert learned.seconds == pytest.approx(TTL * 1.4)


def test_a_doomed_lease_is_used_for_what_it_is_worth(platform: Platform) -> None:
    """Half a chance of a checkpoint is better than none."""
    with lease("data") as data:
        platform.refuse()
        platform.until("doomed")
        with SaveRoom(10 * TTL).around(data) as saved:
            assert saved is None
        platform.grant()


def test_wrong_arguments_say_what_is_right() -> None:
    """Before a run begins."""
    wrong: Policy = "wait"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="'stop' or 'pause', got 'wait'"):
        ExpiryWatch(on_doomed=wrong)
    with pytest.raises(ValueError, match="seconds above 0"):
        ExpiryWatch(pause_limit=0)
    with pytest.raises(ValueError, match="seconds above 0"):
        SaveRoom(-1)


def test_the_error_crosses_processes() -> None:
    """With its number and its words; ranks raise it to their launcher."""
    error = LeaseDoomed("stopped", checkpoint="s3://a/b", seconds_left=4, remedy="x")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.seconds_left, copy.remedy) == ("stopped", 4, "x")
    assert copy.checkpoint == "s3://a/b"
    assert str(Deadline("data", 4.4)) == "lease data ends in 4 s"
