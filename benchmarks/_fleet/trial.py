"""One fleet under one rule: when it starts, what befalls it, what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .measure import counts, peak_over_mean, poisson_peak
from .node import Kind, Node
from .ours import leased
from .peers import Botocore, Naive, Watcher
from .run import run
from .service import Service

OURS, NAIVE, BOTOCORE, WATCHER = "mlsecrets", "2/3 of life", "botocore", "Vault watcher"
RULES = (NAIVE, BOTOCORE, WATCHER, OURS)
_PEERS: dict[str, Callable[[Service, Kind, random.Random], Node]] = {
    NAIVE: Naive,
    BOTOCORE: Botocore,
    WATCHER: Watcher,
}

#: Seconds of the outage, and of the bins in which calls are counted around it.
OUTAGE, BIN = 600.0, 10.0
#: Bins in a lifetime elsewhere, so that 10 000 nodes make some 500 calls in each, and
#: how many for fewer nodes, whose calls would else be too few to tell a peak by.
MANY, BINS, FEW_BINS = 10_000, 30, 6
#: The spans of a long run, in lifetimes. The last is the steady state.
SPANS = ((0.0, 3.0), (3.0, 6.0), (6.0, 12.0))
#: When the outage begins, and for how long it is watched afterwards, in lifetimes.
BEFORE, AFTER = 2.0, 4.0


@dataclass(frozen=True)
class Trial:
    """What is simulated.

    Attributes:
        rule: one of `RULES`.
        nodes: how many.
        kind: what they are granted.
        start: seconds over which they start, at random.
        limit: of the issuer after its outage, as a multiple of 1.5 calls in a life of
            each node; 0 if it has none.
    """

    rule: str
    nodes: int
    kind: Kind
    start: float = 0.0
    limit: float = 0.0


@dataclass(frozen=True)
class Calm:
    """What came of a fleet that nothing befell.

    Attributes:
        first: calls in the fullest second of the start.
        rate: calls a second in the steady state.
        peaks: peak over mean in each of `SPANS`; the start itself is left out.
        chance: what the last of them would be with as many calls at random.
    """

    first: int
    rate: float
    peaks: tuple[float, ...]
    chance: float


@dataclass(frozen=True)
class Outage:
    """What came of a fleet whose issuer was away for ten minutes.

    Attributes:
        rate: calls a second before it.
        during, worst: calls a second while it is away: on average, in the worst bin.
        recovery: the same in the worst bin after it.
        wasted: calls after it that were not granted, for each node.
        hungry: nodes that held nothing valid at some moment from its beginning on.
        minutes: for how long these did, on average.
        all_valid: seconds from its end until no node held nothing valid; the rest of
            the run if some still do.
        echo: peak over mean in the second to fourth lifetime after it.
    """

    rate: float
    during: float
    worst: float
    recovery: float
    wasted: float
    hungry: int
    minutes: float
    all_valid: float
    echo: float


def calm(trial: Trial) -> Calm:
    """Start a fleet, and watch it for twelve lifetimes."""
    service, life = Service(), trial.kind.lifetime
    starts = _starts(trial)
    until = SPANS[-1][1] * life
    history = run(_maker(trial, service), starts, service.calls, until=until)
    calls = history.calls
    seconds = max(int(trial.start), 1)
    bins = BINS if trial.nodes >= MANY else FEW_BINS
    found = []
    for span in SPANS:
        # Nodes that start late make their first calls in the first span.
        begin = max(span[0] * life, trial.start + 1.0)
        lives = span[1] - span[0]
        found.append(counts(calls, begin, span[1] * life, round(lives * bins)))
    steady = found[-1]
    return Calm(
        first=max(counts(calls, 0.0, float(seconds), seconds)),
        rate=sum(steady) / ((SPANS[-1][1] - SPANS[-1][0]) * life),
        peaks=tuple(map(peak_over_mean, found)),
        chance=poisson_peak(sum(steady) / len(steady), len(steady)),
    )


def outage(trial: Trial) -> Outage:
    """A fleet that is spread already loses its issuer for ten minutes."""
    life = trial.kind.lifetime
    begin = BEFORE * life
    end, until = begin + OUTAGE, (BEFORE + AFTER) * life + OUTAGE
    bins = BINS if trial.nodes >= MANY else FEW_BINS
    limit = trial.limit * 1.5 * trial.nodes / life if trial.limit else None
    service = Service((begin, end), limit)
    history = run(_maker(trial, service), _starts(trial), service.calls, until=until)
    calls = history.calls
    before = counts(calls, begin - life, begin, 1)[0] / life
    during = counts(calls, begin, end, int(OUTAGE / BIN))
    after = counts(calls, end, end + life, int(life / BIN))
    gaps = [gap for gap in history.gaps if gap[2] > begin]
    hungry = {number for number, _, _ in gaps}
    hunger = sum(fed - ended for _, ended, fed in gaps)
    return Outage(
        rate=before,
        during=sum(during) / OUTAGE,
        worst=max(during) / BIN,
        recovery=max(after) / BIN,
        wasted=service.throttled / trial.nodes,
        hungry=len(hungry),
        minutes=hunger / 60 / len(hungry) if hungry else 0.0,
        all_valid=max((fed - end for _, _, fed in gaps if fed > end), default=0.0),
        echo=peak_over_mean(counts(calls, end + life, until, round(3 * bins))),
    )


def _starts(trial: Trial) -> list[float]:
    chance = random.Random(trial.nodes)  # noqa: S311  the same at each run
    return [chance.random() * trial.start for _ in range(trial.nodes)]


def _maker(trial: Trial, service: Service) -> Callable[[int], Node]:
    if trial.rule == OURS:
        return leased(service, trial.kind)
    peer = _PEERS[trial.rule]
    return lambda number: peer(
        service,
        trial.kind,
        random.Random(number),  # noqa: S311  the same at each run
    )
