"""Reading journals: once, or again and again while they grow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

Line: TypeAlias = Mapping[str, Any]
"""One event, as `Event.to_dict` has it."""

#: What begins a generation, or prolongs it: says which, and until when it lives.
TERMS = ("issued", "renewed", "replaced")
#: Epoch seconds that no clock shows: the year 5138.
_LATEST = 1e11
#: Bytes read at once.
_CHUNK = 1 << 20


def read(path: Path) -> tuple[list[Line], int]:
    """The events of a journal, and how many of its lines are none.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        found = [parse(line) for line in file]
    lines = [line for line in found if line is not None]
    return lines, len(found) - len(lines)


def parse(text: bytes) -> Line | None:
    """One line of a journal; None if it is no event, but torn, or another program's."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and is_event(line) else None


def is_event(line: Mapping[str, Any]) -> bool:
    """Whether it says what each event says, and what those with terms say."""
    numbers = [line.get("at")]
    if line.get("event") in TERMS:
        numbers.append(line.get("expires_at"))
        if not isinstance(line.get("generation"), int):
            return False
    return (
        isinstance(line.get("event"), str)
        and isinstance(line.get("scope"), str)
        and isinstance(line.get("pid"), int)
        and all(isinstance(n, (int, float)) and 0 <= n < _LATEST for n in numbers)
    )


class Tail:
    """A journal that grows: gives what is new since the last look.

    It may not be there yet. One that was moved away is read to its end, and then the
    one that took its place; one that was cut short is read from its beginning.

    Args:
        path: of the journal.

    Attributes:
        strange: how many lines so far were no events.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.strange = 0
        self._file: BinaryIO | None = None
        self._begun = b""  # of a line whose end is not written yet

    def new(self) -> Iterator[Line]:
        """The events that were written since the last call, oldest first.

        Raises:
            OSError: it is there, and cannot be read.
        """
        if self._file is not None:
            if os.fstat(self._file.fileno()).st_size < self._file.tell():
                self._rewind(self._file)
            yield from self._rest(self._file)
            if not self._replaced(self._file):
                return
            self.close()
        with suppress(FileNotFoundError):
            self._file = self.path.open("rb")
            yield from self._rest(self._file)

    def close(self) -> None:
        """Close the file; the next look begins anew."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.strange += bool(self._begun)
        self._begun = b""

    def _rewind(self, file: BinaryIO) -> None:
        file.seek(0)
        self.strange += bool(self._begun)
        self._begun = b""

    def _rest(self, file: BinaryIO) -> Iterator[Line]:
        while chunk := file.read(_CHUNK):
            *whole, self._begun = (self._begun + chunk).split(b"\n")
            for text in whole:
                line = parse(text)
                if line is None:
                    self.strange += 1
                else:
                    yield line

    def _replaced(self, file: BinaryIO) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False  # moved away: whoever has it open may still write to it
        return not os.path.samestat(there, os.fstat(file.fileno()))
