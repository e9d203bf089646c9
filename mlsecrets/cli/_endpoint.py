"""Leased credentials for programs of any language, over HTTP on this machine.

It answers as AWS's container endpoints do ("Container credential provider"), which all
of AWS's SDKs ask by themselves, and ask again before what they got has ended. So they
follow each rotation, and nothing secret is in their environment or arguments.

Whoever can read the token's file gets the credentials: this user's processes.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import selectors
import threading
from collections.abc import Iterable
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any
from urllib.parse import quote

from .._reference import Reference
from ..clock import SYSTEM_CLOCK
from ..errors import MLSecretsError
from ..exposure import How
from ..grant import Grant
from ..memory import Draft

READER = "credential endpoint"
#: Seconds that a connection may be idle.
IDLE = 60.0
#: What AWS calls the fields; the others are spelled likewise.
_NAMES = {
    "access_key_id": "AccessKeyId",
    "secret_access_key": "SecretAccessKey",
    "session_token": "Token",
    "token": "Token",
    "username": "Username",
    "password": "Password",
}


class Endpoint(ThreadingTCPServer):
    """Serves each lease at a path of its own, from the block's begin to its end.

    Args:
        leases: which; they may be opened later, and end before it does.
        folder: this user's alone; the token's file is made in it.
    """

    request_queue_size = 128
    daemon_threads = True
    block_on_close = False
    timeout = 0  # `handle_request` is called when somebody is there

    def __init__(self, leases: Iterable[Reference], folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.leases = {f"/{quote(lease.scope)}": lease for lease in leases}
        self.token_file = folder / "token"
        self._token = secrets.token_urlsafe(32)
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(
            target=self._serve, name="mlsecrets-endpoint", daemon=True
        )

    @property
    def address(self) -> str:
        """The URL above those of the leases."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def url(self, scope: str) -> str:
        """Where the credentials of a scope are."""
        return f"{self.address}/{quote(scope)}"

    def knows(self, token: str) -> bool:
        """Whether it is the one in the file."""
        return hmac.compare_digest(token.encode(errors="replace"), self._token.encode())

    def __enter__(self) -> Endpoint:
        descriptor = os.open(
            self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "w") as file:
            file.write(self._token)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._wake)
        self._thread.join()
        os.close(self._woken)
        self.server_close()
        self.token_file.unlink(missing_ok=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is its own affair."""

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                if any(key.fileobj == self._woken for key, _ in selector.select()):
                    return
                self.handle_request()


class _Answer(BaseHTTPRequestHandler):
    """One connection; secrets go from locked memory to the socket."""

    server: Endpoint
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mlsecrets", ""
    timeout = IDLE

    def do_GET(self) -> None:
        """Answer with the credentials of a lease as they are now."""
        if not self.server.knows(self.headers.get("Authorization", "")):
            self._refuse(401, "NotAuthorized", "the token is not that of the file")
            return
        lease = self.server.leases.get(self.path)
        if lease is None:
            known = ", ".join(self.server.leases)
            self._refuse(404, "NotLeased", f"expected {known}, got {self.path}")
            return
        try:
            grant = lease.source().snapshot()
            with Draft() as body:
                _write(grant, body)
                self._send(200, body)
        except MLSecretsError as error:
            self._refuse(503, type(error).__name__, str(error))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name
        """Write nothing: standard error is the command's."""

    def _refuse(self, status: int, code: str, message: str) -> None:
        with Draft() as body:
            body.add(json.dumps({"code": code, "message": message}))
            self._send(status, body)

    def _send(self, status: int, body: Draft) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body.sealed)))
        self.end_headers()
        with body.sealed.reading() as view:
            self.connection.sendall(view)


def _write(grant: Grant, body: Draft) -> None:
    """The answer to a request: what is public, what is secret, and the true end."""
    credentials = grant.credentials
    left = grant.terms.remaining(SYSTEM_CLOCK.monotonic())
    end = datetime.fromtimestamp(SYSTEM_CLOCK.wall() + left, timezone.utc)
    public = {_NAMES[name]: value for name, value in credentials.public.items()}
    public["Expiration"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    body.add(json.dumps(public).removesuffix("}"))
    for field in credentials.FIELDS:
        body.add(f', "{_NAMES[field]}": "').add_json(credentials.sealed(field)).add('"')
        credentials.exposures.note(READER, field, How.LATE)
    body.add("}")
