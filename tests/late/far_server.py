"""A server in a process of its own, so that its copies are not its client's.

It never says what it was sent, but the SHA-256 of it, and does what the path says:
``/refuse/N/...`` refuses the first N credentials, ``/to/URL`` redirects.
"""

from __future__ import annotations

import json
import ssl
import sys
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

lock = threading.Lock()
refused: dict[str, list[str]] = {}
seen: list[dict[str, object]] = []


def digest(value: bytes) -> str:
    return sha256(value).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self._body()
        if self.path == "/seen":
            self._answer(200, seen)
            return
        fields = {
            name.lower(): digest(value.encode("latin-1"))
            for name, value in self.headers.items()
        }
        request: dict[str, object] = {"path": self.path, "fields": fields}
        request["body"] = digest(body)
        with lock:
            status = self._status(fields.get("authorization", ""))
            request["status"] = status
            seen.append(request)
        self._answer(status, request)

    def do_POST(self) -> None:
        self.do_GET()

    def _status(self, credential: str) -> int:
        if self.path.startswith("/to/"):
            return 302
        if not self.path.startswith("/refuse/"):
            return 200
        already = refused.setdefault(self.path, [])
        if credential not in already and len(already) < int(self.path.split("/")[2]):
            already.append(credential)
        return 401 if credential in already else 200

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, content: object) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", unquote(self.path[len("/to/") :]))
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *args: object) -> None:
        """Clients hang up; that is what some tests are about."""


def main(pem: str) -> None:
    server = Server(("127.0.0.1", 0), Handler)
    if pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
