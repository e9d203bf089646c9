"""The forms of a secret to look for, laid out in locked memory.

Looking must not leave what it looks for: forms are written byte by byte (single bytes
are integers that the interpreter shares) and searched by address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from ._buffer import SecretBuffer

# Shorter values turn up by chance and in other meanings.
SHORTEST = 16
# A slot not yet written, or padding, is everywhere.
FEWEST_DISTINCT = 5

_HEX = b"0123456789abcdef"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Needle(NamedTuple):
    """Bytes to look for, by address; both numbers in bytes."""

    address: int
    length: int


def needles_of(
    buffers: Sequence[SecretBuffer], stack: ExitStack
) -> tuple[list[Needle], int]:
    """Needles for every slot worth looking for, readable until `stack` unwinds.

    Returns:
        the needles, and how many slots were left out: too short or too uniform.
    """
    found: list[Needle] = []
    plain: list[memoryview] = []
    left_out = 0
    for buffer in buffers:
        view = stack.enter_context(buffer.reading())
        for offset, length in buffer.slots:
            value = view[offset : offset + length]
            stack.callback(value.release)
            if length < SHORTEST or len(set(value)) < FEWEST_DISTINCT:
                left_out += 1
            elif all(value != other for other in plain):
                plain.append(value)
                found.append(Needle(buffer.address + offset, length))
    for value in plain:
        encoded = stack.enter_context(SecretBuffer(_encoded_length(len(value))))
        with encoded.writable() as target:
            at = 0
            for form in (_hex(value), *(_base64(value[skip:]) for skip in range(3))):
                start = at
                for byte in form:
                    target[at] = byte
                    at += 1
                found.append(Needle(encoded.address + start, at - start))
    return found, left_out


def _encoded_length(length: int) -> int:
    return 2 * length + sum((length - skip) // 3 * 4 for skip in range(3))


def _hex(value: memoryview) -> Iterable[int]:
    for byte in value:
        yield _HEX[byte >> 4]
        yield _HEX[byte & 15]


def _base64(value: memoryview) -> Iterable[int]:
    """The whole groups of three only: what follows depends on the neighbours."""
    for i in range(0, len(value) - 2, 3):
        group = value[i] << 16 | value[i + 1] << 8 | value[i + 2]
        for shift in (18, 12, 6, 0):
            yield _BASE64[group >> shift & 63]
