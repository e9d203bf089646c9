"""What the frames of a traceback hold: error trackers send it along, as text."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import mlsecrets
from mlsecrets.leaks._walk import texts

OURS = str(Path(mlsecrets.__file__).parent)


def held_in_frames(error: BaseException) -> Iterator[str]:
    """Every text within reach of a frame of ours, as it is and as it would be shown.

    Of the error and all that led to it.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename.startswith(OURS):
                for value in frame.f_locals.values():
                    yield repr(value)
                    yield from _texts(value)


def _texts(value: object) -> Iterator[str]:
    for _, text in texts(value):
        if isinstance(text, str):
            yield text
        else:
            with suppress(ValueError):  # a view of locked memory, released since
                yield memoryview(text).tobytes().decode("latin-1")
