"""Ten minutes without an issuer, in the middle of a job that reads every 15 seconds."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ..clients import Maker
from ..trial import Found, Trial, begin

LIFETIME = 900
LENGTH = 600
EVERY = 15
#: Seconds after the issuer's return in which a fresh credential should be there.
AFTERWARDS = 300
#: Seconds of the steps in the last seconds of a credential's life.
SMALLEST, CLOSE = 0.125, 20
#: Real seconds after each step, in which threads that it woke get their turn.
BREATH = 0.003
#: Real seconds after which a read is taken to wait for time to pass.
BLOCKED = 0.1


def outage(make: Maker, begins: float) -> Found:
    """A 15-minute credential, and ten minutes in which it cannot be replaced.

    Args:
        begins: second at which the outage begins; the credential is fetched at 0.
    """
    with begin(make, LIFETIME) as trial, ThreadPoolExecutor(1) as pool:
        trial.read()
        job = _Job(trial, pool)
        step = 1 if trial.client.background else EVERY
        job.until(begins, EVERY)
        trial.issuer.down = True
        before = trial.issuer.calls
        job.until(begins + LENGTH, step)
        during = trial.issuer.calls - before
        trial.issuer.down = False
        returned = trial.clock.wall()
        job.until(begins + LENGTH + AFTERWARDS, step)
        fetched = [
            minted.expires_at - LIFETIME for minted in trial.issuer.minted.values()
        ]
        fresh = min((at for at in fetched if at >= returned), default=float("inf"))
        return {
            "calls": during,
            "back": fresh - returned,
            "paused": job.longest,
            **job.came,
        }


class _Job:
    """Reads every `EVERY` seconds, one read after another."""

    def __init__(self, trial: Trial, pool: ThreadPoolExecutor) -> None:
        self.came: Counter[str] = Counter()
        self.longest = 0.0
        self._trial = trial
        self._pool = pool
        self._now = 0.0
        self._due = 0.0
        self._begun = 0.0
        self._reading: Future[str] | None = None
        self._read()

    def until(self, then: float, step: float) -> None:
        """Let time pass in steps, and read whenever it is time to."""
        while self._now < then:
            size = min(self._fine(step), then - self._now)
            if self._due > self._now:
                size = min(size, self._due - self._now)
            self._trial.advance(size)
            self._now = round(self._now + size, 3)
            time.sleep(BREATH)
            self._read()

    def _fine(self, step: float) -> float:
        """A smaller step where pauses between tries get short: close to the end."""
        close = step < EVERY and 0 < self._trial.remaining < CLOSE
        return SMALLEST if close else step

    def _read(self) -> None:
        if self._reading is not None and self._reading.done():
            self.came[self._reading.result()] += 1
            self.longest = max(self.longest, self._now - self._begun)
            self._reading = None
        if self._reading is None and self._now >= self._due:
            self._begun, self._due = self._now, self._due + EVERY
            self._reading = self._pool.submit(self._trial.read)
            wait([self._reading], BLOCKED)
            self._read()
