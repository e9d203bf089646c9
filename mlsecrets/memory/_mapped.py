"""A piece of memory to hold secrets in, as the platform's mapper made it."""

from __future__ import annotations

from typing import NamedTuple

from ._protection import Protection


class Mapped(NamedTuple):
    """Zeros, writable; given back when the last view of them is dropped."""

    view: memoryview
    address: int
    protection: Protection
