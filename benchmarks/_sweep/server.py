"""A stand-in for OpenBao and a store, which answers with a digest of what it is shown.

So readers prove that they really sent their secret, and a live one that it is still
whole.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """The same, once the body has come."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_HEAD(self) -> None:
        """The same, without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """A digest of the token, in the clothes that the path asks for."""
        shown = (
            self.headers.get("X-Vault-Token")
            or self.headers.get("X-Amz-Security-Token")
            or self.headers.get("Authorization", "").removeprefix("Bearer ")
        )
        answer = hashlib.sha256(shown.encode()).hexdigest()
        if self.path.startswith("/v1/"):
            answer = json.dumps({"data": {"data": {"digest": answer}, "metadata": {}}})
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.encode())

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """Its address; it runs in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "_sweep.server"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the server has no output")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    print(server.server_port, flush=True)
    server.serve_forever()
