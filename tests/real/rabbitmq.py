"""What OpenBao's rabbitmq engine talks to: enough of RabbitMQ's management API.

The engine is OpenBao's own and its leases are real: renewable, capped and revocable,
which no engine without a server behind it is. Only the broker at the far end stands in.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class RabbitMQ:
    """Keeps the users that OpenBao makes and deletes."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.down = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = self.path.strip("/").split("/")
                status = 503 if outer.down else 204
                if not outer.down and parts[:2] == ["api", "users"]:
                    if self.command == "PUT":
                        outer.users.add(parts[2])
                        status = 201
                    elif self.command == "DELETE":
                        outer.users.discard(parts[2])
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_DELETE = do_GET = handle_any  # noqa: N815  http.server's names

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> RabbitMQ:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
