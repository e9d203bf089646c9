"""One try to renew or replace that fails, and what it must not do."""

from __future__ import annotations

import pytest

from mlsecrets._live import LiveGrant
from mlsecrets.errors import IssuerThrottled
from tests.faults.bao import told
from tests.faults.clocks import Movable
from tests.faults.troubles import Trouble

#: Real seconds that a machine with other work may add to any call.
SLACK = 1.5
#: Real seconds in which a read is done though the machine has other work; the calls
#: that hang meanwhile take longer.
AT_ONCE = 1.0
#: Seconds of a back-off's step at the least, however little is left.
SHORTEST_STEP = 1.0
#: Seconds to leave for a try that hangs: half of it is spent, and a step is left.
FOR_ONE_TRY = 2.4


def must_not_be_entered() -> None:
    """For the inside of a block that must raise at its start."""
    pytest.fail("the block was entered")


def move_on(clock: Movable, live: LiveGrant) -> float:
    """Let time pass to the next try; the seconds that passed."""
    wait = live.next_renewal() - clock.monotonic()
    clock.advance(max(wait, 0.0))
    return wait


def left(clock: Movable, live: LiveGrant) -> float:
    """Seconds of validity left."""
    return live.snapshot().terms.remaining(clock.monotonic())


def attempt(live: LiveGrant, trouble: Trouble, clock: Movable) -> None:
    """One try that fails: it is told once, and the next is at its proper time."""
    before = told(live.scope.name)
    live.tend()
    failed, *others = told(live.scope.name)[len(before) :]
    throttled = trouble.error is IssuerThrottled
    assert failed.name == ("throttled" if throttled else "renewal_failed")
    assert failed.detail["error"] == trouble.error.__name__
    assert failed.detail["transient"] is True
    remaining, pause = failed.detail["seconds_left"], failed.detail["next_try_in"]
    assert pause > 0
    # Half of the life is the most that an issuer's wish is granted.
    wish = min(trouble.retry_after, max(remaining / 2, 1.0))
    assert pause <= max(remaining / 4, SHORTEST_STEP, wish) + 0.001
    assert pause >= wish - 0.001
    now = clock.monotonic()
    assert now < live.next_renewal() <= now + pause + 0.001
    for event in others:
        assert event.name == "doomed"
        # Never for an outage, before half of the window is left.
        lifetime = live.peek().terms.lifetime  # type: ignore[union-attr]
        assert remaining - pause <= lifetime / 4 + 0.001
