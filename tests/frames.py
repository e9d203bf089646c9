"""What the frames of a traceback hold: error trackers send it along, as text."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import mlsecrets
from mlsecrets.leaks._walk import texts

OURS = str(Path(mlsecrets.__file__).parent)
SEARCHING = str(Path(OURS) / "leaks")

READERS = ("botocore", "aiobotocore", "requests", "urllib3")


def held_in_frames(error: BaseException) -> Iterator[str]:
    """Every text within reach of a frame of ours, as it is and as it would be shown.

    A reader's own request is only looked at as it would be shown: the session token,
    which botocore gets as a string, is one of its headers.

    Of the error and all that led to it. Not those that search a value of somebody
    else's for secrets: they have it before them, as its owner's frame has.
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
            file = frame.f_code.co_filename
            if file.startswith(OURS) and not file.startswith(SEARCHING):
                for value in frame.f_locals.values():
                    yield repr(value)
                    if not type(value).__module__.startswith(READERS):
                        yield from _texts(value)


def _texts(value: object) -> Iterator[str]:
    for _, text in texts(value):
        if isinstance(text, str):
            yield text
        else:
            with suppress(ValueError):  # a view of locked memory, released since
                yield memoryview(text).tobytes().decode("latin-1")
