"""Faults from a seed: which issuers, what is wrong with them, for how long."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults import faults as fault
from tests.faults.proxy import FaultProxy

from .records import Outage, now

#: What is faulted together, and how often. Not the revoker: it is called at the end
#: alone, and away then (`ending`).
TARGETS = {("bao",): 45, ("store",): 25, ("bao", "store"): 30}
#: Of the outages, how many outlast the lease.
LONG_SHARE = 0.12
SHORT = (0.2, 4.0)  # seconds; below the 5 s of the lease
LONG = (8.0, 25.0)
CALM = (2.0, 6.0)

Make = Callable[[random.Random], fault.Fault]

#: By the name that the report uses. Only what says "not now": a plain no (403) is not
#: an outage, and is answered at once.
KINDS: dict[str, Make] = {
    "refuse": lambda rng: fault.Refuse(),
    "reset": lambda rng: fault.Reset(),
    "reset-after": lambda rng: fault.Reset(forwarded=True),
    "black-hole": lambda rng: fault.BlackHole(),
    "black-hole-after": lambda rng: fault.BlackHole(forwarded=True),
    "slow-drip": lambda rng: fault.SlowDrip(rng.choice([5, 20, 80])),
    "truncate": lambda rng: fault.Truncate(),
    "garbage": lambda rng: fault.Garbage(seed=rng.randrange(1 << 30)),
    "garbage-body": lambda rng: fault.Garbage(head=True, seed=rng.randrange(1 << 30)),
    "oversize": lambda rng: fault.OversizeBody(),
    "web-page": lambda rng: fault.WrongContentType(),
    "status-5xx": lambda rng: fault.Status(rng.choice([500, 502, 503, 504])),
    "throttle": lambda rng: fault.Throttle(rng.randint(1, 3)),
    "latency": lambda rng: fault.Latency(rng.uniform(0.1, 0.8)),
}
#: Kinds with which an issuer still serves: no excuse for a failed read.
SERVING = frozenset({"latency"})


@dataclass(frozen=True)
class Step:
    """A calm, and the outage after it; both in seconds."""

    calm: float
    issuers: tuple[str, ...]
    kind: str
    fault: fault.Fault
    seconds: float


def steps(seed: int) -> Iterator[Step]:
    """The faults of a run, without end; the same for the same seed."""
    rng = random.Random(seed)
    targets, weights = list(TARGETS), list(TARGETS.values())
    while True:
        (issuers,) = rng.choices(targets, weights)
        kind = rng.choice(list(KINDS))
        length = LONG if rng.random() < LONG_SHARE else SHORT
        yield Step(
            calm=rng.uniform(*CALM),
            issuers=issuers,
            kind=kind,
            fault=KINDS[kind](rng),
            seconds=rng.uniform(*length),
        )


class Trouble(threading.Thread):
    """Plays the steps of a seed on the proxies, until told to stop.

    Args:
        seed: of the steps.
        proxies: by the issuer behind them.
        until: the instant at which all has to be calm again.
        in_the_calm: called once in every calm, after half of it.

    Attributes:
        outages: those that are over.
    """

    def __init__(
        self,
        seed: int,
        proxies: Mapping[str, FaultProxy],
        until: float,
        in_the_calm: Callable[[], None],
    ) -> None:
        super().__init__(name="trouble", daemon=True)
        self.outages: list[Outage] = []
        self.error: BaseException | None = None
        self._steps = steps(seed)
        self._proxies = proxies
        self._until = until
        self._in_the_calm = in_the_calm
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Play; what goes wrong here is raised by `stop`."""
        try:
            for step in self._steps:
                if self._stop_asked.wait(step.calm / 2):
                    return
                self._in_the_calm()
                if self._stop_asked.wait(step.calm / 2) or now() >= self._until:
                    return
                self._play(step)
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        """End the fault that is on, and the thread.

        Raises:
            BaseException: what it died of, if it did.
        """
        self._stop_asked.set()
        self.join()
        if self.error is not None:
            raise self.error

    def _play(self, step: Step) -> None:
        proxies = [self._proxies[issuer] for issuer in step.issuers]
        start = now()
        try:
            for proxy in proxies:
                proxy.fault = step.fault
            self._stop_asked.wait(min(step.seconds, self._until - start))
        finally:
            for proxy in proxies:
                proxy.fault = None
        self.outages.append(Outage(step.issuers, step.kind, start, now()))
