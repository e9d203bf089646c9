"""The encoder without intermediate objects agrees with Python's."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlsecrets.memory import SecretBuffer, count_copies
from mlsecrets.memory._utf8 import encode_into, encoded_length


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff")
def test_it_is_utf_8(text: str) -> None:
    """Length and bytes are those of str.encode."""
    target = bytearray(encoded_length(text))
    encode_into(text, memoryview(target))
    assert bytes(target) == text.encode()


class Word(str):
    """Its characters may lie elsewhere than those of a `str`."""

    __slots__ = ()


def test_kinds_of_str_are_encoded_as_well() -> None:
    """By characters, where their place is not known."""
    target = bytearray(5)
    encode_into(Word("plain"), memoryview(target))
    assert target == b"plain"


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize("after", ["", "é"])
def test_encoding_makes_no_other_copy(
    after: str, fresh_secret: Callable[[int], SecretBuffer]
) -> None:
    """What there was before, one `str`, is all there is afterwards."""
    with fresh_secret(200) as secret:
        text = secret.text()
        if after:
            text += after
        before = count_copies([secret]).copies
        with SecretBuffer.of(text) as buffer:
            assert buffer.size == 200 + 2 * len(after)
            assert count_copies([secret]).copies == before >= 1
