"""Where a body ends, and taking its chunks together where they are.

`http.client` could do it, but makes `bytes` of what it has of a body that is cut off,
and quotes what it takes for the length of a chunk.
"""

from __future__ import annotations

import re

from ..memory import Sealed
from ._broken import Malformed, TooLarge
from ._head import Head
from ._incoming import MAX_ANSWER_BYTES, MAX_HEAD_BYTES, Incoming

#: A chunk's length and extensions (RFC 9112 §7.1).
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_EMPTY = re.compile(rb"\r?\n")


def read_body(incoming: Incoming, start: int, head: Head) -> tuple[Sealed, int]:
    """Receive the body.

    Args:
        start: where it begins.
        head: what the answer says of it.

    Returns:
        the body, and where it ends in what was received.

    Raises:
        TooLarge: it is longer than `MAX_ANSWER_BYTES`.
        HTTPException: it is cut off, or in chunks that make no sense.
        OSError: it does not come in time, or the connection broke.
    """
    if head.chunked:
        end, after = _chunks(incoming, start)
        return incoming.part(start, end), after
    if head.length is not None:
        end = start + head.length
        _check(head.length)
        incoming.wait_for(end)
    else:
        while incoming.more():
            _check(incoming.filled - start)
        end = incoming.filled
    return incoming.part(start, end), end


def _chunks(incoming: Incoming, start: int) -> tuple[int, int]:
    """Move all chunks to `start`; where the last ends, and where the encoding does."""
    end = at = start
    while True:
        after = incoming.after_line(at)
        size = _size(incoming, at, after)
        at = after
        if size == 0:
            break
        _check(end - start + size)
        if at - end > MAX_HEAD_BYTES:
            raise Malformed("chunks of next to nothing")
        incoming.wait_for(at + size)
        incoming.move(at, at + size, end)
        end, at = end + size, at + size
        after = incoming.after_line(at)
        if not _is_empty(incoming, at, after):
            raise Malformed("chunk")
        at = after
    while True:  # trailers, which nobody asked for
        after = incoming.after_line(at)
        if _is_empty(incoming, at, after):
            return end, after
        at = after


def _check(length: int) -> None:
    if length > MAX_ANSWER_BYTES:
        raise TooLarge(MAX_ANSWER_BYTES)


def _size(incoming: Incoming, start: int, end: int) -> int:
    with incoming.part(start, end).reading() as view:
        digits = _digits(view)
    return int(digits, 16)


def _digits(view: memoryview) -> bytes:
    # The match holds the view, and so must not outlive this.
    match = _CHUNK.fullmatch(view)
    if match is None:
        raise Malformed("chunk")
    return match[1]


def _is_empty(incoming: Incoming, start: int, end: int) -> bool:
    with incoming.part(start, end).reading() as view:
        return _EMPTY.fullmatch(view) is not None
