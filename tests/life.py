"""One live grant with everything around it, on a clock that tests move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from mlsecrets._live import LiveGrant
from mlsecrets.events import Event, Journal
from mlsecrets.scope import Scope
from mlsecrets.testing import FakeClock, FakeIssuer

TTL = 100.0


def scope(name: str = "data", ttl: float = TTL) -> Scope:
    """A scope that may live ten times its ttl."""
    return Scope(name, "owner@example.org", "1.0.0", "fake", ttl, 10 * ttl, (), {})


class World:
    """A live grant of an issuer without a server."""

    def __init__(
        self,
        *,
        patience: float = 0.0,
        name: str = "data",
        clock: FakeClock | None = None,
        **issuer: Any,
    ) -> None:
        self.clock = clock or FakeClock()
        self.journal = Journal()
        self.issuer = FakeIssuer(self.clock, **issuer)
        self.live = LiveGrant(
            scope(name),
            self.issuer,
            clock=self.clock,
            recorder=self.journal,
            patience=patience,
        )
        self.due: list[float] = []
        self.live.on_due = lambda _, due: self.due.append(due)

    def __enter__(self) -> World:
        self.live.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.issuer.failures = []
        self.end()

    def names(self) -> list[str]:
        """What has happened, in order."""
        return [event.name for event in self.journal.events()]

    def event(self, name: str) -> Event:
        """The only event of a name."""
        (found,) = self.journal.events(name)
        return found

    def token(self) -> str:
        """What a reader gets now."""
        return self.live.snapshot().credentials.reveal("token")

    def left(self) -> float:
        """Seconds of life in the credentials at hand."""
        return self.live.snapshot().terms.remaining(self.clock.monotonic())

    def until(self, seconds_left: float) -> None:
        """Let time pass until so much life is left."""
        self.clock.advance(self.left() - seconds_left)

    def tend_when_due(self) -> None:
        """Do what the renewer does."""
        self.clock.advance(max(self.live.next_renewal() - self.clock.monotonic(), 0.0))
        self.live.tend()

    def end(self) -> None:
        """Leave the block."""
        self.live.close()
        self.live.shred()


class Background:
    """A function on a thread, and what came of it."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.result: object = None
        self.error: Exception | None = None
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._function()
        except Exception as error:
            self.error = error

    @property
    def waiting(self) -> bool:
        """Whether it has not come back yet."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait for it; a test that hangs fails."""
        self._thread.join(10)
        assert not self.waiting
