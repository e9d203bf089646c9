"""One request and its answer, on their way through the fault proxy."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

#: Seconds for the server behind the proxy: longer than any client of it waits.
UPSTREAM_TIMEOUT = 30.0
#: What a head may have at most; neither side sends anywhere near it.
MAX_HEAD_BYTES = 64 * 1024
#: Headers about one connection, not about the message (RFC 9110 §7.6.1), and the
#: length, which is counted anew.
_PER_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Header = tuple[str, str]


@dataclass(frozen=True)
class Message:
    """A request or an answer; its secrets are not shown.

    Attributes:
        start: the first line, split.
        headers: as received.
        body: whole.
    """

    start: tuple[str, str, str]
    headers: tuple[Header, ...] = field(repr=False)
    body: bytes = field(repr=False, default=b"")

    def header(self, name: str) -> str:
        """The first header of that name; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass
class Exchange:
    """What a fault may do with one request: answer it, forward it, break it.

    Attributes:
        request: what the client asks.
        changed: set as soon as the proxy has another fault, or none, or stops.
        over: whether the connection is done for.
    """

    request: Message
    changed: threading.Event
    over: bool
    client: socket.socket = field(repr=False)
    upstream: tuple[str, int] = field(repr=False)
    #: Told of the connection to the server, so that a stop can end it.
    track: Callable[[socket.socket], None] = field(repr=False)
    untrack: Callable[[socket.socket], None] = field(repr=False)

    def forward(self) -> Message:
        """The real server's answer to the request.

        Raises:
            OSError, HTTPException: it gives none.
        """
        method, path, _ = self.request.start
        connection = http.client.HTTPConnection(
            *self.upstream, timeout=UPSTREAM_TIMEOUT
        )
        connection.connect()
        try:
            self.track(connection.sock)
            connection.putrequest(
                method, path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.request.headers:
                if name.lower() not in _PER_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(self.request.body)))
            connection.endheaders(self.request.body)
            answer = connection.getresponse()
            headers = [(key, value) for key, value in answer.getheaders()]
            start = ("HTTP/1.1", str(answer.status), answer.reason)
            return Message(start, tuple(headers), answer.read())
        finally:
            self.untrack(connection.sock)
            connection.close()

    def relay(self) -> None:
        """Forward the request, and its answer as it is."""
        self.answer(self.forward())

    def answer(self, answer: Message) -> None:
        """Answer, and keep the connection."""
        self.send(self.head(answer) + self.content(answer))

    def head(self, answer: Message) -> bytes:
        """The head of an answer as it goes over the wire, with the true length."""
        lines = [" ".join(answer.start)]
        lines += [
            f"{name}: {value}"
            for name, value in answer.headers
            if name.lower() not in _PER_HOP
        ]
        if answer.start[1] not in {"204", "304"}:
            length = answer.header("content-length")
            if self.request.start[0] != "HEAD" or not length:
                length = str(len(answer.body))
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def content(self, answer: Message) -> bytes:
        """The body of an answer as it goes over the wire: none to a HEAD."""
        return b"" if self.request.start[0] == "HEAD" else answer.body

    def send(self, content: bytes) -> None:
        """Bytes to the client."""
        self.client.sendall(content)

    def hang_up(self) -> None:
        """End the connection as a server that exits does."""
        self.over = True

    def reset(self) -> None:
        """End the connection with a RST, as a server that crashes does.

        SO_LINGER of 0 s makes close() discard what is unsent and reset (socket(7)).
        """
        linger = struct.pack("ii", 1, 0)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.over = True


class Reader:
    """Reads the requests of one connection, one after the other."""

    def __init__(self, client: socket.socket) -> None:
        self._stream = client.makefile("rb")

    def next(self) -> Message | None:
        """The next request; None once the client is done.

        Raises:
            OSError: the connection broke, or what came is no request.
        """
        lines = []
        total = 0
        while (line := self._stream.readline(MAX_HEAD_BYTES)).strip():
            total += len(line)
            if total > MAX_HEAD_BYTES:
                raise OSError("a head without end")
            lines.append(line.decode("latin-1").strip())
        if not lines:
            return None
        method, _, rest = lines[0].partition(" ")
        path, _, version = rest.rpartition(" ")
        pairs = (line.partition(":") for line in lines[1:])
        headers = tuple((name, value.strip()) for name, _, value in pairs)
        request = Message((method, path, version), headers)
        if request.header("transfer-encoding"):
            raise OSError("a request of unknown length: this proxy reads none")
        body = self._stream.read(int(request.header("content-length") or 0))
        return Message(request.start, headers, body)

    def close(self) -> None:
        """Let go of the connection."""
        self._stream.close()
