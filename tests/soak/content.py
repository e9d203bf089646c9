"""What is read over and over: bytes that follow from their name."""

from __future__ import annotations

from hashlib import sha256

BUCKET = "datasets"
#: Below the prefix that the manifest lets `train-data` read.
KEYS = tuple(f"digits/soak/{number:02}" for number in range(16))


def content(name: str) -> bytes:
    """4 KiB that no other name has."""
    return sha256(name.encode()).digest() * 128
