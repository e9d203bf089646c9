"""Answers to workers: one question each, from what the owner holds."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

from ..clock import Clock
from ..errors import LeaseClosed, LeaseExpired, MLSecretsError, NotLeased
from ..grant import Grant
from . import _wire
from ._holder import Held, Holder
from ._members import Members
from ._rules import Note, Rules

#: Seconds after which a worker asks again for what is about to be taken over.
AGAIN = 0.05

Request = dict[str, Any]
"""A question as it came over the socket: JSON, nothing in it is trusted."""


class Answers:
    """Answers questions about leases: which there are, and their credentials.

    Args:
        holder: whose leases.
        members: who has joined.
        rules: who may read them.
        clock: reads time.
        note: is told who reads what for the first time.
        settled_at: monotonic seconds until which what is not held here may be about to
            be: this owner has taken over from one that died.
    """

    def __init__(
        self,
        holder: Holder,
        members: Members,
        rules: Rules,
        clock: Clock,
        note: Note,
        settled_at: float,
    ) -> None:
        self._settled_at = settled_at
        self._holder = holder
        self._members = members
        self._rules = rules
        self._clock = clock
        self._note = note
        self._seen: set[tuple[int, str]] = set()

    def answer(self, connection: socket.socket, pid: int, request: Request) -> None:
        """Answer one question of a process; what cannot be answered is told it."""
        try:
            self._answer(connection, pid, request)
        except MLSecretsError as error:
            _wire.send(connection, _wire.error_head(error))

    def _answer(self, connection: socket.socket, pid: int, request: Request) -> None:
        ask, scope = request.get("ask"), str(request.get("scope"))
        if ask == "views":
            views = [view.to_json() for view in self._holder.views()]
            _wire.send(connection, {"views": views})
            return
        if ask == "figures":
            _wire.send(connection, {"pid": os.getpid(), "leases": self._figures()})
            return
        if not self._holder.holds(scope) and self._clock.monotonic() < self._settled_at:
            raise LeaseExpired(
                f"lease {scope} is not taken over yet from an owner that has gone",
                again_in=AGAIN,
            )
        held = self._holder.held(scope)
        worker = self._rules.check_reader(pid, scope)
        if ask == "reject":
            # Not by the number alone: an owner before us counted from 1 as well.
            if request.get("lease_id") in {None, held.lease_id}:
                held.invalidate(int(request.get("generation", 0)))
            _wire.send(connection, {"done": True})
        elif ask == "grant":
            if worker and (pid, scope) not in self._seen:
                self._seen.add((pid, scope))
                self._note("attached", scope, pid)
            # The waiting is the worker's: here it would outlast its socket's patience.
            self._send_grant(connection, held, held.snapshot(patient=False))
        elif ask == "ensure":
            grant = held.ensure(float(request.get("seconds", 0)), patient=False)
            self._send_grant(connection, held, grant)
        else:
            _wire.send(connection, {"error": "OwnerGone", "message": "unknown request"})

    def _figures(self) -> list[dict[str, Any]]:
        """How each lease fares, who else holds it, and how many have read it."""
        leases = []
        readers = [scope for _, scope in tuple(self._seen)]
        for view in self._holder.views():
            with suppress(LeaseClosed, NotLeased):  # it has just ended
                figures = self._holder.held(view.name).figures()
                figures["members"] = self._members.holding(view.name)
                figures["readers"] = readers.count(view.name)
                leases.append({"view": view.to_json(), **figures})
        return leases

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
