"""Other rules, from their sources; each as its users have it."""

from __future__ import annotations

import random

from .node import Kind
from .service import Answer, Service


class _Peer:
    """What they share: a credential, and calls that get one.

    Args:
        service: whom to ask.
        kind: what it grants.
        chance: the node's own random numbers.
    """

    def __init__(self, service: Service, kind: Kind, chance: random.Random) -> None:
        self.valid_until = self.renewed_at = float("-inf")
        self._service = service
        self._kind = kind
        self._chance = chance
        self._born = float("-inf")

    def _issue(self, now: float) -> bool:
        """Ask for new credentials; whether there are some."""
        if self._service.ask(now) is not Answer.GRANTED:
            return False
        self._born = self.renewed_at = now
        self.valid_until = now + self._kind.lifetime
        return True

    def _renew(self, now: float) -> bool:
        """Ask for later terms of those at hand; whether there are some."""
        if self._service.ask(now) is not Answer.GRANTED:
            return False
        self.renewed_at = now
        end = self._born + self._kind.max_ttl
        self.valid_until = min(now + self._kind.lifetime, end)
        return True


class Naive(_Peer):
    """Renews with a third of the life left; a try that failed is repeated each second.

    A renewal that gains less than a tenth of the life is followed by an issue.
    """

    def act(self, now: float) -> float:
        """See `node.Node`."""
        before = self.valid_until
        renews = self._kind.renewable and now < before
        done = self._renew(now) if renews else self._issue(now)
        if done and renews and self.valid_until - before < self._kind.lifetime / 10:
            done = self._issue(now)
        return now + (self.valid_until - now) * 2 / 3 if done else now + 1.0


class Botocore(_Peer):
    """``RefreshableCredentials``: 15 and 10 minutes before the end, by who reads.

    A read asks nobody while more than 15 minutes are left. With less it asks, once for
    all threads, and a failure is swallowed, or with less than 10 minutes left raised.
    Nothing pauses: the next read asks again (botocore 1.43, ``credentials.py``).
    """

    ADVISORY = 15 * 60.0
    #: Seconds between the reads of one node.
    READS = 10.0

    def act(self, now: float) -> float:
        """One read that asks, and the instant of the next one."""
        self._issue(now)
        idle = max(self.valid_until - self.ADVISORY - now, 0.0) // self.READS
        return now + (idle + 1) * self.READS


class Watcher(_Peer):
    """Vault's ``LifetimeWatcher``, and an application that reads anew when it returns.

    It renews at once, then sleeps 2/3 of what is left and a third of a grace of 10 to
    20 % of the life; it returns when what is left is grace, or would be after the sleep
    (``api/lifetime_watcher.go``, ``IgnoreErrors``). A renewal that failed is repeated
    after the back-off it computes: 10 s, doubled up to 5 min, half more or less. What
    the application does when its read fails is its own business: here the same.
    """

    def __init__(self, service: Service, kind: Kind, chance: random.Random) -> None:
        super().__init__(service, kind, chance)
        self._grace = self._prior = 0.0
        self._failures = 0
        self._watching = False

    def act(self, now: float) -> float:
        """See `node.Node`."""
        if not self._watching:
            if not self._issue(now):
                return now + self._pause()
            self._watching, self._prior = True, self._kind.lifetime
            self._new_grace(self._prior)
        if self._kind.renewable and not self._renew(now):
            if now < self.valid_until:
                return min(now + self._pause(), self.valid_until)
            self._watching = False
            return now
        return self._sleep(now)

    def _sleep(self, now: float) -> float:
        self._failures = 0
        left = self.valid_until - now
        if left > self._prior:
            self._new_grace(left)
        self._prior = left
        sleep = left * 2 / 3 + self._grace / 3
        if left <= self._grace or left - sleep <= self._grace:
            self._watching = False
            return now
        return now + sleep

    def _new_grace(self, life: float) -> None:
        self._grace = life * (0.1 + 0.1 * self._chance.random())

    def _pause(self) -> float:
        step = min(10.0 * 2.0 ** min(self._failures, 5), 300.0)
        self._failures += 1
        return step * (0.5 + self._chance.random())
