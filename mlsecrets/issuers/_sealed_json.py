"""JSON (RFC 8259) whose strings never leave locked memory.

One walk over the text. Strings are un-escaped where they lie and come out as `Sealed`;
names, numbers and literals are public and come out as Python values. Stricter than the
standard library's reader: UTF-8 only and without a byte order mark, no NaN or Infinity,
no half of a surrogate pair, no name twice in an object, names up to `LONGEST_NAME`
bytes, numbers up to `LONGEST_NUMBER` digits, nesting up to `DEEPEST`.
"""

from __future__ import annotations

import re
from typing import TypeAlias, Union

from ..memory import Sealed
from ._in_place import DIGITS, Rewrite, end_of, is_utf8, rewriting

Value: TypeAlias = Union[Sealed, "Object", list["Value"], int, float, bool, None]
Object: TypeAlias = dict[str, Value]

#: Bytes of a name, which becomes a `str`; issuers' own have under 40.
LONGEST_NAME = 128
LONGEST_NUMBER = 64
#: Objects and lists in each other; issuers' own answers go 4 deep.
DEEPEST = 64

_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]+')
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_AGAIN = re.compile(rb"\\u")
_LITERALS = {b"true": True, b"false": False, b"null": None}
#: What follows a backslash, and what it stands for.
_ESCAPES = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True))
_QUOTE, _BACKSLASH, _COMMA, _COLON, _U = b'"\\,:u'
_HIGH, _LOW = range(0xD800, 0xDC00), range(0xDC00, 0xE000)
_END = -1  # no byte


class NotJSON(ValueError):
    """Malformed, or stricter rules broken; nothing is quoted."""


def read_object(body: Sealed) -> Object | None:
    """The JSON object in a body; None if there is none. See `read_json`."""
    try:
        value = read_json(body)
    except NotJSON:
        return None
    return value if isinstance(value, dict) else None


def read_json(body: Sealed) -> Value:
    """What a text says.

    It is rewritten on the way, so it can be read only once; the strings lie in it, and
    are gone when it is wiped.

    Raises:
        NotJSON: it is not JSON by the rules above.
    """
    with rewriting(body) as view:
        return _Reader(body, view).document()


class _Reader:
    def __init__(self, body: Sealed, view: memoryview) -> None:
        self._body = body
        self._view = view
        self._at = 0

    def document(self) -> Value:
        if not is_utf8(self._view):
            raise NotJSON
        value = self._value(DEEPEST)
        if self._next() != _END:
            raise NotJSON
        return value

    def _next(self) -> int:
        """The byte that is not white space, not taken yet."""
        self._at = end_of(_SPACE, self._view, self._at)
        return self._byte()

    def _byte(self) -> int:
        return self._view[self._at] if self._at < len(self._view) else _END

    def _takes(self, byte: int) -> bool:
        """Take the next byte if it is this one."""
        if self._next() != byte:
            return False
        self._at += 1
        return True

    def _must_take(self, byte: int) -> None:
        if not self._takes(byte):
            raise NotJSON

    def _value(self, depth: int) -> Value:
        first = self._next()
        if first == _QUOTE:
            start, length = self._string()
            return Sealed(self._body.buffer, self._body.offset + start, length)
        if first == ord("{"):
            return self._object(depth)
        if first == ord("["):
            return self._list(depth)
        for literal, value in _LITERALS.items():
            if first == literal[0]:
                self._literal(literal)
                return value
        return self._number()

    def _object(self, depth: int) -> Object:
        if depth == 0:
            raise NotJSON
        self._at += 1
        found: Object = {}
        if self._takes(ord("}")):
            return found
        while True:
            name = self._name()
            if name in found:
                raise NotJSON
            self._must_take(_COLON)
            found[name] = self._value(depth - 1)
            if not self._takes(_COMMA):
                self._must_take(ord("}"))
                return found

    def _list(self, depth: int) -> list[Value]:
        if depth == 0:
            raise NotJSON
        self._at += 1
        found: list[Value] = []
        if self._takes(ord("]")):
            return found
        while True:
            found.append(self._value(depth - 1))
            if not self._takes(_COMMA):
                self._must_take(ord("]"))
                return found

    def _name(self) -> str:
        if self._next() != _QUOTE:
            raise NotJSON
        start, length = self._string()
        if length > LONGEST_NAME:
            raise NotJSON
        return str(self._view[start : start + length], "utf-8")

    def _literal(self, literal: bytes) -> None:
        end = self._at + len(literal)
        if self._view[self._at : end] != literal:
            raise NotJSON
        self._at = end

    def _number(self) -> int | float:
        start, end = self._at, end_of(_NUMBER, self._view, self._at)
        if not 0 < end - start <= LONGEST_NUMBER:
            raise NotJSON
        self._at = end
        if end_of(_INTEGER, self._view, start) == end:
            return int(self._view[start:end])
        return float(self._view[start:end])

    def _string(self) -> tuple[int, int]:
        """Un-escape the string that begins here: where it starts, and its length."""
        self._at += 1
        text = Rewrite(self._view, self._at)
        while True:
            end = end_of(_PLAIN, self._view, self._at)
            text.keep(self._at, end)
            self._at = end
            byte = self._byte()
            if byte == _QUOTE:
                self._at += 1
                return text.start, text.finish(end)
            if byte != _BACKSLASH:
                raise NotJSON
            text.put(self._escaped())

    def _escaped(self) -> int:
        """The character that an escape stands for (RFC 8259 §7)."""
        self._at += 1
        letter = self._byte()
        self._at += 1
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter != _U:
            raise NotJSON
        unit = self._hex4()
        if unit in _HIGH and end_of(_AGAIN, self._view, self._at) > self._at:
            self._at += 2
            low = self._hex4()
            if low in _LOW:
                return 0x10000 + (unit - _HIGH.start << 10) + (low - _LOW.start)
        if unit in _HIGH or unit in _LOW:
            raise NotJSON
        return unit

    def _hex4(self) -> int:
        unit = 0
        for _ in range(4):
            digit = DIGITS.get(self._byte())
            if digit is None:
                raise NotJSON
            unit = unit << 4 | digit
            self._at += 1
        return unit
