"""The text that stands for a secret."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets._placeholder import TAG, Placeholder, basic_pair, in_header, pieces

placeholders = st.builds(
    Placeholder,
    st.text("ab0-", max_size=9).map("s".__add__),
    st.text("ab_", min_size=1, max_size=9),
)
others = st.binary().filter(lambda raw: b"~" not in raw)


@given(st.lists(st.tuples(others, placeholders), max_size=4), others)
def test_a_text_is_cut_where_secrets_belong(
    parts: list[tuple[bytes, Placeholder]], last: bytes
) -> None:
    """And what is around them stays what it was."""
    text = b"".join(raw + str(one).encode() for raw, one in parts) + last
    found = list(pieces(text))
    assert found == [piece for pair in parts for piece in pair] + [last]


@given(placeholders)
def test_nothing_spells_it_in_another_way(one: Placeholder) -> None:
    """It is found in a URL, a form and JSON, so that it can be refused there."""
    text = str(one)
    assert quote(text, safe="") == quote_plus(text) == text
    assert json.dumps(text) == f'"{text}"'


@given(placeholders, st.data())
def test_one_that_was_cut_is_no_text(one: Placeholder, data: st.DataObject) -> None:
    """Whatever is left after the tag."""
    text = str(one).encode()
    end = data.draw(st.integers(len(TAG), len(text) - 1))
    with pytest.raises(ValueError, match="cut or changed"):
        list(pieces(text[:end]))


@given(others, placeholders)
def test_one_that_was_encoded_is_found(user: bytes, one: Placeholder) -> None:
    """As the user or the password of a Basic credential."""
    pair = user + b":" + str(one).encode()
    encoded = b" Basic " + base64.b64encode(pair)
    assert basic_pair(encoded) == in_header(encoded) == pair
    assert in_header(encoded.decode()) == pair


@given(st.binary().filter(lambda raw: TAG not in raw))
def test_anything_else_holds_none(value: bytes) -> None:
    """Not even what looks like base64 and is none."""
    for text in (value, b"Basic " + value, b"Basic " + base64.b64encode(value)):
        assert in_header(text) == b""
