"""Looking for the live secrets in the texts of a value.

The secrets stay in locked memory, and are compared where they lie. Texts are encoded
for the comparison, many short ones together; what was encoded is wiped.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import NamedTuple

from ..credentials import Credentials, live_credentials
from ..errors import SecretBufferClosed
from ..memory import scrub, wipe_own_bytes
from ._spellings import Spelling, spellings
from ._walk import Buffer, Place, path, texts

#: Bytes of texts that are searched together.
BATCH = 64 * 1024


@dataclass(frozen=True)
class Finding:
    """A live secret inside a value, named without showing it.

    Attributes:
        path: where, such as ``storage_options.token``; empty for the value itself.
        field: which secret of its credentials, such as ``session_token``.
        kind: of the credentials: aws, bearer or username-password.
        scope: of the lease (or login) that they belong to; None if that is not known.
        form: how it is written, such as ``base64``; empty for the secret as it is.
    """

    path: str
    field: str
    kind: str
    scope: str | None
    form: str

    @property
    def owned(self) -> str:
        """Which secret it is, such as ``token of lease mlflow``."""
        owner = f"lease {self.scope}" if self.scope else f"{self.kind} credentials"
        return f"{self.field} of {owner}"

    def __str__(self) -> str:
        form = f" ({self.form})" if self.form else ""
        place = f" at {self.path}" if self.path else ""
        return f"{self.owned}{form}{place}"


class _Needle(NamedTuple):
    view: memoryview
    spelling: Spelling
    credentials: Credentials

    def within(self, text: bytes | bytearray) -> bool:
        if self.spelling.alone:
            return memoryview(text) == self.view
        return text.find(self.view) >= 0


class _Needles:
    """Every spelling of every live secret, readable for the length of a block."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._all: list[_Needle] = []
        self.shortest = 0

    def __enter__(self) -> _Needles:
        for credentials in live_credentials():
            with suppress(SecretBufferClosed):  # wiped since: no longer live
                self._add(credentials)
        self.shortest = min((n.spelling.length for n in self._all), default=0)
        return self

    def _add(self, credentials: Credentials) -> None:
        made = spellings(credentials)
        view = self._stack.enter_context(made.buffer.reading())
        for spelling in made.known:
            part = view[spelling.offset : spelling.offset + spelling.length]
            self._all.append(_Needle(part, spelling, credentials))

    def __exit__(self, *exception: object) -> None:
        self._all.clear()
        self._stack.close()
        scrub()

    def __bool__(self) -> bool:
        return bool(self._all)

    def inside(self, text: bytes | bytearray) -> Iterator[_Needle]:
        """Those that a text holds."""
        return (needle for needle in self._all if needle.within(text))

    def inside_any(self, raw: list[bytes]) -> bool:
        """Whether one of several texts holds one: a single search for all of them."""
        together = b"\n".join([*raw, b""])  # two at least: a new object
        try:
            return any(self.inside(together)) or any(
                needle.within(text)
                for needle in self._all
                if needle.spelling.alone
                for text in raw
            )
        finally:
            wipe_own_bytes(together)

    def hold(self, text: str) -> bool:
        """Whether one is in a text."""
        raw = _encoded(text)
        try:
            return any(self.inside(raw))
        finally:
            wipe_own_bytes(raw)


def search(value: object) -> Generator[Finding, None, None]:
    """Every live secret in a value, one finding for each field at each place."""
    with _Needles() as needles:
        if not needles:
            return
        waiting: list[tuple[Place | None, str]] = []
        size = 0
        for place, text in texts(value):
            if not isinstance(text, str):
                yield from _in_bytes(place, text, needles)
                continue
            if _most_bytes(text) < needles.shortest:
                continue
            waiting.append((place, text))
            size += len(text)
            if size >= BATCH:
                yield from _in_texts(waiting, needles)
                waiting, size = [], 0
        yield from _in_texts(waiting, needles)


def first(value: object) -> Finding | None:
    """One live secret in a value, if there is any."""
    with closing(search(value)) as findings:
        return next(findings, None)


def _in_texts(
    waiting: list[tuple[Place | None, str]], needles: _Needles
) -> Iterator[Finding]:
    raw = [_encoded(text) for _, text in waiting]
    try:
        if needles.inside_any(raw):
            for (place, _), encoded in zip(waiting, raw, strict=True):
                yield from _named(place, encoded, needles)
    finally:
        for encoded in raw:
            wipe_own_bytes(encoded)


def _in_bytes(
    place: Place | None, text: Buffer, needles: _Needles
) -> Iterator[Finding]:
    if isinstance(text, (bytes, bytearray)):
        yield from _named(place, text, needles)
        return
    try:
        raw = memoryview(text).tobytes()
    except ValueError:  # a view that was released, and shows nothing any more
        return
    try:
        yield from _named(place, raw, needles)
    finally:
        wipe_own_bytes(raw)


def _named(
    place: Place | None, text: bytes | bytearray, needles: _Needles
) -> Iterator[Finding]:
    told = set()
    for needle in needles.inside(text):
        credentials, spelling = needle.credentials, needle.spelling
        if (credentials, spelling.field) not in told:
            told.add((credentials, spelling.field))
            yield Finding(
                path(place, needles.hold),
                spelling.field,
                credentials.KIND,
                credentials.scope,
                spelling.form,
            )


def _most_bytes(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


def _encoded(text: str) -> bytes:
    """As UTF-8, in an object that nobody else has; lone surrogates too."""
    return str.encode(text, "utf-8", "surrogatepass")
