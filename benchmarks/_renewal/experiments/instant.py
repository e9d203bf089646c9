"""Reads that meet a refresh, an issuer that is down, or a life that is short."""

from __future__ import annotations

import time
from collections import Counter

from ..clients import Maker
from ..trial import Found, begin, crowd

HOUR = 3600.0
#: Real seconds that the issuer takes; who takes half of it longer has waited.
LATENCY = 0.2
#: Real seconds in which what was begun in the background is done.
SETTLE = 3 * LATENCY
READS = 100
#: Real seconds between reads.
BREATH = 0.002


def refresh(make: Maker, left: float | None) -> Found:
    """32 threads read an hour's credential at once.

    Args:
        left: seconds of its life then; None for just within the client's own window.
    """
    with begin(make, HOUR) as trial:
        trial.read()
        trial.issuer.latency = LATENCY
        before = trial.issuer.calls
        then = HOUR - (trial.client.due if left is None else left)
        came, took = crowd(trial.read, lambda: trial.advance(then))
        time.sleep(SETTLE)
        waited = sum(spent > LATENCY / 2 for spent in took)
        return {"calls": trial.issuer.calls - before, "waited": waited, **came}


def down(make: Maker, left: float) -> Found:
    """100 reads of a 15-minute credential while the issuer is down.

    Args:
        left: seconds of its life at the reads.
    """
    with begin(make, HOUR / 4) as trial:
        trial.read()
        trial.issuer.down = True
        before = trial.issuer.calls
        trial.advance(HOUR / 4 - left)
        came: Counter[str] = Counter()
        for _ in range(READS):
            came[trial.read()] += 1
            time.sleep(BREATH)  # or a thread in the background never gets its turn
        time.sleep(SETTLE)
        return {"calls": trial.issuer.calls - before, **came}


def short(make: Maker, lifetime: float) -> Found:
    """100 reads of a fresh credential; all at one instant, where time can be stopped.

    Args:
        lifetime: seconds that each credential lives.
    """
    with begin(make, lifetime) as trial:
        came: Counter[str] = Counter()
        for _ in range(READS):
            came[trial.read()] += 1
            time.sleep(max(trial.client.pace, BREATH))
        time.sleep(SETTLE / 6)
        return {"calls": trial.issuer.calls, **came}
