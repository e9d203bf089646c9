"""The forms of a secret to look for, laid out in locked memory.

Looking must not leave what it looks for: forms are written byte by byte (single bytes
are integers that the interpreter shares) and searched by address.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from ._buffer import SecretBuffer
from ._sealed import Sealed
from ._spellings import base64, hexadecimal

# Shorter values turn up by chance and in other meanings.
SHORTEST = 16
# A slot not yet written, or padding, is everywhere.
FEWEST_DISTINCT = 5


class Needle(NamedTuple):
    """Bytes to look for, by address; both numbers in bytes."""

    address: int
    length: int


def is_searchable(value: memoryview) -> bool:
    """Whether a value is long and varied enough not to turn up by chance."""
    return len(value) >= SHORTEST and len(set(value)) >= FEWEST_DISTINCT


def needles_of(
    values: Sequence[SecretBuffer | Sealed], stack: ExitStack
) -> tuple[list[Needle], int]:
    """Needles for every value worth looking for, readable until `stack` unwinds.

    Returns:
        the needles, and how many values were left out: too short or too uniform.
    """
    found: list[Needle] = []
    plain: list[memoryview] = []
    left_out = 0
    for sealed in each_sealed(values):
        value = stack.enter_context(sealed.reading())
        if not is_searchable(value):
            left_out += 1
        elif all(value != other for other in plain):
            plain.append(value)
            found.append(Needle(sealed.buffer.address + sealed.offset, len(value)))
    for value in plain:
        encoded = stack.enter_context(SecretBuffer(_encoded_length(len(value))))
        with encoded.writable() as target:
            at = 0
            for form in (hexadecimal(value), *(base64(value, i) for i in range(3))):
                start = at
                for byte in form:
                    target[at] = byte
                    at += 1
                found.append(Needle(encoded.address + start, at - start))
    return found, left_out


def each_sealed(values: Sequence[SecretBuffer | Sealed]) -> list[Sealed]:
    """Every single value of what was asked for: of a buffer, its slots."""
    return [
        sealed
        for value in values
        for sealed in (
            [value]
            if isinstance(value, Sealed)
            else [Sealed(value, *slot) for slot in value.slots]
        )
    ]


def _encoded_length(length: int) -> int:
    return 2 * length + sum((length - skip) // 3 * 4 for skip in range(3))
