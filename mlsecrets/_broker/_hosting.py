"""Leases held for members: what they join, what they leave, and when they end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..errors import MLSecretsError, OwnerGone
from ..report import ExitReport
from . import _wire
from ._answers import Request
from ._holder import Holder
from ._members import Member, Members
from ._rules import Note, Rules


class Hosting:
    """Holds leases for members, each for as long as one of them needs it.

    Args:
        holder: whose leases.
        members: who has joined.
        rules: who may.
        note: is told who joined and left.
    """

    def __init__(
        self, holder: Holder, members: Members, rules: Rules, note: Note
    ) -> None:
        self._holder = holder
        self._members = members
        self._rules = rules
        self._note = note
        self._stops: dict[tuple[Member, str], Callable[[], None]] = {}

    def welcome(self, member: Member, request: Request) -> bool:
        """Take in somebody who asks to join; False if it has gone again already.

        It is a member even if it may not have what it asks for: it may ask for more.
        """
        self._members.add(member)
        return self._answer(member, request)

    def hear(self, member: Member) -> bool:
        """Answer a member's next request; False if it has gone instead."""
        try:
            request = _wire.receive(member.connection)
        except (OSError, OwnerGone):
            self.see_off(member)
            return False
        return self._answer(member, request)

    def see_off(self, member: Member) -> None:
        """A member has gone, in whatever way: let go of what it still held."""
        if self._members.remove(member):
            self._let_go(member, tuple(member.scopes))
            self._members.left()
            member.close()

    def _answer(self, member: Member, request: Request) -> bool:
        member.answered = True
        try:
            member.send(self._reply(member, request))
        except OSError:
            self.see_off(member)
            return False
        finally:
            member.answered = False
        return True

    def _reply(self, member: Member, request: Request) -> dict[str, Any]:
        try:
            if request.get("ask") == "join":
                scope = str(request.get("scope"))
                self._let_in(member, scope)
                return {"joined": scope}
        except MLSecretsError as error:
            return _wire.error_head(error)
        reports = self._let_go(member, _left(member, request.get("scopes")))
        return {"reports": {scope: end.to_dict() for scope, end in reports.items()}}

    def _let_in(self, member: Member, scope: str) -> None:
        if scope not in member.scopes:
            self._rules.check_joiner(member.pid, scope)
            self._stops[member, scope] = self._holder.admit(scope, member.tell)
            self._note("joined", scope, member.pid)
        member.scopes[scope] += 1

    def _let_go(self, member: Member, scopes: Collection[str]) -> dict[str, ExitReport]:
        for scope in scopes:
            del member.scopes[scope]
            self._note("left", scope, member.pid)
        reports = self._holder.dismiss(*scopes)
        for scope in scopes:
            # Not before the end, so that the member hears of it.
            self._stops.pop((member, scope))()
        return reports


def _left(member: Member, asked: object) -> list[str]:
    """Those of the scopes asked for that the member has now left as often as joined."""
    left = []
    for scope in asked if isinstance(asked, list) else ():
        if isinstance(scope, str) and scope in member.scopes:
            member.scopes[scope] -= 1
            if member.scopes[scope] == 0:
                left.append(scope)
    return left
