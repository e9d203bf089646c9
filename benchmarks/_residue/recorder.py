"""What stands between a client and a real server, and learns the secrets from both."""

from __future__ import annotations

import gzip
import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from .secrets import Seen

#: Headers about one connection, not about the message (RFC 9110 §7.6.1), and the
#: length, which is counted anew.
_PER_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})
_TIMEOUT = 60.0  # seconds; longer than any client waits


class Recorder(ThreadingHTTPServer):
    """Forwards every request as it is, in the observer's process, not the client's.

    Args:
        upstream: the server's address, plain http.
        seen: what the secrets are added to.
        tls: speak TLS to clients with this.
    """

    daemon_threads = True
    # Connections that a client keeps open are ended with the client.
    block_on_close = False

    def __init__(self, upstream: str, seen: Seen, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.upstream = urlsplit(upstream).netloc
        self.seen = seen
        scheme = "http" if tls is None else "https"
        self._tls = tls
        self.address = f"{scheme}://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands on the connection's own thread, then serve it."""
        if self._tls is not None:
            request = self._tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that hangs up is no news, and the terminal is ours."""

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Forward(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"
    # A head and a body in two small segments would wait for each other (Nagle).
    disable_nagle_algorithm = True
    wbufsize = -1

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=_TIMEOUT)
        try:
            upstream.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in _PER_HOP:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        zipped = answer.getheader("Content-Encoding") == "gzip"
        # Learned before the client has it: whoever looks now looks for all of it.
        self.server.seen.hear(
            self.path, body, gzip.decompress(content) if zipped else content
        )
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in {*_PER_HOP, "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Let a client that asks first send its body, at once."""
        told = super().handle_expect_100()
        self.wfile.flush()
        return told

    def do_GET(self) -> None:
        self._forward()

    def do_HEAD(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def do_PUT(self) -> None:
        self._forward()

    def log_message(self, *args: object) -> None:
        """Nothing: the terminal is the table's."""
