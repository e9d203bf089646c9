"""The revoker's HTTP server: bounded bodies, JSON answers, a log without headers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from ..clock import SYSTEM_CLOCK
from ._revoker_proof import BadProof, Unavailable

_MAX_BODY_BYTES = 16 * 1024
_SOCKET_TIMEOUT = 10.0  # seconds


class Ends(Protocol):
    """What the server needs of the revoker."""

    def end_session(self, raw: bytes) -> dict[str, Any]:
        """Deny the session that made this proof."""

    def prune(self) -> None:
        """Forget the sessions that have ended by themselves."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _SOCKET_TIMEOUT
    server: RevokerServer

    def do_GET(self) -> None:
        if self.path == "/v1/health":
            self._answer(200, {"status": "ok"})
        else:
            self._answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        if self.path != "/v1/end-session":
            self._answer(404, {"error": "no such path"})
            return
        try:
            done = self.server.revoker.end_session(self._body())
        except BadProof as refusal:
            self._answer(refusal.status, {"error": refusal.reason})
        except Unavailable:
            self._answer(502, {"error": "store unavailable"})
        else:
            self.log_message("ended %s", done["arn"])
            self._answer(200, done)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
            raise BadProof(400, f"expected a body of at most {_MAX_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited
        """Time, request line and status; never a header or a body."""
        sys.stderr.write(f"{self.log_date_time_string()} {format % args}\n")


class RevokerServer(ThreadingHTTPServer):
    """One thread a request; prunes between requests."""

    daemon_threads = True

    def __init__(self, port: int, revoker: Ends, every: float) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.revoker = revoker
        self._every = every
        self._next_prune = SYSTEM_CLOCK.monotonic() + every

    def service_actions(self) -> None:
        """Called by `serve_forever` twice a second."""
        if SYSTEM_CLOCK.monotonic() < self._next_prune:
            return
        self._next_prune = SYSTEM_CLOCK.monotonic() + self._every
        try:
            self.revoker.prune()
        except Unavailable:
            sys.stderr.write("cannot prune now: store unavailable\n")
