"""One request and its answer, on a connection that is there."""

from __future__ import annotations

from functools import partial

from ..memory import Sealed, scrub
from ._answer import Answer
from ._body import read_body
from ._broken import Redirected
from ._connection import Connection
from ._deadline import Deadline
from ._head import Head, is_interim, read_head
from ._incoming import Incoming


def exchange(
    connection: Connection, request: Sealed, deadline: Deadline, sent_at: float
) -> Answer:
    """Send a request and receive all of the answer; sets `connection.reusable`.

    Args:
        sent_at: monotonic seconds, for the answer.

    Raises:
        OSError: not in time, or the connection broke.
        HTTPException: what came is no answer, or none that is accepted.
    """
    with request.reading() as view:
        connection.send(view, deadline)
    incoming = Incoming(partial(connection.receive, deadline=deadline))
    try:
        head, start = _final_head(incoming)
        received_at, wall = deadline.clock.monotonic(), deadline.clock.wall()
        if 300 <= head.status < 400:
            raise Redirected(head.status)
        body, end = read_body(incoming, start, head)
        scrub()  # the search for line ends loads what comes after them, too
    except BaseException:
        incoming.close()
        raise
    # What comes after the answer belongs to nothing that was asked.
    connection.reusable = head.keeps and end == incoming.filled
    return Answer(head.status, head.headers, body, sent_at, received_at, wall)


def _final_head(incoming: Incoming) -> tuple[Head, int]:
    """The head that a body belongs to, and where that begins."""
    start = 0
    while True:
        end = incoming.after_head(start)
        raw = incoming.public(start, end)
        if not is_interim(raw):
            return read_head(raw), end
        start = end
