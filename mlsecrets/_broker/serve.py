"""The owner's side: answers this user's own processes from what it holds."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ..clock import Clock
from ..errors import MLSecretsError, OwnerGone
from ..events import Event, Recorder
from ..grant import Grant
from ..view import ScopeView
from . import _wire
from ._socket import make_path, peer, remove, same_user

#: Seconds that a worker may take over its request: it has it ready when it connects.
REQUEST_TIMEOUT = 5.0
#: Workers that may knock at the same time; 16 DataLoader workers on 8 ranks do.
BACKLOG = 128


class Held(Protocol):
    """A live lease, as far as the broker needs it."""

    def snapshot(self, *, patient: bool) -> Grant:
        """The grant as it is now."""

    def ensure(self, seconds: float, *, patient: bool) -> Grant:
        """The grant with so many seconds left."""

    def invalidate(self, generation: int) -> None:
        """Replace credentials that a server refused."""

    def next_renewal(self) -> float:
        """The monotonic second at which the next renewal is due."""


class Holder(Protocol):
    """Who holds the leases: the session."""

    def held(self, scope: str) -> Held:
        """The live lease of a scope; raises `NotLeased` if there is none."""

    def views(self) -> tuple[ScopeView, ...]:
        """The public faces of all leases that are open."""


class Broker:
    """Serves leases to the processes that this one starts.

    It owns the socket and the thread that accepts on it; each request is answered on a
    thread of its own, since one that finds an expired lease waits for the issuer.
    """

    def __init__(self, holder: Holder, clock: Clock, recorder: Recorder) -> None:
        self.path: Path = make_path()
        self._holder = holder
        self._clock = clock
        self._recorder = recorder
        self._seen: set[tuple[int, str]] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A byte on this pair ends the thread at once: nothing to poll for.
        self._end, self._ended = socket.socketpair()
        try:
            self._socket.bind(str(self.path))
            self.path.chmod(0o600)
            self._socket.listen(BACKLOG)
        except OSError:
            self.forget()
            remove(self.path)
            raise
        self._thread = threading.Thread(
            target=self._accept, name="mlsecrets-broker", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop answering, and take the socket away."""
        self._end.send(b"x")
        self._thread.join()
        self.forget()
        remove(self.path)

    def forget(self) -> None:
        """Close our descriptors; in a forked child the path stays the owner's."""
        for held in (self._socket, self._end, self._ended):
            held.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._ended in ready:
                    return
                try:
                    connection, _ = self._socket.accept()
                except OSError:
                    continue  # the worker is gone already, or no descriptor is left
                answer = threading.Thread(
                    target=self._handle,
                    args=(connection,),
                    name="mlsecrets-broker-answer",
                    daemon=True,
                )
                try:
                    answer.start()
                except RuntimeError:
                    self._handle(connection)  # no more threads here: one by one

    def _handle(self, connection: socket.socket) -> None:
        # A worker that is killed in the middle of a request, or talks nonsense, is its
        # own affair: no traceback on the trainer's terminal.
        with connection, suppress(OSError, OwnerGone):
            connection.settimeout(REQUEST_TIMEOUT)
            self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        """Answer one request."""
        if not same_user(connection):
            return
        request = _wire.receive(connection)
        try:
            self._serve(connection, request)
        except MLSecretsError as error:
            head = {
                "error": type(error).__name__,
                "message": error.message,
                "remedy": error.remedy,
                "numbers": error.numbers(),
            }
            _wire.send(connection, head)

    def _serve(self, connection: socket.socket, request: dict[str, Any]) -> None:
        ask = request.get("ask")
        if ask == "views":
            views = [view.to_json() for view in self._holder.views()]
            _wire.send(connection, {"views": views})
            return
        scope = str(request.get("scope"))
        held = self._holder.held(scope)
        if ask == "reject":
            held.invalidate(int(request.get("generation", 0)))
            _wire.send(connection, {"done": True})
        elif ask == "grant":
            self._note(peer(connection)[0], scope)
            # The waiting is the worker's: here it would outlast its socket's patience.
            self._send_grant(connection, held, held.snapshot(patient=False))
        elif ask == "ensure":
            grant = held.ensure(float(request.get("seconds", 0)), patient=False)
            self._send_grant(connection, held, grant)
        else:
            _wire.send(connection, {"error": "OwnerGone", "message": "unknown request"})

    def _send_grant(self, connection: socket.socket, held: Held, grant: Grant) -> None:
        now = self._clock.monotonic()
        terms, credentials = grant.terms, grant.credentials
        with credentials.buffer.reading() as view:
            head = {
                "kind": credentials.KIND,
                "public": credentials.public,
                "slots": [length for _, length in credentials.buffer.slots],
                # Seconds from now, not instants: each process has its own clock object.
                "remaining": terms.remaining(now),
                "ask_in": max(held.next_renewal() - now, 0.0),
                "lease_id": terms.lease_id,
                "issued_at": terms.issued_at,
                "lifetime": terms.lifetime,
                "generation": terms.generation,
            }
            _wire.send(connection, head)
            connection.sendall(view)

    def _note(self, pid: int, scope: str) -> None:
        if (pid, scope) not in self._seen:
            self._seen.add((pid, scope))
            detail = {"worker": pid}
            self._recorder.record(
                Event("attached", scope, self._clock.wall(), os.getpid(), detail)
            )
