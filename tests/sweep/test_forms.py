"""The forms looked for are those that programs write."""

from __future__ import annotations

import base64
import json
import urllib.parse
from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.sweep._forms import FORMS, GROWTH, Layout, spellings

TEXTS = st.text(st.characters(codec="utf-8"), min_size=5, max_size=40)


def spelled(text: str) -> list[bytes]:
    """Every form of a text."""
    value = memoryview(text.encode())
    return [bytes(form.content) for form in spellings(value)]


@given(TEXTS)
def test_forms_are_those_of_the_standard_library(text: str) -> None:
    """Byte by byte, without a copy in between, and yet the same."""
    raw = text.encode()
    forms = spelled(text)
    assert raw in forms
    assert raw.hex().encode() in forms
    assert raw.hex().upper().encode() in forms
    assert urllib.parse.quote(text, safe="").encode() in forms
    assert urllib.parse.quote(text).encode() in forms
    assert text.encode("utf-32-le") in forms
    if max(text) < "\U00010000":
        assert text.encode("utf-16-le") in forms
    if max(text) < "\u0100":
        assert text.encode("latin-1") in forms
    if min(text) >= " ":
        assert json.dumps(text, ensure_ascii=False)[1:-1].encode() in forms


@given(st.binary(min_size=1, max_size=60))
def test_the_forms_fit_into_what_is_made_for_them(raw: bytes) -> None:
    """Whatever is to be spelled; none is cut."""
    forms = [bytes(form.content) for form in spellings(memoryview(raw))]
    assert len(forms) == FORMS
    assert sum(map(len, forms)) <= GROWTH * len(raw)


@given(TEXTS, st.binary(max_size=5), st.binary(max_size=5))
def test_base64_holds_one_of_the_forms(text: str, before: bytes, after: bytes) -> None:
    """Whatever stands before and after, in both alphabets."""
    forms = [form for form in spelled(text) if form]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + text.encode() + after)
        assert any(form in encoded for form in forms)


def test_forms_that_are_alike_are_laid_out_once() -> None:
    """Letters and digits are written the same way in JSON and in addresses."""
    value = b"0123456789abcdefABCDEF"
    with ExitStack() as stack:
        layout = Layout([memoryview(value), memoryview(value)], stack)
        contents = [
            bytes(layout.view[form.start : form.start + form.length])
            for form in layout.forms
        ]
    assert contents[0] == value
    assert len(contents) == len(set(contents)) == 7
