"""The encoder without intermediate objects agrees with Python's."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from mlsecrets.memory._utf8 import encode_into, encoded_length


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff")
def test_it_is_utf_8(text: str) -> None:
    """Length and bytes are those of str.encode."""
    target = bytearray(encoded_length(text))
    encode_into(text, memoryview(target))
    assert bytes(target) == text.encode()
