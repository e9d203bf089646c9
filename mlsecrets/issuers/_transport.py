"""Connections that keep the deadline of the call under way, whatever the server does.

requests' timeout begins anew with every byte that arrives, and for each of a host's
addresses. Here every wait, from the resolver to the last byte of the body, lasts at
most for what is left of the one budget (`_deadline`).
"""

from __future__ import annotations

import io
import sys
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HeaderParsingError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.response import HTTPResponse as Urllib3Response
from urllib3.util.connection import create_connection
from urllib3.util.response import assert_header_parsing

from ._deadline import Deadline, under_way
from ._resolve import addresses

if TYPE_CHECKING:
    import socket

#: Seconds for one address to accept: a little over TCP's 3 s retransmission.
CONNECT_TIMEOUT = 3.05
#: Seconds after which an idle connection is not used again. Load balancers and
#: firewalls forget idle connections without a word, and the request that finds out is
#: lost; the shortest of the common limits is 60 s (AWS Application Load Balancer,
#: "Connection idle timeout").
MAX_IDLE = 30.0


class BoundedAdapter(HTTPAdapter):
    """requests' adapter over connections that keep the deadline.

    To be used inside `_deadline.within` only.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by the constructor of requests' own."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class _Reader(io.RawIOBase):
    """What a socket receives, until the deadline."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._deadline = under_way()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))

    def begin(self) -> None:
        """Read the head; urllib3 would log a malformed one, and go on."""
        super().begin()
        try:
            assert_header_parsing(self.msg)
        except HeaderParsingError:
            raise HTTPException("malformed headers") from None


class _Bounded(HTTPConnection):
    response_class = _Response
    _used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again; the pool closes and forgets it otherwise."""
        idle = under_way().clock.monotonic() - self._used_at
        return idle <= MAX_IDLE and super().is_connected

    def getresponse(self) -> Urllib3Response:  # type: ignore[override]  # as urllib3's
        response = super().getresponse()
        self._used_at = under_way().clock.monotonic()
        return response

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # as http.client would, but before the next line
        self.sock.settimeout(under_way().left())
        super().send(data)

    def _new_conn(self) -> socket.socket:
        deadline = under_way()
        try:
            found = addresses(self._dns_host, self.port, deadline)
        except TimeoutError:
            raise ConnectTimeoutError(self, "the resolver is silent") from None
        except OSError as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]  # it is only shown
        try:
            sock = self._connect(found, deadline)
        except TimeoutError:
            raise ConnectTimeoutError(self, "no connection in time") from None
        except OSError as error:
            raise NewConnectionError(self, "no connection") from error
        # What urllib3 announces after a connect of its own.
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    def _connect(self, found: list[str], deadline: Deadline) -> socket.socket:
        """A connection to the first address that accepts."""
        for index, address in enumerate(found):
            # One that does not answer leaves time for those after it.
            share = deadline.left() / (len(found) - index)
            try:
                sock = create_connection(
                    (address, self.port),
                    min(CONNECT_TIMEOUT, share),
                    self.source_address,
                    self.socket_options,
                )
            except OSError:
                if index == len(found) - 1:
                    raise
                continue
            break
        # For the TLS handshake, which OpenSSL bounds as a whole.
        sock.settimeout(max(deadline.at - deadline.clock.monotonic(), 0.001))
        return sock


class _BoundedTLS(_Bounded, HTTPSConnection):
    """The same, with TLS between."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTLS
