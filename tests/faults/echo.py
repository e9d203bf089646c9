"""A plain server to put the proxy in front of, for the tests of the proxy itself."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.faults.proxy import FaultProxy

BODY = json.dumps({"data": "x" * 40}).encode()


class Handler(BaseHTTPRequestHandler):
    """Echoes what it was sent; a GET is answered in chunks, as Go does."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))

    def do_POST(self) -> None:
        self.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        self.send_response(204)
        self.end_headers()

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


class Echo:
    """A real server, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        handler = type("Asked", (Handler,), {"asked": self.asked})
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._httpd.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._httpd.server_port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever)

    def __enter__(self) -> Echo:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


def send(
    client: http.client.HTTPConnection,
    method: str = "GET",
    path: str = "/x",
    body: str | bytes | None = None,
) -> http.client.HTTPResponse:
    """The answer to a request over a connection that may be there already."""
    client.request(method, path, body)
    return client.getresponse()


def get(proxy: FaultProxy, path: str = "/x", timeout: float = 5) -> bytes:
    """The body of a request over a connection of its own."""
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout)
    try:
        answer = send(client, path=path)
        assert answer.status == 200
        return answer.read()
    finally:
        client.close()
