"""What may go wrong between a client and a server, one class each.

`FaultProxy` plays them. Those that break connections say so as data; all others do
something with one request.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Protocol

from tests.faults.exchange import Exchange, Message

#: More than any issuer's answer may have (`mlsecrets.issuers._http.MAX_ANSWER_BYTES`).
OVERSIZE = 2 << 20

_HTML = "text/html; charset=utf-8"
_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body>{0}</body></html>\n"


class Fault(Protocol):
    """One way to fail.

    Attributes:
        listens: whether connections are accepted.
        certificate: which of the `Authority`'s a TLS proxy presents.
    """

    listens: ClassVar[bool] = True
    certificate: ClassVar[str] = "good"

    def play(self, exchange: Exchange) -> None:
        """Do it to one request, in the thread of its connection."""


@dataclass(frozen=True)
class Refuse(Fault):
    """Nobody listens: connections are refused, and those there are end."""

    listens: ClassVar[bool] = False

    def play(self, exchange: Exchange) -> None:
        exchange.hang_up()


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset once the request was read.

    Args:
        forwarded: after the server did what it was asked: only its answer is lost.
    """

    forwarded: bool = False

    def play(self, exchange: Exchange) -> None:
        if self.forwarded:
            exchange.forward()
        exchange.reset()


@dataclass(frozen=True)
class BlackHole(Fault):
    """The request is swallowed; nothing comes until the fault is over.

    Args:
        forwarded: after the server did what it was asked: only its answer is lost.
    """

    forwarded: bool = False

    def play(self, exchange: Exchange) -> None:
        if self.forwarded:
            exchange.forward()
        exchange.changed.wait()
        exchange.hang_up()


@dataclass(frozen=True)
class SlowDrip(Fault):
    """The real answer, one byte at a time; the rest at once when the fault is over."""

    bytes_per_second: float

    def play(self, exchange: Exchange) -> None:
        answer = exchange.forward()
        for byte in exchange.head(answer) + exchange.content(answer):
            exchange.send(bytes([byte]))
            exchange.changed.wait(1 / self.bytes_per_second)


@dataclass(frozen=True)
class Truncate(Fault):
    """The real head, with its length, but half the body.

    Where there is no body, the first word is all that comes: an HTTP client takes a
    head that ends early for one that has fewer lines.
    """

    def play(self, exchange: Exchange) -> None:
        answer = exchange.forward()
        head, body = exchange.head(answer), exchange.content(answer)
        if body:
            exchange.send(head + body[: len(body) // 2])
        else:
            exchange.send(head[: len("HTTP/1")])
        exchange.hang_up()


@dataclass(frozen=True)
class Garbage(Fault):
    """Bytes without sense.

    Args:
        head: send them as the body of an answer with a proper head.
        seed: of the bytes, so that a run can be repeated.
    """

    head: bool = False
    seed: int = 0

    def play(self, exchange: Exchange) -> None:
        noise = random.Random(self.seed).randbytes(512)
        if self.head:
            exchange.answer(_answer(200, "application/json", noise))
        else:
            exchange.send(noise)
            exchange.hang_up()


@dataclass(frozen=True)
class OversizeBody(Fault):
    """An answer of JSON that is too large to be one."""

    size: int = OVERSIZE

    def play(self, exchange: Exchange) -> None:
        filling = b" " * (self.size - 2)
        exchange.answer(_answer(200, "application/json", b"{" + filling + b"}"))


@dataclass(frozen=True)
class WrongContentType(Fault):
    """A web page, as a captive portal or a wrong address answers: 200, no JSON."""

    def play(self, exchange: Exchange) -> None:
        exchange.answer(_answer(200, _HTML, _PAGE.format("Sign in").encode()))


@dataclass(frozen=True)
class Status(Fault):
    """An error, by the server or by a gateway before it.

    Args:
        code: the HTTP status.
        body: what it says; a gateway's page if None. See `bao_says` and `sts_says`.
        retry_after: the header of that name, seconds or a date.
    """

    code: int
    body: str | None = None
    retry_after: float | str | None = None

    def play(self, exchange: Exchange) -> None:
        body = self.body
        if body is None:
            phrase = HTTPStatus(self.code).phrase
            answer = _answer(self.code, _HTML, _PAGE.format(phrase).encode())
        else:
            kind = "text/xml" if body.startswith("<") else "application/json"
            answer = _answer(self.code, kind, body.encode())
        if self.retry_after is not None:
            retry = ("Retry-After", str(self.retry_after))
            answer = Message(answer.start, (*answer.headers, retry), answer.body)
        exchange.answer(answer)


@dataclass(frozen=True)
class Throttle(Fault):
    """OpenBao's rate-limit quota is used up (429)."""

    retry_after: float

    def play(self, exchange: Exchange) -> None:
        said = bao_says("request path: rate limit quota exceeded")
        Status(429, said, f"{self.retry_after:.0f}").play(exchange)


@dataclass(frozen=True)
class Latency(Fault):
    """The real answer, so many seconds late; at once when the fault is over."""

    seconds: float

    def play(self, exchange: Exchange) -> None:
        exchange.changed.wait(self.seconds)
        exchange.relay()


@dataclass(frozen=True)
class ExpiredTLS(Fault):
    """The certificate has run out; only a TLS proxy can do this."""

    certificate: ClassVar[str] = "expired"

    def play(self, exchange: Exchange) -> None:
        exchange.relay()


@dataclass(frozen=True)
class WrongNameTLS(Fault):
    """The certificate is another server's; only a TLS proxy can do this."""

    certificate: ClassVar[str] = "wrong-name"

    def play(self, exchange: Exchange) -> None:
        exchange.relay()


def bao_says(*errors: str) -> str:
    """A refusal in OpenBao's form."""
    return json.dumps({"errors": list(errors)}) + "\n"


def sts_says(code: str, message: str) -> str:
    """A refusal in the form of AWS's STS."""
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
        f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
        "</Error><RequestId>0</RequestId></ErrorResponse>"
    )


def _answer(code: int, kind: str, body: bytes) -> Message:
    phrase = HTTPStatus(code).phrase if code in _known() else "Unknown"
    return Message(("HTTP/1.1", str(code), phrase), (("Content-Type", kind),), body)


def _known() -> Iterator[int]:
    return (int(status) for status in HTTPStatus)
