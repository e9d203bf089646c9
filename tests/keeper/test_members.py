"""Members of an owner, over its socket, without manifest or server."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlsecrets import errors
from mlsecrets._broker import join
from mlsecrets._broker._members import Member
from mlsecrets._broker.join import Membership
from mlsecrets.events import Event
from mlsecrets.report import ExitReport, ShredReport
from tests.broker.owner import Owner
from tests.keeper.trainer import eventually
from tests.life import Background

Tell = Callable[[Event], None]


def event(name: str = "renewed") -> Event:
    return Event(name, "data", 0.0, 1, {"generation": 2})


class Holding(Owner):
    """Counts what it holds, and takes as long over it as the test wants."""

    def __init__(self) -> None:
        self.told: list[Tell] = []
        self.admitted: list[str] = []
        self.dismissed: list[str] = []
        #: Set once it is asked to let go of something.
        self.asked = threading.Event()
        #: Set, unless a test wants an answer to wait.
        self.open = threading.Event()
        self.open.set()
        super().__init__()

    def admit(self, scope: str, tell: Tell) -> Callable[[], None]:
        self.open.wait(10)
        self.held(scope)
        self.admitted.append(scope)
        self.told.append(tell)
        return lambda: self.told.remove(tell)

    def dismiss(self, *scopes: str) -> dict[str, ExitReport]:
        self.asked.set()
        self.open.wait(10)
        self.dismissed += scopes
        return {scope: ExitReport(scope, (), ShredReport(1)) for scope in scopes}


class Joined:
    """A membership, with what it was told and how it was lost."""

    def __init__(self, owner: Holding) -> None:
        self.heard: list[Event] = []
        self.lost: list[Membership] = []
        self.membership = Membership(
            owner.broker.place, self.heard.append, self.lost.append
        )


@pytest.fixture
def owner() -> Iterator[Holding]:
    made = Holding()
    yield made
    made.open.set()
    made.close()


@pytest.fixture
def joined(owner: Holding) -> Iterator[Joined]:
    made = Joined(owner)
    yield made
    made.membership.close()


def test_a_member_joins_hears_and_leaves(owner: Holding, joined: Joined) -> None:
    """Its reports come with the answer; its events while it holds the scope."""
    joined.membership.join("data")
    for tell in owner.told:
        tell(event())
    assert eventually(lambda: joined.heard == [event()])
    assert joined.membership.leave(["data", "another"]) == {"data": []}
    assert owner.told == []
    assert [e.name for e in owner.journal.events()][-2:] == ["joined", "left"]


def test_a_scope_is_left_when_it_was_left_as_often_as_joined(
    owner: Holding, joined: Joined
) -> None:
    """One thread's leaving may cross another one's joining."""
    for _ in range(2):
        joined.membership.join("data")
    assert owner.admitted == ["data"]
    assert joined.membership.leave(["data"]) == {}
    assert owner.dismissed == []
    joined.membership.leave(["data"])
    assert owner.dismissed == ["data"]


def test_a_member_that_is_refused_may_ask_for_something_else(
    owner: Holding, joined: Joined
) -> None:
    """One connection serves all of a process's threads."""
    with pytest.raises(errors.NotLeased, match="no lease of checkpoints"):
        joined.membership.join("checkpoints")
    joined.membership.join("data")
    assert owner.admitted == ["data"]
    assert joined.lost == []


def test_a_member_that_ends_lets_go_of_all_it_held(
    owner: Holding, joined: Joined
) -> None:
    """However often it had joined."""
    for _ in range(3):
        joined.membership.join("data")
    joined.membership.close()
    assert owner.broker.members.await_none(10)
    assert owner.dismissed == ["data"]
    assert joined.lost == []  # it was its own wish


def test_nonsense_from_a_member_harms_nobody(owner: Holding, joined: Joined) -> None:
    """Not what it holds, and not the owner."""
    joined.membership.join("data")
    for scopes in (7, [None, ["data"]], {"data": 1}):
        assert joined.membership._ask({"ask": "leave", "scopes": scopes})
    assert owner.dismissed == []


def test_an_answer_that_comes_too_late_answers_no_other_question(
    owner: Holding, joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is given up, and another owner looked for."""
    joined.membership.join("data")
    monkeypatch.setattr(join, "PATIENCE", 0.05)
    owner.open.clear()
    with pytest.raises(errors.OwnerGone, match="does not answer"):
        joined.membership.leave(["data"])
    assert eventually(lambda: joined.lost == [joined.membership])
    owner.open.set()
    with pytest.raises(errors.OwnerGone):
        joined.membership.join("data")
    # The leave had been asked for; there was nothing left to let go of.
    assert owner.broker.members.await_none(10)
    assert owner.dismissed == ["data"]


def test_ctrl_c_leaves_no_answer_behind_for_the_next_question(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that is left by it asks what became of its leases."""

    class Interrupted(queue.SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            raise KeyboardInterrupt

    joined.membership.join("data")
    monkeypatch.setattr(joined.membership, "_answers", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        joined.membership.join("data")
    assert eventually(lambda: joined.lost == [joined.membership])
    with pytest.raises(errors.OwnerGone):
        joined.membership.leave(["data"])


def test_a_member_that_is_stopped_holds_up_nobody() -> None:
    """When its buffer is full, events for it are lost."""
    ours, theirs = socket.socketpair()
    member = Member(ours, 0)
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        def tell() -> None:
            for _ in range(500):
                member.tell(event())

        telling = Background(tell)
        telling.join()
        assert telling.error is None
        member.offer({"leaving": True})
    member.close()


def test_an_owner_that_closes_still_answers_who_is_leaving(
    owner: Holding, joined: Joined
) -> None:
    """The last to leave is why it closes, and is owed its reports."""
    joined.membership.join("data")
    owner.open.clear()
    leaving = Background(lambda: joined.membership.leave(["data"]))
    assert owner.asked.wait(10)
    closing = Background(owner.broker.close)
    closing.join()
    owner.open.set()
    leaving.join()
    assert leaving.result == {"data": []}
    owner.broker = owner.serve()  # for whoever closes it after the test


def test_an_owner_that_leaves_waits_until_its_members_have_moved(
    owner: Holding,
) -> None:
    """Not before does it end what they hold; its place is free at once."""
    moved, asked = threading.Event(), threading.Event()

    def move(_: Membership) -> None:
        asked.set()
        moved.wait(10)

    membership = Membership(owner.broker.place, lambda _: None, move)
    membership.join("data")
    leaving = Background(owner.broker.hand_over)
    assert asked.wait(10)
    assert not owner.broker.place.is_ours()
    assert leaving.waiting
    assert owner.dismissed == []
    moved.set()
    leaving.join()
    assert owner.dismissed == ["data"]
