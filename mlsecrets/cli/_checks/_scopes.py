"""Whether each scope can be leased, and whether its life suits the job's."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..._schedule import SHORTEST_CALL, renewal_due
from ..._session import Session
from ...clock import Clock
from ...errors import MLSecretsError
from ...events import Journal
from ...grant import Terms
from ...issuer import Limits
from ...manifest import Manifest
from ...report import ExitReport
from .._format import spoken
from ._check import Check, failed

#: A renewal that needs this many times what the first issue took must still be in time.
MARGIN = 3.0


def leased(
    manifest: Manifest, name: str, *, clock: Clock, job_length: float
) -> Iterator[Check]:
    """Lease a scope as a job would, and end it at once."""
    scope = manifest.scope(name)
    session = Session(manifest, clock=clock, journal=Journal())
    check = f"scope {name}"
    try:
        live = session.reserve(name, None)  # not served: nobody else is to see it
        try:
            live.open()
            terms = live.snapshot().terms
            limits = live.issuer.limits(scope)
        finally:
            report = session.release(name).get(name)
    except MLSecretsError as error:
        finding = failed(check, error)
        owner = f"{finding.remedy} (the scope's owner: {scope.owner})"
        yield Check(check, ok=False, found=finding.found, remedy=owner)
        return
    finally:
        session.close()
        session.journal.close()
    took = _took(session.journal, name)
    allows = ", ".join(str(access) for access in scope.access)
    found = f"leased in {took * 1000:.0f} ms: {allows}; {_end(report)}"
    yield Check(check, ok=True, found=found)
    yield length(terms, limits, took=took, job_length=job_length)


def length(terms: Terms, limits: Limits, *, took: float, job_length: float) -> Check:
    """How a scope's terms suit a job's length. Pure.

    Args:
        terms: as they were granted.
        limits: of the issuer, for this scope.
        took: seconds that issuing took.
        job_length: seconds that the job is expected to take.
    """
    # With the latest of the renewal instants that a rank can get.
    step = renewal_due(terms, terms.scope) - (terms.deadline - terms.lifetime)
    left = terms.lifetime - step
    count = max(math.ceil(job_length / step) - 1, 0) if step > 0 else 0
    verb = "renewed" if terms.renewable else "replaced"
    found = f"lives {spoken(terms.lifetime)}"
    if count:
        times = f"{count:,} time{'s' if count > 1 else ''}"
        found += f"; {verb} {times} in a job of {spoken(job_length)}, about every "
        found += f"{spoken(step)}"
    else:
        found += f", longer than a job of {spoken(job_length)}"
    found += f"; {limits.note}"
    # A call may hang for the shortest time-out before it is tried again.
    needed = max(MARGIN * took, SHORTEST_CALL)
    if count and left < needed:
        return Check(
            f"life of {terms.scope}",
            ok=False,
            found=f"{found}; only {spoken(left)} to do it in, needs {spoken(needed)}",
            remedy="lengthen the ttl where the issuer sets it, to "
            f"{math.ceil(3 * needed)} s or more",
        )
    return Check(f"life of {terms.scope}", ok=True, found=found)


def _took(journal: Journal, scope: str) -> float:
    """Seconds that the issuer took, a login and a JWT included."""
    return (
        sum(float(e.detail["ms"]) for e in journal.events("issued", scope=scope)) / 1e3
    )


def _end(report: ExitReport | None) -> str:
    if report is None or not report.ended:
        return "still held by another lease"
    end = report.ended[0]
    text = str(end.outcome.fate)
    if end.outcome.reason:
        text += f" ({end.outcome.reason})"
    return text
