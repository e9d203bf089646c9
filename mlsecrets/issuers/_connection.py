"""One connection: bytes go from locked memory to a socket, and from there back.

`recv_into` and `send` take views, so that nothing is made of what passes through; what
the C library and OpenSSL leave in registers and on the stack is cleared each time.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import sys
from pathlib import Path

from .._origin import Origin
from ..memory import scrub
from ._broken import NoAddress, NoConnection
from ._deadline import Deadline
from ._resolve import addresses
from ._tls import context

#: Seconds for one address to accept: a little over TCP's 3 s retransmission.
CONNECT_TIMEOUT = 3.05
#: Seconds after which an idle connection is not used again. Load balancers and
#: firewalls forget idle connections without a word, and the request that finds out is
#: lost; the shortest of the common limits is 60 s (AWS Application Load Balancer,
#: "Connection idle timeout").
MAX_IDLE = 30.0


class Connection:
    """Opened on construction, for one exchange at a time.

    Args:
        origin: the server.
        ca_file: the authorities to trust; None for certifi's.
        deadline: until when to try.

    Raises:
        NoAddress: the name has none.
        NoConnection: none of its addresses accepts in time.
        NoAuthorities: `ca_file` cannot be read.
        OSError: TLS fails, or is too late.

    Attributes:
        reusable: whether the last exchange was ended in order; to be set by whoever
            read the answer.
    """

    def __init__(
        self, origin: Origin, ca_file: Path | None, deadline: Deadline
    ) -> None:
        self.reusable = False
        self._pid = os.getpid()
        self._used_at = deadline.clock.monotonic()
        tls = context(ca_file) if origin.scheme == "https" else None
        self._socket = _connected(origin, deadline)
        # What http.client announces after a connect.
        sys.audit("http.client.connect", self, origin.host, origin.port)
        if tls is not None:
            try:
                # OpenSSL bounds the handshake as a whole.
                self._socket.settimeout(deadline.left())
                self._socket = tls.wrap_socket(
                    self._socket, server_hostname=origin.host
                )
            except BaseException:
                self.close()
                raise

    def send(self, data: memoryview, deadline: Deadline) -> None:
        """Send all of it.

        Raises:
            OSError: not in time, or not at all.
        """
        sent = 0
        while sent < len(data):
            self._socket.settimeout(deadline.left())
            with data[sent:] as rest:
                sent += self._socket.send(rest)
            scrub()

    def receive(self, room: memoryview, deadline: Deadline) -> int:
        """Fill a part of `room`, and say how much; 0 at the end.

        Raises:
            OSError: nothing in time, or it broke.
        """
        self._socket.settimeout(deadline.left())
        try:
            return self._socket.recv_into(room)
        finally:
            scrub()

    def done(self, now: float) -> None:
        """Note when it was used last.

        Args:
            now: monotonic seconds.
        """
        self._used_at = now

    def is_fresh(self, now: float) -> bool:
        """Whether it can be used for another exchange.

        Args:
            now: monotonic seconds.
        """
        if now - self._used_at > MAX_IDLE or os.getpid() != self._pid:
            return False  # a parent's connection is the parent's
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        # There is nothing to be read but its end, or what nobody asked for.
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return not selector.select(0)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _connected(origin: Origin, deadline: Deadline) -> socket.socket:
    """A connection to the first address that accepts."""
    try:
        found = addresses(origin.host, origin.port, deadline)
    except TimeoutError:
        raise NoConnection("the resolver is silent") from None
    except OSError:
        raise NoAddress("the name has no address") from None
    for index, address in enumerate(found):
        try:
            # One that does not answer leaves time for those after it.
            share = deadline.left() / (len(found) - index)
            made = socket.create_connection(
                (address, origin.port), min(CONNECT_TIMEOUT, share)
            )
        except OSError:
            continue
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    raise NoConnection("no connection in time")
