"""What holds a secret gives it to nothing that did not ask for it by name."""

from __future__ import annotations

import copy
import dataclasses
import hmac
import io
import json
import pickle
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeAlias

import pytest

from mlsecrets.credentials import AWSCredentials, BearerToken, UsernamePassword
from mlsecrets.memory import Draft, Opaque, Sealed, SecretBuffer

SECRET = "s3cret"

Thing: TypeAlias = "SecretBuffer | Sealed | Draft | AWSCredentials | BearerToken"


def sealed() -> Sealed:
    """The secret in the middle of a buffer."""
    return Sealed(SecretBuffer.of("before", SECRET, "after"), 6, 6)


def draft() -> Draft:
    """A text that ends in the secret."""
    return Draft().add("Bearer ").add_secret(sealed())


MAKERS: dict[str, Callable[[], Any]] = {
    "<SecretBuffer 6 bytes, ": lambda: SecretBuffer.of(SECRET),
    "<Sealed 6 bytes>": sealed,
    "<Draft 13 bytes>": draft,
    "<AWSCredentials access_key_id=AKID": lambda: AWSCredentials.of(
        "AKID", SECRET, "token"
    ),
    "<BearerToken": lambda: BearerToken.of(SECRET),
    "<UsernamePassword username=job": lambda: UsernamePassword.of("job", SECRET),
}


@pytest.fixture(params=MAKERS, ids=lambda shown: shown[1:].split()[0].strip("<"))
def shown(request: pytest.FixtureRequest) -> str:
    """How the representation of a thing with a secret begins."""
    text: str = request.param
    return text


@pytest.fixture
def thing(shown: str) -> Iterator[Any]:
    """Something open that holds the word s3cret."""
    made = MAKERS[shown]()
    yield made
    (made.buffer if isinstance(made, Sealed) else made).close()


@pytest.fixture
def buffer() -> Iterator[SecretBuffer]:
    """An open buffer that holds the word s3cret."""
    with SecretBuffer.of(SECRET) as opened:
        yield opened


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        "{}".format,
        "{:>40}".format,
        "%s".__mod__,
        lambda b: f"{b}",
        lambda b: f"{b!r:.60}",
        lambda b: f"{[b]}",
        lambda b: f"{({'secret': b},)}",
        lambda b: str(ValueError(b)),
        lambda b: json.dumps({"secret": b}, default=str),
        lambda b: json.dumps([b], default=repr),
    ],
)
def test_showing_it_shows_what_it_is(
    thing: Thing, shown: str, show: Callable[[object], str]
) -> None:
    """Every way to make text of it gives the same harmless text."""
    assert shown in show(thing)
    assert SECRET not in show(thing)


def test_a_closed_buffer_says_so(buffer: SecretBuffer) -> None:
    """Size and state, and nothing else."""
    buffer.close()
    assert repr(buffer) == "<SecretBuffer 6 bytes, closed>"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"model": [x]}])
def test_it_does_not_pickle(
    thing: Thing, protocol: int, wrap: Callable[[object], object]
) -> None:
    """No protocol takes it, not even inside of something; what to send is said."""
    with pytest.raises(TypeError, match="does not pickle; send "):
        pickle.dumps(wrap(thing), protocol)


class _TensorPickler(pickle._Pickler):
    """As torch.save: pure Python, storages by persistent id."""

    def persistent_id(self, obj: object) -> object:
        return None


@pytest.mark.parametrize("pickler", [_TensorPickler, pickle.Pickler, ForkingPickler])
def test_no_pickler_of_others_takes_it(
    thing: Thing, pickler: Callable[[io.BytesIO], Any]
) -> None:
    """A checkpoint or a queue would carry it to a disk or another process."""
    out = io.BytesIO()
    with pytest.raises(TypeError, match="does not pickle"):
        pickler(out).dump({"state_dict": {}, "hyper_parameters": {"secret": thing}})
    assert SECRET.encode() not in out.getvalue()


def test_cloudpickle_does_not_take_it(thing: Thing) -> None:
    """Nor when it is captured by a function that is sent."""
    cloudpickle = pytest.importorskip("cloudpickle")
    with pytest.raises(TypeError, match="does not pickle"):
        cloudpickle.dumps(lambda: thing)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_it_does_not_copy(thing: Thing, make: Callable[[object], object]) -> None:
    """A copy would be a secret that nobody closes."""
    with pytest.raises(TypeError, match="does not copy"):
        make(thing)


def test_it_does_not_copy_inside_of_a_dataclass(thing: Thing) -> None:
    """`asdict` copies deeply, and so do those who save hyperparameters."""

    @dataclasses.dataclass
    class Options:
        secret: object

    with pytest.raises(TypeError, match="does not copy"):
        dataclasses.asdict(Options(thing))


@pytest.mark.parametrize(
    "take", [bytearray, memoryview, list, iter, vars, dict, json.dumps, b"".join]
)
def test_it_is_not_a_container(thing: Thing, take: Callable[[Any], object]) -> None:
    """Nothing that takes bytes, sequences or plain objects takes it."""
    with pytest.raises(TypeError):
        take(thing)


@pytest.mark.parametrize("method", ["__reduce__", "__getstate__"])
def test_asking_for_its_state_is_refused(thing: Thing, method: str) -> None:
    """The hooks that serialisers call by themselves are closed too."""
    with pytest.raises(TypeError, match="does not pickle"):
        getattr(thing, method)()


def test_equal_secrets_are_not_equal_objects(thing: Thing, shown: str) -> None:
    """== compares identity, and so looks at no secret: it cannot leak by its time."""
    other = MAKERS[shown]()
    assert isinstance(thing, Opaque)
    assert type(thing).__eq__ is object.__eq__
    assert type(thing).__hash__ is object.__hash__
    assert thing != other
    assert thing == thing  # noqa: PLR0124 (that it is itself is the point)
    with pytest.raises(TypeError):
        thing < other  # noqa: B015
    (other.buffer if isinstance(other, Sealed) else other).close()


def test_content_is_compared_in_constant_time(
    buffer: SecretBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the standard library's comparison that was made for it, and all at once."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def watched(mine: memoryview, theirs: memoryview) -> bool:
        compared.append((len(mine), len(theirs)))
        return compare(mine, theirs)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    with SecretBuffer.of(SECRET) as same, SecretBuffer.of("s3creT") as different:
        assert buffer.equals(same)
        assert not buffer.equals(different)
    assert compared == [(6, 6), (6, 6)]
