"""What a reference is to others: a key, a token, a small pickle; and no secret."""

from __future__ import annotations

import base64
import copy
import functools
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import cloudpickle
import fsspec.utils
import joblib
import pytest

from mlsecrets import Lease
from mlsecrets._broker._socket import connect
from mlsecrets._broker.attach import Attachment
from mlsecrets._bundle import Bundle
from mlsecrets._reference import Reference
from mlsecrets._reservation import Reservation
from mlsecrets.testing import FakeClock
from tests.broker.owner import Owner

#: In another interpreter: what it gets as a pickle is found, and says the same there.
ELSEWHERE = """
import base64, pickle, sys
import fsspec.utils, joblib
from mlsecrets import Reference
book, asked = pickle.loads(base64.b64decode(sys.argv[1]))
own = Reference("data")
assert book[own] == book[asked] == "here", book
assert own == asked and hash(own) == hash(asked)
print(repr(asked), fsspec.utils.tokenize(own, ref=asked), joblib.hash(asked))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_it_is_the_same_key_in_every_process(seed: str) -> None:
    """Whatever the seed of its interpreter's hashes, and whoever wrote it down."""
    reference = Reference("data", "/run/x/socket", 7)
    book = {reference: "here", Reference("models"): "there"}
    sent = base64.b64encode(pickle.dumps((book, reference))).decode()
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, sent],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    shown, token, hashed = done.stdout.rsplit(maxsplit=2)
    assert shown == "Reference(scope='data')"
    assert token == fsspec.utils.tokenize(reference, ref=Reference("data"))
    assert hashed == joblib.hash(reference)


def test_its_token_is_its_scopes() -> None:
    """Caches that go by its repr tell two scopes apart, and two owners not."""
    token = fsspec.utils.tokenize
    assert token(Reference("data", "/run/x/socket", 7)) == token(Reference("data"))
    assert token(Reference("data")) != token(Reference("models"))
    assert Reference("data") != Reference("models")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_of_it_is_as_good(again: Callable[[Reference], Reference]) -> None:
    """Frameworks copy their options; where to ask goes along."""
    copied = again(Reference("data", "/run/x/socket", 7))
    assert (copied.scope, copied.socket, copied.owner) == ("data", "/run/x/socket", 7)


# -- one cached snapshot for each process --------------------------------------------


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each connection to an owner, as they are made."""
    asked: list[Path] = []

    def counted(path: Path, *args: Any) -> Any:
        asked.append(path)
        return connect(path, *args)

    monkeypatch.setattr(f"{Attachment.__module__}.connect", counted)
    return asked


def test_all_references_of_a_process_share_one_snapshot(
    owner: Owner, questions: list[Path]
) -> None:
    """One question for all of them, however they came here."""
    sent = pickle.dumps(Reference("data", str(owner.broker.path)))
    grants = [
        reference.source().snapshot()
        for reference in (Reference("data"), pickle.loads(sent), pickle.loads(sent))
        for _ in range(100)
    ]
    assert all(grant is grants[0] for grant in grants)
    assert len(questions) == 1


def test_a_snapshot_is_kept_until_the_owners_renewal(
    owner: Owner, questions: list[Path]
) -> None:
    """No question before it, one after it, though nothing was renewed early."""
    clock = FakeClock()
    source = Attachment(owner.broker.path, clock).source("data")
    source.snapshot()
    due = owner.live.next_renewal() - owner.live.clock.monotonic()
    clock.advance(due - 1)
    source.snapshot()
    assert len(questions) == 1
    clock.advance(2)
    source.snapshot()
    assert len(questions) == 2


# -- what holds a lease travels as a reference; what holds a secret does not ----------


@dataclass
class Options:
    """Such as a program has."""

    credentials: object


class Job:
    """Such as a framework sends: by its bound method."""

    def __init__(self, held: object) -> None:
        self.held = held

    def run(self) -> object:
        return self.held


def ready(held: object, number: int = 0) -> object:
    """A function that is given something in advance."""
    return held


def captured(held: object) -> Callable[[], object]:
    return lambda: held


def captured_deeply(held: object) -> Callable[[], object]:
    def outer() -> Callable[[], object]:
        return lambda: [held]

    return outer


def as_default(held: object) -> Callable[[], object]:
    def function(held: object = held) -> object:
        return held

    return function


def as_keyword_default(held: object) -> Callable[[], object]:
    def function(*, held: object = held) -> object:
        return held

    return function


def in_class(held: object) -> type:
    class Local:
        attribute = held

    return Local


#: What the standard pickler takes.
PLAIN: dict[str, Callable[[Any], Any]] = {
    "itself": lambda held: held,
    "dictionary": lambda held: {"storage_options": {"extra": [held]}},
    "dataclass": Options,
    "partial": lambda held: functools.partial(ready, held, number=1),
    "keyword of a partial": lambda held: functools.partial(ready, held=held),
    "method": lambda held: Job(held).run,
    "error": lambda held: ValueError("odd", held),
}
#: What only cloudpickle takes: functions and classes that are made on the way.
LOCAL: dict[str, Callable[[Any], Any]] = {
    "closure": captured,
    "closure of a closure": captured_deeply,
    "default": as_default,
    "keyword default": as_keyword_default,
    "class": in_class,
    "partial of a closure": lambda held: functools.partial(captured(held)),
}
PICKLERS: dict[str, Callable[[Any], bytes]] = {
    "pickle": pickle.dumps,
    "multiprocessing": lambda thing: bytes(ForkingPickler.dumps(thing)),
    "joblib": lambda thing: b"".join(_dumped_by_joblib(thing)),
    "cloudpickle": cloudpickle.dumps,
}
WAYS = [
    pytest.param(PICKLERS[pickler], put, id=f"{pickler}, {name}")
    for pickler in PICKLERS
    for name, put in (PLAIN | (LOCAL if pickler == "cloudpickle" else {})).items()
]


def _dumped_by_joblib(thing: object) -> Iterator[bytes]:
    out = io.BytesIO()
    joblib.dump(thing, out)
    yield out.getvalue()


RAW: dict[str, Callable[[Owner], Any]] = {
    "snapshot": lambda owner: owner.live.snapshot(patient=False),
    "credentials": lambda owner: owner.live.snapshot(patient=False).credentials,
    "sealed value": lambda owner: RAW["credentials"](owner).sealed("token"),
    "buffer": lambda owner: RAW["credentials"](owner).buffer,
    "revealing method": lambda owner: RAW["credentials"](owner).reveal,
    "reservation": lambda owner: Reservation(owner.live, 1.0),
}


def refused(owner: Owner, raw: str, send: Callable[[Any], bytes]) -> str:
    """What is said to somebody who sends such a thing."""
    with pytest.raises(TypeError, match="does not pickle; send the lease") as error:
        send(RAW[raw](owner))
    return str(error.value)


@pytest.mark.parametrize("pickler", PICKLERS)
@pytest.mark.parametrize("raw", RAW)
def test_a_raw_credential_refuses_to_travel(
    owner: Owner, raw: str, pickler: str
) -> None:
    """Whatever holds the secret, and the error says what to send."""
    assert "fake-token" not in refused(owner, raw, PICKLERS[pickler])


@pytest.mark.parametrize(("send", "put"), WAYS)
def test_a_raw_credential_refuses_to_travel_in_something(
    owner: Owner, send: Callable[[Any], bytes], put: Callable[[Any], Any]
) -> None:
    """However deep it is in what is sent."""
    said = refused(owner, "snapshot", lambda held: send(put(held)))
    assert "fake-token" not in said


@pytest.mark.parametrize(("send", "put"), WAYS)
def test_a_lease_travels_as_its_reference(
    owner: Owner, send: Callable[[Any], bytes], put: Callable[[Any], Any]
) -> None:
    """In the same places, also as one of several; nothing but its name is sent."""
    reference = Reference("data", str(owner.broker.path), os.getpid())
    data = Lease(reference, owner.live)
    RAW["credentials"](owner).reveal("token")
    for held in (data, reference, Bundle({"data": data})):
        sent = send(put(held))
        assert b"fake-token" not in sent
        assert str(owner.broker.path).encode() in sent
