"""JSON is read where it lies, as the standard library reads it, or not at all."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.issuers._sealed_json import (
    DEEPEST,
    LONGEST_NAME,
    LONGEST_NUMBER,
    NotJSON,
    Value,
    read_json,
    read_object,
)
from mlsecrets.memory import Sealed, SecretBuffer

#: What lies around the body in its buffer.
BEFORE, AFTER = b'{"', b'"}'


class Body:
    """A text in locked memory, with something else around it."""

    def __init__(self, text: bytes) -> None:
        self.buffer = SecretBuffer.of(BEFORE, text, AFTER)
        self.sealed = Sealed(self.buffer, *self.buffer.slots[1])

    def content(self) -> bytes:
        with self.buffer.reading() as view:
            return bytes(view)

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        self.buffer.close()


def revealed(value: Value) -> Any:
    if isinstance(value, Sealed):
        return value.text()
    if isinstance(value, dict):
        return {name: revealed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [revealed(inner) for inner in value]
    return value


def ours(text: bytes) -> Any:
    """What we read, as plain values; whatever lies around it stays as it is."""
    with Body(text) as body:
        try:
            return revealed(read_json(body.sealed))
        finally:
            content = body.content()
            assert (content[:2], content[-2:]) == (BEFORE, AFTER)
            assert len(content) == len(text) + 4


class Stricter(ValueError):
    """One of the rules that the standard library does not have."""


def _refused(constant: str) -> None:
    raise Stricter(constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, _ in pairs:
        if len(name.encode()) > LONGEST_NAME:
            raise Stricter("name")
    if len(dict(pairs)) < len(pairs):
        raise Stricter("twice")
    return dict(pairs)


def _short(kind: Any) -> Any:
    def convert(digits: str) -> Any:
        if len(digits) > LONGEST_NUMBER:
            raise Stricter("number")
        return kind(digits)

    return convert


def _depth(value: Any) -> int:
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(_depth, inner), default=0)
    return 0


def theirs(text: bytes) -> Any:
    """What the standard library reads, by our stricter rules.

    Raises:
        ValueError: nothing.
    """
    value = json.loads(
        text.decode(),
        parse_constant=_refused,
        parse_int=_short(int),
        parse_float=_short(float),
        object_pairs_hook=_unique,
    )
    json.dumps(value, ensure_ascii=False).encode()  # no half of a surrogate pair
    if _depth(value) > DEEPEST:
        raise Stricter("deep")
    return value


def outcome(read: Any, text: bytes) -> Any:
    try:
        return "read", read(text)
    except (ValueError, RecursionError):
        return "refused"


# -- texts -----------------------------------------------------------------------------

space = st.text(" \t\r\n", max_size=2)


def escaped(character: str) -> st.SearchStrategy[str]:
    """Every spelling of a character in a JSON string."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    spelled = "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))
    forms = [spelled, spelled.upper().replace("\\U", "\\u")]
    short = json.dumps(character)[1:-1]
    if len(short) == 2:
        forms.append(short)
    if character == "/":
        forms.append("\\/")
    if character >= " " and character not in '"\\':
        forms += [character] * 4
    return st.sampled_from(forms)


strings = st.text(max_size=12).flatmap(
    lambda text: st.tuples(*map(escaped, text)).map(lambda c: f'"{"".join(c)}"')
)
numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


def spaced(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    mixed = [space]
    for part in parts:
        mixed += [part, space]
    return st.tuples(*mixed).map("".join)


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = spaced(strings, st.just(":"), inner)
    return st.lists(inner, max_size=4).map(lambda v: f"[{','.join(v)}]") | st.lists(
        pair, max_size=4
    ).map(lambda v: f"{{{','.join(v)}}}")


documents = st.recursive(
    spaced(strings | numbers | st.sampled_from(["true", "false", "null"])),
    lambda inner: spaced(containers(inner) | st.sampled_from(["[ ]", "{\n}"])),
    max_leaves=12,
).map(str.encode)

#: Pieces that texts go wrong with.
PIECES = [
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00"),
    *(
        b"\\u00e9",
        b"\\x",
        b"true",
        b"nul",
        b"NaN",
        b"Infinity",
        b"-",
        b"01",
        b"1.",
        b"1e",
    ),
    *(
        b"1e5",
        b"\x00",
        b"\x1f",
        b"\x7f",
        b"\x0b",
        b"\xc3\xa9",
        b"\xc3",
        b"\xed\xa0\x80",
    ),
    *(b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\xf5", b" ", b'"a"', b'"a":1', b"\\/"),
]


@given(documents)
def test_a_document_is_read_as_the_standard_library_reads_it(text: bytes) -> None:
    """Whatever the white space, and however its characters are spelled."""
    assert outcome(ours, text) == outcome(theirs, text)


@given(documents, st.data())
def test_a_spoilt_document_is_judged_alike(text: bytes, data: st.DataObject) -> None:
    """Something is put in, taken away or repeated somewhere."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 3, len(text))))
    piece = data.draw(st.sampled_from([b"", *PIECES]))
    spoilt = text[:start] + piece + text[end:]
    assert outcome(ours, spoilt) == outcome(theirs, spoilt)


@given(st.binary(max_size=40) | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_any_bytes_are_judged_alike(text: bytes) -> None:
    """Nothing else than "not JSON" ever comes of them."""
    assert outcome(ours, text) == outcome(theirs, text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nope",
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 1}',
        b"NaN",
        b"[-Infinity]",
        b'"\\ud83d"',
        b'"\\ude00\\ud83d"',
        b'"\xed\xa0\xbd"',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"' + b"n" * (LONGEST_NAME + 1) + b'": 1}',
        b"1" * (LONGEST_NUMBER + 1),
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_refused(text: bytes) -> None:
    """Nothing of it is quoted, and the objects-only reader answers with nothing."""
    with Body(text) as body, pytest.raises(NotJSON) as caught:
        read_json(body.sealed)
    assert str(caught.value) == ""
    with Body(text) as body:
        assert read_object(body.sealed) is None


@pytest.mark.parametrize("text", [b"null", b"[]", b'"text"', b"7"])
def test_an_answer_has_to_be_an_object(text: bytes) -> None:
    """Whatever else is JSON is no answer of an issuer's."""
    with Body(text) as body:
        assert read_object(body.sealed) is None


def test_the_limits_themselves_are_within_them() -> None:
    """So that the refusals above are for one byte more."""
    name = "n" * LONGEST_NAME
    assert ours(f'{{"{name}": 1}}'.encode()) == {name: 1}
    number = "1" * LONGEST_NUMBER
    assert ours(number.encode()) == int(number)
    assert _depth(ours(b"[" * DEEPEST + b"]" * DEEPEST)) == DEEPEST


def test_strings_lie_where_they_lay() -> None:
    """Un-escaped in place: in the same buffer, and nothing of the longer form left."""
    text = b'{"token": "a\\u00e9\\ud83d\\ude00\\nz", "other": "plain"}'
    with Body(text) as body:
        read = read_object(body.sealed)
        assert read is not None
        token, other = read["token"], read["other"]
        assert isinstance(token, Sealed)
        assert isinstance(other, Sealed)
        assert token.buffer is other.buffer is body.buffer
        assert token.text() == "a\u00e9\U0001f600\nz"
        assert other.text() == "plain"
        content = body.content()
        assert content[token.offset + token.length :].startswith(bytes(13) + b'", "ot')
        assert re.search(rb"\\u|00e9|de00", content) is None


def test_a_long_plain_string_is_one_step() -> None:
    """And a long one of other characters is read in bounded memory."""
    for text in ("x" * 1_000_000, "é" * 400_000, "xé" * 200_000):
        assert ours(json.dumps(text, ensure_ascii=False).encode()) == text


def test_a_body_that_was_wiped_is_not_read() -> None:
    """It says so, and does not pretend that it was malformed."""
    body = Body(b"{}")
    body.buffer.close()
    with pytest.raises(Exception, match="closed"):
        read_object(body.sealed)
