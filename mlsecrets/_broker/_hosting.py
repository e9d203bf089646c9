"""Leases held for members: what they join, what they leave, and when they end."""

from __future__ import annotations

from collections.abc import Callable, Collection

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
        """Answer somebody's first request to join; whether it is a member now."""
        return self._let_in(member, str(request.get("scope")))

    def hear(self, member: Member) -> bool:
        """Answer a member's next request; False if it has gone instead."""
        try:
            request = _wire.receive(member.connection)
            member.answered = True
            self._reply(member, request)
        except (OSError, OwnerGone):
            self.see_off(member)
            return False
        finally:
            member.answered = False
        return True

    def see_off(self, member: Member) -> None:
        """A member has gone, in whatever way: let go of what it still held."""
        if self._members.remove(member):
            self._let_go(member, tuple(member.scopes))
            self._members.left()
            member.close()

    def _reply(self, member: Member, request: Request) -> None:
        if request.get("ask") == "join":
            self._let_in(member, str(request.get("scope")))
            return
        asked = request.get("scopes", ())
        reports = self._let_go(member, [s for s in asked if s in member.scopes])
        told = {scope: report.to_dict() for scope, report in reports.items()}
        member.send({"reports": told})

    def _let_in(self, member: Member, scope: str) -> bool:
        try:
            if scope not in member.scopes:
                self._rules.check_joiner(member.pid, scope)
                self._stops[member, scope] = self._holder.admit(scope, member.tell)
                member.scopes.add(scope)
                self._members.add(member)
                self._note("joined", scope, member.pid)
        except MLSecretsError as error:
            member.send(_wire.error_head(error))
            return False
        try:
            member.send({"joined": scope})
        except OSError:
            self.see_off(member)
            return False
        return True

    def _let_go(self, member: Member, scopes: Collection[str]) -> dict[str, ExitReport]:
        for scope in scopes:
            member.scopes.discard(scope)
            self._note("left", scope, member.pid)
        reports = self._holder.dismiss(*scopes)
        for scope in scopes:
            # Not before the end, so that the member hears of it.
            self._stops.pop((member, scope))()
        return reports
