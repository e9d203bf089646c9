"""A server that refuses credentials of its choice, although they should live."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

_ID = re.compile(r"CRED\d{16}")
_CLAIMS = base64.urlsafe_b64encode(b'{"access_token":{"nbf":{"essential":true}}}')
_CHALLENGES = {
    # RFC 6750 §3.1.
    "token": 'Bearer error="invalid_token"',
    # What Azure's services say when they revoke early (continuous access evaluation).
    "claims": f'Bearer error="insufficient_claims", claims="{_CLAIMS.decode()}"',
}
#: S3 API Reference, "Error responses": ExpiredToken is a 400.
_EXPIRED = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message>\
</Error>"""


class RefusingServer:
    """Answers GET with 200, or with a refusal.

    Args:
        refusal: how it refuses; a client's `refusal`.

    Attributes:
        refuses: which credentials it refuses, by id.
        together: how many refused requests to let arrive before any is answered.
    """

    def __init__(self, refusal: str) -> None:
        self.refusal = refusal
        self.refuses: Callable[[str], bool] = lambda identity: False
        self.together = threading.Barrier(1)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> RefusingServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # a crowd connects at once

    def __init__(self, owner: RefusingServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Header and body leave in two writes, which Nagle's algorithm would hold up.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        found = _ID.search(self.headers.get("Authorization", ""))
        owner = self.server.owner
        if found is not None and not owner.refuses(found.group()):
            self._answer(200, b"data")
            return
        # It breaks where fewer come than were expected, as after the first crowd.
        with suppress(threading.BrokenBarrierError):
            owner.together.wait(5)
        if owner.refusal == "store":
            self._answer(400, _EXPIRED, **{"Content-Type": "application/xml"})
        else:
            challenge = {"WWW-Authenticate": _CHALLENGES[owner.refusal]}
            self._answer(401, b"refused", **challenge)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        # What S3 clients expect of an object.
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  inherited
        """Benchmarks are quiet."""
