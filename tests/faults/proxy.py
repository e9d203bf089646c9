"""A proxy between a client and a real server, that fails when told to.

::

    with FaultProxy("http://127.0.0.1:8200") as proxy:
        client = Client(proxy.address)
        proxy.fault = Reset()  # and from now on, requests are reset
        proxy.fault = None  # healed
        proxy.only = lambda method, path: path.startswith("/v1/sys/leases")

It keeps no header and no body, and of a path not its query: they hold secrets.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from urllib.parse import urlsplit

from tests.faults.certificates import Authority
from tests.faults.exchange import Exchange, Message, Reader
from tests.faults.faults import Fault
from tests.faults.sockets import bound, secured, shut


class FaultProxy:
    """Listens on a free port of 127.0.0.1, with one thread for each connection.

    Args:
        upstream: the server's address, plain http.
        tls: speak TLS to clients, with certificates of this authority.

    Attributes:
        only: which requests a fault is for, by method and path; None: for all. Faults
            that break connections cannot choose.
        seen: (method, path) of every request, in the order of their arrival.
    """

    def __init__(self, upstream: str, tls: Authority | None = None) -> None:
        parts = urlsplit(upstream)
        assert parts.scheme == "http"
        assert parts.hostname
        self.only: Callable[[str, str], bool] | None = None
        self.seen: list[tuple[str, str]] = []
        self._upstream = (parts.hostname, parts.port or 80)
        self._tls = tls
        self._fault: Fault | None = None
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._stopped = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = bound()
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> FaultProxy:
        self._listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where clients find it."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def fault(self) -> Fault | None:
        """What goes wrong now; None: nothing."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        before, self._fault = self._fault, fault
        with self._lock:
            changed, self._changed = self._changed, threading.Event()
        changed.set()
        if _listens(before) and not _listens(fault):
            self._refuse()
        elif not _listens(before) and _listens(fault):
            self._listen()
        elif _certificate(before) != _certificate(fault):
            self._drop()  # or a connection that is there would go on as before

    @contextmanager
    def under(
        self, fault: Fault, only: Callable[[str, str], bool] | None = None
    ) -> Iterator[FaultProxy]:
        """A block in which something goes wrong; healed at its end."""
        self.only = only
        self.fault = fault
        try:
            yield self
        finally:
            self.fault = None
            self.only = None

    def count(self, prefix: str, method: str | None = None) -> int:
        """How many requests came for paths that begin so."""
        return sum(
            path.startswith(prefix) and method in {None, asked}
            for asked, path in list(self.seen)
        )

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        with self._lock:
            self._stopped = True
            self._changed.set()
        shut(self._listener)
        self._listener.close()
        self._drop()
        while (thread := self._next_thread()) is not None:
            thread.join()

    # -- connections -----------------------------------------------------------------

    def _listen(self) -> None:
        self._listener.listen(128)
        self._start(self._accept, self._listener)

    def _refuse(self) -> None:
        shut(self._listener)
        self._listener.close()
        # Bound and not listening: connections are refused, and nobody else can take
        # the port until it listens again.
        self._listener = bound(self.port)
        self._drop()

    def _drop(self) -> None:
        with self._lock:
            for connection in self._sockets:
                shut(connection)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(
            target=target, args=args, name="fault-proxy", daemon=True
        )
        thread.start()
        with self._lock:
            # Those that are done are forgotten, or a soak would collect them.
            self._threads = [held for held in self._threads if held.is_alive()]
            self._threads.append(thread)

    def _next_thread(self) -> threading.Thread | None:
        with self._lock:
            return self._threads.pop(0) if self._threads else None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # it was closed: refusing, or the end
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            self._track(client)
            try:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is None:
                    self._converse(client)
                else:
                    context = self._tls.context(_certificate(self._fault))
                    with secured(
                        client, context, self._track, self._untrack
                    ) as private:
                        self._converse(private)
            finally:
                self._untrack(client)

    def _converse(self, client: socket.socket) -> None:
        reader = Reader(client)
        try:
            while (request := reader.next()) is not None:
                if not self._handle(client, request):
                    return
        finally:
            reader.close()

    def _handle(self, client: socket.socket, request: Message) -> bool:
        """Answer one request; whether the connection is good for another."""
        method, target, version = request.start
        path = target.partition("?")[0]
        self.seen.append((method, path))
        close = "close" in request.header("connection").lower()
        with self._lock:
            fault, changed = self._fault, self._changed
        exchange = Exchange(
            request,
            changed,
            close or version != "HTTP/1.1",
            client,
            self._upstream,
            self._track,
            self._untrack,
        )
        only = self.only
        try:
            if fault is None or (only is not None and not only(method, path)):
                exchange.relay()
            else:
                fault.play(exchange)
        except http.client.HTTPException:
            return False  # the server's answer is none: the client gets none either
        return not exchange.over

    def _track(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.add(connection)
            if self._stopped or not _listens(self._fault):
                shut(connection)

    def _untrack(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(connection)


def _listens(fault: Fault | None) -> bool:
    return fault is None or fault.listens


def _certificate(fault: Fault | None) -> str:
    return "good" if fault is None else fault.certificate
