"""A member's side: a lasting connection to the owner, over which leases are held."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from .._forks import after_fork
from ..errors import OwnerGone
from ..events import Event
from . import _wire
from ._place import Place
from ._socket import connect, peer

#: Seconds for the owner's answer: it may have to ask an issuer, and that to come back.
PATIENCE = 30.0

Reports = dict[str, Any]
"""What became of each scope that ended, as `ExitReport.to_dict` says it."""


class Membership:
    """This process's connection to the owner at a place, until either ends.

    Args:
        place: where the owner answers.
        tell: called with each event of a lease that has been joined, on the thread
            that listens; it must not wait.
        lost: called with this, once, if the connection ends before `close`, or the
            owner says that it leaves; on that thread too, which has then nothing else
            to do.

    Raises:
        OwnerGone: nobody answers there, or nobody who may be trusted.
    """

    def __init__(
        self,
        place: Place,
        tell: Callable[[Event], None],
        lost: Callable[[Membership], None],
    ) -> None:
        self.place = place
        self._tell = tell
        self._lost = lost
        self._connection = connect(place.socket, PATIENCE)
        self._connection.settimeout(None)
        #: The owner's process id; 0 where the system does not say.
        self.owner, _ = peer(self._connection)
        self._asking = threading.Lock()
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._gone = False
        _memberships.add(self)
        threading.Thread(
            target=self._listen, name="mlsecrets-member", daemon=True
        ).start()

    @property
    def gone(self) -> bool:
        """Whether it has ended, or the owner says that it leaves."""
        return self._gone

    def join(self, scope: str) -> None:
        """Have the owner hold a scope for this process.

        Raises:
            NotLeased: this process may not have it.
            OwnerGone: the owner does not answer.
            UnknownScope, IdentityError, IssuerError: it could not be had.
        """
        self._ask({"ask": "join", "scope": scope})

    def leave(self, scopes: Sequence[str]) -> Reports:
        """Have the owner hold scopes no longer; what became of those that ended.

        Raises:
            OwnerGone: it does not answer: its end will end them, or their TTL.
        """
        reports: Reports = self._ask({"ask": "leave", "scopes": list(scopes)})[
            "reports"
        ]
        return reports

    def close(self) -> None:
        """End the connection; the owner lets go of what is still held."""
        self._closed = True
        self._hang_up()

    def forget(self) -> None:
        """In a forked child: close our copy of the connection, and nothing else."""
        self._closed = True
        self._connection.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._asking:
            answer = None
            if not self._gone:
                try:
                    _wire.send(self._connection, request)
                    answer = self._answers.get(timeout=PATIENCE)
                except (OSError, queue.Empty):
                    self._hang_up()
                except BaseException:
                    # Ctrl-C: the answer would be taken for that to the next question.
                    self._hang_up()
                    raise
        if answer is None:
            raise OwnerGone(f"the owner at {self.place.socket} does not answer")
        if "error" in answer:
            raise _wire.error_of(answer)
        return answer

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with self._connection:
            left = self._hear_all()
            self._gone = True
            self._answers.put(None)  # for whoever waits for one
            if left and not self._closed:
                self._lost(self)
        _memberships.discard(self)

    def _hear_all(self) -> bool:
        """Take every frame; whether the owner has gone, or says that it goes."""
        while True:
            try:
                head = _wire.receive(self._connection)
            except (OSError, OwnerGone):
                return True
            if "event" in head:
                # An owner of a later version may tell of what is unknown here.
                with suppress(ValueError, KeyError, TypeError):
                    self._tell(Event.from_dict(head["event"]))
            elif "leaving" in head:
                return True
            else:
                self._answers.put(head)


#: Open connections, for the child of a fork to close.
_memberships: set[Membership] = set()


def _forget() -> None:
    for membership in list(_memberships):
        membership.forget()
    _memberships.clear()


after_fork(_forget)
