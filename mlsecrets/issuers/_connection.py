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
from collections.abc import Callable
from pathlib import Path

from .._forks import close, closes, held_off
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

# Without a descriptor of its own, which a forked child would inherit.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


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
                self._secure(tls, origin.host, deadline)
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
            with data[sent:] as rest:
                sent += self._now(self._socket.send, rest, deadline)

    def receive(self, room: memoryview, deadline: Deadline) -> int:
        """Fill a part of `room`, and say how much; 0 at the end.

        Raises:
            OSError: nothing in time, or it broke.
        """
        return self._now(self._socket.recv_into, room, deadline)

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
        return not self._ready(selectors.EVENT_READ, 0)

    def close(self) -> None:
        """Hang up."""
        close(self._socket)

    def _now(
        self, step: Callable[[memoryview], int], data: memoryview, deadline: Deadline
    ) -> int:
        """Send or receive what can be at once, as soon as anything can be.

        OpenSSL has plaintext in buffers of its own for some microseconds, in which a
        forked child would get it. The waiting is done outside of that: a fork need not
        wait for a server.
        """
        while True:
            left = deadline.left()
            with held_off():
                try:
                    return step(data)
                except ssl.SSLWantWriteError:
                    wanted = selectors.EVENT_WRITE
                except ssl.SSLWantReadError:
                    wanted = selectors.EVENT_READ
                except BlockingIOError:
                    sends = step == self._socket.send
                    wanted = selectors.EVENT_WRITE if sends else selectors.EVENT_READ
                finally:
                    scrub()
            if not self._ready(wanted, left):
                raise TimeoutError("timed out")

    def _ready(self, event: int, seconds: float) -> bool:
        """Wait until it can be read from, or written to."""
        with _Selector() as selector:
            selector.register(self._socket, event)
            return bool(selector.select(seconds))

    def _secure(self, tls: ssl.SSLContext, host: str, deadline: Deadline) -> None:
        """Shake hands."""
        with held_off():  # the plain socket gives its descriptor to another object
            self._socket = tls.wrap_socket(
                self._socket, server_hostname=host, do_handshake_on_connect=False
            )
            closes(self._socket)
        # OpenSSL bounds the handshake as a whole.
        self._socket.settimeout(deadline.left())
        self._socket.do_handshake()
        self._socket.settimeout(0)


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
            return _connected_to(address, origin.port, min(CONNECT_TIMEOUT, share))
        except OSError:
            continue
    raise NoConnection("no connection in time")


def _connected_to(address: str, port: int, timeout: float) -> socket.socket:
    family, kind, protocol, _, at = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )[0]
    with held_off():
        made = socket.socket(family, kind, protocol)
        closes(made)
    try:
        made.settimeout(timeout)
        made.connect(at)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(0)
    except BaseException:
        made.close()
        raise
    return made
