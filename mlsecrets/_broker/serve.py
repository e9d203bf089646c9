"""The owner's side: a socket, the thread that accepts on it, and those that answer."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._forks import close, closes, forgets, held_off
from ..clock import Clock
from ..errors import NotLeased, OwnerGone
from ..events import Event, Recorder
from . import _wire
from ._answers import Answers
from ._holder import Holder
from ._hosting import Hosting
from ._members import Member, Members
from ._peers import Peers
from ._place import Place
from ._rules import Rules
from ._socket import peer

#: Seconds that a worker may take over its request: it has it ready when it connects.
REQUEST_TIMEOUT = 5.0
#: Seconds in which the members of an owner that has gone join the next one.
SETTLING = 5.0
#: Bytes of a request that nobody reads: more than any has.
_ANY = 1 << 16
#: Seconds that members get to find another owner when this one goes: one issuer call.
HANDOVER = 5.0


class Broker:
    """Serves leases to the other processes of the job.

    It owns the socket and the thread that accepts on it; each request is answered on a
    thread of its own, since one that finds an expired lease waits for the issuer.

    Args:
        holder: whose leases.
        clock: reads time.
        recorder: is told who attached, joined and left, and who was refused.
        place: where to serve; this process holds its lock.
        peers: who may connect; see `configure`.
        roots: further processes whose descendants belong to the job.
        succeeding: whether it takes over from an owner that has gone: members come
            back one by one, and workers wait for them a while.
    """

    def __init__(
        self,
        holder: Holder,
        clock: Clock,
        recorder: Recorder,
        place: Place,
        *,
        peers: Peers = "user",
        roots: Collection[int] = (),
        succeeding: bool = False,
    ) -> None:
        self.place = place
        self.members = Members()
        self._clock = clock
        self._recorder = recorder
        self._rules = Rules(holder, self.members, peers, roots, self._note)
        settled_at = clock.monotonic() + SETTLING if succeeding else 0.0
        self._answers = Answers(
            holder, self.members, self._rules, clock, self._note, settled_at
        )
        self._hosting = Hosting(holder, self.members, self._rules, self._note)
        # Connections being answered, and members to watch again: for the other thread.
        self._answering: set[socket.socket] = set()
        self._to_watch: list[Member] = []
        self._resigned = False
        self._closed = False
        self._socket = place.bind()
        self._socket.settimeout(0)  # asked only when somebody is there
        # A byte on this pair wakes the thread at once: nothing to poll for.
        with held_off():
            self._wake, self._woken = socket.socketpair()
            for end in (self._wake, self._woken):
                closes(end)
        forgets(self)
        self._thread = threading.Thread(
            target=self._accept, name="mlsecrets-broker", daemon=True
        )
        self._thread.start()

    @property
    def path(self) -> Path:
        """Of the socket."""
        return self.place.socket

    # -- ending ----------------------------------------------------------------------

    def resign(self) -> None:
        """Give up the place: from now on another process may own it. Idempotent."""
        if not self._resigned:
            self._resigned = True
            self.place.give_up()

    def hand_over(self) -> None:
        """Let members find another owner; returns when all have, or after a while.

        Each that has changed over lets go of its leases here: the last one to do so
        ends them.
        """
        self.resign()
        for member in self.members:
            member.offer({"leaving": True})
        self.members.await_none(HANDOVER)

    def close(self) -> None:
        """Stop answering; members that are still there lose their connection."""
        self.resign()
        self._wake.send(b"x")
        if self._thread is not threading.current_thread():
            self._thread.join()
        self._closed = True
        for member in self.members:
            if not member.answered:  # the last one to leave still gets its reports
                member.close()
        self._close_own()

    def forget(self) -> None:
        """In a forked child: close our copies; the path and the lock stay the owner's.

        Those of requests under way too: who waits for an answer, or for an end, waits
        for the last copy to be closed.
        """
        self.members.forget()
        for connection in tuple(self._answering):
            connection.close()
        self._close_own()

    def _close_own(self) -> None:
        for held in (self._socket, self._wake, self._woken):
            held.close()

    # -- the thread that accepts -------------------------------------------------------

    def _accept(self) -> None:
        with held_off():
            selecting = selectors.DefaultSelector()
            closes(selecting)
        with selecting as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = [(key.fileobj, key.data) for key, _ in selector.select()]
                files = {file for file, member in ready if member is None}
                for member in {member for _, member in ready} - {None}:
                    for descriptor in member.descriptors:
                        selector.unregister(descriptor)
                    ended = (member.pidfd, member) in ready
                    self._apart(self._hosting.see_off if ended else self._hear, member)
                if self._woken in files and not self._watch_again(selector):
                    return
                if self._socket in files:
                    self._take_connection()

    def _watch_again(self, selector: selectors.BaseSelector) -> bool:
        """Take up members that have been answered; False if all is to end."""
        signals = self._woken.recv(1 << 12)
        while self._to_watch:
            member = self._to_watch.pop()
            for descriptor in member.descriptors:
                selector.register(descriptor, selectors.EVENT_READ, member)
        return b"x" not in signals

    def _take_connection(self) -> None:
        try:
            with held_off():  # the child would keep what it does not know of
                connection, _ = self._socket.accept()
                closes(connection)
        except OSError:
            return  # the worker is gone already, or no descriptor is left
        self._answering.add(connection)
        self._apart(self._handle, connection)

    def _apart(self, target: Callable[[Any], object], subject: object) -> None:
        """Do it on a thread of its own, or here where no more is to be had."""
        thread = threading.Thread(
            target=target, args=(subject,), name="mlsecrets-broker-answer", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            target(subject)

    # -- those that answer -------------------------------------------------------------

    def _handle(self, connection: socket.socket) -> None:
        # A worker that is killed in the middle of a request, or talks nonsense, is its
        # own affair: no traceback on the trainer's terminal.
        kept = False
        try:
            connection.settimeout(REQUEST_TIMEOUT)
            kept = self._answer(connection)
        except (OSError, OwnerGone):
            pass
        finally:
            self._answering.discard(connection)
            if not kept:
                close(connection)

    def _answer(self, connection: socket.socket) -> bool:
        """Answer a first request; whether the connection stays, because it joined."""
        try:
            self._rules.check_peer(connection)
        except NotLeased as refused:
            _wire.send(connection, _wire.error_head(refused))
            # Closed before it has asked, it would see a broken pipe, and not why.
            connection.recv(_ANY)
            return False
        request = _wire.receive(connection)
        pid, _ = peer(connection)
        if request.get("ask") != "join":
            self._answers.answer(connection, pid, request)
            return False
        connection.settimeout(None)
        member = Member(connection, pid)
        if not self._hosting.welcome(member, request):
            member.forget()
            return False
        self._watch(member)
        return True

    def _hear(self, member: Member) -> None:
        if self._hosting.hear(member):
            self._watch(member)

    def _watch(self, member: Member) -> None:
        if self._closed:
            member.close()
            return
        self._to_watch.append(member)
        with suppress(OSError):
            self._wake.send(b"w")

    def _note(self, name: str, scope: str, pid: int, **detail: Any) -> None:
        told = {"worker": pid, **detail}
        self._recorder.record(Event(name, scope, self._clock.wall(), os.getpid(), told))
