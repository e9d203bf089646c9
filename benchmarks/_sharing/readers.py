"""Ways to have the credentials of another process, as makers of a read."""

from __future__ import annotations

import datetime
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from botocore.credentials import RefreshableCredentials

from mlsecrets import Lease, Reference
from mlsecrets._broker.attach import Attachment

from .crew import Maker

#: As long as the real ones; no secrets, for the others have no place to keep any.
VALUES = {"access": "ASIA" + "0" * 16, "secret": "s" * 40, "token": "t" * 900}


def ours(lease: Lease) -> dict[str, Maker]:
    """A worker's snapshot: as it is used, by name too, and without its cache."""
    path = Path(str(lease.reference.socket))
    scope = lease.scope

    def cached() -> Callable[[], object]:
        return Attachment(path).source(scope).snapshot

    def by_name() -> Callable[[], object]:
        # As file systems and clients do for each signature: they keep the name only.
        return lambda: Reference(scope).source().snapshot()

    def uncached() -> Callable[[], object]:
        return lambda: Attachment(path).source(scope).snapshot()

    return {
        "lease, cached": cached,
        "lease, cached, by name": by_name,
        "lease, asking each time": uncached,
    }


@contextmanager
def others() -> Iterator[dict[str, Maker]]:
    """A manager's dictionary, HTTP on loopback, and botocore's cache."""
    with _manager() as manager, _http() as by_http:
        yield {**manager, **by_http, "botocore refreshable, cached": _botocore}


@contextmanager
def _manager() -> Iterator[dict[str, Maker]]:
    with get_context("spawn").Manager() as manager:
        shared = manager.dict({"grant": VALUES})
        yield {"multiprocessing.Manager": lambda: lambda: shared["grant"]}


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # With Nagle's algorithm, head and body would be 40 ms apart.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = json.dumps(VALUES).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def _http() -> Iterator[dict[str, Maker]]:
    server = _Server(("127.0.0.1", 0), _Answer)
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def get(connection: http.client.HTTPConnection) -> object:
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())

    def kept() -> Callable[[], object]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        return lambda: get(connection)

    def new() -> object:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            return get(connection)
        finally:
            connection.close()

    try:
        yield {"HTTP, kept alive": kept, "HTTP, a connection each": lambda: new}
    finally:
        server.shutdown()
        server.server_close()


def _botocore() -> Callable[[], object]:
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    credentials = RefreshableCredentials(
        VALUES["access"],
        VALUES["secret"],
        VALUES["token"],
        expiry_time=later,
        refresh_using=dict,
        method="benchmark",
    )
    read: Callable[[], object] = credentials.get_frozen_credentials
    return read
