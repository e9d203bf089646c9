"""A draft spells secrets as the standard library would, and leaves nothing behind."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlsecrets.errors import SecretBufferClosed
from mlsecrets.memory import Draft, Sealed, SecretBuffer, count_copies
from mlsecrets.memory._draft import FIRST_SIZE

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
RAW = st.binary(max_size=60)


def sealed(value: str | bytes) -> Sealed:
    """A value alone in its buffer."""
    buffer = SecretBuffer.of(value)
    return Sealed(buffer, 0, buffer.size)


def content(draft: Draft) -> bytes:
    """What was composed, as nobody but a test would take it."""
    with draft.sealed.reading() as view:
        return bytes(view)


@given(st.lists(st.tuples(st.booleans(), TEXT)))
def test_parts_lie_end_to_end(parts: list[tuple[bool, str]]) -> None:
    """Public and secret ones, in the order they came."""
    with Draft() as draft:
        for secret, value in parts:
            draft.add_secret(sealed(value)) if secret else draft.add(value)
        assert content(draft) == "".join(value for _, value in parts).encode()


@given(TEXT)
@example('"\\/\b\f\n\r\t\x00\x1f\x7f é €')
def test_json_reads_back_as_it_was(value: str) -> None:
    """Quotes, backslashes and control characters are escaped, the rest stays."""
    with Draft() as draft:
        draft.add('{"password": "').add_json(sealed(value)).add('"}')
        assert json.loads(content(draft)) == {"password": value}


@given(TEXT | RAW)
@example("a b+c&d=e%f/~._-é")
def test_form_values_are_quoted_as_by_urllib(value: str | bytes) -> None:
    """Everything but unreserved characters, so that it fits a path and a query too."""
    with Draft() as draft:
        assert content(draft.add_form(sealed(value))) == quote(value, safe="").encode()


@given(st.lists(st.tuples(st.booleans(), RAW), max_size=5))
@example([(False, b"user:"), (True, b"a"), (True, b"b")])
def test_base64_is_of_all_parts_together(parts: list[tuple[bool, bytes]]) -> None:
    """As for basic authentication, whose parts share their groups of three."""
    mixed = [sealed(value) if secret else value for secret, value in parts]
    with Draft() as draft:
        draft.add("Basic ").add_base64(*mixed)
        whole = b"".join(value for _, value in parts)
        assert content(draft) == b"Basic " + base64.b64encode(whole)


@given(st.integers(0, 40), st.lists(st.integers(0, 3000), max_size=6))
def test_it_grows_as_needed(first: int, lengths: list[int]) -> None:
    """Whatever it had room for at first."""
    with Draft(first) as draft:
        for length in lengths:
            draft.add_secret(sealed(b"x" * length))
        assert draft.sealed.length == sum(lengths)
        assert set(content(draft)) <= {ord("x")}


def test_growing_wipes_what_it_outgrew() -> None:
    """The smaller buffer holds zeros, also for a slice that somebody kept."""
    with Draft() as draft:
        draft.add_secret(sealed("secret"))
        small = draft._buffer
        with small.reading() as view:
            kept = view[:6]
            assert bytes(kept) == b"secret"
        draft.add(bytes(FIRST_SIZE))
        assert draft._buffer is not small
        assert small.closed
        assert bytes(kept) == bytes(6)
        assert content(draft)[:6] == b"secret"


def test_its_block_wipes_it() -> None:
    """Also when it fails; what it gave out is gone with it."""
    draft = Draft()
    out = draft.add_secret(sealed("secret")).sealed
    with out.reading() as view:
        kept = view[:]
    with pytest.raises(KeyError), draft:
        raise KeyError
    assert bytes(kept) == bytes(6)
    with pytest.raises(SecretBufferClosed):
        out.text()
    with pytest.raises(SecretBufferClosed):
        draft.add("more")


COMPOSE: dict[str, Callable[[Draft, Sealed], Draft]] = {
    "secret": Draft.add_secret,
    "json": Draft.add_json,
    "form": Draft.add_form,
    "base64": lambda draft, value: draft.add_base64(b"user:", value, b"!"),
    "grown": lambda draft, value: draft.add_secret(value).add(bytes(FIRST_SIZE)),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize("spelling", COMPOSE)
def test_composing_leaves_no_copy(
    spelling: str, fresh_secret: Callable[[int], SecretBuffer]
) -> None:
    """Neither in a spelling that is looked for, while it is open or after."""
    with fresh_secret(100) as secret:
        one = Sealed(secret, 0, 100)
        with Draft() as draft:
            COMPOSE[spelling](draft, one)
            assert count_copies([secret]).copies == 0
            revealed = draft.sealed.text()  # the positive control
            assert count_copies([secret]).copies > 0
            del draft
        assert len(revealed) >= 100


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_nothing_is_left_after_composing(
    fresh_secret: Callable[[int], SecretBuffer],
) -> None:
    """All spellings one after the other, and the block closed."""
    with fresh_secret(100) as secret:
        with Draft() as draft:
            for compose in COMPOSE.values():
                compose(draft, Sealed(secret, 0, 100))
        report = count_copies([secret])
        assert (report.copies, report.skipped, report.unsearched_slots) == (0, None, 0)


def test_a_cleared_draft_is_wiped_and_empty() -> None:
    """To compose the next text in the same pages."""
    value = sealed(b"a secret of some length")
    with Draft() as draft:
        whole = Sealed(draft.add_secret(value).sealed.buffer, 0, len(value))
        draft.clear()
        assert len(draft.sealed) == 0
        with whole.reading() as view:
            assert not any(view)
        draft.add("next")
        assert draft.sealed.text() == "next"
