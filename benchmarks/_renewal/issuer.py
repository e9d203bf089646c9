"""The issuer that every client asks: it counts, can be slow, and can be down."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlsecrets.testing import FakeClock


class IssuerDown(Exception):
    """What a client's own connection error is made from."""


@dataclass(frozen=True)
class Minted:
    """A credential.

    Attributes:
        number: 1 for the first that this issuer minted.
        id: what a reader shows to say which one it holds.
        expires_at: wall-clock epoch seconds of its end.
        lifetime: seconds that it was minted for.
    """

    number: int
    expires_at: float
    lifetime: float

    @property
    def id(self) -> str:
        """Twenty letters and digits, as an access key id has."""
        return f"CRED{self.number:016d}"


class CountingIssuer:
    """Mints numbered credentials for any client, and counts every call.

    Calls are lines in a file opened for appending, because forked children make them
    too: such a write is whole without a lock, and no lock is held across a fork.

    Args:
        clock: what the credentials' ends are counted on.
        lifetime: seconds that each credential lives.

    Attributes:
        down: refuse every connection.
        latency: real seconds that a call takes.
    """

    def __init__(self, clock: FakeClock, lifetime: float) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.down = False
        self.latency = 0.0
        self.minted: dict[str, Minted] = {}
        self._lock = threading.Lock()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as this

    def mint(self) -> Minted:
        """A new credential.

        Raises:
            IssuerDown: it was told to be.
        """
        os.write(self._log.fileno(), b"%d\n" % os.getpid())
        if self.down:
            raise IssuerDown("connection refused")
        if self.latency:
            time.sleep(self.latency)
        with self._lock:
            fresh = Minted(
                len(self.minted) + 1, self.clock.wall() + self.lifetime, self.lifetime
            )
            self.minted[fresh.id] = fresh
        return fresh

    @property
    def callers(self) -> list[int]:
        """The process that made each call."""
        size = os.fstat(self._log.fileno()).st_size
        return [int(line) for line in os.pread(self._log.fileno(), size, 0).split()]

    @property
    def calls(self) -> int:
        """How often it was asked, by whomever."""
        return len(self.callers)

    def remaining(self, identity: str) -> float:
        """Seconds of life left in a credential; negative once it is dead."""
        return self.minted[identity].expires_at - self.clock.wall()

    def wait_until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Let real time pass until something is so; whether it became so."""
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True
