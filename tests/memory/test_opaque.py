"""A secret buffer gives its content to nothing that did not ask for it by name."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING

import pytest

from mlsecrets.memory import SecretBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def buffer() -> Iterator[SecretBuffer]:
    """An open buffer that holds the word s3cret."""
    with SecretBuffer.of("s3cret") as opened:
        yield opened


@pytest.mark.parametrize(
    "show", [repr, str, format, "{:>40}".format, "%s".__mod__, lambda b: f"{b!r:.40}"]
)
def test_showing_it_shows_size_and_state(
    buffer: SecretBuffer, show: Callable[[object], str]
) -> None:
    """Every way to make text of it gives the same harmless text."""
    assert "SecretBuffer 6 bytes, " in show(buffer)
    assert "s3cret" not in show(buffer)
    buffer.close()
    assert "SecretBuffer 6 bytes, closed" in show(buffer)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_does_not_pickle(buffer: SecretBuffer, protocol: int) -> None:
    """No protocol takes it, and the refusal says what to send instead."""
    with pytest.raises(TypeError, match="send the lease's reference"):
        pickle.dumps(buffer, protocol)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_it_does_not_copy(
    buffer: SecretBuffer, make: Callable[[object], object]
) -> None:
    """A copy would be a secret that nobody closes."""
    with pytest.raises(TypeError, match="does not copy"):
        make(buffer)


@pytest.mark.parametrize(
    "take",
    [bytes, bytearray, memoryview, list, len, iter, vars, json.dumps],
)
def test_it_is_not_a_container(
    buffer: SecretBuffer, take: Callable[[object], object]
) -> None:
    """Nothing that takes bytes, sequences or plain objects takes it."""
    with pytest.raises(TypeError):
        take(buffer)


@pytest.mark.parametrize("method", ["__reduce__", "__getstate__"])
def test_asking_for_its_state_is_refused(buffer: SecretBuffer, method: str) -> None:
    """The hooks that serialisers call by themselves are closed too."""
    with pytest.raises(TypeError, match="does not pickle"):
        getattr(buffer, method)()


def test_equal_secrets_are_not_equal_objects(buffer: SecretBuffer) -> None:
    """== compares identity; comparing content is `equals`, and takes constant time."""
    with SecretBuffer.of("s3cret") as other:
        assert buffer != other
        assert buffer.equals(other)
