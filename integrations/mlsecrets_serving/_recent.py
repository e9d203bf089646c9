"""Readiness that costs a request nothing: looked at once a second at the most."""

from __future__ import annotations

import asyncio
from typing import Any

from mlsecrets.clock import SYSTEM_CLOCK

from ._readiness import Answer, Readiness

#: Seconds for which an answer is used again.
FRESH = 1.0


class Recent:
    """Whether leases are valid, by an answer that is a second old at the most.

    It pickles, and what arrives asks for itself.

    Args:
        scopes: names from the manifest.
    """

    def __init__(self, *scopes: str) -> None:
        self._scopes = scopes
        self._readiness = Readiness(*scopes)
        self._fresh_until = 0.0
        self._valid_until = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return (Recent, self._scopes)

    @property
    def now(self) -> bool:
        """What is known, without asking: until then credentials were to be valid."""
        return SYSTEM_CLOCK.monotonic() < self._valid_until

    async def ready(self) -> bool:
        """Whether all of them are valid."""
        if SYSTEM_CLOCK.monotonic() >= self._fresh_until:
            await self.look()
        return self.now

    async def look(self) -> Answer:
        """Ask, and remember the answer."""
        asked_at = SYSTEM_CLOCK.monotonic()
        answer = await self._readiness.acheck()
        left = min(state.seconds_left for state in answer.leases)
        self._fresh_until = asked_at + FRESH
        self._valid_until = asked_at + left if answer.ready else 0.0
        return answer

    async def watch(self) -> None:
        """Keep `now` up to date, until this task is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(FRESH)
