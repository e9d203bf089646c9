"""One run of one experiment: an issuer, a clock to move, a client under test."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlsecrets.testing import FakeClock

from .clients import Client, Maker
from .issuer import CountingIssuer

#: How many readers or requests there are where it says "at once".
CROWD = 32
#: What an experiment found: counts and seconds, by name.
Found = dict[str, float]


@dataclass
class Trial:
    """What an experiment works with."""

    issuer: CountingIssuer
    clock: FakeClock
    client: Client

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.client.moved()

    def read(self) -> str:
        """Read once, and what came of it.

        Returns:
            ``valid``, ``dead`` (it gave a credential past its end), ``raised early``
            (although a credential that it had fetched was still valid) or ``raised``.
        """
        try:
            identity = self.client.read()
        except Exception:  # noqa: BLE001  whatever the client's users would get
            return "raised early" if self.valid else "raised"
        return "valid" if self.issuer.remaining(identity) > 0 else "dead"

    @property
    def valid(self) -> bool:
        """Whether any credential that was ever minted still lives."""
        return self.remaining > 0

    @property
    def remaining(self) -> float:
        """Seconds of life in the longest-lived credential; negative if all are dead."""
        return max(map(self.issuer.remaining, list(self.issuer.minted)), default=0.0)


class TickingClock(FakeClock):
    """Time that also passes by itself, for experiments with a real server."""

    def monotonic(self) -> float:
        """Seconds advanced so far, and those that have passed."""
        return super().monotonic() + time.monotonic()

    def wall(self) -> float:
        """The wall clock, if nothing was advanced."""
        return time.time()


@contextmanager
def begin(make: Maker, lifetime: float, *, ticking: bool = False) -> Iterator[Trial]:
    """A client that has not been read yet.

    Args:
        make: makes the client.
        lifetime: seconds that each credential lives.
        ticking: let time pass by itself.
    """
    clock = TickingClock() if ticking else FakeClock(wall=None)
    issuer = CountingIssuer(clock, lifetime)
    with make(issuer, clock) as client:
        yield Trial(issuer, clock, client)


def crowd(
    action: Callable[[], str], go: Callable[[], None]
) -> tuple[Counter[str], list[float]]:
    """Have `CROWD` threads act at once.

    Args:
        action: what each does; says what came of it.
        go: called when all are ready, just before they are let go.

    Returns:
        How often each thing came of it, and the seconds that each thread took.
    """
    gate = threading.Barrier(CROWD + 1)
    came: Counter[str] = Counter()
    took: list[float] = []
    lock = threading.Lock()

    def act() -> None:
        gate.wait()
        begun = time.perf_counter()
        what = action()
        spent = time.perf_counter() - begun
        with lock:
            came[what] += 1
            took.append(spent)

    threads = [threading.Thread(target=act) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    go()
    gate.wait()
    for thread in threads:
        thread.join()
    return came, took
