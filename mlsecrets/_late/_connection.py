"""Connections that write the true values where the placeholders were."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_write

from .._forks import closes, held_off
from ..errors import MLSecretsError, NotLeased
from ..memory import scrub
from ._message import Injection

#: What may be written into the request that this thread is sending.
SENDING: ContextVar[Injection | None] = ContextVar("mlsecrets-sending", default=None)


class Refused(Exception):
    """Carries an error of ours past urllib3, which would take some for the network's.

    `NotLeased` is a `PermissionError`, and so an `OSError`: it would be retried.
    """

    def __init__(self, error: MLSecretsError) -> None:
        super().__init__(str(error))
        self.error = error


class LateConnection(HTTPConnection):
    """Sends a head that holds placeholders with the true values in it.

    The place that these are for is compared with where the connection leads.
    """

    _at_head = False

    def connect(self) -> None:
        """Connect; what a forked child inherits of it, it closes."""
        super().connect()
        if self.sock is not None:
            closes(self.sock)

    def endheaders(self, *args: Any, **options: Any) -> None:
        """Send the head, and what follows it."""
        self._at_head = True
        super().endheaders(*args, **options)

    def send(self, data: Any) -> None:
        """Send bytes; the first after `endheaders` are the head."""
        at_head, self._at_head = self._at_head, False
        injection = SENDING.get()
        if not at_head or injection is None:
            super().send(data)
            return
        if self.sock is None:
            self.connect()  # whose own requests, to a proxy, are sent as they are
        if self.debuglevel > 0:
            print("send:", repr(data))  # noqa: T201  as http.client does
        sys.audit("http.client.send", self, data)
        with injection.drafts.lend() as draft:
            try:
                injection.write(data, self._place(), draft)
            except MLSecretsError as error:
                raise Refused(error) from None
            with draft.sealed.reading() as view:
                self._send_head(view)

    def _send_head(self, view: memoryview) -> None:
        """Send all of it while nobody forks: OpenSSL has a copy of it for a moment.

        The waiting for room is done before; a head finds enough of it.
        """
        timeout = getattr(self.sock, "gettimeout", lambda: None)()
        if not wait_for_write(self.sock, timeout):
            raise TimeoutError("timed out")
        with held_off():
            try:
                self.sock.sendall(view)
            finally:
                scrub()

    def _place(self) -> str:
        """Scheme, host and port that it is connected to."""
        if self.proxy_is_forwarding:
            raise NotLeased(
                f"a proxy stands before {self.host} and would see the credential",
                remedy="name the host in NO_PROXY, or use https://",
            )
        tunnel = self.proxy_is_tunneling
        host = str(self._tunnel_host) if tunnel else self.host
        port = self._tunnel_port if tunnel else self.port
        scheme = "https" if isinstance(self, HTTPSConnection) else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def late_pools(classes: Mapping[str, Any]) -> dict[str, Any]:
    """A pool manager's pools by scheme, with connections that send late."""
    return {scheme: _late_pool(pool) for scheme, pool in classes.items()}


@functools.cache
def _late_pool(pool: Any) -> Any:
    plain = pool.ConnectionCls
    if issubclass(plain, LateConnection):
        return pool
    connection = type(f"Late{plain.__name__}", (LateConnection, plain), {})
    return type(f"Late{pool.__name__}", (pool,), {"ConnectionCls": connection})
