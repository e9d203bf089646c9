"""Sockets as the fault proxy needs them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mlsecrets.devstack import _ports

#: Ports to try before giving up: somebody else may take one between look and bind.
TRIES = 5


def bound(port: int | None = None) -> socket.socket:
    """A socket at a port, not listening yet; at a free one if none is named."""
    for attempt in range(TRIES):
        chosen = port or _ports.allocate({"proxy": _ports.SINGLE})["proxy"]
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", chosen))
        except OSError:
            held.close()
            if attempt == TRIES - 1:
                raise
        else:
            return held
    raise AssertionError("unreachable")


def shut(connection: socket.socket) -> None:
    """End a connection under whoever waits on it, who then closes it."""
    with suppress(OSError):
        # Not the method of an SSLSocket, which is not made for two threads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


@contextmanager
def secured(
    client: socket.socket,
    context: ssl.SSLContext,
    track: Callable[[socket.socket], None],
    untrack: Callable[[socket.socket], None],
) -> Iterator[ssl.SSLSocket]:
    """The connection with TLS, once the client has agreed to the certificate."""
    with context.wrap_socket(
        client, server_side=True, do_handshake_on_connect=False
    ) as private:
        track(private)
        try:
            private.do_handshake()
            yield private
        finally:
            untrack(private)
