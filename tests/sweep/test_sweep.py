"""A sweep finds what a revealed secret left in this process, and overwrites it."""

from __future__ import annotations

import base64
import hashlib
import sys
import urllib.parse
from collections.abc import Callable

import pytest

from mlsecrets.memory import Sealed
from mlsecrets.sweep import sweep

FreshSecret = Callable[..., Sealed]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="reads and stops processes by Linux's ptrace"
)


def written_down(text: str) -> dict[str, bytearray]:
    """A secret in every form, in memory of this process."""
    raw = text.encode()
    forms = {
        "utf-8": raw,
        "utf-16": text.encode("utf-16-le"),
        "ucs-4": text.encode("utf-32-le"),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "base64": base64.b64encode(raw),
        "base64, one on": base64.b64encode(b"u" + raw),
        "base64, two on": base64.b64encode(b"u:" + raw + b"."),
        "base64url": base64.urlsafe_b64encode(b"u:" + raw),
        "json": text.replace("/", r"\/").encode(),
        "quoted": urllib.parse.quote(text, safe="").encode(),
        "quoted, but slashes": urllib.parse.quote(text).encode(),
    }
    return {name: bytearray(b"<" + form + b">") for name, form in forms.items()}


def test_every_form_is_found_and_overwritten(fresh_secret: FreshSecret) -> None:
    """In each of the ways that programs write a secret down."""
    secret = fresh_secret(60, b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789/+")
    held = written_down(secret.text() + "/+")
    report = sweep([secret])
    assert report.refused is None
    assert report.copies >= len(held)
    assert report.wiped >= len(held)
    assert report.left == 0
    for name, form in held.items():
        assert b"xxxxxxxx" in form.replace(b"\0", b""), name


@pytest.mark.parametrize("shift", range(8))
def test_a_piece_of_twelve_bytes_is_found_wherever_it_begins(
    fresh_secret: FreshSecret, shift: int
) -> None:
    """Twelve are enough to tell; eleven are left alone."""
    secret = fresh_secret(40)
    text = secret.text()
    twelve = bytearray(b"\xff" * shift + text[7:19].encode() + b"\xff")
    eleven = bytearray(b"\xff" * shift + text[20:31].encode() + b"\xff")
    before = hashlib.sha256(eleven).digest()
    report = sweep([secret])
    assert report.fragments >= 1
    assert twelve == b"\xff" * shift + b"x" * 12 + b"\xff"
    assert hashlib.sha256(eleven).digest() == before
