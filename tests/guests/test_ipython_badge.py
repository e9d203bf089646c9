"""What a badge says in each state, told by the events of a real lease."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser

import pytest

from mlsecrets import Event, configure, hold, lease, release
from mlsecrets._tenant import tenant
from mlsecrets.devstack import DevStack
from mlsecrets_ipython._badge import Badge
from mlsecrets_ipython._followed import Followed
from mlsecrets_ipython._status import State, Status


class Pictures:
    """What was painted, as a front end would show it, last one last."""

    def __init__(self) -> None:
        self.badges: list[Badge] = []
        self.names: set[str] = set()
        self._painted = threading.Condition()

    def __call__(self, badge: Badge, name: str) -> None:
        with self._painted:
            self.badges.append(badge)
            self.names.add(name)
            self._painted.notify_all()

    def until(self, state: str) -> str:
        """The last one, once it shows a state."""
        assert self.await_that(lambda badge: f": {state}" in str(badge)), self.texts()
        return str(self.badges[-1])

    def await_that(self, like: Callable[[Badge], bool]) -> bool:
        """Whether the last one is like that, in time."""
        with self._painted:
            return self._painted.wait_for(lambda: like(self.badges[-1]), 30)

    def texts(self) -> list[str]:
        return [str(badge) for badge in self.badges]


@pytest.fixture
def pictures() -> Pictures:
    return Pictures()


@pytest.fixture
def issuer(platform: DevStack) -> Iterator[int]:
    """OpenBao's process; it runs again afterwards."""
    pid = platform.processes["openbao"]
    yield pid
    os.kill(pid, signal.SIGCONT)


@pytest.fixture
def patient_issuer(patient: DevStack) -> Iterator[int]:
    """The same; its leases live so long that each state lasts, on a busy machine."""
    pid = patient.processes["openbao"]
    yield pid
    os.kill(pid, signal.SIGCONT)


def shown(followed: Followed, pictures: Pictures) -> Followed:
    followed.shown_in = 1
    followed.paint(pictures)
    return followed


TIME = r"\d\d:\d\d:\d\d \S+"


def test_it_goes_through_every_state(patient_issuer: int, pictures: Pictures) -> None:
    """Open, renewal failing, doomed, expired, open again, ended; one display."""
    held = hold("train-data")
    followed = shown(Followed(held, pictures), pictures)
    assert re.fullmatch(
        rf"● train-data: open until {TIME} \(\d+ s left at {TIME}\), generation 1",
        pictures.texts()[0],
    )
    os.kill(patient_issuer, signal.SIGSTOP)
    failing = pictures.until("renewal failing")
    assert re.search(rf"failing, valid until {TIME}", failing)
    assert failing.endswith("generation 1: the issuer is away (IssuerUnavailable)")
    doomed = pictures.until("doomed")
    assert re.search(rf"doomed, ends at {TIME} \(\d+ s left", doomed)
    # Nobody reads, so nothing but time tells.
    assert re.search(rf"expired at {TIME}, generation 1: ", pictures.until("expired"))
    # Another display of it waits for no issuer.
    assert followed.follows(held)
    os.kill(patient_issuer, signal.SIGCONT)
    assert "generation 2" in pictures.until("open")
    release("train-data")
    assert re.search(
        rf"ended at {TIME}, generation 2: revoked", pictures.until("ended")
    )
    assert not followed.follows(held)
    assert len(pictures.names) == 1
    assert len(pictures.badges) < 12
    # It has let go: whatever thread it had ends.
    assert followed._timer is None
    again = shown(Followed(held, None), pictures)
    assert "ended at" in pictures.texts()[-1]
    assert again._unsubscribe is None


@pytest.mark.usefixtures("platform")
def test_the_display_of_a_dead_lease_waits_for_no_issuer(
    issuer: int, pictures: Pictures
) -> None:
    """It is shown first, and told of later."""
    with lease("train-data") as held:
        until = held.expires_at
        os.kill(issuer, signal.SIGSTOP)
        dies = threading.Event()
        held.subscribe(lambda event: dies.set(), "expired")
        reader = threading.Thread(target=lambda: held.snapshot().terms)
        assert not dies.wait(until - time.time() + 0.05)
        reader.start()
        assert dies.wait(30)
        followed = shown(Followed(held, pictures), pictures)
        assert pictures.texts()[0] == "● train-data: open"
        os.kill(issuer, signal.SIGCONT)
        assert "open until" in pictures.until("open until")
        reader.join()
    assert "ended at" in pictures.until("ended")
    assert not followed.follows(held)


def test_it_follows_to_another_owner(platform: DevStack, pictures: Pictures) -> None:
    """A keeper that is killed tells nothing; what the next one has is seen in time."""
    configure(platform.manifest_path, keeper="process")
    held = hold("train-data")
    shown(Followed(held, pictures), pictures)
    os.kill(tenant()._membership.owner, signal.SIGKILL)  # type: ignore[union-attr]
    first = pictures.badges[0].status.until
    assert first is not None
    assert pictures.await_that(lambda badge: (badge.status.until or 0.0) > first)
    assert str(pictures.badges[-1]).startswith("● train-data: open until")
    release("train-data")
    assert pictures.until("ended").endswith(": revoked")


def told(status: Status, *events: tuple[str, Mapping[str, object]]) -> Status:
    for name, detail in events:
        status = status.after(Event(name, status.scope, 500.0, 1, detail))
    return status


FIRST = ("issued", {"generation": 1, "expires_at": 100.0})
SECOND = ("replaced", {"generation": 2, "expires_at": 200.0})


def test_the_end_of_an_old_generation_is_not_the_end() -> None:
    """Nor does an end tell how another generation ended."""
    status = told(Status("a"), FIRST, SECOND, ("revoked", {"generation": 1}))
    assert status == Status("a", State.OPEN, 200.0, 2)
    ended = told(status, ("ends_at_ttl", {"generation": 2}), ("shredded", {}))
    assert ended == Status("a", State.ENDED, 500.0, 2, "ends at TTL")
    assert told(status, ("shredded", {})).told is State.ENDED


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert {name for name, _ in attrs} <= {"style", "role", "aria-hidden"}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("state", State)
def test_html_says_what_the_text_says(state: State) -> None:
    """With nothing that a front end strips, and nothing of a name that is code."""
    badge = Badge(Status("<script>&", state, 200.0, 2, "<b>why</b>"), 100.0)
    elements = _Elements()
    elements.feed(badge.html())
    assert elements.text == str(badge)
    assert set(elements.tags) == {"div", "span", "b"}
    assert badge._repr_mimebundle_() == {
        "text/plain": str(badge),
        "text/html": badge.html(),
    }
