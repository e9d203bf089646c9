"""UTF-8 without an intermediate `bytes` object.

`str.encode` leaves a copy on the heap that nobody can wipe. Code points one at a time
are small integers that the interpreter shares, so nothing is left behind.
"""

from __future__ import annotations

# RFC 3629 §3: the first code point that needs 2, 3 and 4 bytes.
_TWO, _THREE, _FOUR = 0x80, 0x800, 0x10000
_SURROGATES = range(0xD800, 0xE000)


def encoded_length(text: str) -> int:
    """How many bytes `text` takes as UTF-8.

    Raises:
        ValueError: it has a lone surrogate, which UTF-8 cannot express. (Not
            UnicodeEncodeError, which would carry the text.)
    """
    if text.isascii():
        return len(text)
    length = 0
    for point in map(ord, text):
        if point in _SURROGATES:
            raise ValueError("secret has a lone surrogate, which is not text")
        length += 1 + (point >= _TWO) + (point >= _THREE) + (point >= _FOUR)
    return length


def encode_into(text: str, target: memoryview) -> None:
    """Write `text` as UTF-8 into `target`, which has its `encoded_length`."""
    at = 0
    for point in map(ord, text):
        if point < _TWO:
            target[at] = point
            at += 1
            continue
        rest = 1 + (point >= _THREE) + (point >= _FOUR)
        # The lead byte has as many leading ones as the sequence has bytes.
        target[at] = (0xFF00 >> rest + 1 & 0xFF) | point >> 6 * rest
        for i in range(1, rest + 1):
            target[at + i] = 0x80 | point >> 6 * (rest - i) & 0x3F
        at += rest + 1
