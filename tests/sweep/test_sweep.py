"""A sweep finds what a revealed secret left in this process, and overwrites it."""

from __future__ import annotations

import base64
import hashlib
import sys
import urllib.parse
from collections.abc import Callable

import pytest

from mlsecrets.errors import SecretBufferClosed
from mlsecrets.memory import Sealed, count_copies
from mlsecrets.sweep import SweepReport, sweep

FreshSecret = Callable[..., Sealed]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="reads and stops processes by Linux's ptrace"
)


def written_down(secret: Sealed) -> dict[str, bytearray]:
    """A secret in every form, in memory of this process."""
    raw = secret.text().encode()
    forms = {
        "utf-8": raw,
        "utf-16": raw.decode().encode("utf-16-le"),
        "ucs-4": raw.decode().encode("utf-32-le"),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "base64": base64.b64encode(raw),
        "base64, one on": base64.b64encode(b"u" + raw),
        "base64, two on": base64.b64encode(b"u:" + raw + b"."),
        "base64url": base64.urlsafe_b64encode(b"u:" + raw),
        "json": raw.replace(b"/", rb"\/"),
        "quoted": urllib.parse.quote(raw, safe="").encode(),
        "quoted, but slashes": urllib.parse.quote(raw).encode(),
    }
    return {name: bytearray(b"\1" + form + b"\1") for name, form in forms.items()}


def test_every_form_is_found_and_overwritten(fresh_secret: FreshSecret) -> None:
    """In each of the ways that programs write a secret down; nothing is left."""
    secret = fresh_secret(60, b"/+", b"+/")
    held = written_down(secret)
    report = sweep([secret])
    assert report.refused is None
    assert report.copies >= len(held)
    assert report.wiped >= len(held)
    assert report.left == 0
    assert sum(report.regions.values()) == report.copies + report.fragments
    for name, form in held.items():
        assert b"x" * 50 in form.replace(b"\0", b""), name
    assert count_copies([secret]).copies == 0


def test_the_secret_itself_stays(fresh_secret: FreshSecret) -> None:
    """Locked memory is where secrets belong, also that of other leases."""
    secret, other = fresh_secret(40), fresh_secret(0)
    with secret.reading() as view:
        other.buffer.close()
        other = fresh_secret(0, bytes(40))
        other.buffer.write(0, view)
    report = sweep([secret])
    assert report.refused is None
    assert secret.buffer.equals(other.buffer)
    with secret.reading() as view:
        assert view[39] != ord("x") or view[0] != ord("x")


def test_pieces_of_twelve_bytes_are_found_wherever_they_begin(
    fresh_secret: FreshSecret,
) -> None:
    """Twelve are enough to tell; eleven are left alone."""
    secret = fresh_secret(40)
    raw = secret.text().encode()
    twelve = [bytearray(bytes(n) + raw[7:19] + b"\1") for n in range(8)]
    eleven = [bytearray(bytes(n) + raw[20:31] + b"\1") for n in range(8)]
    before = [hashlib.sha256(piece).digest() for piece in eleven]
    del raw
    report = sweep([secret])
    assert report.fragments >= 8
    assert report.left == 0
    for n, piece in enumerate(twelve):
        # Up to three bytes at either end may be a field's that begins like them.
        assert piece[n + 3 : n + 9] == b"x" * 6
        assert piece[:n] + piece[n + 12 :] == bytes(n) + b"\1"
    assert [hashlib.sha256(piece).digest() for piece in eleven] == before


def test_long_tokens_are_found_whole(fresh_secret: FreshSecret) -> None:
    """Two kilobytes, four bytes a character, at the end of memory or in its midst."""
    secret = fresh_secret(2048)
    text = secret.text()
    held = bytearray(text.encode("utf-32-le"))
    del text
    report = sweep([secret])
    assert report.copies >= 1
    assert report.left == 0
    assert held == b"x\0\0\0" * 2048


def test_only_what_was_asked_for_is_swept(fresh_secret: FreshSecret) -> None:
    """Another lease's secret is still in use."""
    ended, live = fresh_secret(40), fresh_secret(40)
    of_ended, of_live = ended.text(), live.text()
    assert sweep([ended]).wiped >= 1
    assert of_ended == "x" * 40
    with live.reading() as view:
        assert of_live.encode() == view


HEADS = (
    # A JWT, one with claims in common, a session token of AWS, one of OpenBao.
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlLmNvbSIs",
    "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJIMEYCIQ",
    "hvs.CAESIJ",
)


def test_what_tokens_have_in_common_is_left_alone(fresh_secret: FreshSecret) -> None:
    """A live token that begins like one that is swept still works afterwards."""
    swept: list[Sealed] = []
    revealed: list[str] = []
    alive: list[str] = []
    for head in HEADS:
        dot = "." if head.startswith("eyJ") else "-"
        swept.append(fresh_secret(321, head.encode()))
        swept[-1].buffer.write(len(head) + 260, dot.encode())
        alive.append(head + fresh_secret(260).text() + dot + fresh_secret(60).text())
        revealed.append(swept[-1].text())
    before = [hashlib.sha256(token.encode()).digest() for token in alive]
    report = sweep(swept)
    assert report.copies >= len(HEADS)
    assert report.left == 0
    assert all(token[-100:-3] == "x" * 97 for token in revealed)
    assert [hashlib.sha256(token.encode()).digest() for token in alive] == before


def test_values_that_turn_up_by_chance_are_not_looked_for(
    fresh_secret: FreshSecret,
) -> None:
    """Short or uniform: the report says how many, and nothing is overwritten."""
    short, uniform = fresh_secret(15), fresh_secret(0, b"y" * 200)
    held = short.text()
    report = sweep([short, uniform])
    assert report.unsearched == 2
    assert report.refused == "no value is long and varied enough to look for"
    assert report.wiped == 0
    with short.reading() as view:
        assert held.encode() == view


def test_of_words_only_the_whole_is_looked_for(fresh_secret: FreshSecret) -> None:
    """A part of a passphrase may be anybody's text; the report says so."""
    secret = fresh_secret(0, b"correct horse battery staple")
    part = bytearray(b"horse battery staple")
    whole = secret.text()
    report = sweep([secret])
    assert whole == "x" * 28
    assert part == b"horse battery staple"
    assert report.notes == ["values with spaces were looked for as a whole only"]


def test_a_wiped_secret_cannot_be_looked_for(fresh_secret: FreshSecret) -> None:
    """There is nothing left to compare with."""
    secret = fresh_secret(40)
    secret.buffer.close()
    with pytest.raises(SecretBufferClosed):
        sweep([secret])


def test_the_report_says_it_in_a_line() -> None:
    """For people; numbers are in its fields."""
    done = SweepReport(copies=3, fragments=2, wiped=5, passes=2, regions={"heap": 5})
    assert "3 full copies and 2 fragments elsewhere (5 in heap)" in str(done)
    assert "5 wiped, 0 left" in str(done)
    refused = SweepReport(copies=3, left=3, refused="ptrace is not allowed")
    assert str(refused) == "not swept: ptrace is not allowed; 3 full copies elsewhere"
