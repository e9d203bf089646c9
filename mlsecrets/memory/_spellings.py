"""The ways a secret is written down by programs: hex, base64, wide characters, ...

Each is a stream of single bytes, which are integers that the interpreter shares: a
secret that is spelled into locked memory leaves no other copy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

_LOWER = b"0123456789abcdef"
_UPPER = b"0123456789ABCDEF"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
BASE64 = _LETTERS + b"+/"
#: RFC 4648 §5.
BASE64_URL = _LETTERS + b"-_"
#: What is never quoted in a URL (RFC 3986 §2.3).
UNRESERVED = frozenset(_LETTERS + b"-._~")


def hexadecimal(value: memoryview, *, upper: bool = False) -> Iterator[int]:
    """Two digits a byte."""
    digits = _UPPER if upper else _LOWER
    for byte in value:
        yield digits[byte >> 4]
        yield digits[byte & 15]


def base64(value: memoryview, skip: int = 0, alphabet: bytes = BASE64) -> Iterator[int]:
    """The whole groups of three only: what follows depends on the neighbours.

    Args:
        skip: bytes at the beginning that share a group with what stands before.
    """
    for i in range(skip, len(value) - 2, 3):
        group = value[i] << 16 | value[i + 1] << 8 | value[i + 2]
        for shift in (18, 12, 6, 0):
            yield alphabet[group >> shift & 63]


def percent_quoted(value: memoryview, safe: Collection[int]) -> Iterator[int]:
    """As in a URL or a form, with upper-case digits (RFC 3986 §2.1)."""
    for byte in value:
        if byte in safe:
            yield byte
        else:
            yield from (ord("%"), _UPPER[byte >> 4], _UPPER[byte & 15])


def json_escaped(value: memoryview, escaped: Collection[int]) -> Iterator[int]:
    """With a backslash before some bytes: quotes, backslashes, perhaps slashes."""
    for byte in value:
        if byte in escaped:
            yield ord("\\")
        yield byte


def wide(points: Iterable[int], unit: int) -> Iterator[int]:
    """Little-endian characters of `unit` bytes each (1 is Latin-1).

    Characters that do not fit are left out: pairs of surrogates are not looked for.
    """
    for point in points:
        for i in range(unit):
            yield point >> 8 * i & 0xFF


def code_points(value: memoryview) -> Iterator[int]:
    """The characters of a UTF-8 text (RFC 3629 §3), taken to be valid."""
    point = 0
    for i, byte in enumerate(value):
        if byte < 0x80:
            point = byte
        elif byte < 0xC0:
            point = point << 6 | byte & 0x3F
        else:
            # The lead byte has as many leading ones as the sequence has bytes.
            point = byte & (0x1F if byte < 0xE0 else 0x0F if byte < 0xF0 else 0x07)
        if i + 1 == len(value) or not 0x80 <= value[i + 1] < 0xC0:
            yield point
