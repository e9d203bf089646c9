"""Free loopback ports for engines that take several at fixed distances."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack

from ._errors import DevStackError

#: What each kind of listener takes beside its own port: OpenBao's cluster port is
#: port + 1, SeaweedFS's gRPC ports are port + 10000.
SINGLE = (0,)
OPENBAO = (0, 1)
SEAWEEDFS = (0, 10_000)

# Beneath 32768, where Linux starts handing out ports to outgoing connections
# (net.ipv4.ip_local_port_range), also after adding 10000: such a connection could take
# the port between our look and the engine's bind.
_LOWEST, _HIGHEST = 12_000, 22_000
_TRIES = 200


def allocate(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """One base port per name, with every port of its shape free at this moment.

    All are held until the last is found, so that no two shapes overlap. Somebody else
    may still take one before the engine binds it: who starts the engine must retry.
    """
    found: dict[str, int] = {}
    with ExitStack() as held:
        for name, offsets in shapes.items():
            found[name] = _hold(offsets, held)
    return found


def _hold(offsets: tuple[int, ...], held: ExitStack) -> int:
    for _ in range(_TRIES):
        base = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 - no secret
        with ExitStack() as attempt:
            try:
                for offset in offsets:
                    listener = attempt.enter_context(socket.socket())
                    listener.bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            held.push(attempt.pop_all())
            return base
    raise DevStackError(
        f"no free loopback ports between {_LOWEST} and {_HIGHEST}, {_TRIES} tried",
        remedy="stop servers that you no longer need",
    )
