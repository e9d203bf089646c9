"""A sealed value is read where it lies, and only that much of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.errors import SecretBufferClosed
from mlsecrets.memory import Sealed, SecretBuffer


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text("ab"), st.text("ab"))
def test_it_reads_exactly_its_bytes(value: str, before: str, after: str) -> None:
    """Whatever lies beside it."""
    with SecretBuffer.of(before, value, after) as buffer:
        one = Sealed(buffer, *buffer.slots[1])
        assert one.text() == value
        assert len(one) == len(value.encode())
        with one.reading() as view:
            assert bytes(view) == value.encode()
            assert view.readonly


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (0, 6), (6, 0), (2, -1)])
def test_outside_of_the_buffer_is_refused(offset: int, length: int) -> None:
    """A wrong place is an error, never a shorter or another secret."""
    with SecretBuffer.of("12345") as buffer, pytest.raises(ValueError, match="5 bytes"):
        Sealed(buffer, offset, length)


def test_it_ends_with_its_buffer() -> None:
    """After the wipe there is neither reading nor revealing."""
    buffer = SecretBuffer.of("secret")
    one = Sealed(buffer, 0, 6)
    buffer.close()
    with pytest.raises(SecretBufferClosed):
        one.text()
    with pytest.raises(SecretBufferClosed), one.reading():
        pass


def test_its_view_ends_with_the_block() -> None:
    """Whoever keeps the view cannot read it, and whoever keeps a slice reads zeros."""
    buffer = SecretBuffer.of("secret")
    with Sealed(buffer, 0, 6).reading() as view:
        kept = view[:]
    with pytest.raises(ValueError, match="released"):
        view[0]
    buffer.close()
    assert bytes(kept) == bytes(6)


def test_it_keeps_its_buffer() -> None:
    """Passing it around is enough: the buffer is not dropped meanwhile."""
    one = Sealed(SecretBuffer.of("secret"), 0, 6)
    assert one.text() == "secret"
    one.buffer.close()
