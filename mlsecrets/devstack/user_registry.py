"""A stand-in for RabbitMQ's management API, so that OpenBao leases something renewable.

::

    with UserRegistry() as registry:
        registry.mount(stack.openbao.admin(), ttl=4, max_ttl=10)
        ...  # a job reads rabbitmq/creds/worker, renews, revokes
        assert not registry.users

The lease is OpenBao's own, from its real ``rabbitmq`` engine; only the server at which
it makes and removes users is this one. Of the engines built into OpenBao 2.7, ``pki``
and ``ssh`` lease without a server, and neither's leases renew.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from ._admin import OpenBaoAdmin
from ._errors import DevStackError

_PERMISSIONS = {"/": {"configure": ".*", "write": ".*", "read": ".*"}}


class UserRegistry:
    """Knows which users exist: OpenBao makes one a lease, and removes it at its end.

    Attributes:
        users: their names.
        down: answer 503 to everything, as a server that is being restarted.
    """

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.down = False
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> UserRegistry:
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

    def mount(
        self, admin: OpenBaoAdmin, *, ttl: int, max_ttl: int, at: str = "rabbitmq"
    ) -> None:
        """Make ``rabbitmq/creds/worker`` lease users of this registry.

        Args:
            admin: who may mount engines.
            at: where to mount it, if elsewhere.
            ttl: of a lease, in seconds.
            max_ttl: up to which it renews, in seconds.
        """
        connection = {
            "connection_uri": f"http://127.0.0.1:{self._server.server_port}",
            "username": "openbao",
            "password": "not asked for",
            "verify_connection": False,
        }
        permissions = {"vhosts": json.dumps(_PERMISSIONS)}
        for path, body in (
            (f"sys/mounts/{at}", {"type": "rabbitmq"}),
            (f"{at}/config/connection", connection),
            (f"{at}/config/lease", {"ttl": ttl, "max_ttl": max_ttl}),
            (f"{at}/roles/worker", permissions),
        ):
            answer = admin.request("POST", path, body)
            if answer.status_code >= 300:
                raise DevStackError(f"OpenBao answers {answer.status_code} to {path}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, registry: UserRegistry) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = registry


class _Handler(BaseHTTPRequestHandler):
    """``/api/users/NAME`` is what counts; permissions are accepted and forgotten."""

    server: _Server

    def do_PUT(self) -> None:
        name = self._user()
        if name is not None and not self.server.registry.down:
            self.server.registry.users.add(name)
        self._done()

    def do_DELETE(self) -> None:
        name = self._user()
        if name is not None and not self.server.registry.down:
            self.server.registry.users.discard(name)
        self._done()

    def _user(self) -> str | None:
        head, found, name = self.path.partition("/api/users/")
        return unquote(name) if found and not head else None

    def _done(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503 if self.server.registry.down else 204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited
        """Tests are quiet."""
