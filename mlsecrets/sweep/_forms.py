"""The bytes that a sweep looks for: every value, in every form, in locked memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from ..memory import SecretBuffer
from ..memory._needles import is_searchable
from ..memory._spellings import (
    BASE64_URL,
    UNRESERVED,
    base64,
    code_points,
    hexadecimal,
    json_escaped,
    percent_quoted,
    wide,
)
from ._heads import Heads, heads_of

#: How many forms a value has, and how many bytes those of one byte take at most: plain
#: and Latin-1 1 each, wide 2 and 4, hex twice 2, base64 six times 4/3, JSON twice 6,
#: quoted twice 3. Counting them exactly would take as long as writing them.
FORMS, GROWTH = 16, 38
#: A piece this long, in characters, tells too much.
FRAGMENT = 12
_SLASH, _QUOTE, _BACKSLASH = b'/"\\'


class Spelled(NamedTuple):
    """A form of a value before it is laid out: its bytes, and those of a character."""

    unit: int
    content: Iterator[int]


class Form(NamedTuple):
    """One form of one value.

    Attributes:
        start: where it lies in the layout; all numbers are bytes.
        length: how long it is.
        unit: bytes to a character.
        shared: how much of its beginning another token may have, too.
        whole: whether only full copies count.
        jwt: whether it is a JWT as it is.
    """

    start: int
    length: int
    unit: int
    shared: int
    whole: bool
    jwt: bool

    @property
    def shortest(self) -> int:
        """The least run of it that counts."""
        return self.length if self.whole else min(FRAGMENT * self.unit, self.length)


class Layout:
    """Forms end to end in one locked buffer, zeros between them.

    Args:
        values: what to look for.

    Attributes:
        forms: those laid out, none twice.
        unsearched: values left out: too short or too uniform.
        whole: values looked for as a whole only: text with spaces, whose words may
            be anybody's.
    """

    GAP = 8  # so that no word of the layout is of two forms

    def __init__(self, values: Sequence[memoryview], stack: ExitStack) -> None:
        self.forms: list[Form] = []
        self.unsearched = self.whole = 0
        kept: list[tuple[memoryview, Heads]] = []
        for value in values:
            heads = heads_of(value)
            own = value[heads.public :]
            stack.callback(own.release)
            if not is_searchable(own):
                self.unsearched += 1
            elif all(own != other for other, _ in kept):
                kept.append((own, heads))
                self.whole += heads.prose
        size = sum(GROWTH * len(own) + FORMS * self.GAP for own, _ in kept)
        self.buffer = stack.enter_context(SecretBuffer(size))
        self.view = stack.enter_context(self.buffer.writable())
        self._used = 0
        for own, heads in kept:
            plain = len(self.forms)
            for spelled in spellings(own):
                self._add(spelled, own, heads, plain)

    def _add(self, spelled: Spelled, own: memoryview, heads: Heads, plain: int) -> None:
        start = end = self._used
        for byte in spelled.content:
            self.view[end] = byte
            end += 1
        length = end - start
        with self.view[start:end] as written:
            for form in self.forms[plain:]:
                with self.view[form.start : form.start + form.length] as other:
                    if written == other:
                        return  # written over by the next
        self.forms.append(
            Form(
                start,
                length,
                spelled.unit,
                shared=-(-heads.shared * length // len(own)),
                whole=heads.prose,
                jwt=heads.jwt and plain == len(self.forms),
            )
        )
        for i in range(self.GAP):
            self.view[end + i] = 0
        self._used = end + self.GAP


def spellings(value: memoryview) -> Iterator[Spelled]:
    """Every form to look for, the plain one first; some may be alike."""
    yield Spelled(1, iter(value))
    yield Spelled(2, wide(code_points(value), 2))
    yield Spelled(4, wide(code_points(value), 4))
    yield Spelled(1, wide(code_points(value), 1))
    yield Spelled(1, hexadecimal(value))
    yield Spelled(1, hexadecimal(value, upper=True))
    for skip in range(3):
        yield Spelled(1, base64(value, skip))
        yield Spelled(1, base64(value, skip, BASE64_URL))
    yield Spelled(1, json_escaped(value, (_QUOTE, _BACKSLASH)))
    yield Spelled(1, json_escaped(value, (_QUOTE, _BACKSLASH, _SLASH)))
    yield Spelled(1, percent_quoted(value, UNRESERVED))
    yield Spelled(1, percent_quoted(value, UNRESERVED | {_SLASH}))
