"""Whether what a renewal promises was kept: pure functions of what was written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .records import NEEDS, Failure, Outage, Refusal, Revocation
from .samples import Sample
from .trouble import SERVING

#: Events that give a lease later terms or new credentials.
SUCCESS = frozenset({"issued", "renewed", "replaced"})
#: Seconds for which a credential may be dead when it arrives: it lived when it was
#: signed with, and the machine was busy in between.
ON_ITS_WAY = 0.5

Events = Sequence[dict[str, Any]]


#: Descriptors that the owner has for its workers: each of the four has joined, or is
#: just being replaced, by a connection and a pidfd.
OF_WORKERS = 4 * 2


@dataclass(frozen=True)
class Promise:
    """One thing that has to be true of every run.

    Attributes:
        text: what.
        kept: whether it was.
        detail: by which figures.
    """

    text: str
    kept: bool
    detail: str


@dataclass(frozen=True)
class Classed:
    """Failed reads, by whether there was anything to read with.

    Attributes:
        excused: ours alone, while an outage outlasted the lease, or until the first
            success after it.
        others: what must not be.
    """

    excused: list[Failure]
    others: list[Failure]


def touching(outages: Iterable[Outage], scope: str) -> list[Outage]:
    """The outages of what a lease needs, in which it could not be had."""
    return [
        outage
        for outage in outages
        if NEEDS[scope] & set(outage.issuers) and outage.fault not in SERVING
    ]


def recovered_at(scope: str, outage: Outage, events: Events) -> float | None:
    """When a lease was renewed or replaced after an outage; None if it never was."""
    return min(
        (
            event["at"]
            for event in events
            if event["scope"] == scope
            and event["event"] in SUCCESS
            and event["at"] >= outage.end
        ),
        default=None,
    )


def classed(
    failures: Iterable[Failure],
    outages: Sequence[Outage],
    events: Events,
    lifetime: float,
) -> Classed:
    """Sort failed reads.

    Args:
        failures: what failed.
        outages: all of them.
        events: the journal's.
        lifetime: seconds that a lease lives; an outage of more may cost reads.
    """
    excuses: dict[str, list[tuple[float, float]]] = {
        scope: [
            (outage.start, recovered_at(scope, outage, events) or float("inf"))
            for outage in touching(outages, scope)
            if outage.seconds > lifetime
        ]
        for scope in NEEDS
    }
    found = Classed([], [])
    for failure in failures:
        excused = failure.ours and not failure.valid
        excused = excused and any(
            failure.started < end and failure.ended > start
            for start, end in excuses[failure.scope]
        )
        (found.excused if excused else found.others).append(failure)
    return found


def recoveries(
    outages: Iterable[Outage], events: Events, lifetime: float
) -> list[tuple[str, Outage, float | None]]:
    """For each long outage and lease: seconds from its end to the next success."""
    found = []
    for scope in NEEDS:
        for outage in touching(outages, scope):
            if outage.seconds > lifetime:
                at = recovered_at(scope, outage, events)
                took = None if at is None else at - outage.end
                found.append((scope, outage, took))
    return found


def unexplained(
    refusals: Iterable[Refusal],
    revocations: Sequence[Revocation],
    lifetime: float,
) -> list[Refusal]:
    """Dead credentials that were given out although nobody had ended them early.

    A reader's refusal over HTTP is left out: the server has noted the same one, and
    knows for how long the credential had been dead.
    """
    return [
        refusal
        for refusal in refusals
        if (refusal.seen_by == "resource" or refusal.scope == "train-data")
        and not (refusal.late is not None and 0 < refusal.late < ON_ITS_WAY)
        and not any(
            revocation.scope == refusal.scope
            and revocation.at <= refusal.at <= revocation.at + lifetime + 1.0
            for revocation in revocations
        )
    ]


def growth(
    before: Sample,
    after: Sample,
    *,
    slope: float,
    limits: tuple[float, float] | None,
) -> list[Promise]:
    """What must not grow.

    Args:
        before: in a quiet moment after the warm-up.
        after: in a quiet moment at the end.
        slope: of the memory, in KiB a minute.
        limits: KiB that the memory may have grown by, and of its slope; None: the run
            was too short to tell.
    """
    promises = [
        Promise(
            f"no growth of {what}",
            late <= early + slack,
            f"{early} at the start, {late} at the end",
        )
        for what, early, late, slack in (
            ("threads", before.threads, after.threads, 2),
            ("descriptors", before.descriptors, after.descriptors, 2 + OF_WORKERS),
        )
    ]
    if limits is not None:
        grown = after.rss - before.rss
        promises.append(
            Promise(
                "no growth of memory",
                grown <= limits[0] and slope <= limits[1],
                f"{grown:+.0f} KiB, at most {limits[0]:.0f}; "
                f"{slope:+.0f} KiB/min, at most {limits[1]:.0f}",
            )
        )
    return promises
