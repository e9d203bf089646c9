"""What is known of a lease, without asking: folded from its events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from mlsecrets import EndedGrant, Event, Fate, Lease
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.errors import LeaseClosed, LeaseExpired, MLSecretsError


class State(Enum):
    """How a lease is."""

    OPEN = "open"
    FAILING = "renewal failing"
    DOOMED = "doomed"
    EXPIRED = "expired"
    ENDED = "ended"


@dataclass(frozen=True)
class Status:
    """One lease at one moment; holds no secret.

    Attributes:
        scope: its name in the manifest.
        told: how it is, as far as events have told.
        until: wall-clock epoch seconds at which its credentials end; None if unknown.
        generation: of its credentials; 0 if unknown.
        reason: why it fails, is doomed or how it ended; may be empty.
    """

    scope: str
    told: State = State.OPEN
    until: float | None = None
    generation: int = 0
    reason: str = ""

    def state(self, now: float) -> State:
        """How it is at wall-clock `now`: nothing tells of an end by time alone."""
        over = self.until is not None and now >= self.until
        return State.EXPIRED if over and self.told is not State.ENDED else self.told

    def after(self, event: Event) -> Status:
        """What is known once an event has happened to the lease."""
        told = event.detail
        generation = int(told.get("generation", self.generation))
        if event.name in {"issued", "replaced", "renewed"}:
            return Status(self.scope, State.OPEN, told["expires_at"], generation)
        if self.told is State.ENDED:
            return self
        if event.name in {"renewal_failed", "throttled"}:
            away = "the issuer is away" if told["transient"] else "the issuer refuses"
            reason = f"{away} ({told['error']})"
            doomed = self.told is State.DOOMED
            state = State.DOOMED if doomed else State.FAILING
            return replace(self, told=state, reason=reason)
        if event.name == "doomed":
            reason = self.reason or f"it will not be renewed ({told['error']})"
            return replace(
                self, told=State.DOOMED, until=told["deadline"], reason=reason
            )
        if event.name == "expired" and generation >= self.generation:
            return replace(self, told=State.EXPIRED)
        return self._ended_by(event, generation)

    def _ended_by(self, event: Event, generation: int) -> Status:
        if event.name in {"revoked", "ends_at_ttl"} and generation >= self.generation:
            fate = Fate.REVOKED if event.name == "revoked" else Fate.ENDS_AT_TTL
            return self._over(str(fate), event.at)
        if event.name == "shredded":
            ran_out = self.told is State.EXPIRED
            return self._over("it had expired" if ran_out else "", event.at)
        return self

    def ended(self, last: EndedGrant | None) -> Status:
        """What is known once its block has been left.

        Args:
            last: what became of its newest generation; None if others hold it still.
        """
        now = SYSTEM_CLOCK.wall()
        if last is None:
            return self._over("other processes of the job hold it still", now)
        return replace(
            self._over(str(last.outcome.fate), now), generation=last.terms.generation
        )

    def _over(self, reason: str, at: float) -> Status:
        before = self.told is State.ENDED  # the first to tell knows when
        until = self.until if before else at
        return replace(self, told=State.ENDED, until=until, reason=reason)


def look(lease: Lease) -> Status:
    """What a lease is now; waits for its issuer if nothing valid is at hand."""
    unknown = Status(lease.scope)
    if not lease.open:
        return _of_ended(lease, unknown)
    try:
        terms = lease.snapshot().terms
    except LeaseClosed:
        return _of_ended(lease, unknown)
    except LeaseExpired as error:
        return replace(unknown, told=State.EXPIRED, reason=type(error).__name__)
    except MLSecretsError as error:
        return replace(unknown, told=State.FAILING, reason=type(error).__name__)
    known = replace(unknown, until=terms.expires_at, generation=terms.generation)
    return replace(known, told=State.DOOMED) if _doomed(lease) else known


def _doomed(lease: Lease) -> bool:
    try:
        return lease.doomed is not None
    except MLSecretsError:  # another process's, or ended a moment ago
        return False


def _of_ended(lease: Lease, known: Status) -> Status:
    try:
        return known.ended(next(iter(lease.report.ended), None))
    except MLSecretsError:
        return replace(known, told=State.ENDED)
