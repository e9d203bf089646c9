"""For tests of programs that lease: a clock to move, an issuer without a server.

The fixtures that start the real embedded stack are in `mlsecrets.testing.plugin`.
"""

from __future__ import annotations

from ._clock import FakeClock
from ._issuer import FakeIssuer

__all__ = ["FakeClock", "FakeIssuer"]
